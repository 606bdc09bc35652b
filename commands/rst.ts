/** One family of findings with its own table (contract.md section 1). */
import { AnalysisCommand } from '../src/cli/analysis-command.ts'
import { ANALYSIS_FLAGS, INPUTS } from '../src/cli/flags.ts'
import { analyze } from '../src/index.ts'
import { RST_FAMILIES, renderRst } from '../src/report/rst-table.ts'
import { selectFindings } from '../src/report/select.ts'

export default class Rst extends AnalysisCommand {
  static override summary =
    'Every connection that was cut: who sent it, how long after the query, what was lost, safe to retry or not.'
  static override description =
    'The engine of analyze, with the findings about cut and timed-out connections only. "after" is the time since the last payload byte. ' +
    '"retry" says whether the lost statement may have run. Exit codes as for analyze.'
  static override examples = [
    '<%= config.bin %> rst capture.pcap',
    `<%= config.bin %> rst capture.pcap --filter 'ending.by == server'`,
  ]
  static override args = { input: INPUTS }
  static override flags = ANALYSIS_FLAGS

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Rst)
    await this.analyseAndPrint(analyze, args.input, flags, {
      narrow: (report) => selectFindings(report, (f) => RST_FAMILIES.includes(f.family)),
      text: (report, style) => renderRst(report, style, { explain: flags.explain === true }),
    })
  }
}
