/**
 * Recordings of `mysqlconn proxy`: the proxy notes which legs are one session, and for each close whether it passed it on or made
 * it itself. It forwards bytes and closes as they are, so what was found on a leg towards the server is also what cut the leg in
 * front of it: one cause, told once.
 */
import type { Session } from '../session/session.ts'
import type { Fleet } from './fleet.ts'
import type { Verdict } from './rule.ts'

/** The proxy closed this leg by its own will (a fault on purpose, its own end, a limit): its reason. '' when it did not. */
export function ownReason(s: Session): string {
  const close = s.proxyNote?.close
  return close?.by === 'proxy' && close.cause === 'proxy' ? close.reason || 'unknown' : ''
}

/** The proxy's socket saw the other side of this leg close first, in order: no frame can have been made up in between. */
export function sawCloseItself(s: Session): boolean {
  const close = s.proxyNote?.close
  return close?.first === true && close.by !== 'proxy' && s.ending.first?.how === 'fin'
}

/** Verdicts of one rule: that on a front leg takes the cause of that on its back leg, and what the proxy did itself is said. */
export function joinRecordedLegs(verdicts: readonly Verdict[], fleet: Fleet): readonly Verdict[] {
  if (!verdicts.some((v) => v.session.proxyNote !== null)) return verdicts
  const bySession = new Map<Session, Verdict>()
  for (const v of verdicts) if (!bySession.has(v.session)) bySession.set(v.session, v)
  return verdicts.map((v) => {
    const { proxyNote } = v.session
    if (proxyNote === null) return v
    const reason = ownReason(v.session)
    if (reason !== '')
      return {
        ...v,
        // It knows what it did itself.
        confidence: v.culprit.role === 'proxy' ? 'certain' : v.confidence,
        evidence: [...v.evidence, saysItself(v.session, `mysqlconn proxy closed it itself: ${reason}`)],
      }
    const back = proxyNote.leg === 'front' ? fleet.backLeg(v.session) : null
    const there = back === null ? undefined : bySession.get(back)
    if (there === undefined || back!.proxyNote?.session !== proxyNote.session) return v
    const { cause, culprit, title, detail, excluded, remedy } = there
    return { ...v, cause, culprit, title, detail, excluded, remedy }
  })
}

function saysItself(s: Session, says: string): Verdict['evidence'][number] {
  return { kind: 'frames', frames: [s.proxyNote?.close?.frame ?? 0], says }
}
