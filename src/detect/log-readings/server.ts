/** Error logs of MySQL and MariaDB: the reasons of "Aborted connection", kills, refusals. Starts and ends: see server-life.ts. */
import type { LogEvent } from '../../logs/event.ts'
import { connectReading } from './connect.ts'
import { CUTS, idle, type LogReading, named } from './reading.ts'

/** Reasons as the servers print them (sql/share/messages; MySQL cuts them at 64 characters). */
const REASONS: readonly (readonly [RegExp, Omit<LogReading, 'says'>, string])[] = [
  [
    /because of inactivity/,
    { rules: idle('idle-timeout-server'), role: 'server', weight: 'says', setting: 'wait_timeout' },
    'it closed the connection for inactivity (4031)',
  ],
  [
    /timeout reading/i,
    {
      rules: [...idle('idle-timeout-server'), 'silent-drop', 'packet-loss', 'handshake-timeout', 'pmtu-black-hole'],
      role: 'server',
      weight: 'fits',
      setting: 'wait_timeout',
    },
    'it heard nothing for as long as it waits',
  ],
  [
    /timeout writing/i,
    { rules: ['net-write-timeout'], role: 'server', weight: 'says', setting: 'net_write_timeout' },
    'the client did not take the answer in time (net_write_timeout)',
  ],
  [
    /max_allowed_packet/,
    { rules: ['packet-too-large'], role: 'server', weight: 'says', setting: 'max_allowed_packet' },
    'a packet was larger than max_allowed_packet',
  ],
  [
    /packets out of order/i,
    {
      rules: ['packet-out-of-order', 'wrong-protocol', 'proxy-protocol-mismatch', 'tls-handshake-failure'],
      role: 'client',
      weight: 'fits',
    },
    'packets came out of order',
  ],
  [
    /KILLED/,
    {
      rules: [
        'connection-killed',
        'client-vanished',
        'client-timeout',
        'query-cancelled',
        'server-shutdown',
        'tls-error-queue',
      ],
      role: 'server',
      weight: 'fits',
    },
    'it was told to kill this connection, or what ran on it',
  ],
  [
    /without authentication|[Bb]ad handshake/,
    {
      rules: [
        'probe-without-handshake',
        'tls-handshake-failure',
        'handshake-timeout',
        'host-blocked',
        'wrong-protocol',
        'connect-timeout',
      ],
      role: 'client',
      weight: 'fits',
    },
    'the client went away before it had logged in',
  ],
  [
    /Too many connections/,
    { rules: ['too-many-connections'], role: 'server', weight: 'says', setting: 'max_connections' },
    'it had no connection left to give',
  ],
  [
    /error reading/i,
    {
      rules: [
        'client-vanished',
        'client-timeout',
        'client-no-quit',
        'tls-plaintext-quit',
        'connect-timeout',
        'handshake-timeout',
        'proxy-protocol-mismatch',
        ...CUTS.filter((r) => r !== 'idle-timeout-server'),
      ],
      role: 'unknown',
      weight: 'sees',
    },
    'the other side left without COM_QUIT: the server did not close',
  ],
  [
    /error writing/i,
    {
      rules: [
        'net-write-timeout',
        'client-vanished',
        'client-timeout',
        ...CUTS.filter((r) => !r.startsWith('idle-timeout')),
      ],
      role: 'unknown',
      weight: 'sees',
    },
    'the other side was gone when it answered',
  ],
]

export function readServer(e: LogEvent): LogReading | null {
  const who = named(e)
  if (e.what === 'aborted' || e.what === 'idle-closed' || e.what === 'killed' || e.what === 'too-many-connections') {
    const text = e.reason ?? e.text
    for (const [pattern, reading, means] of REASONS)
      if (pattern.test(text)) return unauthenticated(e, { ...reading, says: `${who} says ${means}` })
  }
  if (e.what === 'idle-closed')
    return {
      rules: idle('idle-timeout-server'),
      role: 'server',
      weight: 'says',
      setting: 'wait_timeout',
      says: `${who} says wait_timeout was exceeded`,
    }
  return connectReading(e, 'application')
}

/** A timeout before the login is connect_timeout's. */
function unauthenticated(e: LogEvent, reading: LogReading): LogReading {
  if (!/timeout reading/i.test(e.reason ?? e.text)) return reading
  if (e.user !== null) return reading
  return {
    rules: ['handshake-timeout', 'connect-timeout'],
    role: 'client',
    weight: 'says',
    setting: 'connect_timeout',
    says: `${named(e)} says a client did not finish its login in time (connect_timeout)`,
  }
}
