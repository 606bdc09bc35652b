/**
 * Left-over TLS errors. OpenSSL keeps a queue of errors per thread; a process that does not empty it after one TLS connection
 * failed takes the old error for the result of its next read on another, healthy one, and closes that (SSL_get_error(3):
 * "the current thread's error queue must be empty before the TLS/SSL I/O operation is attempted").
 *
 * On the wire: a TLS session of the process fails (the trigger). Then the process sends a request on an established TLS
 * connection to a server and closes it itself, sooner than an answer could have come, without COM_QUIT and without an alert.
 * The server answers all the same, and the kernel of the process meets that with RST. What the process was serving goes too.
 */

import { CLIENT, SERVER } from '../core/direction.ts'
import { append } from '../core/multimap.ts'
import { type Duration, type Instant, NS_PER_MS, NS_PER_SECOND } from '../core/time.ts'
import { Command } from '../mysql/commands.ts'
import type { FirstClose, Session } from '../session/session.ts'
import type { Fleet } from './fleet.ts'
import { brokenHandshake, sameHandshake } from './tls-handshake.ts'
import { hiddenByTls } from './tls-hidden.ts'

export interface Trigger {
  session: Session
  at: Instant
  frame: number
  kind: 'handshake' | 'server-close'
}

/** A healthy connection to a server that the process closed right after its own request. */
export interface Victim {
  session: Session
  request: { at: Instant; frame: number }
  close: FirstClose
  /** The latest trigger before it, null when none was seen. */
  trigger: Trigger | null
  /** A frame of the answer that came all the same, 0 when none came: the server was well. */
  answerFrame: number
  /** The same moment's victim before it: the process tried again at once. */
  retryOf: Victim | null
  /** Only asked whether the connection lives (where TLS hides it: by its size): nothing was lost. */
  ping: boolean
}

/** A session that the process was serving and closed with the victim. */
export interface Served {
  session: Session
  close: FirstClose
  request: { at: Instant; frame: number }
  /** Null where the connections to the servers were not captured. */
  victim: Victim | null
  trigger: Trigger | null
}

/** All that happened to one process in one capture. */
export interface ErrorQueue {
  /** Its address. */
  process: string
  /** It accepts connections and serves them by those that it opens. */
  forwards: boolean
  /** It ends some TLS connections by COM_QUIT in plain text, as only ProxySQL does. */
  plainQuits: boolean
  triggers: readonly Trigger[]
  victims: readonly Victim[]
  served: readonly Served[]
}

/** A process that did not wait: no timeout of a client is as short. */
const DID_NOT_WAIT = 5 * NS_PER_MS
/** Old errors do not fade, but the longer ago the failure, the less it can be told from chance. */
export const SOON: Duration = 10 * NS_PER_SECOND
const REMEMBERED: Duration = 300 * NS_PER_SECOND
/** From the close of one victim to the same request on another connection. */
const RETRIED_WITHIN = 5 * NS_PER_MS
/** From a victim's close to that of the session it served. */
const PASSED_ON = 20 * NS_PER_MS
/** Capture points order packets of two connections no better than this. */
const SLACK = NS_PER_MS
/** Failed handshakes, and cuts after different ones of them, that are no chance. */
const CHANCES = 2
/** A process that closes everything at once and says nothing more has ended. */
const LIVES_ON = NS_PER_MS

const cache = new WeakMap<Fleet, ReadonlyMap<Session, { queue: ErrorQueue; part: Victim | Served }>>()

/** What the left-over error of a process did to this session, null when it did nothing. */
export function errorQueueOf(s: Session, fleet: Fleet): { queue: ErrorQueue; part: Victim | Served } | null {
  let found = cache.get(fleet)
  if (found === undefined) {
    found = find(fleet)
    cache.set(fleet, found)
  }
  return found.get(s) ?? null
}

/** All of them, in order of time. */
export function errorQueues(fleet: Fleet): ErrorQueue[] {
  const queues = new Set<ErrorQueue>()
  for (const s of fleet.sessions) {
    const found = errorQueueOf(s, fleet)
    if (found !== null) queues.add(found.queue)
  }
  return [...queues]
}

