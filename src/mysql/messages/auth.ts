/**
 * The packets of the authentication exchange (manual: Connection Phase Packets: AuthSwitchRequest, AuthMoreData,
 * AuthNextFactor; caching_sha2_password, sha256_password pages). Only their kind is told, never their content.
 */
import type { ByteReader } from '../../core/bytes.ts'

/** First byte of a server packet while it authenticates. */
export const AuthByte = { ok: 0x00, moreData: 0x01, nextFactor: 0x02, switch: 0xfe, err: 0xff } as const

/** AuthSwitchRequest: 0xFE, plugin name NUL, data. The lone byte is the request for the password hash before 4.1. */
export function decodeAuthSwitch(r: ByteReader): string {
  r.skip(1)
  if (r.left === 0) return 'mysql_old_password'
  return pluginName(r)
}

/** AuthNextFactor: 0x02, plugin name NUL, data (CLIENT MULTI_FACTOR_AUTHENTICATION). */
export function decodeNextFactor(r: ByteReader): string {
  r.skip(1)
  return pluginName(r)
}

function pluginName(r: ByteReader): string {
  const ok = r.ok
  const name = r.textNul()
  r.ok = ok
  return name.slice(0, 64)
}

/** What AuthMoreData says, as far as the plugin's documentation names it. */
export function describeMoreData(r: ByteReader, plugin: string, length: number): string {
  const b = r.buf
  const p = r.pos
  if (b[p] === AuthByte.moreData && length === 2 && plugin !== 'dialog') {
    if (b[p + 1] === 3) return 'fast authentication succeeded'
    if (b[p + 1] === 4) return 'full authentication required'
  }
  // -----BEGIN PUBLIC KEY-----
  if (r.left > 6 && b[p + 1] === 0x2d && b[p + 2] === 0x2d && b[p + 6] === 0x42) return 'public key'
  return `${length} bytes`
}

/** What the client's answer is. `asked`: the server has asked for full authentication, or the plugin begins with a request. */
export function describeAuthResponse(r: ByteReader, plugin: string, length: number): string {
  const first = r.buf[r.pos]
  if (length === 0) return 'empty'
  if (length === 1 && plugin === 'caching_sha2_password' && first === 2) return 'public key request'
  if (length === 1 && plugin === 'sha256_password' && first === 1) return 'public key request'
  return `${length} bytes`
}
