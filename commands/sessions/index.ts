/** One row per session (contract.md section 1). */
import { Flags } from '@oclif/core'
import { AnalysisCommand } from '../../src/cli/analysis-command.ts'
import { EXIT_FLAGS, INPUTS, OUTPUT_FLAGS, SELECT_FLAGS } from '../../src/cli/flags.ts'
import { analyze } from '../../src/index.ts'
import { renderSessions, SESSION_ORDERS, type SessionOrder, sortSessions } from '../../src/report/sessions-table.ts'

/** Rows of the table unless --limit says otherwise. */
const ROWS = 100

export default class Sessions extends AnalysisCommand {
  static override summary = 'One row per MySQL session, sorted and filtered.'
  static override description =
    'ID is the name of the capture and the tcp.stream number that Wireshark gives the connection. "quiet" is the time without payload before the end. ' +
    'Columns that have no room are named below the table; --format json has everything.'
  static override examples = [
    '<%= config.bin %> sessions capture.pcap',
    '<%= config.bin %> sessions capture.pcap --sort silence --limit 10',
    `<%= config.bin %> sessions capture.pcap --filter 'ending.how == rst and errors > 0'`,
    `<%= config.bin %> sessions capture.pcap --format ndjson`,
  ]
  static override args = { input: INPUTS }
  static override flags = {
    ...SELECT_FLAGS,
    ...EXIT_FLAGS,
    output: OUTPUT_FLAGS.output,
    redact: OUTPUT_FLAGS.redact,
    format: Flags.string({
      summary: 'What to print.',
      options: ['table', 'json', 'ndjson'],
      default: 'table',
      helpValue: 'table|json|ndjson',
      helpGroup: 'OUTPUT',
    }),
    sort: Flags.string({
      summary: 'Order of the rows; start when not given.',
      options: SESSION_ORDERS,
      helpValue: SESSION_ORDERS.join('|'),
      helpGroup: 'OUTPUT',
    }),
    limit: Flags.integer({
      summary: `Rows to show, 0 for all. The table stops at ${ROWS} by itself.`,
      min: 0,
      helpValue: 'N',
      helpGroup: 'OUTPUT',
    }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Sessions)
    const sort = (flags.sort ?? 'start') as SessionOrder
    const table = flags.format === 'table'
    const limit = flags.limit ?? (table ? ROWS : 0)
    await this.analyseAndPrint(
      analyze,
      args.input,
      { ...flags, format: table ? 'text' : flags.format },
      {
        text: (report, style) => renderSessions(report, style, flags.sort === undefined ? { limit } : { sort, limit }),
        narrow: (report) => {
          if (table) return report
          const sorted = sortSessions(report.sessions, sort)
          const sessions = limit > 0 ? sorted.slice(0, limit) : sorted
          const notListed = report.summary.notListed + sorted.length - sessions.length
          return { ...report, sessions, summary: { ...report.summary, notListed } }
        },
      },
    )
  }
}
