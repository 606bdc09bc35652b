/**
 * What a policy says of a report: severities changed, sessions out of scope left out, accepted findings marked, and every
 * question answered. No clock: an entry of the baseline expires by the time of the capture, so the same input gives the same bytes.
 */
import { incompleteEvidence } from '../report/completeness.ts'
import { parseFilter } from '../report/filter.ts'
import type {
  BaselineEntry,
  CheckCase,
  CheckReport,
  Finding,
  Report,
  SessionReport,
  Severity,
} from '../report/model.ts'
import { selectFindings, selectSessions } from '../report/select.ts'
import { count, grouped, isLost, seconds } from '../report/words.ts'
import { type Amount, type Budget, MEASURE_KEY, type Policy } from './policy.ts'
import { inScope } from './scope.ts'

const RANK: Record<Severity, number> = { error: 0, warning: 1, info: 2 }

export interface Baseline {
  path: string
  entries: readonly BaselineEntry[]
}

/** The report as the policy sees it, with `check`. `ruleIds`: the rules that are asked; those that the policy turns off are not. */
export function judge(report: Report, policy: Policy, baseline: Baseline | null, ruleIds: readonly string[]): Report {
  const ran = ruleIds.filter((id) => policy.rules.get(id) !== 'off')
  let scoped = selectSessions(report, inScope(policy.scope, policy.exclude))
  if (policy.scope.filter !== undefined) scoped = selectSessions(scoped, parseFilter(policy.scope.filter))
  // A rule that is off still explains its sessions: else a vaguer rule would speak in its place.
  scoped = selectFindings(scoped, (f) => ran.includes(f.rule))
  // Sessions that were only counted are healthy; in a scope nobody knows whether they belong to it.
  const whole = scoped.sessions.length === report.sessions.length
  const sessions = whole ? report.summary.sessions : scoped.sessions.length
  const day = lastDay(report)
  const expired = (baseline?.entries ?? []).filter((e) => day !== null && e.expires < day)
  const accepted = new Map((baseline?.entries ?? []).filter((e) => !expired.includes(e)).map((e) => [e.id, e] as const))
  const findings = scoped.findings
    .map((f): Finding => {
      const severity = policy.rules.get(f.rule)
      const entry = accepted.get(f.id)
      return {
        ...f,
        ...(severity === undefined || severity === 'off' ? {} : { severity }),
        ...(entry === undefined
          ? {}
          : { suppressed: { reason: entry.reason, owner: entry.owner, expires: entry.expires } }),
      }
    })
    .sort((a, b) => RANK[a.severity] - RANK[b.severity])
  const judged = selectFindings({ ...scoped, findings, summary: { ...scoped.summary, sessions } }, () => true)
  const met = new Set(findings.map((f) => f.id))
  const stale = (baseline?.entries ?? []).filter((e) => !met.has(e.id))
  const cases = [
    ...ran.map((id) => ruleCase(id, findings, policy)),
    ...policy.budgets.map((b) => budgetCase(b, judged, sessions)),
    ...requirements(judged, policy, sessions),
    ...baselineCases(baseline, stale, expired, findings),
  ]
  const check: CheckReport = {
    policy: policy.name,
    passed: cases.every((c) => c.passed),
    failOn: policy.failOn,
    cases,
    baseline: { path: baseline?.path ?? null, stale: [...stale], expired: [...expired] },
  }
  return { ...judged, check }
}

/** Day of the last frame or line that was read, null when none bears a time. */
function lastDay(report: Report): string | null {
  const times = report.inputs.map((i) => i.lastAt ?? '').filter((t) => /^\d{4}-/.test(t))
  return times.length === 0 ? null : times.sort().at(-1)!.slice(0, 10)
}

/** Findings of a rule that break the policy: grave enough, not accepted, and no budget speaks for them. */
export function breaking(findings: readonly Finding[], policy: Policy): Finding[] {
  const { failOn } = policy
  if (failOn === null) return []
  const budgeted = new Set(policy.budgets.map((b) => b.name))
  return findings.filter((f) => f.suppressed === undefined && !budgeted.has(f.rule) && RANK[f.severity] <= RANK[failOn])
}

function ruleCase(id: string, findings: readonly Finding[], policy: Policy): CheckCase {
  const own = findings.filter((f) => f.rule === id)
  const bad = breaking(own, policy)
  const accepted = own.filter((f) => f.suppressed !== undefined)
  const parts =
    own.length === 0
      ? ['nothing found']
      : own.slice(0, 3).map((f) => {
          const how =
            f.suppressed === undefined ? f.severity : `accepted by ${f.suppressed.owner} until ${f.suppressed.expires}`
          return `${f.title} (${how}, ${count(f.occurrences.length, 'connection')})`
        })
  if (own.length > 3) parts.push(`${own.length - 3} more`)
  if (accepted.length < own.length && bad.length === 0)
    parts.push(policy.budgets.some((b) => b.name === id) ? 'its budget decides' : 'below fail-on')
  return { kind: 'rule', name: id, passed: bad.length === 0, says: parts.join('; '), findings: own.map((f) => f.id) }
}

