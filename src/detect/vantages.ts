/** The same connection in other captures of the run: equal endpoints, greeting and connection id, another input. */
import type { Session } from '../session/session.ts'
import type { Fleet } from './fleet.ts'

const cache = new WeakMap<Fleet, Map<string, Session[]>>()
const NONE: readonly Session[] = []

/** The same connection as seen elsewhere; none when its greeting was not captured. */
export function otherVantages(s: Session, fleet: Fleet): readonly Session[] {
  const key = keyOf(s)
  if (key === null) return NONE
  let index = cache.get(fleet)
  if (index === undefined) {
    index = new Map()
    for (const t of fleet.sessions) {
      const k = keyOf(t)
      if (k === null) continue
      const list = index.get(k)
      if (list === undefined) index.set(k, [t])
      else list.push(t)
    }
    cache.set(fleet, index)
  }
  const all = index.get(key) ?? NONE
  return all.length < 2 ? NONE : all.filter((t) => t.input !== s.input)
}

function keyOf(s: Session): string | null {
  const g = s.mysql?.greeting
  return g == null || g.scramble === '' ? null : `${s.client} ${s.server} ${g.connectionId} ${g.scramble}`
}
