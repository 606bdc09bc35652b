/** Any application's log: a time, a level and a text, of which only what speaks of connections is kept. */
import { isAppLine, readAppLine } from '../app-line.ts'
import { driverError } from '../driver-texts.ts'
import { type Draft, type Entry, each, type LogFormat } from '../format.ts'
import { EXCEPTION_LINE } from '../lines.ts'

/** Words without which a line says nothing of connections. */
const ABOUT = /onn|pool|sql|SQL|Sql|ikari|ari[aA]|JDBC|jdbc|acket|roxy|ruid/

function read({ text, first }: Entry): Draft | null {
  const { stamp, level } = readAppLine(first)
  const error = driverError(text)
  return error === null ? null : { stamp, level, ...error }
}

export const application: LogFormat = {
  id: 'application',
  title: 'Application log',
  product: 'application',
  role: 'driver',
  examples: [
    "2026-11-20 17:18:54,051 ERROR [app.pool] query failed id=42 local=10.20.0.10:59186 after=0.001s sql=SELECT 1: OperationalError(2013, 'Lost connection to MySQL server during query')",
  ],
  starts: (line) => isAppLine(line) || EXCEPTION_LINE.test(line),
  open: each(read, (line) => !ABOUT.test(line)),
}
