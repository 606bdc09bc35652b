/** How many requests were lost: one that was seen on several legs, or at several capture points, is one. */
import type { Finding, Report } from './model.ts'
import { isLost } from './words.ts'

export function lostRequests(report: Report, findings: readonly Finding[]): number {
  const lost = new Set<string>()
  for (const f of findings) for (const o of f.occurrences) if (isLost(o.outcome)) lost.add(o.session)
  if (lost.size < 2) return lost.size
  const sessions = new Map(report.sessions.filter((s) => lost.has(s.id)).map((s) => [s.id, s]))
  const behind = new Map<string, string[]>()
  for (const s of sessions.values()) {
    if (s.legOf === null) continue
    const list = behind.get(s.legOf)
    if (list === undefined) behind.set(s.legOf, [s.id])
    else list.push(s.id)
  }
  const counted = new Set<string>()
  let n = 0
  for (const id of lost) {
    if (counted.has(id)) continue
    n++
    // Everything that is the same request: other captures of the connection, the leg in front of it, and theirs in turn.
    const open = [id]
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (counted.has(next)) continue
      counted.add(next)
      const s = sessions.get(next)
      if (s === undefined) continue
      open.push(...s.sameAs.filter((x) => lost.has(x)))
      if (s.legOf !== null && lost.has(s.legOf)) open.push(s.legOf)
      open.push(...(behind.get(next) ?? []))
    }
  }
  return n
}
