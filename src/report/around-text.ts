/** The seconds around a finding (`analyze --around`): frames and log lines of all sources on one clock, one line each. */
import type { AroundEventReport, Report } from './model.ts'
import type { Style } from './style.ts'
import { count, timeOfDay } from './words.ts'
import { cut, displayWidth, hang, padEnd, padStart } from './wrap.ts'

/** Columns for the source and its place. */
const WIDEST_SOURCE = 28
/** Lines of a log entry's text that are shown: stack traces are long. */
const TEXT_LINES = 3

export function* renderAround(report: Report, style: Style): Iterable<string> {
  for (const line of lines(report, style)) yield style.line(line)
}

function* lines(report: Report, style: Style): Iterable<string> {
  const { around } = report
  if (around === undefined) return
  const finding = report.findings.find((f) => f.id === around.finding)
  yield ''
  if (finding !== undefined) yield* hang('  ', style.clean(finding.title), style.width, style.bold)
  yield* hang('  ', `${around.finding}, ${timeOfDay(around.at)}; seconds from that moment`, style.width)
  yield ''
  const places = around.events.map((e) => `${e.input}:${e.place}`)
  const column = Math.min(WIDEST_SOURCE, Math.max(0, ...places.map(displayWidth)))
  if (around.dropped > 0) yield `  ${count(around.dropped, 'event')} further away left out`
  for (const [i, e] of around.events.entries())
    yield* eventLines(e, padEnd(cut(style.clean(places[i]!), column, style.glyph.ellipsis), column), style)
  yield ''
}

function* eventLines(e: AroundEventReport, place: string, style: Style): Iterable<string> {
  const offset = padStart(`${e.offsetSeconds >= 0 ? '+' : ''}${e.offsetSeconds.toFixed(6)}`, 10)
  const head = `  ${offset}  ${place}  `
  const text = hang(head, style.clean(e.kind === 'log' ? firstLines(e.says) : frameText(e, style)), style.width)
  const paint = e.emphasis ? style.red : e.kind === 'log' ? style.yellow : (s: string): string => s
  for (const line of text) yield line.slice(0, head.length) + paint(line.slice(head.length))
}

/** `10.0.0.5:51234 ─▶ 10.0.0.9:3306  COM_QUERY SELECT 1`. */
function frameText(e: AroundEventReport, style: Style): string {
  const arrow = e.by === 'server' ? `${style.glyph.left}${style.glyph.line}` : `${style.glyph.line}${style.glyph.right}`
  const path = e.client === null ? '' : `${e.client} ${arrow} ${e.server}  `
  return `${path}${e.what}${e.says === '' ? '' : ` ${e.says}`}`
}

const firstLines = (text: string): string => {
  const all = text.split('\n')
  return all
    .slice(0, TEXT_LINES)
    .map((l) => l.trim())
    .join(' | ')
}
