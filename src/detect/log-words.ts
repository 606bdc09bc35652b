/** What a cause that only a log names is called in a title: by rule, the same for packets that a log explains and for logs alone. */
import type { Culprit } from './rule.ts'

export interface Named {
  culprit: Culprit
  /** Connections, or attempts. */
  count: number
  lost: number
  /** The setting that ran out, and a time that belongs to it in words, where known. */
  setting: string | null
  time: string | null
  /** A statement was running. */
  busy: boolean
}

const ACTIVE: Readonly<Record<string, (n: Named, many: string) => string>> = {
  'idle-timeout-proxy': (n, many) =>
    n.busy
      ? `closed ${many} while a statement ran longer than it lets the server be silent${ranOut(n)}`
      : `closed ${many} for being idle${ranOut(n)}`,
  'idle-timeout-server': (n, many) => `closed ${many} for being idle${ranOut(n)}`,
  'proxy-shutdown': (_, many) => `dropped ${many}`,
  'connection-killed': (_, many) => `killed ${many}`,
  'server-crash': (_, many) => `crashed and took ${many} along`,
  'server-shutdown': (_, many) => `was shut down under ${many}`,
  'packet-too-large': (_, many) => `was sent a packet larger than max_allowed_packet on ${many}`,
  'net-write-timeout': (_, many) => `cut off ${many} that took no data for net_write_timeout`,
  'handshake-timeout': (_, many) => `closed ${many} whose login did not come in time`,
  'connect-refused': (_, many) => `refused ${many}`,
  'connect-timeout': (_, many) => `did not answer ${many} in time`,
  'auth-failed': (_, many) => `refused the login of ${many}`,
  'too-many-connections': (_, many) => `had no room for ${many}`,
  'host-blocked': (_, many) => `blocks the host of ${many}`,
  'tls-required': (_, many) => `refused ${many} without TLS`,
  'tls-handshake-failure': (_, many) => `could not finish the TLS handshake of ${many}`,
  'tls-error-queue': (_, many) => `took ${many} in use for broken: the signs of a left-over TLS error`,
  'query-cancelled': (_, many) => `cancelled a statement on ${many}`,
  'client-timeout': (_, many) => `gave up waiting on ${many}`,
  'client-vanished': (_, many) => `left ${many} with a statement running`,
  'validation-wrong-connection': (_, many) => `checked another connection than ${many}`,
  'validation-too-late': (_, many) => `checks too seldom: ${many} died unchecked`,
}

/** Where nobody in particular can be named. */
const UNNAMED: Readonly<Record<string, (many: string) => string>> = {
  'connect-timeout': (many) => `No answer came in time to ${many.replace('connection', 'connection attempt')}`,
  'tls-handshake-failure': (many) => `The TLS handshake of ${many} failed`,
}

function ranOut(n: Named): string {
  const time = n.time === null ? '' : ` after ${n.time}`
  return n.setting === null ? time : `${time} (${n.setting})`
}

/** `HAProxy 10.20.0.20 closed 2 connections for being idle (timeout client); 1 request was lost`. */
export function titleOf(rule: string, n: Named): string {
  const many = n.count === 1 ? 'a connection' : `${n.count} connections`
  const acted = ACTIVE[rule]?.(n, many) ?? `broke ${many}`
  const unnamed = n.culprit.role === 'unknown' ? UNNAMED[rule] : undefined
  if (unnamed !== undefined) return unnamed(many)
  const lost = n.lost === 0 ? '' : `; ${n.lost === 1 ? '1 request was' : `${n.lost} requests were`} lost`
  return `${whoOf(n.culprit)} ${acted}${lost}`
}

export function whoOf(c: Culprit): string {
  const what =
    c.product ??
    {
      proxy: 'The proxy',
      server: 'The server',
      client: 'The client',
      middlebox: 'A device',
      network: 'The network',
      unknown: 'Somebody',
    }[c.role]
  return c.address === null ? what : `${what} ${c.address}`
}