function find(fleet: Fleet): ReadonlyMap<Session, { queue: ErrorQueue; part: Victim | Served }> {
  const opened = groups(fleet.sessions, (s) => s.clientIp)
  const accepted = groups(fleet.sessions, (s) => s.serverIp)
  const found = new Map<Session, { queue: ErrorQueue; part: Victim | Served }>()
  for (const key of new Set([...opened.keys(), ...accepted.keys()])) {
    const own = opened.get(key) ?? []
    const victims = own.map((s) => victimOf(s, fleet)).filter((v) => v !== null)
    const queue =
      victims.length > 0
        ? queueOf(victims, own, accepted.get(key) ?? [], fleet)
        : own.length === 0
          ? fromInFront(accepted.get(key)!, fleet)
          : null
    if (queue === null) continue
    for (const part of [...queue.served, ...queue.victims]) found.set(part.session, { queue, part })
  }
  return found
}

/** Sessions by capture and address. */
function groups(sessions: readonly Session[], ip: (s: Session) => string): ReadonlyMap<string, Session[]> {
  const map = new Map<string, Session[]>()
  for (const s of sessions) {
    const key = `${s.input} ${ip(s)}`
    append(map, key, s)
  }
  return map
}

/** Closed by its own side right after a request, in TLS of its own, while all was well. */
function victimOf(s: Session, fleet: Fleet): Victim | null {
  const { tls } = s
  const first = s.ending.first
  if (tls === null || tls.handshake === 'failed' || first === null || first.by !== CLIENT || first.unsure) return null
  // Asked before, and answered: it was healthy.
  if (tls.records[SERVER] === 0 || first.lastServerDataFrame === 0) return null
  if (tls.alerts.some((a) => a.by === CLIENT) || tls.plaintext.some((p) => p.by === CLIENT)) return null
  const waited = first.at - first.lastClientDataAt
  const roundTrip = Math.max(0, s.handshakeTimes.toServer) + Math.max(0, s.handshakeTimes.toClient)
  if (first.lastClientDataAt <= 0 || waited > Math.max(DID_NOT_WAIT, roundTrip)) return null
  // Seen from the server's side its answer may come before the close that it crosses on the way.
  const crossed = first.lastClientDataFrame < first.lastServerDataFrame
  if (crossed && waited >= s.handshakeTimes.toClient) return null
  const answered = tls.lastRecordAt[SERVER] > (crossed ? first.lastClientDataAt : first.at)
  // By its size COM_QUIT and COM_PING are one: only the latter is answered.
  const short = first.outstanding === null && !crossed
  if ((short || crossed || s.ending.quit) && !answered) return null
  // Where it can be read, nothing was asked.
  if (short && !hiddenByTls(s)) return null
  if (s.sides[CLIENT].retransmissionsUnanswered > 0) return null
  // Whoever passes TLS through, or was left by its own client, has no error of its own.
  const front = fleet.frontLeg(s)
  const left = front?.ending.first
  if (sameHandshake(s, fleet) !== null || (left != null && left.by === CLIENT && left.at <= first.at)) return null
  return {
    session: s,
    request: { at: first.lastClientDataAt, frame: first.lastClientDataFrame },
    close: first,
    trigger: null,
    answerFrame: answered ? (s.ending.lost?.replyFrame ?? 0) || s.sides[SERVER].lastDataFrame : 0,
    retryOf: null,
    ping: short || first.outstanding?.op === Command.COM_PING,
  }
}

function queueOf(
  found: Victim[],
  own: readonly Session[],
  accepted: readonly Session[],
  fleet: Fleet,
): ErrorQueue | null {
  const process = own[0]!.clientIp
  const triggers = [...own, ...accepted]
    .map((s) => triggerOf(s, s.clientIp === process, fleet))
    .filter((t) => t !== null)
    .sort((a, b) => a.at - b.at)
  const victims = found.sort((a, b) => a.close.at - b.close.at)
  victims.forEach((v, i) => {
    v.trigger = triggers.findLast((t) => t.at <= v.close.at && v.close.at - t.at <= REMEMBERED) ?? null
    const before = victims[i - 1]
    if (before !== undefined && v.request.at >= before.close.at && v.request.at - before.close.at <= RETRIED_WITHIN)
      v.retryOf = before
  })
  if (!livesOn([...own, ...accepted], process, victims.at(-1)!.close.at)) return null
  // One connection of a host that is not seen to serve anybody: a program that died, near some failed handshake by chance.
  if (accepted.length === 0 && victims.length < CHANCES) return null
  // What set it off may lie outside the capture: then only the repetition on connection after connection tells.
  const unseen = accepted.length === 0 && triggers.length === 0 && victims.some((v) => v.retryOf !== null)
  if (!unseen && !victims.some((v) => v.trigger !== null && v.close.at - v.trigger.at <= SOON)) return null
  return {
    process,
    forwards: fleet.isProxy(process),
    plainQuits: own.some((s) => s.tls?.plaintext.some((p) => p.by === CLIENT && p.kind === 'COM_QUIT') === true),
    triggers: triggers.filter((t) => victims.some((v) => v.trigger === t)),
    victims,
    served: servedBy(victims, accepted),
  }
}

