/**
 * Which log lines tell of which session: by the client's address and port, by connection id, by what the same log said earlier
 * of the same pooled connection, at last by statement and time. Ports and ids repeat, so the time must fit as well.
 */
import { type Duration, type Instant, NS_PER_MS, NS_PER_SECOND } from '../core/time.ts'
import type { LogEvent } from '../logs/event.ts'
import type { Session } from '../session/session.ts'
import { endpointKey, parseEndpoint } from './endpoint.ts'

/** A line may be stamped this much before what the packets show. */
const EARLY: Duration = 1 * NS_PER_SECOND
/** Servers and proxies tell of an end soon; an application may find a connection dead long afterwards. */
const LATE: Duration = 60 * NS_PER_SECOND
const LATE_APPLICATION: Duration = 12 * 3600 * NS_PER_SECOND
/** From a statement to the line that quotes it. */
const QUOTED_WITHIN: Duration = 1 * NS_PER_SECOND
/** A proxy that opens and closes both legs together does so within this. */
const WITH_IT: Duration = 20 * NS_PER_MS
const OPENED_AFTER: Duration = 100 * NS_PER_MS
/** Statements shorter than this are said everywhere. */
const TELLING = 12
/** Statements are compared by so much of their begin. */
const COMPARED = 120

const NONE: readonly never[] = []

/** How many lines of an input tell of a connection, and of how many the connection was found. */
export interface Joined {
  about: number
  joined: number
}

export class LogIndex {
  /** In order of time; events without a time come where their log has them. */
  readonly events: readonly LogEvent[]
  private readonly timed: readonly LogEvent[]
  private readonly bySession = new Map<Session, LogEvent[]>()
  private readonly byEvent = new Map<LogEvent, Session[]>()
  private readonly counts = new Map<string, Joined>()
  private readonly byClient = new Map<string, Session[]>()
  private readonly byPort = new Map<number, Session[]>()
  private readonly byId = new Map<number, Session[]>()
  private readonly byText = new Map<string, Session[]>()
  private readonly hosts = new Set<string>()
  /** Sessions whose begin was captured, in order of time. */
  private readonly opened: Session[] = []
  private readonly isProxy: (ip: string) => boolean
  /** The server whose log an input is, by what most of its ids fit. */
  private readonly owners = new Map<string, string>()
  /** What a log has said of its pooled connections so far. */
  private readonly aliases = new Map<string, { id: number | null; client: string | null }>()

  constructor(events: readonly LogEvent[], sessions: readonly Session[], isProxy: (ip: string) => boolean) {
    this.isProxy = isProxy
    this.events = inOrder(events)
    this.timed = this.events.filter((e) => e.at !== null)
    if (events.length === 0) return
    for (const s of [...sessions].sort((a, b) => a.startAt - b.startAt)) {
      push(this.byClient, s.client, s)
      this.hosts.add(s.clientIp)
      if (s.synFrame > 0) this.opened.push(s)
      push(this.byPort, Number(s.client.slice(s.client.lastIndexOf(':') + 1)), s)
      const id = s.mysql?.greeting?.connectionId ?? 0
      if (id > 0) push(this.byId, id, s)
      const text = s.ending.lost?.text
      if (text != null) push(this.byText, compared(text), s)
    }
    this.findOwners()
    tellVersions(this.events)
    for (const e of this.events) this.join(e)
  }

  /** Lines that tell of this session, in order of time. */
  of(s: Session): readonly LogEvent[] {
    return this.bySession.get(s) ?? NONE
  }

  /** Sessions of which a line tells: one per capture that shows the connection. */
  sessionsOf(e: LogEvent): readonly Session[] {
    return this.byEvent.get(e) ?? NONE
  }

  /** Of an input. */
  joinedOf(input: string): Joined {
    return this.counts.get(input) ?? { about: 0, joined: 0 }
  }

  /** Events between two moments, those that have a time. */
  between(from: Instant, to: Instant): readonly LogEvent[] {
    let low = 0
    let high = this.timed.length
    while (low < high) {
      const mid = (low + high) >> 1
      if (this.timed[mid]!.at! < from) low = mid + 1
      else high = mid
    }
    let end = low
    while (end < this.timed.length && this.timed[end]!.at! <= to) end++
    return this.timed.slice(low, end)
  }

  /** The line names a connection, by port, id or the pool's own name for it. */
  isAbout(e: LogEvent): boolean {
    return (
      (parseEndpoint(e.client)?.port ?? 0) > 0 ||
      (e.connectionId !== null && e.connectionId > 0) ||
      e.frontId !== null ||
      e.poolConnection !== null
    )
  }

