/**
 * The careful path of reassembly: what is out of order, overlapping, repeated or missing. In-order segments never come
 * here. Bytes ahead of a hole are copied and wait, bounded per direction and in total. A hole becomes a gap when the
 * receiver has acknowledged it (so it arrived: the capture lost it), when the bound is reached, or when the connection ends.
 */
import type { Direction } from '../core/direction.ts'
import type { Limits } from '../core/limits.ts'
import type { Instant } from '../core/time.ts'
import type { SegmentView } from '../packet/segment-view.ts'
import { type Connection, Seen, TcpFact } from './connection.ts'
import type { Half, PendingSegment } from './half.ts'
import { seqDiff } from './seq.ts'
import type { GapReason } from './stream-sink.ts'

/** Segments that may follow an acknowledged hole before it counts as lost: capture engines reorder across directions. */
const HOLE_PATIENCE = 3
/** Segments of the sender alone after which a hole is given up when no acknowledgment can be seen (one-sided capture). */
const ONE_SIDED_PATIENCE = 256

/** Bytes waiting over all connections, shared by every reassembly of a run. */
export interface Budget {
  bytes: number
}

export class Reassembly {
  private readonly limits: Limits
  private readonly budget: Budget
  private readonly onLimit: (frame: number) => void

  constructor(limits: Limits, budget: Budget, onLimit: (frame: number) => void) {
    this.limits = limits
    this.budget = budget
    this.onLimit = onLimit
  }

  /** Places the payload of a segment in the stream: delivers, keeps, or recognises a repetition. */
  accept(conn: Connection, dir: Direction, half: Half, s: SegmentView, seq: number): void {
    const length = s.dataLength
    const ahead = seqDiff(half.next, seq)
    if (ahead > 0) {
      this.keep(conn, dir, half, s, seq)
      return
    }
    const fresh = seqDiff(half.next, (seq + length) | 0)
    if (fresh <= 0) {
      this.repeated(conn, dir, half, s, seq, length)
      return
    }
    if (ahead < 0) this.repeated(conn, dir, half, s, seq, -ahead)
    const skip = -ahead
    const captured = s.dataEnd - s.dataStart
    this.deliver(conn, dir, half, s.buf, s.dataStart + Math.min(skip, captured), s.dataEnd, fresh, s.at, s.frame)
    if (half.pending !== null) this.drain(conn, dir, half)
  }

  /** Hands bytes up and moves on; what the snapshot length cut off follows as a gap. */
  private deliver(
    conn: Connection,
    dir: Direction,
    half: Half,
    buf: Uint8Array,
    start: number,
    end: number,
    length: number,
    at: Instant,
    frame: number,
  ): void {
    const captured = Math.min(end - start, length)
    half.next = (half.next + length) | 0
    if (seqDiff(half.max, half.next) > 0) half.max = half.next
    half.bytes += length
    if (length > half.largest) half.larger(length, half.next)
    half.lastDataAt = at
    half.lastDataFrame = frame
    if (captured > 0) {
      conn.sink?.data(dir, buf, start, start + captured, at, frame)
      half.offset += captured
    }
    const cut = length - captured
    if (cut > 0) {
      half.snaplenBytes += cut
      conn.sink?.gap(dir, cut, 'snaplen', at, frame)
      half.offset += cut
    }
  }

