/**
 * One direction of a TCP connection: what its sender sent, and how far the peer has acknowledged it. What every packet
 * touches lives in hot.ts; here it has names.
 */
import type { Duration, Instant } from '../core/time.ts'
import * as hot from './hot.ts'

/** Bits of `Half.seen`: each history letter is written once per direction (Zeek, conn.log `history`). */
export const Seen = { s: 1, h: 2, a: 4, d: 8, f: 16, r: 32, t: 64, w: 128, g: 256, i: 512, k: 1024 } as const

/** Bytes that arrived ahead of a hole; a copy, since captured bytes are borrowed. */
export interface PendingSegment {
  /** First byte, as int32. */
  seq: number
  data: Uint8Array
  /** Bytes on the wire; more than data.length when the snapshot length cut the frame. */
  length: number
  at: Instant
  frame: number
}

export class Half {
  private readonly rows: hot.HotRows
  private readonly i: number
  private readonly d: number

  /** Initial sequence number when the SYN was seen; otherwise the first sequence number seen minus one. */
  isn = 0
  synSeen = false

  /** The first acknowledgment seen of this side's bytes, as int32; tells bytes that were sent and never captured. */
  firstAcked = 0

  finSeen = false
  /** Sequence number of the FIN. */
  finSeq = 0
  finDelivered = false
  finAcked = false
  finAt: Instant = 0
  finFrame = 0

  /** Shift of the window field (RFC 7323 2.3), -1: SYN not seen; then windows are not scaled by us. */
  windowShift = -1
  maxSegmentSize = 0
  sackPermitted = false
  timestamps = false
  /** Zero window (RFC 9293 3.8.6.1): since when this side has refused data, -1 when it does not. */
  zeroWindowSince: Instant = -1
  zeroWindowFrame = 0
  zeroWindows = 0
  longestZeroWindow: Duration = 0

  retransmissions = 0
  lastRetransmissionAt: Instant = 0
  lastRetransmissionFrame = 0
  /** First of the retransmissions since the peer last acknowledged something new. */
  firstUnansweredAt: Instant = 0
  firstUnansweredFrame = 0
  /** Payload of the largest retransmitted segment since then, and of the smallest; 0 when there is none. */
  largestUnanswered = 0
  smallestUnanswered = 0
  outOfOrder = 0
  keepAlives = 0
  lastKeepAliveAt: Instant = 0
  duplicates = 0
  /** SACK blocks that the peer sent: it has bytes beyond a hole, or had some twice (RFC 2018, RFC 2883). */
  sackBlocks = 0
  /** Bytes that never came and were never acknowledged, when the connection or the capture ended: the first hole. */
  missingBytes = 0
  missingAt: Instant = 0
  missingFrame = 0
  /** Largest segment that came beyond that hole. */
  largestBeyond = 0
  private largestAcked = 0
  /** Bytes the peer acknowledged which the capture never showed. */
  lostBytes = 0
  lostFrame = 0
  snaplenBytes = 0

  firstAt: Instant = 0
  firstFrame = 0

  /** Segments ahead of a hole, by sequence number. */
  pending: PendingSegment[] | null = null
  pendingBytes = 0
  /** Segments seen since the hole was known to be the capture's. */
  holeWait = 0

  constructor(rows: hot.HotRows, row: number, high: 0 | 1) {
    this.rows = rows
    this.i = (row * 2 + high) * hot.HALF_INTS
    this.d = (row * 2 + high) * hot.HALF_DOUBLES
    this.window = -1
    this.ttl = -1
    this.ipId = -1
  }

