/** `mysqlconn sessions`: one row per session, sorted and cut as asked. */
import { pathsOf, showCommand } from './look.ts'
import type { Report, SessionReport } from './model.ts'
import type { Style } from './style.ts'
import { type Column, renderTable } from './table.ts'
import { count, grouped, OUTCOME_RETRY, seconds, secondsBetween, timeOfDay } from './words.ts'

export interface SessionsTableOptions {
  sort?: SessionOrder
  /** Rows shown; the rest are counted. 0 for all. */
  limit?: number
}

type Compare = (a: SessionReport, b: SessionReport) => number

/** Ties are broken by start, then by id, so that the order never depends on the engine. */
const ORDERS = {
  start: (a, b) => compareText(a.startAt, b.startAt),
  end: (a, b) => compareText(a.endAt, b.endAt),
  duration: (a, b) => durationOf(b) - durationOf(a),
  silence: (a, b) => b.ending.silenceSeconds - a.ending.silenceSeconds,
  commands: (a, b) => commandsOf(b) - commandsOf(a),
  bytes: (a, b) => bytesOf(b) - bytesOf(a),
  client: (a, b) => compareText(a.client, b.client),
  server: (a, b) => compareText(a.server, b.server),
  user: (a, b) => compareText(a.mysql?.user ?? '', b.mysql?.user ?? ''),
} as const satisfies Record<string, Compare>

export type SessionOrder = keyof typeof ORDERS
export const SESSION_ORDERS = Object.keys(ORDERS) as SessionOrder[]

/** The column that shows what an order goes by: it stays when others have to go. */
const SHOWN_BY: Partial<Record<SessionOrder, string>> = {
  start: 'start',
  duration: 'lasted',
  silence: 'quiet',
  commands: 'cmds',
  client: 'client',
  server: 'server',
  user: 'user',
}

export function sortSessions(sessions: readonly SessionReport[], order: SessionOrder): SessionReport[] {
  const by: Compare = ORDERS[order]
  return [...sessions].sort((a, b) => by(a, b) || compareText(a.startAt, b.startAt) || compareText(a.id, b.id))
}

export function* renderSessions(report: Report, style: Style, options: SessionsTableOptions = {}): Iterable<string> {
  for (const line of lines(report, style, options)) yield style.line(line)
}

function* lines(report: Report, style: Style, options: SessionsTableOptions): Iterable<string> {
  const broken = brokenSessions(report)
  const sorted = sortSessions(report.sessions, options.sort ?? 'start')
  const limit = options.limit ?? 0
  const shown = limit > 0 ? sorted.slice(0, limit) : sorted
  yield ''
  if (shown.length === 0) {
    yield '  No session.'
    return
  }
  const by = options.sort === undefined ? undefined : SHOWN_BY[options.sort]
  const wanted = columns(broken, style).map((c) => (c.head === by ? { ...c, yields: 0 } : c))
  yield* renderTable(wanted, shown, style)
  yield ''
  const hidden = sorted.length - shown.length + report.summary.notListed
  const tail = hidden > 0 ? `, ${grouped(hidden)} more not shown` : ''
  yield `  ${count(report.summary.sessions, 'session')}, ${grouped(broken.size)} broken${tail}`
  const named = shown.find((s) => broken.has(s.id)) ?? shown[0]!
  yield `  ${style.dim('Next:')} ${style.cyan(style.clean(showCommand(named.id, pathsOf(report, named.id))))}`
}

/** Sessions named by a finding that is more than a note. */
export function brokenSessions(report: Report): Map<string, string> {
  const broken = new Map<string, string>()
  for (const f of report.findings) {
    if (f.severity === 'info') continue
    for (const o of f.occurrences) if (!broken.has(o.session)) broken.set(o.session, f.rule)
  }
  return broken
}

function columns(broken: ReadonlyMap<string, string>, style: Style): Column<SessionReport>[] {
  return [
    {
      head: 'ID',
      yields: 0,
      cell: (s) => s.id,
      paint: (cell, s) => (broken.has(s.id) ? style.red(cell) : cell),
    },
    { head: 'start', yields: 5, cell: (s) => timeOfDay(s.startAt) },
    { head: 'lasted', yields: 4, align: 'right', cell: (s) => seconds(durationOf(s)) },
    { head: 'client', yields: 1, cell: (s) => s.client },
    { head: 'server', yields: 6, cell: (s) => s.server },
    { head: 'user', yields: 3, cell: (s) => s.mysql?.user ?? '-' },
    { head: 'cmds', yields: 8, align: 'right', cell: (s) => grouped(commandsOf(s)) },
    { head: 'state', yields: 10, cell: (s) => s.connState },
    { head: 'ended', yields: 0, cell: endedText },
    { head: 'quiet', yields: 7, align: 'right', cell: (s) => seconds(s.ending.silenceSeconds) },
    { head: 'lost', yields: 9, cell: (s) => s.ending.command ?? '-' },
    { head: 'retry', yields: 11, cell: (s) => OUTCOME_RETRY[s.ending.outcome] },
    { head: 'cause', yields: 2, cell: (s) => broken.get(s.id) ?? '-' },
  ]
}

/** `RST by server`, `FIN by client`, `open`. */
export function endedText(s: SessionReport): string {
  const { how, by } = s.ending
  if (how === 'open' || how === 'timeout' || how === 'unknown') return how
  return by === 'unknown' ? how.toUpperCase() : `${how.toUpperCase()} by ${by}`
}

export const durationOf = (s: SessionReport): number => secondsBetween(s.startAt, s.endAt)
export const commandsOf = (s: SessionReport): number =>
  Object.values(s.mysql?.commands ?? {}).reduce((a, b) => a + b, 0)
const bytesOf = (s: SessionReport): number => s.bytes.client + s.bytes.server
const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
