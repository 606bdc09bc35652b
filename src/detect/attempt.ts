/**
 * How a connection attempt that led to no login ended: refused, unanswered, given up, stalled, or only a knock. The rules of
 * the handshake family share this reading, so that one attempt is told once. Mechanism only: who closed first, what each
 * side can have known at that moment, who was waiting for whom.
 */
import { CLIENT, SERVER } from '../core/direction.ts'
import { type Duration, type Instant, NS_PER_MS, NS_PER_SECOND } from '../core/time.ts'
import type { ErrorFact, FirstClose, Session } from '../session/session.ts'
import { clientClose } from './client-close.ts'
import type { Fleet } from './fleet.ts'
import { finishedLogin, type Neighbours, neighbours } from './neighbours.ts'

export type Attempt =
  /** RST answered the SYN. */
  | 'refused'
  /** ICMP says that a filter or a closed port refused the SYN. */
  | 'prohibited'
  /** ICMP says that there is no way to the host. */
  | 'unreachable'
  /** No answer to the SYN. */
  | 'unanswered'
  /** SYN-ACK was sent, the client never showed that it had it. */
  | 'unacknowledged'
  /** SYN-ACK came when the client had given up. */
  | 'given-up-connecting'
  /** Accepted, and closed by the accepting side without a byte. */
  | 'closed-without-greeting'
  /** Accepted; the client closed after waiting for a greeting. */
  | 'given-up-on-greeting'
  /** The client closed while it waited for an answer within login or TLS handshake. */
  | 'given-up-on-login'
  /** Logged in, but the connect timer of the driver covers its first command too, and ran out on it. */
  | 'given-up-on-first-command'
  /** The accepting side closed after a silence in an unfinished handshake. */
  | 'stalled'
  /** The client closed without having said anything, at once or having heard the greeting. */
  | 'probe'

/** A close this long after the last word of either side is a timer's, not an answer. The shortest connect_timeout is 2 s. */
const TIMER_AT_LEAST: Duration = 900 * NS_PER_MS
/** A client that stays connected this long without a greeting has waited for one. */
const WAITED: Duration = 400 * NS_PER_MS
/** RFC 6298 2.1: the first retransmission of a SYN comes after a second; so long without one may be patience. */
const UNANSWERED_FOR: Duration = 3 * NS_PER_SECOND
/** ER_NET_READ_ERROR, ER_NET_READ_INTERRUPTED, ER_HANDSHAKE_ERROR: what servers say when their timer has run out. */
const TIMED_OUT_ERRORS = new Set([1158, 1159, 1043])
const REFUSED_ICMP4 = new Set([2, 3, 9, 10, 13])
const REFUSED_ICMP6 = new Set([1, 4, 5, 6])

/** What became of an attempt, null when it led to a login, is still under way, or ended in a way that has its own rule. */
export function attemptOf(s: Session, fleet: Fleet): Attempt | null {
  if (finishedLogin(s)) {
    const close = clientClose(s, fleet)
    return close?.connecting === true && close.reading === 'timeout' ? 'given-up-on-first-command' : null
  }
  // Begun before the capture: what it had come to is unknown.
  if (s.synFrame === 0 && s.mysql?.greeting == null) return null
  const n = neighbours(fleet)
  const first = s.ending.first
  if (s.synFrame > 0 && s.synAckFrame === 0 && s.sides[SERVER].segments <= s.ending.resetCount)
    return withoutAnswer(s, first, n)
  if (hidden(s)) return null
  if (first === null) return unfinished(s, n)
  if (refusedInWords(s, first)) return null
  return first.by === CLIENT ? closedByClient(s, first, fleet, n) : closedByServer(s, first)
}

/** The capture lacks a direction, or bytes: what it does not show may have been said. */
function hidden(s: Session): boolean {
  const [c, v] = s.sides
  return c.segments === 0 || v.segments === 0 || c.lostBytes + v.lostBytes + c.snaplenBytes + v.snaplenBytes > 0
}

