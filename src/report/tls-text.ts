/**
 * `mysqlconn tls`: versions and cipher suites, handshakes that failed, alerts, what a failed session did to others, and what
 * could not be read (contract.md section 1). The findings follow in full.
 */
import { alertMeaning } from '../tls/alerts.ts'
import { UNREAD_WORDS } from '../tls/unread.ts'
import { sessionIndex } from './chain.ts'
import { type FindingTextOptions, findingText } from './finding-text.ts'
import { inputLines } from './inputs-text.ts'
import type { Report, TlsChainEvent, TlsChainReport, TlsReport, TlsSuiteReport } from './model.ts'
import type { Style } from './style.ts'
import { type Column, renderTable } from './table.ts'
import { count, grouped, seconds, timeOfDay } from './words.ts'
import { hang } from './wrap.ts'

/** Families whose findings are about TLS. */
export const TLS_FAMILIES: readonly string[] = ['tls']

export function* renderTls(report: Report, style: Style, options: FindingTextOptions = {}): Iterable<string> {
  for (const line of lines(report, style, options)) yield style.line(line)
}

function* lines(report: Report, style: Style, options: FindingTextOptions): Iterable<string> {
  const tls = report.tls
  yield ''
  yield* inputLines(report, style)
  yield ''
  if (tls === undefined || tls.sessions === 0) {
    yield* hang('  ', `No TLS, among ${count(report.summary.sessions, 'session')}.`, style.width)
    for (const why of report.summary.blind) yield* hang(`    ${style.glyph.dot} `, style.clean(why), style.width)
    return
  }
  yield* hang('  ', headline(tls), style.width, style.bold)
  if (tls.suites.length > 0) {
    yield ''
    yield* renderTable(columns(style), tls.suites, style)
  }
  yield* failureLines(tls, style)
  yield* alertLines(tls, style)
  yield* chainLines(tls.chains, style)
  yield* unreadLines(tls, style)
  const sessions = sessionIndex(report)
  for (const finding of report.findings) {
    if (finding.severity === 'info') continue
    yield ''
    yield* findingText(finding, report, sessions, style, { ...options, more: options.more ?? 0 })
  }
}

function headline(tls: TlsReport): string {
  const { complete, failed, unseen, resumed } = tls.handshakes
  const parts = [`${count(complete, 'handshake')} complete${resumed > 0 ? ` (${grouped(resumed)} resumed)` : ''}`]
  if (failed > 0) parts.push(`${grouped(failed)} failed`)
  if (unseen > 0) parts.push(`${grouped(unseen)} not seen to the end`)
  if (tls.renegotiations > 0) parts.push(count(tls.renegotiations, 'renegotiation'))
  if (tls.keyUpdates > 0) parts.push(count(tls.keyUpdates, 'KeyUpdate'))
  const without = tls.withoutTls > 0 ? `, ${grouped(tls.withoutTls)} without` : ''
  return `${count(tls.sessions, 'session')} with TLS${without}: ${parts.join(', ')}; ${grouped(tls.decrypted)} decrypted`
}

function columns(style: Style): Column<TlsSuiteReport>[] {
  return [
    { head: 'version', yields: 0, cell: (r) => r.version ?? 'unknown' },
    { head: 'cipher suite', yields: 0, cell: (r) => r.cipher ?? 'unknown' },
    { head: 'sessions', yields: 0, align: 'right', cell: (r) => grouped(r.sessions) },
    { head: 'resumed', yields: 2, align: 'right', cell: (r) => grouped(r.resumed) },
    {
      head: 'decrypted',
      yields: 1,
      align: 'right',
      cell: (r) => grouped(r.decrypted),
      paint: (cell, r) => (r.decrypted < r.sessions ? style.yellow(cell) : cell),
    },
    { head: 'servers', yields: 3, cell: (r) => r.servers.join(', ') },
  ]
}

function* failureLines(tls: TlsReport, style: Style): Iterable<string> {
  if (tls.failures.length === 0) return
  yield ''
  yield `  ${style.bold('handshakes that failed')}`
  for (const f of tls.failures) {
    const who = f.by === 'unknown' ? 'nobody closed' : `ended by the ${f.by}`
    const clients = style.clean(f.clients.join(', '))
    const says = `${f.reason}, ${who}: ${clients} ${style.glyph.right} ${style.clean(f.server)} (${ids(f.sessions, f.count, style)})`
    yield* hang(`  ${style.red(grouped(f.count).padStart(5))}  `, says, style.width)
  }
}

function* alertLines(tls: TlsReport, style: Style): Iterable<string> {
  if (tls.alerts.length === 0) return
  yield ''
  yield `  ${style.bold('alerts by sender')}`
  for (const a of tls.alerts) {
    const means = a.number < 0 ? '' : alertMeaning(a.number)
    const says = `${a.by} ${style.clean(a.from)}: ${a.level} ${style.clean(a.description)}${means === '' ? '' : `. ${means}`}`
    yield* hang(`  ${grouped(a.count).padStart(5)}  `, says, style.width)
  }
}

/**
 * What a failed session did to the healthy ones of the same process:
 *
 *   ▲ 17:10:02.123 10.0.0.9:51000 ▶ 10.0.0.5:6033: its TLS handshake breaks off (a.pcap:4, frame 20)
 *   │
 *   ├── +1.20 ms ╳ 10.0.0.5:40000 ▶ 10.0.0.7:3306: cut right after COM_QUERY (a.pcap:2, frame 25)
 */
function* chainLines(chains: readonly TlsChainReport[], style: Style): Iterable<string> {
  for (const c of chains) {
    yield ''
    yield `  ${style.bold('who failed, and who was hit')}: process ${style.clean(c.process)}`
    let open = false
    for (const e of c.events) {
      if (e.kind === 'trigger') {
        if (open) yield ''
        yield* hang(`  ${style.yellow(style.glyph.warning)} `, `${timeOfDay(e.at)} ${ends(e, style)}`, style.width)
        open = true
        continue
      }
      const after = e.afterSeconds === null ? 'cause not seen' : `+${seconds(e.afterSeconds)}`
      if (open) yield `  ${style.glyph.lane}`
      const stem = `  ${open ? style.glyph.branch : ' '}${style.glyph.line}${style.glyph.line} ${after} `
      const mark = e.kind === 'victim' ? style.red(style.glyph.cut) : style.glyph.cut
      yield* hang(`${stem}${mark} `, ends(e, style), style.width)
    }
  }
}

const ends = (e: TlsChainEvent, style: Style): string =>
  `${style.clean(e.client)} ${style.glyph.right} ${style.clean(e.server)}: ${style.clean(e.says)} (${style.clean(e.session)}, frame ${e.frame})`

function* unreadLines(tls: TlsReport, style: Style): Iterable<string> {
  if (tls.unread.length === 0) return
  yield ''
  yield `  ${style.bold('could not be read')}`
  for (const u of tls.unread)
    yield* hang(
      `  ${grouped(u.count).padStart(5)}  `,
      `${UNREAD_WORDS[u.why]} (${ids(u.sessions, u.count, style)})`,
      style.width,
    )
}

function ids(named: readonly string[], all: number, style: Style): string {
  const more = all > named.length ? `, ${grouped(all - named.length)} more` : ''
  return style.clean(named.join(', ')) + more
}
