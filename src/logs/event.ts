/**
 * One event of a log or a pool trace: what a line said, as facts, in the words of no product. Formats fill what their line
 * carries and leave the rest null; nothing is concluded here. Joining to sessions happens in `correlate`, judging in `detect`.
 */
import type { Duration, Instant } from '../core/time.ts'

/** Who writes such a log. */
export type LogRole = 'proxy' | 'server' | 'pool' | 'driver'

/** What a line tells of. A format maps its own texts to these; what fits none is 'other' and is kept as context only. */
export type LogWhat =
  /** A connection was accepted or opened, or a login succeeded. */
  | 'connected'
  /** A connection ended; who ended it is in `closedBy` where the line says so. */
  | 'closed'
  /** The writer closed it because it was idle (`idleMillis` where told). */
  | 'idle-closed'
  /** The writer closed it because a statement, transaction or handshake took too long. */
  | 'timed-out'
  /** KILL, an administrator, or the writer's own kill of a connection or statement. */
  | 'killed'
  /** The writer found it dead or broken. */
  | 'broken'
  /** The server's "Aborted connection", with its reason in `reason`. */
  | 'aborted'
  /** The pool retired it on purpose (maxLifetime, idleTimeout, eviction). */
  | 'retired'
  | 'checkout'
  | 'checkin'
  /** A validation (ping, test query) that succeeded, or failed. */
  | 'validated'
  | 'validation-failed'
  /** Connect refused, failed, or timed out; no server available. */
  | 'connect-failed'
  | 'auth-failed'
  | 'too-many-connections'
  | 'host-blocked'
  | 'tls-failed'
  /** A statement ran, or an error answered it (`code`). */
  | 'statement'
  | 'error'
  /** A statement was tried again on another connection. */
  | 'retried'
  /** The pool had none to give. */
  | 'exhausted'
  /** Pool or proxy counters. */
  | 'stats'
  /** A setting and its value (`fields`). */
  | 'setting'
  | 'started'
  | 'stopped'
  | 'crashed'
  /** A server was taken out of use, or came back. */
  | 'server-down'
  | 'server-up'
  /** State was reset before reuse. */
  | 'reset'
  /** The writer's clock or process paused: times around it are worth less. */
  | 'paused'
  | 'other'

export interface LogEvent {
  /** Name of the input, and first line of the event in it (from 1); `lines`: how many it spans. */
  input: string
  line: number
  lines: number
  /** When, on the run's clock; null when the line bears no time. The true moment lies in [at, at + precision). */
  at: Instant | null
  precision: Duration
  /** Id of the format, as listed in logs/index.ts. */
  format: string
  role: LogRole
  /** Product and, where the log tells it, version: 'ProxySQL', 'HAProxy', 'HikariCP' … */
  product: string
  version: string | null
  what: LogWhat
  level: 'error' | 'warning' | 'info' | 'debug' | null
  /** The line as written, without its end, cut at LIMITS.logTextBytes; control characters are escaped by renderers. */
  text: string
  /** MySQL connection id of the leg that the line is about. On a proxy this is the id of the server's side unless `frontId`. */
  connectionId: number | null
  /** Connection id that a proxy gave its own client. */
  frontId: number | null
  /** `ip:port` (or host:port as written) of the client of that leg, the local port of a pool's connection, and the server. */
  client: string | null
  server: string | null
  user: string | null
  schema: string | null
  statement: string | null
  /** MySQL error number and SQLSTATE, server's or client library's (2006, 2013 …). */
  code: number | null
  sqlState: string | null
  /** The product's own reason in its own words: 'timeout client' for HAProxy's cD, the parenthesis of an aborted connection. */
  reason: string | null
  /** Termination state of HAProxy ('cD'), response flags of Envoy ('UC'). */
  state: string | null
  closedBy: 'client' | 'proxy' | 'server' | 'pool' | null
  /** Age of the last use, and how long the connection or statement lasted, milliseconds. */
  idleMillis: number | null
  durationMillis: number | null
  /** Start of what this line ends, where told (HAProxy's accept date). */
  startAt: Instant | null
  /** Pool traces: pool, the pool's own name for the connection, and who borrowed it. */
  pool: string | null
  poolConnection: string | null
  borrower: string | null
  /** Whatever else the format knows, by its field's own name: settings, counters. */
  fields: Readonly<Record<string, string | number>>
}

/** An event with every fact absent: formats spread what they know over it. */
export const EMPTY_EVENT: Readonly<Omit<LogEvent, 'input' | 'line' | 'format' | 'role' | 'product' | 'what' | 'text'>> =
  {
    lines: 1,
    at: null,
    precision: 0,
    version: null,
    level: null,
    connectionId: null,
    frontId: null,
    client: null,
    server: null,
    user: null,
    schema: null,
    statement: null,
    code: null,
    sqlState: null,
    reason: null,
    state: null,
    closedBy: null,
    idleMillis: null,
    durationMillis: null,
    startAt: null,
    pool: null,
    poolConnection: null,
    borrower: null,
    fields: {},
  }
