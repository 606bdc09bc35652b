/** The exit code of an analysis (contract.md section 2). Only the report and the flags decide, never the format. */
import { EXIT } from '../core/errors.ts'
import { incompleteEvidence } from '../report/completeness.ts'
import type { Report, Severity } from '../report/model.ts'

export const SEVERITIES: readonly Severity[] = ['error', 'warning', 'info']

export interface ExitRequest {
  failOn?: Severity | undefined
  strict?: boolean | undefined
  interrupted?: boolean
}

/** The code, and why in words when it is not 0 and the report itself does not say so. */
export function exitCode(report: Report, request: ExitRequest): { code: number; why: string } {
  if (report.bugs !== undefined && report.bugs.length > 0)
    return { code: EXIT.bug, why: 'a rule failed: a bug of ours' }
  if (request.interrupted) return { code: EXIT.interrupted, why: 'interrupted: the report is partial' }
  const foreign = report.inputs.find((i) => i.anomalies.some((a) => a.kind === 'input.unrecognised'))
  if (foreign !== undefined) return { code: EXIT.input, why: `${foreign.path} was not recognised` }
  if (request.strict) {
    const missing = incompleteEvidence(report)
    if (missing.length > 0) {
      const named = [...new Set(missing.map((m) => `${m.input}: ${m.anomaly.kind}`))]
      return {
        code: EXIT.input,
        why: `--strict: the evidence is incomplete (${named.slice(0, 4).join(', ')}${named.length > 4 ? ', ...' : ''})`,
      }
    }
  }
  if (request.failOn !== undefined) {
    const least = SEVERITIES.indexOf(request.failOn)
    const grave = report.findings.filter((f) => SEVERITIES.indexOf(f.severity) <= least)
    if (grave.length > 0)
      return {
        code: EXIT.findings,
        why: `--fail-on ${request.failOn}: ${grave.length} finding${grave.length === 1 ? '' : 's'}`,
      }
  }
  return { code: EXIT.ok, why: '' }
}
