/**
 * MySQL packets out of one direction's byte stream (manual: MySQL Packets): 3-byte little-endian length, 1-byte sequence id,
 * payload; a length of 0xffffff means that the message continues in the next packet. A message in one piece is handed up in
 * place; one that straddles segments is copied only as far as its decoder asks for, the rest is skipped by count.
 *
 * Hot path: no allocation per packet, numbers only.
 */
import { LIMITS } from '../core/limits.ts'

/** What to do with the packets that come. */
export const Mode = {
  /** Every message goes up. */
  messages: 0,
  /** `left` packets are passed over (column definitions); an ERR goes up. */
  skip: 1,
  /**
   * Rows are counted and passed over; what ends them goes up: ERR, or a packet that begins with 0xFE. A row can begin with
   * 0xFE only as the length of a first value of 16 MiB or more, and then its packet has the full length 0xffffff.
   */
  rows: 2,
} as const
export type Mode = (typeof Mode)[keyof typeof Mode]

export interface PacketSink {
  /**
   * A message has begun that does not lie whole in this segment. Answers how many of its bytes the decoder wants (at most
   * ASSEMBLY_LIMIT); 0 passes over all of it.
   */
  begin(first: number, length: number, sequenceId: number): number
  /**
   * A message is complete: buf[start, end) is what there is of its `length` bytes. `first` is its first byte, -1 when it
   * is empty. `begun` when begin() was called for it.
   */
  message(buf: Uint8Array, start: number, end: number, length: number, sequenceId: number, begun: boolean): void
  /** The last of the packets to be skipped has passed. */
  skipped(): void
  /** A sequence id that does not fit; at most once per message or answer. */
  outOfOrder(expected: number, got: number): void
}

/** Payload length of a packet that is continued by the next one. */
export const MAX_PACKET = 0xffffff
/** The most that is ever assembled of one message. */
export const ASSEMBLY_LIMIT = 64 << 10
/** A buffer larger than this is given back once its message is through. */
const KEEP_BUFFER = 4 << 10

const EMPTY = new Uint8Array(0)

export class PacketReader {
  mode: Mode = Mode.messages
  /** Mode.skip: packets still to pass over. */
  left = 0
  /** Mode.rows: rows passed over since it was set to 0 by the owner. */
  rows = 0
  /** Sequence id of the next packet; -1 when any will do. */
  expected = -1
  /** An id was out of order in this message or answer: said once. */
  complained = false
  /** Set by the owner during a call: feed() returns at the end of the current message. */
  halt = false
  /** The place in the stream is lost: bytes must not be fed until resync. */
  lost = false

  private readonly sink: PacketSink
  private headerBytes = 0
  private header = 0
  /** Bytes of the current packet still to come; 0 when the next byte is a header's. */
  private remaining = 0
  private sequenceId = 0
  /** Inside a message: its first byte was seen, or it is continued. */
  private open = false
  private continued = false
  private begun = false
  private row = false
  /** Length of the message so far announced. */
  private length = 0
  private wanted = 0
  private kept = 0
  private buffer: Uint8Array = EMPTY

  constructor(sink: PacketSink) {
    this.sink = sink
  }

  /** The next byte is the first of a message like any other. */
  get idle(): boolean {
    if (this.headerBytes !== 0 || this.remaining !== 0 || this.open) return false
    return this.mode === Mode.messages && !this.lost && !this.complained
  }

  /** Takes bytes; answers how far it came: `end`, or less when `halt` was set. */
  feed(buf: Uint8Array, start: number, end: number): number {
    let p = start
    this.halt = false
    while (p < end) {
      if (this.remaining === 0) {
        if (this.headerBytes === 0 && end - p >= 4) {
          const length = buf[p]! | (buf[p + 1]! << 8) | (buf[p + 2]! << 16)
          const id = buf[p + 3]!
          if (!this.open && length !== MAX_PACKET && end - p - 4 >= length) {
            // The usual case: a whole message in one segment.
            if (id !== this.expected) this.wrongId(id)
            this.expected = (id + 1) & 255
            p += 4 + length
            if (this.mode !== Mode.messages && length !== 0) {
              const first = buf[p - length]!
              if (this.passes(first, length)) continue
            }
            this.sink.message(buf, p - length, p, length, id, false)
            if (this.halt) return p
            continue
          }
          p += 4
          this.packet(length, id)
        } else {
          this.header |= buf[p++]! << (8 * this.headerBytes)
          if (++this.headerBytes < 4) continue
          const header = this.header
          this.packet(header & 0xffffff, header >>> 24)
        }
        if (this.remaining === 0) {
          // An empty packet: a message of its own, or the end of one of exactly n * 0xffffff bytes.
          this.finish()
          if (this.halt) return p
          continue
        }
        if (p === end) return p
      }
      if (!this.open) this.openMessage(buf[p]!)
      const n = Math.min(end - p, this.remaining)
      if (this.kept < this.wanted) this.keep(buf, p, n)
      p += n
      this.remaining -= n
      if (this.remaining === 0 && !this.continued) {
        this.finish()
        if (this.halt) return p
      }
    }
    return p
  }

