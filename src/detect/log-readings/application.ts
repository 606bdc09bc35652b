/** Pools and drivers: what the application was told, and what it did itself. What it only suffered fits many causes. */
import { formatDuration, NS_PER_MS } from '../../core/time.ts'
import type { LogEvent } from '../../logs/event.ts'
import { connectReading } from './connect.ts'
import { CUTS, idle, type LogReading, named } from './reading.ts'

/** The client's own patience: socketTimeout, read_timeout, query timeouts of the drivers. */
const GAVE_UP =
  /\(timed out\)|[Rr]ead timed out|SocketTimeoutException|Query inactivity timeout|PROTOCOL_SEQUENCE_TIMEOUT|i\/o timeout|deadline exceeded|socketTimeout|no: 45026|ReadTimeout/
const TLS = /HANDSHAKE_SSL_ERROR|SSLHandshakeException|SSL connection error|TLS\/SSL error|SSLError|\(2026,|certificate/
/** What Connector/J writes when its own idle time is longer than the wait_timeout that it read at login: arithmetic. */
export const WAIT_TIMEOUT_SENTENCE = /longer than the server configured value of '(?:wait|interactive)_timeout'/

/** What that sentence is worth, for `excluded`. */
export const waitTimeoutSentence = (e: LogEvent): string =>
  `wait_timeout, which the driver’s message blames (${e.input}:${e.line}): that sentence is arithmetic on the driver’s own clock, not something that it saw`

const TOLD: ReadonlyMap<number, readonly [readonly string[], LogReading['role'], string]> = new Map([
  [4031, [idle('idle-timeout-server'), 'server', 'the server closed it for inactivity']],
  [1927, [['connection-killed'], 'server', 'the connection was killed']],
  [
    1317,
    [
      ['query-cancelled', 'connection-killed', 'server-shutdown', 'server-crash'],
      'server',
      'the statement was interrupted',
    ],
  ],
  [3024, [['query-cancelled'], 'server', 'the statement ran longer than max_execution_time']],
  [1969, [['query-cancelled'], 'server', 'the statement ran longer than max_statement_time']],
  [1907, [['query-cancelled'], 'proxy', 'the proxy ended a statement that ran too long']],
  [1053, [['server-shutdown', 'connection-killed'], 'server', 'the server was shutting down']],
  [1153, [['packet-too-large'], 'server', 'the packet was too large for the server']],
  [1835, [['packet-out-of-order'], 'client', 'a packet was malformed']],
])
const LOST = new Set([2006, 2013, 2027, 2055, 45009])

/** What a pool does in the course of its work tells of no break. */
const ROUTINE: ReadonlySet<LogEvent['what']> = new Set([
  'setting',
  'stats',
  'checkout',
  'checkin',
  'connected',
  'started',
  'stopped',
  'validated',
  'retired',
  'reset',
  'statement',
  'paused',
])

export function readApplication(e: LogEvent): LogReading | null {
  if (ROUTINE.has(e.what)) return null
  const who = named(e)
  const druid = readDruid(e, who)
  if (druid !== null) return druid
  const told = e.code === null ? undefined : TOLD.get(e.code)
  if (told !== undefined)
    return { rules: told[0], role: told[1], weight: 'says', says: `${who} was told ${e.code}: ${told[2]}` }
  const gaveUp = GAVE_UP.test(e.text) && e.what !== 'connect-failed' && e.what !== 'exhausted'
  if (gaveUp)
    return {
      rules: [
        'client-timeout',
        'client-vanished',
        'silent-drop',
        'pmtu-black-hole',
        'packet-loss',
        'net-write-timeout',
      ],
      role: 'client',
      weight: 'fits',
      says: `${who} gave up waiting`,
    }
  if (e.code === 2026 || e.what === 'tls-failed' || (e.what === 'connect-failed' && TLS.test(e.text)))
    return tlsReading(e, who)
  const connecting = connectReading(e, 'application')
  if (connecting !== null) return connecting
  const dead = e.what === 'broken' || e.what === 'validation-failed' || (e.code !== null && LOST.has(e.code))
  if (!dead && !(e.what === 'error' && e.code === null && /lost|gone away|closed|reset|EPIPE|ECONNRESET/i.test(e.text)))
    return null
  const silent =
    e.idleMillis === null ? '' : `; it had heard nothing on it for ${formatDuration(e.idleMillis * NS_PER_MS)}`
  return { rules: CUTS, role: 'unknown', weight: 'sees', says: `${who} found the connection dead${silent}` }
}

function tlsReading(e: LogEvent, who: string): LogReading {
  // The end of the stream without close_notify, or an error that another connection left behind.
  if (/Success \(0\)/.test(e.text))
    return {
      rules: CUTS,
      role: 'unknown',
      weight: 'sees',
      says: `${who} saw the TCP connection end inside TLS: "TLS/SSL error: Success (0)"`,
    }
  const reason = tlsReason(e.text)
  return {
    rules: ['tls-handshake-failure', 'tls-error-queue', 'wrong-protocol', 'tls-required'],
    role: reason === 'unknown-ca' || reason === 'certificate-expired' ? 'client' : 'unknown',
    weight: 'says',
    says: `${who} says that its TLS handshake failed${reason === 'other' ? '' : `: ${reason}`}`,
  }
}

/** `detail.reason` of tls-handshake-failure, by the words of OpenSSL, Java and Node. */
export function tlsReason(text: string): string {
  if (/expired/i.test(text)) return 'certificate-expired'
  if (
    /self[- ]signed|unknown.?ca|unable to (?:get|verify)|certificate verify failed|PKIX|unable to find valid certification/i.test(
      text,
    )
  )
    return 'unknown-ca'
  if (/protocol version|unsupported protocol|no appropriate protocol|version too low/i.test(text))
    return 'protocol-version'
  if (/no shared cipher|no ciphers available|handshake failure/i.test(text)) return 'no-shared-cipher'
  if (/certificate required|bad certificate/i.test(text)) return 'client-certificate-required'
  if (/wrong version number|not an SSL|Unsupported or unrecognized SSL message/i.test(text)) return 'plaintext'
  return 'other'
}

/** Druid says more than others about its checks (DruidDataSource.java, DruidPooledStatement.java). */
function readDruid(e: LogEvent, who: string): LogReading | null {
  if (/discard long time none received connection/.test(e.text))
    return {
      rules: ['validation-wrong-connection'],
      role: 'client',
      weight: 'says',
      says: `${who} says that its ping was answered, but not on this connection: the driver had received nothing on it for ${e.idleMillis === null ? 'long' : formatDuration(e.idleMillis * NS_PER_MS)}`,
    }
  const period = Number(e.fields['timeBetweenEvictionRunsMillis'] ?? Number.NaN)
  const idleFor = Number(e.fields['idle millis'] ?? e.fields['idleMillis'] ?? e.idleMillis ?? Number.NaN)
  if (/testWhileIdle true/.test(e.text) && idleFor < period)
    return {
      rules: [
        'validation-too-late',
        'idle-timeout-proxy',
        'idle-timeout-server',
        'middlebox-reset',
        'silent-drop',
        'rst-after-query',
      ],
      role: 'client',
      weight: 'says',
      says: `${who} says that it checks after ${formatDuration(period * NS_PER_MS)} of idleness; the connection died after ${formatDuration(idleFor * NS_PER_MS)}, unchecked`,
      setting: 'timeBetweenEvictionRunsMillis',
    }
  return null
}
