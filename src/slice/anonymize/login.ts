/** The packets of a login: names become pseudonyms, credentials noise; versions, capabilities, plugins and drivers stay. */
import { type Cursor, latin1 } from './bytes.ts'
import type { Pseudonyms } from './pseudonyms.ts'

const CONNECT_WITH_DB = 1 << 3
export const COMPRESS = 1 << 5
const SECURE_CONNECTION = 1 << 15
const PLUGIN_AUTH = 1 << 19
const CONNECT_ATTRS = 1 << 20
const LENENC_AUTH = 1 << 21
export const ZSTD = 1 << 26
export const QUERY_ATTRIBUTES = 1 << 27
export const SSL = 1 << 11
const PROTOCOL_41 = 1 << 9

/** Attributes of the driver's own; others name people, hosts and programs. */
const OPEN_ATTRIBUTES =
  /^_(?:client_(?:name|version|license|role)|os|platform|runtime_version|runtime_vendor|connector_(?:name|version|license)|server_host_type)$/

/** HandshakeResponse41 (manual); the cursor stands behind the packet header. Returns the capability flags. */
export function maskLogin(c: Cursor, names: Pseudonyms): number {
  const low = c.int(2)
  if ((low & PROTOCOL_41) === 0) {
    // HandshakeResponse320: max packet size, user, and the rest.
    c.skip(3)
    c.zeroTerminated((t) => names.name(t))
    c.rest((t) => noise('auth', t, names))
    return low
  }
  const flags = low | (c.int(2) << 16)
  c.skip(28)
  c.zeroTerminated((t) => names.name(t))
  const length = (flags & LENENC_AUTH) !== 0 ? c.lenenc() : (flags & SECURE_CONNECTION) !== 0 ? c.byte() : -2
  if (length === -2) c.zeroTerminated((t) => noise('auth', t, names))
  else if (length > 0) c.replace(length, (t) => noise('auth', t, names))
  if ((flags & CONNECT_WITH_DB) !== 0) c.zeroTerminated((t) => names.name(t))
  if ((flags & PLUGIN_AUTH) !== 0) c.zeroTerminated((t) => t)
  if ((flags & CONNECT_ATTRS) !== 0) attributes(c, names)
  return flags
}

/** COM_CHANGE_USER, behind its command byte. */
export function maskChangeUser(c: Cursor, names: Pseudonyms): void {
  c.zeroTerminated((t) => names.name(t))
  c.replace(c.byte(), (t) => noise('auth', t, names))
  c.zeroTerminated((t) => names.name(t))
  if (c.left < 2) return
  c.skip(2)
  c.zeroTerminated((t) => t)
  if (c.left > 0) attributes(c, names)
}

function attributes(c: Cursor, names: Pseudonyms): void {
  const length = c.lenenc()
  const end = c.at + length
  while (c.at < Math.min(end, c.end)) {
    const key = c.text(c.lenenc())
    c.lenencText((t) =>
      OPEN_ATTRIBUTES.test(key) ? t : key === '_pid' || key === '_thread' ? names.value(t) : names.name(t),
    )
  }
}

/** As many bytes that are no credential of anybody; never 0, which would end it early. */
export function noise(purpose: string, text: string, names: Pseudonyms): string {
  const bytes = Uint8Array.from(names.bytes(purpose, text, text.length).subarray(0, text.length), (b) => b || 1)
  return latin1(bytes, 0, bytes.length)
}
