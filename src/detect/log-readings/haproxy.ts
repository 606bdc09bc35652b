/** HAProxy's termination states (configuration manual 8.5), as far as they name a cause for a TCP proxy. */
import type { LogEvent } from '../../logs/event.ts'
import { CUTS, idle, type LogReading, named } from './reading.ts'

type Row = Omit<LogReading, 'says'> & { means: string }

/** By both characters, then by the first alone. */
const STATES: Readonly<Record<string, Row>> = {
  cD: {
    rules: idle('idle-timeout-proxy'),
    role: 'proxy',
    weight: 'says',
    means: 'timeout client ran out',
    setting: 'timeout client',
  },
  sD: {
    rules: idle('idle-timeout-proxy'),
    role: 'proxy',
    weight: 'says',
    means: 'timeout server ran out',
    setting: 'timeout server',
  },
  cL: {
    rules: idle('idle-timeout-proxy'),
    role: 'proxy',
    weight: 'fits',
    means: 'timeout client ran out while the last data was sent',
    setting: 'timeout client',
  },
  K: {
    rules: ['proxy-shutdown'],
    role: 'proxy',
    weight: 'says',
    means: 'killed by an administrator, or by hard-stop-after',
  },
  D: {
    rules: ['proxy-shutdown'],
    role: 'proxy',
    weight: 'says',
    means: 'killed because its server was marked down (on-marked-down shutdown-sessions)',
  },
  U: {
    rules: ['proxy-shutdown'],
    role: 'proxy',
    weight: 'says',
    means: 'killed because the primary server came back (on-marked-up shutdown-backup-sessions)',
  },
  SC: {
    rules: ['connect-refused', 'server-crash', 'server-shutdown'],
    role: 'server',
    weight: 'says',
    means: 'the server refused the connection, or there was none to connect to',
  },
  sC: {
    rules: ['connect-timeout'],
    role: 'server',
    weight: 'says',
    means: 'timeout connect ran out: no answer from the server',
    setting: 'timeout connect',
  },
  sQ: {
    rules: ['too-many-connections', 'connect-timeout'],
    role: 'proxy',
    weight: 'fits',
    means: 'timeout queue ran out: every server was at its maxconn',
    setting: 'timeout queue',
  },
  PC: {
    rules: ['too-many-connections'],
    role: 'proxy',
    weight: 'says',
    means: 'the proxy was at its connection limit',
  },
  RC: {
    rules: ['connect-refused'],
    role: 'proxy',
    weight: 'fits',
    means: 'the proxy had run out of source ports, memory or file descriptors',
  },
  SD: {
    rules: [...CUTS, 'proxy-protocol-mismatch', 'handshake-timeout', 'auth-failed', 'tls-handshake-failure'],
    role: 'server',
    weight: 'sees',
    means: 'the server’s side was reset',
  },
  CD: {
    rules: ['client-timeout', 'client-vanished', 'client-no-quit'],
    role: 'client',
    weight: 'fits',
    means: 'the client’s side was reset, or left with data under way',
  },
  CC: {
    rules: ['connect-timeout', 'client-timeout', 'client-vanished'],
    role: 'client',
    weight: 'fits',
    means: 'the client left while the server was being connected',
  },
}

export function readHaproxy(e: LogEvent): LogReading | null {
  if (e.what === 'tls-failed')
    return {
      rules: ['tls-handshake-failure', 'wrong-protocol', 'probe-without-handshake'],
      role: 'client',
      weight: 'fits',
      says: `${named(e)} says that a TLS handshake with ${e.client ?? 'a client'} failed`,
    }
  if (e.state === null || e.state.length < 2) return null
  const row = STATES[e.state.slice(0, 2)] ?? STATES[e.state[0]!]
  if (row === undefined) return null
  const { means, ...reading } = row
  return { ...reading, says: `${named(e)} says ${e.state.slice(0, 2)}: ${means}` }
}
