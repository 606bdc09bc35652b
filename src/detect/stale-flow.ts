/**
 * Connections whose two ends both think they live while something between them has forgotten the flow: the next packet is
 * answered with RST in the other side's name, or with nothing. Facts shared by middlebox-reset and silent-drop.
 */
import { CLIENT, SERVER } from '../core/direction.ts'
import { type Duration, type Instant, NS_PER_SECOND } from '../core/time.ts'
import type { CommandFact, Ending, Session } from '../session/session.ts'
import { productOf } from './describe.ts'
import type { Fleet } from './fleet.ts'
import { onSameHost, serverAfter } from './same-path.ts'
import { otherVantages } from './vantages.ts'

type ResetFact = NonNullable<Ending['reset']>

/** A flow is forgotten after a silence; below this something else ended it. */
export const LONG_SILENCE = 2 * NS_PER_SECOND
/** A RST to the first packet after the silence comes at once: within this, or a few round trips. */
const AT_ONCE = 0.5 * NS_PER_SECOND
/** Retransmissions without any answer before we call it silence: 1.4 s and more with RFC 6298's first timeouts of Linux. */
const UNANSWERED = 3
/** Segments above this are what a path MTU that is too small swallows. */
const LARGE = 1000

export interface ForgottenFlow {
  command: CommandFact
  /** Silence before it: since the last payload, or the last keep-alive when one came later. */
  idle: Duration
  reset: ResetFact
  /** What is odd about the RST, in words. */
  odd: string[]
  /** A capture elsewhere that shows the same connection without this RST. */
  elsewhere: Session | null
  /** The server went on: a later connection to it has a higher connection id, so it had not been restarted. */
  serverWentOn: Session | null
}

/** The first request after a long silence was answered with RST although the other side had never closed; null when it was not so. */
export function forgottenFlow(s: Session, fleet: Fleet): ForgottenFlow | null {
  const first = s.ending.first
  const command = s.ending.lost
  const reset = s.ending.reset
  if (first === null || command === null || reset === null || s.mysql === null || s.ending.quit) return null
  if (first.by !== SERVER || first.how !== 'rst' || reset.frame !== first.frame || command.replyFrame > 0) return null
  if (s.sides[SERVER].finFrame > 0 || command.at > reset.at) return null
  const idle = idleWithKeepAlives(s, command)
  const patience = Math.max(AT_ONCE, 4 * Math.max(0, s.handshakeTimes.toServer))
  if (idle < LONG_SILENCE || reset.at - command.at > patience) return null
  // A socket that dies under a request sends RST with ACK; a bare one comes from whoever knows no such connection.
  const odd = oddities(s, reset, command)
  if (reset.ackFlag && odd.length === 0) return null
  const elsewhere =
    otherVantages(s, fleet).find((t) => t.ending.resetCount === 0 && t.sides[SERVER].segments > 0) ?? null
  const later = serverAfter(s, fleet)
  if (later === 'restarted' && elsewhere === null) return null
  return { command, idle, reset, odd, elsewhere, serverWentOn: later === 'restarted' ? null : later }
}

/** What tells a forged RST from one of the server's kernel: time to live, IP id, and an answer faster than the way there and back. */
function oddities(s: Session, r: ResetFact, command: CommandFact): string[] {
  const out: string[] = []
  if (r.ttlBefore >= 0 && r.ttl !== r.ttlBefore)
    out.push(`time to live ${r.ttl}, the server’s own packets have ${r.ttlBefore}`)
  const rtt = s.handshakeTimes.toServer
  if (rtt > 2e6 && r.at - command.at < rtt / 2)
    out.push(
      `it came ${((r.at - command.at) / 1e6).toFixed(2)} ms after the request, a round trip to the server takes ${(rtt / 1e6).toFixed(1)} ms`,
    )
  if (r.ackFlag && r.seqDelta !== 0) out.push(`its sequence number is ${r.seqDelta} off`)
  return out
}

export interface SilentLoss {
  /** Whose packets stayed without an answer. */
  by: 0 | 1
  /** The request that was lost, or whose answer was; null when it cannot be told. */
  command: CommandFact | null
  /** Silence before the first packet that was lost; 0 when there was none to speak of. */
  idle: Duration
  firstAt: Instant
  frame: number
  retransmissions: number
  until: Instant
  lastFrame: number
  /** A capture elsewhere that shows the same connection and nothing of these packets. */
  elsewhere: Session | null
  /** Other sessions of the same two addresses went on meanwhile, so the path itself was whole. */
  others: Session | null
}

