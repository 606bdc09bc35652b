/**
 * MaxScale: `2024-10-23 17:02:52   error  : (123456) [readwritesplit] (RW-Service); text`, local time, milliseconds with ms_timestamp. The
 * number is MaxScale's session id; `conn_id` is the server's.
 */
import { type Draft, type Entry, each, type LogFormat } from '../format.ts'
import { byRules, type MessageRule } from '../rules.ts'
import { readStamp } from '../stamp.ts'
import { levelOf } from '../words.ts'

const LINE =
  /^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?) {1,3}(alert|error|warning|notice|info|debug) *: ([\s\S]*)$/
const START = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})? {1,3}(?:alert|error|warning|notice|info|debug) *: /
const HEAD = /^(?:\((\d+)\) )?(?:\[(\w+)\] )?(?:\(([^)]*)\)[;:] )?(?:\[(\w+)\] )?/
/** `(db1, session=123456, conn_id=7788, idle=28800s: 104, Connection reset by peer: Generated event)` */
const BACKEND =
  /\(([\w.:-]+), session=(\d+)(?:, conn_id=(\d+))?, idle=(\d+)s(?:: (\d+), ([^:)]*))?(: Generated event)?\)/
const WHO = /(?:Connection from|from|client) '([^']*)'@'?\[?([0-9a-fA-F.:]+)\]?'?/

const RULES: readonly MessageRule[] = [
  {
    has: 'Lost connection to the primary server',
    re: /Lost connection to the primary server.*?idle for (\d+) seconds\. Error caused by: ([^(]*)/,
    draft: (m) => ({ what: 'broken', reason: m[2]!.trim(), idleMillis: Number(m[1]) * 1000 }),
  },
  {
    has: 'Lost connection to backend server',
    re: /(Lost connection to backend server(?:: [^(]*)?)/,
    draft: (m) => ({ what: 'broken', reason: m[1]!.trim() }),
  },
  { has: 'Read from backend failed', re: /Read from backend failed/, draft: (m) => ({ what: 'broken', reason: m[0] }) },
  {
    has: 'Failed to read COM_PING response',
    re: /Failed to read COM_PING response/,
    draft: (m) => ({ what: 'validation-failed', reason: m[0] }),
  },
  {
    has: 'Server is no longer usable',
    re: /Server is no longer usable/,
    draft: (m) => ({ what: 'killed', closedBy: 'proxy', reason: m[0] }),
  },
  {
    has: 'forced into maintenance',
    re: /Server was forced into maintenance/,
    draft: (m) => ({ what: 'killed', closedBy: 'proxy', reason: m[0] }),
  },
  {
    has: 'Timing out ',
    re: /Timing out (\S+), idle for (\d+)(?:\.\d+)? seconds/,
    draft: (m) => ({
      what: 'idle-closed',
      closedBy: 'proxy',
      idleMillis: Number(m[2]) * 1000,
      reason: 'wait_timeout of the service',
      ...whoOf(m[1]!),
    }),
  },
  {
    has: 'Network write timed out',
    re: /Network write timed out for (\S+?)\.?$/,
    draft: (m) => ({ what: 'timed-out', closedBy: 'proxy', reason: 'net_write_timeout', ...whoOf(m[1]!) }),
  },
  {
    has: 'when reusing connection',
    re: /Lost connection to server when reusing connection/,
    draft: (m) => ({ what: 'broken', reason: m[0] }),
  },
  {
    has: 'Timed out when waiting for a connection',
    re: /Timed out when waiting for a connection/,
    draft: (m) => ({ what: 'exhausted', reason: m[0] }),
  },
  {
    has: 'blocking connections',
    re: /Server (\S+) has been put into maintenance mode due to the server blocking connections/,
    draft: (m) => ({ what: 'host-blocked', code: 1129, reason: m[0], fields: { serverName: m[1]! } }),
  },
  {
    has: 'Re-routing failed read',
    re: /Re-routing failed read after server '([^']*)' failed/,
    draft: (m) => ({ what: 'retried', fields: { serverName: m[1]! } }),
  },
  {
    has: 'Discarding connection to',
    re: /Discarding connection to '([^']*)': (.*)/,
    draft: (m) => ({ what: 'broken', reason: m[2]!, fields: { serverName: m[1]! } }),
  },
  {
    has: 'Server changed state',
    re: /Server changed state: (\S+?)(?:\[(\S+?)\])?: (\w+)\. (.*)/,
    draft: (m) => ({
      what: /down|lost|maint/.test(m[3]!) ? 'server-down' : 'server-up',
      reason: m[4]!,
      fields: { serverName: m[1]!, state: m[3]! },
      server: m[2] ?? null,
    }),
  },
  {
    has: 'Authentication failed',
    re: /Authentication failed for user '([^']*)'@\[?([^\]' ]*)\]?/,
    draft: (m) => ({ what: 'auth-failed', code: 1045, closedBy: 'proxy', user: m[1]!, client: m[2]! }),
  },
  {
    has: 'Connection rejected',
    re: /Connection rejected: (.*)/,
    draft: (m) => ({ what: 'connect-failed', reason: m[0].slice(0, 200) }),
  },
  { has: 'Bad handshake', re: /Bad handshake/, draft: (m) => ({ what: 'connect-failed', code: 1043, reason: m[0] }) },
  { has: 'SSL failed', re: /SSL failed/, draft: (m) => ({ what: 'tls-failed', reason: m[0] }) },
  {
    has: 'max_connections',
    re: /(?:Maximum|max_connections).*?(?:reached|exceeded)/i,
    draft: (m) => ({ what: 'too-many-connections', closedBy: 'proxy', reason: m[0].slice(0, 200) }),
  },
  {
    has: 'failed: ',
    re: /Server '([^']*)' failed: (.*)/,
    draft: (m) => ({ what: 'broken', reason: m[2]!, fields: { serverName: m[1]! } }),
  },
  {
    has: 'MaxScale',
    re: /MariaDB MaxScale (\d\S*) started|MaxScale.*?(?:shutdown completed|is shutting down)/,
    draft: (m) => (m[1] === undefined ? { what: 'stopped' } : { what: 'started', version: m[1] }),
  },
]

