/** Lines that begin no entry of their own: what follows an exception, in the languages that drivers are written in. */

/** First words of lines that go on with what stands above them. */
const TRACE =
  /^(?:Caused by: |Suppressed: |Traceback \(most recent call last\)|During handling of the above exception|The above exception was|Stack trace:|Previous exception|\[stacktrace\]|\[previous exception\]|#\d+ |--- End of |The last packet s|The driver has not received|goroutine |exit status |MESSAGE: |STACKTRACE:|\*\* (?:BEGIN|END) NESTED EXCEPTION|; |\.\.\. \d+ more|[})\]])/

/** `java.sql.SQLException: text`, `pymysql.err.OperationalError: (2013, …)`, `Mysql2::Error: text`. */
export const EXCEPTION_LINE =
  /^(?:Exception in thread "[^"]*" |Uncaught )?(?:[A-Za-z_$][\w$]*(?:\.|::|\\))*[A-Za-z_$][\w$]*(?:Error|Exception|Throwable|Failure)(?: \[\w+\])?(?:: |$)/

/** Whether the line goes on with the entry above it. */
export function isTrace(line: string): boolean {
  const c = line.charCodeAt(0)
  // Blank, tab; lines of JSON or SQL spread over several lines are indented as well.
  if (Number.isNaN(c) || c === 32 || c === 9) return true
  return TRACE.test(line) || EXCEPTION_LINE.test(line)
}
