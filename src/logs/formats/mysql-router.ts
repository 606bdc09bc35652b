/**
 * MySQL Router: `2026-11-20 17:52:36.666 routing DEBUG [7f26480ba6c0] text`, local time, whole seconds unless timestamp_precision says
 * otherwise. What opens and closes a pair is told at DEBUG only.
 */
import { type Draft, type Entry, each, type LogFormat } from '../format.ts'
import { byRules, type MessageRule } from '../rules.ts'
import { readStamp } from '../stamp.ts'
import { endpointOf, levelOf } from '../words.ts'

const LINE =
  /^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?) (\S*) (FATAL|SYSTEM|ERROR|WARNING|INFO|NOTE|DEBUG) \[(\w+)\] ?([\s\S]*)$/
const START =
  /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? \S* (?:FATAL|SYSTEM|ERROR|WARNING|INFO|NOTE|DEBUG) \[(?:0x)?[0-9a-f]{6,16}\] /

const at = (text: string): string => endpointOf(text) ?? text

const RULES: readonly MessageRule[] = [
  {
    has: ': connection closed',
    re: /fd=(-?\d+) (?:(\S+) -> (\S+)|-- (?:-?\d+|\(not connected\))): connection closed \(up: (\d+)b; down: (\d+)b\)/,
    draft: (m) => ({
      what: 'closed',
      client: m[2] === undefined ? null : at(m[2]),
      server: m[3] === undefined ? null : at(m[3]),
      fields: { fd: Number(m[1]), up: Number(m[4]), down: Number(m[5]) },
    }),
  },
  {
    has: 'connected ',
    re: /(?:fd=(-?\d+) )?connected (\S+) -> (\S+)/,
    draft: (m) => ({
      what: 'connected',
      client: at(m[2]!),
      server: at(m[3]!),
      fields: m[1] === undefined ? {} : { fd: Number(m[1]) },
    }),
  },
  {
    has: 'closed connection before finishing handshake',
    re: /(\S+) closed connection before finishing handshake/,
    draft: (m) => ({
      what: 'closed',
      closedBy: 'client',
      state: 'handshake',
      client: at(m[1]!),
      reason: 'before finishing the handshake',
    }),
  },
  {
    has: 'error counter for host of',
    re: /(incrementing|resetting) error counter for host of (\S+) \((?:now|was) (\d+)/,
    draft: (m) => ({
      what: 'other',
      client: at(m[2]!),
      reason: `${m[1]} error counter`,
      fields: { errors: Number(m[3]) },
    }),
  },
  {
    has: 'blocking client host for',
    re: /blocking client host for (\S+)/,
    draft: (m) => ({
      what: 'host-blocked',
      code: 1129,
      closedBy: 'proxy',
      client: at(m[1]!),
      reason: 'max_connect_errors of Router',
    }),
  },
  {
    has: 'connecting to backend(s) for client from',
    re: /connecting to backend\(s\) for client from (\S+) failed: (.*)/,
    draft: (m) => ({ what: 'connect-failed', code: 2003, closedBy: 'proxy', client: at(m[1]!), reason: m[2]! }),
  },
  {
    has: 'reached max active connections for route',
    re: /reached max active connections for route \((\d+) max=(\d+)\)/,
    draft: (m) => ({
      what: 'too-many-connections',
      closedBy: 'proxy',
      reason: 'max_connections of the route',
      fields: { max_connections: Number(m[2]) },
    }),
  },
  {
    has: 'exceeds [DEFAULT].max_total_connections',
    re: /Total connections count=(\d+) exceeds \[DEFAULT\]\.max_total_connections=(\d+)/,
    draft: (m) => ({
      what: 'too-many-connections',
      closedBy: 'proxy',
      reason: 'max_total_connections',
      fields: { max_total_connections: Number(m[2]) },
    }),
  },
  {
    has: 'got request to disconnect',
    re: /listening on '?(\S+?)'? got request to disconnect (\d+) invalid connections: (.*)/,
    draft: (m) => ({
      what: 'killed',
      closedBy: 'proxy',
      reason: `metadata changed: ${m[3]}`,
      fields: { listens: m[1]!, connections: Number(m[2]) },
    }),
  },
  {
    has: 'Disconnecting client',
    re: /Disconnecting client (\S+) from server (\S+)/,
    draft: (m) => ({
      what: 'killed',
      closedBy: 'proxy',
      client: at(m[1]!),
      server: at(m[2]!),
      reason: 'its server is no longer valid',
    }),
  },
  {
    has: 'waiting for greetings message',
    re: /Error from the server while waiting for greetings message: (?:(\d+), )?(.*)/,
    draft: (m) => ({ what: 'connect-failed', code: m[1] === undefined ? null : Number(m[1]), reason: m[2]! }),
  },
  {
    has: 'accepting TLS connection from',
    re: /accepting TLS connection from (\S+) failed: (.*)/,
    draft: (m) => ({ what: 'tls-failed', client: at(m[1]!), reason: m[2]! }),
  },
  {
    has: 'connection accepted at',
    re: /fd=(-?\d+) connection accepted at (\S+)/,
    draft: (m) => ({ what: 'other', reason: 'accepted', fields: { fd: Number(m[1]), frontendAddress: m[2]! } }),
  },
  {
    has: 'connection_sharing',
    re: /.*connection_sharing=1 has been ignored, as (.*)/,
    draft: (m) => ({ what: 'setting', reason: m[1]!, fields: { connection_sharing: 0 } }),
  },
  {
    has: 'max_idle_server_connections=0',
    re: /max_idle_server_connections=0 has no effect/,
    draft: (m) => ({ what: 'setting', reason: m[0], fields: { max_idle_server_connections: 0 } }),
  },
  {
    has: "Starting 'MySQL Router'",
    re: /Starting 'MySQL Router', version: (\S+)/,
    draft: (m) => ({ what: 'started', version: m[1]! }),
  },
  {
    has: "Stopping 'MySQL Router'",
    re: /Stopping 'MySQL Router', version: (\S+).*?, reason: (.*)/,
    draft: (m) => ({ what: 'stopped', version: m[1]!, reason: m[2]! }),
  },
]

function read({ text }: Entry): Draft | null {
  const m = LINE.exec(text)
  if (m === null) return null
  const level = levelOf(m[3])
  const stamp = readStamp(m[1]!)?.stamp ?? null
  const route = /^\[([^\]]+)\]/.exec(m[5]!)?.[1]
  const draft = byRules(RULES, m[5]!)
  if (draft !== null)
    return { stamp, level, ...draft, fields: { ...(route === undefined ? {} : { route }), ...draft.fields } }
  return level === 'error' || level === 'warning' ? { what: 'other', stamp, level, reason: m[5]!.slice(0, 200) } : null
}

export const mysqlRouter: LogFormat = {
  id: 'mysql-router',
  title: 'MySQL Router',
  product: 'MySQL Router',
  role: 'proxy',
  examples: [
    '2026-11-20 17:52:36.677 routing INFO [7f26480ba6c0] [routing:rw] started: routing strategy = first-available',
    '2026-11-20 17:52:37.101 routing DEBUG [7f26480ba6c0] [routing:rw] fd=24 connected 10.20.0.10:51432 -> 10.20.0.30:3306',
    '2024-05-02 10:11:12 routing INFO [7f3c2c7fe700] [routing:bootstrap_rw] 10.0.0.5:51432 closed connection before finishing handshake',
  ],
  starts: (line) => START.test(line),
  // NOTIFY_SOCKET texts hold line breaks.
  continues: (line) => /^(?:STATUS=|READY=|STOPPING=|' notification$|$|\s)/.test(line),
  open: each(read, (line) => / (?:main|io|routing_plugin) (?:DEBUG|INFO) /.test(line)),
}
