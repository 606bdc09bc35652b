/** From secrets to keys: the PRF of TLS 1.0 to 1.2 (RFC 2246 5, RFC 5246 5) and HKDF-Expand-Label of TLS 1.3 (RFC 8446 7.1). */
import { createHmac } from 'node:crypto'
import type { CipherSuite } from './cipher-suite.ts'

const TLS_1_2 = 0x0303
const MASTER_BYTES = 48

const ascii = (text: string): Uint8Array => Buffer.from(text, 'latin1')
const hmac = (hash: string, key: Uint8Array, ...parts: Uint8Array[]): Uint8Array => {
  const h = createHmac(hash, key)
  for (const p of parts) h.update(p)
  return h.digest()
}

function pHash(hash: string, secret: Uint8Array, seed: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length)
  let a = seed
  for (let at = 0; at < length; ) {
    a = hmac(hash, secret, a)
    const block = hmac(hash, secret, a, seed)
    out.set(block.subarray(0, length - at), at)
    at += block.length
  }
  return out
}

function prf(
  version: number,
  suite: CipherSuite,
  secret: Uint8Array,
  label: string,
  seed: Uint8Array,
  length: number,
): Uint8Array {
  const all = Buffer.concat([ascii(label), seed])
  if (version >= TLS_1_2) return pHash(suite.hash, secret, all, length)
  const half = Math.ceil(secret.length / 2)
  const out = pHash('md5', secret.subarray(0, half), all, length)
  const other = pHash('sha1', secret.subarray(secret.length - half), all, length)
  for (let i = 0; i < length; i++) out[i]! ^= other[i]!
  return out
}

/** The master secret. `transcript`: handshake messages for the extended master secret (RFC 7627 4), null without it. */
export function masterSecret(
  version: number,
  suite: CipherSuite,
  premaster: Uint8Array,
  randoms: Uint8Array,
  sessionHash: Uint8Array | null,
): Uint8Array {
  return sessionHash === null
    ? prf(version, suite, premaster, 'master secret', randoms, MASTER_BYTES)
    : prf(version, suite, premaster, 'extended master secret', sessionHash, MASTER_BYTES)
}

/** RFC 5246 6.3: key_block. `randoms`: server random, then client random. */
export function keyBlock(
  version: number,
  suite: CipherSuite,
  master: Uint8Array,
  randoms: Uint8Array,
  length: number,
): Uint8Array {
  return prf(version, suite, master, 'key expansion', randoms, length)
}

/** HKDF-Expand-Label without context. */
export function expandLabel(hash: string, secret: Uint8Array, label: string, length: number): Uint8Array {
  const name = ascii(`tls13 ${label}`)
  const info = Buffer.concat([Uint8Array.of(length >> 8, length & 255, name.length), name, Uint8Array.of(0)])
  const out = new Uint8Array(length)
  let block: Uint8Array = new Uint8Array(0)
  for (let at = 0, i = 1; at < length; at += block.length, i++) {
    block = hmac(hash, secret, block, info, Uint8Array.of(i))
    out.set(block.subarray(0, length - at), at)
  }
  return out
}
