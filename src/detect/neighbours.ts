/**
 * Questions about connections that never became sessions: who logs in anywhere, who only knocks, what an address tried
 * next to another connection. Indexes over all sessions of a run, built once per run.
 */

import { CLIENT, SERVER } from '../core/direction.ts'
import { append } from '../core/multimap.ts'
import type { Duration, Instant } from '../core/time.ts'
import type { Session } from '../session/session.ts'
import type { Fleet } from './fleet.ts'
import { hiddenByTls } from './tls-hidden.ts'

/** Endpoints that an address must have tried, none of them twice on average, before it counts as a scanner. */
const SCANNED_ENDPOINTS = 4
/** A proxy may note that its client is there a little later than it opens its own side. */
const CLOCK_SLACK: Duration = 5e6

export class Neighbours {
  private readonly opened = new Map<string, Session[]>()
  private readonly accepted = new Map<string, Session[]>()
  private readonly logsIn = new Set<string>()
  private readonly firstAt = new Map<string, Instant>()
  private readonly lastAt = new Map<string, Instant>()
  private readonly hearsServers = new Set<string>()
  private readonly lossy = new Set<string>()
  private readonly usual = new Map<string, Duration>()
  private readonly lives = new Map<string, { starts: number[]; ends: number[] }>()
  private readonly startTimes = new Map<string, number[]>()
  private readonly broken = new Map<string, Session[]>()

  constructor(sessions: readonly Session[]) {
    for (const s of sessions) {
      append(this.opened, s.clientIp, s)
      append(this.accepted, s.server, s)
      if (triedToLogIn(s)) this.logsIn.add(s.clientIp)
      this.firstAt.set(s.input, Math.min(this.firstAt.get(s.input) ?? s.startAt, s.startAt))
      this.lastAt.set(s.input, Math.max(this.lastAt.get(s.input) ?? s.endAt, s.endAt))
      if (s.sides[SERVER].segments > 0) this.hearsServers.add(s.input)
      if (s.sides[CLIENT].lostBytes + s.sides[SERVER].lostBytes > 0) this.lossy.add(s.input)
      const took = s.handshakeTimes.toServer
      if (took >= 0 && s.synRetransmissions === 0)
        this.usual.set(s.server, Math.min(this.usual.get(s.server) ?? took, took))
    }
    for (const list of this.opened.values()) list.sort((a, b) => a.startAt - b.startAt)
  }

  /** Time of the last packet of the sessions of an input: how long one was watched at least. */
  endOf(input: string): Instant {
    return this.lastAt.get(input) ?? 0
  }

  /** Time of their first packet: since when one was watched at least. */
  beginOf(input: string): Instant {
    return this.firstAt.get(input) ?? 0
  }

  /** Whether the capture holds anything that servers sent; if not, silence of a server says nothing. */
  hears(input: string): boolean {
    return this.hearsServers.has(input)
  }

  /** Whether the capture lost bytes that their receivers had. */
  loses(input: string): boolean {
    return this.lossy.has(input)
  }

  /** Whether this client address logs in to MySQL, or tries to, anywhere in the run. */
  speaksMysql(clientIp: string): boolean {
    return this.logsIn.has(clientIp)
  }

  /** Shortest time from SYN to SYN-ACK seen with this server endpoint, -1 when unknown. */
  usualConnectTime(server: string): Duration {
    return this.usual.get(server) ?? -1
  }

  /** The same endpoint, in a session that shows what it is. */
  greeted(server: string): Session | null {
    return this.accepted.get(server)?.find((s) => s.mysql?.greeting != null) ?? null
  }

  /** Sessions that this endpoint accepted. */
  acceptedBy(server: string): readonly Session[] {
    return this.accepted.get(server) ?? []
  }

  /** The address knocks at many endpoints, at each hardly more than once, and logs in nowhere. */
  isScanner(clientIp: string): boolean {
    if (this.logsIn.has(clientIp)) return false
    const tries = this.opened.get(clientIp) ?? []
    const endpoints = new Set(tries.map((s) => s.server))
    const others = Math.max(0, ...tries.map((s) => s.otherEndpointsTried))
    return endpoints.size + others >= SCANNED_ENDPOINTS && tries.length < 2 * endpoints.size
  }

  /** Greeted connections to this endpoint that were open at a moment. */
  openAt(server: string, at: Instant): number {
    let times = this.lives.get(server)
    if (times === undefined) {
      const greeted = this.acceptedBy(server).filter((s) => s.mysql?.greeting != null)
      const ends = greeted.flatMap((s) => (s.ending.first === null ? [] : [s.ending.first.at]))
      times = { starts: greeted.map((s) => s.startAt).sort(ascending), ends: ends.sort(ascending) }
      this.lives.set(server, times)
    }
    return below(times.starts, at) - below(times.ends, at)
  }

  /** Handshakes with this endpoint that the client address broke off after the greeting, in order of time. */
  brokenOff(clientIp: string, server: string): readonly Session[] {
    const key = `${clientIp} ${server}`
    let list = this.broken.get(key)
    if (list === undefined) {
      const all = this.opened.get(clientIp) ?? []
      list = all.filter(
        (t) =>
          t.server === server &&
          t.mysql?.greeting != null &&
          t.mysql.loginFrame === 0 &&
          t.tls === null &&
          t.ending.first?.by === CLIENT,
      )
      this.broken.set(key, list)
    }
    return list
  }

  /** Connections that `ip` opened, to endpoints other than `except`, while [from, to] lasted. */
  openedBy(ip: string, except: string, from: Instant, to: Instant): Session[] {
    const list = this.opened.get(ip) ?? []
    const starts = this.starts(ip, list)
    const found: Session[] = []
    for (let i = below(starts, from - CLOCK_SLACK); i < list.length && list[i]!.startAt <= to; i++)
      if (list[i]!.server !== except) found.push(list[i]!)
    return found
  }

  private starts(ip: string, list: readonly Session[]): readonly number[] {
    let times = this.startTimes.get(ip)
    if (times === undefined) {
      times = list.map((s) => s.startAt)
      this.startTimes.set(ip, times)
    }
    return times
  }
}

/** A login was sent, or the session was in use when the capture began. */
export function triedToLogIn(s: Session): boolean {
  if (s.mysql === null) return false
  if (s.mysql.loginFrame > 0 || s.mysql.authenticatedFrame > 0 || s.mysql.commands.total > 0) return true
  return hiddenByTls(s) && s.tls!.handshake === 'complete' && s.tls!.records[0] > 0
}

/**
 * The login was finished: OK was seen, commands were, or TLS hides a login and more. Begun before the capture counts as
 * finished.
 */
export function finishedLogin(s: Session): boolean {
  if (s.mysql === null) return false
  if (s.mysql.authenticatedFrame > 0 || s.mysql.commands.total > 0) return true
  if (s.mysql.greeting === null && s.mysql.recognisedBy !== 'error-greeting' && s.synFrame === 0) return true
  return hiddenByTls(s) && s.tls!.handshake !== 'failed' && s.tls!.records[0] > 0
}

const ascending = (a: number, b: number): number => a - b

/** How many of these sorted times are smaller. */
function below(times: readonly number[], at: number): number {
  let low = 0
  let high = times.length
  while (low < high) {
    const mid = (low + high) >> 1
    if (times[mid]! < at) low = mid + 1
    else high = mid
  }
  return low
}

const cache = new WeakMap<Fleet, Neighbours>()

export function neighbours(fleet: Fleet): Neighbours {
  let n = cache.get(fleet)
  if (n === undefined) {
    n = new Neighbours(fleet.sessions)
    cache.set(fleet, n)
  }
  return n
}
