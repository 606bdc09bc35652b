/**
 * GitHub Actions annotations: workflow commands on stdout (docs.github.com, "Workflow commands"). A step shows ten of each
 * severity, so the gravest come first and the rest is counted. The line of an annotation is the frame number.
 */
import { casesOf } from './cases.ts'
import type { Finding, Report, Severity } from './model.ts'
import { inputIndex, leadOf, mainPlace } from './place.ts'
import { escapeControls } from './style.ts'
import { count, isLost, OUTCOME_SAYS } from './words.ts'

const SHOWN = 10
const COMMAND: Record<Severity, 'error' | 'warning' | 'notice'> = { error: 'error', warning: 'warning', info: 'notice' }

export function* renderGithub(report: Report): Iterable<string> {
  const inputs = inputIndex(report)
  const open = report.findings.filter((f) => f.suppressed === undefined)
  let left = SHOWN
  // A budget or requirement that is broken has no finding that would say so.
  for (const c of casesOf(report)) {
    if (c.passed || c.kind === 'rule' || left === 0) continue
    left--
    yield command('error', { title: `mysqlconn ${c.kind} ${c.name}` }, c.says)
  }
  const room: Record<Severity, number> = { error: left, warning: SHOWN, info: SHOWN }
  for (const f of open) {
    if (room[f.severity]-- <= 0) continue
    const place = mainPlace(f, inputs)
    yield command(
      COMMAND[f.severity],
      { file: place.path, line: String(place.line), title: `mysqlconn ${f.rule}` },
      says(f),
    )
  }
  const hidden = Object.values(room).reduce((n, r) => n + Math.max(0, -r), 0)
  if (hidden > 0) yield `mysqlconn: ${count(hidden, 'more finding')} without an annotation`
  yield verdict(report)
}

function says(f: Finding): string {
  const lead = leadOf(f)
  const lost =
    lead !== undefined && isLost(lead.outcome)
      ? `Lost: ${lead.statement ?? lead.command ?? 'a request'} (${OUTCOME_SAYS[lead.outcome]})`
      : ''
  const fix = f.remedy[0]
  return [
    `${f.title} (${f.confidence})`,
    lost,
    fix === undefined ? '' : `Do: ${fix.config === '' ? fix.text : `${fix.text}: ${fix.config}`}`,
    `mysqlconn explain ${f.rule}`,
  ]
    .filter((t) => t !== '')
    .map(escapeControls)
    .join('\n')
}

function verdict(report: Report): string {
  const { sessions, broken } = report.summary
  const facts = `${count(sessions, 'session')}, ${broken} broken`
  if (report.check === undefined) return `mysqlconn: ${facts}`
  return `mysqlconn: ${report.check.passed ? 'the policy holds' : 'the policy is broken'}: ${facts}`
}

function command(name: string, properties: Record<string, string>, message: string): string {
  const list = Object.entries(properties).map(([key, value]) => `${key}=${property(value)}`)
  return `::${name} ${list.join(',')}::${data(message)}`
}

/** actions/toolkit, packages/core/src/command.ts. */
const data = (s: string): string => s.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
const property = (s: string): string => data(s).replaceAll(':', '%3A').replaceAll(',', '%2C')
