/**
 * `mysqlconn rst`: every connection that was cut: who sent it, how long after the query, what was lost, safe to retry or
 * not (contract.md section 1). The findings follow in full.
 */
import { sessionIndex } from './chain.ts'
import { type FindingTextOptions, findingText } from './finding-text.ts'
import { inputLines } from './inputs-text.ts'
import type { Finding, Report, SessionReport } from './model.ts'
import { endedText } from './sessions-table.ts'
import type { Style } from './style.ts'
import { type Column, renderTable } from './table.ts'
import { count, grouped, isLost, OUTCOME_RETRY, seconds, timeOfDay } from './words.ts'
import { cut, hang } from './wrap.ts'

/** Families whose findings are about a connection that was cut. */
export const RST_FAMILIES: readonly string[] = ['cut', 'idle']

/** Rows told in the table; the JSON has all. */
const ROWS = 50
/** Columns of a lost statement: on a wide terminal, and on one of 80. */
const STATEMENT = { wide: 32, narrow: 24 }
/** From this width on the longer statement leaves room for the other columns. */
const WIDE = 110

interface Row {
  at: string
  id: string
  session: SessionReport | undefined
  finding: Finding | undefined
  statement: string | null
  outcome: SessionReport['ending']['outcome']
}

export function* renderRst(report: Report, style: Style, options: FindingTextOptions = {}): Iterable<string> {
  for (const line of lines(report, style, options)) yield style.line(line)
}

function* lines(report: Report, style: Style, options: FindingTextOptions): Iterable<string> {
  const rows = rowsOf(report)
  yield ''
  yield* inputLines(report, style)
  yield ''
  if (rows.length === 0) {
    const among = count(report.summary.sessions, 'session')
    yield* hang(
      '  ',
      `No connection was cut: no RST, and no end with a request outstanding, among ${among}.`,
      style.width,
    )
    for (const why of report.summary.blind) yield* hang(`    ${style.glyph.dot} `, style.clean(why), style.width)
    return
  }
  const lost = rows.filter((r) => isLost(r.outcome)).length
  const harmless = rows.filter((r) => r.finding === undefined && !isLost(r.outcome)).length
  const verdict = [
    `${count(rows.length - harmless, 'connection')} cut`,
    lost === 0 ? 'no query lost' : `${count(lost, 'query', 'queries')} lost`,
  ]
  if (harmless > 0) verdict.push(`${grouped(harmless)} more ended with RST and lost nothing`)
  yield* hang('  ', verdict.join(', '), style.width, style.bold)
  yield ''
  yield* renderTable(columns(style), rows.slice(0, ROWS), style)
  if (rows.length > ROWS) yield `  and ${grouped(rows.length - ROWS)} more: --format json has all`
  const sessions = sessionIndex(report)
  for (const finding of report.findings) {
    if (finding.severity === 'info') continue
    yield ''
    yield* findingText(finding, report, sessions, style, { ...options, more: options.more ?? 0 })
  }
}

/** One row per cut connection: those that a finding names, and those that ended with RST with none. In order of time. */
function rowsOf(report: Report): Row[] {
  const rows = new Map<string, Row>()
  const sessions = sessionIndex(report)
  for (const finding of report.findings) {
    if (finding.severity === 'info') continue
    for (const o of finding.occurrences) {
      if (rows.has(o.session)) continue
      const session = sessions.get(o.session)
      rows.set(o.session, {
        at: o.at,
        id: o.session,
        session,
        finding,
        statement: o.statement ?? o.command,
        outcome: o.outcome,
      })
    }
  }
  for (const s of report.sessions) {
    if (s.ending.how !== 'rst' || rows.has(s.id)) continue
    const { command, outcome } = s.ending
    rows.set(s.id, { at: s.endAt, id: s.id, session: s, finding: undefined, statement: command, outcome })
  }
  return [...rows.values()].sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : a.id < b.id ? -1 : 1))
}

function columns(style: Style): Column<Row>[] {
  const statement = style.width >= WIDE ? STATEMENT.wide : STATEMENT.narrow
  return [
    { head: 'ID', yields: 0, cell: (r) => r.id },
    { head: 'at', yields: 3, cell: (r) => timeOfDay(r.at) },
    { head: 'cut by', yields: 0, cell: sender },
    // Seconds since the last payload byte: with a query outstanding that byte was the query's (or of its half-sent answer).
    {
      head: 'after',
      yields: 1,
      align: 'right',
      cell: (r) => (r.session ? seconds(r.session.ending.silenceSeconds) : '-'),
    },
    {
      head: 'retry',
      yields: 0,
      cell: (r) => OUTCOME_RETRY[r.outcome],
      paint: (cell, r) => (isLost(r.outcome) ? style.red(cell) : cell),
    },
    {
      head: 'lost',
      yields: 2,
      cell: (r) =>
        isLost(r.outcome) ? cut(style.clean(r.statement ?? 'unreadable'), statement, style.glyph.ellipsis) : '-',
    },
    { head: 'cause', yields: 4, cell: (r) => r.finding?.rule ?? (r.session?.connState === 'REJ' ? 'refused' : '-') },
  ]
}

/** The culprit where a finding names one, else the side of the first FIN or RST. */
function sender(r: Row): string {
  const how = r.session === undefined ? '' : endedText(r.session)
  const product = r.finding?.culprit.product ?? null
  if (product !== null && !how.endsWith('client')) return how.replace(/ by .*/, '') + ` by ${product}`
  return how === '' ? (r.finding?.culprit.role ?? 'unknown') : how
}
