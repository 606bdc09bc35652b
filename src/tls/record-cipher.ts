/**
 * Opens the records of one direction with one set of keys: AEAD (RFC 8446 5.2, RFC 5288, RFC 6655, RFC 7905) and CBC with a
 * MAC before or after encryption (RFC 5246 6.2.3.2, RFC 7366). Nothing is handed out that failed its integrity check.
 */
import {
  type CipherCCMTypes,
  type CipherGCMTypes,
  createDecipheriv,
  createHmac,
  createSecretKey,
  type DecipherCCM,
  type DecipherGCM,
  type KeyObject,
} from 'node:crypto'
import type { CipherSuite } from './cipher-suite.ts'

export interface RecordCipher {
  /**
   * Opens the fragment buf[start, end) of a record with this header as number `seq` of its direction. False when it does not
   * fit; otherwise the plaintext is in `opened`.
   */
  open(seq: number, type: number, version: number, buf: Uint8Array, start: number, end: number): boolean
  /** Plaintext bytes of a fragment of this length; -1 where padding hides them. */
  plainLength(length: number): number
  /** Records cannot be shorter than this: bounds how many a gap can have swallowed. */
  readonly leastBytes: number
  /** A record of these keys that could not be opened went by. */
  passed(buf: Uint8Array, end: number): void
  /** A number that the fragment shows and that usually counts records (GCM and CCM in TLS 1.2), -1 if there is none. */
  explicitNumber(buf: Uint8Array, start: number): number
}

/** What `open` found; valid until the next call. */
export const opened: { type: number; buf: Uint8Array; end: number } = { type: 0, buf: new Uint8Array(0), end: 0 }

const TLS_1_1 = 0x0302
const EXPLICIT_NONCE = 8
const FIXED_IV = 4
const nonce = new Uint8Array(12)
const aad12 = new Uint8Array(13)
const aad13 = new Uint8Array(5)
const NOTHING = new Uint8Array(0)

/** sequence number | type | version | length (RFC 5246 6.2.3.1 and 6.2.3.3), into aad12. */
function header12(seq: number, type: number, version: number, length: number): Uint8Array {
  const high = Math.floor(seq / 4294967296)
  for (let i = 0; i < 4; i++) {
    aad12[i] = high >>> (24 - 8 * i)
    aad12[4 + i] = seq >>> (24 - 8 * i)
  }
  aad12[8] = type
  aad12[9] = version >> 8
  aad12[10] = version
  aad12[11] = length >> 8
  aad12[12] = length
  return aad12
}

/** RFC 8446 5.3: the IV, its last eight bytes combined with the sequence number. */
function nonceOf(iv: Uint8Array, seq: number): Uint8Array {
  nonce.set(iv)
  const high = Math.floor(seq / 4294967296)
  for (let i = 0; i < 4; i++) {
    nonce[4 + i]! ^= high >>> (24 - 8 * i)
    nonce[8 + i]! ^= seq >>> (24 - 8 * i)
  }
  return nonce
}

export class AeadCipher implements RecordCipher {
  private readonly suite: CipherSuite
  private readonly key: KeyObject
  private readonly iv: Uint8Array
  private readonly tls13: boolean
  private readonly explicit: number
  private readonly options: { authTagLength: number }

  /** `iv`: 12 bytes, or in TLS 1.2 with GCM and CCM the fixed 4 of them. */
  constructor(suite: CipherSuite, key: Uint8Array, iv: Uint8Array, tls13: boolean) {
    this.suite = suite
    // Taken in once: handing over the bytes with every record costs a fifth of a short one.
    this.key = createSecretKey(key)
    this.iv = iv
    this.tls13 = tls13
    this.explicit = iv.length === FIXED_IV ? EXPLICIT_NONCE : 0
    this.options = { authTagLength: suite.tagBytes }
  }

  get leastBytes(): number {
    return this.explicit + this.suite.tagBytes + (this.tls13 ? 1 : 0)
  }

  plainLength(length: number): number {
    return Math.max(0, length - this.leastBytes)
  }

  explicitNumber(buf: Uint8Array, start: number): number {
    if (this.explicit === 0) return -1
    let n = 0
    for (let i = 0; i < EXPLICIT_NONCE; i++) n = n * 256 + buf[start + i]!
    return n
  }

  passed(): void {}

  open(seq: number, type: number, version: number, buf: Uint8Array, start: number, end: number): boolean {
    const from = start + this.explicit
    const tagAt = end - this.suite.tagBytes
    const length = tagAt - from
    if (length < 0) return false
    const n = this.nonce(seq, buf, start)
    const plain = this.decrypt(n, this.header(seq, type, version, end - start, length), buf, from, tagAt, end)
    if (plain === null) return false
    opened.buf = plain
    opened.end = plain.length
    opened.type = type
    return !this.tls13 || innerType(plain)
  }

  private nonce(seq: number, buf: Uint8Array, start: number): Uint8Array {
    if (this.explicit === 0) return nonceOf(this.iv, seq)
    nonce.set(this.iv)
    nonce.set(buf.subarray(start, start + EXPLICIT_NONCE), FIXED_IV)
    return nonce
  }

