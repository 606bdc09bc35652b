/**
 * The client closed first and without COM_QUIT: what its timing says about why. Three rules share these facts, so that one
 * close is told once: a timer of the application, a process that went away, or a mere lack of manners.
 */
import { CLIENT, SERVER } from '../core/direction.ts'
import { type Duration, NS_PER_MS, NS_PER_SECOND } from '../core/time.ts'
import { Command } from '../mysql/commands.ts'
import type { CommandFact, FirstClose, Session } from '../session/session.ts'
import { pidOf, processes } from './client-process.ts'
import type { Fleet, Kill } from './fleet.ts'
import { hiddenByTls } from './tls-hidden.ts'

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
  /** `waited` sits on a timer-like value; `whole`: on whole seconds, which chance meets half as often. */
  round: boolean
  whole: boolean
  /** Its process, or a program of its name on its host, went on: this session shows it. `pid` when it is the same process id. */
  goesOn: { session: Session; pid: string | null } | null
  /** Another connection of the same address that was given up after the same wait, at another moment. */
  alike: Session | null
  /** RST while no answer was there to be left unread: a deliberate abort. A process that dies leaves FIN to its kernel. */
  aborted: boolean
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
/** Tenths of a second count only when met within a few milliseconds: chance does so one time in eight. */
const TENTH = 100 * NS_PER_MS
const PUNCTUAL = 6 * NS_PER_MS
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
      return first.outstanding === null && !quitHidden(s, first) ? idle(s, first, fleet, front) : null
  }
  const waiting = waitingFor(s, first)
  if (waiting === null) return quitHidden(s, first) ? null : idle(s, first, fleet, front)
  if (answerHidden(s, waiting, first)) return null
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
  const known = processes(fleet)
  const app = front ?? s
  const going = known.goesOn(app, app.ending.first?.at ?? first.at)
  const goesOn = going === null ? null : { session: going, pid: pidOf(app) }
  const alike = waited >= SHORTEST_TIMER ? known.waitedAlike(s, waited, first.at) : null
  const aborted = first.how === 'rst' && waiting.replyFrame === 0
  const exit = together.length > 0 && !sameWait(together, waited) && goesOn?.pid == null
  const timer =
    round ||
    looksLikeTimer(waited, TENTH, PUNCTUAL) ||
    alike !== null ||
    goesOn !== null ||
    known.gaveUpBefore(app, first.at) ||
    (aborted && waited >= SHORTEST_TIMER)
  const reading = kill !== null ? 'timeout' : exit ? 'vanished' : timer ? 'timeout' : 'vanished'
  return {
    first,
    waiting,
    waited,
    connecting,
    kill,
    together,
    round,
    whole: looksLikeTimer(waited, NS_PER_SECOND),
    goesOn,
    alike,
    aborted,
    reading,
    front,
  }
}

function idle(s: Session, first: FirstClose, fleet: Fleet, front: Session | null): ClientClose {
  const together = fleet
    .clientClosesNear(s.clientIp, first.at, SAME_EXIT)
    .filter((t) => t !== s && !t.ending.quit && established(t))
  // An open transaction is rolled back by the server: no orderly program leaves like this.
  const whole = s.sides[CLIENT].lostBytes + s.sides[SERVER].lostBytes === 0
  const reading = first.inTransaction && whole && !fleet.clientIsProxy(s) ? 'vanished' : 'no-quit'
  return {
    first,
    waiting: null,
    waited: 0,
    connecting: false,
    kill: null,
    together,
    round: false,
    whole: false,
    goesOn: null,
    alike: null,
    aborted: false,
    reading,
    front,
  }
}

/** The capture lost bytes between the client’s last word and its close: COM_QUIT, perhaps. */
function quitHidden(s: Session, first: FirstClose): boolean {
  const side = s.sides[CLIENT]
  return side.lostBytes > 0 && side.lostFrame > first.lastClientDataFrame
}

/** The capture lost what either side said behind the command: its answer, or COM_QUIT; or the server had closed before. */
function answerHidden(s: Session, waiting: CommandFact, first: FirstClose): boolean {
  const [c, v] = s.sides
  if ((c.lostBytes > 0 && c.lostFrame > waiting.frame) || (v.lostBytes > 0 && v.lostFrame > waiting.frame)) return true
  return c.lostBytes + v.lostBytes > 0 && v.finFrame > 0 && v.finFrame < first.frame
}

/** The login had been finished, or the session was well under way when the capture began. */
function established(s: Session): boolean {
  if (s.mysql === null) return false
  if (s.mysql.authenticatedFrame > 0) return true
  if (hiddenByTls(s)) return s.tls!.handshake === 'complete' && s.tls!.records[0] > 1 && s.tls!.records[1] > 1
  return s.mysql.greeting === null && s.mysql.commands.total > 0
}

function waitingFor(s: Session, first: FirstClose): CommandFact | null {
  const c = first.outstanding
  if (c === null || STREAMS.has(c.op)) return null
  if (hiddenByTls(s) && c.text === null && first.at - c.at < OPAQUE_PATIENCE) return null
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
function looksLikeTimer(waited: Duration, step: Duration = TIMER_STEP, late: Duration = TIMER_LATE): boolean {
  if (waited < SHORTEST_TIMER) return false
  const early = Math.min(TIMER_EARLY, late)
  return (waited + early) % step <= late + early
}
