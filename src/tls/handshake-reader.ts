/**
 * Handshake messages of one direction while they are in the clear (RFC 8446 4, RFC 5246 7.4): a stream of its own, laid over the
 * records. Messages may share a record, span several, and split anywhere, their header too:
 *
 *   | msg_type (1) | length (3, big-endian) | body ...
 */
import type { Direction } from '../core/direction.ts'
import type { Instant } from '../core/time.ts'

/** HandshakeType, RFC 8446 B.3: those that are looked into or tell something by their presence. */
export const HandshakeType = {
  helloRequest: 0,
  clientHello: 1,
  serverHello: 2,
  newSessionTicket: 4,
  endOfEarlyData: 5,
  certificate: 11,
  clientKeyExchange: 16,
  finished: 20,
  keyUpdate: 24,
} as const

export interface HandshakeSink {
  /** A message begins. True = hand me its body. */
  messageBegin(dir: Direction, type: number, length: number): boolean
  /** A wanted body, borrowed. `whole` is false when only the first part of it was seen or kept. */
  message(dir: Direction, type: number, buf: Uint8Array, end: number, whole: boolean, at: Instant, frame: number): void
}

/** Most that is kept of one message; a longer one (long certificate chains) is handed up by its first part. */
const KEPT_BYTES = 64 << 10
/** Longest length believed; what claims more is cipher text taken for a header. */
const LONGEST_MESSAGE = 1 << 20
/** Types that occur in the clear before or in TLS 1.2 and 1.3 (IANA TLS HandshakeType): 0-6, 8, 11-16, 20-24. */
const KNOWN_TYPES = 0b1_1111_0001_1111_1001_0111_1111

const Reading = { header: 0, keep: 1, skip: 2, opaque: 3 } as const
type Reading = (typeof Reading)[keyof typeof Reading]

export class HandshakeReader {
  private readonly dir: Direction
  private readonly sink: HandshakeSink
  private reading: Reading = Reading.header
  private headerBytes = 0
  private header = 0
  private type = 0
  /** Bytes of the current body still to come. */
  private left = 0
  private kept: Uint8Array | null = null
  private keptBytes = 0
  /** Some of the body was not kept. */
  private cut = false

  constructor(dir: Direction, sink: HandshakeSink) {
    this.dir = dir
    this.sink = sink
  }

  /** The next bytes of handshake records. */
  feed(buf: Uint8Array, start: number, end: number, at: Instant, frame: number): void {
    let p = start
    while (p < end && this.reading !== Reading.opaque) {
      if (this.reading === Reading.header) {
        this.header = (this.header << 8) | buf[p++]!
        if (++this.headerBytes === 4) this.begin(at, frame)
        continue
      }
      const n = Math.min(this.left, end - p)
      if (this.reading === Reading.keep) this.keep(buf, p, p + n)
      p += n
      this.left -= n
      if (this.left === 0) this.finish(at, frame)
    }
  }

  /** A handshake record is complete: after bytes that could not be read, the next one may start a message. */
  recordEnd(): void {
    if (this.reading === Reading.opaque) this.next()
  }

  /** Bytes that were never seen: the message in hand is handed up by its first part. */
  gap(bytes: number, at: Instant, frame: number): void {
    const inside = this.reading === Reading.keep || this.reading === Reading.skip
    this.end(at, frame)
    if (inside && bytes < this.left) {
      this.reading = Reading.skip
      this.left -= bytes
    } else if (inside && bytes === this.left) this.next()
    else this.reading = Reading.opaque
  }

  /** Records are read anew from some later place: whatever was begun will not be continued. */
  restart(at: Instant, frame: number): void {
    this.end(at, frame)
    this.next()
  }

  /** The stream ends, or goes on unreadably: hands up what there is of a message. */
  end(at: Instant, frame: number): void {
    if (this.reading !== Reading.keep) return
    this.cut = true
    this.reading = Reading.skip
    this.handUp(at, frame)
  }

  private begin(at: Instant, frame: number): void {
    this.type = this.header >>> 24
    this.left = this.header & 0xffffff
    const known = this.type < 25 && ((KNOWN_TYPES >>> this.type) & 1) === 1
    if (!known || this.left > LONGEST_MESSAGE) {
      this.reading = Reading.opaque
      return
    }
    this.reading = this.sink.messageBegin(this.dir, this.type, this.left) ? Reading.keep : Reading.skip
    if (this.left === 0) this.finish(at, frame)
  }

  private keep(buf: Uint8Array, start: number, end: number): void {
    const room = KEPT_BYTES - this.keptBytes
    if (end - start > room) {
      end = start + room
      this.cut = true
    }
    const need = this.keptBytes + end - start
    if (this.kept === null || this.kept.length < need) {
      // By what has come, never by what the header claims.
      const bigger = new Uint8Array(Math.min(KEPT_BYTES, Math.max(need, 2 * (this.kept?.length ?? 0))))
      if (this.kept !== null) bigger.set(this.kept.subarray(0, this.keptBytes))
      this.kept = bigger
    }
    this.kept.set(buf.subarray(start, end), this.keptBytes)
    this.keptBytes = need
  }

  private finish(at: Instant, frame: number): void {
    if (this.reading === Reading.keep) this.handUp(at, frame)
    this.next()
  }

  private handUp(at: Instant, frame: number): void {
    this.sink.message(this.dir, this.type, this.kept ?? new Uint8Array(0), this.keptBytes, !this.cut, at, frame)
    this.kept = null
    this.keptBytes = 0
    this.cut = false
  }

  private next(): void {
    this.reading = Reading.header
    this.headerBytes = 0
    this.header = 0
  }
}
