/**
 * The compressed protocol of one direction (manual: Compression; MariaDB: Compression): a 7-byte header compressed
 * length[3] sequence[1] uncompressed length[3], then the payload. Uncompressed length 0 means that the payload is stored
 * as it is. The payloads together are one byte stream of MySQL packets, which need not end where a payload ends.
 */
import { inflateSync } from 'node:zlib'
import { zstdDecode } from './zstd.ts'

export interface CompressedSink {
  /** Bytes of the inner stream; `fresh` at the start of a compressed packet, where a message may begin. */
  inner(buf: Uint8Array, start: number, end: number, fresh: boolean): void
  /** Bytes of the inner stream that cannot be read. */
  innerGap(bytes: number): void
  /** A packet could not be inflated. */
  unreadable(): void
}

export const COMPRESSED_HEADER = 7
const FIRST_BUFFER = 16 << 10

export class CompressedReader {
  lost = false
  private readonly sink: CompressedSink
  private readonly header = new Uint8Array(COMPRESSED_HEADER)
  private headerBytes = 0
  /** Payload bytes of the current packet still to come. */
  private remaining = 0
  private length = 0
  private uncompressed = 0
  private kept = 0
  private spoiled = false
  private fresh = false
  private buffer: Uint8Array = new Uint8Array(0)

  constructor(sink: CompressedSink) {
    this.sink = sink
  }

  feed(buf: Uint8Array, start: number, end: number): void {
    let p = start
    while (p < end) {
      if (this.remaining === 0) {
        this.header[this.headerBytes++] = buf[p++]!
        if (this.headerBytes === COMPRESSED_HEADER) this.begin()
        continue
      }
      const n = Math.min(end - p, this.remaining)
      if (this.uncompressed === 0) {
        this.remaining -= n
        const fresh = this.fresh
        this.fresh = false
        this.sink.inner(buf, p, p + n, fresh)
      } else if (n === this.length) {
        this.remaining = 0
        this.inflate(buf.subarray(p, p + n))
      } else {
        if (!this.spoiled) this.keep(buf, p, n)
        this.remaining -= n
        if (this.remaining === 0) this.finish()
      }
      p += n
    }
  }

  /** As PacketReader.gap: true when the end of the packet in hand is still known. */
  gap(bytes: number): boolean {
    if (this.remaining === 0 || bytes > this.remaining) return false
    this.remaining -= bytes
    this.fresh = false
    if (this.uncompressed === 0) {
      this.sink.innerGap(bytes)
      return true
    }
    this.spoiled = true
    if (this.remaining === 0) this.finish()
    return true
  }

  reset(): void {
    this.headerBytes = 0
    this.remaining = 0
    this.kept = 0
    this.spoiled = false
  }

  private begin(): void {
    const h = this.header
    this.headerBytes = 0
    this.length = h[0]! | (h[1]! << 8) | (h[2]! << 16)
    this.uncompressed = h[4]! | (h[5]! << 8) | (h[6]! << 16)
    this.remaining = this.length
    this.kept = 0
    this.spoiled = false
    this.fresh = true
  }

  private keep(buf: Uint8Array, p: number, n: number): void {
    const need = this.kept + n
    if (need > this.buffer.length) {
      // Grows with what has come, not with what the header announces.
      const bigger = new Uint8Array(Math.min(this.length, Math.max(FIRST_BUFFER, need * 2)))
      bigger.set(this.buffer.subarray(0, this.kept))
      this.buffer = bigger
    }
    this.buffer.set(buf.subarray(p, p + n), this.kept)
    this.kept = need
  }

  private finish(): void {
    if (this.spoiled) this.sink.innerGap(this.uncompressed)
    else this.inflate(this.buffer.subarray(0, this.kept))
    if (this.buffer.length > FIRST_BUFFER) this.buffer = new Uint8Array(0)
  }

  private inflate(bytes: Uint8Array): void {
    const out = isZstd(bytes) ? zstdDecode(bytes, this.uncompressed) : zlibInflate(bytes, this.uncompressed)
    if (out === null) {
      this.sink.unreadable()
      this.sink.innerGap(this.uncompressed)
      return
    }
    this.sink.inner(out, 0, out.length, true)
  }
}

/** RFC 8878 3.1.1: magic number of a Zstandard frame. */
const isZstd = (b: Uint8Array): boolean => b[0] === 0x28 && b[1] === 0xb5 && b[2] === 0x2f && b[3] === 0xfd

/** RFC 1950 2.2: method deflate, and the check bits. */
export const looksLikeZlib = (cmf: number, flg: number): boolean => (cmf & 0x0f) === 8 && ((cmf << 8) | flg) % 31 === 0

function zlibInflate(bytes: Uint8Array, length: number): Uint8Array | null {
  try {
    const out = inflateSync(bytes, { maxOutputLength: length })
    return out.length === length ? out : null
  } catch {
    return null
  }
}

/**
 * Whether a compressed packet could begin at buf[start]: used to infer compression and to find the place again. The
 * payload must begin like zlib or zstd, or, stored, with the header of a MySQL packet; `firstId` is the sequence id that
 * this one must have (-1: any).
 */
export function plausibleCompressed(buf: Uint8Array, start: number, end: number, firstId: number): boolean {
  if (end - start < COMPRESSED_HEADER + 4) return false
  const length = buf[start]! | (buf[start + 1]! << 8) | (buf[start + 2]! << 16)
  const uncompressed = buf[start + 4]! | (buf[start + 5]! << 8) | (buf[start + 6]! << 16)
  const p = start + COMPRESSED_HEADER
  if (length < 4 || (firstId >= 0 && buf[start + 3] !== firstId)) return false
  if (length + COMPRESSED_HEADER < end - start && end - start - length < 2 * COMPRESSED_HEADER) return false
  if (uncompressed !== 0) {
    if (uncompressed < length) return false
    return isZstd(buf.subarray(p, p + 4)) || looksLikeZlib(buf[p]!, buf[p + 1]!)
  }
  const inner = buf[p]! | (buf[p + 1]! << 8) | (buf[p + 2]! << 16)
  return inner + 4 <= length && buf[p + 3]! <= 1
}