/**
 * The same with only the clients of the process in the capture: time and again, right after some handshake with it has broken
 * off, it closes sessions a moment after their requests, without an error.
 */
function fromInFront(accepted: readonly Session[], fleet: Fleet): ErrorQueue | null {
  const process = accepted[0]!.serverIp
  const triggers = accepted
    .map((s) => triggerOf(s, false, fleet))
    .filter((t) => t !== null)
    .sort((a, b) => a.at - b.at)
  if (triggers.length < CHANCES) return null
  const served: Served[] = []
  for (const s of accepted) {
    const cut = cutByProcess(s)
    if (cut === null || cut.close.at - cut.request.at > PASSED_ON) continue
    const trigger = triggers.findLast((t) => t.at <= cut.close.at) ?? null
    // One that nothing went before shows another cause.
    if (trigger === null || cut.close.at - trigger.at > SOON) return null
    served.push({ ...cut, victim: null, trigger })
  }
  const hit = new Set(served.map((x) => x.trigger))
  if (hit.size < CHANCES || !livesOn(accepted, process, Math.max(...served.map((x) => x.close.at)))) return null
  served.sort((a, b) => a.close.at - b.close.at)
  return {
    process,
    forwards: true,
    plainQuits: false,
    triggers: triggers.filter((t) => hit.has(t)),
    victims: [],
    served,
  }
}

/** A TLS session of the process that failed: its handshake broke, or its server went away under a request. */
function triggerOf(s: Session, opened: boolean, fleet: Fleet): Trigger | null {
  if (s.tls === null || sameHandshake(s, fleet) !== null) return null
  const broken = brokenHandshake(s)
  if (broken !== null) return { session: s, at: broken.at, frame: broken.frame, kind: 'handshake' }
  const first = s.ending.first
  if (!opened || first === null || first.by !== SERVER || first.outstanding === null) return null
  return { session: s, at: first.at, frame: first.frame, kind: 'server-close' }
}

/** The process sends something after the last of these closes, or keeps connections open: it had not ended. */
function livesOn(sessions: readonly Session[], process: string, at: Instant): boolean {
  const after = at + LIVES_ON
  return sessions.some(
    (s) =>
      s.startAt > after ||
      s.sides[s.clientIp === process ? CLIENT : SERVER].lastDataAt > after ||
      (s.startAt < at && s.ending.first === null && s.ending.reset === null),
  )
}

/** Sessions that the process was serving: closed by it, a request unanswered, right after the connection that carried it. */
function servedBy(victims: readonly Victim[], accepted: readonly Session[]): Served[] {
  const out: Served[] = []
  for (const s of accepted) {
    const cut = cutByProcess(s)
    if (cut === null) continue
    const { request, close } = cut
    const victim = victims.findLast(
      (v) => v.request.at >= request.at - SLACK && v.close.at <= close.at + SLACK && close.at - v.close.at <= PASSED_ON,
    )
    if (victim !== undefined) out.push({ ...cut, victim, trigger: triggerFor(victim) })
  }
  return out.sort((a, b) => a.close.at - b.close.at)
}

/** Closed by the accepting side under a request, without a word. */
function cutByProcess(s: Session): Pick<Served, 'session' | 'close' | 'request'> | null {
  const first = s.ending.first
  if (first === null || first.by !== SERVER || s.ending.quit || first.unsure) return null
  const request = first.outstanding
  if (request === null || (request.replyFrame > 0 && request.replyAt <= first.at)) return null
  if (s.mysql?.errorFacts.some((e) => e.at >= request.at && e.at <= first.at)) return null
  return { session: s, close: first, request }
}

/** The trigger of a victim, or of the attempt before it. */
export const triggerFor = (v: Victim): Trigger | null => v.trigger ?? v.retryOf?.trigger ?? null

export const isServed = (part: Victim | Served): part is Served => 'victim' in part
