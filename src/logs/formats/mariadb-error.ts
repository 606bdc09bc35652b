/**
 * The error log of MariaDB: `2026-11-20 17:27:51 5 [Warning] text`, the hour padded with a space, the thread's id, server local time.
 * MySQL 5.6 writes the same with its process id instead of the thread's; versions before both write YYMMDD without a number.
 */
import type { Draft, Entry, EntryReader, LogFormat } from '../format.ts'
import { isTrace } from '../lines.ts'
import { readStamp } from '../stamp.ts'
import { levelOf } from '../words.ts'
import { SERVER_AROUND, serverMessage } from './server-messages.ts'

const LINE =
  /^(\d{4}-\d\d-\d\d {1,2}\d{1,2}:\d\d:\d\d|\d{6} {1,2}\d{1,2}:\d\d:\d\d)(?: (0x[0-9a-f]+|\d+))? \[(\w+)\] ([\s\S]*)$/
const START =
  /^(?:\d{4}-\d\d-\d\d {1,2}\d{1,2}:\d\d:\d\d (?:0x[0-9a-f]+|\d+)|\d{6} {1,2}\d{1,2}:\d\d:\d\d) \[(?:Note|Warning|ERROR)\] |^\d{6} +\d{1,2}:\d\d:\d\d mysqld_safe /
const DULL = / \[Note\] /
const ABOUT =
  /onnection|ommunication|handshake|timeout|packets? |hutdown|Starting MariaDB|got signal|recover|socket created|page_cleaner|Access denied|blocked|shut down|thread \d+ {2}user/

class MariadbReader implements EntryReader {
  /** Once a line bore thread 0 it is MariaDB; a process id is never 0. */
  private mariadb = false
  /** The number of the last line: the same on all lines of MySQL 5.6. */
  private version: string | null = null

  dull(line: string): boolean {
    if (!this.mariadb && / 0 \[\w+\] |[Mm]aria/.test(line)) this.mariadb = true
    return DULL.test(line) && !ABOUT.test(line)
  }

  read({ text }: Entry): Draft | null {
    const m = LINE.exec(text)
    if (m === null) return null
    const number = Number(m[2] ?? 0)
    const level = levelOf(m[3])
    const message = m[4]!
    const stamp = readStamp(m[1]!)?.stamp ?? null
    const draft = serverMessage(message)
    // "Aborted connection 5" written by thread 5.
    if (number > 0 && draft?.connectionId === number) this.mariadb = true
    if (draft?.version != null) this.version = draft.version
    const whose = this.mariadb
      ? { connectionId: number || null }
      : { product: 'MySQL', connectionId: null, format: 'mysql-error' }
    const version = this.version === null ? {} : { version: this.version }
    if (draft === null)
      return level === 'error' || level === 'warning'
        ? { what: 'other', stamp, level, reason: message.slice(0, 200), ...whose }
        : null
    return { stamp, level, ...whose, ...version, ...draft }
  }
}

export const mariadbError: LogFormat = {
  id: 'mariadb-error',
  title: 'MariaDB error log, and MySQL up to 5.6',
  product: 'MariaDB',
  role: 'server',
  examples: [
    "2020-04-30 15:12:07 31 [Warning] Aborted connection 31 to db: 'bitnami_ghost' user: 'bn_ghost' host: '172.19.0.3' (Got an error reading communication packets)",
    "2025-01-23  8:42:10 5 [Warning] Aborted connection 5 to db: 'unconnected' user: 'unauthenticated' host: 'abc-wordpress-1.abc_back-end' (This connection closed normally without authentication)",
    '2026-11-20 17:27:51 0 [Note] Starting MariaDB 10.11.19-MariaDB-0+deb12u1 source revision 4b6d6d3 server_uid FNzvo= as process 4321',
  ],
  starts: (line) => START.test(line),
  continues: (line) => isTrace(line) || SERVER_AROUND.test(line),
  open: () => new MariadbReader(),
}
