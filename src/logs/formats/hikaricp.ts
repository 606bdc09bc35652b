/**
 * HikariCP, by its messages (the package may be relocated and the logger's name cut): pool at WARN, everything at DEBUG. A
 * connection is `ConnectionImpl@1a2b3c`, stable while it lives. Texts of 2.x to 6.x.
 */
import { isAppLine } from '../app-line.ts'
import { connectionIdIn } from '../driver-texts.ts'
import type { Draft, LogFormat } from '../format.ts'
import { type MessageRule, PoolReader, settingValue } from '../rules.ts'

/** Pool name, before ` - `. */
const POOL = String.raw`(?:^|[\]:\s-] *)(\S+) - `
const re = (tail: string): RegExp => new RegExp(POOL + tail)

const REASONS: Readonly<Record<string, Pick<Draft, 'what' | 'closedBy'>>> = {
  'connection has passed maxLifetime': { what: 'retired', closedBy: 'pool' },
  'connection has passed idleTimeout': { what: 'retired', closedBy: 'pool' },
  'connection was evicted': { what: 'retired', closedBy: 'pool' },
  'connection evicted': { what: 'retired', closedBy: 'pool' },
  'connection evicted by user': { what: 'retired', closedBy: 'pool' },
  'connection aborted during shutdown': { what: 'retired', closedBy: 'pool' },
  'connection is dead': { what: 'broken' },
  'connection is broken': { what: 'broken' },
}

const stats = (pool: string, counters: string, what: Draft['what'] = 'stats'): Draft => {
  const fields: Record<string, number> = {}
  // 6.0 writes total=t/max and idle=i/minimum.
  for (const m of counters.matchAll(/(\w+)=(\d+)(?:\/(\d+))?/g)) {
    fields[m[1]!] = Number(m[2])
    if (m[3] !== undefined) fields[m[1] === 'total' ? 'maximumPoolSize' : 'minimumIdle'] = Number(m[3])
  }
  return { what, pool, fields }
}

