/**
 * GitLab Code Quality (docs.gitlab.com/ci/testing/code_quality, "Code Quality report format"): one issue per finding. The line
 * is the frame number in a capture.
 */
import { createHash } from 'node:crypto'
import type { Report, Severity } from './model.ts'
import { inputIndex, mainPlace } from './place.ts'
import { escapeControls } from './style.ts'

const SEVERITY: Record<Severity, 'critical' | 'major' | 'info'> = { error: 'critical', warning: 'major', info: 'info' }

export function* renderGitlab(report: Report): Iterable<string> {
  const inputs = inputIndex(report)
  const issues = report.findings
    .filter((f) => f.suppressed === undefined)
    .map((f) => {
      const place = mainPlace(f, inputs)
      return {
        description: escapeControls(`${f.title} (${f.confidence})`),
        check_name: f.rule,
        fingerprint: createHash('sha256').update(f.id).digest('hex'),
        severity: SEVERITY[f.severity],
        location: { path: place.path, lines: { begin: place.line } },
      }
    })
  yield* JSON.stringify(issues, null, 2).split('\n')
}