  /**
   * `bytes` of the stream were never seen. True when they all belong to the message in hand, so that its end is still
   * known; otherwise the place is lost and the caller must find it again.
   */
  gap(bytes: number): boolean {
    // Of a message whose first byte is missing nothing can be said, unless it is passed over anyway.
    if (this.remaining < bytes || this.headerBytes !== 0 || this.remaining === 0) return false
    if (!this.open) {
      if (this.mode !== Mode.skip) return false
      this.openMessage(0)
    }
    this.remaining -= bytes
    // What follows the hole cannot be appended to what came before it.
    this.wanted = this.kept
    if (this.remaining === 0 && !this.continued) this.finish()
    return true
  }

  /** Forgets the message in hand: the next byte fed is taken for a header's first. */
  reset(): void {
    this.headerBytes = 0
    this.header = 0
    this.remaining = 0
    this.clear()
    this.expected = -1
  }

  private packet(length: number, id: number): void {
    this.headerBytes = 0
    this.header = 0
    this.remaining = length
    this.sequenceId = id
    if (id !== this.expected) this.wrongId(id)
    this.expected = (id + 1) & 255
    this.continued = length === MAX_PACKET
    this.length += length
  }

  private wrongId(id: number): void {
    const expected = this.expected
    if (expected < 0 || this.complained) return
    this.complained = true
    this.sink.outOfOrder(expected, id)
  }

  /** Modes skip and rows: whether a packet that begins so is passed over; counts it. */
  private passes(first: number, length: number): boolean {
    if (first === 0xff) return false
    if (this.mode === Mode.rows) {
      if (first === 0xfe && length < MAX_PACKET) return false
      this.rows++
      return true
    }
    if (--this.left === 0) this.sink.skipped()
    return true
  }

  private openMessage(first: number): void {
    this.open = true
    if (this.mode !== Mode.messages) {
      if (first !== 0xff && (this.mode === Mode.skip || first !== 0xfe || this.length >= MAX_PACKET)) {
        this.row = true
        return
      }
    }
    this.begun = true
    const wanted = this.sink.begin(first, this.length, this.sequenceId)
    this.wanted = Math.min(wanted, ASSEMBLY_LIMIT)
  }

  private keep(buf: Uint8Array, p: number, n: number): void {
    const take = Math.min(this.wanted - this.kept, n)
    const need = this.kept + take
    if (need > this.buffer.length) {
      const bigger = new Uint8Array(Math.min(ASSEMBLY_LIMIT, Math.max(LIMITS.sqlPreviewBytes, need * 2)))
      bigger.set(this.buffer.subarray(0, this.kept))
      this.buffer = bigger
    }
    // A loop would be slower only for pieces that are larger than any header; this is the slow path already.
    this.buffer.set(buf.subarray(p, p + take), this.kept)
    this.kept = need
  }

  private finish(): void {
    if (this.row) {
      this.clear()
      if (this.mode === Mode.rows) this.rows++
      else if (this.mode === Mode.skip && --this.left === 0) this.sink.skipped()
      return
    }
    const { buffer, kept, length, sequenceId, begun } = this
    this.clear()
    this.sink.message(buffer, 0, kept, length, sequenceId, begun)
    if (this.buffer.length > KEEP_BUFFER && !this.open) this.buffer = EMPTY
  }

  private clear(): void {
    this.open = false
    this.continued = false
    this.begun = false
    this.row = false
    this.length = 0
    this.wanted = 0
    this.kept = 0
  }
}