const RULES: readonly MessageRule[] = [
  {
    has: 'Failed to validate connection',
    re: re(String.raw`Failed to validate connection (\S+) \(([\s\S]*?)\)(?:\. Possibly|\.?$|\n)`),
    draft: (m) => ({
      what: 'validation-failed',
      pool: m[1]!,
      poolConnection: m[2]!,
      connectionId: connectionIdIn(m[3]!),
      reason: m[3]!,
    }),
  },
  {
    has: 'marked as broken because of',
    re: re(String.raw`Connection (\S+) marked as broken because of SQLSTATE\((\w*)\), ErrorCode\((-?\d+)\)`),
    draft: (m) => ({
      what: 'broken',
      pool: m[1]!,
      poolConnection: m[2]!,
      sqlState: m[3] === 'null' || m[3] === '' ? null : m[3]!,
      code: Number(m[4]) || null,
    }),
  },
  {
    has: 'Closing connection',
    re: re(String.raw`Closing connection (\S+?) failed`),
    draft: (m) => ({ what: 'broken', pool: m[1]!, poolConnection: m[2]!, reason: 'closing it failed' }),
  },
  {
    has: 'Closing connection',
    re: re(String.raw`Closing connection (\S+?): ?\((.*?)\)`),
    draft: (m) => ({
      ...(REASONS[m[3]!] ?? { what: 'retired', closedBy: 'pool' }),
      pool: m[1]!,
      poolConnection: m[2]!,
      reason: m[3]!,
    }),
  },
  {
    has: 'Added connection',
    re: re(String.raw`Added connection (\S+)`),
    draft: (m) => ({ what: 'connected', pool: m[1]!, poolConnection: m[2]!, connectionId: connectionIdIn(m[2]!) }),
  },
  {
    has: 'stats (',
    re: re(String.raw`(?:Timeout failure |Pool |Before \w+ |After \w+ |Fill )?stats \(([^)]*)\)`),
    draft: (m) => stats(m[1]!, m[2]!),
  },
  {
    has: 'Connection is not available, request timed out after',
    re: re(String.raw`Connection is not available, request timed out after (\d+)ms(?: ?\(([^)]*)\))?`),
    draft: (m) => ({
      ...stats(m[1]!, m[3] ?? '', 'exhausted'),
      durationMillis: Number(m[2]),
      reason: 'connectionTimeout',
    }),
  },
  {
    has: 'Reset (',
    re: re(String.raw`Reset \(([^)]*)\) on connection (\S+)`),
    draft: (m) => ({ what: 'reset', pool: m[1]!, poolConnection: m[3]!, reason: m[2]! }),
  },
  {
    has: 'Executed rollback on connection',
    re: re(String.raw`Executed rollback on connection (\S+) due to dirty commit state`),
    draft: (m) => ({
      what: 'reset',
      pool: m[1]!,
      poolConnection: m[2]!,
      reason: 'rollback of a transaction left open',
    }),
  },
  {
    has: 'leak detection triggered',
    re: /Connection leak detection triggered for (\S+) on thread (.*?), stack trace follows/,
    draft: (m) => ({
      what: 'other',
      poolConnection: m[1]!,
      borrower: m[2]!,
      reason: 'leakDetectionThreshold: not returned',
    }),
  },
  {
    has: 'reported leaked connection',
    re: /Previously reported leaked connection (\S+) on thread (.*?) was returned/,
    draft: (m) => ({ what: 'checkin', poolConnection: m[1]!, borrower: m[2]! }),
  },
  {
    has: 'keepalive: connection',
    re: re(String.raw`keepalive: connection (\S+) is alive`),
    draft: (m) => ({ what: 'validated', pool: m[1]!, poolConnection: m[2]!, reason: 'keepalive' }),
  },
  {
    has: 'keepalive: connection',
    re: re(String.raw`keepalive: connection (\S+) is dead`),
    draft: (m) => ({ what: 'validation-failed', pool: m[1]!, poolConnection: m[2]!, reason: 'keepalive' }),
  },
  {
    has: 'clock leap detected',
    re: re(String.raw`Thread starvation or clock leap detected \(housekeeper delta=([^)]*)\)`),
    draft: (m) => ({ what: 'paused', pool: m[1]!, reason: `housekeeper delta ${m[2]}`, durationMillis: delta(m[2]!) }),
  },
  {
    has: 'Retrograde clock change detected',
    re: re(String.raw`Retrograde clock change detected \(housekeeper delta=([^)]*)\)`),
    draft: (m) => ({ what: 'paused', pool: m[1]!, reason: `clock went back, housekeeper delta ${m[2]}` }),
  },
  {
    has: 'Failed to create',
    re: re('Failed to (?:create|create/setup|setup) connection:? ?(.*)'),
    draft: (m) => ({ what: 'connect-failed', pool: m[1]!, reason: m[2]! || null }),
  },
  {
    has: 'Cannot acquire connection from data source',
    re: re('Cannot acquire connection from data source'),
    draft: (m) => ({ what: 'connect-failed', pool: m[1]! }),
  },
  {
    has: 'Connection add failed',
    re: re(String.raw`Connection add failed, sleeping with backoff: (\d+)ms`),
    draft: (m) => ({ what: 'connect-failed', pool: m[1]!, reason: `backoff ${m[2]} ms` }),
  },
  {
    has: 'Exception during pool initialization',
    re: re('Exception during pool initialization'),
    draft: (m) => ({ what: 'connect-failed', pool: m[1]!, reason: m[0].slice(-36) }),
  },
  {
    has: 'HikariConfig',
    re: /HikariConfig\b.*? (?:-|:) +(\w+?)\.{3,}(.*)$/,
    draft: (m) => ({ what: 'setting', fields: { [m[1]!]: settingValue(m[2]!) }, reason: m[1]! }),
  },
  { has: 'Starting...', re: re(String.raw`Starting\.\.\.`), draft: (m) => ({ what: 'started', pool: m[1]! }) },
  { has: 'Shutdown completed', re: re('Shutdown completed'), draft: (m) => ({ what: 'stopped', pool: m[1]! }) },
  {
    has: 'Shutdown initiated',
    re: re('Shutdown initiated'),
    draft: (m) => ({ what: 'stopped', pool: m[1]!, reason: 'Shutdown initiated' }),
  },
]

/** `1m12s345ms` in milliseconds, null when it is written otherwise. */
function delta(text: string): number | null {
  const m = /^(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?/.exec(text)
  if (m === null || m[0] === '') return null
  return (
    (((Number(m[1] ?? 0) * 24 + Number(m[2] ?? 0)) * 60 + Number(m[3] ?? 0)) * 60 + Number(m[4] ?? 0)) * 1000 +
    Number(m[5] ?? 0)
  )
}

const KNOWN =
  /[Hh]ikari|Possibly consider using a shorter maxLifetime| - (?:Pool|Before cleanup|After cleanup|After adding|Fill pool|Timeout failure) stats \(| marked as broken because of SQLSTATE\(|Connection leak detection triggered for /

export const hikaricp: LogFormat = {
  id: 'hikaricp',
  title: 'HikariCP',
  product: 'HikariCP',
  role: 'pool',
  examples: [
    '2020-03-30 18:29:11.726  WARN 6 --- [or-http-epoll-4] com.zaxxer.hikari.pool.PoolBase : HikariPool-1 - Failed to validate connection com.mysql.cj.jdbc.ConnectionImpl@39e2b6a0 (No operations allowed after connection closed.). Possibly consider using a shorter maxLifetime value.',
    '2019-02-05 17:00:08,386 DEBUG [HikariPool-1 connection closer] com.zaxxer.hikari.pool.PoolBase [PoolBase.java:129] HikariPool-1 - Closing connection com.mysql.cj.jdbc.ConnectionImpl@2860d11c: (connection has passed maxLifetime)',
    '2019-02-05 16:59:51,177 DEBUG [HikariPool-1 housekeeper] com.zaxxer.hikari.pool.HikariPool [HikariPool.java:411] HikariPool-1 - Pool stats (total=10, active=0, idle=10, waiting=0)',
  ],
  starts: (line) => KNOWN.test(line) && isAppLine(line),
  open: () => new PoolReader(RULES),
}
