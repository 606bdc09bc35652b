/** The beginning of a connection (RFC 9293 3.5): first segments, SYN and SYN-ACK, and the ACK that completes them. */
import { CLIENT, type Direction } from '../core/direction.ts'
import { ACK, type SegmentView, SYN } from '../packet/segment-view.ts'
import { type Connection, Seen } from './connection.ts'
import type { Half } from './half.ts'
import { readSynOptions } from './options.ts'
import { seqDiff } from './seq.ts'

/** The first segment of a side, a SYN or, when the connection began before the capture, any other. */
export function beginHalf(conn: Connection, dir: Direction, me: Half, s: SegmentView, syn: boolean, seq: number): void {
  me.started = true
  me.firstAt = s.at
  me.firstFrame = s.frame
  me.isn = syn ? seq : (seq - 1) | 0
  me.next = syn ? (seq + 1) | 0 : seq
  me.max = me.next
  if (
    !syn &&
    s.dataLength <= 1 &&
    conn.halves[dir ^ 1]!.hasAck === false &&
    me.hasAck &&
    seqDiff(seq, me.acked) === 1
  ) {
    // The first thing seen is a keep-alive: the next real byte comes one later.
    me.next = me.acked
    me.max = me.acked
  }
}

/** A SYN or SYN-ACK: its options, its place in the handshake. */
export function seeSyn(conn: Connection, dir: Direction, me: Half, s: SegmentView, seq: number): void {
  const first = !me.synSeen
  if (first) {
    me.synSeen = true
    if (me.bytes === 0) {
      me.isn = seq
      me.next = (seq + 1) | 0
      me.max = me.next
    }
    readSynOptions(s, me)
  }
  if ((s.flags & ACK) === 0) {
    conn.letter(Seen.s, 's', dir)
    if (conn.synFrame === 0) {
      conn.synFrame = s.frame
      conn.synAt = s.at
    } else {
      conn.synRetransmissions++
    }
  } else {
    conn.letter(Seen.h, 'h', dir)
    if (conn.synAckFrame === 0) {
      conn.synAckFrame = s.frame
      conn.synAckAt = s.at
    }
  }
}

/** The ACK that completes the handshake. */
export function completeHandshake(conn: Connection, dir: Direction, s: SegmentView): void {
  if (conn.establishedFrame !== 0 || dir !== CLIENT || conn.synAckFrame === 0 || (s.flags & SYN) !== 0) return
  conn.establishedFrame = s.frame
  conn.establishedAt = s.at
}
