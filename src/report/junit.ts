/**
 * JUnit XML as Jenkins, GitLab and others read it (jenkinsci/xunit-plugin junit-10.xsd; testmoapp/junitxml): one test case per
 * rule, budget and requirement. No times and no host names: the same input gives the same bytes.
 */
import { casesOf, findingIndex } from './cases.ts'
import { evidenceText } from './finding-text.ts'
import type { CheckCase, Finding, Report } from './model.ts'
import { leadOf } from './place.ts'
import { escapeControls } from './style.ts'
import { isLost, OUTCOME_SAYS } from './words.ts'

const SUITES: Record<CheckCase['kind'], string> = {
  rule: 'mysqlconn.rules',
  budget: 'mysqlconn.budgets',
  require: 'mysqlconn.require',
  baseline: 'mysqlconn.baseline',
}

export function* renderJunit(report: Report): Iterable<string> {
  const cases = casesOf(report)
  const findings = findingIndex(report)
  const broken = (report.bugs ?? []).length
  const totals = sums(cases, findings)
  yield '<?xml version="1.0" encoding="UTF-8"?>'
  yield `<testsuites name="mysqlconn" tests="${totals.tests + broken}" failures="${totals.failures}" errors="${broken}" time="0">`
  for (const kind of Object.keys(SUITES) as CheckCase['kind'][]) {
    const own = cases.filter((c) => c.kind === kind)
    if (own.length === 0) continue
    const n = sums(own, findings)
    yield `  <testsuite name="${SUITES[kind]}" tests="${n.tests}" failures="${n.failures}" errors="0" skipped="${n.skipped}" time="0">`
    for (const c of own) yield* testcase(c, findings)
    yield '  </testsuite>'
  }
  if (broken > 0) {
    yield `  <testsuite name="mysqlconn.bugs" tests="${broken}" failures="0" errors="${broken}" skipped="0" time="0">`
    for (const b of report.bugs ?? []) {
      yield `    <testcase name="${attribute(`${b.rule} on ${b.session}`)}" classname="mysqlconn.bugs" time="0">`
      yield `      <error type="bug" message="a rule failed: a bug of ours">${text(b.message)}</error>`
      yield '    </testcase>'
    }
    yield '  </testsuite>'
  }
  yield '</testsuites>'
}

/** A rule whose findings are all accepted by the baseline was not tested. */
const isSkipped = (c: CheckCase, findings: ReadonlyMap<string, Finding>): boolean =>
  c.passed &&
  c.kind === 'rule' &&
  c.findings.length > 0 &&
  c.findings.every((id) => findings.get(id)?.suppressed !== undefined)

function sums(cases: readonly CheckCase[], findings: ReadonlyMap<string, Finding>) {
  return {
    tests: cases.length,
    failures: cases.filter((c) => !c.passed).length,
    skipped: cases.filter((c) => isSkipped(c, findings)).length,
  }
}

function* testcase(c: CheckCase, findings: ReadonlyMap<string, Finding>): Iterable<string> {
  const head = `    <testcase name="${attribute(c.name)}" classname="${SUITES[c.kind]}" time="0"`
  const own = c.findings.map((id) => findings.get(id)).filter((f) => f !== undefined)
  if (c.passed && own.length === 0) {
    yield `${head}/>`
    return
  }
  yield `${head}>`
  if (!c.passed) yield* element('failure', c, own)
  else if (isSkipped(c, findings)) yield `      <skipped message="${attribute(c.says)}"/>`
  else yield `      <system-out>${text([c.says, ...own.flatMap(findingLines)].join('\n'))}</system-out>`
  yield '    </testcase>'
}

function* element(name: string, c: CheckCase, own: readonly Finding[]): Iterable<string> {
  const body = [c.says, ...own.flatMap(findingLines)].join('\n')
  yield `      <${name} type="${c.kind}" message="${attribute(c.says)}">${text(body)}</${name}>`
}

function findingLines(f: Finding): string[] {
  const lead = leadOf(f)
  const accepted = f.suppressed === undefined ? '' : `, accepted: ${f.suppressed.reason}`
  const lines = ['', `${f.severity}: ${f.title} (${f.confidence}${accepted})`, `id: ${f.id}`]
  if (lead !== undefined) {
    lines.push(`session: ${lead.session} ${lead.client} to ${lead.server}`)
    if (isLost(lead.outcome))
      lines.push(`lost: ${lead.statement ?? lead.command ?? 'a request'} (${OUTCOME_SAYS[lead.outcome]})`)
    for (const e of lead.evidence) lines.push(`because: ${evidenceText(e)}`)
  }
  for (const r of f.remedy) lines.push(`do: ${r.config === '' ? r.text : `${r.text}: ${r.config}`}`)
  lines.push(`more: mysqlconn explain ${f.rule}`)
  return lines
}

/** XML 1.0 has no place for most controls and for lone surrogates, not even escaped. */
const legal = (s: string): string =>
  s
    .split('\n')
    .map(escapeControls)
    .join('\n')
    .replace(/[\ufffe\uffff]/g, '\ufffd')

const text = (s: string): string => legal(s).replace(/[&<>]/g, (c) => ENTITIES[c]!)
const attribute = (s: string): string => legal(s).replace(/[&<>"\n]/g, (c) => ENTITIES[c]!)
const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', '\n': '&#10;' }
