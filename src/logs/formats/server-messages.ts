/**
 * What the error logs of MySQL and MariaDB say of connections, whatever layout the line has. Texts from messages_to_error_log.txt
 * (MySQL) and errmsg-utf8.txt (MariaDB).
 */
import type { Draft } from '../format.ts'
import { byRules, type MessageRule } from '../rules.ts'
import { endpoint } from '../words.ts'

/** Reasons of "Aborted connection" and of bare lines before a login, with the error that stands behind each (manual, communication errors). */
const ABORTS: readonly [RegExp, Partial<Draft>][] = [
  [/disconnected by the server because of inactivity/, { code: 4031, closedBy: 'server' }],
  [/Got timeout reading communication packets/, { code: 1159, closedBy: 'server' }],
  [/Got timeout writing communication packets/, { code: 1161, closedBy: 'server' }],
  [/Got an error reading communication packets/, { code: 1158 }],
  [/Got an error writing communication packets/, { code: 1160 }],
  [/Got packets out of order/, { code: 1156 }],
  [/packet bigger than 'max_allowed_packet'/, { code: 1153, closedBy: 'server' }],
  [/uncompress communication packet/, { code: 1157 }],
  [/Got an error from fcntl/, { code: 1155 }],
  [/init_connect command failed/, { closedBy: 'server' }],
  [/^KILLED$/, { closedBy: 'server' }],
  [/Too many connections/, { code: 1040, closedBy: 'server' }],
  [/This connection closed normally/, { closedBy: 'client' }],
  [/wait_timeout/, { closedBy: 'server' }],
  [/Bad handshake/, { code: 1043 }],
  [/is blocked because of many connection errors/, { code: 1129, closedBy: 'server' }],
  [/Access denied/, { code: 1045, closedBy: 'server' }],
]

function abort(reason: string): Partial<Draft> {
  for (const [re, facts] of ABORTS) if (re.test(reason)) return facts
  return {}
}

