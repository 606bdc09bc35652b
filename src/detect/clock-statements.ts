/**
 * The clocks of two captures that share no connection: one shows the clients of a proxy, the other its connections to the server.
 * A statement reaches the server after it has reached the proxy, and is answered there before it is answered here; so each
 * statement that both captures show bounds the offset of their clocks from both sides, as a connection seen twice does.
 */
import { append } from '../core/multimap.ts'
import type { Duration } from '../core/time.ts'
import type { Exchange } from '../session/exchanges.ts'
import type { Session } from '../session/session.ts'

/** The offset of clock a minus clock b lies in [low, high]. */
export interface Bounds {
  low: Duration
  high: Duration
}

/** Fewer statements than this could agree by chance. */
const ENOUGH = 3
/** Repeated statements make some pairs wrong: so many of ten must agree. */
const AGREEING = 0.8

/** Bounds by input that shows the clients, then by input that shows the server connections of the same address. */
export function statementBounds(sessions: readonly Session[]): Map<string, Map<string, Bounds[]>> {
  const fronts = new Map<string, Session[]>()
  const backs = new Map<string, Session[]>()
  for (const s of sessions) {
    if (s.mysql === null) continue
    append(fronts, s.serverIp, s)
    append(backs, s.clientIp, s)
  }
  const found = new Map<string, Map<string, Bounds[]>>()
  for (const [ip, accepted] of fronts) {
    const opened = backs.get(ip)
    if (opened === undefined) continue
    const here = singleStatements(accepted)
    const there = singleStatements(opened)
    for (const [a, front] of here) {
      for (const [b, back] of there) {
        if (a === b) continue
        const agreed = agreeing(boundsOf(front, back))
        if (agreed.length < ENOUGH) continue
        const of = found.get(a) ?? new Map<string, Bounds[]>()
        found.set(a, of)
        of.set(b, agreed)
      }
    }
  }
  return found
}

/** By input: the answered statements whose text occurs once. */
function singleStatements(sessions: readonly Session[]): Map<string, Map<number, Exchange>> {
  const byInput = new Map<string, Map<number, Exchange>>()
  const repeated = new Map<string, Set<number>>()
  for (const s of sessions) {
    const single = byInput.get(s.input) ?? new Map<number, Exchange>()
    byInput.set(s.input, single)
    const again = repeated.get(s.input) ?? new Set<number>()
    repeated.set(s.input, again)
    for (const e of s.exchanges.list()) {
      if (e.hash === 0 || e.answeredAt < 0 || again.has(e.hash)) continue
      if (single.delete(e.hash)) again.add(e.hash)
      else single.set(e.hash, e)
    }
  }
  return byInput
}

function boundsOf(front: ReadonlyMap<number, Exchange>, back: ReadonlyMap<number, Exchange>): Bounds[] {
  const out: Bounds[] = []
  for (const [hash, f] of front) {
    const b = back.get(hash)
    if (b === undefined || b.length !== f.length) continue
    const low = f.at - b.at
    const high = f.answeredAt - b.answeredAt
    if (low <= high) out.push({ low, high })
  }
  return out
}

/** Those that have a moment in common, the most that do; none when too many are left over. */
function agreeing(all: readonly Bounds[]): Bounds[] {
  const edges = all.flatMap((b) => [
    { at: b.low, step: 1 },
    { at: b.high, step: -1 },
  ])
  edges.sort((x, y) => x.at - y.at || y.step - x.step)
  let depth = 0
  let deepest = 0
  let at = 0
  for (const e of edges) {
    depth += e.step
    if (depth > deepest) {
      deepest = depth
      at = e.at
    }
  }
  return deepest < all.length * AGREEING ? [] : all.filter((b) => b.low <= at && at <= b.high)
}