  private join(e: LogEvent): void {
    this.learn(e)
    const known = this.aliasOf(e)
    const client = e.client ?? known?.client ?? null
    const id = e.connectionId ?? known?.id ?? null
    const about = this.isAbout(e)
    const found = this.find(e, client, id)
    if (about || found.length > 0) {
      const count = this.counts.get(e.input) ?? { about: 0, joined: 0 }
      count.about++
      if (found.length > 0) count.joined++
      this.counts.set(e.input, count)
    }
    if (found.length === 0) return
    this.byEvent.set(e, found)
    for (const s of found) push(this.bySession, s, e)
  }

  private find(e: LogEvent, client: string | null, id: number | null): Session[] {
    const key = endpointKey(client)
    if (key !== null) {
      const found = this.fitting(this.byClient.get(key) ?? NONE, e)
      if (found.length > 0) return found
    } else {
      // A host name says nothing, its port does, together with the id or as the only one open at that time.
      const port = parseEndpoint(client)?.port ?? 0
      const found = port === 0 ? [] : this.fitting(this.byPort.get(port) ?? NONE, e)
      const same = id === null ? found : found.filter((s) => (s.mysql?.greeting?.connectionId ?? id) === id)
      if (same.length > 0 && same.every((s) => s.client === same[0]!.client)) return same
    }
    if (e.frontId !== null) {
      const found = this.fitting(this.byId.get(e.frontId) ?? NONE, e).filter((s) => this.isProxy(s.serverIp))
      if (found.length > 0) return found
    }
    if (id !== null && id > 0) {
      const found = this.byIdOf(e, id)
      if (found.length > 0) return found
    }
    if (key !== null && e.startAt !== null) return this.byTimes(e)
    return key === null && id === null ? this.byStatement(e) : []
  }

  /**
   * The proxy's line about a client that no capture shows: the leg towards the server, where that alone was captured, opens right
   * after the client was accepted and ends with it. Only when exactly one connection does.
   */
  private byTimes(e: LogEvent): Session[] {
    if (e.at === null || e.role !== 'proxy' || this.hosts.has(parseEndpoint(e.client)!.host)) return []
    const found: Session[] = []
    for (let i = firstFrom(this.opened, e.startAt! - WITH_IT - e.precision); i < this.opened.length; i++) {
      const s = this.opened[i]!
      if (s.startAt > e.startAt! + OPENED_AFTER) break
      const end = s.ending.first?.at
      if (end !== undefined && Math.abs(end - e.at) <= WITH_IT + e.precision) found.push(s)
    }
    return found.length === 1 ? found : []
  }

  private byIdOf(e: LogEvent, id: number): Session[] {
    const owner = this.owners.get(e.input)
    const all = (this.byId.get(id) ?? NONE).filter(
      (s) => owner === undefined || s.server === owner || this.isProxy(s.serverIp),
    )
    // A proxy that passes the greeting on gives both of its legs the same id: the writer knows the one that ends at it.
    const towardsServer = e.role === 'server' || e.role === 'proxy'
    const near = all.filter((s) => (towardsServer ? !this.isProxy(s.serverIp) : !this.isProxy(s.clientIp)))
    return this.fitting(near.length > 0 ? near : all, e)
  }

  /** Of sessions with the same key, one per capture: that whose time fits best. */
  private fitting(list: readonly Session[], e: LogEvent): Session[] {
    const server = parseEndpoint(e.server)
    const best = new Map<string, { session: Session; distance: number }>()
    for (const s of list) {
      if (server !== null && !serverFits(server, s)) continue
      const distance = distanceOf(s, e)
      if (distance === null) continue
      const known = best.get(s.input)
      // Of equal ones the later: it has taken the key over.
      if (known === undefined || distance <= known.distance) best.set(s.input, { session: s, distance })
    }
    const found = [...best.values()].map((b) => b.session)
    // Without a time only what is the only one is certain.
    if (e.at === null && list.length > found.length) return []
    return found
  }

  /** The lost statement that the line quotes, where exactly one connection lost it then. */
  private byStatement(e: LogEvent): Session[] {
    if (e.statement === null || e.at === null || e.statement.trim().length < TELLING) return []
    const near = (this.byText.get(compared(e.statement)) ?? NONE).filter((s) => {
      const sent = s.ending.lost!.at
      return e.at! >= sent - EARLY && e.at! <= Math.max(sent, s.endAt) + QUOTED_WITHIN + e.precision
    })
    const front = near.filter((s) => !this.isProxy(s.clientIp))
    const own = e.role === 'pool' || e.role === 'driver' ? front : near
    return own.length > 0 && own.every((s) => s.client === own[0]!.client) ? own : []
  }

