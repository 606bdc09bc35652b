/** The main job: inputs to report (contract.md section 1). */
import { Flags } from '@oclif/core'
import { AnalysisCommand } from '../src/cli/analysis-command.ts'
import { bundle } from '../src/cli/bundle.ts'
import { ANALYSIS_FLAGS, analyzeOptions, INPUTS } from '../src/cli/flags.ts'
import { writeBytesAtomically } from '../src/cli/output.ts'
import { analyze, slice } from '../src/index.ts'
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
    '<%= config.bin %> analyze capture.pcap -o report.html',
    '<%= config.bin %> analyze capture.pcap --bundle incident.zip',
    'tcpdump -i any -s 0 -U -w - tcp port 3306 | <%= config.bin %> analyze -',
    '<%= config.bin %> analyze test.pcap --fail-on error --strict --format ndjson',
  ]
  static override args = { input: INPUTS }
  static override flags = {
    ...ANALYSIS_FLAGS,
    bundle: Flags.string({
      summary:
        'Write a zip to pass on as well: report, facts, the frames of each finding, command line, version, hashes. Redacted and anonymised unless --no-redact.',
      helpValue: 'FILE',
      helpGroup: 'OUTPUT',
    }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Analyze)
    const path = flags.bundle
    if (path === undefined) {
      await this.analyseAndPrint(analyze, args.input, flags, flags.around === undefined ? {} : { text: renderAround })
      return
    }
    const redact = flags.redact !== false
    await this.analyseAndPrint(analyze, args.input, flags, {
      extras: true,
      verdict: async (report) => {
        const options = { ...analyzeOptions(flags), keylogs: flags.keylog ?? [], anonymize: redact, report }
        const cut = args.input.includes('-')
          ? null
          : (f: { id: string }) => slice(args.input, { ...options, finding: f.id })
        const zip = await bundle({ report, args: this.commandLine(), redact, slice: cut })
        await writeBytesAtomically(path, zip)
        return null
      },
    })
  }

  private commandLine(): string[] {
    return ['analyze', ...this.argv]
  }
}
