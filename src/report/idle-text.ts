/**
 * `mysqlconn idle`: how long connections were silent, which silences ended them, and which timers that fits
 * (contract.md section 1). The findings follow in full.
 */
import { sessionIndex } from './chain.ts'
import { type FindingTextOptions, findingText } from './finding-text.ts'
import { inputLines } from './inputs-text.ts'
import type { IdleBucket, IdleTimerReport, Report } from './model.ts'
import type { Style } from './style.ts'
import { type Column, renderTable } from './table.ts'
import { count, grouped, seconds } from './words.ts'
import { hang } from './wrap.ts'

/** Families whose findings are about silence. */
export const IDLE_FAMILIES: readonly string[] = ['idle']

/** Longest bar of the histogram, columns. */
const BAR = 32
/** Timers that fit, named per line. */
const FITS_NAMED = 4

const CLOSE_WORDS: Record<IdleTimerReport['close'], string> = {
  fin: 'FIN',
  rst: 'RST',
  'err-4031': 'error 4031, FIN',
  'rst-next': 'RST to the next packet',
  silent: 'next packets vanish',
}

export function* renderIdle(report: Report, style: Style, options: FindingTextOptions = {}): Iterable<string> {
  for (const line of lines(report, style, options)) yield style.line(line)
}

function* lines(report: Report, style: Style, options: FindingTextOptions): Iterable<string> {
  const { histogram, timers } = report.idle ?? { histogram: [], timers: [] }
  yield ''
  yield* inputLines(report, style)
  yield ''
  const deaths = timers.reduce((n, t) => n + t.closes, 0)
  const lost = timers.reduce((n, t) => n + t.lost, 0)
  if (deaths === 0) {
    yield* hang(
      '  ',
      `No connection ended after a silence, among ${count(report.summary.sessions, 'session')}.`,
      style.width,
    )
    for (const why of report.summary.blind) yield `    ${style.glyph.dot} ${style.clean(why)}`
  } else {
    const verdict = `${count(deaths, 'connection')} ended after a silence, ${lost === 0 ? 'no request lost' : `${count(lost, 'request')} lost`}`
    yield* hang('  ', verdict, style.width, style.bold)
  }
  yield* histogramLines(histogram, style)
  if (timers.length > 0) {
    yield ''
    yield* renderTable(columns(style), timers, style)
    for (const t of timers) yield* fitLines(t, style)
  }
  const sessions = sessionIndex(report)
  for (const finding of report.findings) {
    if (finding.severity === 'info') continue
    yield ''
    yield* findingText(finding, report, sessions, style, { ...options, more: options.more ?? 0 })
  }
}

/** One bar per length of silence, from the first to the last that occurred. */
function* histogramLines(buckets: readonly IdleBucket[], style: Style): Iterable<string> {
  const total = (b: IdleBucket): number => b.survived + b.closed + b.lost
  const first = buckets.findIndex((b) => total(b) > 0)
  if (first < 0) return
  const shown = buckets.slice(first, buckets.findLastIndex((b) => total(b) > 0) + 1)
  const most = Math.max(...shown.map(total))
  const label = (b: IdleBucket): string =>
    b.toSeconds === null ? `${seconds(b.fromSeconds)} and more` : `${short(b.fromSeconds)} - ${short(b.toSeconds)}`
  const width = Math.max(...shown.map((b) => label(b).length))
  yield ''
  const legend = 'longest silence of each session: survived, closed, closed with a request lost'
  yield* hang('  ', legend, style.width, style.dim)
  for (const b of shown) {
    const bar = style.glyph.line.repeat(Math.max(total(b) > 0 ? 1 : 0, Math.round((total(b) / most) * BAR)))
    const parts = [
      b.survived > 0 ? `${grouped(b.survived)} survived` : '',
      b.closed > 0 ? `${grouped(b.closed)} closed` : '',
    ]
    if (b.lost > 0) parts.push(style.red(`${grouped(b.lost)} lost`))
    yield `  ${label(b).padStart(width)}  ${bar}${bar === '' ? '' : ' '}${parts.filter((p) => p !== '').join(', ')}`.trimEnd()
  }
}

function columns(style: Style): Column<IdleTimerReport>[] {
  return [
    { head: 'server', yields: 0, cell: (t) => t.server },
    { head: 'after', yields: 0, align: 'right', cell: after },
    { head: 'closes', yields: 0, align: 'right', cell: (t) => grouped(t.closes) },
    {
      head: 'lost',
      yields: 0,
      align: 'right',
      cell: (t) => grouped(t.lost),
      paint: (cell, t) => (t.lost > 0 ? style.red(cell) : cell),
    },
    { head: 'how', yields: 1, cell: (t) => CLOSE_WORDS[t.close] },
    {
      head: 'spread',
      yields: 3,
      align: 'right',
      cell: (t) => (t.closes < 2 ? '-' : seconds(t.maxSeconds - t.seconds)),
    },
    {
      head: 'survived',
      yields: 4,
      align: 'right',
      cell: (t) => (t.survivors === 0 ? '-' : `${grouped(t.survivors)} to ${seconds(t.longestSurvivedSeconds)}`),
    },
    { head: 'longer', yields: 5, align: 'right', cell: (t) => grouped(t.outlived) },
    { head: 'finding', yields: 2, cell: (t) => t.finding ?? 'no timer' },
  ]
}

/** `10.0 s`, or the interval in which the timer lies: `8.20 s - 11.0 s`. */
function after(t: IdleTimerReport): string {
  if (t.exact) return seconds(t.seconds)
  return t.aboveSeconds === null || t.aboveSeconds === 0
    ? `up to ${seconds(t.seconds)}`
    : `${seconds(t.aboveSeconds)} - ${seconds(t.seconds)}`
}

function* fitLines(t: IdleTimerReport, style: Style): Iterable<string> {
  if (t.finding === null || t.fits.length === 0) return
  const names = t.fits
    .slice(0, FITS_NAMED)
    .map((f) => `${f.product} ${f.setting}${f.byDefault ? ` (${seconds(f.defaultSeconds ?? 0)} by default)` : ''}`)
  const more = t.fits.length > FITS_NAMED ? `, ${t.fits.length - FITS_NAMED} more` : ''
  yield* hang(`  ${t.server}, ${after(t)}: fits `, style.clean(names.join(', ') + more), style.width)
}

/** 300 -> 5 min; for edges, which are round. */
function short(s: number): string {
  if (s < 60) return `${s} s`
  return s < 3600 ? `${s / 60} min` : `${s / 3600} h`
}
