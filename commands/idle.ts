/** One family of findings with its own table (contract.md section 1). */
import { AnalysisCommand } from '../src/cli/analysis-command.ts'
import { ANALYSIS_FLAGS, INPUTS } from '../src/cli/flags.ts'
import { analyze } from '../src/index.ts'
import { IDLE_FAMILIES, renderIdle } from '../src/report/idle-text.ts'
import { selectFindings } from '../src/report/select.ts'

export default class Idle extends AnalysisCommand {
  static override summary =
    'How long connections were silent, which silences ended them, and which timers that fits: the gap histogram and the table.'
  static override description =
    'The engine of analyze, with the findings about idle connections only. "after" is the silence before the close; where nothing was sent at ' +
    'expiry it is the interval in which the timer lies: above the longest silence that was survived, up to the shortest that failed. ' +
    '"longer" counts sessions that survived a longer silence: evidence against that timer. Exit codes as for analyze.'
  static override examples = [
    '<%= config.bin %> idle capture.pcap',
    '<%= config.bin %> idle capture.pcap --format json | jq .idle.timers',
  ]
  static override args = { input: INPUTS }
  static override flags = ANALYSIS_FLAGS

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Idle)
    await this.analyseAndPrint(analyze, args.input, flags, {
      options: { idle: true },
      narrow: (report) => selectFindings(report, (f) => IDLE_FAMILIES.includes(f.family)),
      text: (report, style) => renderIdle(report, style, { explain: flags.explain === true }),
    })
  }
}