/** Packets were sent again and again and nothing came back at all; null when it was not so. */
export function silentLoss(s: Session, fleet: Fleet): SilentLoss | null {
  if (s.mysql === null || s.sides[CLIENT].segments === 0 || s.sides[SERVER].segments === 0) return null
  const request = requestLoss(s)
  const found = request ?? answerLoss(s)
  if (found === null) return null
  const elsewhere = otherVantages(s, fleet).find((t) => lacks(t, found)) ?? null
  return { ...found, elsewhere, others: aliveMeanwhile(s, found, fleet) }
}

function aliveMeanwhile(s: Session, found: { firstAt: Instant; until: Instant }, fleet: Fleet): Session | null {
  for (const t of onSameHost(s, fleet)) {
    if (t.sides[SERVER].lastDataAt <= found.firstAt) return null
    if (t !== s && aliveIn(t, found)) return t
  }
  return null
}

function requestLoss(s: Session): Omit<SilentLoss, 'elsewhere' | 'others'> | null {
  const command = s.ending.unanswered ?? s.ending.lost
  const side = s.sides[CLIENT]
  const first = s.ending.first
  if (
    command === null ||
    command.replyFrame > 0 ||
    side.retransmissionsUnanswered < UNANSWERED ||
    side.unacknowledged === 0
  )
    return null
  if (side.firstUnansweredAt < command.at || s.sides[SERVER].lastAt >= command.at) {
    // A late RST ends the silence, it does not explain it.
    if (
      first === null ||
      first.by !== SERVER ||
      first.how !== 'rst' ||
      first.at < side.lastRetransmissionAt ||
      side.firstUnansweredAt < command.at
    )
      return null
  }
  // Full segments alone vanish where the path MTU is too small.
  if (side.smallestUnanswered > LARGE && command.idleBefore < LONG_SILENCE) return null
  return {
    by: CLIENT,
    command,
    idle: idleWithKeepAlives(s, command),
    firstAt: command.at,
    frame: command.frame,
    retransmissions: side.retransmissionsUnanswered,
    until: side.lastRetransmissionAt,
    lastFrame: side.lastRetransmissionFrame,
  }
}

function answerLoss(s: Session): Omit<SilentLoss, 'elsewhere' | 'others'> | null {
  const side = s.sides[SERVER]
  const peer = s.sides[CLIENT]
  if (side.retransmissionsUnanswered < UNANSWERED || side.unacknowledged === 0 || side.smallestUnanswered > LARGE)
    return null
  // Zero window is the client's doing; a client that has closed does not wait any more.
  if (peer.zeroWindowSince >= 0 || s.ending.quit) return null
  const spoke = peer.finAt > 0 ? peer.lastDataAt : peer.lastAt
  if (
    spoke > side.firstUnansweredAt ||
    (peer.finAt > 0 && peer.finAt < side.lastRetransmissionAt && s.ending.first?.by === CLIENT)
  )
    return null
  if (s.ending.resets.some((r) => r.dir === CLIENT && r.at < side.lastRetransmissionAt)) return null
  return {
    by: SERVER,
    command: s.ending.lost ?? s.ending.unanswered,
    idle: 0,
    firstAt: side.lastDataAt,
    frame: side.lastDataFrame,
    retransmissions: side.retransmissionsUnanswered,
    until: side.lastRetransmissionAt,
    lastFrame: side.lastRetransmissionFrame,
  }
}

/** The other capture holds the connection, was running at that time by its own sessions, and not these packets. */
function lacks(t: Session, found: { by: 0 | 1; idle: Duration; firstAt: Instant }): boolean {
  return (
    t.sides[found.by].retransmissions === 0 &&
    t.sides[found.by].segments > 0 &&
    t.sides[found.by].lastDataAt < found.firstAt
  )
}

/** The server answered the other session while these packets had no answer. */
function aliveIn(t: Session, found: { firstAt: Instant; until: Instant }): boolean {
  const at = t.sides[SERVER].lastDataAt
  if (t.mysql === null || t.sides[SERVER].retransmissionsUnanswered > 0) return false
  if (at <= found.until || (t.startAt > found.firstAt && t.startAt < found.until)) return true
  return t.startAt < found.firstAt && t.mysql.longestIdle < found.until - found.firstAt
}

/** Keep-alives refresh what a device on the path remembers: the silence counts from the last one. */
function idleWithKeepAlives(s: Session, command: CommandFact): Duration {
  if (command.idleBefore === 0) return 0
  const kept = Math.max(s.sides[CLIENT].lastKeepAliveAt, s.sides[SERVER].lastKeepAliveAt)
  const quiet = command.at - command.idleBefore
  return kept > quiet && kept < command.at ? command.at - kept : command.idleBefore
}

export const serverName = (s: Session): string => `${productOf(s) ?? 'the server'} ${s.serverIp}`