const RULES: readonly MessageRule[] = [
  {
    has: 'Aborted connection',
    re: /Aborted connection (\d+) to db: '(.{0,200}?)' user: '(.{0,200}?)' host: '(.{0,260}?)'(?: real ip: '(.{0,64}?)')? \(([\s\S]*?)\)?\.?\s*$/,
    draft: (m) => ({
      what: 'aborted',
      ...abort(m[6]!),
      connectionId: Number(m[1]),
      schema: known(m[2]!, 'unconnected'),
      user: known(m[3]!, 'unauthenticated'),
      client: known(m[4]!, 'connecting host'),
      reason: m[6]!,
      ...(m[5] === undefined ? {} : { fields: { realIp: m[5] } }),
    }),
  },
  {
    // MySQL 9: the timer that fired and where.
    has: 'closed by the server due to a timeout',
    re: /A connection from `([^`]*)`@`([^`]*)` was closed by the server due to a timeout in the communication layer \(vio:(\d+), packet:(\d+)\) (\d+) seconds after the last command started\. Currently configured (\w+) is (\d+) seconds/,
    draft: (m) => ({
      what: 'idle-closed',
      closedBy: 'server',
      user: m[1]!,
      idleMillis: Number(m[5]) * 1000,
      reason: `${m[6]} ${m[7]} s`,
      fields: { [m[6]!]: Number(m[7]), host: m[2]! },
    }),
  },
  {
    has: "'wait_timeout' period of",
    re: /'(\w+)' period of (\d+) seconds was exceeded for (\S+?)\.? The idle time/,
    draft: (m) => ({
      what: 'idle-closed',
      closedBy: 'server',
      user: /^[`']?([^`'@]*)/.exec(m[3]!)?.[1] ?? null,
      idleMillis: Number(m[2]) * 1000,
      reason: `${m[1]} ${m[2]} s`,
      fields: { [m[1]!]: Number(m[2]) },
    }),
  },
  {
    has: 'wait_timeout period was exceeded',
    re: /wait_timeout period was exceeded/,
    draft: () => ({ what: 'idle-closed', closedBy: 'server', reason: 'wait_timeout' }),
  },
  {
    has: 'Access denied for user',
    re: /Access denied for user '(.{0,200}?)'@'(.{0,260}?)'(.*)$/,
    draft: (m) => ({
      what: 'auth-failed',
      code: 1045,
      closedBy: 'server',
      user: m[1]!,
      client: m[2]!,
      reason: m[3]!.trim() || null,
    }),
  },
  {
    has: 'is blocked because of many connection errors',
    re: /Host '(.*?)' is blocked because of many connection errors/,
    draft: (m) => ({
      what: 'host-blocked',
      code: 1129,
      closedBy: 'server',
      client: m[1]!,
      reason: 'max_connect_errors',
    }),
  },
  {
    has: 'Too many connections',
    re: /Too many connections/,
    draft: () => ({ what: 'too-many-connections', code: 1040, closedBy: 'server', reason: 'max_connections' }),
  },
  {
    has: 'Got an error ',
    re: /^(?:\S+: )?(Got an error (?:reading|writing) communication packets)/,
    draft: (m) => ({ what: 'aborted', ...abort(m[1]!), reason: m[1]! }),
  },
  {
    has: 'Got timeout ',
    re: /^(?:\S+: )?(Got timeout (?:reading|writing) communication packets)/,
    draft: (m) => ({ what: 'aborted', ...abort(m[1]!), reason: m[1]! }),
  },
  {
    has: 'Got packets out of order',
    re: /Got packets out of order/,
    draft: (m) => ({ what: 'aborted', code: 1156, reason: m[0] }),
  },
  { has: 'Bad handshake', re: /Bad handshake/, draft: (m) => ({ what: 'aborted', code: 1043, reason: m[0] }) },
  {
    has: 'Could not ',
    re: /Could not (read|write) packet: fd: (-?\d+)\s+state: (-?\d+)\s+(?:read_length: (-?\d+)\s+)?errno: (-?\d+)\s+vio_errno: (-?\d+)\s+length: (-?\d+)/,
    draft: (m) => ({
      what: 'broken',
      reason: `could not ${m[1]} packet, errno ${m[5]}, vio_errno ${m[6]}`,
      fields: { errno: Number(m[5]), vioErrno: Number(m[6]) },
    }),
  },
  {
    has: 'Connection was killed',
    re: /Connection was killed/,
    draft: () => ({ what: 'killed', code: 1927, closedBy: 'server', reason: 'KILL, or a shutdown' }),
  },
  {
    has: 'ready for connections',
    re: /(\S+): ready for connections\.?(?: Version: '([^']*)')?/,
    draft: (m) => ({ what: 'started', version: m[2] ?? null, reason: 'ready for connections' }),
  },
  {
    has: 'starting as process',
    re: /(?:\((?:mysqld|mariadbd) ([^)]*)\) starting as process|Starting MariaDB (\S+) .*? as process)/,
    draft: (m) => ({ what: 'started', version: m[1] ?? m[2] ?? null, reason: 'starting' }),
  },
  {
    has: 'Starting MariaDB',
    re: /Starting MariaDB (\S+)/,
    draft: (m) => ({ what: 'started', version: m[1]!, reason: 'starting' }),
  },
  {
    has: 'Received SHUTDOWN',
    re: /Received SHUTDOWN from user (.*?)\. Shutting down/,
    draft: (m) => ({ what: 'stopped', user: m[1]!.replace(/^<(.*)>$/, '$1'), reason: 'SHUTDOWN' }),
  },
  {
    has: 'Normal shutdown',
    re: /(?:\(initiated by: (.*?)\): )?Normal shutdown/,
    draft: (m) => ({ what: 'stopped', reason: 'Normal shutdown', ...(m[1] === undefined ? {} : { user: m[1] }) }),
  },
  {
    has: 'Shutdown complete',
    re: /(?:: |^)Shutdown complete\b/,
    draft: () => ({ what: 'stopped', reason: 'Shutdown complete' }),
  },
  {
    has: 'Forcefully disconnecting',
    re: /Forcefully disconnecting (\d+) remaining clients/,
    draft: (m) => ({ what: 'stopped', closedBy: 'server', reason: `forcefully disconnecting ${m[1]} clients` }),
  },
  {
    has: 'Forcing close of thread',
    re: /Forcing close of thread (\d+)\s+user: '(.*?)'/,
    draft: (m) => ({ what: 'killed', closedBy: 'server', connectionId: Number(m[1]), user: m[2]!, reason: 'shutdown' }),
  },
  {
    has: 'got signal',
    re: /(?:mysqld|mariadbd)(?:\.exe)? got (signal \d+|exception 0x\w+)/,
    draft: (m) => ({ what: 'crashed', reason: m[1]! }),
  },
  {
    has: 'Assertion failure',
    re: /Assertion failure.*$/,
    draft: (m) => ({ what: 'crashed', reason: m[0].slice(0, 200) }),
  },
  {
    has: 'was not shut down properly',
    re: /was not shut down (?:normally|properly|cleanly)/,
    draft: () => ({ what: 'crashed', reason: 'the last run was not shut down properly' }),
  },
  {
    has: 'crash recovery',
    re: /Starting crash recovery|[Ii]nitiating crash recovery|Crash recovery (?:finished|completed)/,
    draft: () => ({ what: 'crashed', reason: 'crash recovery: the last run was not shut down properly' }),
  },
  {
    has: 'from checkpoint lsn',
    re: /crash recovery|Starting (?:batch|final batch) to recover/,
    draft: () => ({ what: 'crashed', reason: 'crash recovery: the last run was not shut down properly' }),
  },
  {
    has: 'socket created on IP',
    re: /Server socket created on IP: '([^']*)'(?:, port: '(\d+)')?/,
    draft: (m) => ({
      what: 'setting',
      server: m[2] === undefined ? null : endpoint(m[1]!, m[2]),
      fields: { 'bind-address': m[1]! },
    }),
  },
  {
    has: '(bind-address)',
    re: /Server hostname \(bind-address\): '([^']*)'; port: (\d+)/,
    draft: (m) => ({
      what: 'setting',
      server: endpoint(m[1]!, m[2]!),
      fields: { 'bind-address': m[1]!, port: Number(m[2]) },
    }),
  },
  {
    has: 'Failed to validate certificate',
    re: /Failed to validate certificate (\S+) because (.*)$/,
    draft: (m) => ({ what: 'tls-failed', reason: m[2]!, fields: { certificate: m[1]! } }),
  },
  {
    has: 'SSL error',
    re: /SSL error: (.*)$/,
    draft: (m) => ({ what: 'tls-failed', reason: m[1]! }),
  },
  {
    has: 'page_cleaner',
    re: /page_cleaner: (\d+)ms intended loop took (\d+)ms/,
    draft: (m) => ({ what: 'paused', durationMillis: Number(m[2]), reason: m[0] }),
  },
  {
    has: 'Killing connection',
    re: /Killing connection (\d+)/,
    draft: (m) => ({ what: 'killed', closedBy: 'server', connectionId: Number(m[1]) }),
  },
]

const known = (text: string, none: string): string | null => (text === none || text === '' ? null : text)

/** What the message of an error log tells, or null when it has nothing to do with connections. */
export const serverMessage = (message: string): Draft | null => byRules(RULES, message)

/** Lines without a time that servers write around and below their entries: banners, the crash report, progress. */
export const SERVER_AROUND =
  /^(?:Version: '|Tcp port: |mysqld_safe |Most likely, you have hit a bug|Build ID: |Server [Vv]ersion: |Thread pointer: |Attempting backtrace|stack_bottom = |Trying to get some variables|Some pointers may be invalid|Query \(|Connection ID \(thread ID\): |Status: |The manual page at |information that should help|Writing a core file|Core pattern: |Resource Limits|recovered pages: |This could be because|or one of the libraries|or misconfigured|hardware\.|We will try our best|diagnose the problem|something is definitely wrong|key_buffer_size=|read_buffer_size=|max_used_connections=|max_threads=|thread_count=|It is possible that mysqld|connections {2}=|Hope that|To report this bug|We will also|Sorry, we probably|Optimizer switch: |terribly wrong|where mysqld died|Fatal signal |Max [a-z]|Limit |Kernel version)/