function budgetCase(b: Budget, report: Report, sessions: number): CheckCase {
  const measure = MEASURE_KEY.exec(b.name)
  if ('seconds' in b.limit && measure !== null) return measureCase(b, measure[1]!, measure[2]!, b.limit.seconds, report)
  const open = report.findings.filter((f) => f.suppressed === undefined)
  const own = COUNTED[b.name]?.(open) ?? open.filter((f) => f.rule === b.name)
  const n = new Set(
    own.flatMap((f) => f.occurrences.filter((o) => b.name !== 'lost' || isLost(o.outcome)).map((o) => o.session)),
  ).size
  const allowed = allowance(b.limit as Amount, sessions)
  const share = sessions === 0 ? '' : `, ${percent(n / sessions)} of ${grouped(sessions)}`
  return {
    kind: 'budget',
    name: b.name,
    passed: n <= allowed,
    says: `${count(n, 'session')}${share}; the budget is ${b.text}`,
    findings: own.map((f) => f.id),
  }
}

const COUNTED: Record<string, (open: readonly Finding[]) => Finding[]> = {
  broken: (open) => open.filter((f) => f.severity !== 'info'),
  lost: (open) => open.filter((f) => f.occurrences.some((o) => isLost(o.outcome))),
}

const allowance = (a: Amount, sessions: number): number => ('count' in a ? a.count : a.share * sessions)
const percent = (share: number): string => `${Number((share * 100).toPrecision(3))}%`

const VALUE: Record<string, (s: SessionReport) => number | undefined> = {
  handshake: (s) => s.handshakeSeconds,
  greeting: (s) => s.greetingSeconds,
  silence: (s) => (s.ending.how === 'open' ? undefined : s.ending.silenceSeconds),
  duration: (s) => Math.max(0, (Date.parse(s.endAt) - Date.parse(s.startAt)) / 1000),
}

function measureCase(b: Budget, statistic: string, name: string, limit: number, report: Report): CheckCase {
  const values = report.sessions
    .map(VALUE[name]!)
    .filter((v) => v !== undefined)
    .sort((x, y) => x - y)
  const answer = (passed: boolean, says: string): CheckCase => ({
    kind: 'budget',
    name: b.name,
    passed,
    says,
    findings: [],
  })
  // What nobody saw is within no budget.
  if (values.length === 0) return answer(false, `cannot be judged: no session shows its ${name}`)
  const value = statisticOf(statistic, values)
  return answer(value <= limit, `${seconds(value)} over ${count(values.length, 'session')}; the budget is ${b.text}`)
}

/** Percentiles by nearest rank: a value that was really seen. */
function statisticOf(statistic: string, sorted: readonly number[]): number {
  if (statistic === 'max') return sorted.at(-1)!
  if (statistic === 'mean') return sorted.reduce((sum, v) => sum + v, 0) / sorted.length
  const rank = Math.ceil((Number(statistic.slice(1)) / 100) * sorted.length)
  return sorted[Math.max(0, rank - 1)]!
}

/** A session whose commands could be read: MySQL in plain text, or TLS that was opened. */
const isReadable = (s: SessionReport): boolean => s.mysql !== null && (s.tls === null || s.tls.decrypted)

function requirements(report: Report, policy: Policy, sessions: number): CheckCase[] {
  const { require } = policy
  const fact = (name: string, passed: boolean, says: string): CheckCase => ({
    kind: 'require',
    name,
    passed,
    says,
    findings: [],
  })
  const readable = report.sessions.filter(isReadable).length + (sessions - report.sessions.length)
  const least = Math.ceil(allowance(require.readable, sessions))
  const out = [
    fact(
      'sessions',
      sessions >= require.sessions,
      `${count(sessions, 'MySQL session')} in scope; at least ${grouped(require.sessions)} must be seen`,
    ),
    fact(
      'readable',
      readable >= least,
      `${grouped(readable)} of them could be read; at least ${grouped(least)} must be`,
    ),
  ]
  if (!require.complete) return out
  const missing = incompleteEvidence(report).map((m) => `${m.input}: ${m.anomaly.kind}`)
  const unread = report.inputs.flatMap((i) =>
    i.anomalies.filter((a) => UNREAD.has(a.kind)).map((a) => `${i.name}: ${a.kind}`),
  )
  const gaps = [...new Set([...(report.partial ? ['the run broke off'] : []), ...missing, ...unread])]
  const says =
    gaps.length === 0
      ? 'nothing was lost, cut or left unread'
      : `the evidence is incomplete: ${gaps.slice(0, 6).join(', ')}${gaps.length > 6 ? ` and ${gaps.length - 6} more` : ''}`
  return [...out, fact('complete', gaps.length === 0, says)]
}

/** An input that says nothing to us is evidence that somebody thought would count. */
const UNREAD: ReadonlySet<string> = new Set(['input.unrecognised', 'capture.no-mysql', 'capture.empty'])

function baselineCases(
  baseline: Baseline | null,
  stale: readonly BaselineEntry[],
  expired: readonly BaselineEntry[],
  findings: readonly Finding[],
): CheckCase[] {
  if (baseline === null) return []
  const met = new Set(findings.map((f) => f.id))
  const over = expired.filter((e) => met.has(e.id))
  const used = findings.filter((f) => f.suppressed !== undefined)
  const parts = [`${count(used.length, 'finding')} accepted`]
  if (over.length > 0) parts.push(`expired: ${over.map((e) => `${e.id} (${e.owner}, ${e.expires})`).join(', ')}`)
  if (stale.length > 0) parts.push(`stale, not met this time: ${stale.map((e) => `${e.id} (${e.owner})`).join(', ')}`)
  return [
    {
      kind: 'baseline',
      name: 'baseline',
      passed: over.length === 0,
      says: parts.join('; '),
      findings: used.map((f) => f.id),
    },
  ]
}
