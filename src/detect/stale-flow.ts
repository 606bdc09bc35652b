/**
 * Connections whose two ends both think they live while something between them has forgotten the flow: the next packet is
 * answered with RST in the other side's name, or with nothing. Facts shared by middlebox-reset and silent-drop.
 */
import { CLIENT, SERVER } from '../core/direction.ts'
import { append } from '../core/multimap.ts'
import { type Duration, type Instant, NS_PER_SECOND } from '../core/time.ts'
import type { CommandFact, Ending, Session } from '../session/session.ts'
import { productOf } from './describe.ts'
import type { Fleet } from './fleet.ts'
import { neighbours } from './neighbours.ts'
import { onSameHost, serverAfter } from './same-path.ts'
import { otherVantages } from './vantages.ts'

type ResetFact = NonNullable<Ending['reset']>

/** A flow is forgotten after a silence; below this something else ended it. */
export const LONG_SILENCE = 2 * NS_PER_SECOND
/** No device forgets a flow sooner than this; where only large segments vanish, their size is the better reason until then. */
export const FORGETS_AFTER = 5 * NS_PER_SECOND
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
  const idle = idleWithKeepAlives(s, command) || unseenIdle(s, command, fleet)
  const patience = Math.max(AT_ONCE, 4 * Math.max(0, s.handshakeTimes.toServer))
  if (idle < LONG_SILENCE || reset.at - command.at > patience) return null
  // A socket that dies under a request sends RST with ACK; a bare one comes from whoever knows no such connection.
  const odd = oddities(s, reset, command)
  if (reset.ackFlag && odd.length === 0) return null
  const elsewhere =
    otherVantages(s, fleet).find((t) => t.ending.resetCount === 0 && t.sides[SERVER].segments > 0) ?? null
  const quiet = command.at - idle
  const later = serverAfter(s, fleet, counted(s, fleet) ? quiet : Number.POSITIVE_INFINITY)
  if (later === 'restarted' && elsewhere === null) return null
  // The host has lost busy connections too: then it was not this one's silence that made it forget.
  if (busyForgotten(s, fleet, command.at - idle, reset.at)) return null
  return { command, idle, reset, odd, elsewhere, serverWentOn: later === 'restarted' ? null : later }
}

/**
 * A connection to the same address that had just been at work met a bare RST as well, since this one fell silent: the host
 * behind the address is another one (failover), or was restarted.
 */
function busyForgotten(s: Session, fleet: Fleet, from: Instant, until: Instant): boolean {
  return (facts(fleet).busyUnknown.get(s.server) ?? []).some((t) => {
    const at = t.ending.first!.at
    return t.client !== s.client && at >= from && at <= until + NS_PER_SECOND
  })
}

/** What is asked of the whole run for every forgotten flow, gathered once. */
interface RunFacts {
  /** By server endpoint: connections at work that met a bare RST. */
  busyUnknown: Map<string, Session[]>
  /** By endpoint of one capture: begin of the first session whose id jumps back, where several servers share the address. */
  idsJump: Map<string, Instant>
}

const gathered = new WeakMap<Fleet, RunFacts>()

function facts(fleet: Fleet): RunFacts {
  let found = gathered.get(fleet)
  if (found !== undefined) return found
  found = { busyUnknown: new Map(), idsJump: new Map() }
  for (const t of fleet.sessions)
    if (unknownThere(t) && t.ending.lost!.idleBefore < LONG_SILENCE) append(found.busyUnknown, t.server, t)
  for (const all of fleet.endpoints()) {
    let highest = 0
    for (const t of [...all].sort((a, b) => a.startAt - b.startAt)) {
      const id = t.mysql?.greeting?.connectionId ?? 0
      // Greetings may cross.
      if (id > 0 && id < highest - 8) {
        found.idsJump.set(`${t.input} ${t.server}`, t.startAt)
        break
      }
      highest = Math.max(highest, id)
    }
  }
  gathered.set(fleet, found)
  return found
}

/**
 * A request met a bare RST although the accepting side had never closed: no process did that, since a socket that is closed
 * sends FIN, or RST with ACK; a host without such a socket answers like this (RFC 9293 3.10.7.1), and so does a filter.
 */
export function unknownThere(s: Session): boolean {
  const { first, lost, reset } = s.ending
  return (
    first !== null &&
    lost !== null &&
    reset !== null &&
    first.by === SERVER &&
    first.how === 'rst' &&
    reset.frame === first.frame &&
    !reset.ackFlag &&
    !s.ending.quit &&
    !first.unsure &&
    lost.replyFrame === 0 &&
    lost.outcome === 'not-delivered' &&
    lost.at <= reset.at &&
    s.sides[SERVER].finFrame === 0
  )
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

/** Ids counted up until this session began: one server, and no balancer with several behind it. */
function counted(s: Session, fleet: Fleet): boolean {
  return s.startAt < (facts(fleet).idsJump.get(`${s.input} ${s.server}`) ?? Number.POSITIVE_INFINITY)
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
  const request = requestLoss(s, fleet)
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

function requestLoss(s: Session, fleet: Fleet): Omit<SilentLoss, 'elsewhere' | 'others'> | null {
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
  if (side.smallestUnanswered > LARGE && command.idleBefore < FORGETS_AFTER) return null
  return {
    by: CLIENT,
    command,
    idle: idleWithKeepAlives(s, command) || unseenIdle(s, command, fleet),
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

/**
 * Where the answer before was not read: silence since the server’s last bytes; or, when the request is the first packet of this
 * connection in the capture, since the capture began, at least.
 */
function unseenIdle(s: Session, command: CommandFact, fleet: Fleet): Duration {
  const spoke = s.sides[SERVER].lastDataAt
  if (s.sides[SERVER].bytes > 0 && spoke > 0 && spoke < command.at) return command.at - spoke
  return s.synFrame === 0 && s.firstFrame === command.frame ? command.at - neighbours(fleet).beginOf(s.input) : 0
}

export const serverName = (s: Session): string => `${productOf(s) ?? 'the server'} ${s.serverIp}`
