/**
 * The connection phase (manual: Connection Phase): greeting, SSLRequest, login, the authentication exchange of any plugin;
 * also the exchange that COM_CHANGE_USER starts. Cold code: once per connection.
 */
import { ByteReader } from '../core/bytes.ts'
import { CLIENT, SERVER } from '../core/direction.ts'
import { Capability, has } from './capabilities.ts'
import { type Context, Phase } from './context.ts'
import {
  AuthByte,
  decodeAuthSwitch,
  decodeNextFactor,
  describeAuthResponse,
  describeMoreData,
} from './messages/auth.ts'
import { decodeErr } from './messages/err.ts'
import { decodeLogin, isSslRequest, SSL_REQUEST_LENGTH } from './messages/handshake-response-41.ts'
import { decodeHandshake } from './messages/handshake-v10.ts'
import { decodeTrackers, okStatus } from './messages/ok.ts'

/** Bytes of a login or greeting that are worth assembling. */
export const LOGIN_BYTES = 64 << 10

const r = new ByteReader(new Uint8Array(0))

/** First packet of the server: a greeting, or an ERR in its place. */
export function serverGreets(
  c: Context,
  buf: Uint8Array,
  start: number,
  end: number,
  length: number,
  id: number,
): void {
  const first = start < end ? buf[start]! : -1
  if (first === 0xff) {
    const err = decodeErr(r.reset(buf, start, end))
    c.listener.error('greeting', err.code, err.sqlState, err.message, id, c.at, c.frame)
    return
  }
  if (first !== 9 && first !== 10) {
    c.unreadable(SERVER, 'no greeting')
    c.server.lost = true
    c.server.halt = true
    return
  }
  const greeting = decodeHandshake(r.reset(buf, start, end))
  if (!r.ok || end - start < length) c.truncated('greeting')
  // A cut greeting says nothing about the capabilities beyond the cut.
  if (r.ok) {
    c.serverCapabilities = greeting.capabilities
    c.serverMariadb = greeting.mariadbCapabilities
  }
  c.authPlugin = greeting.authPlugin
  c.phase = Phase.login
  c.client.expected = (id + 1) & 255
  c.listener.greeting(greeting, c.at, c.frame)
}

/** First message of the client: SSLRequest or login. */
export function clientLogsIn(
  c: Context,
  buf: Uint8Array,
  start: number,
  end: number,
  length: number,
  id: number,
): void {
  r.reset(buf, start, end)
  if (!c.tls && isSslRequest(r, length)) {
    const capabilities = length === SSL_REQUEST_LENGTH ? r.u32() : r.u16()
    c.tls = true
    c.phase = Phase.login
    c.client.halt = true
    c.client.expected = (id + 1) & 255
    c.listener.sslRequest(capabilities, c.at, c.frame)
    return
  }
  const login = decodeLogin(r, c.serverCapabilities)
  if (!r.ok || end - start < length) c.truncated('login')
  if (end - start >= 4) c.agree(login.capabilities, login.mariadbCapabilities)
  c.maxPacketSize = login.maxPacketSize
  if (login.authPlugin !== '') c.authPlugin = login.authPlugin
  c.phase = Phase.auth
  expectServer(c, id)
  c.listener.login(login, c.at, c.frame)
}

/** A packet of the server during authentication. */
export function serverAuthenticates(
  c: Context,
  buf: Uint8Array,
  start: number,
  end: number,
  length: number,
  id: number,
): void {
  const first = start < end ? buf[start]! : -1
  r.reset(buf, start, end)
  if (first === AuthByte.err) {
    const err = decodeErr(r)
    // After a refused login the server hangs up; after a refused COM_CHANGE_USER proxies may go on.
    if (c.changingUser) endAuth(c)
    c.listener.error('auth', err.code, err.sqlState, err.message, id, c.at, c.frame)
    return
  }
  c.client.expected = (id + 1) & 255
  c.client.complained = false
  if (first === AuthByte.ok && length >= 7) {
    authenticated(c, buf, start, end)
    return
  }
  if (first === AuthByte.switch) {
    c.authPlugin = decodeAuthSwitch(r)
    c.listener.auth(SERVER, 'switch', c.authPlugin, c.at, c.frame)
  } else if (first === AuthByte.nextFactor && has(c.capabilities, Capability.MULTI_FACTOR_AUTHENTICATION)) {
    c.authPlugin = decodeNextFactor(r)
    c.listener.auth(SERVER, 'next-factor', c.authPlugin, c.at, c.frame)
  } else {
    // AuthMoreData; MariaDB's plugins may send their own bytes without the 0x01.
    c.listener.auth(SERVER, 'more-data', describeMoreData(r, c.authPlugin, length), c.at, c.frame)
  }
}

/** A packet of the client during authentication. */
export function clientAuthenticates(
  c: Context,
  buf: Uint8Array,
  start: number,
  end: number,
  length: number,
  id: number,
): void {
  expectServer(c, id)
  const detail = describeAuthResponse(r.reset(buf, start, end), c.authPlugin, length)
  c.listener.auth(CLIENT, 'response', detail, c.at, c.frame)
}

function authenticated(c: Context, buf: Uint8Array, start: number, end: number): void {
  const again = c.changingUser
  endAuth(c)
  if (!again && has(c.capabilities, Capability.CLIENT_COMPRESS | Capability.CLIENT_ZSTD_COMPRESSION_ALGORITHM)) {
    c.compressed = true
    c.server.halt = true
  }
  const status = okStatus(buf, start, end)
  c.listener.authenticated(c.at, c.frame)
  track(c, buf, start, end)
  if (again) c.listener.replyEnd(status, 0, 0, false, c.at, c.frame)
}

function endAuth(c: Context): void {
  c.phase = Phase.command
  if (c.changingUser) c.queue.shift()
  c.changingUser = false
  c.client.expected = 0
  c.client.complained = false
  c.server.expected = c.queue.expected
  c.server.complained = false
}

function expectServer(c: Context, id: number): void {
  c.server.expected = (id + 1) & 255
  c.server.complained = false
}

/** Session trackers of an OK packet, where the status flags announce them. */
export function track(c: Context, buf: Uint8Array, start: number, end: number): void {
  if (c.known && !has(c.capabilities, Capability.CLIENT_SESSION_TRACK)) return
  const changes = decodeTrackers(r.reset(buf, start, end))
  if (!r.ok) c.truncated('session trackers')
  if (changes.length > 0) c.listener.tracked(changes, c.at, c.frame)
}
