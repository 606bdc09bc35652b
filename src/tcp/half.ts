/** One direction of a TCP connection: what its sender sent, and how far the peer has acknowledged it. */
import type { Duration, Instant } from '../core/time.ts'

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
  /** A segment of this side was seen, so `next` is meaningful. */
  started = false
  synSeen = false
  /** Initial sequence number when the SYN was seen; otherwise the first sequence number seen minus one. */
  isn = 0
  /** Next sequence number in order. */
  next = 0
  /** Highest sequence number seen, exclusive. next <= max. */
  max = 0
  /** Stream bytes delivered before the current call. */
  offset = 0
  /** Highest acknowledgment of this side's bytes, sent by the peer; valid with `hasAck`. */
  acked = 0
  hasAck = false
  /** When the peer last acknowledged new bytes. */
  ackedAt: Instant = 0
  ackedFrame = 0

  finSeen = false
  /** Sequence number of the FIN. */
  finSeq = 0
  finDelivered = false
  finAcked = false
  finAt: Instant = 0
  finFrame = 0

  /** Last advertised window, unscaled, and the shift (-1: SYN not seen; then windows are not scaled by us). */
  window = -1
  windowShift = -1
  maxSegmentSize = 0
  sackPermitted = false
  timestamps = false
  /** Zero window (RFC 9293 3.8.6.1): since when this side has refused data, -1 when it does not. */
  zeroWindowSince: Instant = -1
  zeroWindowFrame = 0
  zeroWindows = 0
  longestZeroWindow: Duration = 0

  segments = 0
  /** Payload bytes on the wire, retransmissions not counted twice. */
  bytes = 0
  retransmissions = 0
  /** Retransmissions since the peer last acknowledged something new. */
  retransmissionsUnanswered = 0
  lastRetransmissionAt: Instant = 0
  lastRetransmissionFrame = 0
  outOfOrder = 0
  keepAlives = 0
  lastKeepAliveAt: Instant = 0
  duplicates = 0
  sackBlocks = 0
  /** Bytes the peer acknowledged which the capture never showed. */
  lostBytes = 0
  lostFrame = 0
  snaplenBytes = 0

  firstAt: Instant = 0
  firstFrame = 0
  lastAt: Instant = 0
  lastFrame = 0
  lastDataAt: Instant = 0
  lastDataFrame = 0
  /** Sender's time to live or hop limit, of its last segment that was not a RST; -1 before any. */
  ttl = -1
  ipId = -1

  seen = 0
  /** Segments ahead of a hole, by sequence number. */
  pending: PendingSegment[] | null = null
  pendingBytes = 0
  /** Segments seen since the hole was known to be the capture's. */
  holeWait = 0

  /** Bytes sent and not acknowledged (the FIN counts as one), 0 when nothing is known. */
  get unacknowledged(): number {
    if (!this.started) return 0
    if (!this.hasAck) return this.offset
    const d = (this.max - this.acked) | 0
    return d > 0 ? d : 0
  }
}
