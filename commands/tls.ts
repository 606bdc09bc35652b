/** One family of findings with its own table (contract.md section 1). */
import { AnalysisCommand } from '../src/cli/analysis-command.ts'
import { ANALYSIS_FLAGS, INPUTS } from '../src/cli/flags.ts'
import { analyze } from '../src/index.ts'
import { selectFindings } from '../src/report/select.ts'
import { renderTls, TLS_FAMILIES } from '../src/report/tls-text.ts'

export default class Tls extends AnalysisCommand {
  static override summary =
    'TLS in MySQL: versions and cipher suites, failed handshakes, alerts, who failed and who was hit, what could not be read.'
  static override description =
    'The engine of analyze, with the findings about TLS only. Handshakes are counted by what ended them; alerts by who sent them, with what ' +
    'that side said. Where a process cut healthy sessions after another TLS session had failed, the chain is drawn from the failure to each ' +
    'of those that it hit. Sessions that could not be read are listed by the reason. Exit codes as for analyze.'
  static override examples = [
    '<%= config.bin %> tls capture.pcap',
    '<%= config.bin %> tls capture.pcap --keylog sslkeys.txt',
    '<%= config.bin %> tls capture.pcap --format json | jq .tls.suites',
  ]
  static override args = { input: INPUTS }
  static override flags = ANALYSIS_FLAGS

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Tls)
    await this.analyseAndPrint(analyze, args.input, flags, {
      options: { tls: true },
      narrow: (report) => selectFindings(report, (f) => TLS_FAMILIES.includes(f.family)),
      text: (report, style) => renderTls(report, style, { explain: flags.explain === true }),
    })
  }
}
