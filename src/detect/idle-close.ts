/**
 * Which connections were closed for being idle, by whom, and what that cost: one reading of the whole run, shared by
 * idle-timeout-server, idle-timeout-proxy, the validation rules and `mysqlconn idle`. A close counts as a timer's when the
 * server says so (ERR 4031), when several closes at different moments follow the same silence, or when one close follows a
 * silence of whole seconds to the millisecond, and in each case only if nothing speaks against it: no longer silence was
 * survived, no busy connection was closed in the same moment.
 */

import { CLIENT, SERVER } from '../core/direction.ts'
import { append } from '../core/multimap.ts'
import { NS_PER_MS, NS_PER_SECOND } from '../core/time.ts'
import type { Confidence } from '../report/model.ts'
import type { CommandFact, ErrorFact, Session } from '../session/session.ts'
import { acceptingSide } from './describe.ts'
import type { Fleet } from './fleet.ts'
import { clusterIdle, type IdleCluster, type IdleDeath, roundness } from './idle-clusters.ts'
import {
  crossed,
  farewellError,
  INTERACTION_TIMEOUT,
  idleDeath,
  idleOf,
  lostRequest,
  resetsIdle,
  SHORTEST,
  says4031,
} from './idle-facts.ts'
import { neighbours } from './neighbours.ts'
import { ownReason } from './recorded-legs.ts'
import type { Culprit } from './rule.ts'
import { otherVantages } from './vantages.ts'

/** How late a timer of whole seconds fires when it is seen once only. */
const LATE_ONCE = 12 * NS_PER_MS
/** Timers of proxies are set in milliseconds and meet them: a tenth of a second is met by chance one time in nine. */
const TENTH = 100 * NS_PER_MS
const LATE_TENTH = 8 * NS_PER_MS
/** How late wait_timeout fires on a busy server, where the style of the close already names it. */
const LATE_OWN = 60 * NS_PER_MS
/** Closes of one process in one moment. */
const TOGETHER = 50 * NS_PER_MS
/** A close on the server leg this long before is another story: proxies that share server legs lose some now and then. */
const BEHIND = 1 * NS_PER_SECOND
/** A proxy passes a close on within this time. */
const PASSES_ON = 50 * NS_PER_MS

export interface IdleVerdict {
  death: IdleDeath
  cluster: IdleCluster
  rule: 'idle-timeout-server' | 'idle-timeout-proxy'
  culprit: Culprit
  confidence: Confidence
  /** The request that met the closed connection, and the leg where it was lost; null when nothing was lost. */
  lost: { session: Session; command: CommandFact } | null
  /** Both legs, or the one that was seen. The leg where the close began comes first. */
  legs: Session[]
  /** Legs that belong here by their moment only: it may be any of several. */
  ambiguous: boolean
  error: ErrorFact | null
  /** The silence began before the capture: `death.idle` is the least it can have been. */
  atLeast: boolean
  /** Why it counts as a timer, in words. */
  because: string
}

/** The verdicts of a run, by session of any leg. `explained` leaves out what other rules have said. */
export class IdleCloses {
  readonly verdicts: IdleVerdict[] = []
  readonly clusters: readonly IdleCluster[]
  private readonly bySession = new Map<Session, IdleVerdict>()
  private readonly fleet: Fleet
  private readonly byServer = new Map<string, Session[]>()
  private readonly captureStart = new Map<string, number>()
  private readonly closesByProxy = new Map<string, Session[]>()
  /** Sessions that an address closed first, in order of time. */
  private readonly closesByServer = new Map<string, Session[]>()
  /** Addresses that closed a connection with a command outstanding. */
  private readonly busyCuts = new Set<string>()
  /** Sessions that their server closed first, by the address that had opened them. */
  private readonly servedTo = new Map<string, Session[]>()
  /** The latest data that an address sent as a server, and the latest in any other session. */
  private readonly served = new Map<string, { at: number; by: Session; others: number }>()