  private repeated(conn: Connection, dir: Direction, half: Half, s: SegmentView, seq: number, bytes: number): void {
    // RFC 9293 3.8.4: a keep-alive repeats at most one byte, just below the next sequence number and long acknowledged.
    if (s.dataLength <= 1 && seqDiff(seq, half.next) === 1 && half.hasAck && seqDiff(half.next, half.acked) >= 0) {
      keepAlive(conn, dir, half, s.at, s.frame)
      return
    }
    half.retransmissions++
    if (half.retransmissionsUnanswered++ === 0) {
      half.firstUnansweredAt = s.at
      half.firstUnansweredFrame = s.frame
      half.largestUnanswered = s.dataLength
      half.smallestUnanswered = s.dataLength
    } else {
      half.largestUnanswered = Math.max(half.largestUnanswered, s.dataLength)
      half.smallestUnanswered = Math.min(half.smallestUnanswered, s.dataLength)
    }
    half.lastRetransmissionAt = s.at
    half.lastRetransmissionFrame = s.frame
    conn.letter(Seen.t, 't', dir)
    conn.observer?.tcp(TcpFact.retransmission, dir, s.at, s.frame, bytes)
  }

  private keep(conn: Connection, dir: Direction, half: Half, s: SegmentView, seq: number): void {
    if (conn.sink === null) {
      // Nobody reads this stream: follow the sequence numbers, keep nothing.
      half.bytes += s.dataLength
      half.next = (seq + s.dataLength) | 0
      if (seqDiff(half.max, half.next) > 0) half.max = half.next
      return
    }
    half.outOfOrder++
    let pending = half.pending
    if (pending === null) {
      pending = []
      half.pending = pending
      half.holeWait = 0
    }
    conn.careful = true
    let i = pending.length
    while (i > 0 && seqDiff(pending[i - 1]!.seq, seq) < 0) i--
    const before = pending[i - 1]
    if (before !== undefined && seqDiff(before.seq, (seq + s.dataLength) | 0) <= before.length) {
      this.repeated(conn, dir, half, s, seq, s.dataLength) // wholly inside bytes that already wait
      return
    }
    const data = s.buf.slice(s.dataStart, s.dataEnd)
    pending.splice(i, 0, { seq, data, length: s.dataLength, at: s.at, frame: s.frame })
    half.pendingBytes += data.length
    this.budget.bytes += data.length
    const top = (seq + s.dataLength) | 0
    if (seqDiff(half.max, top) > 0) half.max = top
    if (
      half.pendingBytes > this.limits.outOfOrderBytesPerHalf ||
      this.budget.bytes > this.limits.outOfOrderBytesTotal
    ) {
      this.onLimit(s.frame)
      this.giveUpHole(conn, dir, half, 'limit')
    }
  }

  /** Delivers what has become contiguous. */
  private drain(conn: Connection, dir: Direction, half: Half): void {
    const pending = half.pending!
    while (pending.length > 0) {
      const p = pending[0]!
      const ahead = seqDiff(half.next, p.seq)
      if (ahead > 0) break
      pending.shift()
      this.release(half, p)
      const fresh = ahead + p.length
      if (fresh > 0) {
        const from = Math.min(-ahead, p.data.length)
        this.deliver(conn, dir, half, p.data, from, p.data.length, fresh, p.at, p.frame)
      }
    }
    half.holeWait = 0
    if (pending.length === 0) half.pending = null
  }

  private release(half: Half, p: PendingSegment): void {
    half.pendingBytes -= p.data.length
    this.budget.bytes -= p.data.length
  }

  /** Looks at the holes of one direction after a segment of the connection; see HOLE_PATIENCE. */
  patience(conn: Connection, dir: Direction, half: Half, sentBySelf: boolean): void {
    const first = half.pending?.[0]
    if (first !== undefined) {
      const acknowledged = half.hasAck && seqDiff(first.seq, half.acked) >= 0
      if (
        acknowledged
          ? ++half.holeWait >= HOLE_PATIENCE
          : sentBySelf && !half.hasAck && ++half.holeWait >= ONE_SIDED_PATIENCE
      ) {
        this.giveUpHole(conn, dir, half, 'lost-in-capture')
      }
      return
    }
    // The peer acknowledged bytes past everything seen, and nothing waits: the tail itself was lost by the capture.
    if (half.hasAck && half.started && seqDiff(half.max, half.acked) > 0 && ++half.holeWait >= HOLE_PATIENCE) {
      this.giveUpTail(conn, dir, half)
    }
  }

