/** Connections that were never made, by error number: the same whoever quotes it (proxy, pool or driver). */
import type { LogEvent } from '../../logs/event.ts'
import type { CulpritRole } from '../../report/model.ts'
import { type LogReading, named } from './reading.ts'

/** Error numbers that a server (or a proxy in its place) sends while a client connects: manual, server error reference. */
const BY_CODE: ReadonlyMap<number, readonly [string, CulpritRole]> = new Map([
  [1040, ['too-many-connections', 'server']],
  [1203, ['too-many-connections', 'server']],
  [1226, ['too-many-connections', 'server']],
  [1129, ['host-blocked', 'server']],
  [1044, ['auth-failed', 'server']],
  [1045, ['auth-failed', 'server']],
  [1049, ['auth-failed', 'server']],
  [1130, ['auth-failed', 'server']],
  [1251, ['auth-failed', 'server']],
  [1862, ['auth-failed', 'server']],
  [3118, ['auth-failed', 'server']],
  [4151, ['auth-failed', 'server']],
  [3159, ['tls-required', 'server']],
  [9001, ['connect-timeout', 'server']],
  [9002, ['connect-refused', 'server']],
])
const REFUSED = /\(111\)|ECONNREFUSED|[Cc]onnection refused/
const TIMED_OUT = /\(110\)|ETIMEDOUT|timed? ?out|[Tt]imeout/

/** `as`: who writes. A proxy's own refusals are its own, not the server's. */
export function connectReading(e: LogEvent, as: 'proxy' | 'application'): LogReading | null {
  const who = named(e)
  const read = (rule: string, role: CulpritRole, says: string, also: readonly string[] = []): LogReading => ({
    rules: [rule, ...also],
    role,
    weight: 'says',
    says: `${who} says ${says}`,
  })
  const itself = as === 'proxy' && /ProxySQL Error|mysql-max_connections|max_user_connections/.test(e.text)
  const coded = e.code === null ? undefined : BY_CODE.get(e.code)
  if (coded !== undefined)
    return read(coded[0], itself || /ProxySQL Error/.test(e.text) ? 'proxy' : coded[1], `${e.code}`, alsoFor(coded[0]))
  if (e.what === 'auth-failed')
    return read('auth-failed', itself ? 'proxy' : 'server', 'a login was refused', alsoFor('auth-failed'))
  if (e.what === 'too-many-connections')
    return read('too-many-connections', as === 'proxy' ? 'proxy' : 'server', 'there were too many connections')
  if (e.what === 'host-blocked') return read('host-blocked', 'server', 'the host is blocked')
  if (e.what !== 'connect-failed') return null
  if (REFUSED.test(e.text))
    return read('connect-refused', 'server', 'the connection was refused', ['server-crash', 'server-shutdown'])
  if (TIMED_OUT.test(e.text))
    return read('connect-timeout', 'unknown', 'connecting took too long', [
      'packet-loss',
      'silent-drop',
      'handshake-timeout',
      'client-timeout',
    ])
  return null
}

/** What the packets may name more exactly. */
const alsoFor = (rule: string): readonly string[] =>
  rule === 'auth-failed'
    ? ['tls-required', 'tls-handshake-failure', 'proxy-protocol-mismatch']
    : rule === 'tls-required'
      ? ['auth-failed']
      : []
