/**
 * Any application's log, as text, `key=value` or JSON lines: a time, a level and a text, of which only what speaks of connections is
 * kept, by the words of drivers and by the usual names of keys.
 */
import { isAppLine } from '../app-line.ts'
import type { LogFormat } from '../format.ts'
import { GeneralReader } from '../general.ts'
import { EXCEPTION_LINE } from '../lines.ts'

/** JSON lines of loggers: a time among the members. */
const JSON_LINE = /^\{.*"(?:time|ts|@timestamp|timestamp|at|datetime|date|asctime|eventTime|t)" ?: ?(?:"\d|\d{10})/

/** What a program that has no logger prints before it dies. */
const ALONE =
  /^(?:Traceback \(most recent call last\):|Exception ignored in: |Unhandled |Uncaught |panic: |Warning: got packets|PHP (?:Warning|Fatal error|Notice): |ERROR \d{4} \(\w{5}\))/

export const application: LogFormat = {
  id: 'application',
  title: 'Application log: text, key=value or JSON lines',
  product: 'application',
  role: 'driver',
  examples: [
    "2026-11-20 17:18:54,051 ERROR [app.pool] query failed id=42 local=10.20.0.10:59186 after=0.001s sql=SELECT 1: OperationalError(2013, 'Lost connection to MySQL server during query')",
    '{"time":"2026-11-20T17:21:02.113Z","level":"error","logger":"orders-api","msg":"query failed","conn":42,"local":"10.20.0.10:59186","idle_ms":13002,"code":"PROTOCOL_CONNECTION_LOST","err":"Connection lost: The server closed the connection."}',
    '2026-11-20 17:35:55.855 [proxy] conn 1 client=10.20.0.10:39222 backend_local=10.20.0.20:50018 backend=10.20.0.30:3306',
  ],
  starts: (line) =>
    line.charCodeAt(0) === 123
      ? JSON_LINE.test(line)
      : isAppLine(line) || ALONE.test(line) || EXCEPTION_LINE.test(line),
  open: () => new GeneralReader(),
}