  /** A segment of this side was seen, so `next` is meaningful. */
  get started(): boolean {
    return this.rows.ints[this.i + hot.STARTED] !== 0
  }
  set started(v: boolean) {
    this.rows.ints[this.i + hot.STARTED] = v ? 1 : 0
  }
  /** The peer has acknowledged something, so `acked` is meaningful. */
  get hasAck(): boolean {
    return this.rows.ints[this.i + hot.HAS_ACK] !== 0
  }
  set hasAck(v: boolean) {
    this.rows.ints[this.i + hot.HAS_ACK] = v ? 1 : 0
  }
  /** Next sequence number in order. */
  get next(): number {
    return this.rows.ints[this.i + hot.NEXT]!
  }
  set next(v: number) {
    this.rows.ints[this.i + hot.NEXT] = v
  }
  /** Highest sequence number seen, exclusive. next <= max. */
  get max(): number {
    return this.rows.ints[this.i + hot.MAX]!
  }
  set max(v: number) {
    this.rows.ints[this.i + hot.MAX] = v
  }
  /** Highest acknowledgment of this side’s bytes, sent by the peer, and its frame. */
  get acked(): number {
    return this.rows.ints[this.i + hot.ACKED]!
  }
  set acked(v: number) {
    this.rows.ints[this.i + hot.ACKED] = v
  }
  /** Last advertised window, as on the wire; -1 before any. */
  get window(): number {
    return this.rows.ints[this.i + hot.WINDOW]!
  }
  set window(v: number) {
    this.rows.ints[this.i + hot.WINDOW] = v
  }
  /** Sender’s time to live or hop limit, of its last segment that was not a RST; -1 before any. */
  get ttl(): number {
    return this.rows.ints[this.i + hot.TTL]!
  }
  set ttl(v: number) {
    this.rows.ints[this.i + hot.TTL] = v
  }
  get ipId(): number {
    return this.rows.ints[this.i + hot.IP_ID]!
  }
  set ipId(v: number) {
    this.rows.ints[this.i + hot.IP_ID] = v
  }
  /** History letters written for this side, see `Seen`. */
  get seen(): number {
    return this.rows.ints[this.i + hot.SEEN]!
  }
  set seen(v: number) {
    this.rows.ints[this.i + hot.SEEN] = v
  }
  get segments(): number {
    return this.rows.ints[this.i + hot.SEGMENTS]!
  }
  set segments(v: number) {
    this.rows.ints[this.i + hot.SEGMENTS] = v
  }
  /** Last segment of this side. */
  get lastFrame(): number {
    return this.rows.ints[this.i + hot.LAST_FRAME]!
  }
  set lastFrame(v: number) {
    this.rows.ints[this.i + hot.LAST_FRAME] = v
  }
  /** Last payload of this side that was new. */
  get lastDataFrame(): number {
    return this.rows.ints[this.i + hot.LAST_DATA_FRAME]!
  }
  set lastDataFrame(v: number) {
    this.rows.ints[this.i + hot.LAST_DATA_FRAME] = v
  }
  get ackedFrame(): number {
    return this.rows.ints[this.i + hot.ACKED_FRAME]!
  }
  set ackedFrame(v: number) {
    this.rows.ints[this.i + hot.ACKED_FRAME] = v
  }
  /** Retransmissions since the peer last acknowledged something new. */
  get retransmissionsUnanswered(): number {
    return this.rows.ints[this.i + hot.UNANSWERED]!
  }
  set retransmissionsUnanswered(v: number) {
    this.rows.ints[this.i + hot.UNANSWERED] = v
  }
  get lastAt(): number {
    return this.rows.doubles[this.d + hot.LAST_AT]!
  }
  set lastAt(v: number) {
    this.rows.doubles[this.d + hot.LAST_AT] = v
  }
  get lastDataAt(): number {
    return this.rows.doubles[this.d + hot.LAST_DATA_AT]!
  }
  set lastDataAt(v: number) {
    this.rows.doubles[this.d + hot.LAST_DATA_AT] = v
  }
  /** Payload bytes on the wire, retransmissions not counted twice. */
  get bytes(): number {
    return this.rows.doubles[this.d + hot.BYTES]!
  }
  set bytes(v: number) {
    this.rows.doubles[this.d + hot.BYTES] = v
  }
  /** Stream bytes delivered before the current call. */
  get offset(): number {
    return this.rows.doubles[this.d + hot.OFFSET]!
  }
  set offset(v: number) {
    this.rows.doubles[this.d + hot.OFFSET] = v
  }
  /** Whether the side refuses data: kept beside the other hot numbers, for `zeroWindowSince`. */
  set refusing(v: boolean) {
    this.rows.ints[this.i + hot.ZERO_WINDOW] = v ? 1 : 0
  }

  /** A segment larger than any before, ending at `end`. */
  larger(length: number, end: number): void {
    this.largestAcked = this.largestDelivered
    this.rows.doubles[this.d + hot.LARGEST] = length
    this.rows.doubles[this.d + hot.LARGEST_END] = end
  }
  get largest(): number {
    return this.rows.doubles[this.d + hot.LARGEST]!
  }
  /** Largest payload known to have arrived: acknowledged. A lower bound. */
  get largestDelivered(): number {
    const end = this.rows.doubles[this.d + hot.LARGEST_END]!
    return this.hasAck && ((this.acked - end) | 0) >= 0 ? this.largest : this.largestAcked
  }

  /** Bytes sent and not acknowledged (the FIN counts as one), 0 when nothing is known. */
  get unacknowledged(): number {
    if (!this.started) return 0
    if (!this.hasAck) return this.offset
    return Math.max((this.max - this.acked) | 0, 0)
  }
}
