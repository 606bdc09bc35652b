/** The ladder of a finding as SVG: hosts as lanes, one row per event of any leg, silences where they lie, log lines below. */
import type { Evidence, LadderEvent, LadderReport } from '../model.ts'
import { bytes, count, seconds } from '../words.ts'
import { type Html, html } from './tag.ts'

const ROW = 22
const TOP = 58
/** Left edge of the first lane, behind seconds and frame; columns between lanes; columns of text behind the last. */
const FIRST = 176
const LANE = 230
const SAYS = 430
/** Characters that fit: 12 px monospace is about 7.25 px wide. */
const CHAR = 7.25
/** A pause worth a row of its own, seconds. */
const PAUSE = 1

export function ladderHtml(ladder: LadderReport, evidence: readonly Evidence[]): Html {
  const lanes = ladder.hosts.length
  const width = FIRST + (lanes - 1) * LANE + 24 + SAYS
  const rows: Html[] = []
  let y = TOP
  let previous: LadderEvent | undefined
  for (const e of ladder.events) {
    const pause = previous === undefined ? 0 : e.offsetSeconds - previous.offsetSeconds
    if (pause >= PAUSE) {
      rows.push(
        html`<text class="soft" x="${FIRST + ((lanes - 1) * LANE) / 2}" y="${y + 4}" text-anchor="middle">${seconds(pause)} without an event</text>`,
      )
      y += ROW
    }
    rows.push(row(e, y, lanes))
    y += ROW
    previous = e
  }
  const height = y + 10
  const what = `${count(ladder.events.length, 'event')} on ${count(ladder.legs.length, 'leg')}`
  const says = ladder.events.filter((e) => e.emphasis).map((e) => `${e.offsetSeconds.toFixed(6)} s ${e.what}`)
  const logs = evidence.filter((e) => e.kind === 'log')
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Ladder">
<svg width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="Ladder: ${what}. ${says.join(', ')}">
${ladder.hosts.map((h, i) => hostHead(h.name, h.address, i, lanes, height))}
<text class="soft" x="8" y="22">seconds</text><text class="soft" x="${FIRST - 34}" y="22" text-anchor="end">frame</text>
${rows}
</svg></div>
${ladder.dropped > 0 && html`<p class="soft">${count(ladder.dropped, 'event')} in the middle left out: mysqlconn sessions show ${ladder.legs[0]!.session}</p>`}
${logs.length > 0 && html`<ul class="mono">${logs.map((e) => e.kind === 'log' && html`<li>${e.input}:${e.line} ${e.text} <span class="soft">${e.says}</span></li>`)}</ul>`}`
}

const laneX = (lane: number): number => FIRST + lane * LANE

function hostHead(name: string, address: string, i: number, lanes: number, height: number): Html {
  const x = laneX(i)
  // The outer names keep within the picture.
  const by = i === 0 ? 'start' : i === lanes - 1 ? 'end' : 'middle'
  const at = i === 0 ? x - 20 : i === lanes - 1 ? x + 120 : x
  return html`<text class="strong" x="${at}" y="16" text-anchor="${by}">${clip(name, 26)}</text><text class="soft" x="${at}" y="32" text-anchor="${by}">${clip(address, 34)}</text><line class="lane" x1="${x}" y1="42" x2="${x}" y2="${height - 6}"/>`
}

function row(e: LadderEvent, y: number, lanes: number): Html {
  const size = e.bytes === undefined ? '' : `${bytes(e.bytes)}${e.says === '' ? '' : ': '}`
  const says = size + e.says
  const x = laneX(lanes - 1) + 14
  return html`<g class="${e.layer}${e.emphasis === true ? ' cut' : ''}"><title>${e.input} frame ${e.frame}: ${e.what} ${says}</title>
<text class="soft" x="8" y="${y + 4}">${e.offsetSeconds.toFixed(6)}</text>
<text class="soft" x="${FIRST - 34}" y="${y + 4}" text-anchor="end">${e.frame > 0 && e.frame}</text>
${arrow(e, y, lanes)}
${says !== '' && html`<text x="${x}" y="${y + 4}">${clip(says, Math.floor(SAYS / CHAR))}</text>`}</g>`
}

/** From sender to receiver with the event's name on it; a note without a sender stands between the lanes. */
function arrow(e: LadderEvent, y: number, lanes: number): Html {
  const leg = e.leg ?? 0
  const left = laneX(leg)
  const right = laneX(e.leg === null ? lanes - 1 : leg + 1)
  const middle = (left + right) / 2
  const name = clip(e.what, Math.floor((LANE - 50) / CHAR))
  const plate = html`<rect class="plate" x="${Math.round(middle - (name.length * CHAR) / 2 - 4)}" y="${y - 8}" width="${Math.round(name.length * CHAR + 8)}" height="16"/><text x="${middle}" y="${y + 4}" text-anchor="middle">${name}</text>`
  if (e.dir === null) return plate
  const [from, to, sign] = e.dir === 'client' ? [left + 2, right - 2, -1] : [right - 2, left + 2, 1]
  return html`<line class="arrow" x1="${from}" y1="${y}" x2="${to + 6 * sign}" y2="${y}"/><path class="head" d="M${to} ${y}l${8 * sign} -4v8z"/>${plate}`
}

const clip = (text: string, most: number): string => (text.length <= most ? text : `${text.slice(0, most - 1)}…`)
