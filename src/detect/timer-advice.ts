/** What the timers of the path say about findings: which setting to change, and checks that come too late. */
import { createHash } from 'node:crypto'
import { formatDuration, NS_PER_SECOND } from '../core/time.ts'
import { parseEndpoint } from '../correlate/endpoint.ts'
import type { Finding } from '../report/model.ts'
import { emptyDetail } from './log-lead.ts'
import type { RuleMeta } from './rule.ts'
import { conflicts, sameTimer, type TimerSetting, timersObserved, timerWords } from './timer-settings.ts'

/** A check this much rarer than the timer is too late. */
const LONGER = 1.05

/** Puts the setting that stands in the wrong order first among the remedies of the findings that it explains. */
export function adviseOnTimers(findings: readonly Finding[], settings: readonly TimerSetting[]): void {
  for (const f of findings) {
    const [observed] = timersObserved([f])
    if (observed === undefined) continue
    const own = settings.find((s) => s.layer !== 'pool' && s.where !== 'observed' && sameTimer(observed, s))
    if (own !== undefined) confirm(f, own)
    for (const c of conflicts([...settings, observed])) {
      if (c.inner !== observed) continue
      f.remedy = [
        {
          text: `${timerWords(c.outer)} must be below ${formatDuration(c.inner.seconds * NS_PER_SECOND)}, with some room`,
          config: '',
        },
        ...f.remedy,
      ]
      break
    }
  }
}

/** The configuration of the layer that closed has a timer of just this length. */
function confirm(f: Finding, own: TimerSetting): void {
  if (f.confidence === 'possible') f.confidence = 'likely'
  const says = {
    kind: 'measure',
    name: `${own.product} ${own.name}`,
    value: own.seconds,
    unit: 's',
    compared: own.where,
  } as const
  for (const o of f.occurrences) o.evidence = [...o.evidence, says]
}

/**
 * Requests lost to an idle timer that is shorter than the pool's own check interval, as the pool's settings have it. `meta`:
 * validation-too-late; null when it is not to run. Nothing when the packets have already shown it.
 */
export function lateChecks(
  findings: readonly Finding[],
  settings: readonly TimerSetting[],
  meta: RuleMeta | null,
): Finding[] {
  if (meta === null || findings.some((f) => f.rule === meta.id)) return []
  const check = settings
    .filter((s) => s.layer === 'pool' && s.kind === 'check')
    .sort((a, b) => a.seconds - b.seconds)[0]
  if (check === undefined) return []
  const out: Finding[] = []
  for (const f of findings) {
    const [timer] = timersObserved([f])
    if (timer === undefined || f.severity !== 'error' || check.seconds < timer.seconds * LONGER) continue
    const hosts = new Set<string>()
    const occurrences = f.occurrences.filter((o) => {
      const host = parseEndpoint(o.client)?.host ?? ''
      const own = o.outcome !== 'none' && host !== f.culprit.address
      if (own) hosts.add(host)
      return own
    })
    if (occurrences.length === 0) continue
    const address = hosts.size === 1 && [...hosts][0] !== 'unknown' ? [...hosts][0]! : null
    const period = formatDuration(check.seconds * NS_PER_SECOND)
    const dead = formatDuration(timer.seconds * NS_PER_SECOND)
    const key = `settings ${check.product} ${check.name} ${address}`
    out.push({
      ...f,
      id: `${meta.id}:${createHash('sha256').update(`${meta.id}\n${key}`).digest('hex').slice(0, 8)}`,
      rule: meta.id,
      family: meta.family,
      confidence: 'likely',
      title: `${check.product} checks its connections every ${period} (${check.name}), too late for a timer of ${dead}; ${occurrences.length === 1 ? '1 request was' : `${occurrences.length} requests were`} lost`,
      culprit: { role: 'client', address, product: check.product },
      detail: { ...emptyDetail(meta), periodSeconds: check.seconds, timerSeconds: timer.seconds },
      occurrences: occurrences.map((o) => ({
        ...o,
        evidence: [
          ...o.evidence,
          {
            kind: 'measure',
            name: `${check.product} ${check.name} (${check.where})`,
            value: check.seconds,
            unit: 's',
            compared: `the timer is ${dead}`,
          },
        ],
      })),
      excluded: [],
      remedy: meta.fix,
      references: meta.references,
    })
  }
  return out
}
