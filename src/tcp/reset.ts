/**
 * Judges a RST by what its receiver will have made of it: RFC 9293 3.10.7.3 (SYN-SENT: it must acknowledge the SYN) and
 * 3.10.7.4 with RFC 5961 3.2 (otherwise: in the window, and only the exact next number resets at once). The capture's view
 * of the window may lag behind by what is in flight, so in-window is accepted, not only exact.
 */
import { CLIENT, type Direction } from '../core/direction.ts'
import { ACK, type SegmentView } from '../packet/segment-view.ts'
import type { Connection, ResetFact } from './connection.ts'
import type { Half } from './half.ts'
import { seqDiff } from './seq.ts'

/** Window assumed when the receiver's was not seen: the largest that needs no scaling. */
const UNKNOWN_WINDOW = 65535

export function judgeReset(conn: Connection, dir: Direction, me: Half, peer: Half, s: SegmentView): ResetFact {
  const seq = s.seq | 0
  const delta = me.started ? seqDiff(me.next, seq) : 0
  const bothFins = conn.halves[0].finDelivered && conn.halves[1].finDelivered
  return {
    dir,
    at: s.at,
    frame: s.frame,
    seqDelta: delta,
    accepted: accepted(conn, dir, me, peer, s, delta),
    late: bothFins || conn.killer !== null,
    ackFlag: (s.flags & ACK) !== 0,
    window: s.window,
    ttl: s.ttl,
    ttlBefore: me.ttl,
    ipId: s.ipId,
    ipIdBefore: me.ipId,
    dataLength: s.dataLength,
    afterPeer: peer.segments > 0 ? s.at - peer.lastAt : -1,
    followed: 0,
    followedAt: 0,
    followedFrame: 0,
    followedBytes: 0,
  }
}

function accepted(conn: Connection, dir: Direction, me: Half, peer: Half, s: SegmentView, delta: number): boolean {
  if (dir !== CLIENT && peer.synSeen && !me.synSeen && !me.started) {
    // SYN-SENT: the answer to a SYN must acknowledge it.
    return (s.flags & ACK) !== 0 && seqDiff(peer.isn, s.ack | 0) > 0
  }
  // The answer to a challenge ACK (RFC 5961 4.2) resets the connection that had the endpoints before.
  if (conn.challengeFrame > 0 && conn.synAckFrame === 0) return false
  if (!me.started || conn.synFrame === 0) return true // begun before the capture: no window to hold it against
  const window = peer.window < 0 ? UNKNOWN_WINDOW : peer.window << Math.max(peer.windowShift, 0)
  // What the sender has sent and the capture has seen out of order lies in front of `next`, so measure from the acknowledged.
  const from = me.hasAck ? seqDiff(me.acked, me.next) : 0
  return delta >= -from && delta <= Math.max(window, UNKNOWN_WINDOW)
}
