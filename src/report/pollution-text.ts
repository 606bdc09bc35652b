/**
 * `mysqlconn pollution`: per connection its borrowers with the state that each found and left; per state who sets it and how
 * often it reaches others (contract.md section 1). The findings follow in full.
 */
import { sessionIndex } from './chain.ts'
import { type FindingTextOptions, findingText } from './finding-text.ts'
import { inputLines } from './inputs-text.ts'
import type { PollutedConnection, PollutedState, Report, SharedConnection } from './model.ts'
import type { Style } from './style.ts'
import { type Column, renderTable } from './table.ts'
import { count, grouped, seconds, timeOfDay } from './words.ts'
import { hang } from './wrap.ts'

/** Families whose findings are about state. */
export const STATE_FAMILIES: readonly string[] = ['state']

/** Connections shown with their borrowers, borrowers of each, shared connections. */
const CONNECTIONS_SHOWN = 12
const BORROWERS_SHOWN = 12
const SHARED_SHOWN = 12

const MARK_WORDS: Readonly<Record<string, string>> = {
  login: 'since the login',
  'pool-trace': 'by the pool’s trace',
  'front-session': 'another client session',
  reset: 'after COM_RESET_CONNECTION',
  'change-user': 'after COM_CHANGE_USER',
  ping: 'after the ping at checkout',
  validation: 'after the validation query',
  preamble: 'after the opening statement',
  gap: 'after a silence',
}

export function* renderPollution(report: Report, style: Style, options: FindingTextOptions = {}): Iterable<string> {
  for (const line of lines(report, style, options)) yield style.line(line)
}

function* lines(report: Report, style: Style, options: FindingTextOptions): Iterable<string> {
  const { connections, states, shared } = report.pollution ?? { connections: [], states: [], shared: [] }
  yield ''
  yield* inputLines(report, style)
  yield ''
  const leaks = states.reduce((n, s) => n + s.leaks, 0)
  if (connections.length === 0) {
    yield* hang(
      '  ',
      `No session changed its state after its set-up, among ${count(report.summary.sessions, 'session')}.`,
      style.width,
    )
    for (const why of report.summary.blind) yield `    ${style.glyph.dot} ${style.clean(why)}`
  } else {
    const known = connections.some((c) => c.borrowers.length > 1)
    const verdict = `${count(connections.length, 'connection')} carried changed state; ${leaks === 0 ? 'none reached another borrower' : `it reached another borrower ${count(leaks, 'time')}`}`
    yield* hang('  ', verdict, style.width, style.bold)
    if (!known)
      yield* hang(
        '  ',
        'Nothing on the wire marks where one borrower ends and the next begins: add the pool’s log, or --borrow-gap.',
        style.width,
      )
  }
  if (states.length > 0) {
    yield ''
    yield* renderTable(columns(style), states, style)
  }
  for (const c of connections.slice(0, CONNECTIONS_SHOWN)) yield* strip(c, style)
  if (connections.length > CONNECTIONS_SHOWN)
    yield `  ${count(connections.length - CONNECTIONS_SHOWN, 'more connection')}: --format json`
  yield* sharedLines(shared, style)
  const sessions = sessionIndex(report)
  for (const finding of report.findings) {
    yield ''
    yield* findingText(finding, report, sessions, style, { ...options, more: options.more ?? 0 })
  }
}

function columns(style: Style): Column<PollutedState>[] {
  return [
    { head: 'state', yields: 0, cell: (s) => s.name },
    { head: 'set', yields: 1, align: 'right', cell: (s) => grouped(s.sets) },
    {
      head: 'leaked',
      yields: 0,
      align: 'right',
      cell: (s) => grouped(s.leaks),
      paint: (cell, s) => (s.leaks > 0 && s.harm !== 'info' ? style.red(cell) : cell),
    },
    { head: 'ran with it', yields: 3, align: 'right', cell: (s) => grouped(s.ranWith) },
    { head: 'damage', yields: 2, align: 'right', cell: (s) => grouped(s.damage) },
    { head: 'set by', yields: 4, cell: (s) => s.setBy.join(', ') },
    { head: 'harm', yields: 5, cell: (s) => s.harm },
  ]
}

/** One line per borrower: who, what was found, what was left. */
function* strip(c: PollutedConnection, style: Style): Iterable<string> {
  yield ''
  yield* hang('  ', style.clean(`${c.session}  ${c.client} → ${c.server}`), style.width, style.bold)
  for (const b of c.borrowers.slice(0, BORROWERS_SHOWN)) {
    const who = b.who ?? MARK_WORDS[b.mark] ?? b.mark
    const found = text(b.found)
    const left = text(b.left)
    const change =
      found === left
        ? left === ''
          ? 'clean'
          : `found and left ${left}`
        : `${found === '' ? 'clean' : `found ${found}`}; left ${left === '' ? 'clean' : left}`
    yield* hang(`    ${timeOfDay(b.at)}  ${style.clean(who)}: `, style.clean(change), style.width)
  }
  if (c.borrowers.length > BORROWERS_SHOWN) yield `    ${count(c.borrowers.length - BORROWERS_SHOWN, 'more borrow')}`
}

const text = (state: Record<string, string>): string =>
  Object.entries(state)
    .map(([name, value]) => (value === '' ? name : `${name}=${value}`))
    .join(', ')

function* sharedLines(shared: readonly SharedConnection[], style: Style): Iterable<string> {
  if (shared.length === 0) return
  yield ''
  yield* hang('  ', 'Server connections that a proxy took into use again', style.width, style.bold)
  for (const c of shared.slice(0, SHARED_SHOWN)) {
    const trips = c.reuses.reduce((n, r) => n + r.roundTrips, 0)
    const restored = [...new Set(c.reuses.flatMap((r) => r.restored))]
    const how = [
      ...new Set(c.reuses.map((r) => (r.how === 'reset' ? 'COM_RESET_CONNECTION' : 'COM_CHANGE_USER'))),
    ].join(', ')
    const idle = c.reuses.map((r) => r.idleSeconds).sort((a, b) => a - b)
    const each = trips / c.reuses.length
    yield* hang(
      `    ${style.clean(c.session)}  ${style.clean(c.client)}: `,
      style.clean(
        `${count(c.reuses.length, 'time')} by ${how}, ${each.toFixed(1)} round trips each, after ${seconds(idle[0]!)} to ${seconds(idle.at(-1)!)} idle${restored.length === 0 ? '' : `; restored ${restored.join(', ')}`}${c.onlyFront === null ? '' : `; last for ${c.onlyFront}`}`,
      ),
      style.width,
    )
  }
  if (shared.length > SHARED_SHOWN) yield `    ${count(shared.length - SHARED_SHOWN, 'more connection')}: --format json`
}
