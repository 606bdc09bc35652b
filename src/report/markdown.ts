/**
 * Markdown for tickets, merge requests and GitHub's step summary (GitHub Flavored Markdown). Text from outside stands in code
 * spans or is escaped: it can neither format, link, mention nor break a table.
 */
import { chain, sessionIndex } from './chain.ts'
import { notableLimits } from './completeness.ts'
import { evidenceText } from './finding-text.ts'
import { pathsFor, showCommand, tsharkCommand } from './look.ts'
import type { CheckCase, Finding, Report, SessionReport } from './model.ts'
import { leadOf } from './place.ts'
import { escapeControls, makeStyle } from './style.ts'
import { count, grouped, isLost, OUTCOME_SAYS, timeOfDay } from './words.ts'

const SIGN = { error: '❌', warning: '⚠️', info: 'ℹ️' } as const
/** GitHub cuts a step summary at 1 MiB; a reader much earlier. */
const FINDINGS = 50
const OCCURRENCES = 10
const PLAIN = makeStyle({ color: 'never', isTTY: true, columns: 120, env: { LC_ALL: 'C.UTF-8' } })

export function* renderMarkdown(report: Report): Iterable<string> {
  const causes = report.findings.filter((f) => f.severity !== 'info')
  const info = report.findings.filter((f) => f.severity === 'info')
  yield `# ${headline(report, causes)}`
  yield ''
  if (report.partial) yield* ['**Partial:** the run or an input broke off; not all is said.', '']
  yield* inputTable(report)
  if (report.check !== undefined) yield* checkTable(report.check.cases)
  const sessions = sessionIndex(report)
  for (const f of causes.slice(0, FINDINGS)) yield* finding(f, report, sessions)
  if (causes.length > FINDINGS) yield* ['', `${grouped(causes.length - FINDINGS)} more causes are in the JSON report.`]
  if (info.length > 0) {
    yield* ['', '## Worth knowing', '']
    for (const f of info.slice(0, FINDINGS)) yield `- ${prose(f.title)} (${code(f.rule)})`
  }
  const limits = notableLimits(report)
  if (report.summary.blind.length + limits.length > 0) {
    yield* ['', '## What limits this answer', '']
    for (const why of report.summary.blind) yield `- ${prose(why)}`
    for (const { input, anomaly: a } of limits.slice(0, FINDINGS))
      yield `- ${code(input)}: ${code(a.kind)} × ${grouped(a.count)}. ${prose(a.means)}`
  }
  yield ''
  yield `<sub>mysqlconn ${report.tool.version}</sub>`
}

function headline(report: Report, causes: readonly Finding[]): string {
  const { sessions, broken } = report.summary
  const check = report.check === undefined ? '' : report.check.passed ? '✅ Policy holds: ' : '❌ Policy broken: '
  if (sessions === 0) return `${check}no MySQL session was seen`
  if (causes.length === 0) return `${check}none of ${count(sessions, 'MySQL session')} broke`
  return `${check}${count(causes.length, 'cause')}, ${grouped(broken)} of ${count(sessions, 'MySQL session')} broke`
}

function* inputTable(report: Report): Iterable<string> {
  yield '| input | format | read | from | MySQL sessions |'
  yield '|---|---|--:|---|--:|'
  for (const i of report.inputs) {
    const read =
      i.packets !== undefined
        ? count(i.packets, 'frame')
        : i.lines !== undefined
          ? count(i.lines, 'line')
          : count(i.bytes, 'byte')
    yield `| ${code(i.name, true)} | ${prose(i.format)} | ${read} | ${i.firstAt ?? ''} | ${i.mysqlSessions ?? ''} |`
  }
}

function* checkTable(cases: readonly CheckCase[]): Iterable<string> {
  yield* ['', '## Policy', '', '| | | |', '|---|---|---|']
  const shown = cases.filter((c) => !c.passed || c.kind !== 'rule' || c.findings.length > 0)
  for (const c of shown) yield `| ${c.passed ? '✅' : '❌'} | ${c.kind} ${code(c.name, true)} | ${prose(c.says)} |`
  const rest = cases.length - shown.length
  if (rest > 0) yield `| ✅ | ${count(rest, 'rule')} | nothing found |`
}

