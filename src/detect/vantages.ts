/**
 * The same connection in several captures of the run. What proves it: both initial sequence numbers (they pass address
 * translation unchanged); the greeting's scramble and connection id, or the TLS client's random, where nothing contradicts;
 * at last equal endpoints in overlapping lifetimes, for connections that one of the captures did not see begin.
 */
import { CLIENT, SERVER } from '../core/direction.ts'
import type { Session } from '../session/session.ts'
import type { Fleet } from './fleet.ts'

const NONE: readonly Session[] = []
const cache = new WeakMap<Fleet, ReadonlyMap<Session, readonly Session[]>>()

/** The same connection as seen elsewhere, in order of the inputs. */
export function otherVantages(s: Session, fleet: Fleet): readonly Session[] {
  let groups = cache.get(fleet)
  if (groups === undefined) {
    groups = matchVantages(fleet.sessions, true)
    cache.set(fleet, groups)
  }
  const group = groups.get(s)
  return group === undefined ? NONE : group.filter((t) => t !== s)
}

/**
 * Sessions that are one connection, each with all of its group, at most one per input. `times`: compare lifetimes as well,
 * which only makes sense once the clocks agree.
 */
export function matchVantages(sessions: readonly Session[], times: boolean): ReadonlyMap<Session, readonly Session[]> {
  const groups = new Map<Session, Session[]>()
  const input = sessions[0]?.input
  if (sessions.every((s) => s.input === input)) return groups
  // Equal endpoints first: where address translation shows a connection twice in one capture, that is the better match.
  for (const key of [withEndpoints(byIsns), withEndpoints(byGreeting), withEndpoints(byTls), byIsns, byGreeting, byTls])
    join(sessions, groups, key, () => true)
  if (times) join(sessions, groups, (s) => (s.mysql === null && s.tls === null ? null : endpoints(s)), overlap)
  return groups
}

type Key = (s: Session) => string | null

function join(
  sessions: readonly Session[],
  groups: Map<Session, Session[]>,
  key: Key,
  fits: (a: Session, b: Session) => boolean,
): void {
  const seen = new Map<string, Session[]>()
  for (const s of sessions) {
    const k = key(s)
    if (k === null) continue
    const list = seen.get(k)
    if (list === undefined) {
      seen.set(k, [s])
      continue
    }
    if (!groups.has(s)) {
      const other = list.find((t) => t.input !== s.input && fits(s, t) && mayJoin(s, t, groups))
      if (other !== undefined) {
        const group = groups.get(other) ?? [other]
        group.push(s)
        groups.set(other, group)
        groups.set(s, group)
      }
    }
    list.push(s)
  }
}

/** No capture shows a connection as two, and nothing known of the two may differ. */
function mayJoin(s: Session, t: Session, groups: ReadonlyMap<Session, readonly Session[]>): boolean {
  if (groups.get(t)?.some((u) => u.input === s.input)) return false
  // Legs of a proxy have a greeting in common but not their TCP connection.
  if (differ(s.isns[CLIENT], t.isns[CLIENT]) || differ(s.isns[SERVER], t.isns[SERVER])) return false
  const unproven = s.isns[SERVER] === null || t.isns[SERVER] === null
  if (unproven && s.client !== t.client && (s.clientIp === t.serverIp || t.clientIp === s.serverIp)) return false
  const a = s.mysql?.greeting
  const b = t.mysql?.greeting
  return a == null || b == null || (a.connectionId === b.connectionId && a.scramble === b.scramble)
}

const differ = <T>(a: T | null, b: T | null): boolean => a !== null && b !== null && a !== b

const endpoints = (s: Session): string => `${s.client} ${s.server}`

const withEndpoints =
  (key: Key): Key =>
  (s) => {
    const k = key(s)
    return k === null ? null : `${endpoints(s)} ${k}`
  }

const byIsns: Key = (s) =>
  s.isns[CLIENT] === null || s.isns[SERVER] === null ? null : `${s.isns[CLIENT]} ${s.isns[SERVER]}`

const byGreeting: Key = (s) => {
  const g = s.mysql?.greeting
  return g == null || g.scramble === '' ? null : `${g.connectionId} ${g.scramble}`
}

const byTls: Key = (s) => s.tls?.clientRandom ?? null

/** Both were open at one time, and one of them was open when its capture began or has no other proof. */
function overlap(a: Session, b: Session): boolean {
  if (a.startAt > b.endAt || b.startAt > a.endAt) return false
  const whole = (s: Session): boolean => s.isns[CLIENT] !== null && s.isns[SERVER] !== null
  return !(whole(a) && whole(b))
}
