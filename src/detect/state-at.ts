/** The state that a session carried at a moment, in words: for `sessions show`. */
import type { Instant } from '../core/time.ts'
import type { Session } from '../session/session.ts'
import { SessionState } from '../state/replay.ts'
import { classify, shown } from '../state/variables.ts'
import type { Fleet } from './fleet.ts'

/** '' when nothing differs from what the login left. A change counts from its answer on. */
export function stateAt(s: Session, fleet: Fleet): (at: Instant) => string {
  const facts = s.mysql?.state
  const story = fleet.stateStory(s)
  if (facts == null || story === null) return () => ''
  const state = new SessionState(s.mysql?.login?.schema ?? '', facts.status)
  const moments: { at: Instant; says: string }[] = []
  for (const b of story.borrows) {
    for (const { step, ours } of b.steps) {
      state.apply(step, ours)
      const says = [...state.entries.values()]
        .map((e) => `${classify(e.key).name}${e.value === '' ? '' : `=${shown(e.key, e.value)}`}`)
        .join(', ')
      if (says !== (moments.at(-1)?.says ?? ''))
        moments.push({ at: step.answeredAt < 0 ? step.at : step.answeredAt, says })
    }
  }
  return (at) => moments.findLast((m) => m.at <= at)?.says ?? ''
}
