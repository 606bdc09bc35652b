/** All sessions of a run, with the questions that rules ask about more than one of them. Indexes are built once. */
import { append } from '../core/multimap.ts'
import type { Duration, Instant } from '../core/time.ts'
import { LogIndex } from '../correlate/log-index.ts'
import type { LogEvent } from '../logs/event.ts'
import { Command } from '../mysql/commands.ts'
import type { KillFact, Session } from '../session/session.ts'
import { type StateStory, stateStory } from './leaks.ts'
import { type Carried, Legs } from './legs.ts'
import { PoolTrace } from './pool-trace.ts'
import { otherVantages } from './vantages.ts'

const REPLICATION: readonly number[] = [
  Command.COM_BINLOG_DUMP,
  Command.COM_BINLOG_DUMP_GTID,
  Command.COM_REGISTER_SLAVE,
]

export interface Kill extends KillFact {
  by: Session
}

/** Roles that the user named, by address or by input (the host that was captured on). */
export type Roles = ReadonlyMap<string, 'client' | 'proxy' | 'server'>

/** What else is known besides the sessions. */
export interface Knowledge {
  /** The inputs whose sessions have been brought to one clock. */
  clocks?: ReadonlySet<string>
  /** What logs and pool traces say, on that clock. */
  events?: readonly LogEvent[]
  /** The silence that marks another borrower of a pooled connection (--borrow-gap); 0: none does. */
  gap?: Duration
}

export class Fleet {
  readonly sessions: readonly Session[]
  /** What the logs of the run say, joined to the sessions. */
  readonly logs: LogIndex
  private readonly killsById = new Map<number, Kill[]>()
  private readonly roles: Roles
  private readonly clocks: ReadonlySet<string>
  /** Addresses that sent a PROXY header. */
  private readonly announced = new Set<string>()
  private readonly legs: Legs
  private readonly accepts = new Map<string, Set<string>>()
  private readonly opens = new Map<string, Set<string>>()
  private readonly closedByClient = new Map<string, Session[]>()
  private readonly byEndpoint = new Map<string, Session[]>()

  private readonly byStream = new Map<string, Session>()
  private readonly stories = new Map<Session, StateStory | null>()
  private readonly trace: PoolTrace
  private readonly borrowGap: Duration

  constructor(sessions: readonly Session[], roles: Roles = new Map(), knowledge: Knowledge = {}) {
    const events = knowledge.events ?? []
    this.sessions = sessions
    this.roles = roles
    this.clocks = knowledge.clocks ?? new Set()
    this.trace = new PoolTrace(events)
    this.borrowGap = knowledge.gap ?? 0
    for (const s of sessions) this.index(s)
    for (const list of this.killsById.values()) list.sort((a, b) => a.at - b.at)
    for (const list of this.closedByClient.values()) list.sort((a, b) => a.ending.first!.at - b.ending.first!.at)
    this.legs = new Legs(this)
    this.logs = new LogIndex(events, sessions, (ip) => this.isProxy(ip))
  }

  private index(s: Session): void {
    this.byStream.set(`${s.input}:${s.stream}`, s)
    append(this.byEndpoint, endpointOf(s), s)
    for (const k of s.mysql?.kills ?? []) append(this.killsById, k.connectionId, { ...k, by: s })
    if (s.mysql?.proxyHeader != null) this.announced.add(s.clientIp)
    if (s.mysql !== null) {
      add(this.accepts, s.serverIp, s.server)
      // A replica opens connections to its source without being a proxy.
      if (!REPLICATION.some((op) => s.mysql!.commands.of(op) > 0)) add(this.opens, s.clientIp, s.server)
    }
    if (s.ending.first?.by === 0) append(this.closedByClient, s.clientIp, s)
  }

  /** KILL statements and COM_PROCESS_KILL seen anywhere that name this connection id, in order of time. */
  kills(connectionId: number): readonly Kill[] {
    return this.killsById.get(connectionId) ?? []
  }

  /** All of them, whatever id they name. */
  allKills(): Iterable<readonly Kill[]> {
    return this.killsById.values()
  }

