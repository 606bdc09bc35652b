/** Which sessions and frames of a report belong into a slice, and which frames the reader should find at once. */
import type { Finding, Report, SessionReport } from '../report/model.ts'

export interface Selection {
  sessions: ReadonlySet<string>
  /** What evidence says of frames: input, frame number, words. */
  comments: ReadonlyMap<string, ReadonlyMap<number, string>>
}

/** How much around the sessions concerned is taken along: only they; others of the same hosts; everything. */
export type Width = 0 | 1 | 2

/** The sessions of a finding: those it names, their other legs and captures, and those that its evidence points into. */
export function sessionsOfFinding(report: Report, finding: Finding): Set<string> {
  const known = new Map(report.sessions.map((s) => [s.id, s]))
  const out = new Set(finding.occurrences.map((o) => o.session))
  for (const id of strings(finding.detail)) if (known.has(id)) out.add(id)
  for (const o of finding.occurrences)
    for (const e of o.evidence) {
      if (e.kind !== 'frames') continue
      const stream = /^tcp\.stream==(\d+)\b/.exec(e.filter)?.[1]
      if (stream !== undefined) out.add(`${e.input}:${stream}`)
    }
  return withLegs(report, out)
}

/** Other legs and other vantage points of sessions. */
export function withLegs(report: Report, ids: Iterable<string>): Set<string> {
  const out = new Set(ids)
  for (let before = -1; before !== out.size; ) {
    before = out.size
    for (const s of report.sessions) {
      const near = [...s.sameAs, ...(s.legOf === null ? [] : [s.legOf])]
      if (out.has(s.id)) for (const id of near) out.add(id)
      else if (near.some((id) => out.has(id))) out.add(s.id)
    }
  }
  return out
}

/** The same sessions with their surroundings. */
export function widen(report: Report, ids: ReadonlySet<string>, width: Width): Set<string> {
  if (width === 0) return new Set(ids)
  if (width === 2) return new Set(report.sessions.map((s) => s.id))
  const host = (endpoint: string): string => endpoint.replace(/:\d+$/, '')
  const hosts = new Set<string>()
  const of = (s: SessionReport): string => `${host(s.client)} ${s.server}`
  for (const s of report.sessions) if (ids.has(s.id)) hosts.add(of(s))
  return withLegs(
    report,
    report.sessions.filter((s) => ids.has(s.id) || hosts.has(of(s))).map((s) => s.id),
  )
}

/** Comments for the frames that the evidence of these findings names. */
export function commentsOf(findings: readonly Finding[], words: boolean): Map<string, Map<number, string>> {
  const out = new Map<string, Map<number, string>>()
  for (const f of findings) {
    for (const o of f.occurrences) {
      let n = 0
      for (const e of o.evidence) {
        if (e.kind !== 'frames') continue
        n++
        const frames = out.get(e.input) ?? new Map<number, string>()
        out.set(e.input, frames)
        for (const frame of e.frames) {
          const says = words ? e.says : `evidence ${n}`
          const before = frames.get(frame)
          const text = `mysqlconn ${f.rule}: ${says}`
          if (before === undefined) frames.set(frame, text)
          else if (!before.includes(text) && before.length < 1000) frames.set(frame, `${before}; ${text}`)
        }
      }
    }
  }
  return out
}

function strings(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  if (Array.isArray(value)) return value.flatMap(strings)
  return value !== null && typeof value === 'object' ? Object.values(value).flatMap(strings) : []
}