/** Nothing but resets came from the server. */
function withoutAnswer(s: Session, first: FirstClose | null, n: Neighbours): Attempt | null {
  if (s.challengeFrame > 0) return null
  if (first !== null && first.by === SERVER && first.how === 'rst') return 'refused'
  const icmp = s.icmpErrors.find((e) => e.about === CLIENT)
  if (icmp !== undefined) {
    const v6 = s.clientIp.includes(':')
    if (icmp.type === (v6 ? 1 : 3))
      return (v6 ? REFUSED_ICMP6 : REFUSED_ICMP4).has(icmp.code)
        ? 'prohibited'
        : icmp.code === 4 && !v6
          ? null
          : 'unreachable'
  }
  // Anything but SYNs shows that answers came and were not captured.
  if (first !== null || s.sides[CLIENT].segments > 1 + s.synRetransmissions) return null
  // A SYN that its sender repeats and repeats had no answer, even if the capture would not show one.
  if (s.synRetransmissions < 2 && !n.hears(s.input)) return null
  // Nor one that is not repeated, where the capture lost frames: its answer may be among them.
  if (s.synRetransmissions === 0 && n.loses(s.input)) return null
  const watched = n.endOf(s.input) - s.sides[CLIENT].lastAt
  return s.synRetransmissions >= 2 || watched >= UNANSWERED_FOR ? 'unanswered' : null
}

/** Open at the end of the capture. */
function unfinished(s: Session, n: Neighbours): Attempt | null {
  const onlySyns = s.synAckFrame > 0 && s.sides[CLIENT].segments === 1 + s.synRetransmissions
  // A client that repeats its SYN does not hear the SYN-ACK; one that falls silent may be a forged address.
  if (!onlySyns || s.synRetransmissions === 0) return null
  return n.endOf(s.input) - s.startAt >= UNANSWERED_FOR ? 'unacknowledged' : null
}

function closedByClient(s: Session, first: FirstClose, fleet: Fleet, n: Neighbours): Attempt | null {
  const front = fleet.frontLeg(s)
  const frontFirst = front?.ending.first
  if (front != null && frontFirst != null && front.startAt < s.startAt && frontFirst.at <= first.at + NS_PER_MS) {
    // A proxy passes on how its front leg, which began earlier, ended.
    const there = finishedLogin(front) ? null : attemptOf(front, fleet)
    if (there !== null) return there
  }
  if (s.sides[CLIENT].bytes === 0) return silentClient(s, first, n)
  if (s.foreign.some((f) => f.dir === CLIENT) || (s.tls?.alerts.length ?? 0) > 0) return null
  const waitsForServer = first.lastClientDataAt > first.lastServerDataAt || !known(s, first, first.lastServerDataAt)
  const patient = first.at - first.lastClientDataAt >= TIMER_AT_LEAST || isConnectTimer(s, first)
  return waitsForServer && patient ? 'given-up-on-login' : null
}

/** The client closed and had not said a word. */
function silentClient(s: Session, first: FirstClose, n: Neighbours): Attempt | null {
  const toServer = Math.max(0, s.handshakeTimes.toServer)
  const slow = s.synRetransmissions > 0 || toServer >= TIMER_AT_LEAST || toServer > 3 * n.usualConnectTime(s.server)
  if (first.how === 'rst' && s.handshakeTimes.toClient < 0 && s.ending.reset?.ackFlag === false) {
    // A bare RST comes from a kernel that has no such socket (RFC 9293 3.10.7.1): its owner has given up, or never had one.
    return (slow && toServer >= WAITED) || (n.speaksMysql(s.clientIp) && toServer >= WAITED)
      ? 'given-up-connecting'
      : 'probe'
  }
  if (s.mysql?.greeting != null && known(s, first, s.mysql.greetingAt)) return 'probe'
  const established = s.startAt + toServer + Math.max(0, s.handshakeTimes.toClient)
  if (s.synAckFrame > 0 && first.at - established >= WAITED) return 'given-up-on-greeting'
  // Its timer may have run out just as the connection stood.
  return slow && toServer >= WAITED && n.speaksMysql(s.clientIp) ? 'given-up-on-greeting' : 'probe'
}

