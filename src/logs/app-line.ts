/**
 * The beginning of an application's log line, in the layouts of the usual loggers (Logback, Log4j, Spring Boot, java.util.logging,
 * Python, Go, .NET, Ruby, PHP, Laravel, logfmt): a time, a level, and the rest, in which the pool's or driver's text is looked for.
 */
import { readStamp, type Stamp } from './stamp.ts'
import { type Level, levelOf } from './words.ts'

export interface AppLine {
  stamp: Stamp | null
  level: Level | null
  /** What follows the time. */
  rest: string
}

/** Where a time may begin: after a bracket, Ruby's `E, [`, `[mysql] `, logfmt's `time=`. */
const BEFORE =
  /^(?:\[mysql\] |[A-Z], \[|\[|time="?|ts="?|timestamp="?|t="?|at="?|(?:DEBUG|INFO|WARN|WARNING|ERROR|FATAL|TRACE) ?[: [] ?)/
const LEVEL =
  /\b(TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|ERR|FATAL|SEVERE|CRITICAL|CRIT|FINE[RS]?T?|CONFIG|WRN|DBG|INF|FTL|VRB)\b|\blevel=["']?(\w+)|\b(debug|info|warn(?:ing)?|error|fatal|trace)(?=[:\]| ])/

/** Lines of loggers that write no time: `[main] WARN com.zaxxer…`, `DEBUG:sqlalchemy.pool:…`, `warn: MySqlConnector…[0]`. */
const TIMELESS =
  /^(?:\[[\w -]{1,60}\] (?:DEBUG|INFO|WARN|ERROR|TRACE) |(?:DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL|TRACE|FATAL)(?::[\w.]+:| +[\w.$]*[.:]| {1,2}\[)|(?:trce|dbug|info|warn|fail|crit): [\w.]+\[\d+\])/

/** What nearly every line begins with: no need to read it. */
const USUAL = /^\d{4}-[01]\d-[0-3]\d[T ][0-2]\d:[0-5]\d:[0-6]\d/

/** Whether the line begins as an application's log line does. */
export function isAppLine(line: string): boolean {
  const c = line.charCodeAt(0)
  if (c >= 48 && c <= 57) return USUAL.test(line) || readTime(line, 0) !== null
  if (c === 91 || (c >= 65 && c <= 90) || (c >= 97 && c <= 122)) return timeAt(line) !== null || TIMELESS.test(line)
  return false
}

const readTime = (line: string, at: number) => {
  const time = readStamp(line, at)
  // Ten digits alone are a number, not a time, unless a fraction or a separator follows.
  if (time === null) return null
  return line.charCodeAt(at + 4) !== 45 && time.stamp.precision === 1e9 && time.end - at === 10 ? null : time
}

function timeAt(line: string): ReturnType<typeof readStamp> {
  const plain = readTime(line, 0)
  if (plain !== null) return plain
  const before = BEFORE.exec(line)
  return before === null ? null : readTime(line, before[0].length)
}

/** Time, level and rest of a line. Without a time `rest` is the line. */
export function readAppLine(line: string): AppLine {
  const time = timeAt(line)
  const rest = time === null ? line : line.slice(time.end).replace(/^["\]|,]*\s*/, '')
  const m = LEVEL.exec(rest.slice(0, 120)) ?? (time === null ? null : LEVEL.exec(line.slice(0, 8)))
  return { stamp: time?.stamp ?? null, level: m === null ? null : levelOf(m[1] ?? m[2] ?? m[3]), rest }
}