  constructor(fleet: Fleet, explained: (s: Session) => boolean) {
    this.fleet = fleet
    for (const s of fleet.sessions) {
      append(this.byServer, s.server, s)
      this.captureStart.set(s.input, Math.min(this.captureStart.get(s.input) ?? s.startAt, s.startAt))
      if (s.ending.first?.by === CLIENT && !s.ending.quit) append(this.closesByProxy, s.clientIp, s)
      if (s.ending.first?.by === SERVER && !s.ending.quit) {
        append(this.closesByServer, placeOf(s), s)
        append(this.servedTo, s.clientIp, s)
        if (s.ending.first.outstanding !== null && !crossed(s)) this.busyCuts.add(placeOf(s))
      }
      if (s.mysql !== null) this.serves(s)
    }
    for (const list of this.closesByServer.values()) list.sort((a, b) => a.ending.first!.at - b.ending.first!.at)
    const told = (s: Session): boolean => explained(s) || otherVantages(s, fleet).some(explained)
    const deaths: IdleDeath[] = []
    for (const s of fleet.sessions) {
      const d = told(s) ? null : idleDeath(s)
      if (d !== null) deaths.push(d)
    }
    this.clusters = clusterIdle(deaths, (server) => this.byServer.get(server) ?? [])
    // Server legs first: they bring their front legs along.
    const turns = this.clusters.flatMap((cluster) => cluster.deaths.map((death) => ({ death, cluster })))
    const rank = ({ death }: { death: IdleDeath }): number => (fleet.clientIsProxy(death.session) ? 0 : 1)
    for (const { death, cluster } of turns.sort((a, b) => rank(a) - rank(b) || a.death.at - b.death.at))
      this.judge(death, cluster)
    for (const s of fleet.sessions) if (!this.bySession.has(s) && !told(s)) this.judgeMidstream(s)
  }

  of(s: Session): IdleVerdict | undefined {
    return this.bySession.get(s)
  }

  private judge(death: IdleDeath, cluster: IdleCluster): void {
    const s = death.session
    const error = farewellError(s)
    if (this.bySession.has(s)) return
    // A server leg whose server closed it brings its front leg along; the front leg's own turn may have come first.
    const back = this.backLeg(s)
    const backFirst = back?.ending.first
    const behind =
      back !== null &&
      backFirst != null &&
      backFirst.at <= death.at + NS_PER_MS &&
      death.at - backFirst.at <= BEHIND &&
      (backFirst.by === SERVER || farewellError(back) !== null)
    // The close began on the server leg: its own turn tells both.
    if (behind && idleDeath(back) !== null) return
    if (behind && error === null) return
    const culprit = this.culpritOf(s, death)
    if (back === null && culprit.role === 'proxy' && error === null && this.passedOn(s)) return
    const reading = this.timerLike(death, cluster, culprit, error)
    if (reading === null) return
    const rule = culprit.role === 'server' ? 'idle-timeout-server' : 'idle-timeout-proxy'
    const other =
      culprit.role === 'proxy' && back !== null
        ? closedAlong(s, back)
          ? [back]
          : []
        : culprit.role === 'server'
          ? this.frontLegs(s)
          : this.closedWith(s)
    this.add({
      death,
      cluster,
      rule,
      culprit,
      error,
      ...reading,
      atLeast: false,
      lost: null,
      legs: [s, ...other],
      ambiguous: back === null && other.length > 1,
    })
  }

