/**
 * Envoy's access log of a TCP proxy: the layout is the user's, so the members are taken by their shape: the start time in brackets,
 * the response flags (`UF,URX`), bytes and duration, addresses. JSON by the usual keys.
 */
import { pairsOfJson } from '../app-facts.ts'
import { object } from '../envelope.ts'
import { type Draft, type Entry, each, type LogFormat } from '../format.ts'
import { later, readStamp } from '../stamp.ts'
import { endpointOf } from '../words.ts'

/** Response flags (Envoy, "Access logging", %RESPONSE_FLAGS%): who ended it. Only those that a TCP proxy can have. */
const FLAGS: Readonly<Record<string, Pick<Draft, 'what' | 'closedBy'> & { reason: string }>> = {
  UH: { what: 'connect-failed', closedBy: 'proxy', reason: 'no healthy upstream host' },
  UF: { what: 'connect-failed', reason: 'upstream connection failure' },
  UO: { what: 'too-many-connections', closedBy: 'proxy', reason: 'upstream overflow (circuit breaking)' },
  NR: { what: 'connect-failed', closedBy: 'proxy', reason: 'no route' },
  URX: { what: 'connect-failed', reason: 'upstream connect attempts used up' },
  NC: { what: 'connect-failed', closedBy: 'proxy', reason: 'upstream cluster not found' },
  DT: { what: 'timed-out', closedBy: 'proxy', reason: 'max_downstream_connection_duration reached' },
  DC: { what: 'closed', closedBy: 'client', reason: 'downstream connection termination' },
  LR: { what: 'killed', closedBy: 'proxy', reason: 'local reset' },
  UR: { what: 'closed', closedBy: 'server', reason: 'upstream reset' },
  UC: { what: 'closed', closedBy: 'server', reason: 'upstream connection termination' },
  SI: { what: 'idle-closed', closedBy: 'proxy', reason: 'stream idle timeout' },
  UT: { what: 'timed-out', closedBy: 'proxy', reason: 'upstream request timeout' },
  UAEX: { what: 'auth-failed', closedBy: 'proxy', reason: 'denied by the external authorization service' },
  RL: { what: 'too-many-connections', closedBy: 'proxy', reason: 'rate limited' },
  OM: { what: 'killed', closedBy: 'proxy', reason: 'overload manager' },
}

const START =
  /^\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\] "(?:- - -|\S+ \S+ \S+)" \d+ (?:-|[A-Z]{2,4}(?:,[A-Z]{2,4})*) (?:\S+ )*\d+ \d+ (?:\d+|-)/
const JSON_START = /^\{(?=.*"response_flags" ?: ?)(?=.*"(?:start_time|bytes_sent|upstream_host|duration)" ?: ?)/

function flags(text: string): Pick<Draft, 'what' | 'closedBy' | 'reason' | 'state'> {
  for (const flag of text.split(',')) {
    const known = FLAGS[flag.trim()]
    if (known !== undefined) return { ...known, closedBy: known.closedBy ?? null, state: text }
  }
  return { what: 'closed', closedBy: null, reason: null, state: text === '-' ? '--' : text }
}

function read({ first }: Entry): Draft | null {
  const o = object(first)
  if (o !== null) {
    const pairs = pairsOfJson(o)
    const get = (...keys: string[]): string | null => {
      for (const k of keys) {
        const v = pairs.get(k)
        if (v !== undefined && v !== '-') return String(v)
      }
      return null
    }
    const start = readStamp(get('starttime') ?? '')?.stamp ?? null
    const millis = Number(get('duration') ?? Number.NaN)
    return {
      ...flags(get('responseflags') ?? '-'),
      stamp: start === null ? null : Number.isFinite(millis) ? later(start, millis) : start,
      startStamp: start,
      durationMillis: Number.isFinite(millis) ? millis : null,
      client: endpointOf(get('downstreamremoteaddress', 'downstreamaddress') ?? ''),
      server: endpointOf(get('upstreamhost', 'upstreamremoteaddress') ?? ''),
      fields: details(get('responsecodedetails', 'connectionterminationdetails'), get('upstreamlocaladdress')),
    }
  }
  const time = readStamp(first, 1)
  const m = /^\[[^\]]*\] "[^"]*" \d+ (\S+) (.*)$/.exec(first)
  if (time === null || m === null) return null
  const numbers = /(?:^| )(\d+) (\d+) (\d+|-)(?: |$)/.exec(m[2]!)
  const millis = Number(numbers?.[3] ?? Number.NaN)
  const addresses = [
    ...m[2]!.matchAll(/(?:^|[\s"])((?:\d{1,3}\.){3}\d{1,3}:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5})(?=[\s"]|$)/g),
  ].map((a) => a[1]!)
  return {
    ...flags(m[1]!),
    stamp: Number.isFinite(millis) ? later(time.stamp, millis) : time.stamp,
    startStamp: time.stamp,
    durationMillis: Number.isFinite(millis) ? millis : null,
    // In the default layout of Istio: upstream host, upstream local, downstream local, downstream remote.
    server: addresses[0] ?? null,
    client: addresses.length >= 3 ? (addresses.at(-1) ?? null) : null,
    fields: details(/ ([a-z_]+(?:\{[^}]*\})?) /.exec(m[2]!)?.[1] ?? null, addresses.length >= 4 ? addresses[1]! : null),
  }
}

const details = (why: string | null, backendLocal: string | null): Record<string, string> => ({
  ...(why === null ? {} : { details: why }),
  ...(backendLocal === null ? {} : { backendLocal }),
})

export const envoy: LogFormat = {
  id: 'envoy',
  title: 'Envoy access log (TCP proxy), Istio’s layout and JSON',
  product: 'Envoy',
  role: 'proxy',
  examples: [
    '[2026-11-20T17:18:41.040Z] "- - -" 0 - - - "-" 412 291 10003 - "-" "-" "-" "-" "10.20.0.30:3306" outbound|3306||db1 10.20.0.20:50018 10.20.0.20:3306 10.20.0.10:59186 - -',
    '[2026-11-20T17:19:41.040Z] "- - -" 0 UF,URX - - "-" 0 0 5001 - "-" "-" "-" "-" "10.20.0.30:3306" outbound|3306||db1 - 10.20.0.20:3306 10.20.0.10:59190 - -',
    '{"start_time":"2026-11-20T17:18:41.040Z","response_flags":"UC","bytes_sent":291,"bytes_received":412,"duration":10003,"upstream_host":"10.20.0.30:3306","downstream_remote_address":"10.20.0.10:59186"}',
  ],
  starts: (line) => {
    const c = line.charCodeAt(0)
    return c === 91 ? START.test(line) : c === 123 && JSON_START.test(line)
  },
  open: each(read),
}