  /**
   * Whether an address forwards MySQL: it accepts MySQL connections and opens some to another endpoint, or it sends PROXY
   * headers. A host that runs its own client against its own server is none. What the user said (--role) wins.
   */
  isProxy(ip: string): boolean {
    const role = this.roles.get(ip)
    if (role !== undefined) return role === 'proxy'
    if (this.announced.has(ip)) return true
    const accepts = this.accepts.get(ip)
    const opens = this.opens.get(ip)
    if (accepts === undefined || opens === undefined) return false
    for (const endpoint of opens) if (!accepts.has(endpoint)) return true
    return false
  }

  /** Whether the opening side of a leg is a proxy: by its address, or because a recording proxy noted its own leg. */
  clientIsProxy(s: Session): boolean {
    return s.proxyNote?.leg === 'back' || this.isProxy(s.clientIp)
  }

  /** The same of the accepting side. */
  serverIsProxy(s: Session): boolean {
    return s.proxyNote?.leg === 'front' || this.isProxy(s.serverIp)
  }

  /** The other leg of the same logical session, the one towards the server first. Null when there is none. */
  otherLeg(s: Session): Session | null {
    return this.backLeg(s) ?? this.frontLeg(s)
  }

  /**
   * The leg towards the client that a back leg serves. Exact where the proxy passes the handshake through; otherwise the one
   * whose statement it carried, or to which it was bound, when it closed. Null when that is not certain: see legs.ts.
   */
  frontLeg(s: Session): Session | null {
    return this.legs.front(s)
  }

  /** The leg towards the server that serves a front leg, likewise. */
  backLeg(s: Session): Session | null {
    return this.legs.back(s)
  }

  /**
   * The back legs that carried the statement for whose answer a front leg waited at a moment, in order of time. Several when
   * the proxy tried again.
   */
  legsAround(front: Session, at: Instant): readonly Carried[] {
    return this.legs.around(front, at)
  }

  /** The same connection in other captures of the run. */
  sameAs(s: Session): readonly Session[] {
    return otherVantages(s, this)
  }

  /** Whether times of two captures can be compared to the millisecond. */
  sameClock(a: string, b: string): boolean {
    return a === b || (this.clocks.has(a) && this.clocks.has(b))
  }

  /** For reports: the front session whose statements a back leg carried, where it was only one. */
  onlyFront(s: Session): Session | null {
    return this.legs.onlyFront(s)
  }

  /** A session of an input by its tcp.stream, null when there is none. */
  session(input: string, stream: number): Session | null {
    return this.byStream.get(`${input}:${stream}`) ?? null
  }

  /** The borrowers of a connection, with the state that each found and left; null when nothing changed it. */
  stateStory(s: Session): StateStory | null {
    let story = this.stories.get(s)
    if (story === undefined) {
      story = s.mysql?.state == null ? null : stateStory(s, { trace: this.trace.of(s, this), gap: this.borrowGap })
      this.stories.set(s, story)
    }
    return story
  }

  /** What the user said this address, or the host of this input, is; null when nothing was said. */
  namedRole(name: string): 'client' | 'proxy' | 'server' | null {
    return this.roles.get(name) ?? null
  }

  /** All sessions with the server endpoint of this one, itself among them, in the same capture. */
  atEndpointOf(s: Session): readonly Session[] {
    return this.byEndpoint.get(endpointOf(s)) ?? []
  }

  /** Those of `atEndpointOf`, endpoint by endpoint. */
  endpoints(): Iterable<readonly Session[]> {
    return this.byEndpoint.values()
  }

  /** Sessions of one client address that the client closed first, within `within` of `at`. */
  clientClosesNear(clientIp: string, at: Instant, within: Duration): readonly Session[] {
    const list = this.closedByClient.get(clientIp) ?? []
    let low = 0
    let high = list.length
    while (low < high) {
      const mid = (low + high) >> 1
      if (list[mid]!.ending.first!.at < at - within) low = mid + 1
      else high = mid
    }
    const near: Session[] = []
    for (let i = low; i < list.length && list[i]!.ending.first!.at <= at + within; i++) near.push(list[i]!)
    return near
  }
}

const endpointOf = (s: Session): string => `${s.input} ${s.server}`

function add<K, V>(map: Map<K, Set<V>>, key: K, value: V): void {
  const set = map.get(key)
  if (set === undefined) map.set(key, new Set([value]))
  else set.add(value)
}
