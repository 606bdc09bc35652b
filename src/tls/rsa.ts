/** The premaster secret of a static RSA key exchange (RFC 5246 7.4.7.1), with the server's private key. */
import { constants, type KeyObject, privateDecrypt } from 'node:crypto'

const PREMASTER_BYTES = 48

/**
 * The premaster secret in a ClientKeyExchange body; null when this key does not open it. The padding is taken off here:
 * node refuses to do it (CVE-2023-46809 is about answering an attacker; nobody is answered here).
 */
export function decryptPremaster(key: KeyObject, encrypted: Uint8Array): Uint8Array | null {
  let plain: Uint8Array
  try {
    plain = privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, encrypted)
  } catch {
    return null // another modulus
  }
  // PKCS #1 v1.5 (RFC 8017 7.2.2): 00 02, at least eight non-zero bytes, 00, message.
  const at = plain.length - PREMASTER_BYTES
  if (at < 11 || plain[0] !== 0 || plain[1] !== 2 || plain[at - 1] !== 0) return null
  for (let i = 2; i < at - 1; i++) if (plain[i] === 0) return null
  return plain.subarray(at)
}

/** The encrypted premaster secret in the body of a ClientKeyExchange (TLS: with a length in front). */
export function encryptedPremaster(body: Uint8Array): Uint8Array {
  const length = body.length < 2 ? -1 : (body[0]! << 8) | body[1]!
  return length === body.length - 2 ? body.subarray(2) : body
}
