/**
 * One finding as text (contract.md section 6): sign, title, confidence; the path with the cut; then one row per question:
 * lost, because, not, do, look. Every row wraps under itself.
 */
import { chain } from './chain.ts'
import { aroundCommand, pathsFor, showCommand, tsharkCommand } from './look.ts'
import type { Evidence, Finding, Occurrence, Report, SessionReport, Severity } from './model.ts'
import type { Style } from './style.ts'
import { count, decimal, grouped, isLost, OUTCOME_SAYS, timeOfDay } from './words.ts'
import { cut, displayWidth, hang, padEnd, wrap } from './wrap.ts'

export interface FindingTextOptions {
  /** Long form: why it matters, every piece of evidence, references. */
  explain?: boolean
  /** Occurrences told one by one after the first; the rest are counted. */
  more?: number
}

const INDENT = 6
const LABEL = 10
/** Columns of a statement worth showing: who needs the rest asks for the JSON or the ladder. */
const STATEMENT = 200
const HOSTS_SHOWN = 4
const EVIDENCE_SHOWN = 6

export function* findingText(
  finding: Finding,
  report: Report,
  sessions: ReadonlyMap<string, SessionReport>,
  style: Style,
  options: FindingTextOptions = {},
): Iterable<string> {
  yield* title(finding, style)
  const first = leadOccurrence(finding)
  if (first === undefined) return
  const captured = sessions.has(first.session)
  if (captured) yield* chain(first, finding, sessions, style, INDENT)
  else yield* rows(style, 'where', [whereLogged(first)])
  yield* rows(style, 'hit', hits(finding))
  yield* rows(style, 'shared', shared(finding))
  yield* rows(style, 'lost', lost(first, style))
  yield* rows(style, 'because', because(first, options.explain === true), `${style.glyph.dot} `)
  if (finding.excluded.length > 0) yield* rows(style, 'not', [finding.excluded.join(` ${style.glyph.dot} `)])
  yield* rows(style, 'do', remedies(finding, options.explain === true, captured ? 2 : 3))
  const paths = pathsFor(report, [finding])
  const tshark = tsharkCommand(first.evidence, report.inputs)
  const show = captured ? showCommand(first.session, paths) : aroundCommand(finding.id, paths)
  yield* commandRows(style, 'look', [show, ...(tshark === null ? [] : [tshark])])
  if (options.explain)
    yield* rows(
      style,
      'read',
      finding.references.map((r) => `${r.title} ${r.url}`),
    )
  yield* others(finding, first, style, options.more ?? 3)
}

/** Info findings, one line each. */
export function infoLine(finding: Finding, style: Style): string[] {
  return hang(`  ${sign('info', style)} `, style.clean(finding.title), style.width).map(sameWidth(style, 'info'))
}

/** The sign of a severity, plain. */
function sign(severity: Severity, style: Style): string {
  return style.glyph[severity]
}

function paintOf(severity: Severity, style: Style): (s: string) => string {
  return severity === 'error' ? style.red : severity === 'warning' ? style.yellow : style.cyan
}

/** Colours the sign of a line that was laid out without colour. */
function sameWidth(style: Style, severity: Severity): (line: string, index: number) => string {
  const plain = sign(severity, style)
  return (line, index) => (index === 0 ? line.replace(plain, paintOf(severity, style)(plain)) : line)
}

/** Sign and title to the left, confidence at the right edge of the last title line, or below when there is no room. */
function* title(finding: Finding, style: Style): Iterable<string> {
  const confidence = finding.confidence
  const lines = wrap(style.clean(finding.title), style.width - 4)
  const paint = paintOf(finding.severity, style)
  const last = lines.length - 1
  for (let i = 0; i <= last; i++) {
    const head = i === 0 ? `  ${paint(sign(finding.severity, style))} ` : '    '
    const text = lines[i]!
    const room = style.width - 4 - displayWidth(text) - displayWidth(confidence)
    if (i < last) yield head + style.bold(text)
    else if (room >= 2) yield `${head}${style.bold(text)}${' '.repeat(room)}${style.dim(confidence)}`
    else {
      yield head + style.bold(text)
      yield ' '.repeat(style.width - displayWidth(confidence)) + style.dim(confidence)
    }
  }
}

/** The occurrence that costs most stands for all. */
function leadOccurrence(finding: Finding): Occurrence | undefined {
  return finding.occurrences.find((o) => isLost(o.outcome)) ?? finding.occurrences[0]
}

/** What logs do not name. */
const UNKNOWN = 'unknown'

/** Where a log tells of it: `17:18:47.664 haproxy.log:14, client 10.0.0.5:51234`. */
function whereLogged(o: Occurrence): string {
  const named = [
    o.client === UNKNOWN ? '' : `, client ${o.client}`,
    o.server === UNKNOWN ? '' : `, server ${o.server}`,
  ].join('')
  return `${o.at === UNKNOWN ? '' : `${timeOfDay(o.at)} `}${o.session}${named}`
}