  /** A capture that began while connections were idle shows their close and nothing before: only a proxy that lives on is told apart from other causes. */
  private judgeMidstream(s: Session): void {
    const first = s.ending.first
    if (
      first === null ||
      first.by !== SERVER ||
      s.mysql === null ||
      s.synFrame > 0 ||
      first.lastServerDataFrame > 0 ||
      first.lastClientDataFrame > 0
    )
      return
    if (lostRequest(s) === null || !s.ending.lostAfterClose || !this.fleet.serverIsProxy(s)) return
    const atLeast = first.at - (this.captureStart.get(s.input) ?? first.at)
    if (atLeast < SHORTEST || this.busyCloseNear(s) || !this.livesOn(s, first.at)) return
    const death: IdleDeath = { session: s, style: first.how, at: first.at, idle: atLeast }
    const cluster: IdleCluster = {
      server: s.server,
      style: first.how,
      exact: true,
      deaths: [death],
      min: atLeast,
      max: atLeast,
      moments: 1,
      survivors: 0,
      survived: 0,
      outlived: [],
    }
    if (this.passedOn(s)) return
    const legs = [s, ...this.closedWith(s)]
    this.add({
      death,
      cluster,
      rule: 'idle-timeout-proxy',
      culprit: acceptingSide(s, this.fleet),
      confidence: 'possible',
      because: 'the proxy closed it on both sides while it was idle, and went on serving others',
      error: null,
      atLeast: true,
      lost: null,
      legs,
      ambiguous: legs.length > 2,
    })
  }

  private add(v: IdleVerdict): void {
    if (v.culprit.role === 'proxy') this.withCarriers(v)
    for (const leg of v.legs) {
      const command = lostRequest(leg)
      // A server leg that the proxy closed loses nothing of its own: what was lost is told on the leg where it was sent.
      if (command !== null && v.lost === null) v.lost = { session: leg, command }
    }
    this.verdicts.push(v)
    for (const leg of v.legs) this.bySession.set(leg, v)
  }

  /**
   * A proxy that half-closes (HAProxy timeout server) still hands on what the client sends afterwards, and then closes that server
   * leg: it is known by the statement that it carried, where nothing else joins the legs.
   */
  private withCarriers(v: IdleVerdict): void {
    for (const front of [...v.legs]) {
      const lost = front.ending.lostAfterClose ? lostRequest(front) : null
      if (lost === null || !this.fleet.isProxy(front.serverIp)) continue
      for (const leg of this.fleet.clientClosesNear(front.serverIp, lost.at, PASSES_ON)) {
        const first = leg.ending.first!
        if (v.legs.includes(leg) || this.bySession.has(leg) || leg.ending.quit || first.at < lost.at) continue
        if (this.fleet.frontLeg(leg) === front) v.legs.push(leg)
      }
    }
  }

  /** Who closed: a proxy, the server, or something in between that no capture shows. */
  private culpritOf(s: Session, death: IdleDeath): Culprit {
    const side = acceptingSide(s, this.fleet)
    if (death.style === 'err-4031') return { ...side, role: 'server' }
    // MySQL says 4031 before it closes for idleness, MariaDB resets; whoever sent a bare FIN stands in between.
    if (side.role === 'server' && (says4031(s) || (death.style === 'fin' && resetsIdle(s))))
      return { role: 'proxy', address: s.serverIp, product: null }
    return side
  }

