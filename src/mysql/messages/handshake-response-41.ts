/**
 * Protocol::HandshakeResponse41 and HandshakeResponse320, the client's login, and the user part of COM_CHANGE_USER (manual:
 * Connection Phase Packets, COM_CHANGE_USER). The authentication response is measured and never kept.
 */
import type { ByteReader } from '../../core/bytes.ts'
import { Capability, has } from '../capabilities.ts'
import type { Login } from '../listener.ts'

/** Connection attributes kept of one login, and characters kept of one value. */
const ATTRIBUTES_KEPT = 32
const ATTRIBUTE_CHARACTERS = 256
/** With either flag the authentication response carries its length; otherwise a NUL ends it. */
const SIZED_RESPONSE = Capability.CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA | Capability.CLIENT_SECURE_CONNECTION
/** Bytes of an SSLRequest, which are also the fixed head of HandshakeResponse41. */
export const SSL_REQUEST_LENGTH = 32
/** Bytes of the SSLRequest of the protocol before 4.1: flags[2] max packet[3]. */
export const SSL_REQUEST_320_LENGTH = 5

/**
 * Whether a login packet's first bytes are an SSLRequest (manual: Protocol::SSLRequest): the head alone, with CLIENT_SSL.
 * `length` is the payload's.
 */
export function isSslRequest(r: ByteReader, length: number): boolean {
  if (r.left < 2) return false
  const low = r.buf[r.pos]! | (r.buf[r.pos + 1]! << 8)
  if (!has(low, Capability.CLIENT_SSL)) return false
  return has(low, Capability.CLIENT_PROTOCOL_41) ? length === SSL_REQUEST_LENGTH : length === SSL_REQUEST_320_LENGTH
}

/** Reads a login. `server` are the greeting's capabilities: what the server did not offer is not used. */
export function decodeLogin(r: ByteReader, server: number): Login {
  const low = r.u16()
  if (!has(low, Capability.CLIENT_PROTOCOL_41)) return decodeLogin320(r, low)
  const capabilities = (low | (r.u16() << 16)) >>> 0
  const maxPacketSize = r.u32()
  const charset = r.u8()
  r.skip(19)
  const reserved = r.u32()
  const mariadbCapabilities = has(capabilities, Capability.CLIENT_LONG_PASSWORD) ? 0 : reserved
  const login = empty(capabilities, mariadbCapabilities, charset, maxPacketSize)
  login.user = r.textNul()
  const both = capabilities & server
  if (has(both, Capability.CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA)) login.authResponseLength = Math.max(0, r.lenenc())
  else if (has(both, Capability.CLIENT_SECURE_CONNECTION)) login.authResponseLength = r.u8()
  else login.authResponseLength = nulLength(r)
  r.skip(login.authResponseLength)
  if (!has(both, SIZED_RESPONSE) && r.left > 0) r.skip(1)
  if (has(both, Capability.CLIENT_CONNECT_WITH_DB) && r.left > 0) login.schema = r.textNul()
  if (has(both, Capability.CLIENT_PLUGIN_AUTH) && r.left > 0) login.authPlugin = r.textNul()
  if (has(both, Capability.CLIENT_CONNECT_ATTRS) && r.left > 0) login.attributes = decodeAttributes(r)
  return login
}

/** Before 4.1: flags[2], max packet[3], user NUL, password [NUL schema NUL]. */
function decodeLogin320(r: ByteReader, capabilities: number): Login {
  const login = empty(capabilities, 0, 0, r.u24())
  login.user = r.textNul()
  const withDb = has(capabilities, Capability.CLIENT_CONNECT_WITH_DB)
  login.authResponseLength = withDb ? nulLength(r) : r.left
  r.skip(login.authResponseLength)
  if (withDb) {
    r.skip(1)
    login.schema = r.textNul()
  }
  return login
}

/**
 * COM_CHANGE_USER after its command byte: user NUL, response, schema NUL, charset[2], plugin NUL, attributes. `both` are
 * the capabilities that were agreed on.
 */
export function decodeChangeUser(r: ByteReader, both: number, mariadb: number, maxPacketSize: number): Login {
  const login = empty(both, mariadb, 0, maxPacketSize)
  login.user = r.textNul()
  login.authResponseLength = has(both, Capability.CLIENT_SECURE_CONNECTION) ? r.u8() : nulLength(r)
  r.skip(login.authResponseLength)
  if (!has(both, Capability.CLIENT_SECURE_CONNECTION)) r.skip(1)
  login.schema = r.textNul()
  if (r.left >= 2) login.charset = r.u16()
  if (has(both, Capability.CLIENT_PLUGIN_AUTH) && r.left > 0) login.authPlugin = r.textNul()
  if (has(both, Capability.CLIENT_CONNECT_ATTRS) && r.left > 0) login.attributes = decodeAttributes(r)
  return login
}

function decodeAttributes(r: ByteReader): Record<string, string> {
  // Names come from outside: a null prototype keeps __proto__ an ordinary name.
  const attributes: Record<string, string> = Object.create(null)
  const end = Math.min(r.end, r.pos + Math.max(0, r.lenenc()) + 9)
  let kept = 0
  while (r.pos < end && r.ok && r.left > 0 && kept < ATTRIBUTES_KEPT) {
    const name = r.textLenenc()
    const value = r.textLenenc()
    if (!r.ok && value === '') break
    attributes[name.slice(0, ATTRIBUTE_CHARACTERS)] = value.slice(0, ATTRIBUTE_CHARACTERS)
    kept++
  }
  return attributes
}

function nulLength(r: ByteReader): number {
  const nul = r.buf.indexOf(0, r.pos)
  return nul < 0 || nul >= r.end ? r.left : nul - r.pos
}

function empty(capabilities: number, mariadbCapabilities: number, charset: number, maxPacketSize: number): Login {
  return {
    user: '',
    schema: '',
    capabilities,
    mariadbCapabilities,
    charset,
    authPlugin: '',
    authResponseLength: 0,
    attributes: {},
    maxPacketSize,
  }
}
