/**
 * Ends of a whole server process, as its connections show them: everything that it had open is closed in one burst (or in
 * sequence, when it is told to stop), nothing survives, and then its port refuses or a new process answers whose connection
 * ids begin anew. On one connection KILL, a crash and a shutdown look alike; only the fleet tells.
 */

import { CLIENT, SERVER } from '../core/direction.ts'
import { type Duration, type Instant, NS_PER_MS, NS_PER_SECOND } from '../core/time.ts'
import type { ErrorFact, Session } from '../session/session.ts'
import type { Fleet } from './fleet.ts'
import { hiddenByTls } from './tls-hidden.ts'

export interface ProcessEnd {
  /** ip:port of the accepting side. */
  endpoint: string
  /** Sessions that it cut, in order of time. */
  closed: readonly Session[]
  from: Instant
  until: Instant
  /** Attempts that were refused after (or during) it, until the endpoint answered again. */
  refused: readonly Session[]
  /** First session afterwards whose connection id is lower than those of sessions it cut: a new process. */
  restart: Session | null
  /** An answer that speaks of shutdown (1053, 1077), with its session. */
  named: { error: ErrorFact; session: Session } | null
  /** The session that told it to stop (SHUTDOWN), null when none was seen. */
  asked: Session | null
  /** What shows that it was told to stop; null for an end at once. */
  orderly: 'asked' | 'named' | 'refused-first' | 'in-sequence' | null
}

/** ER_SERVER_SHUTDOWN, ER_NORMAL_SHUTDOWN, ER_SHUTDOWN_COMPLETE. */
const SHUTDOWN = new Set([1053, 1077, 1079])
/** ER_CONNECTION_KILLED: what MariaDB says at its shutdown to those whose statement it interrupts. */
const KILLED = 1927
/** A kernel closes the sockets of a dead process in one go; the network between spreads it. */
const BURST = 20 * NS_PER_MS
/** From the last answer to the close that belongs to it. */
const AT_ONCE = 5 * NS_PER_MS
/** What a process that is told to stop may take from its first close to its last. */
const WIND_UP = 60 * NS_PER_SECOND
/** A refusal this long after the closes still belongs to them. */
const REFUSED_WITHIN = 10 * NS_PER_SECOND
/** A restart shows when somebody comes back. */
const RESTART_WITHIN = 300 * NS_PER_SECOND
/** Idle times this equal are a timer's work. */
const SAME_TIMER = 100 * NS_PER_MS
const TRACED_WITHIN = 2 * NS_PER_SECOND
/** A proxy hands a request on within this time. */
const HANDED_ON = 20 * NS_PER_MS

const cache = new WeakMap<Fleet, Map<Session, ProcessEnd>>()

/** The end of the accepting process that cut this session, null when there was none. */
export function processEndOf(s: Session, fleet: Fleet): ProcessEnd | null {
  return endsOf(fleet).get(s) ?? null
}

/**
 * The leg towards the server whose process end cost this front leg its command, where a proxy stands between: by the
 * joined leg, or (proxies that multiplex) by the request that left the proxy right after it came.
 */
export function tracedEnd(s: Session, fleet: Fleet): { end: ProcessEnd; back: Session } | null {
  const first = s.ending.first
  if (first === null || first.by !== SERVER || s.ending.quit) return null
  const ends = endsOf(fleet)
  const joined = fleet.backLeg(s)
  if (joined !== null) {
    const end = ends.get(joined)
    return end === undefined || joined.ending.first!.at > first.at + NS_PER_MS ? null : { end, back: joined }
  }
  const request = s.ending.lost
  if (request === null) return null
  for (const [back, end] of ends) {
    if (
      back.clientIp !== s.serverIp ||
      back.input !== s.input ||
      first.at < end.from ||
      first.at - end.until > TRACED_WITHIN
    )
      continue
    const carried = back.ending.lost
    if (carried !== null && carried.at >= request.at && carried.at - request.at <= HANDED_ON) return { end, back }
  }
  return null
}

function endsOf(fleet: Fleet): Map<Session, ProcessEnd> {
  const known = cache.get(fleet)
  if (known !== undefined) return known
  const found = new Map<Session, ProcessEnd>()
  const askers = fleet.sessions.filter((s) => s.mysql?.shutdown != null)
  for (const sessions of fleet.endpoints())
    for (const end of endsAt(sessions, askers)) for (const s of end.closed) found.set(s, end)
  cache.set(fleet, found)
  return found
}

/** The sessions of one endpoint in the orders that the questions below need; indexes keep large captures linear. */
interface Endpoint {
  /** By begin. `heard[i]`: the latest that any of the first i+1, which it did not cut, heard from the server. */
  sessions: readonly Session[]
  heard: readonly Instant[]
  /** Those it greeted, by begin. */
  greeted: readonly Session[]
  /** Those it cut, by close. */
  cut: readonly Session[]
  refusals: readonly Session[]
  /** It said somewhere that it was shutting down. */
  named: boolean
  /** Sessions that told this server to stop. */
  askers: readonly Session[]
}