  /** Whether the close is a timer's, and how sure; null when it may as well be anything else. */
  private timerLike(
    d: IdleDeath,
    c: IdleCluster,
    culprit: Culprit,
    error: ErrorFact | null,
  ): { confidence: Confidence; because: string } | null {
    if (error !== null) return { confidence: 'certain', because: `the server said so: error ${INTERACTION_TIMEOUT}` }
    if (ownReason(d.session) === 'fault-idle-timeout')
      return { confidence: 'certain', because: 'the recording proxy noted that its idle timer did it' }
    if (this.busyCloseNear(d.session)) return null
    const hidden = culprit.role === 'proxy' && !this.fleet.serverIsProxy(d.session)
    // MariaDB resets at wait_timeout and at nothing else that ends an idle connection: KILL, shutdown and crash send FIN.
    const own = culprit.role === 'server' && d.style === 'rst' && flavorOf(d.session, this.fleet) === 'mariadb'
    // Somebody who kills connections may meet a tenth of a second, too.
    const tenths = !hidden || !this.cutsBusy(d.session)
    const evenOnce =
      culprit.role === 'proxy'
        ? Math.max(
            roundness(d.idle, 0.5 * NS_PER_SECOND, LATE_ONCE),
            tenths ? roundness(d.idle, TENTH, LATE_TENTH) : -1,
          )
        : roundness(d.idle, NS_PER_SECOND, own ? LATE_OWN : LATE_ONCE)
    // Timers may differ by session (wait_timeout is read at login): a few that lived longer weaken it only.
    if (c.moments >= 2 && c.outlived.length < c.deaths.length) {
      return {
        confidence: c.outlived.length === 0 ? 'likely' : 'possible',
        because: `${c.deaths.length} closes at ${c.moments} different moments, each after the same silence`,
      }
    }
    // wait_timeout may differ by session (interactive_timeout takes its place for interactive clients): others may outlive it.
    if (evenOnce >= 0 && (c.outlived.length === 0 || own)) {
      // One close proves little; that a proxy closed both its legs, and not the server, is seen.
      const seen = culprit.role === 'proxy' && !hidden && this.backLeg(d.session) !== null
      return {
        confidence: seen || own ? 'likely' : 'possible',
        because: 'the silence before it is a whole timer value to the millisecond',
      }
    }
    // A proxy whose timers are coarse: of all connections it closed exactly the one that had been idle longest.
    const proxy = this.fleet.serverIsProxy(d.session) && this.backLeg(d.session)?.ending.first?.by !== SERVER
    if (
      proxy &&
      d.idle >= 2 * SHORTEST &&
      c.survivors > 0 &&
      c.outlived.length === 0 &&
      c.survived < d.idle &&
      this.livesOn(d.session, d.at)
    ) {
      return { confidence: 'possible', because: 'it had been idle longer than any connection that survived' }
    }
    return null
  }

  private serves(s: Session): void {
    const at = s.sides[SERVER].lastDataAt
    const known = this.served.get(placeOf(s))
    if (known === undefined) this.served.set(placeOf(s), { at, by: s, others: Number.NEGATIVE_INFINITY })
    else if (at > known.at) this.served.set(placeOf(s), { at, by: s, others: known.at })
    else known.others = Math.max(known.others, at)
  }

  /** A connection of the same address that was closed in the same moment with a command outstanding, or after another silence: that is no idle timer. */
  private busyCloseNear(s: Session): boolean {
    const mine = s.ending.first!
    const list = this.closesByServer.get(placeOf(s)) ?? []
    for (let i = firstFrom(list, mine.at - TOGETHER); i < list.length; i++) {
      const t = list[i]!
      const f = t.ending.first!
      if (f.at > mine.at + TOGETHER) break
      if (t === s) continue
      if (f.outstanding !== null && !crossed(t)) return true
      const known = f.lastServerDataFrame > 0 && mine.lastServerDataFrame > 0
      if (known && Math.abs(idleOf(t) - idleOf(s)) > Math.max(TOGETHER, idleOf(s) * 0.02)) return true
    }
    return false
  }

  /** The same address also closed a connection with a command outstanding, whenever it was. */
  private cutsBusy(s: Session): boolean {
    return this.busyCuts.has(placeOf(s))
  }

  /** Other sessions of the same address go on after `at`. */
  private livesOn(s: Session, at: number): boolean {
    const served = this.served.get(placeOf(s))
    return served !== undefined && (served.by === s ? served.others : served.at) > at + TOGETHER
  }

  private backLeg(s: Session): Session | null {
    return this.fleet.backLeg(s)
  }

