/**
 * TLS record layer of one direction (RFC 8446 5.1, RFC 5246 6.2.1): finds the records in ordered bytes, whatever the segments,
 * and skips the bodies nobody asked for without looking at them. After a gap or plain text it waits for a segment that
 * starts like a chain of records.
 *
 * hot path: no allocation per packet or record
 */
import { hex } from '../core/bytes.ts'
import type { Direction } from '../core/direction.ts'
import type { Instant } from '../core/time.ts'
import { looksLikeRecord, looksLikeRecordChain, mayBeginRecord, RECORD_HEADER_BYTES } from './recognise.ts'

export interface RecordSink {
  /** A record header; `length` of its fragment. True = hand me the fragment. */
  record(dir: Direction, type: number, version: number, length: number, at: Instant, frame: number): boolean
  /** A piece of a wanted fragment, borrowed. */
  fragment(dir: Direction, buf: Uint8Array, start: number, end: number, at: Instant, frame: number): void
  /** A piece of a wanted fragment that was never seen. */
  fragmentGap(dir: Direction, bytes: number, at: Instant, frame: number): void
  /** A wanted record is complete. */
  recordEnd(dir: Direction, at: Instant, frame: number): void
  /** Bytes at a record boundary are no record. */
  notRecord(dir: Direction, firstBytesHex: string, at: Instant, frame: number): void
  /** Records are found again after `bytes` in which none was seen. */
  resynced(dir: Direction, at: Instant, frame: number, bytes: number): void
}

/** Bytes shown of what is not TLS: enough for an ERR_Packet with its message. */
const SHOWN_BYTES = 64
/** Times plain text is reported per direction: a hostile stream may switch to and fro for ever. */
const NOT_RECORD_REPORTS = 8
/** Records in a row after a resynchronisation before its boundaries are believed. */
const TRUSTED_AFTER = 3

export class RecordReader {
  private readonly dir: Direction
  private readonly sink: RecordSink
  /** Bytes of the current fragment still to come. */
  private left = 0
  private wanted = false
  private lost: boolean
  /** Bytes went by while lost, so finding records again is news. */
  private skipped = false
  /** Bytes of the stream since the last record, while lost. */
  private passedOver = 0
  /** Records since the last resynchronisation, up to TRUSTED_AFTER: a wrong guess must not pass for plain text. */
  private trust: number
  private reports = 0
  /** A header that straddles segments, and how much of it is here. */
  private head: Uint8Array | null = null
  private have = 0

  /** `midstream`: the first bytes may lie anywhere inside a record. */
  constructor(dir: Direction, sink: RecordSink, midstream: boolean) {
    this.dir = dir
    this.sink = sink
    this.lost = midstream
    this.trust = midstream ? 0 : TRUSTED_AFTER
  }

  /** Bytes still owed by the record that has begun: > 0 at the end of a stream means it was cut inside a record. */
  get missing(): number {
    return this.have > 0 ? RECORD_HEADER_BYTES - this.have : this.left
  }

  /** The place in the stream is lost until a segment looks like the beginning of a record. */
  get isLost(): boolean {
    return this.lost
  }

  feed(buf: Uint8Array, start: number, end: number, at: Instant, frame: number): void {
    let p = start
    if (this.lost && !this.findAgain(buf, p, end, at, frame)) return
    while (p < end) {
      const left = this.left
      if (left > 0) {
        const next = p + left
        if (next > end) {
          this.left = next - end
          if (this.wanted) this.sink.fragment(this.dir, buf, p, end, at, frame)
          return
        }
        this.left = 0
        if (this.wanted) {
          this.sink.fragment(this.dir, buf, p, next, at, frame)
          this.sink.recordEnd(this.dir, at, frame)
        }
        p = next
      } else if (this.have === 0 && end - p >= RECORD_HEADER_BYTES) {
        if (!looksLikeRecord(buf, p, end)) {
          this.lose(buf, p, end, at, frame)
          return
        }
        this.begin(buf[p]!, buf[p + 2]!, (buf[p + 3]! << 8) | buf[p + 4]!, at, frame)
        p += RECORD_HEADER_BYTES
      } else {
        p = this.straddle(buf, p, end, at, frame)
      }
    }
  }

  /** Bytes of the stream that were never seen. Inside a fragment nothing is lost but its content. */
  gap(bytes: number, at: Instant, frame: number): void {
    if (bytes <= 0) return
    if (this.lost) {
      this.passedOver += bytes
      return
    }
    const inside = Math.min(bytes, this.left)
    this.left -= inside
    if (inside > 0 && this.wanted) {
      this.sink.fragmentGap(this.dir, inside, at, frame)
      if (this.left === 0) this.sink.recordEnd(this.dir, at, frame)
    }
    if (inside < bytes) this.forget(bytes - inside)
  }

  private begin(type: number, minor: number, length: number, at: Instant, frame: number): void {
    if (this.trust < TRUSTED_AFTER) this.trust++
    this.left = length
    this.wanted = this.sink.record(this.dir, type, 0x0300 | minor, length, at, frame)
    if (length === 0 && this.wanted) this.sink.recordEnd(this.dir, at, frame)
  }

  /** Collects a header piece by piece; returns where reading goes on. */
  private straddle(buf: Uint8Array, p: number, end: number, at: Instant, frame: number): number {
    if (this.head === null) this.head = new Uint8Array(RECORD_HEADER_BYTES)
    const head = this.head
    const from = p
    while (p < end && this.have < RECORD_HEADER_BYTES) head[this.have++] = buf[p++]!
    const whole = this.have === RECORD_HEADER_BYTES
    if (!(whole ? looksLikeRecord(head, 0, this.have) : mayBeginRecord(head, 0, this.have))) {
      this.have -= p - from
      this.lose(buf, from, end, at, frame)
      return end
    }
    if (whole) {
      this.have = 0
      this.begin(head[0]!, head[2]!, (head[3]! << 8) | head[4]!, at, frame)
    }
    return p
  }

  /** What stands at the boundary is no record: says so, unless the boundary itself was a guess. */
  private lose(buf: Uint8Array, p: number, end: number, at: Instant, frame: number): void {
    if (this.trust >= TRUSTED_AFTER && this.reports < NOT_RECORD_REPORTS) {
      this.reports++
      const before = this.have > 0 ? hex(this.head!, 0, this.have) : ''
      const shown = Math.min(end, p + SHOWN_BYTES - this.have)
      this.sink.notRecord(this.dir, before + hex(buf, p, shown, SHOWN_BYTES), at, frame)
    }
    this.forget(end - p)
  }

  /** `bytes`: how many went by since the last record. */
  private forget(bytes: number): void {
    this.passedOver += bytes + this.have
    this.lost = true
    this.skipped = true
    this.left = 0
    this.have = 0
    this.wanted = false
    this.trust = 0
  }

  private findAgain(buf: Uint8Array, start: number, end: number, at: Instant, frame: number): boolean {
    if (!looksLikeRecordChain(buf, start, end)) {
      this.skipped = true
      this.passedOver += end - start
      return false
    }
    this.lost = false
    if (this.skipped) this.sink.resynced(this.dir, at, frame, this.passedOver)
    this.skipped = false
    this.passedOver = 0
    return true
  }
}
