/**
 * Protocol::HandshakeV10 and Protocol::HandshakeV9, the server's first packet (manual: Connection Phase Packets). MariaDB
 * puts its extended capabilities into the last 4 of the 10 reserved bytes when CLIENT_LONG_PASSWORD is clear.
 */
import { type ByteReader, hex } from '../../core/bytes.ts'
import { Capability, has } from '../capabilities.ts'
import { flavorOf, plainVersion } from '../flavor.ts'
import type { Greeting } from '../listener.ts'

/** Reads a greeting; fields beyond the end of a cut packet are 0 or empty and `r.ok` is false. */
export function decodeHandshake(r: ByteReader): Greeting {
  const protocol = r.u8()
  const version = r.textNul()
  const connectionId = r.u32()
  let scramble = take(r, 8)
  let capabilities = 0
  let mariadbCapabilities = 0
  let charset = 0
  let statusFlags = 0
  let authPlugin = ''
  if (protocol >= 10) {
    r.skip(1) // filler
    if (r.left >= 2) capabilities = r.u16()
    // Before 4.1 the packet may end here.
    if (r.left > 0) {
      charset = r.u8()
      statusFlags = r.u16()
      capabilities = (capabilities | (r.u16() << 16)) >>> 0
      const authLength = r.u8()
      r.skip(6)
      const reserved = r.u32()
      if (!has(capabilities, Capability.CLIENT_LONG_PASSWORD)) mariadbCapabilities = reserved
      if (has(capabilities, Capability.CLIENT_SECURE_CONNECTION) || has(capabilities, Capability.CLIENT_PLUGIN_AUTH)) {
        // max(13, authLength - 8) bytes, the last of which is a NUL; some servers leave the NUL out.
        const rest = Math.min(Math.max(13, authLength - 8), r.left)
        const nul = rest > 0 && r.buf[r.pos + rest - 1] === 0 ? 1 : 0
        scramble += take(r, rest - nul)
        r.skip(nul)
      }
      if (has(capabilities, Capability.CLIENT_PLUGIN_AUTH) && r.left > 0) authPlugin = untilNul(r)
    }
  }
  return {
    protocol,
    serverVersion: plainVersion(version),
    flavor: flavorOf(version, authPlugin),
    connectionId,
    capabilities,
    mariadbCapabilities,
    charset,
    statusFlags,
    authPlugin,
    scramble,
  }
}

function take(r: ByteReader, n: number): string {
  const from = r.pos
  const to = Math.min(r.end, from + n)
  r.skip(n)
  return hex(r.buf, from, to, 256)
}

/** Old servers forget the NUL after the plugin name (bug 59453): the end of the packet ends it as well. */
function untilNul(r: ByteReader): string {
  const ok = r.ok
  const text = r.textNul()
  r.ok = ok
  return text
}
