/**
 * How far the clocks of the captures are apart. A connection seen at two points bounds it from both sides, as in NTP (RFC
 * 5905 8): its SYN passed one point before the other, its SYN-ACK the other way round, so the offset lies between the
 * difference that the two show for the one and for the other. All connections together narrow that down. Captures that share no
 * connection may share statements, on either side of a proxy: clock-statements.ts.
 */
import { CLIENT, SERVER } from '../core/direction.ts'
import { type Duration, NS_PER_MS } from '../core/time.ts'
import type { Session } from '../session/session.ts'
import { type Bounds, statementBounds } from './clock-statements.ts'
import { matchVantages } from './vantages.ts'

export interface ClockOffset {
  /** This input's clock minus the common one: positive when it is ahead. */
  offset: Duration
  /** The true value is no further off than this; null where the user gave it. */
  within: Duration | null
  /** Connections, or statements, that it was taken from. */
  connections: number
}

/** Offsets smaller than this are not told from none where none is possible. */
const NEGLIGIBLE = NS_PER_MS

/**
 * Offset of every input that can be compared with another, or whose offset is `given`. The common clock is that of the first
 * input, unless offsets are given.
 */
export function clockOffsets(
  sessions: readonly Session[],
  inputs: readonly string[],
  given: ReadonlyMap<string, Duration> = new Map(),
): Map<string, ClockOffset> {
  const bounds = boundsBetween(sessions)
  const found = new Map<string, ClockOffset>()
  for (const input of inputs) {
    const offset = given.get(input)
    if (offset !== undefined) found.set(input, { offset, within: null, connections: 0 })
  }
  spread(found, bounds, inputs)
  for (const input of inputs) {
    if (found.has(input) || !bounds.has(input)) continue
    found.set(input, { offset: 0, within: 0, connections: 0 })
    spread(found, bounds, inputs)
  }
  return found
}

/** Carries known offsets on to inputs that share connections with them, best proven first. */
function spread(
  found: Map<string, ClockOffset>,
  bounds: ReadonlyMap<string, ReadonlyMap<string, Bounds[]>>,
  inputs: readonly string[],
): void {
  for (;;) {
    let best: { input: string; from: ClockOffset; pair: Bounds[] } | null = null
    for (const input of inputs) {
      if (found.has(input)) continue
      for (const [other, pair] of bounds.get(input) ?? []) {
        const from = found.get(other)
        if (from !== undefined && (best === null || pair.length > best.pair.length)) best = { input, from, pair }
      }
    }
    if (best === null) return
    const e = estimate(best.pair)
    found.set(best.input, {
      offset: best.from.offset + e.offset,
      within: e.within + (best.from.within ?? 0),
      connections: best.pair.length,
    })
  }
}

/** What each matched connection says: for inputs a and b, the bounds of clock a minus clock b. */
function boundsBetween(sessions: readonly Session[]): Map<string, Map<string, Bounds[]>> {
  const found = new Map<string, Map<string, Bounds[]>>()
  for (const [s, group] of matchVantages(sessions, false)) {
    for (const t of group) {
      if (t === s) continue
      const b = boundsOf(s, t)
      if (b === null) continue
      const of = pairOf(found, s.input)
      const list = of.get(t.input)
      if (list === undefined) of.set(t.input, [b])
      else list.push(b)
    }
  }
  for (const [a, others] of statementBounds(sessions)) {
    for (const [b, bounds] of others) {
      // A connection that both saw says it better.
      if (found.get(a)?.has(b) === true) continue
      pairOf(found, a).set(b, bounds)
      pairOf(found, b).set(
        a,
        bounds.map((x) => ({ low: -x.high, high: -x.low })),
      )
    }
  }
  return found
}

function pairOf(found: Map<string, Map<string, Bounds[]>>, input: string): Map<string, Bounds[]> {
  const known = found.get(input) ?? new Map<string, Bounds[]>()
  found.set(input, known)
  return known
}

/** Clock of `a` minus clock of `b`, from packets that travelled in opposite directions; null when both did not see such. */
function boundsOf(a: Session, b: Session): Bounds | null {
  // A SYN that was sent again may be another one at each point.
  const syn = a.synFrame > 0 && b.synFrame > 0 && a.synAckFrame > 0 && b.synAckFrame > 0
  if (syn && a.synRetransmissions + b.synRetransmissions === 0)
    return between(a.startAt - b.startAt, a.synAckAt - b.synAckAt)
  const fins = (s: Session): boolean => s.sides[CLIENT].finAt > 0 && s.sides[SERVER].finAt > 0
  if (fins(a) && fins(b))
    return between(a.sides[CLIENT].finAt - b.sides[CLIENT].finAt, a.sides[SERVER].finAt - b.sides[SERVER].finAt)
  return null
}

const between = (x: Duration, y: Duration): Bounds => (x < y ? { low: x, high: y } : { low: y, high: x })

/** The middle of what all connections allow; where they contradict each other (drift, lost packets) the median of their middles. */
function estimate(pair: readonly Bounds[]): { offset: Duration; within: Duration } {
  const low = Math.max(...pair.map((b) => b.low))
  const high = Math.min(...pair.map((b) => b.high))
  const agreed = low <= high
  const offset = agreed ? (low + high) / 2 : median(pair.map((b) => (b.low + b.high) / 2))
  const within = agreed ? (high - low) / 2 : median(pair.map((b) => (b.high - b.low) / 2))
  if (Math.abs(offset) < NEGLIGIBLE && Math.abs(offset) <= within + NEGLIGIBLE / 10) return { offset: 0, within }
  return { offset: Math.round(offset), within }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[sorted.length >> 1]!
}
