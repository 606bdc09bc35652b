/** All sessions of a run, with the questions that rules ask about more than one of them. Indexes are built once. */
import type { Duration, Instant } from '../core/time.ts'
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

/** What else is known of borrowers: checkouts and checkins of pool traces on the run's clock, and the silence between two (--borrow-gap). */
export interface BorrowKnowledge {
  events?: readonly LogEvent[]
  gap?: Duration
}

export class Fleet {
  readonly sessions: readonly Session[]
  private readonly killsById = new Map<number, Kill[]>()
  private readonly roles: Roles
  /** Addresses that sent a PROXY header. */
  private readonly announced = new Set<string>()
  private readonly legs: Legs
  private readonly accepts = new Map<string, Set<string>>()
  private readonly opens = new Map<string, Set<string>>()
  private readonly closedByClient = new Map<string, Session[]>()

  private readonly byStream = new Map<string, Session>()
  private readonly stories = new Map<Session, StateStory | null>()
  private readonly trace: PoolTrace
  private readonly borrowGap: Duration

  constructor(sessions: readonly Session[], roles: Roles = new Map(), borrows: BorrowKnowledge = {}) {
    this.sessions = sessions
    this.roles = roles
    this.trace = new PoolTrace(borrows.events ?? [])
    this.borrowGap = borrows.gap ?? 0
    for (const s of sessions) this.index(s)
    for (const list of this.closedByClient.values()) list.sort((a, b) => a.ending.first!.at - b.ending.first!.at)
    this.legs = new Legs(this)
  }

  private index(s: Session): void {
    this.byStream.set(`${s.input}:${s.stream}`, s)
    for (const k of s.mysql?.kills ?? []) push(this.killsById, k.connectionId, { ...k, by: s })
    if (s.mysql?.proxyHeader != null) this.announced.add(s.clientIp)
    if (s.mysql !== null) {
      add(this.accepts, s.serverIp, s.server)
      // A replica opens connections to its source without being a proxy.
      if (!REPLICATION.some((op) => s.mysql!.commands.of(op) > 0)) add(this.opens, s.clientIp, s.server)
    }
    if (s.ending.first?.by === 0) push(this.closedByClient, s.clientIp, s)
  }

  /** KILL statements and COM_PROCESS_KILL seen anywhere that name this connection id, in order of time. */
  kills(connectionId: number): readonly Kill[] {
    return this.killsById.get(connectionId) ?? []
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

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}

function add<K, V>(map: Map<K, Set<V>>, key: K, value: V): void {
  const set = map.get(key)
  if (set === undefined) map.set(key, new Set([value]))
  else set.add(value)
}
