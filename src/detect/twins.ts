/**
 * One break seen at several capture points is one break: the same connection (vantages.ts) is told once, under one cause, and
 * counted once, while every capture that shows it is an occurrence with its own frames.
 */
import { CLIENT } from '../core/direction.ts'
import type { Confidence } from '../report/model.ts'
import type { Session } from '../session/session.ts'
import { closeEvidence } from './describe.ts'
import type { Fleet } from './fleet.ts'
import type { RuleEvidence, Verdict } from './rule.ts'
import { otherVantages } from './vantages.ts'

const RANK: Record<Confidence, number> = { certain: 0, likely: 1, possible: 2 }

/**
 * Verdicts of one rule on one connection get one cause: that of the surest, since what one capture point shows completes what
 * another cannot.
 */
export function oneCausePerConnection(verdicts: readonly Verdict[], fleet: Fleet): readonly Verdict[] {
  const bySession = new Map<Session, Verdict>()
  for (const v of verdicts) if (!bySession.has(v.session)) bySession.set(v.session, v)
  return verdicts.map((v) => {
    let best = v
    for (const t of otherVantages(v.session, fleet)) {
      const other = bySession.get(t)
      if (other !== undefined && precedes(other, best)) best = other
    }
    if (best === v || (best.cause === v.cause && best.severity === v.severity)) return v
    const { cause, severity, culprit, title, detail, excluded, remedy } = best
    return { ...v, cause, severity, culprit, title, detail, excluded, remedy }
  })
}

/** The surer one; of equals always the same one. */
const precedes = (a: Verdict, b: Verdict): boolean =>
  RANK[a.confidence] - RANK[b.confidence] < 0 ||
  (a.confidence === b.confidence &&
    (a.session.input < b.session.input || (a.session.input === b.session.input && a.session.stream < b.session.stream)))

/** Adds to each finding the other captures that show the end of its connections and of which no rule spoke. */
export function addTwins(groups: readonly Verdict[][], explained: Set<Session>, fleet: Fleet): void {
  const order = new Map(fleet.sessions.map((s, i) => [s, i]))
  const told = new Set<Session>(groups.flatMap((g) => g.filter((v) => v.severity !== 'info').map((v) => v.session)))
  for (const group of groups) {
    const own = group.length
    for (const v of group.slice(0, own)) {
      if (v.severity === 'info') continue
      for (const t of otherVantages(v.session, fleet)) {
        if (told.has(t) || !showsEnd(t)) continue
        told.add(t)
        explained.add(t)
        group.push(twinOf(v, t))
      }
    }
    if (group.length > own) group.sort((a, b) => order.get(a.session)! - order.get(b.session)!)
  }
}

/** A close, or a request that nobody answered. */
const showsEnd = (t: Session): boolean => t.ending.first !== null || t.ending.unanswered !== null

function twinOf(v: Verdict, t: Session): Verdict {
  const first = t.ending.first
  const lost = t.ending.lost ?? t.ending.unanswered
  const own: RuleEvidence =
    first !== null
      ? closeEvidence(t, first)
      : { kind: 'frames', frames: [t.sides[CLIENT].lastFrame], says: 'the last frame that its client sent' }
  if (own.kind === 'frames') own.says += `; the same connection as ${v.session.id}`
  const there = v.evidence.map((e) => ({ ...e, of: e.of ?? v.session }))
  return {
    ...v,
    session: t,
    at: first?.at ?? v.at,
    command: v.command === null ? null : (lost?.name ?? v.command),
    statement: v.statement,
    evidence: [own, ...there],
  }
}

/** One verdict per connection, whatever number of captures shows it: what titles count. */
export function perConnection(verdicts: readonly Verdict[], fleet: Fleet): readonly Verdict[] {
  const counted = new Set<Session>()
  return verdicts.filter((v) => {
    if (otherVantages(v.session, fleet).some((t) => counted.has(t))) return false
    counted.add(v.session)
    return true
  })
}
