/**
 * The report as one HTML file that opens from disk: no network (its own policy forbids it), under 5 MB with a statement of what
 * was left out, readable without its script. First the verdicts in plain words; then one card per finding; then everything.
 */
import { createHash } from 'node:crypto'
import { sessionIndex } from '../chain.ts'
import { notableLimits } from '../completeness.ts'
import { lostRequests } from '../lost.ts'
import type { Finding, Report, SessionReport } from '../model.ts'
import { RULE_BOOK } from '../rule-book.ts'
import { endedText } from '../sessions-table.ts'
import { bytes, count, dateAndTime, grouped, seconds } from '../words.ts'
import { findingHtml, SIGN } from './finding.ts'
import { SCRIPT } from './page-script.ts'
import { STYLE } from './page-style.ts'
import { anchor, embeddedJson, type Html, html, trusted } from './tag.ts'
import { timelineHtml } from './timeline.ts'

/** Bytes that cards, rows and facts may take: together with the rest under 5 MB. */
const CARDS = 1_800_000
const FACTS = 1_800_000
const ROWS = 1_000
const VERDICTS = 12

export function* renderHtml(report: Report): Iterable<string> {
  const leftOut: string[] = []
  const broken = new Set<string>()
  const rulesOf = new Map<string, Set<string>>()
  for (const f of report.findings) {
    for (const o of f.occurrences) {
      if (f.severity !== 'info') broken.add(o.session)
      const rules = rulesOf.get(o.session) ?? new Set()
      rulesOf.set(o.session, rules.add(f.rule))
    }
  }
  const causes = report.findings.filter((f) => f.severity !== 'info')
  const body = [
    ...top(report, causes),
    filters(report),
    ...cards(report, leftOut),
    timelineHtml(report, broken),
    ...sessionTable(report, broken, rulesOf, leftOut),
    ...inputs(report),
    ...ruleSection(report),
  ]
  const facts = embeddedFacts(report, broken, leftOut)
  const policy = `default-src 'none'; style-src ${hash(STYLE)}; script-src ${hash(SCRIPT)}; base-uri 'none'; form-action 'none'`
  yield '<!doctype html>'
  yield '<html lang="en">'
  yield '<head>'
  yield '<meta charset="utf-8">'
  yield html`<meta http-equiv="Content-Security-Policy" content="${trusted(policy)}">`.text
  yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
  yield '<meta name="referrer" content="no-referrer">'
  yield html`<title>${headline(report, causes)}</title>`.text
  yield `<style>${STYLE}</style>`
  yield '</head>'
  yield '<body>'
  yield '<a class="skip" href="#findings">Skip to the findings</a>'
  for (const part of body) if (part !== null) yield part.text
  if (leftOut.length > 0)
    yield html`<p class="left-out"><strong>Left out of this file to keep it small:</strong> ${leftOut.join('; ')}. The JSON report has everything.</p>`
      .text
  yield '</main>'
  yield html`<footer>mysqlconn ${report.tool.version}. Times are UTC. Session numbers are Wireshark's tcp.stream, frame numbers its frame.number.</footer>`
    .text
  yield `<script type="application/json" id="facts">${facts}</script>`
  yield `<script>${SCRIPT}</script>`
  yield '</body>'
  yield '</html>'
}

const hash = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`

function headline(report: Report, causes: readonly Finding[]): string {
  const { sessions, broken } = report.summary
  if (causes.length === 0)
    return sessions === 0 ? 'No MySQL session was seen' : `None of ${count(sessions, 'MySQL session')} broke`
  const lost = lostRequests(report, causes)
  const what = lost === 0 ? 'no query lost' : `${count(lost, 'query', 'queries')} lost`
  return `${count(causes.length, 'cause')}, ${grouped(broken)} of ${count(sessions, 'MySQL session')} broke, ${what}`
}

/** The first screen: counts, then one line per cause: who, what, how sure. */
function* top(report: Report, causes: readonly Finding[]): Iterable<Html> {
  const captures = report.inputs.map((i) => i.name)
  const named = captures.slice(0, 4).join(', ') + (captures.length > 4 ? ` and ${captures.length - 4} more` : '')
  const first = report.inputs
    .map((i) => i.firstAt ?? '')
    .filter((t) => t !== '')
    .sort()[0]
  const { check } = report
  yield html`<header class="top"><p class="soft">${named}${first !== undefined && `, from ${dateAndTime(first)}`}</p>