  /** A side closes: what the receiver had acknowledged by then, and the capture did not see, will not come any more. */
  settle(conn: Connection, dir: Direction, half: Half): void {
    if (!half.hasAck || !half.started) return
    while (half.pending !== null && seqDiff(half.pending[0]!.seq, half.acked) >= 0)
      this.giveUpHole(conn, dir, half, 'lost-in-capture')
    if (half.pending !== null || half.finDelivered) return
    const top = half.finSeen && seqDiff(half.finSeq, half.acked) > 0 ? half.finSeq : half.acked
    const bytes = seqDiff(half.next, top)
    // One byte more than was sent may be the FIN itself.
    if (bytes > (half.finSeen ? 0 : 1)) {
      this.gap(
        conn,
        dir,
        half,
        bytes,
        'lost-in-capture',
        Math.max(conn.halves[0].lastAt, conn.halves[1].lastAt),
        half.ackedFrame,
      )
    }
  }

  private giveUpTail(conn: Connection, dir: Direction, half: Half): void {
    const bytes = seqDiff(half.next, half.acked)
    half.holeWait = 0
    if (bytes > 0)
      this.gap(
        conn,
        dir,
        half,
        bytes,
        'lost-in-capture',
        Math.max(conn.halves[0].lastAt, conn.halves[1].lastAt),
        half.ackedFrame,
      )
  }

  /** Declares the first hole of a direction a gap and delivers what waited behind it. */
  giveUpHole(conn: Connection, dir: Direction, half: Half, why: GapReason): void {
    const first = half.pending?.[0]
    if (first === undefined) return
    this.gap(conn, dir, half, seqDiff(half.next, first.seq), why, first.at, first.frame)
    this.drain(conn, dir, half)
  }

  private gap(
    conn: Connection,
    dir: Direction,
    half: Half,
    bytes: number,
    why: GapReason,
    at: Instant,
    frame: number,
  ): void {
    if (bytes <= 0) return
    conn.letter(Seen.g, 'g', dir)
    half.lostBytes += bytes
    if (half.lostFrame === 0) half.lostFrame = frame
    half.next = (half.next + bytes) | 0
    if (seqDiff(half.max, half.next) > 0) half.max = half.next
    conn.sink?.gap(dir, bytes, why, at, frame)
    half.offset += bytes
    conn.observer?.tcp(TcpFact.gap, dir, at, frame, bytes)
  }

  /** The connection ends: every hole is a gap now. */
  flush(conn: Connection, dir: Direction): void {
    const half = conn.halves[dir]
    while (half.pending !== null) {
      const acknowledged = half.hasAck && seqDiff(half.pending[0]!.seq, half.acked) >= 0
      if (!acknowledged) missing(half, half.pending)
      this.giveUpHole(conn, dir, half, acknowledged ? 'lost-in-capture' : 'end')
    }
    if (half.hasAck && half.started && !half.finSeen && seqDiff(half.max, half.acked) > 1)
      this.giveUpTail(conn, dir, half)
  }
}

/** The first hole that nobody has filled: its size, and what came beyond it. */
function missing(half: Half, pending: readonly PendingSegment[]): void {
  if (half.missingBytes > 0) return
  const first = pending[0]!
  half.missingBytes = seqDiff(half.next, first.seq)
  half.missingAt = first.at
  half.missingFrame = first.frame
  for (const p of pending) half.largestBeyond = Math.max(half.largestBeyond, p.length)
}

/** RFC 9293 3.8.4: a probe of at most one byte just below the next sequence number. */
export function keepAlive(conn: Connection, dir: Direction, half: Half, at: Instant, frame: number): void {
  half.keepAlives++
  half.lastKeepAliveAt = at
  conn.letter(Seen.k, 'k', dir)
  conn.observer?.tcp(TcpFact.keepAlive, dir, at, frame, half.keepAlives)
}
