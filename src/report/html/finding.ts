/** One finding as a card: the verdict in words, the path with the cut, what was lost, why, what to change; then the proof. */
import { evidenceText } from '../finding-text.ts'
import { pathsFor, showCommand, tsharkCommand } from '../look.ts'
import type { Finding, LadderReport, Report, SessionReport } from '../model.ts'
import { leadOf } from '../place.ts'
import { count, grouped, isLost, OUTCOME_RETRY, OUTCOME_SAYS, timeOfDay } from '../words.ts'
import { chainHtml } from './chain.ts'
import { borrowersHtml, histogramHtml, victimsHtml } from './charts.ts'
import { ladderHtml } from './ladder.ts'
import { anchor, type Html, html, type Value } from './tag.ts'

/** Reasons shown before the rest is folded away, and occurrences listed. */
const REASONS = 4
const OCCURRENCES = 50

export const SIGN = { error: '✖', warning: '▲', info: '○' } as const
const GRAVE = { error: 'something was lost', warning: 'nothing lost yet', info: 'worth knowing' } as const

export function findingHtml(
  f: Finding,
  report: Report,
  sessions: ReadonlyMap<string, SessionReport>,
  ladder: LadderReport | undefined,
): Html {
  const lead = leadOf(f)
  const reasons = (lead?.evidence ?? []).map(evidenceText)
  const paths = pathsFor(report, [f])
  const tshark = lead === undefined ? null : tsharkCommand(lead.evidence, report.inputs)
  const shared = f.detail['shared']
  return html`<section class="card long ${f.severity}" id="${anchor('finding', f.id)}" data-finding="${f.id}" data-severity="${f.severity}" data-rule="${f.rule}">
<h3><span class="sign" aria-hidden="true">${SIGN[f.severity]}</span>${f.title}</h3>
<p class="tags"><span class="tag">${f.severity}: ${GRAVE[f.severity]}</span><span class="tag">${f.confidence}</span><a class="tag" href="#${anchor('rule', f.rule)}">rule ${f.rule}</a>${f.suppressed !== undefined && html`<span class="tag">accepted until ${f.suppressed.expires} by ${f.suppressed.owner}: ${f.suppressed.reason}</span>`}</p>
${lead !== undefined && chainHtml(lead, f, sessions)}
<dl class="facts">
${fact('Who', who(f))}
${fact('Hit', hits(f))}
${Array.isArray(shared) && shared.length > 0 && fact('In common', list(shared.filter((s) => typeof s === 'string')))}
${lead !== undefined && isLost(lead.outcome) && html`<dt>Lost</dt><dd class="lost"><code>${lead.statement ?? lead.command ?? 'a request that cannot be read'}</code><br>${OUTCOME_SAYS[lead.outcome]}</dd>`}
${fact('Why', list(reasons.slice(0, REASONS)))}
${fact(
  'Do',
  html`<ul>${f.remedy.slice(0, 3).map((r) => html`<li>${r.text}${r.config !== '' && html`: <code>${r.config}</code>`}</li>`)}</ul>`,
)}
</dl>
${f.family === 'idle' && report.idle !== undefined && histogramHtml(report.idle, f)}
${victimsHtml(f, report, sessions)}
${borrowersHtml(f)}
<details><summary>All evidence, and what it is not</summary>
${reasons.length > REASONS && html`<h4>Also</h4>${list(reasons.slice(REASONS))}`}
${f.excluded.length > 0 && html`<h4>Excluded</h4>${list(f.excluded)}`}
${f.remedy.length > 3 && html`<h4>Further remedies</h4>${list(f.remedy.slice(3).map((r) => (r.config === '' ? r.text : `${r.text}: ${r.config}`)))}`}
<h4>See it with other eyes</h4>
<pre>${lead !== undefined && showCommand(lead.session, paths)}
${tshark}</pre>
<p class="soft">Finding ${f.id}</p></details>
${ladder !== undefined && html`<details><summary>Ladder of ${ladder.legs.map((l) => l.session).join(' and ')}</summary>${ladderHtml(ladder, lead?.evidence ?? [])}</details>`}
${f.occurrences.length > 1 && occurrences(f)}
</section>`
}

const fact = (name: string, value: Value): Html => html`<dt>${name}</dt><dd>${value}</dd>`
const list = (items: readonly string[]): Html => html`<ul>${items.map((i) => html`<li>${i}</li>`)}</ul>`

function who(f: Finding): string {
  const { role, product, address } = f.culprit
  const name = role === 'unknown' ? 'not known' : role === 'network' ? 'the network' : `the ${role}`
  return [name, product, address].filter((p) => p !== null).join(' ')
}

function hits(f: Finding): string {
  const by = new Map<string, number>()
  for (const o of f.occurrences) {
    const host = o.client.replace(/:\d+$/, '')
    by.set(host, (by.get(host) ?? 0) + 1)
  }
  const hosts = [...by].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
  const named = hosts.slice(0, 4).map(([host, n]) => (hosts.length === 1 ? host : `${host} (${grouped(n)})`))
  const rest = hosts.length > 4 ? `, and ${count(hosts.length - 4, 'more client')}` : ''
  return `${count(f.occurrences.length, 'connection')} from ${named.join(', ')}${rest}`
}

function occurrences(f: Finding): Html {
  const rows = f.occurrences
    .slice(0, OCCURRENCES)
    .map(
      (o) =>
        html`<tr><td class="mono">${timeOfDay(o.at)}</td><td class="mono">${o.session}</td><td class="mono">${o.client}</td><td class="mono">${o.server}</td><td>${isLost(o.outcome) && html`<code>${o.statement ?? o.command ?? '?'}</code>`}</td><td>${OUTCOME_RETRY[o.outcome]}</td></tr>`,
    )
  const more = f.occurrences.length - OCCURRENCES
  return html`<details><summary>${count(f.occurrences.length, 'connection')}</summary><div class="scroll" tabindex="0" role="region" aria-label="Connections of this finding"><table><thead><tr><th>at (UTC)</th><th>session</th><th>client</th><th>server</th><th>lost</th><th>retry</th></tr></thead><tbody>${rows}</tbody></table></div>${more > 0 && html`<p class="soft">${grouped(more)} more are in the JSON report.</p>`}</details>`
}
