/**
 * Ends of a proxy, or its orders to drop sessions, as the legs show them: the proxy itself closes both legs of several
 * sessions in one moment, in whatever state they are, while neither its clients nor its servers had closed.
 */

import { CLIENT, SERVER } from '../core/direction.ts'
import { append } from '../core/multimap.ts'
import { type Duration, type Instant, NS_PER_MS } from '../core/time.ts'
import type { Session } from '../session/session.ts'
import type { Fleet } from './fleet.ts'
import { type ProcessEnd, processEndOf } from './process-end.ts'

export interface ProxyEnd {
  ip: string
  /** Front legs, each with its server leg where that is known. */
  pairs: readonly { front: Session; back: Session | null }[]
  from: Instant
  until: Instant
  /** How it is known: nobody listened afterwards, or closes that no timer makes. */
  process: ProcessEnd | null
}

/** Both legs of a session, and all sessions dropped by one order, are closed within this time. */
const BURST = 20 * NS_PER_MS
/** Timers of a proxy tick in milliseconds: last activities further apart than the closes rule them out. */
const TIMER_TICK = 10 * NS_PER_MS

const cache = new WeakMap<Fleet, Map<Session, ProxyEnd>>()

/** What the proxy did when it cut this leg, front or back; null when it was not of that kind. */
export function proxyEndOf(s: Session, fleet: Fleet): ProxyEnd | null {
  let ends = cache.get(fleet)
  if (ends === undefined) {
    ends = new Map()
    for (const end of endsIn(fleet)) {
      for (const { front, back } of end.pairs) {
        ends.set(front, end)
        if (back !== null) ends.set(back, end)
      }
    }
    cache.set(fleet, ends)
  }
  return ends.get(s) ?? null
}

function endsIn(fleet: Fleet): ProxyEnd[] {
  const fronts = new Map<string, { front: Session; back: Session | null }[]>()
  const died = new Map<ProcessEnd, { front: Session; back: Session | null }[]>()
  for (const s of fleet.sessions) {
    const first = s.ending.first
    if (first === null || first.by !== SERVER || s.ending.quit || s.mysql === null || !forwards(s, fleet)) continue
    const back = fleet.backLeg(s)
    const pair = { front: s, back: back !== null && closedByProxy(back, first.at) ? back : null }
    // The server had closed its leg, and the proxy passed that on.
    if (back?.ending.first?.by === SERVER && back.ending.first.at <= first.at) continue
    const process = processEndOf(s, fleet)
    if (process !== null) {
      append(died, process, pair)
      continue
    }
    if (pair.back === null && back !== null) continue
    append(fronts, `${s.input} ${s.serverIp}`, pair)
  }
  for (const pairs of fronts.values()) joinByMoment(pairs, fleet)
  const out: ProxyEnd[] = []
  for (const [process, pairs] of died)
    out.push({ ip: pairs[0]!.front.serverIp, pairs, from: process.from, until: process.until, process })
  for (const pairs of fronts.values()) out.push(...ordersAmong(pairs.filter((p) => p.back !== null)))
  return out
}

/**
 * Where nothing else joins the legs (a greeting that the snapshot length cut, TLS): as many server legs as front legs closed by the
 * proxy in one moment. Which is whose stays open; that the proxy closed them all does not.
 */
function joinByMoment(pairs: { front: Session; back: Session | null }[], fleet: Fleet): void {
  const at = (p: { front: Session }): Instant => p.front.ending.first!.at
  const loose = pairs.filter((p) => p.back === null).sort((a, b) => at(a) - at(b))
  for (let i = 0; i < loose.length; ) {
    let j = i + 1
    while (j < loose.length && at(loose[j]!) - at(loose[i]!) <= BURST) j++
    const group = loose.slice(i, j)
    const { serverIp, input } = group[0]!.front
    const backs = fleet
      .clientClosesNear(serverIp, at(group[0]!), BURST)
      .filter((t) => t.input === input && !t.ending.quit && (t.mysql !== null || t.synFrame === 0))
      .filter((t) => fleet.frontLeg(t) === null)
    if (backs.length === group.length) for (const [k, p] of group.entries()) p.back = backs[k]!
    i = j
  }
}

/** Groups closed in one moment whose states no timer explains: busy and idle ones, with last activities far apart. */
function ordersAmong(pairs: { front: Session; back: Session | null }[]): ProxyEnd[] {
  const at = (p: { front: Session }): Instant => p.front.ending.first!.at
  const sorted = pairs.sort((a, b) => at(a) - at(b))
  const out: ProxyEnd[] = []
  for (let i = 0; i < sorted.length; ) {
    let j = i + 1
    while (j < sorted.length && at(sorted[j]!) - at(sorted[j - 1]!) <= BURST) j++
    const group = sorted.slice(i, j)
    const from = at(group[0]!)
    const until = at(group.at(-1)!)
    const active = group.map((p) => at(p) - p.front.ending.first!.silence)
    const busy = group.filter((p) => p.front.ending.first!.outstanding !== null).length
    if (group.length > 1 && busy > 0 && spread(active) > until - from + TIMER_TICK)
      out.push({ ip: group[0]!.front.serverIp, pairs: group, from, until, process: null })
    i = j
  }
  return out
}

const PROXY_FLAVORS = new Set(['proxysql', 'router', 'maxscale'])

const forwards = (s: Session, fleet: Fleet): boolean => fleet.serverIsProxy(s) || PROXY_FLAVORS.has(s.mysql!.flavor)

/** The proxy, as the client of its server leg, closed that leg in the same moment. */
function closedByProxy(back: Session, at: Instant): boolean {
  const first = back.ending.first
  return first !== null && first.by === CLIENT && !back.ending.quit && Math.abs(first.at - at) <= BURST
}

const spread = (values: readonly Duration[]): Duration => Math.max(...values) - Math.min(...values)
