/**
 * How a connection ended, and what became of the command that got no whole answer. Delivery is judged by the server's
 * acknowledgments and by its RSTs, never by hope: a kernel that answers with a bare RST has no socket to deliver to.
 */
import { CLIENT, SERVER } from '../core/direction.ts'
import type { Instant } from '../core/time.ts'
import type { Connection } from '../tcp/connection.ts'
import { seqDiff } from '../tcp/seq.ts'
import type { CloseHow } from '../tcp/stream-sink.ts'
import type { SessionRecorder } from './recorder.ts'
import type { CommandFact, Ending, FirstClose } from './session.ts'

export function endingOf(r: SessionRecorder, how: CloseHow, endAt: Instant): Ending {
  const conn = r.conn
  const first = r.first
  const unanswered = r.outstanding()
  let lost: CommandFact | null = null
  if (first !== null && first.by === CLIENT && first.outstanding !== null) {
    // The client left before its answer: whatever came later, it did not get it.
    lost = first.outstanding
    if (lost.replyFrame === 0) judgeDelivery(lost, r)
  } else if (unanswered !== null && (first !== null || conn.killer !== null)) {
    lost = unanswered
    judgeDelivery(lost, r)
    if (first?.outstanding?.frame === lost.frame) first.outstanding = lost
  } else if (unanswered !== null) {
    judgeDelivery(unanswered, r)
  }
  if (first !== null && (unheard(conn) || lastWordsLost(first, conn))) first.unsure = true
  const lastData = Math.max(conn.halves[0].lastDataAt, conn.halves[1].lastDataAt)
  return {
    first,
    quit: r.quitFrame > 0 && (first === null || first.by === CLIENT || r.quitAt <= first.at),
    quitFrame: r.quitFrame,
    lost,
    unanswered,
    lostAfterClose: lost !== null && first !== null && first.by === SERVER && lost.at > first.at,
    reset: conn.killer,
    resets: conn.resets,
    resetCount: conn.resetCount,
    how,
    silence: first !== null ? first.silence : Math.max(0, endAt - (lastData || conn.startAt)),
  }
}

/** Only one direction was captured: the other side may have closed, or said COM_QUIT, before. */
const unheard = (conn: Connection): boolean => conn.halves[CLIENT].segments === 0 || conn.halves[SERVER].segments === 0

/** The capture lost the last that the client said before the close, which may have been COM_QUIT. */
function lastWordsLost(first: FirstClose, conn: Connection): boolean {
  const half = conn.halves[CLIENT]
  return half.lostBytes > 0 && half.lostFrame >= first.lastClientDataFrame
}

/** Fills in the outcome of a command that has no whole answer. */
function judgeDelivery(command: CommandFact, r: SessionRecorder): void {
  if (command.replyFrame > 0) {
    command.outcome = 'response-begun'
    return
  }
  const conn = r.conn
  if (!command.complete) {
    // The server never had the whole command, so it cannot have run it.
    command.outcome = 'not-delivered'
    return
  }
  if (r.outstandingEnd > 0 && acknowledgedOffset(conn) >= r.outstandingEnd) {
    command.outcome = 'delivered-unknown'
    return
  }
  const serverFin = conn.halves[SERVER].finSeen ? conn.halves[SERVER].finAt : Number.POSITIVE_INFINITY
  const refused = conn.resets.find((x) => x.dir === SERVER && x.at >= command.at)
  if (refused !== undefined) {
    // RFC 9293 3.10.7.1: data to a closed socket is answered by a bare RST; nothing will ever read it. A RST with ACK before
    // any FIN comes from a live socket that died, and its process may have read the command first.
    command.outcome =
      !refused.ackFlag || serverFin <= command.at || conn.killer?.frame !== refused.frame
        ? 'not-delivered'
        : 'delivered-unknown'
    return
  }
  if (conn.killer !== null && conn.killer.at <= command.at) {
    command.outcome = 'not-delivered'
    return
  }
  // Sent, never acknowledged, never refused: it may have arrived while its acknowledgment was lost.
  command.outcome = conn.halves[CLIENT].hasAck ? 'not-delivered' : 'delivered-unknown'
  if (conn.halves[CLIENT].hasAck && lastSeen(conn) - command.at < UNACKNOWLEDGED_YET)
    command.outcome = 'delivered-unknown'
}

/** A delayed acknowledgment may take this long (RFC 9293 3.8.6.3: below 0.5 s). */
const UNACKNOWLEDGED_YET = 0.5e9

const lastSeen = (conn: Connection): Instant => Math.max(conn.halves[0].lastAt, conn.halves[1].lastAt)

/** Client stream bytes that the server's kernel has acknowledged. */
function acknowledgedOffset(conn: Connection): number {
  const half = conn.halves[CLIENT]
  if (!half.hasAck) return -1
  const dataNext = half.finDelivered ? half.finSeq : half.next
  return half.offset - Math.max(0, seqDiff(half.acked, dataNext))
}