function closedByServer(s: Session, first: FirstClose): Attempt | null {
  if (s.sides[SERVER].bytes === 0)
    return s.sides[CLIENT].bytes === 0 && s.synAckFrame > 0 ? 'closed-without-greeting' : null
  if (s.mysql === null || s.mysql.greeting === null || s.mysql.proxyHeader !== null) return null
  if (s.foreign.some((f) => f.dir === CLIENT)) return null
  // Unanswered repetitions: the network swallowed what the handshake waits for.
  if (s.sides[CLIENT].retransmissionsUnanswered + s.sides[SERVER].retransmissionsUnanswered > 0) return null
  if (s.tls?.alerts.some((a) => a.at < first.at - TIMER_AT_LEAST) === true) return null
  return stallBefore(s, first) >= TIMER_AT_LEAST ? 'stalled' : null
}

/** How long the handshake had not gone on when the accepting side closed, its parting error aside. */
export function stallBefore(s: Session, first: FirstClose): Duration {
  // In a TLS handshake the error stands among the records in clear text: "not TLS".
  const parting = lastWord(s, first) !== null || s.foreign.some((f) => f.dir === SERVER)
  const lastOfServer = parting ? (s.mysql?.greetingAt ?? 0) : first.lastServerDataAt
  return first.at - Math.max(first.lastClientDataAt, lastOfServer, s.startAt)
}

/** An error in the handshake, other than those of a timer, has a rule of its own. */
function refusedInWords(s: Session, first: FirstClose): boolean {
  return (
    s.mysql?.errorFacts.some(
      (e) => (e.phase === 'greeting' || e.phase === 'auth') && e.at <= first.at && !TIMED_OUT_ERRORS.has(e.code),
    ) === true
  )
}

/** The error of a timer that goes with the close, null when there was none. */
export function lastWord(s: Session, first: FirstClose): ErrorFact | null {
  return (
    s.mysql?.errorFacts.find(
      (e) => TIMED_OUT_ERRORS.has(e.code) && e.at <= first.at && first.at - e.at < TIMER_AT_LEAST,
    ) ?? null
  )
}

/** Whether the client can have heard by the time it closed what the capture saw the server say at `at`. */
function known(s: Session, first: FirstClose, at: Instant): boolean {
  return first.at - at >= 0.9 * Math.max(0, s.handshakeTimes.toClient)
}

/** Timers of drivers are whole and half seconds, counted from the SYN, and fire a little late. */
function isConnectTimer(s: Session, first: FirstClose): boolean {
  if (s.synFrame === 0) return false
  const since = first.at - s.startAt
  return since >= TIMER_AT_LEAST && (since + 5 * NS_PER_MS) % (500 * NS_PER_MS) <= 65 * NS_PER_MS
}

/** Attempts that failed for want of a server, as against knocks. */
export const FAILED: ReadonlySet<Attempt> = new Set<Attempt>([
  'refused',
  'prohibited',
  'unreachable',
  'unanswered',
  'unacknowledged',
  'given-up-connecting',
  'closed-without-greeting',
  'given-up-on-greeting',
])

/**
 * The attempt of a proxy behind an unserved front connection that decided its fate: the last one that failed while the front
 * connection lasted. Null when none is seen.
 */
export function behind(s: Session, fleet: Fleet): Session | null {
  const until = s.ending.first?.at ?? s.endAt
  const tries = neighbours(fleet).openedBy(s.serverIp, s.server, s.startAt, until)
  for (let i = tries.length - 1; i >= 0; i--) {
    const t = tries[i]!
    const a = attemptOf(t, fleet)
    if (a !== null && FAILED.has(a)) return t
  }
  return null
}
