/**
 * The general query log of MySQL and MariaDB: time, connection id, command, argument, with tabs between. Up to MySQL 5.6, and in
 * MariaDB, a line without a time belongs to the second of the line before. A statement may go on for lines.
 */
import type { Draft, Entry, EntryReader, LogFormat } from '../format.ts'
import { readStamp, type Stamp } from '../stamp.ts'

const COMMANDS =
  'Connect|Quit|Query|Init DB|Prepare|Execute|Close stmt|Reset stmt|Change user|Ping|Statistics|Kill|Reset Connection|Reset connection|Field List|Long Data|Fetch|Refresh|Shutdown|Processlist|Debug|Set option|Sleep|Create DB|Drop DB|Register Slave|Register Replica|Binlog Dump|Binlog Dump GTID|Binlog Dump Gtid|Table Dump|Delayed insert|Time|Daemon|Error|Bulk_execute|Bulk Execute|Unknown'
const LINE = new RegExp(
  String.raw`^(?:(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(?:Z|[+-]\d\d:\d\d))|(\d{6} {1,2}\d{1,2}:\d\d:\d\d)|\t)\t *(\d+) (${COMMANDS})\t?([\s\S]*)$`,
)
const START = new RegExp(
  String.raw`^(?:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(?:Z|[+-]\d\d:\d\d)|\d{6} {1,2}\d{1,2}:\d\d:\d\d|\t)\t *\d+ (?:${COMMANDS})(?:\t|$)`,
)
const STATEMENT = /^[^\t]*\t\t? *\d+ (?:Query|Execute|Prepare|Close stmt|Field List|Fetch|Long Data|Statistics)\t/
const HEADER = /^(?:\S*(?:mysqld|mariadbd)\S*, Version: |Tcp port: |Time[ \t]+Id[ \t]+Command)/
const CONNECT = /^(?:(.*?)@(\S*?)(?: as \w+)? on ?(\S*?)(?: using (.*))?|Access denied for user '(.*?)'@'(.*?)'.*)$/

class GeneralReader implements EntryReader {
  private last: Stamp | null = null
  private product = 'MySQL'
  private version: string | null = null

  rank(line: string): 0 | 1 | 2 {
    // Of the commands only Connect, Quit and their like are more than context.
    return STATEMENT.test(line) ? 0 : 2
  }

  read({ text, first }: Entry): Draft | null {
    if (HEADER.test(first)) {
      const version = /Version: (\S+)/.exec(first)?.[1]
      if (version === undefined) return null
      this.version = version
      this.product = /maria/i.test(first) ? 'MariaDB' : 'MySQL'
      return null
    }
    const m = LINE.exec(text)
    if (m === null) return null
    const written = m[1] ?? m[2]
    if (written !== undefined) this.last = readStamp(written)?.stamp ?? this.last
    const { product, version } = this
    const head = { stamp: this.last, product, version, connectionId: Number(m[3]), fields: { command: m[4]! } }
    const argument = m[5]!
    switch (m[4]) {
      case 'Connect': {
        const c = CONNECT.exec(argument)
        if (c === null) return { ...head, what: 'connected' }
        if (c[5] !== undefined || argument.startsWith('Access denied'))
          return {
            ...head,
            what: 'auth-failed',
            code: 1045,
            closedBy: 'server',
            user: c[5] ?? null,
            client: c[6] ?? null,
          }
        return {
          ...head,
          what: 'connected',
          user: c[1] || null,
          client: c[2] || null,
          schema: c[3] || null,
          ...(c[4] === undefined ? {} : { fields: { command: 'Connect', transport: c[4] } }),
        }
      }
      case 'Quit':
        return { ...head, what: 'closed', closedBy: 'client', reason: 'COM_QUIT', state: null }
      case 'Change user':
      case 'Reset Connection':
      case 'Reset connection':
        return { ...head, what: 'reset', reason: m[4]! }
      case 'Ping':
        return { ...head, what: 'validated', reason: 'COM_PING' }
      case 'Kill':
        return {
          ...head,
          what: 'killed',
          closedBy: 'client',
          statement: `KILL ${argument}`,
          reason: `kills ${argument}`,
        }
      case 'Shutdown':
        return { ...head, what: 'stopped', reason: 'COM_SHUTDOWN' }
      case 'Init DB':
        return { ...head, what: 'statement', statement: `USE ${argument}`, schema: argument }
      default:
        return { ...head, what: 'statement', statement: argument }
    }
  }
}

export const mysqlGeneral: LogFormat = {
  id: 'mysql-general',
  title: 'General query log of MySQL and MariaDB',
  product: 'MySQL',
  role: 'server',
  examples: [
    '2026-11-20T17:52:36.101010Z\t   42 Connect\tapp@10.20.0.10 on shop using TCP/IP',
    '261120 17:20:31\t    42 Connect\tapp@10.20.0.10 on shop using TCP/IP',
    '\t\t    42 Query\tSELECT 1',
    '2026-11-20T17:52:36.141010Z\t   42 Quit\t',
  ],
  starts: (line) => START.test(line) || HEADER.test(line),
  // Whatever follows a statement is more of it. The slow log begins with the same header.
  continues: (line) => !/^# (?:Time: \d|User@Host: )/.test(line),
  open: () => new GeneralReader(),
}
