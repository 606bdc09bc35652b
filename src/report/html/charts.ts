/** Pictures that belong to a family of findings: silences by length, a TLS failure and those it hit, who borrowed a connection. */
import type { Finding, IdleReport, IdleTimerReport, Report, SessionReport } from '../model.ts'
import { grouped, seconds, secondsBetween } from '../words.ts'
import { type Html, html } from './tag.ts'

const WIDTH = 720
const ROWS = 14

/** Longest silence of each session by length, with the timer that the finding names. */
export function histogramHtml(idle: IdleReport, finding: Finding): Html | null {
  const total = (b: IdleReport['histogram'][number]): number => b.survived + b.closed + b.lost
  const first = idle.histogram.findIndex((b) => total(b) > 0)
  if (first < 0) return null
  const buckets = idle.histogram.slice(first, idle.histogram.findLastIndex((b) => total(b) > 0) + 1)
  const most = Math.max(...buckets.map(total))
  const timer = timerOf(idle, finding)
  const height = buckets.length * 22 + 12
  const scale = (n: number): number => (n === 0 ? 0 : Math.max(2, Math.round((n / most) * 360)))
  const rows = buckets.map((b, i) => {
    const y = 6 + i * 22
    const a = scale(b.survived)
    const c = scale(b.closed)
    const l = scale(b.lost)
    const here =
      timer !== undefined && timer.seconds >= b.fromSeconds && (b.toSeconds === null || timer.seconds < b.toSeconds)
    const name =
      b.toSeconds === null ? `${edge(b.fromSeconds)} and more` : `${edge(b.fromSeconds)} to ${edge(b.toSeconds)}`
    const says = [
      b.survived > 0 ? `${grouped(b.survived)} survived` : '',
      b.closed > 0 ? `${grouped(b.closed)} closed` : '',
      b.lost > 0 ? `${grouped(b.lost)} lost` : '',
    ].filter((t) => t !== '')
    return html`<text class="soft" x="128" y="${y + 13}" text-anchor="end">${name}</text><rect class="survived" x="136" y="${y + 2}" width="${a}" height="14"/><rect class="closed" x="${136 + a}" y="${y + 2}" width="${c}" height="14"/><rect class="lost" x="${136 + a + c}" y="${y + 2}" width="${l}" height="14"/><text x="${144 + a + c + l}" y="${y + 13}">${says.join(', ')}${here && ' ◀ the timer'}</text>`
  })
  const says =
    timer === undefined
      ? null
      : html`<p class="soft">${timer.exact ? `Closed after ${seconds(timer.seconds)}` : `Gone after ${seconds(timer.aboveSeconds ?? 0)} to ${seconds(timer.seconds)}`}, ${grouped(timer.closes)} times; ${timer.survivors === 0 ? 'no shorter silence was seen' : `${grouped(timer.survivors)} silences up to ${seconds(timer.longestSurvivedSeconds)} survived`}; ${grouped(timer.outlived)} longer ones.${
          timer.fits.length > 0 &&
          ` Fits: ${timer.fits
            .slice(0, 4)
            .map((f) => `${f.product} ${f.setting}`)
            .join(', ')}.`
        }</p>`
  return html`<h4>Longest silence of each session</h4><div class="scroll" tabindex="0" role="region" aria-label="Silences"><svg width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="Silences by length: survived, closed, closed with a request lost">${rows}</svg></div>${says}`
}

function timerOf(idle: IdleReport, f: Finding): IdleTimerReport | undefined {
  const servers = new Set(f.occurrences.map((o) => o.server))
  return idle.timers.find((t) => t.finding === f.rule && servers.has(t.server))
}

const edge = (s: number): string => (s < 60 ? `${s} s` : s < 3600 ? `${s / 60} min` : `${s / 3600} h`)

/** A list of session ids in a finding's detail. */
function ids(f: Finding, key: string): string[] {
  const list = f.detail[key]
  return Array.isArray(list) ? list.filter((x) => typeof x === 'string') : []
}

