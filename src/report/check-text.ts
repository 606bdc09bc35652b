/** `mysqlconn check` for people: whether the policy holds, which questions failed and why, what passed, then the findings. */
import { sessionIndex } from './chain.ts'
import { type FindingTextOptions, findingText } from './finding-text.ts'
import { inputLines } from './inputs-text.ts'
import type { CheckCase, Report } from './model.ts'
import type { Style } from './style.ts'
import { count } from './words.ts'
import { hang } from './wrap.ts'

export function* renderCheck(report: Report, style: Style, options: FindingTextOptions = {}): Iterable<string> {
  for (const line of lines(report, style, options)) yield style.line(line)
}

function* lines(report: Report, style: Style, options: FindingTextOptions): Iterable<string> {
  const { check } = report
  if (check === undefined) return
  yield ''
  yield* inputLines(report, style)
  yield ''
  const failed = check.cases.filter((c) => !c.passed)
  const policy = check.policy ?? 'built-in policy'
  const counts = `${count(check.cases.length, 'question')}, ${failed.length === 0 ? 'none failed' : `${failed.length} failed`}`
  const sign = check.passed ? style.green(style.glyph.ok) : style.red(style.glyph.error)
  const verdict = check.passed ? 'The policy holds' : 'The policy is broken'
  yield `  ${sign} ${style.bold(verdict)} (${style.clean(policy)}: ${counts})`
  yield ''
  for (const c of failed) yield* caseLine(c, style)
  // What passed is said too: a gate that looked at nothing must not look like one that found nothing.
  const told = check.cases.filter((c) => c.passed && (c.kind !== 'rule' || c.findings.length > 0))
  for (const c of told) yield* caseLine(c, style)
  const quiet = check.cases.length - failed.length - told.length
  if (quiet > 0) yield `  ${style.green(style.glyph.ok)} ${count(quiet, 'rule')} found nothing`
  const sessions = sessionIndex(report)
  const wanted = new Set(failed.flatMap((c) => c.findings))
  for (const f of report.findings) {
    if (!wanted.has(f.id) || f.suppressed !== undefined) continue
    yield ''
    yield* findingText(f, report, sessions, style, options)
    yield `      ${style.dim('id        ')}${style.clean(f.id)}`
  }
}

function caseLine(c: CheckCase, style: Style): string[] {
  const sign = c.passed ? style.glyph.ok : style.glyph.error
  const name = c.kind === c.name ? c.name : `${c.kind} ${c.name}`
  const paint = c.passed ? style.green : style.red
  const text = hang(`  ${sign} `, style.clean(`${name}: ${c.says}`), style.width)
  return text.map((line, i) => (i === 0 ? line.replace(sign, paint(sign)) : line))
}
