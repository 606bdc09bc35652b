/**
 * What the other sessions of the same server, or on the same way, say about one that broke. Indexes made once per run: when a
 * network fails, every session asks.
 */
import { SERVER } from '../core/direction.ts'
import { append } from '../core/multimap.ts'
import type { Duration, Instant } from '../core/time.ts'
import type { Session } from '../session/session.ts'
import type { Fleet } from './fleet.ts'
import { survivedIdle } from './idle-clusters.ts'

/** Sessions of one endpoint that were greeted. */
interface Greeted {
  byStart: readonly Session[]
  /** `least[i]`: the smallest connection id of byStart[i] and those after it. */
  least: readonly number[]
  /** Those that heard the server last first. */
  byHeard: readonly Session[]
}

const greetedCache = new WeakMap<readonly Session[], Greeted>()
const hostCache = new WeakMap<Fleet, ReadonlyMap<string, readonly Session[]>>()
const wayCache = new WeakMap<Fleet, ReadonlyMap<string, readonly Duration[]>>()

/**
 * Whether the server went on after a session's end: a later connection has a higher connection id, or an earlier one still
 * heard it. 'restarted' when ids began anew, after its end or, where that is sooner, after `since`; null when nobody can tell.
 */
export function serverAfter(s: Session, fleet: Fleet, since: Instant): Session | null | 'restarted' {
  const id = s.mysql?.greeting?.connectionId ?? 0
  if (id === 0) return null
  const end = s.ending.first?.at ?? s.endAt
  const g = greeted(fleet.atEndpointOf(s))
  const anew = firstAfter(g.byStart, Math.min(since, end))
  if (anew < g.byStart.length && g.least[anew]! < id) return 'restarted'
  if (firstAfter(g.byStart, end) < g.byStart.length) {
    const last = g.byStart.at(-1)!
    if (last !== s && idOf(last) > id) return last
  }
  for (const t of g.byHeard) {
    if (t.sides[SERVER].lastDataAt <= end) break
    if (t !== s && t.startAt <= end) return t
  }
  return null
}

function greeted(all: readonly Session[]): Greeted {
  let known = greetedCache.get(all)
  if (known === undefined) {
    const byStart = all.filter((t) => idOf(t) > 0).sort((a, b) => a.startAt - b.startAt)
    const least = byStart.map(idOf)
    for (let i = least.length - 2; i >= 0; i--) least[i] = Math.min(least[i]!, least[i + 1]!)
    const byHeard = [...byStart].sort((a, b) => b.sides[SERVER].lastDataAt - a.sides[SERVER].lastDataAt)
    known = { byStart, least, byHeard }
    greetedCache.set(all, known)
  }
  return known
}

const idOf = (s: Session): number => s.mysql?.greeting?.connectionId ?? 0

/** Index of the first that began after `at`. */
function firstAfter(list: readonly Session[], at: Instant): number {
  let low = 0
  let high = list.length
  while (low < high) {
    const mid = (low + high) >> 1
    if (list[mid]!.startAt <= at) low = mid + 1
    else high = mid
  }
  return low
}

/** MySQL sessions of the same server host in the same capture, those that heard it last first. */
export function onSameHost(s: Session, fleet: Fleet): readonly Session[] {
  let known = hostCache.get(fleet)
  if (known === undefined) {
    const map = new Map<string, Session[]>()
    for (const t of fleet.sessions) if (t.mysql !== null) append(map, `${t.input} ${t.serverIp}`, t)
    for (const list of map.values()) list.sort((a, b) => b.sides[SERVER].lastDataAt - a.sides[SERVER].lastDataAt)
    known = map
    hostCache.set(fleet, known)
  }
  return known.get(`${s.input} ${s.serverIp}`) ?? []
}

/** Longest silence between the two addresses of `s` that was survived, by how many sessions, and how many outlived `below`. */
export function survivors(
  s: Session,
  fleet: Fleet,
  below: Duration,
): { count: number; longest: Duration; outlived: number } {
  const way = waysOf(fleet).get(wayOf(s)) ?? []
  let count = 0
  let high = way.length
  while (count < high) {
    const mid = (count + high) >> 1
    if (way[mid]! <= below) count = mid + 1
    else high = mid
  }
  let longest = count === 0 ? 0 : way[count - 1]!
  let outlived = way.length - count
  // The session itself counts with what it had survived before it broke.
  const counted = survivedIdle(s)
  const own = s.mysql?.longestIdle ?? 0
  if (counted > below) outlived--
  else if (counted > 0) {
    count--
    longest = count === 0 ? 0 : longest === counted ? way[count - 1]! : longest
  }
  if (own > below) outlived++
  else if (own > 0) {
    count++
    longest = Math.max(longest, own)
  }
  return { count, longest, outlived }
}

/** Silences survived, from short to long, by way. */
function waysOf(fleet: Fleet): ReadonlyMap<string, readonly Duration[]> {
  let known = wayCache.get(fleet)
  if (known === undefined) {
    const map = new Map<string, Duration[]>()
    for (const t of fleet.sessions) {
      const idle = survivedIdle(t)
      if (idle > 0) append(map, wayOf(t), idle)
    }
    for (const list of map.values()) list.sort((a, b) => a - b)
    known = map
    wayCache.set(fleet, known)
  }
  return known
}

const wayOf = (s: Session): string => `${s.input} ${s.clientIp} ${s.serverIp}`