  private learn(e: LogEvent): void {
    if (e.poolConnection !== null && (e.connectionId !== null || e.client !== null)) {
      const key = poolKey(e)
      const before = this.aliases.get(key)
      this.aliases.set(key, { id: e.connectionId ?? before?.id ?? null, client: e.client ?? before?.client ?? null })
    }
    // A line with id and port lets later ones with the id alone find the port: the login may be outside the capture.
    if (e.connectionId !== null && e.client !== null && (e.role === 'pool' || e.role === 'driver'))
      this.aliases.set(`${e.input} #${e.connectionId}`, { id: e.connectionId, client: e.client })
  }

  private aliasOf(e: LogEvent): { id: number | null; client: string | null } | undefined {
    if (e.poolConnection !== null) {
      const known = this.aliases.get(poolKey(e))
      if (known !== undefined) return known
    }
    return e.connectionId === null ? undefined : this.aliases.get(`${e.input} #${e.connectionId}`)
  }

  /** Several servers count their connections from 1: the log of one fits that one best. */
  private findOwners(): void {
    const votes = new Map<string, Map<string, number>>()
    for (const e of this.events) {
      if (e.role !== 'server' || e.connectionId === null || e.connectionId === 0) continue
      const seen = new Set<string>()
      for (const s of this.byId.get(e.connectionId) ?? NONE) {
        if (this.isProxy(s.serverIp) || distanceOf(s, e) === null || distanceOf(s, e)! > LATE) continue
        seen.add(s.server)
      }
      for (const server of seen) {
        const of = votes.get(e.input) ?? new Map<string, number>()
        of.set(server, (of.get(server) ?? 0) + 1)
        votes.set(e.input, of)
      }
    }
    for (const [input, of] of votes) {
      const ranked = [...of].sort((a, b) => b[1] - a[1])
      if (ranked.length === 1 || ranked[0]![1] > ranked[1]![1]) this.owners.set(input, ranked[0]![0])
    }
  }
}

/** How far the line is from the session's life, 0 within; null when it cannot be about it. */
function distanceOf(s: Session, e: LogEvent): Duration | null {
  if (e.at === null) return 0
  const early = EARLY + e.precision
  if (e.startAt !== null) {
    const apart = Math.abs(e.startAt - s.startAt)
    return s.synFrame === 0 ? (e.at >= s.startAt - early ? 0 : null) : apart <= early ? apart : null
  }
  if (e.at < s.startAt - early) return null
  if (s.ending.first === null || e.at <= s.endAt) return 0
  const late = e.role === 'pool' || e.role === 'driver' ? LATE_APPLICATION : LATE
  return e.at - s.endAt <= late + e.precision ? e.at - s.endAt : null
}

/** The server named by the line is, or may be, the session's. Names are not resolved: then only the port speaks. */
function serverFits(server: { host: string; port: number; isAddress: boolean }, s: Session): boolean {
  if (server.port !== 0 && server.port !== s.serverPort) return false
  return !server.isAddress || server.host === s.serverIp
}

/** A process says its version once, when it starts; its later lines are of the same. */
function tellVersions(events: readonly LogEvent[]): void {
  const told = new Map<string, string>()
  for (const e of events) {
    const key = `${e.input} ${e.product}`
    if (e.version !== null) told.set(key, e.version)
    else e.version = told.get(key) ?? null
  }
}

/** The pool's own name for the connection, as far as it is one: pools of several services may write one log. */
const poolKey = (e: LogEvent): string => `${e.input} ${e.pool ?? ''} ${e.poolConnection}`

const compared = (text: string): string => text.replace(/\s+/g, ' ').trim().slice(0, COMPARED).toLowerCase()

/** Index of the first that began at `at` or later. */
function firstFrom(list: readonly Session[], at: Instant): number {
  let low = 0
  let high = list.length
  while (low < high) {
    const mid = (low + high) >> 1
    if (list[mid]!.startAt < at) low = mid + 1
    else high = mid
  }
  return low
}

/** By time; what has none keeps its place behind the line before it. */
function inOrder(events: readonly LogEvent[]): readonly LogEvent[] {
  const last = new Map<string, Instant>()
  const keyed = events.map((event, i) => {
    const at = event.at ?? last.get(event.input) ?? Number.NEGATIVE_INFINITY
    last.set(event.input, at)
    return { event, at, i }
  })
  return keyed.sort((a, b) => a.at - b.at || a.i - b.i).map((k) => k.event)
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}

/** No logs. */
export const NO_LOGS = new LogIndex([], [], () => false)