function endpointOf(all: readonly Session[], shutdowns: readonly Session[]): Endpoint | null {
  const cut = all.filter(cutByServer).sort((a, b) => a.ending.first!.at - b.ending.first!.at)
  if (cut.length === 0) return null
  const sessions = [...all].sort((a, b) => a.startAt - b.startAt)
  const among = new Set(cut)
  let latest = Number.NEGATIVE_INFINITY
  const heard = sessions.map((s) => {
    if (s.mysql !== null && !among.has(s)) latest = Math.max(latest, s.sides[SERVER].lastDataAt)
    return latest
  })
  const greeted = sessions.filter((s) => s.mysql?.greeting != null)
  const askers = shutdowns.filter((s) => s.serverIp === all[0]!.serverIp)
  return {
    sessions,
    heard,
    greeted,
    cut,
    refusals: sessions.filter(refused),
    named: shutdownNamed(cut) !== null,
    askers,
  }
}

function endsAt(all: readonly Session[], shutdowns: readonly Session[]): ProcessEnd[] {
  const e = endpointOf(all, shutdowns)
  if (e === null) return []
  const { cut } = e
  const out: ProcessEnd[] = []
  for (let i = 0; i < cut.length; ) {
    const next = burstEnd(cut, i)
    const end = woundUp(e, i, next) ?? judge(e, i, next)
    if (end !== null) out.push(end)
    i += end === null ? next - i : end.closed.length
  }
  return out
}

function burstEnd(cut: readonly Session[], from: number): number {
  let i = from + 1
  while (i < cut.length && cut[i]!.ending.first!.at - cut[i - 1]!.ending.first!.at <= BURST) i++
  return i
}

/**
 * A process that is told to stop lets some go before others: everything that it cut from here on until it greets again, if
 * it said so or refused newcomers meanwhile. Closes that merely follow each other may be timers.
 */
function woundUp(e: Endpoint, from: number, burst: number): ProcessEnd | null {
  if (!e.named && e.refusals.length === 0 && e.askers.length === 0) return null
  const begin = e.cut[from]!.ending.first!.at
  const limit = Math.min(nextGreeting(e, begin)?.startAt ?? Number.POSITIVE_INFINITY, begin + WIND_UP)
  let i = from + 1
  while (i < e.cut.length && e.cut[i]!.ending.first!.at < limit) i++
  if (i === burst) return null
  const end = judge(e, from, i)
  // MySQL ends running statements with an answer and closes; it lets idle connections live for two seconds more.
  if (end?.orderly === 'in-sequence' && e.cut.slice(from, burst).some(answeredThenClosed)) return end
  return end?.orderly === 'named' || end?.orderly === 'asked' || end?.orderly === 'refused-first' ? end : null
}

/** The server closed right behind an answer of its own, and nobody had said COM_QUIT: neither a timer nor a death. */
function answeredThenClosed(s: Session): boolean {
  const first = s.ending.first!
  return (
    first.outstanding === null &&
    first.lastServerDataAt > first.lastClientDataAt &&
    first.at - first.lastServerDataAt < AT_ONCE
  )
}

/** Whether cut[begin, behind) are what a process that ended left behind. */
function judge(e: Endpoint, begin: number, behind: number): ProcessEnd | null {
  const closed = e.cut.slice(begin, behind)
  const from = closed[0]!.ending.first!.at
  const until = closed.at(-1)!.ending.first!.at
  if (servedOn(e, behind, from, until)) return null
  const again = nextGreeting(e, until)
  const answered = again?.startAt ?? Number.POSITIVE_INFINITY
  const refusedThen = e.refusals.filter(
    (r) => r.startAt > from && r.startAt < answered && r.startAt - until <= REFUSED_WITHIN,
  )
  const restart = again !== null && answered - until <= RESTART_WITHIN && idsBeginAnew(e, closed, again) ? again : null
  const named = shutdownNamed(closed)
  const asked =
    e.askers.findLast((s) => s.mysql!.shutdown!.at <= from && from - s.mysql!.shutdown!.at <= WIND_UP) ?? null
  const allIdle = closed.every((s) => s.ending.first!.outstanding === null)
  const idle = spread(closed.map((s) => s.ending.first!.silence))
  if (allIdle && idle < SAME_TIMER && closed.length > 1 && refusedThen.length === 0 && named === null && asked === null)
    return null
  const proven =
    asked !== null ||
    refusedThen.length > 0 ||
    restart !== null ||
    (named !== null && (closed.length > 1 || again === null))
  // Without any of these: only connections in different states, cut at once, and nobody greeted again.
  const mixed = closed.length > 2 && until - from <= BURST && !allIdle && idle > SAME_TIMER && again === null
  if (!proven && !mixed) return null
  // One connection that was idle, and a refusal later: its own timer may have closed it before.
  if (
    closed.length === 1 &&
    allIdle &&
    restart === null &&
    named === null &&
    asked === null &&
    refusedThen[0]!.startAt - until > NS_PER_SECOND
  )
    return null
  const farewell = named ?? (closed.length > 1 ? said(closed, KILLED) : null)
  const orderly = asked !== null ? 'asked' : orderOf(closed, from, until, refusedThen, farewell !== null)
  return {
    endpoint: closed[0]!.server,
    closed,
    from,
    until,
    refused: refusedThen,
    restart,
    named: farewell,
    asked,
    orderly,
  }
}