function* finding(f: Finding, report: Report, sessions: ReadonlyMap<string, SessionReport>): Iterable<string> {
  yield ''
  yield `## ${SIGN[f.severity]} ${prose(f.title)}`
  yield ''
  const accepted =
    f.suppressed === undefined
      ? ''
      : ` · accepted until ${prose(f.suppressed.expires)} by ${prose(f.suppressed.owner)}: ${prose(f.suppressed.reason)}`
  yield `${code(f.rule)} · ${f.severity} · ${f.confidence} · ${count(f.occurrences.length, 'connection')}${accepted}`
  const lead = leadOf(f)
  if (lead === undefined) return
  yield* ['', ...fence(chain(lead, f, sessions, PLAIN, 0))]
  yield ''
  if (isLost(lead.outcome)) {
    yield `**Lost:** ${code(lead.statement ?? lead.command ?? 'a request that cannot be read')}: ${OUTCOME_SAYS[lead.outcome]}`
    yield ''
  }
  yield* list('Because', lead.evidence.map(evidenceText))
  yield* list('Not', f.excluded)
  yield '**Do**'
  yield ''
  for (const r of f.remedy) yield `- ${prose(r.text)}${r.config === '' ? '' : `: ${code(r.config)}`}`
  yield ''
  const paths = pathsFor(report, [f])
  const tshark = tsharkCommand(lead.evidence, report.inputs)
  yield* fence([showCommand(lead.session, paths), ...(tshark === null ? [] : [tshark])])
  if (f.occurrences.length > 1) {
    yield* ['', '<details><summary>All connections</summary>', '', '| at | session | client | server | lost |']
    yield '|---|---|---|---|---|'
    for (const o of f.occurrences.slice(0, OCCURRENCES)) {
      const lost = isLost(o.outcome) ? `${code(o.statement ?? o.command ?? '?', true)} (${o.outcome})` : ''
      yield `| ${timeOfDay(o.at)} | ${code(o.session, true)} | ${code(o.client, true)} | ${code(o.server, true)} | ${lost} |`
    }
    const more = f.occurrences.length - OCCURRENCES
    yield* more > 0 ? ['', `and ${grouped(more)} more`, '', '</details>'] : ['', '</details>']
  }
}

function* list(head: string, items: readonly string[]): Iterable<string> {
  if (items.length === 0) return
  yield* [`**${head}**`, '', ...items.map((i) => `- ${prose(i)}`), '']
}

/** Prose with nothing left that Markdown, HTML or GitHub would take for its own. */
export function prose(s: string): string {
  return escapeControls(s)
    .replace(/[\\`*_{}[\]<>#|~$]/g, '\\$&')
    .replace(/(^|\s)([-+=]|\d+[.)])(?=\s)/g, (m, space: string, mark: string) => (space === '' ? `\\${mark}` : m))
    .replaceAll('&', '&amp;')
    .replace(/@(?=[\w-])/g, '@\u2060')
    .replace(/\b(https?):\/\//g, '$1:\u2060//')
}

/** A code span that its content cannot end; in a table a pipe would end the cell even there. */
export function code(s: string, inTable = false): string {
  const clean = inTable ? escapeControls(s).replaceAll('|', '\\|') : escapeControls(s)
  const longest = Math.max(0, ...(clean.match(/`+/g) ?? []).map((run) => run.length))
  const ticks = '`'.repeat(longest + 1)
  const pad = clean.startsWith('`') || clean.endsWith('`') || clean === '' ? ' ' : ''
  return `${ticks}${pad}${clean}${pad}${ticks}`
}

function fence(lines: readonly string[]): string[] {
  const longest = Math.max(2, ...lines.flatMap((l) => (l.match(/`+/g) ?? []).map((run) => run.length)))
  const ticks = '`'.repeat(longest + 1)
  return [`${ticks}text`, ...lines, ticks]
}
