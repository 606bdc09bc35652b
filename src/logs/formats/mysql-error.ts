/**
 * The error log of MySQL 5.7 and later: `<ISO time, microseconds> <thread> [label] [MY-code] [subsystem] text`, the code and the
 * subsystem from 8.0 on. UTC (`Z`) unless log_timestamps=SYSTEM. The thread is the connection id where it is not 0.
 */
import { type Draft, type Entry, each, type LogFormat } from '../format.ts'
import { isTrace } from '../lines.ts'
import { readStamp } from '../stamp.ts'
import { levelOf } from '../words.ts'
import { SERVER_AROUND, serverMessage } from './server-messages.ts'

const LINE =
  /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(?:Z|[+-]\d\d:\d\d)) +(\d+) \[(\w+)\] (?:\[(MY-\d{6})\] \[([^\]]*)\] )?([\s\S]*)$/
const START =
  /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(?:Z|[+-]\d\d:\d\d) +\d+ \[(?:System|Note|Warning|ERROR|Error|Information)\] /
/** The crash report begins with a time of its own kind: 5.6 to 8.0 without a date, later with one. */
const CRASH = /^(?:(\d\d:\d\d:\d\d)|(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)) UTC - (?:mysqld|mariadbd) got/
function read({ text }: Entry): Draft | null {
  const crash = CRASH.exec(text)
  if (crash !== null) {
    const at = crash[1] === undefined ? readStamp(crash[2]!) : readStamp(`${crash[1]}.0`)
    const stamp = at === null ? null : { ...at.stamp, zone: 0, precision: 1e9 }
    const id = /Connection ID \(thread ID\): (\d+)/.exec(text)?.[1]
    return {
      what: 'crashed',
      stamp,
      level: 'error',
      connectionId: id === undefined ? null : Number(id),
      reason: /got (.*?) ?;?$/m.exec(text)?.[1] ?? null,
    }
  }
  const m = LINE.exec(text)
  if (m === null) return null
  const thread = Number(m[2])
  const level = levelOf(m[3])
  const draft = serverMessage(m[6]!)
  const stamp = readStamp(m[1]!)?.stamp ?? null
  const code = m[4] === undefined ? {} : { errorCode: m[4] }
  if (draft === null)
    return level === 'error' || level === 'warning'
      ? { what: 'other', stamp, level, reason: m[6]!.slice(0, 200), fields: code, connectionId: thread || null }
      : null
  return { stamp, level, connectionId: thread || null, ...draft, fields: { ...code, ...draft.fields } }
}

/** Most of what a server notes is about itself. */
const DULL = / \[(?:Note|System|Information)\] /
const ABOUT =
  /onnection|ommunication|handshake|timeout|packets? |SHUTDOWN|hutdown complete|starting as|got signal|recover|bind-address|socket created|page_cleaner|Access denied|blocked|certificate|shut down|clients/

export const mysqlError: LogFormat = {
  id: 'mysql-error',
  title: 'MySQL error log, 5.7 and later',
  product: 'MySQL',
  role: 'server',
  examples: [
    "2025-08-18T20:25:04.002048Z 101 [Note] Aborted connection 101 to db: 'ts' user: 'root' host: '10.0.2.229' (Got an error reading communication packets)",
    "2026-11-20T17:20:41.501234Z 12 [Note] [MY-010914] [Server] Aborted connection 12 to db: 'shop' user: 'app' host: '10.20.0.10' (The client was disconnected by the server because of inactivity.).",
    '2026-11-20T17:52:35.313753Z 0 [System] [MY-010116] [Server] /usr/sbin/mysqld (mysqld 9.7.4-2) starting as process 4533',
  ],
  starts: (line) => START.test(line) || CRASH.test(line),
  continues: (line) => isTrace(line) || SERVER_AROUND.test(line),
  open: each(
    read,
    (line) => DULL.test(line) && !ABOUT.test(line),
    () => 2,
  ),
}