/** Whoever had been there before and hears the server afterwards was not served by a process that ended. */
function servedOn(e: Endpoint, behind: number, from: Instant, until: Instant): boolean {
  const before = firstAfter(e.sessions, from) - 1
  if (before >= 0 && e.heard[before]! > until + NS_PER_MS) return true
  for (let i = behind; i < e.cut.length; i++) {
    const s = e.cut[i]!
    if (s.startAt < from && s.sides[SERVER].lastDataAt > until + NS_PER_MS) return true
  }
  return false
}

/** Index of the first session that began at `at` or later. */
function firstAfter(sessions: readonly Session[], at: Instant): number {
  let low = 0
  let high = sessions.length
  while (low < high) {
    const mid = (low + high) >> 1
    if (sessions[mid]!.startAt < at) low = mid + 1
    else high = mid
  }
  return low
}

function orderOf(
  closed: readonly Session[],
  from: Instant,
  until: Instant,
  refusedThen: readonly Session[],
  named: boolean,
): ProcessEnd['orderly'] {
  if (named) return 'named'
  if (refusedThen.some((r) => r.startAt < until)) return 'refused-first'
  const roundTrip = Math.max(BURST, ...closed.map((s) => s.handshakeTimes.toServer + s.handshakeTimes.toClient))
  return until - from > roundTrip ? 'in-sequence' : null
}

/** Closed first by the accepting side, in a session that had begun, and for no reason that the server named otherwise. */
function cutByServer(s: Session): boolean {
  const first = s.ending.first
  if (first === null || first.by !== SERVER || s.ending.quit || !begun(s)) return false
  const e = s.mysql!.errorFacts.at(-1)
  if (first.unsure && (e === undefined || !SHUTDOWN.has(e.code))) return false
  return (
    e === undefined ||
    e.phase === 'reply' ||
    e.at > first.at ||
    first.at - e.at > NS_PER_SECOND ||
    SHUTDOWN.has(e.code) ||
    e.code === KILLED
  )
}

function begun(s: Session): boolean {
  if (s.mysql === null) return false
  return (
    s.mysql.authenticatedFrame > 0 || s.mysql.commands.total > 0 || (hiddenByTls(s) && s.tls!.handshake === 'complete')
  )
}

/** SYN answered by RST. */
const refused = (s: Session): boolean =>
  s.synFrame > 0 &&
  s.synAckFrame === 0 &&
  s.ending.first?.by === SERVER &&
  s.ending.first.how === 'rst' &&
  s.sides[CLIENT].bytes === 0

const nextGreeting = (e: Endpoint, after: Instant): Session | null =>
  e.greeted[firstAfter(e.greeted, after + 1)] ?? null

/** Connection ids count up while a process lives (manual: CONNECTION_ID()); some slack, as greetings may cross. */
function idsBeginAnew(e: Endpoint, closed: readonly Session[], again: Session): boolean {
  const id = again.mysql!.greeting!.connectionId
  const before = closed.map((s) => s.mysql?.greeting?.connectionId ?? 0).filter((x) => x > 0)
  if (id === 0 || before.length === 0 || id >= Math.min(...before)) return false
  // An address with several servers behind it gives ids that jump all the time.
  const from = closed[0]!.ending.first!.at
  let highest = 0
  for (const s of e.greeted) {
    if (s.startAt >= from) break
    const x = s.mysql!.greeting!.connectionId
    if (x === 0) continue
    if (x < highest - 8) return false
    highest = Math.max(highest, x)
  }
  return true
}

const shutdownNamed = (closed: readonly Session[]): ProcessEnd['named'] => said(closed, ...SHUTDOWN)

function said(closed: readonly Session[], ...codes: readonly number[]): ProcessEnd['named'] {
  for (const session of closed) {
    const error = session.mysql!.errorFacts.findLast((e) => codes.includes(e.code))
    if (error !== undefined && Math.abs(session.ending.first!.at - error.at) <= NS_PER_SECOND) return { error, session }
  }
  return null
}

const spread = (values: readonly Duration[]): Duration => Math.max(...values) - Math.min(...values)