<h1>${headline(report, causes)}</h1>
${report.partial && html`<p class="left-out">Partial: the run or an input broke off. What is said is true, but not all is said.</p>`}
${
  check !== undefined &&
  html`<p><strong class="${check.passed ? 'ok' : 'sign error'}">${check.passed ? '✔' : '✖'}</strong> ${check.passed ? 'The policy holds' : 'The policy is broken'}${check.policy !== null && ` (${check.policy})`}</p><ul>${check.cases
    .filter((c) => !c.passed)
    .slice(0, VERDICTS)
    .map((c) => html`<li>${c.kind} ${c.name}: ${c.says}</li>`)}</ul>`
}
<ol class="verdicts">${causes
    .slice(0, VERDICTS)
    .map(
      (f) =>
        html`<li class="${f.severity}"><span class="sign" aria-hidden="true">${SIGN[f.severity]}</span><a href="#${anchor('finding', f.id)}">${f.title}</a> <span class="soft">${f.confidence}, ${count(f.occurrences.length, 'connection')}</span>${f.remedy[0] !== undefined && html`<span class="do"><strong>Do:</strong> ${f.remedy[0].text}</span>`}</li>`,
    )}</ol>
${causes.length > VERDICTS && html`<p class="soft">and ${count(causes.length - VERDICTS, 'more cause')} below</p>`}
${report.summary.blind.map((b) => html`<p class="left-out">${b}</p>`)}
</header>`
}

function filters(report: Report): Html {
  const rules = [...new Set(report.findings.map((f) => f.rule))].sort()
  const severity = (id: string, text: string): Html =>
    html`<label><input type="checkbox" name="severity" value="${id}" checked> ${text}</label>`
  return html`<main><details class="filters hidden"><summary>Search and filter</summary><form id="filters">
<label>Search <input type="search" id="f-text" placeholder="address, statement, rule"></label>
${severity('error', 'errors')} ${severity('warning', 'warnings')} ${severity('info', 'notes')}
<label>Rule <select id="f-rule"><option value="">all</option>${rules.map((r) => html`<option>${r}</option>`)}</select></label>
<label><input type="checkbox" id="f-broken"> broken sessions only</label>
<button type="reset">Clear</button> <button type="button" id="f-save">Save facts as JSON</button>
<span class="soft" id="f-said" role="status"></span></form></details>`
}

function* cards(report: Report, leftOut: string[]): Iterable<Html> {
  yield html`<h2 id="findings">Findings</h2>`
  if (report.findings.length === 0) yield html`<p>None.</p>`
  const sessions = sessionIndex(report)
  const ladders = new Map((report.ladders ?? []).map((l) => [l.finding, l]))
  let room = CARDS
  let short = 0
  let bare = 0
  for (const f of report.findings) {
    const ladder = ladders.get(f.id)
    let card = findingHtml(f, report, sessions, ladder)
    if (card.text.length > room && ladder !== undefined) {
      card = findingHtml(f, report, sessions, undefined)
      bare++
    }
    if (card.text.length > room) {
      short++
      card = html`<p class="card ${f.severity}" id="${anchor('finding', f.id)}" data-finding="${f.id}" data-severity="${f.severity}" data-rule="${f.rule}"><span class="sign" aria-hidden="true">${SIGN[f.severity]}</span>${f.title} <span class="soft">${f.rule}, ${f.confidence}, ${count(f.occurrences.length, 'connection')}</span></p>`
    }
    room -= card.text.length
    yield card
  }
  if (bare > 0) leftOut.push(`the ladders of ${count(bare, 'finding')}`)
  if (short > 0) leftOut.push(`the evidence of ${count(short, 'finding')}`)
}

function* sessionTable(
  report: Report,
  broken: ReadonlySet<string>,
  rulesOf: ReadonlyMap<string, ReadonlySet<string>>,
  leftOut: string[],
): Iterable<Html> {
  if (report.sessions.length === 0) return
  const order = [...report.sessions].sort((a, b) => Number(broken.has(b.id)) - Number(broken.has(a.id)))
  const rows = order.slice(0, ROWS).map((s) => sessionRow(s, broken.has(s.id), rulesOf.get(s.id)))
  const more = order.length - rows.length + report.summary.notListed
  if (more > 0) leftOut.push(`the rows of ${count(more, 'session')}`)
  yield html`<h2 id="sessions">Sessions</h2><div class="scroll" tabindex="0" role="region" aria-label="Sessions"><table><thead><tr><th>session</th><th>began</th><th>client</th><th>server</th><th>user</th><th class="num">commands</th><th>ended</th><th class="num">quiet before</th><th>finding</th></tr></thead><tbody>${rows}</tbody></table></div>`
}

function sessionRow(s: SessionReport, isBroken: boolean, rules: ReadonlySet<string> | undefined): Html {
  const names = rules === undefined ? [] : [...rules]
  let commands = 0
  for (const n of Object.values(s.mysql?.commands ?? {})) commands += n
  return html`<tr${isBroken && html` class="broken"`} data-session="${s.id}" data-broken="${isBroken ? 1 : 0}" data-rules="${names.join(' ')}"><td class="mono">${s.id}</td><td class="mono">${s.startAt.slice(11, 23)}</td><td class="mono">${s.client}</td><td class="mono">${s.server}</td><td>${s.mysql?.user}</td><td class="num">${grouped(commands)}</td><td>${endedText(s)}</td><td class="num">${s.ending.how === 'open' ? '' : seconds(s.ending.silenceSeconds)}</td><td>${names.map((r) => html`<a href="#${anchor('rule', r)}">${r}</a> `)}</td></tr>`
}

function* inputs(report: Report): Iterable<Html> {
  const rows = report.inputs.map(
    (i) =>
      html`<tr><td class="mono">${i.path}</td><td>${i.format}</td><td class="num">${bytes(i.bytes)}</td><td class="num">${i.packets !== undefined ? count(i.packets, 'frame') : i.lines !== undefined && count(i.lines, 'line')}</td><td>${i.firstAt ?? ''}</td><td class="num">${i.mysqlSessions ?? ''}</td></tr>`,
  )
  yield html`<h2 id="inputs">What was read</h2><div class="scroll" tabindex="0" role="region" aria-label="Inputs"><table><thead><tr><th>file</th><th>format</th><th class="num">size</th><th class="num">read</th><th>from</th><th class="num">MySQL sessions</th></tr></thead><tbody>${rows}</tbody></table></div>`
  const limits = notableLimits(report)
  if (limits.length > 0)
    yield html`<h3>What limits this answer</h3><ul>${limits
      .slice(0, 100)
      .map(
        ({ input, anomaly: a }) =>
          html`<li>${input}: <code>${a.kind}</code> × ${grouped(a.count)}${a.firstFrame > 0 && `, first at frame ${grouped(a.firstFrame)}`}. ${a.means}</li>`,
      )}</ul>`
}

function* ruleSection(report: Report): Iterable<Html> {
  const named = new Set(report.findings.map((f) => f.rule))
  const rules = RULE_BOOK.filter((r) => named.has(r.id))
  if (rules.length === 0) return
  yield html`<h2 id="rules">The rules that found this</h2>`
  for (const r of rules) {
    yield html`<details id="${anchor('rule', r.id)}"><summary><strong>${r.id}</strong>: ${r.title}</summary>
