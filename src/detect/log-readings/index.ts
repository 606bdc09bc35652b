/** The reading of a line, by who wrote it. */
import type { LogEvent } from '../../logs/event.ts'
import { readApplication } from './application.ts'
import { connectReading } from './connect.ts'
import { readHaproxy } from './haproxy.ts'
import { readProxysql } from './proxysql.ts'
import { CUTS, idle, type LogReading, named } from './reading.ts'
import { readServer } from './server.ts'

export type { LogReading } from './reading.ts'

const cache = new WeakMap<LogEvent, { reading: LogReading | null }>()

/** What the line means, null when it means nothing for a verdict. */
export function readingOf(e: LogEvent): LogReading | null {
  const known = cache.get(e)
  if (known !== undefined) return known.reading
  const reading = read(e)
  cache.set(e, { reading })
  return reading
}

function read(e: LogEvent): LogReading | null {
  if (e.product === 'HAProxy') return readHaproxy(e)
  if (e.product === 'ProxySQL') return readProxysql(e)
  if (e.role === 'server') return readServer(e)
  if (e.role === 'pool' || e.role === 'driver') return readApplication(e)
  return otherProxy(e)
}

/** Router, MaxScale, Envoy and whatever else forwards: by what happened alone. */
function otherProxy(e: LogEvent): LogReading | null {
  const who = named(e)
  const why = e.reason === null ? '' : ` (${e.reason})`
  const says = (rules: readonly string[], role: LogReading['role'], words: string): LogReading => ({
    rules,
    role,
    weight: 'says',
    says: `${who} says ${words}${why}`,
  })
  switch (e.what) {
    case 'idle-closed':
      return says(idle('idle-timeout-proxy'), 'proxy', 'it closed an idle connection')
    case 'killed':
    case 'server-down':
      return e.client === null && e.connectionId === null
        ? null
        : says(['proxy-shutdown'], 'proxy', 'it dropped the connection')
    case 'timed-out':
      return says(['net-write-timeout', 'handshake-timeout', 'connect-timeout'], 'proxy', 'something took too long')
    case 'tls-failed':
      return says(['tls-handshake-failure'], 'unknown', 'a TLS handshake failed')
    case 'host-blocked':
      return says(['host-blocked'], 'proxy', 'it blocks the host')
    case 'too-many-connections':
      return says(['too-many-connections'], 'proxy', 'it was at its connection limit')
    case 'broken':
      return { rules: CUTS, role: 'unknown', weight: 'sees', says: `${who} found the connection broken${why}` }
    default:
      return connectReading(e, 'proxy')
  }
}