/** What set it off and whom it hit, on one time axis: any finding whose detail names `triggers` and `victims`. */
export function victimsHtml(f: Finding, report: Report, sessions: ReadonlyMap<string, SessionReport>): Html | null {
  const triggers = ids(f, 'triggers')
  const victims = ids(f, 'victims')
  const served = ids(f, 'servedCut')
  if (victims.length + served.length === 0) return null
  // The moment of the break, where any finding knows it; frames that came later are echoes.
  const at = new Map<string, string>()
  for (const g of [...report.findings, f]) for (const o of g.occurrences) at.set(o.session, o.at)
  const all = [
    ...triggers.map((id) => ({ id, kind: 'trigger', says: 'failed' })),
    ...victims.map((id) => ({ id, kind: 'lost', says: 'cut' })),
    ...served.map((id) => ({ id, kind: 'lost', says: 'cut with it' })),
  ]
    .map((x) => ({ ...x, at: at.get(x.id) ?? sessions.get(x.id)?.endAt ?? '' }))
    .filter((x) => x.at !== '')
    .sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0))
  if (all.length === 0) return null
  const shown = all.slice(0, ROWS)
  const start = shown[0]!.at
  const span = Math.max(1e-6, secondsBetween(start, shown.at(-1)!.at))
  const x = (t: string): number => Math.round(20 + (secondsBetween(start, t) / span) * 250)
  const height = shown.length * 24 + 14
  const rows = shown.map((s, i) => {
    const y = 18 + i * 24
    const who = sessions.get(s.id)
    const says = `+${seconds(secondsBetween(start, s.at))} ${s.says}: ${who === undefined ? s.id : `${who.client} → ${who.server}`}`
    return html`<line class="grid" x1="20" y1="${y}" x2="290" y2="${y}"/><circle class="${s.kind}" cx="${x(s.at)}" cy="${y}" r="6"/><text x="300" y="${y + 4}">${says}</text>`
  })
  const trigger = shown.find((s) => s.kind === 'trigger')
  const from =
    trigger === undefined
      ? null
      : html`<line class="timer" x1="${x(trigger.at)}" y1="10" x2="${x(trigger.at)}" y2="${height - 4}"/>`
  return html`<h4>What set it off, and whom it hit</h4><div class="scroll" tabindex="0" role="region" aria-label="Trigger and victims"><svg width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${triggers.length} failed TLS sessions, ${victims.length + served.length} healthy connections cut after them">${from}${rows}</svg></div>${all.length > ROWS && html`<p class="soft">${grouped(all.length - ROWS)} more are in the facts below.</p>`}`
}

/**
 * Who had the connection, one after the other: any finding whose detail has `borrowers`, a list of { name, from, to, says },
 * with `set` on the one that left the state behind and `hit` on those that met it.
 */
export function borrowersHtml(f: Finding): Html | null {
  const list = f.detail['borrowers']
  if (!Array.isArray(list) || list.length === 0) return null
  const all = list.filter((b): b is Record<string, unknown> => typeof b === 'object' && b !== null)
  const word = (v: unknown): string => (typeof v === 'string' || typeof v === 'number' ? String(v) : '')
  const items = all.slice(0, ROWS).map((b) => {
    const role = b['set'] === true ? 'set the state' : b['hit'] === true ? 'met the state' : ''
    const kind = b['hit'] === true ? 'lost' : b['set'] === true ? 'closed' : 'healthy'
    return html`<tr><td><svg width="14" height="14" aria-hidden="true"><rect class="${kind}" width="14" height="14" rx="3"/></svg></td><td>${word(b['name'] ?? b['borrower'] ?? b['client'])}</td><td class="mono">${word(b['from'] ?? b['at'])}</td><td>${role}</td><td>${word(b['says'])}</td></tr>`
  })
  return html`<h4>Who had the connection</h4><div class="scroll" tabindex="0" role="region" aria-label="Borrowers"><table><thead><tr><td></td><th>borrower</th><th>from</th><th>role</th><th>what</th></tr></thead><tbody>${items}</tbody></table></div>${all.length > ROWS && html`<p class="soft">${grouped(all.length - ROWS)} more are in the facts below.</p>`}`
}
