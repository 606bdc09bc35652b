/** The main job: inputs to report (contract.md section 1). */
import { AnalysisCommand } from '../src/cli/analysis-command.ts'
import { ANALYSIS_FLAGS, INPUTS } from '../src/cli/flags.ts'
import { analyze } from '../src/index.ts'
import { renderAround } from '../src/report/around-text.ts'

export default class Analyze extends AnalysisCommand {
  static override summary = 'Say which MySQL connections broke, who cut them, why, and what was lost.'
  static override description =
    'Reads captures, rebuilds the MySQL sessions in them, runs every rule and prints what it found. Results go to stdout, all else to stderr. ' +
    'Exit code: 0 ran, 1 findings at or above --fail-on, 2 wrong usage, 3 an input cannot be read (or, with --strict, is incomplete), 70 a bug of ours, 130 interrupted.'
  static override examples = [
    '<%= config.bin %> analyze capture.pcap',
    '<%= config.bin %> analyze captures/ --since 17:10 --until 17:20',
    `<%= config.bin %> analyze capture.pcapng.gz --filter 'user == app and silence > 5m'`,
    '<%= config.bin %> analyze capture.pcap -o report.json --redact',
    'tcpdump -i any -s 0 -U -w - tcp port 3306 | <%= config.bin %> analyze -',
    '<%= config.bin %> analyze test.pcap --fail-on error --strict --format ndjson',
  ]
  static override args = { input: INPUTS }
  static override flags = ANALYSIS_FLAGS

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Analyze)
    await this.analyseAndPrint(analyze, args.input, flags, flags.around === undefined ? {} : { text: renderAround })
  }
}
