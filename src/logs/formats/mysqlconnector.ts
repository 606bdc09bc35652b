/**
 * MySqlConnector for .NET at Debug and Trace, in any layout: a session is `1.2` (pool.session); its first line names the server's
 * connection id, the Trace before it the local port. The id may change behind a proxy.
 */
import { isAppLine, readAppLine } from '../app-line.ts'
import { whatOfCode } from '../driver-codes.ts'
import { driverError } from '../driver-texts.ts'
import type { Draft, Entry, EntryReader, LogFormat } from '../format.ts'
import { GeneralReader } from '../general.ts'
import { byRules, type MessageRule, withCause } from '../rules.ts'

const REMEMBERED = 10_000

const RULES: readonly MessageRule[] = [
  {
    has: 'made connection',
    re: /Session ([\d.]+) made connection; (?:server version|Server Version) ?=? ?([^;]+); connection ?ID ?=? ?(\d+)/i,
    draft: (m) => ({
      what: 'connected',
      poolConnection: m[1]!,
      connectionId: Number(m[3]),
      fields: { serverVersion: m[2]!.trim() },
    }),
  },
  {
    has: 'with local port',
    re: /Session ([\d.]+) connected to IP address (\S+) (?:\([^)]*\) )?for host name '?([^\s']+)'? with local port (\d+)/i,
    draft: (m) => ({
      what: 'other',
      poolConnection: m[1]!,
      client: `:${m[4]}`,
      reason: 'connected',
      fields: { serverAddress: m[2]!, host: m[3]! },
    }),
  },
  {
    has: 'changing connection id',
    re: /Session ([\d.]+) changing connection id from (\d+) to (\d+)/i,
    draft: (m) => ({
      what: 'other',
      poolConnection: m[1]!,
      connectionId: Number(m[3]),
      frontId: Number(m[2]),
      reason: 'behind a proxy',
    }),
  },
  {
    has: 'to caller',
    re: /Pool (\d+) returning (?:pooled|new) session ([\d.]+) to caller/i,
    draft: (m) => ({ what: 'checkout', pool: m[1]!, poolConnection: m[2]! }),
  },
  {
    has: 'receiving',
    re: /Pool (\d+) receiving session ([\d.]+) back/i,
    draft: (m) => ({ what: 'checkin', pool: m[1]!, poolConnection: m[2]! }),
  },
  {
    has: 'is unusable',
    re: /Pool (\d+) session ([\d.]+) is unusable; destroying/i,
    draft: (m) => ({
      what: 'validation-failed',
      pool: m[1]!,
      poolConnection: m[2]!,
      closedBy: 'pool',
      reason: 'unusable',
    }),
  },
  {
    has: 'expired session',
    re: /Pool (\d+) received (?:expired|invalid) session ([\d.]+)/i,
    draft: (m) => ({
      what: 'retired',
      pool: m[1]!,
      poolConnection: m[2]!,
      closedBy: 'pool',
      reason: 'ConnectionLifeTime',
    }),
  },
  {
    has: 'failed to reset connection',
    re: /Session ([\d.]+) failed to reset connection:? ?(.*)/i,
    draft: (m) => ({ what: 'broken', poolConnection: m[1]!, reason: m[2]! || 'reset failed' }),
  },
  {
    has: 'reset connection',
    re: /Session ([\d.]+) (?:reset connection|sending pipelined reset connection request)/i,
    draft: (m) => ({ what: 'reset', poolConnection: m[1]! }),
  },
  {
    has: 'expected to read',
    re: /Session ([\d.]+) expected to read (\d+) bytes but only read (\d+)/i,
    draft: (m) => ({
      what: 'broken',
      poolConnection: m[1]!,
      reason: `read ${m[3]} of ${m[2]} bytes`,
      fields: { cause: 'eof' },
    }),
  },
  {
    has: 'setting state to Failed',
    re: /Session ([\d.]+) setting state to Failed/i,
    draft: (m) => ({ what: 'broken', poolConnection: m[1]!, reason: 'state Failed' }),
  },
  {
    has: 'got error payload',
    re: /Session ([\d.]+) got error payload: (?:Code=)?(\d+), (?:State=)?(\w+), (?:Message=)?(.*)/i,
    draft: (m) => ({
      what: whatOfCode(Number(m[2])),
      poolConnection: m[1]!,
      code: Number(m[2]),
      sqlState: m[3]!,
      reason: m[4]!,
    }),
  },
  {
    has: 'from session',
    re: /canceling command (\d+) from session ([\d.]+)/i,
    draft: (m) => ({ what: 'killed', closedBy: 'client', poolConnection: m[2]!, reason: 'KILL QUERY by the driver' }),
  },
  {
    has: 'ping',
    re: /Session ([\d.]+) (?:sending ping|successfully pinged|ping)/i,
    draft: (m) => ({ what: 'validated', poolConnection: m[1]!, reason: 'ping' }),
  },
  {
    has: 'opening',
    re: /Pool (\d+) found no pooled session; opening new/i,
    draft: (m) => ({ what: 'other', pool: m[1]!, reason: 'opening a new session' }),
  },
]

class MySqlConnectorReader implements EntryReader {
  private readonly ids = new Map<string, number>()
  private readonly general = new GeneralReader()

  read(entry: Entry): Draft | null {
    const { text, first } = entry
    const { stamp, level } = readAppLine(first)
    const draft = byRules(RULES, text)
    if (draft === null) return this.general.read(entry)
    const cause = text.length > first.length ? driverError(text) : null
    const session = draft.poolConnection
    if (session != null) {
      if (draft.connectionId == null) draft.connectionId = this.ids.get(session) ?? null
      else {
        this.ids.set(session, draft.connectionId)
        if (this.ids.size > REMEMBERED) this.ids.delete(this.ids.keys().next().value!)
      }
    }
    return { stamp, level, ...withCause(draft, cause) }
  }
}

export const mysqlconnector: LogFormat = {
  id: 'mysqlconnector',
  title: 'MySqlConnector (.NET)',
  product: 'MySqlConnector',
  role: 'pool',
  examples: [
    '2026-11-20 17:18:54.051 +00:00 [DBG] MySqlConnector.ServerSession: Session 1.2 made connection; server version 8.4.3; connection ID 42; supports: compression True',
    'dbug: MySqlConnector.ConnectionPool[2010]\n      Pool 1 returning pooled session 1.2 to caller; 1 leased session(s)',
  ],
  starts: (line) =>
    /MySqlConnector\b|\b(?:Session \d+\.\d+|Pool \d+) (?:made connection|returning|receiving|session|received)/.test(
      line,
    ) && isAppLine(line),
  open: () => new MySqlConnectorReader(),
}
