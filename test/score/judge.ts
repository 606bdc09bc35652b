/**
 * Holds a report against the label of a case (truth.json), on the captures alone: what tools/score.mjs --wire-only does, in
 * process. An expectation is met when a finding of its rule, role and details names every session; a finding of severity error or
 * warning about a session that is neither expected nor gray is a wrong accusation.
 */
import type { Finding, Report } from '../../src/index.ts'

interface Endpoints {
  client: string
  server: string
}

export interface Expectation {
  rule: string | string[]
  role?: string | string[]
  /** null: not asked for. */
  address?: string | null
  detail?: Record<string, unknown>
  severity?: string | string[]
  sessions: Endpoints[]
  /** Further rules that may fairly name these sessions. */
  also?: string | string[]
  wireOnly?: 'skip' | Partial<Expectation>
}

export interface Label {
  inputs: string[]
  expect?: Expectation[]
  /** Endpoints about which a finding is neither owed nor wrong. */
  gray?: string[]
  /** Rules that may name any session here. */
  lenient?: string | string[]
  wireOnly?: 'skip' | Partial<Expectation>
}

const INFORMATIVE = ['client-no-quit', 'query-cancelled', 'probe-without-handshake', 'connection-sharing-blocked']

const list = <T>(v: T | T[] | undefined): T[] => (v === undefined ? [] : Array.isArray(v) ? v : [v])
const key = (s: Endpoints): string => `${s.client} > ${s.server}`
const object = (v: 'skip' | Partial<Expectation> | undefined): Partial<Expectation> => (typeof v === 'object' ? v : {})

/** Inputs that a run on the captures alone is given. */
export const wireInputs = (label: Label): string[] =>
  label.inputs.filter((f) => /\.(pcap|pcapng|cap)(\.gz|\.zst)?$/.test(f) || /(keys|keylog)[^/]*\.(txt|log)$/.test(f))

/** What is wrong with the report, in words; empty when the case passes. */
export function faults(report: Report, label: Label): string[] {
  const wrong: string[] = []
  const allowed = new Map<string, string[]>()
  for (const e of label.expect ?? []) {
    const relaxed = { ...object(label.wireOnly), ...object(e.wireOnly) }
    const rules = [...list(e.rule), ...list(e.also), ...list(relaxed.rule)]
    for (const s of e.sessions) allowed.set(key(s), [...(allowed.get(key(s)) ?? []), ...rules])
    if (e.wireOnly === 'skip') continue
    const wanted = { ...e, ...relaxed }
    const named = new Set(
      report.findings.filter((f) => meets(wanted, f)).flatMap((f) => f.occurrences.map((o) => key(o))),
    )
    for (const s of e.sessions) if (!named.has(key(s))) wrong.push(`missed: ${list(wanted.rule).join('|')} ${key(s)}`)
  }
  for (const f of report.findings) {
    if (f.severity === 'info' || list(label.lenient).includes(f.rule)) continue
    for (const o of f.occurrences) {
      const rules = allowed.get(key(o))
      if (rules?.includes(f.rule)) continue
      if (rules === undefined && list(label.gray).some((g) => g === o.client || g === o.server)) continue
      wrong.push(`wrong accusation: ${f.rule} (${f.severity}) ${key(o)}`)
    }
  }
  return wrong
}

function meets(e: Expectation, f: Finding): boolean {
  if (!list(e.rule).includes(f.rule)) return false
  const severities = list(e.severity)
  if (severities.length > 0 ? !severities.includes(f.severity) : f.severity === 'info' && !INFORMATIVE.includes(f.rule))
    return false
  if (e.role !== undefined && !list(e.role).includes(f.culprit.role)) return false
  if (e.address && f.culprit.address && f.culprit.address !== e.address) return false
  return Object.entries(e.detail ?? {}).every(([name, value]) => {
    const got = list((f.detail as Record<string, unknown>)[name]).map(String)
    return list(value).some((v) => got.includes(String(v)))
  })
}
