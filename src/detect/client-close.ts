/**
 * The client closed first and without COM_QUIT: what its timing says about why. Three rules share these facts, so that one
 * close is told once: a timer of the application, a process that went away, or a mere lack of manners.
 */
import { CLIENT, SERVER } from '../core/direction.ts'
import { type Duration, NS_PER_MS, NS_PER_SECOND } from '../core/time.ts'
import { Command } from '../mysql/commands.ts'
import type { CommandFact, FirstClose, Session } from '../session/session.ts'
import type { Fleet, Kill } from './fleet.ts'

export interface ClientClose {
  first: FirstClose
  /** The command whose answer the client did not wait for, null when it was idle. */
  waiting: CommandFact | null
  /** How long it had waited: since the command, or since the connection began when that is the timer. */
  waited: Duration
  connecting: boolean
  /** The client's own KILL for this connection, from another connection. */
  kill: Kill | null
  /** Other sessions of the same client address that closed in the same moment without COM_QUIT. */
  together: readonly Session[]
  /** `waited` sits on a timer-like value. */
  round: boolean
  /** 'timeout', 'vanished' or 'no-quit': the best reading of the above. */
  reading: 'timeout' | 'vanished' | 'no-quit'
  /** Leg towards the application when this one is a proxy's server leg: the close began there. */
  front: Session | null
}

/** Sockets of one process are closed by its kernel within this time. */
const SAME_EXIT = 20 * NS_PER_MS
/** Timers are set in whole multiples of this, and fire late rather than early. */
const TIMER_STEP = 500 * NS_PER_MS
const TIMER_EARLY = 5 * NS_PER_MS
const TIMER_LATE = 60 * NS_PER_MS
/** Below this a close does not look like a timer at all. */
const SHORTEST_TIMER = 400 * NS_PER_MS
const KILL_WITHIN = 2 * NS_PER_SECOND
/** A request in TLS without an answer for so short a time may be one that has none (COM_STMT_CLOSE). */
const OPAQUE_PATIENCE = 100 * NS_PER_MS
/** Repetitions of an answer that nobody acknowledges: once may be a client that has just gone. */
const UNREACHED = 2
const PROXY_FOLLOWS = 50 * NS_PER_MS

/** A replica reads the binary log until it stops: the end of the stream is no answer that somebody waited for. */
export const STREAMS: ReadonlySet<number> = new Set([Command.COM_BINLOG_DUMP, Command.COM_BINLOG_DUMP_GTID])

/** Facts of a close by the client without COM_QUIT; null when the session did not end so. */
export function clientClose(s: Session, fleet: Fleet): ClientClose | null {
  const first = s.ending.first
  if (first === null || first.by !== CLIENT || s.ending.quit || first.unsure || !established(s)) return null
  const front = fleet.frontLeg(s)
  if (fleet.clientIsProxy(s)) {
    // A proxy that closes its server leg follows its client, or acts by itself: only the first is the application's doing.
    const left = front?.ending.first
    if (left == null || left.by !== CLIENT || left.at > first.at || first.at - left.at > PROXY_FOLLOWS)
      return first.outstanding === null ? idle(s, first, fleet, front) : null
  }
  const waiting = waitingFor(s, first)
  if (waiting === null) return idle(s, first, fleet, front)
  // Bytes that the capture lost are not missing from the request.
  if (!waiting.complete && s.sides[CLIENT].lostBytes > 0) return null
  // A request that the network swallowed was lost before the client gave up.
  if (waiting.outcome === 'not-delivered' && s.sides[CLIENT].retransmissionsUnanswered > 0) return null
  // The client still closes, but its answers, sent again and again, do not reach it: the path is at fault.
  if (s.sides[SERVER].retransmissionsUnanswered >= UNREACHED && waiting.replyFrame > 0) return null
  // A connect timeout may cover the first command, which drivers send by themselves: then it counts from the SYN.
  const connecting =
    s.synFrame > 0 &&
    s.mysql!.commands.total === 1 &&
    looksLikeTimer(first.at - s.startAt) &&
    !looksLikeTimer(first.at - waiting.at)
  const waited = connecting ? first.at - s.startAt : first.at - waiting.at
  const id = s.mysql?.greeting?.connectionId ?? 0
  const clientIp = front?.clientIp ?? s.clientIp
  const kill =
    id === 0
      ? null
      : (fleet
          .kills(id)
          .find((k) => k.by !== s && k.by.clientIp === clientIp && Math.abs(k.at - first.at) <= KILL_WITHIN) ?? null)
  const together = fleet
    .clientClosesNear(s.clientIp, first.at, SAME_EXIT)
    .filter((t) => t !== s && !t.ending.quit && established(t))
  const round = looksLikeTimer(waited)
  const reading =
    kill !== null
      ? 'timeout'
      : together.length > 0 && !sameWait(together, waited)
        ? 'vanished'
        : round
          ? 'timeout'
          : 'vanished'
  return { first, waiting, waited, connecting, kill, together, round, reading, front }
}

function idle(s: Session, first: FirstClose, fleet: Fleet, front: Session | null): ClientClose {
  const together = fleet
    .clientClosesNear(s.clientIp, first.at, SAME_EXIT)
    .filter((t) => t !== s && !t.ending.quit && established(t))
  // An open transaction is rolled back by the server: no orderly program leaves like this.
  const reading = first.inTransaction && !fleet.clientIsProxy(s) ? 'vanished' : 'no-quit'
  return { first, waiting: null, waited: 0, connecting: false, kill: null, together, round: false, reading, front }
}

/** The login had been finished, or the session was well under way when the capture began. */
function established(s: Session): boolean {
  if (s.mysql === null) return false
  if (s.mysql.authenticatedFrame > 0) return true
  if (s.tls !== null) return s.tls.handshake === 'complete' && s.tls.records[0] > 1 && s.tls.records[1] > 1
  return s.mysql.greeting === null && s.mysql.commands.total > 0
}

function waitingFor(s: Session, first: FirstClose): CommandFact | null {
  const c = first.outstanding
  if (c === null || STREAMS.has(c.op)) return null
  if (s.tls !== null && c.text === null && first.at - c.at < OPAQUE_PATIENCE) return null
  return c
}

/** Others that left in the same moment after the same wait share a timer rather than an exit. */
function sameWait(together: readonly Session[], waited: Duration): boolean {
  return together.every((t) => {
    const c = t.ending.first?.outstanding
    return c != null && Math.abs(t.ending.first!.at - c.at - waited) < TIMER_LATE
  })
}

/** Timers are set to round values: whole and half seconds. A process that dies does so at any time. */
function looksLikeTimer(waited: Duration): boolean {
  if (waited < SHORTEST_TIMER) return false
  const over = (waited + TIMER_EARLY) % TIMER_STEP
  return over <= TIMER_LATE + TIMER_EARLY
}
