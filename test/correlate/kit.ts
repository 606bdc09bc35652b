/** Log events made by hand. */
import { EMPTY_EVENT, type LogEvent } from '../../src/logs/event.ts'

let line = 0

/** An event of HAProxy's log unless told otherwise; each the next line. */
export function event(o: Partial<LogEvent>): LogEvent {
  line++
  return {
    ...EMPTY_EVENT,
    input: 'haproxy.log',
    line,
    format: 'haproxy-tcplog',
    role: 'proxy',
    product: 'HAProxy',
    what: 'closed',
    text: `line ${line}`,
    precision: 1e6,
    ...o,
  }
}

/** Of a server's error log with whole seconds. */
export const serverEvent = (o: Partial<LogEvent>): LogEvent =>
  event({
    input: 'mysqld.log',
    format: 'mariadb-error',
    role: 'server',
    product: 'MariaDB',
    what: 'aborted',
    precision: 1e9,
    ...o,
  })

/** Of an application. */
export const appEvent = (o: Partial<LogEvent>): LogEvent =>
  event({ input: 'app.log', format: 'application', role: 'driver', product: 'application', what: 'error', ...o })
