/**
 * The report as text: the first screen answers how many sessions, how many broke, the causes with counts, who, and what
 * to do next (contract.md section 6). Plain words; no colour, no Unicode and 80 columns lose no fact.
 */
import { sessionIndex } from './chain.ts'
import {
  captureAdvice,
  costsEvidence,
  type Limit,
  needsTelling,
  notableLimits,
  sawPackets,
  serverPorts,
  tcpdumpLine,
} from './completeness.ts'
import { type FindingTextOptions, findingText, infoLine } from './finding-text.ts'
import { inputLines } from './inputs-text.ts'
import { pathsFor } from './look.ts'
import { lostRequests } from './lost.ts'
import type { Finding, Report } from './model.ts'
import type { Style } from './style.ts'
import { count, grouped, seconds, shellWord } from './words.ts'
import { cut, displayWidth, hang, padEnd, padStart } from './wrap.ts'

/** Up to this many causes are told in full at once; more get an overview first. */
const WITHOUT_OVERVIEW = 3
const INFO_SHOWN = 8
const LIMITS_SHOWN = 5

export function* renderText(report: Report, style: Style, options: FindingTextOptions = {}): Iterable<string> {
  for (const line of screen(report, style, options)) yield style.line(line)
}

function* screen(report: Report, style: Style, options: FindingTextOptions): Iterable<string> {
  const causes = report.findings.filter((f) => f.severity !== 'info')
  const info = report.findings.filter((f) => f.severity === 'info')
  const limits = notableLimits(report)
  yield ''
  yield* inputLines(report, style)
  yield ''
  if (report.partial) {
    yield* hang(
      '  ',
      'Partial: the run or an input broke off. What is said is true, but not all is said.',
      style.width,
      style.yellow,
    )
    yield ''
  }
  yield* verdict(report, causes, style)
  if (causes.length > WITHOUT_OVERVIEW) {
    yield ''
    yield* overview(causes, style)
  }
  const sessions = sessionIndex(report)
  for (const finding of causes) {
    yield ''
    yield* findingText(finding, report, sessions, style, options)
  }
  if (info.length > 0) yield ''
  for (const finding of info.slice(0, INFO_SHOWN)) yield* infoLine(finding, style)
  if (info.length > INFO_SHOWN) yield `    and ${grouped(info.length - INFO_SHOWN)} more notes: --format json has all`
  yield* timerOrder(report, style)
  yield* whatWasNotSeen(report, causes, limits, style)
  yield* bugLines(report, style)
  yield ''
  yield* next(report, causes, style)
}

/** One line with the counts; when nothing was found, why that may not mean that all is well. */
function* verdict(report: Report, causes: readonly Finding[], style: Style): Iterable<string> {
  const { sessions, broken } = report.summary
  if (causes.length > 0) {
    const lost = lostRequests(report, causes)
    const facts = [
      `${count(causes.length, 'cause')}`,
      broken === 0
        ? 'no session broke yet'
        : sessions === 0
          ? `${count(broken, 'connection')} in the logs broke`
          : `${grouped(broken)} of ${count(sessions, 'session')} broke`,
      lost === 0 ? 'no query lost' : `${count(lost, 'query', 'queries')} lost`,
    ]
    yield* hang('  ', facts.join(', '), style.width, style.bold)
    return
  }
  if (sessions > 0 && report.summary.blind.length === 0) {
    const says = sessions === 1 ? 'The one session ended as it should' : `None of ${count(sessions, 'session')} broke`
    yield `  ${style.green(style.glyph.ok)} ${style.bold(says)}`
    return
  }
  const says =
    sessions > 0
      ? `No broken session found among ${grouped(sessions)}, but not everything could be seen`
      : sawPackets(report.inputs)
        ? 'No MySQL session was seen, so nothing can be said about connections'
        : 'There was no packet to read, so nothing can be said about connections'
  yield `  ${style.yellow(style.glyph.warning)} ${style.bold(says)}`
}

/** The causes with their counts, one line each. */
function* overview(causes: readonly Finding[], style: Style): Iterable<string> {
  const counts = causes.map((f) => `${grouped(f.occurrences.length)}${style.glyph.times}`)
  const column = Math.max(...counts.map(displayWidth))
  for (let i = 0; i < causes.length; i++) {
    const f = causes[i]!
    const paint = f.severity === 'error' ? style.red : style.yellow
    const room = style.width - column - 7
    yield `  ${paint(style.glyph[f.severity])} ${padStart(counts[i]!, column)}  ${cut(style.clean(f.title), room, style.glyph.ellipsis)}`
  }
}