  private header(seq: number, type: number, version: number, sealed: number, plain: number): Uint8Array {
    if (!this.tls13) return header12(seq, type, version, plain)
    aad13[0] = type
    aad13[1] = version >> 8
    aad13[2] = version
    aad13[3] = sealed >> 8
    aad13[4] = sealed
    return aad13
  }

  private decrypt(
    iv: Uint8Array,
    aad: Uint8Array,
    buf: Uint8Array,
    from: number,
    tagAt: number,
    end: number,
  ): Uint8Array | null {
    const tag = buf.subarray(tagAt, end)
    const data = buf.subarray(from, tagAt)
    try {
      if (this.suite.mode === 'ccm') {
        const d: DecipherCCM = createDecipheriv(this.suite.cipher as CipherCCMTypes, this.key, iv, this.options)
        d.setAuthTag(tag)
        d.setAAD(aad, { plaintextLength: data.length })
        const plain = d.update(data)
        d.final()
        return plain
      }
      const options = this.suite.mode === 'gcm' ? undefined : this.options
      const d: DecipherGCM = createDecipheriv(this.suite.cipher as CipherGCMTypes, this.key, iv, options)
      d.setAAD(aad)
      d.setAuthTag(tag)
      const plain = d.update(data)
      d.final()
      return plain
    } catch {
      return null // the tag does not fit
    }
  }
}

/** TLSInnerPlaintext (RFC 8446 5.2): content, its type, zeroes. */
function innerType(plain: Uint8Array): boolean {
  let end = plain.length
  while (end > 0 && plain[end - 1] === 0) end--
  if (end === 0) return false
  opened.type = plain[end - 1]!
  opened.end = end - 1
  return true
}

export class CbcCipher implements RecordCipher {
  private readonly suite: CipherSuite
  private readonly key: Uint8Array
  private readonly macKey: Uint8Array
  private readonly encryptThenMac: boolean
  private readonly block: number
  /** TLS 1.0: each record goes on where the one before ended; null from TLS 1.1 on, which sends an IV with each record. */
  private chained: Uint8Array | null

  constructor(
    suite: CipherSuite,
    version: number,
    key: Uint8Array,
    macKey: Uint8Array,
    iv: Uint8Array,
    encryptThenMac: boolean,
  ) {
    this.suite = suite
    this.key = key
    this.macKey = macKey
    this.encryptThenMac = encryptThenMac
    this.block = suite.tagBytes
    this.chained = version < TLS_1_1 ? Uint8Array.from(iv) : null
  }

  get leastBytes(): number {
    return this.block
  }

  plainLength(): number {
    return -1
  }

  explicitNumber(): number {
    return -1
  }

  passed(buf: Uint8Array, end: number): void {
    const at = this.encryptThenMac ? end - this.suite.macBytes : end
    if (this.chained !== null && at >= this.block) this.chained.set(buf.subarray(at - this.block, at))
  }

  open(seq: number, type: number, version: number, buf: Uint8Array, start: number, end: number): boolean {
    const { block, chained, suite } = this
    let stop = end
    if (this.encryptThenMac) {
      stop -= suite.macBytes
      if (stop < start || !this.fits(seq, type, version, buf, start, stop, buf, stop)) return false
    }
    const from = chained === null ? start + block : start
    if (stop - from < block || (stop - from) % block !== 0) return false
    const iv = chained ?? buf.subarray(start, from)
    const d = createDecipheriv(suite.cipher, this.key, iv).setAutoPadding(false)
    const plain = d.update(buf.subarray(from, stop))
    const found = this.unpad(seq, type, version, plain)
    if (found && chained !== null) chained.set(buf.subarray(stop - block, stop))
    return found
  }

  private unpad(seq: number, type: number, version: number, plain: Uint8Array): boolean {
    const padding = plain[plain.length - 1]!
    const end = plain.length - 1 - padding - (this.encryptThenMac ? 0 : this.suite.macBytes)
    if (end < 0) return false
    for (let i = plain.length - 1 - padding; i < plain.length; i++) if (plain[i] !== padding) return false
    if (!this.encryptThenMac && !this.fits(seq, type, version, plain, 0, end, plain, end)) return false
    opened.type = type
    opened.buf = plain
    opened.end = end
    return true
  }

  /** Whether the MAC of content[from, to) stands at buf[at]. */
  private fits(
    seq: number,
    type: number,
    version: number,
    content: Uint8Array,
    from: number,
    to: number,
    buf: Uint8Array,
    at: number,
  ): boolean {
    const mac = createHmac(this.suite.mac, this.macKey)
      .update(header12(seq, type, version, to - from))
      .update(content.subarray(from, to))
      .digest()
    for (let i = 0; i < mac.length; i++) if (buf[at + i] !== mac[i]) return false
    return true
  }
}

/** Lets go of the last plaintext. */
export function forgetOpened(): void {
  opened.buf = NOTHING
  opened.end = 0
}