  /** Front legs of a server leg: joined by what the greeting says, or by the moment of their close. */
  private frontLegs(s: Session): Session[] {
    const joined = this.fleet.frontLeg(s)
    if (joined !== null) return [joined]
    if (!this.fleet.clientIsProxy(s)) return []
    const at = s.ending.first!.at
    const list = this.closesByServer.get(`${s.input} ${s.clientIp}`) ?? []
    const near: Session[] = []
    for (let i = firstFrom(list, at - NS_PER_MS); i < list.length && list[i]!.ending.first!.at - at <= PASSES_ON; i++) {
      if (list[i]!.ending.first!.outstanding === null) near.push(list[i]!)
    }
    // A proxy that gives each client its own server connection passes the silence on as it is.
    const alike = near.filter((t) => Math.abs(idleOf(t) - idleOf(s)) <= Math.max(TOGETHER, idleOf(s) * 0.02))
    if (alike.length === 1) return alike
    // As many front legs as server legs that went in this moment: which is whose is open, that they belong here is not.
    const peers = (this.servedTo.get(s.clientIp) ?? []).filter(
      (t) => t.input === s.input && Math.abs(t.ending.first!.at - at) <= PASSES_ON && this.fleet.frontLeg(t) === null,
    )
    return alike.length === peers.length ? alike : []
  }

  /** A server leg of this proxy, of which nobody knows whose it is, was closed by its server right before: the proxy passed that on. */
  private passedOn(s: Session): boolean {
    const at = s.ending.first!.at
    return (this.servedTo.get(s.serverIp) ?? []).some((t) => {
      const first = t.ending.first!
      return t.input === s.input && first.at <= at && at - first.at <= PASSES_ON && this.fleet.frontLeg(t) === null
    })
  }

  /** Server legs that the proxy closed in the same moment as this front leg, where nothing else joins them. */
  private closedWith(s: Session): Session[] {
    const at = s.ending.first!.at
    const near = (this.closesByProxy.get(s.serverIp) ?? []).filter(
      (t) =>
        t.input === s.input &&
        Math.abs(t.ending.first!.at - at) <= PASSES_ON &&
        this.fleet.frontLeg(t) === null &&
        t.ending.first!.outstanding === null,
    )
    if (near.length <= 1) return near
    const alike = near.filter(
      (t) => t.ending.first!.lastServerDataFrame > 0 && Math.abs(idleOf(t) - idleOf(s)) <= TOGETHER,
    )
    if (alike.length === 1) return alike
    const fronts = (this.byServer.get(s.server) ?? []).filter(
      (t) => t.ending.first?.by === SERVER && Math.abs(t.ending.first.at - at) <= PASSES_ON,
    )
    // Which is whose is not known, but all of them went with these front legs.
    if (alike.length > 0 && alike.length !== near.length) return []
    return near.length === fronts.length ? near : []
  }
}

/**
 * The server leg went with its front leg: closed by the proxy in the same moment, or given to this client alone (the proxy
 * passed the server's greeting on), even if a half-closing proxy takes it down later.
 */
function closedAlong(front: Session, back: Session): boolean {
  const scramble = front.mysql?.greeting?.scramble ?? ''
  if (scramble !== '' && scramble === back.mysql?.greeting?.scramble) return true
  const first = back.ending.first
  return first !== null && first.by === CLIENT && Math.abs(first.at - front.ending.first!.at) <= PASSES_ON
}

/** What the server is, by this session’s greeting or, where that was not seen, by another of the same endpoint. */
function flavorOf(s: Session, fleet: Fleet): string {
  const own = s.mysql?.flavor ?? 'unknown'
  return own !== 'unknown' ? own : (neighbours(fleet).greeted(s.server)?.mysql?.flavor ?? 'unknown')
}

/** One address as one capture saw it. */
const placeOf = (s: Session): string => `${s.input} ${s.serverIp}`

/** Index of the first that closed at `at` or later. */
function firstFrom(list: readonly Session[], at: number): number {
  let low = 0
  let high = list.length
  while (low < high) {
    const mid = (low + high) >> 1
    if (list[mid]!.ending.first!.at < at) low = mid + 1
    else high = mid
  }
  return low
}

const cache = new WeakMap<Fleet, IdleCloses>()

/** The reading of this run; made when a rule first asks, with what the rules before it have explained. */
export function idleCloses(fleet: Fleet, explained: (s: Session) => boolean): IdleCloses {
  let found = cache.get(fleet)
  if (found === undefined) {
    found = new IdleCloses(fleet, explained)
    cache.set(fleet, found)
  }
  return found
}
