/**
 * HAProxy's `option tcplog`, written when a session ends: `%ci:%cp [%t] %ft %b/%s %Tw/%Tc/%Tt %B %ts %ac/%fc/%bc/%sc/%rc %sq/%bq`. The
 * accept date is local time with milliseconds; what follows the last field (a custom tail) is ignored.
 */
import { type Draft, type Entry, each, type LogFormat } from '../format.ts'
import { later, readStamp } from '../stamp.ts'
import { endpoint } from '../words.ts'
import { termination } from './haproxy-states.ts'

const LINE =
  /^(unix|[0-9a-fA-F.:]+):(\d+) \[([^\]]+)\] (\S+) ([^/\s]+)\/(\S+) (-?\d+)\/(-?\d+)\/(\+?)(-?\d+) \+?(\d+) ([-A-Za-z]{2}) (\d+)\/(\d+)\/(\d+)\/(\d+)\/(\+?\d+) (\d+)\/(\d+)(?=\s|$)/

const START =
  /^(?:unix|[0-9a-fA-F.:]+):\d{1,5} \[\d\d\/[A-Z][a-z]{2}\/\d{4}:[\d:.]+\] \S+ [^/\s]+\/\S+ -?\d+\/-?\d+\/\+?-?\d+ \+?\d+ [-A-Za-z]{2} \d/

/** The facts of a session's end, whichever of HAProxy's layouts told them. */
export interface SessionEnd {
  client: string
  accepted: ReturnType<typeof readStamp>
  frontend: string
  backend: string
  server: string
  totalMillis: number
  /** Written at the beginning already (`option logasap`): nothing has ended. */
  early: boolean
  bytes: number
  state: string
  fields: Record<string, string | number>
}

export function sessionEnd(s: SessionEnd): Draft {
  const stamp = s.accepted?.stamp ?? null
  const how = s.early ? EARLY : termination(s.state)
  const lasted = s.early || s.totalMillis < 0 ? null : s.totalMillis
  const { fields } = s
  fields['frontend'] = s.frontend
  fields['backend'] = s.backend
  fields['serverName'] = s.server
  fields['bytes'] = s.bytes
  return {
    what: how.what,
    closedBy: how.closedBy ?? null,
    reason: how.reason ?? null,
    state: how.state ?? null,
    stamp: stamp === null || lasted === null ? stamp : later(stamp, lasted),
    startStamp: stamp,
    client: s.client,
    // The line has a server's name in the configuration, not an address.
    server: null,
    durationMillis: lasted,
    fields,
  }
}
const EARLY: Draft = { what: 'connected', reason: 'option logasap' }

function read({ text }: Entry): Draft | null {
  const m = LINE.exec(text)
  if (m === null) return null
  return sessionEnd({
    client: endpoint(m[1]!, m[2]!),
    accepted: readStamp(m[3]!),
    frontend: m[4]!,
    backend: m[5]!,
    server: m[6]!,
    totalMillis: Number(m[10]),
    early: m[9] === '+',
    bytes: Number(m[11]),
    state: m[12]!,
    fields: { queueMillis: Number(m[7]), connectMillis: Number(m[8]), retries: Number(m[17]) },
  })
}

export const haproxyTcplog: LogFormat = {
  id: 'haproxy-tcplog',
  title: 'HAProxy, option tcplog',
  product: 'HAProxy',
  role: 'proxy',
  examples: [
    'Feb  6 12:12:56 localhost haproxy[14387]: 10.0.1.2:33313 [06/Feb/2009:12:12:51.443] fnt bck/srv1 0/0/5007 212 -- 0/0/0/0/3 0/0',
    'haproxy[18989]: 127.0.0.1:34550 [15/Oct/2003:15:24:28.312] px-tcp px-tcp/srv1 0/0/5007 0 cD 0/0/0/0/0 0/0',
    '2026-11-20T17:18:51.045+08:00 lb1 haproxy[731]: 10.20.0.10:59186 [20/Nov/2026:17:18:41.040] mysql_front mysql_back/db1 1/0/10003 291 cD 1/1/0/0/0 0/0',
  ],
  starts: (line) => START.test(line),
  open: each(read, undefined, (line) => (line.includes(' -- ') ? 1 : 2)),
}
