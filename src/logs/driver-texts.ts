/**
 * What drivers say when a connection breaks, in any language: the text decides, not the file it stands in. Whole log entries are looked
 * at, so that the causes below an exception count as well.
 */
import { ERROR_NAMES, whatOfCode } from './driver-codes.ts'
import type { Draft } from './format.ts'
import { endpointOf, grouped } from './words.ts'

interface Row {
  /** The driver, where the text is its own; absent for texts that several share. */
  product?: string
  re: RegExp
  draft: (m: RegExpExecArray, text: string) => Draft | null
}

const says =
  (what: Draft['what'], extra: Partial<Draft> = {}) =>
  (m: RegExpExecArray): Draft => ({ what, reason: line(m[0]), ...extra })

const line = (text: string): string => text.split('\n', 1)[0]!.trim().slice(0, 300)

const numbered = (code: number, reason: string, sqlState: string | null = null): Draft => ({
  what: whatOfCode(code),
  code,
  sqlState,
  reason: line(reason),
})

/** Numbers of MariaDB's Node driver (errors.js): its own, above the server's. */
const MARIADB_NODE: Readonly<Record<number, Draft['what']>> = {
  45009: 'broken',
  45012: 'connect-failed',
  45013: 'broken',
  45026: 'timed-out',
  45028: 'exhausted',
  45042: 'validation-failed',
  45061: 'exhausted',
}

/** The text must speak of MySQL somewhere: the words of sockets alone may be about anything. */
const MYSQL = /my-?sql|maria|:3306\b|\bsql\b/i
const ofMysql =
  (draft: Row['draft']): Row['draft'] =>
  (m, text) =>
    MYSQL.test(text) ? draft(m, text) : null