<dl class="facts"><dt>Sees</dt><dd>${r.what}</dd><dt>Matters</dt><dd>${r.why}</dd><dt>Fix</dt><dd><ul>${r.fix.map((f) => html`<li>${f.text}${f.config !== '' && html`: <code>${f.config}</code>`}</li>`)}</ul></dd><dt>Cannot tell</dt><dd>${r.cannotTell}</dd><dt>Read</dt><dd><ul>${r.references.map((x) => html`<li><a href="${x.url}" rel="noopener noreferrer">${x.title}</a></li>`)}</ul></dd></dl></details>`
  }
}

/** The report as JSON, with as many sessions as fit: the broken ones first, then the others. */
function embeddedFacts(report: Report, broken: ReadonlySet<string>, leftOut: string[]): string {
  const { sessions, ladders, ...rest } = report
  let findings = report.findings
  let base = embeddedJson({ ...rest, sessions: [] })
  if (base.length > FACTS) {
    findings = report.findings.map((f) => ({ ...f, occurrences: f.occurrences.slice(0, 3) }))
    base = embeddedJson({ ...rest, findings, sessions: [] })
    leftOut.push('of the embedded facts all but three connections of each finding')
  }
  let room = FACTS - base.length
  const fits: SessionReport[] = []
  for (const s of [...sessions].sort((a, b) => Number(broken.has(b.id)) - Number(broken.has(a.id)))) {
    room -= embeddedJson(s).length + 1
    if (room < 0) break
    fits.push(s)
  }
  if (fits.length < sessions.length)
    leftOut.push(`the embedded facts of ${count(sessions.length - fits.length, 'session')}`)
  const kept = new Set(fits)
  return embeddedJson({ ...rest, findings, sessions: sessions.filter((s) => kept.has(s)) })
}