/** The timers on the path, and the pairs that stand in the wrong order. */
function* timerOrder(report: Report, style: Style): Iterable<string> {
  const { timers } = report
  if (timers === undefined) return
  yield ''
  yield `  ${style.bold('Timers, which must grow from the application to the server: pool < proxy < load balancer < server')}`
  const wrong = new Set(timers.conflicts.flatMap((c) => [c.outer, c.inner]))
  for (const [i, t] of timers.settings.entries()) {
    const sign = wrong.has(i) ? style.glyph.warning : style.glyph.dot
    yield* hang(
      `    ${sign} ${padEnd(t.layer, 8)}`,
      style.clean(`${t.product} ${t.name} ${seconds(t.seconds)} (${t.where})`),
      style.width,
    )
  }
  for (const c of timers.conflicts)
    yield* hang(`    ${style.glyph.cut} `, style.clean(c.says), style.width, style.yellow)
}

/** What the inputs could not show; at length, with the way to capture right, when nothing was found. */
function* whatWasNotSeen(
  report: Report,
  causes: readonly Finding[],
  limits: readonly Limit[],
  style: Style,
): Iterable<string> {
  const { blind } = report.summary
  if (blind.length === 0 && limits.length === 0) return
  const atLength = causes.length === 0
  yield ''
  yield `  ${style.bold(atLength && blind.length > 0 ? 'Why nothing was found' : 'What limits this answer')}`
  for (const why of blind) yield* hang(`    ${style.glyph.dot} `, style.clean(why), style.width)
  const kinds = limitsByKind(limits.filter((l) => needsTelling(l.anomaly)))
  const shown = atLength ? kinds : kinds.slice(0, LIMITS_SHOWN)
  for (const same of shown) {
    const { input, anomaly: a } = same[0]!
    const where = a.firstFrame > 0 ? `, first at frame ${grouped(a.firstFrame)}` : ''
    const others = same.length > 1 ? ` and ${count(same.length - 1, 'other input')}` : ''
    const times = same.reduce((n, l) => n + l.anomaly.count, 0)
    const facts = `${input}${others}: ${a.kind} ${style.glyph.times}${grouped(times)}${where}. ${a.means}`
    yield* hang(`    ${style.glyph.dot} `, style.clean(facts), style.width)
  }
  if (kinds.length > shown.length) yield `    and ${grouped(kinds.length - shown.length)} more: --format json has all`
  if (!atLength || (blind.length === 0 && !limits.some((l) => costsEvidence(l.anomaly)))) return
  const advice = captureAdvice(limits, report.sessions)
  yield ''
  yield `  ${style.bold('To see more')}`
  for (const line of advice) yield* hang(`    ${style.glyph.dot} `, line, style.width)
  yield `    ${style.cyan(tcpdumpLine(serverPorts(report)))}`
}

/** The same trouble in several inputs is said once. */
function limitsByKind(limits: readonly Limit[]): Limit[][] {
  const kinds = new Map<string, Limit[]>()
  for (const limit of limits) {
    const same = kinds.get(limit.anomaly.kind)
    if (same === undefined) kinds.set(limit.anomaly.kind, [limit])
    else same.push(limit)
  }
  return [...kinds.values()]
}

function* bugLines(report: Report, style: Style): Iterable<string> {
  for (const b of report.bugs ?? []) {
    yield ''
    const says = `A bug of ours: rule ${b.rule} failed on ${b.session} (${b.message.split('\n')[0]}). The other rules ran. Please report it.`
    yield* hang('  ', style.clean(says), style.width, style.red)
  }
}

/** What to type next. */
function* next(report: Report, causes: readonly Finding[], style: Style): Iterable<string> {
  const paths = pathsFor(report, causes).map(shellWord)
  const where = paths.length <= 2 ? paths.join(' ') : `${paths[0]} ...`
  const steps: string[] = []
  if (causes.length > 0) steps.push(`mysqlconn explain ${causes[0]!.rule}`)
  if (report.summary.sessions > 0) steps.push(`mysqlconn sessions ${where}`)
  else if (report.inputs.some((i) => i.kind === 'capture')) steps.push(`mysqlconn capture info ${where}`)
  if (causes.length > 0) steps.push('-o report.html to pass it on')
  if (steps.length === 0) return
  const gap = ` ${style.glyph.dot} `
  const line = steps.map(style.clean).join(gap)
  if (displayWidth(line) + 8 <= style.width) yield `  ${style.dim('Next:')} ${line}`
  else
    for (let i = 0; i < steps.length; i++) yield `  ${i === 0 ? style.dim('Next:') : '     '} ${style.clean(steps[i]!)}`
}
