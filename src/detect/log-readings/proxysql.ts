/** ProxySQL's error log (lib/MySQL_Session.cpp, MySQL_Thread.cpp of 2.x). */
import { formatDuration, NS_PER_MS } from '../../core/time.ts'
import type { LogEvent } from '../../logs/event.ts'
import { connectReading } from './connect.ts'
import { CUTS, idle, type LogReading, named } from './reading.ts'

/** ProxySQL's own codes (include/proxysql_structs.h). */
const OFFLINE = new Set([9004])
/** A connection used this recently did not die of idleness. */
export const HOT_MILLIS = 1000

export function readProxysql(e: LogEvent): LogReading | null {
  const who = named(e)
  const proxy = (rules: readonly string[], says: string, setting?: string): LogReading => ({
    rules,
    role: 'proxy',
    weight: 'says',
    says: `${who} says ${says}`,
    ...(setting === undefined ? {} : { setting }),
  })
  const age = e.idleMillis === null ? '' : ` after ${formatDuration(e.idleMillis * NS_PER_MS)}`
  switch (e.what) {
    case 'idle-closed':
      return /transaction/.test(e.text)
        ? proxy(
            idle('idle-timeout-proxy'),
            `it closed a client idle in a transaction${age}`,
            'mysql-max_transaction_idle_time',
          )
        : proxy(idle('idle-timeout-proxy'), `it closed an inactive client${age}`, 'mysql-wait_timeout')
    case 'timed-out':
      if (/not established/.test(e.text))
        return proxy(['handshake-timeout'], `a client did not finish its login${age}`, 'mysql-connect_timeout_client')
      if (/transaction idle/.test(e.text))
        return proxy(
          idle('idle-timeout-proxy'),
          `it closed a client idle in a transaction${age}`,
          'mysql-max_transaction_idle_time',
        )
      if (/transaction running/.test(e.text))
        return proxy(
          ['connection-killed'],
          `it closed a client whose transaction ran too long${age}`,
          'mysql-max_transaction_time',
        )
      return /query/i.test(e.text)
        ? proxy(
            ['query-cancelled', 'connection-killed'],
            `a statement took longer than it allows`,
            'mysql-default_query_timeout',
          )
        : null
    case 'killed':
      if (/KILL QUERY/.test(e.text))
        return proxy(['query-cancelled'], `it sent KILL QUERY ${e.connectionId ?? ''}`.trimEnd())
      // Without a timeout before it, ProxySQL kills what a client left behind (mysql-kill_backend_connection_when_disconnect).
      if (/KILL CONNECTION/.test(e.text))
        return {
          rules: ['client-vanished', 'client-timeout', 'connection-killed'],
          role: 'client',
          weight: 'fits',
          says: `${who} says it sent KILL CONNECTION ${e.connectionId ?? ''} for a client that had left`,
        }
      // Also written behind every line that says why it kills.
      return {
        rules: ['connection-killed', ...idle('idle-timeout-proxy'), 'handshake-timeout', 'proxy-shutdown'],
        role: 'proxy',
        weight: 'fits',
        says: `${who} says it closed a client that it, or an administrator, had killed`,
      }
    case 'broken':
      return broken(e, who)
    case 'connect-failed':
    case 'auth-failed':
    case 'too-many-connections':
    case 'host-blocked':
      return connectReading(e, 'proxy')
    case 'tls-failed':
      return proxy(['tls-handshake-failure'], 'a TLS handshake failed')
    default:
      return null
  }
}

function broken(e: LogEvent, who: string): LogReading {
  if (e.code !== null && OFFLINE.has(e.code))
    return {
      rules: ['proxy-shutdown'],
      role: 'proxy',
      weight: 'says',
      says: `${who} says 9004: it had taken the server offline itself`,
    }
  const used = e.idleMillis === null ? '' : `, last used ${formatDuration(e.idleMillis * NS_PER_MS)} before`
  const code = e.code === null ? '' : `: ${e.code}`
  const hot = e.idleMillis !== null && e.idleMillis < HOT_MILLIS
  return {
    rules: hot ? CUTS.filter((rule) => !rule.startsWith('idle-') && !rule.startsWith('validation-')) : CUTS,
    role: 'unknown',
    weight: 'sees',
    says: `${who} found the connection broken${used}${code}${hot ? '; idleness it was not' : ''}`,
  }
}
