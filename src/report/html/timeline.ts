/** All sessions over time: one line each while there is room, then how many were open at once; the broken ones always marked. */
import type { Report, SessionReport } from '../model.ts'
import { dateAndTime, grouped, secondsBetween } from '../words.ts'
import { type Html, html } from './tag.ts'

const WIDTH = 960
/** More sessions than this become a curve. */
const LINES = 160
const BROKEN = 600
const COLUMNS = 240

export function timelineHtml(report: Report, broken: ReadonlySet<string>): Html | null {
  const all = report.sessions
  if (all.length === 0) return null
  let start = all[0]!.startAt
  let end = all[0]!.endAt
  for (const s of all) {
    if (s.startAt < start) start = s.startAt
    if (s.endAt > end) end = s.endAt
  }
  const span = Math.max(1e-6, secondsBetween(start, end))
  const x = (t: string): number => Math.round((secondsBetween(start, t) / span) * (WIDTH - 20) * 10) / 10 + 10
  const marked = all.filter((s) => broken.has(s.id)).slice(0, BROKEN)
  const curve = all.length > LINES
  const body = curve ? open(all, x, marked) : lines(all, x, broken)
  const height = body.height + 24
  return html`<h2 id="timeline">All sessions over time</h2>
<div class="scroll" tabindex="0" role="region" aria-label="Timeline"><svg width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${grouped(all.length)} sessions from ${dateAndTime(start)} to ${dateAndTime(end)}, ${grouped(marked.length)} of them broken">
${body.parts}<text class="soft" x="10" y="${height - 6}">${dateAndTime(start)}</text><text class="soft" x="${WIDTH - 10}" y="${height - 6}" text-anchor="end">${dateAndTime(end)}</text></svg></div>
<p class="soft">${curve ? 'Height: sessions open at once. Each red mark is a broken session, where it ended.' : 'A line is a session; broken ones are red, with a mark where they ended.'}${broken.size > marked.length && ` ${grouped(broken.size - marked.length)} more broken ones are not drawn.`}</p>`
}

interface Body {
  parts: Html[]
  height: number
}

function lines(all: readonly SessionReport[], x: (t: string) => number, broken: ReadonlySet<string>): Body {
  const step = all.length > 60 ? 5 : 9
  const parts = [...all]
    .sort((a, b) => (a.startAt < b.startAt ? -1 : a.startAt > b.startAt ? 1 : 0))
    .map((s, i) => {
      const y = 6 + i * step
      const from = x(s.startAt)
      const bad = broken.has(s.id)
      const mark = bad ? html`<circle class="broken" cx="${x(s.endAt)}" cy="${y + 1.5}" r="3.5"/>` : null
      return html`<rect class="${bad ? 'broken' : 'healthy'}" x="${from}" y="${y}" width="${Math.max(1.5, Math.round((x(s.endAt) - from) * 10) / 10)}" height="3"><title>${s.id} ${s.client} → ${s.server}</title></rect>${mark}`
    })
  return { parts, height: all.length * step + 12 }
}

function open(all: readonly SessionReport[], x: (t: string) => number, marked: readonly SessionReport[]): Body {
  const change = new Array<number>(COLUMNS + 1).fill(0)
  const column = (t: string): number => Math.min(COLUMNS - 1, Math.floor(((x(t) - 10) / (WIDTH - 20)) * COLUMNS))
  for (const s of all) {
    change[column(s.startAt)]!++
    change[column(s.endAt) + 1]!--
  }
  const counts: number[] = []
  let now = 0
  for (let i = 0; i < COLUMNS; i++) {
    now += change[i]!
    counts.push(now)
  }
  const most = Math.max(1, ...counts)
  const points = counts.map((n, i) => {
    const left = 10 + Math.round(((i * (WIDTH - 20)) / COLUMNS) * 10) / 10
    return `V${Math.round(130 - (n / most) * 110)}H${Math.round((left + (WIDTH - 20) / COLUMNS) * 10) / 10}`
  })
  const marks = marked.map((s) => html`<rect class="broken" x="${x(s.endAt) - 1}" y="134" width="2" height="12"/>`)
  return {
    parts: [
      html`<path class="span" d="M10 130${points.join('')}V130z"/><text class="soft" x="10" y="14">${grouped(most)} open at once</text>`,
      ...marks,
    ],
    height: 150,
  }
}