function whoOf(text: string): Partial<Draft> {
  const m = /^'?([^'@]*)'?@'?\[?([^\]']*)/.exec(text)
  return m === null ? {} : { user: m[1]!, client: m[2]! }
}

function read({ text }: Entry): Draft | null {
  const m = LINE.exec(text)
  if (m === null) return null
  const level = levelOf(m[2])
  const head = HEAD.exec(m[3]!)!
  const stamp = readStamp(m[1]!)?.stamp ?? null
  const draft = byRules(RULES, m[3]!)
  const backend = BACKEND.exec(m[3]!)
  const fields: Record<string, string | number> = {}
  if (head[3] !== undefined) fields['service'] = head[3]
  const session = head[1] ?? backend?.[2]
  if (session !== undefined) fields['session'] = Number(session)
  if (backend !== null) {
    fields['serverName'] = backend[1]!
    if (backend[5] !== undefined) fields['errno'] = Number(backend[5])
  }
  if (draft === null && backend === null)
    return level === 'error' || level === 'warning'
      ? { what: 'other', stamp, level, fields, reason: m[3]!.slice(0, 200) }
      : null
  const who = WHO.exec(m[3]!)
  const made = backend?.[7] !== undefined
  return {
    stamp,
    level,
    // Its monitor faked the hang-up: no network fault.
    ...(made ? { closedBy: 'proxy' as const } : {}),
    ...(draft ?? { what: 'broken' }),
    ...(backend?.[3] === undefined ? {} : { connectionId: Number(backend[3]) }),
    ...(backend === null || draft?.idleMillis != null ? {} : { idleMillis: Number(backend[4]) * 1000 }),
    ...(who === null ? {} : { user: who[1]!, client: who[2]! }),
    ...(session === undefined ? {} : { frontId: Number(session) }),
    fields: { ...fields, ...draft?.fields, ...(made ? { generated: 1 } : {}) },
  }
}

export const maxscale: LogFormat = {
  id: 'maxscale',
  title: 'MaxScale',
  product: 'MaxScale',
  role: 'proxy',
  examples: [
    "2024-10-23 17:02:52   error  : (123456) [readwritesplit] (RW-Service); Lost connection to the primary server, closing session. Connection from 'app'@'10.0.0.5' has been idle for 28800 seconds. Error caused by: Lost connection to backend server: connection closed by peer (db1, session=123456, conn_id=7788, idle=28800s). Last error: ",
    '2024-10-23 17:02:52   notice : Server changed state: db1[10.0.0.30:3306]: master_down. [Master, Running] -> [Down]',
  ],
  starts: (line) => START.test(line),
  open: each(read),
}