const ROWS: readonly Row[] = [
  // MariaDB's Node driver: (conn:42, no: 45009, SQLState: 08S01) text
  {
    re: /\(conn(?:=|:)(-?\d+), no: (\d+), SQLState: (\w+)\) ([^\n]*)/,
    product: 'mariadb (Node.js)',
    draft: (m) => ({
      ...numbered(Number(m[2]), m[4]!, m[3]!),
      what: MARIADB_NODE[Number(m[2])] ?? whatOfCode(Number(m[2])),
      connectionId: Number(m[1]) > 0 ? Number(m[1]) : null,
    }),
  },
  // Oracle's Connector/J
  {
    re: /is longer than the server configured value of '(\w+)'/,
    product: 'Connector/J',
    // The driver only compared two numbers; it did not see a timeout.
    draft: (m) => ({
      what: 'broken',
      reason: `${m[1]} by the driver's arithmetic`,
      sqlState: '08S01',
      fields: { suspects: m[1]! },
    }),
  },
  {
    re: /Communications link failure during (?:commit|rollback)\(\)[^\n]*/,
    product: 'Connector/J',
    draft: says('broken', { sqlState: '08007' }),
  },
  { re: /Communications link failure/, product: 'Connector/J', draft: says('broken', { sqlState: '08S01' }) },
  {
    re: /CommunicationsException: The last packet s/,
    product: 'Connector/J',
    draft: () => ({ what: 'broken', sqlState: '08S01', reason: 'CommunicationsException' }),
  },
  {
    re: /No operations allowed after (?:connection|statement) closed/,
    product: 'Connector/J',
    draft: says('broken', { sqlState: '08003' }),
  },
  {
    re: /Packet for query is too large \(([\d.,'\u00a0\u202f ]+?) > (-?[\d.,'\u00a0\u202f ]+)\)/,
    product: 'Connector/J',
    draft: (m) => ({
      what: 'error',
      code: 1153,
      reason: line(m[0]),
      fields: { packetBytes: grouped(m[1]!), maxAllowedPacket: grouped(m[2]!) },
    }),
  },
  {
    re: /Packets out of order, expected packet # ?\d+, but received packet # ?\d+/,
    product: 'Connector/J',
    draft: says('broken'),
  },
  {
    re: /Application was streaming results when the connection failed[^\n]*/,
    product: 'Connector/J',
    draft: says('broken'),
  },
  {
    re: /Statement cancelled due to timeout or client request|MySQLTimeoutException[^\n]*/,
    product: 'Connector/J',
    draft: says('timed-out', { closedBy: 'client' }),
  },
  { re: /Could not create connection to database server[^\n]*/, product: 'Connector/J', draft: says('connect-failed') },
  { re: /Public Key Retrieval is not allowed/, product: 'Connector/J', draft: says('auth-failed') },
  // MariaDB's Connector/J
  {
    re: /unexpected end of stream, read (\d+) bytes from (\d+)(?: \(socket was closed by server\))?/,
    product: 'MariaDB Connector/J',
    draft: (m) => ({
      what: 'broken',
      sqlState: '08000',
      reason: m[0],
      fields: { cause: 'eof', readBytes: Number(m[1]) },
    }),
  },
  {
    re: /Connection\.\w+ cannot be called on a closed connection/,
    product: 'MariaDB Connector/J',
    draft: says('broken', { sqlState: '08000' }),
  },
  {
    re: /(?:Socket fail to connect to (?:host:)?(\S+?)(?:\. |,| ))([^\n]*)/,
    product: 'MariaDB Connector/J',
    draft: (m) => ({ what: 'connect-failed', server: endpointOf(m[1]!), reason: line(m[0]) }),
  },
  {
    re: /Could not connect to (?:address=\(host=([^)]*)\)\(port=(\d+)\)[^:]*|\S+) ?: ([^\n]*)/,
    product: 'MariaDB Connector/J',
    draft: (m) => ({
      what: 'connect-failed',
      server: m[1] === undefined ? null : `${m[1]}:${m[2]}`,
      reason: line(m[3]!),
    }),
  },
  {
    re: /Socket error(?: during [^\n]*)?/,
    product: 'MariaDB Connector/J',
    draft: ofMysql(says('broken', { sqlState: '08000' })),
  },
  // Go
  {
    re: /closing bad idle connection: ([^\n]*)/,
    product: 'go-sql-driver',
    draft: (m) => ({
      what: 'broken',
      reason: line(m[0]),
      fields: { cause: cause(m[0]) ?? (/unexpected read/.test(m[1]!) ? 'unread-bytes' : 'other') },
    }),
  },
  {
    re: /packets\.go:\d+:? (?:unexpected EOF|read tcp [^\n]*|write tcp [^\n]*|\[warn\] unexpected s[^\n]*)/,
    product: 'go-sql-driver',
    draft: says('broken'),
  },
  { re: /connection\.go:\d+:? (?:driver: )?bad connection/, product: 'go-sql-driver', draft: says('broken') },
  { re: /(?:packets|connection|buffer)\.go:\d+:? busy buffer/, product: 'go-sql-driver', draft: says('other') },
  {
    re: /(read|write) tcp (\S+)->(\S+:\d+): (i\/o timeout|[^\n"]*)/,
    product: 'go-sql-driver',
    draft: ofMysql((m) => ({
      what: /timeout/.test(m[4]!) ? 'timed-out' : 'broken',
      closedBy: /timeout/.test(m[4]!) ? 'client' : null,
      client: endpointOf(m[2]!),
      server: endpointOf(m[3]!),
      reason: line(m[0]),
    })),
  },
  {
    re: /dial tcp (\S+:\d+): ([^\n"]*)/,
    product: 'go-sql-driver',
    draft: ofMysql((m) => ({ what: 'connect-failed', server: endpointOf(m[1]!), reason: line(m[2]!) })),
  },
  { re: /driver: bad connection|\binvalid connection\b/, product: 'go-sql-driver', draft: ofMysql(says('broken')) },
  {
    re: /commands out of sync\. You can't run this command now/i,
    product: 'go-sql-driver',
    draft: says('error', { code: 2014 }),
  },
  // Python: OperationalError(2013, 'text'), (pymysql.err.OperationalError) (2013, "text"), InterfaceError: (0, '')
  {
    re: /\b(?:[\w.]+\.)?(Operational|Interface|Internal|Programming|Database|Integrity|Data|NotSupported)Error\)?:? ?\((\d+), ?(?:(["'])((?:(?!\3)[^\\\n]|\\.)*))?/,
    draft: (m) =>
      m[2] === '0'
        ? { what: 'broken', reason: 'the connection was closed already', product: 'PyMySQL' }
        : numbered(Number(m[2]), m[4] ?? ''),
  },
  {
    re: /Packet sequence number wrong - got \d+ expected \d+/,
    product: 'PyMySQL',
    draft: says('broken'),
  },
  // mysql-connector-python: 2013 (HY000): text; 2055: text. The command line: ERROR 2013 (HY000) at line 1: text
  {
    re: /(?:Error: |ERROR |errors\.\w+: )(\d{4})(?: \((\w{5})\))?(?: at line \d+[^:\n]*)?: ([^\n]*)/,
    draft: (m) => numbered(Number(m[1]), m[3]!, m[2] ?? null),
  },
  { re: /MySQL Connection not available/, product: 'mysql-connector-python', draft: says('broken') },
  // Go's and Rust's way: Error 1040 (08004): Too many connections
  { re: /\bError (\d{4})(?: \((\w{5})\))?: ([^\n]*)/, draft: (m) => numbered(Number(m[1]), m[3]!, m[2] ?? null) },
  // PHP
  {
    re: /SQLSTATE\[(\w+)\] \[(\d+)\] ([^\n]*)/,
    product: 'PHP PDO',
    draft: (m) => numbered(Number(m[2]), m[3]!, m[1]!),
  },
  {
    re: /SQLSTATE\[(\w+)\]: [^:\n]*: (\d{4}) ([^\n]*)/,
    product: 'PHP PDO',
    draft: (m) => numbered(Number(m[2]), m[3]!, m[1]!),
  },
  { re: /\((\w{5})\/(\d{4})\): ([^\n]*)/, product: 'PHP mysqli', draft: (m) => numbered(Number(m[2]), m[3]!, m[1]!) },
  {
    re: /Error while reading greeting packet\. PID=\d+/,
    product: 'PHP mysqlnd',
    draft: says('connect-failed', { code: 2006 }),
  },
  {
    re: /Packets out of order\. Expected \d+ received \d+\. Packet size=\d+/,
    product: 'PHP mysqlnd',
    draft: says('broken'),
  },
  {
    re: /Premature end of data \(mysqlnd_wireprotocol\.c:\d+\)|Error reading result set's header/,
    product: 'PHP mysqlnd',
    draft: says('broken'),
  },
  { re: /Send of \d+ bytes failed with errno=(\d+) [^\n]*/, product: 'PHP mysqlnd', draft: ofMysql(says('broken')) },
  // Node: mysql2, mysql
  {
    re: /Connection lost: The server closed the connection|PROTOCOL_CONNECTION_LOST/,
    product: 'mysql2',
    draft: says('broken', { code: 2013, fields: { cause: 'eof' } }),
  },
  {
    re: /Can't (?:add new command when connection is|write) in closed state/,
    product: 'mysql2',
    draft: says('broken'),
  },
  {
    re: /PROTOCOL_ENQUEUE_AFTER_\w+|Cannot enqueue \w+ after (?:fatal error|invoking quit|being destroyed)/,
    product: 'mysql (Node.js)',
    draft: says('broken'),
  },
  {
    re: /PROTOCOL_SEQUENCE_TIMEOUT|(?:Query|Handshake) inactivity timeout/,
    product: 'mysql2',
    draft: (m) => ({ what: /Handshake/.test(m[0]) ? 'connect-failed' : 'timed-out', closedBy: 'client', reason: m[0] }),
  },
  { re: /got packets out of order\. Expected \d+ but received \d+/, product: 'mysql2', draft: says('other') },
  {
    re: /Packets out of order\. Got: \d+ Expected: \d+|PROTOCOL_PACKETS_OUT_OF_ORDER/,
    product: 'mysql (Node.js)',
    draft: says('broken'),
  },
  { re: /HANDSHAKE_(?:NO_SSL_SUPPORT|SSL_ERROR)[^\n]*/, product: 'mysql2', draft: says('tls-failed', { code: 2026 }) },
  {
    re: /\b(?:connect )(ETIMEDOUT|ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ENOTFOUND)\b(?: (\S+:\d+))?/,
    draft: ofMysql((m) => ({
      what: 'connect-failed',
      reason: m[0],
      server: m[2] === undefined ? null : endpointOf(m[2]),
    })),
  },
  {
    re: /\b(?:read |write )?(ECONNRESET|EPIPE)\b/,
    draft: ofMysql((m) => ({
      what: 'broken',
      reason: m[0],
      fields: { cause: m[1] === 'EPIPE' ? 'broken-pipe' : 'reset' },
    })),
  },
  {
    re: /\b(ER_[A-Z_]{4,})\b(?:["',: ]+(?:errno: )?(\d{4}))?/,
    draft: (m, text) => {
      const code = m[2] === undefined ? ERROR_NAMES[m[1]!] : Number(m[2])
      return code === undefined
        ? null
        : numbered(code, `${m[1]} ${text.slice(text.indexOf(m[0]) + m[0].length).trim()}`.slice(0, 200))
    },
  },
  // .NET
  {
    re: /Connect Timeout expired\. All pooled connections are in use/,
    product: 'MySqlConnector',
    draft: says('exhausted'),
  },
  {
    re: /Connect Timeout expired|Unable to connect to any of the specified MySQL hosts|Couldn't connect to server/,
    product: 'MySqlConnector',
    draft: says('connect-failed'),
  },
  {
    re: /Expected to read \d+ (?:header )?bytes but only received \d+/,
    product: 'MySqlConnector',
    draft: says('broken', { fields: { cause: 'eof' } }),
  },
  {
    re: /The Command Timeout expired before the operation completed/,
    product: 'MySqlConnector',
    draft: says('timed-out', { closedBy: 'client' }),
  },
  // Ruby
  { re: /closed MySQL connection|MySQL client is not connected/, product: 'mysql2 (Ruby)', draft: says('broken') },
  {
    re: /This connection is (?:still waiting for a result|in use by)[^\n]*/,
    product: 'mysql2 (Ruby)',
    draft: says('error'),
  },
  // Rust
  {
    re: /error communicating with database: [^\n]*|ping on idle connection returned error[^\n]*/,
    product: 'sqlx',
    draft: says('broken'),
  },
  { re: /pool timed out while waiting for an open connection/, product: 'sqlx', draft: says('exhausted') },
  // What the C libraries of MySQL and MariaDB say, and with them half of all languages.
  {
    re: /Lost connection to (?:MySQL )?server at '([^']*)', system error: (\d+)[^\n]*/,
    draft: (m) => ({
      what: 'connect-failed',
      code: 2013,
      reason: line(m[0]),
      fields: { at: m[1]!, errno: Number(m[2]) },
    }),
  },
  { re: /Lost connection to (?:MySQL )?server(?: during query)?[^\n"']*/, draft: says('broken', { code: 2013 }) },
  { re: /(?:MySQL s|\bS)erver has gone away[^\n"]*/, draft: says('broken', { code: 2006 }) },
  {
    re: /Can't connect to (?:local )?(?:MySQL |MariaDB )?server (?:on|through socket) '([^']*)'[^\n]*/,
    draft: (m) => ({ what: 'connect-failed', code: 2003, reason: line(m[0]), server: m[1]! }),
  },
  { re: /TLS\/SSL error: [^\n"]*|SSL connection error: [^\n"]*/, draft: says('tls-failed', { code: 2026 }) },
  {
    re: /The client was disconnected by the server because of inactivity/,
    draft: says('idle-closed', { code: 4031, closedBy: 'server' }),
  },
  { re: /Too many connections/, draft: says('too-many-connections', { code: 1040 }) },
  { re: /Host '([^']*)' is blocked because of many connection errors/, draft: says('host-blocked', { code: 1129 }) },
  {
    re: /Access denied for user '([^']*)'@'([^']*)'[^\n"]*/,
    draft: (m) => ({ what: 'auth-failed', code: 1045, user: m[1]!, client: m[2]!, reason: line(m[0]) }),
  },
  {
    re: /Query execution was interrupted, maximum statement execution time exceeded/,
    draft: says('timed-out', { code: 3024 }),
  },
  { re: /Query execution was interrupted \(max_statement_time exceeded\)/, draft: says('timed-out', { code: 1969 }) },
  { re: /Query execution was interrupted, query_timeout exceeded/, draft: says('timed-out', { code: 1907 }) },
  { re: /Query execution was interrupted/, draft: says('killed', { code: 1317 }) },
  { re: /Connection was killed/, draft: ofMysql(says('killed', { code: 1927 })) },
  {
    re: /(?:Operation cannot be performed during s|\bS)erver shutdown in progress/,
    draft: says('stopped', { code: 1053 }),
  },
  {
    re: /Max connect timeout reached while reaching hostgroup (\d+)/,
    product: 'ProxySQL',
    draft: says('connect-failed', { code: 9001 }),
  },
  {
    re: /Max connect failure while reaching hostgroup (\d+)/,
    product: 'ProxySQL',
    draft: says('connect-failed', { code: 9002 }),
  },
  {
    re: /Deadlock found when trying to get lock|Lock wait timeout exceeded/,
    draft: (m) => ({ what: 'error', code: m[0].startsWith('D') ? 1213 : 1205, reason: m[0] }),
  },
]

/** Any of these is in every text that a row can match: asked first, since most entries hold none. */
const LIKELY =
  /conn|Conn|CONN|gone away|SQLSTATE|acket|stream|Error|ERROR|ER_|timeout|Timeout|TIMEOUT|SSL|tcp |EPIPE|interrupted|Access denied|blocked|shutdown|busy buffer|premature|Premature|result|sync|Deadlock|Public Key/

const AGES =
  /The last packet (?:successfully )?(?:received from|sent successfully to) the server was ([\d.,'\u00a0\u202f ]+) milliseconds ago/g
const SENT_ONLY = /has not received any packets from the server/

/** `(conn=42)`, `(conn:42, …)`: MariaDB's Java and Node drivers. -1 is none. */
export function connectionIdIn(text: string): number | null {
  const m = /\(conn[=:](\d+)/.exec(text)
  return m === null ? null : Number(m[1])
}

/** What TCP or TLS told the process, as its language names it. */
function cause(text: string): string | null {
  if (/Connection refused|ECONNREFUSED|\[Errno 111\]/.test(text)) return 'refused'
  if (/Connection reset|ECONNRESET|connection reset by peer|\[Errno 104\]/i.test(text)) return 'reset'
  if (/Broken pipe|EPIPE|\[Errno 32\]/i.test(text)) return 'broken-pipe'
  if (/connect timed out|Connect timed out|ETIMEDOUT|\[Errno 110\]/.test(text)) return 'connect-timeout'
  if (/Read timed out|i\/o timeout|\(timed out\)/.test(text)) return 'read-timeout'
  if (/No route to host|EHOSTUNREACH|\[Errno 113\]/.test(text)) return 'unreachable'
  if (/UnknownHostException|ENOTFOUND|Name or service not known/.test(text)) return 'unknown-host'
  if (
    /EOFException|Can not read response from server|unexpected end of stream|unexpected EOF|connection: EOF/.test(text)
  )
    return 'eof'
  if (/close_notify|SSLHandshakeException|SSLException/.test(text)) return 'tls'
  return null
}

/** What a driver's text says, or null when it is none of a driver's. */
export function driverError(text: string): Draft | null {
  if (!LIKELY.test(text)) return null
  for (const row of ROWS) {
    const m = row.re.exec(text)
    const draft = m === null ? null : row.draft(m, text)
    if (draft !== null) return enriched(row.product === undefined ? draft : { product: row.product, ...draft }, text)
  }
  return null
}

/** Adds what stands elsewhere in the text: ages of the last packets, the connection's id, the cause below. */
function enriched(draft: Draft, text: string): Draft {
  const fields: Record<string, string | number> = {}
  const why = cause(text)
  if (why !== null) fields['cause'] = why
  let idleMillis: number | null = draft.idleMillis ?? null
  for (const m of text.matchAll(AGES)) {
    const age = grouped(m[1]!)
    const received = m[0].includes('received from')
    fields[received ? 'lastReceivedMillis' : 'lastSentMillis'] ??= age
    if (received) idleMillis ??= age
  }
  if (SENT_ONLY.test(text)) fields['nothingReceived'] = 1
  let { what } = draft
  if (
    what === 'broken' &&
    (why === 'refused' || why === 'connect-timeout' || why === 'unknown-host' || why === 'unreachable')
  )
    what = 'connect-failed'
  const timedOut = what === 'broken' && why === 'read-timeout'
  return {
    ...draft,
    what: timedOut ? 'timed-out' : what,
    ...(timedOut ? { closedBy: 'client' as const } : {}),
    idleMillis,
    connectionId: draft.connectionId ?? connectionIdIn(text),
    fields: { ...fields, ...draft.fields },
  }
}
