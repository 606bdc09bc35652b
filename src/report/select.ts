/** A part of a report: sessions by a filter, findings through their occurrences; the counts follow. */
import type { SessionFilter } from './filter.ts'
import type { Finding, Report } from './model.ts'

/** Only sessions that `filter` accepts, and of each finding only what happened to them. */
export function selectSessions(report: Report, filter: SessionFilter): Report {
  const sessions = report.sessions.filter(filter)
  const kept = new Set(sessions.map((s) => s.id))
  const findings = report.findings
    .map((f) => ({ ...f, occurrences: f.occurrences.filter((o) => kept.has(o.session)) }))
    .filter((f) => f.occurrences.length > 0)
  return recounted({ ...report, sessions, findings }, sessions.length + report.summary.notListed)
}

/** Only findings that `wanted` accepts; the sessions stay. */
export function selectFindings(report: Report, wanted: (f: Finding) => boolean): Report {
  return recounted({ ...report, findings: report.findings.filter(wanted) }, report.summary.sessions)
}

function recounted(report: Report, sessions: number): Report {
  const broken = new Set<string>()
  const findings = { error: 0, warning: 0, info: 0 }
  for (const f of report.findings) {
    findings[f.severity]++
    if (f.severity !== 'info') for (const o of f.occurrences) broken.add(o.session)
  }
  return { ...report, summary: { ...report.summary, sessions, broken: broken.size, findings } }
}