/** Who was hit, when it was more than one connection. */
function hits(finding: Finding): string[] {
  if (finding.occurrences.length < 2) return []
  const by = new Map<string, number>()
  for (const o of finding.occurrences) {
    const host = o.client.replace(/:\d+$/, '')
    by.set(host, (by.get(host) ?? 0) + 1)
  }
  const hosts = [...by].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
  const connections = count(finding.occurrences.length, 'connection')
  if (by.has(UNKNOWN)) return [connections]
  if (hosts.length === 1) return [`${connections} of ${hosts[0]![0]}`]
  const named = hosts.slice(0, HOSTS_SHOWN).map(([host, n]) => `${host} (${grouped(n)})`)
  const rest = hosts.length > HOSTS_SHOWN ? `, and ${count(hosts.length - HOSTS_SHOWN, 'more client')}` : ''
  return [`${connections}: ${named.join(', ')}${rest}`]
}

/** What those that were hit have in common and the others have not: detail.shared. */
function shared(finding: Finding): string[] {
  const lines = finding.detail['shared']
  return Array.isArray(lines) ? lines.filter((line) => typeof line === 'string') : []
}

function lost(o: Occurrence, style: Style): string[] {
  if (!isLost(o.outcome)) return []
  const unread = o.evidence.some((e) => e.kind === 'frames')
    ? 'a request that cannot be read'
    : 'a request that no log quotes'
  const what = o.statement ?? o.command ?? unread
  return [cut(style.clean(what), STATEMENT, style.glyph.ellipsis), OUTCOME_SAYS[o.outcome]]
}

function because(o: Occurrence, all: boolean): string[] {
  const says = o.evidence.map(evidenceText)
  if (all || says.length <= EVIDENCE_SHOWN) return says
  return [...says.slice(0, EVIDENCE_SHOWN - 1), `and ${says.length - EVIDENCE_SHOWN + 1} more: --explain`]
}

/** A piece of evidence in words, with the numbers to check it by. */
export function evidenceText(e: Evidence): string {
  switch (e.kind) {
    case 'frames':
      return `${e.says} (frame${e.frames.length === 1 ? '' : 's'} ${e.frames.join(', ')})`
    case 'log':
      return `${e.says} (${e.input}:${e.line})`
    case 'silence':
      return `${e.says} (${timeOfDay(e.from)} to ${timeOfDay(e.to)})`
    case 'measure':
      return `${e.name} ${decimal(e.value)} ${e.unit}${e.compared === undefined ? '' : ` (${e.compared})`}`
  }
}

function remedies(finding: Finding, all: boolean, most: number): string[] {
  const shown = all ? finding.remedy : finding.remedy.slice(0, most)
  return shown.map((r) => (r.config === '' ? r.text : `${r.text}: ${r.config}`))
}

/** The label once, then one item a line, each behind a bullet where items wrap and must be told apart. */
export function* rows(style: Style, label: string, items: readonly string[], bullet = ''): Iterable<string> {
  for (let i = 0; i < items.length; i++) {
    const head = ' '.repeat(INDENT) + padEnd(i === 0 ? label : '', LABEL) + bullet
    const lines = hang(head, style.clean(items[i]!), style.width)
    if (i === 0) lines[0] = lines[0]!.replace(label, style.dim(label))
    yield* lines
  }
}

/** Commands stay on one line each, however long: a broken line cannot be pasted. */
function* commandRows(style: Style, label: string, commands: readonly string[]): Iterable<string> {
  for (let i = 0; i < commands.length; i++) {
    yield `${' '.repeat(INDENT)}${style.dim(padEnd(i === 0 ? label : '', LABEL))}${style.cyan(style.clean(commands[i]!))}`
  }
}

/** The occurrences after the first: time, who, what was lost; then how many more. */
function* others(finding: Finding, first: Occurrence, style: Style, most: number): Iterable<string> {
  const rest = finding.occurrences.filter((o) => o !== first)
  const shown = rest.slice(0, most).map((o) => {
    const what = o.statement ?? o.command
    const loss = isLost(o.outcome)
      ? ` ${what === null ? '' : `${cut(style.clean(what), 40, style.glyph.ellipsis)} `}(${o.outcome})`
      : ''
    if (o.client === UNKNOWN || o.server === UNKNOWN) return `${whereLogged(o)}${loss}`
    return `${timeOfDay(o.at)} ${o.session} ${o.client} → ${o.server}${loss}`
  })
  if (rest.length > most) shown.push(`and ${grouped(rest.length - most)} more`)
  yield* rows(style, 'also', shown)
}
