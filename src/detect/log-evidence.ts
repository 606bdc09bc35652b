/**
 * What the logs add to a verdict of the packets: the lines that tell of the same break become evidence, the closing product's own
 * words make it sure and name it, and a line that says something else is told as a contradiction. One place for all rules: what a
 * line means stands in log-readings/.
 */
import { type Duration, type Instant, NS_PER_MS, NS_PER_SECOND } from '../core/time.ts'
import type { LogEvent } from '../logs/event.ts'
import type { Confidence } from '../report/model.ts'
import type { Session } from '../session/session.ts'
import type { Fleet } from './fleet.ts'
import { WAIT_TIMEOUT_SENTENCE, waitTimeoutSentence } from './log-readings/application.ts'
import { type LogReading, readingOf } from './log-readings/index.ts'
import { HOT_MILLIS } from './log-readings/proxysql.ts'
import { named } from './log-readings/reading.ts'
import type { RuleEvidence, Verdict } from './rule.ts'
import { serverLifeNear } from './server-life.ts'
import { otherVantages } from './vantages.ts'

/** Lines cited for one occurrence. */
const CITED = 4
/** A line about the close is written before it, or at most so much later. */
const BEFORE: Duration = 2 * NS_PER_SECOND
const AFTER: Duration = 3 * NS_PER_SECOND

/** Two things this close to each other are one, where nothing else tells them apart. */
const ONE_MOMENT: Duration = 300 * NS_PER_MS
/** Clocks that agree may differ by this. */
const AHEAD: Duration = 50 * NS_PER_MS

/** Longest pause of a process that is looked for around a break. */
const PAUSE: Duration = 120 * NS_PER_SECOND

const RANK: Record<LogReading['weight'], number> = { says: 0, fits: 1, sees: 2 }
const SURER: Record<Confidence, Confidence> = { possible: 'likely', likely: 'certain', certain: 'certain' }

interface Cited {
  event: LogEvent
  reading: LogReading
}

/** Adds to the verdicts of one rule what the logs say of their sessions. */
export function attachLogs(rule: string, verdicts: readonly Verdict[], fleet: Fleet): void {
  if (fleet.logs.events.length === 0) return
  for (const v of verdicts) {
    const events = linesAbout(v.session, fleet)
    const cited: Cited[] = linesOfMoment(rule, v, verdicts, fleet)
    const against: Cited[] = []
    for (const event of events) {
      const reading = readingOf(event)
      if (reading === null) continue
      if (reading.rules.includes(rule)) {
        if (inTime(event, v)) cited.push({ event, reading })
      } else if (contradicts(reading, event, v)) against.push({ event, reading })
    }
    support(rule, v, cited)
    oppose(v, against)
    sentence(rule, v, events)
    if (rule.startsWith('validation-')) namePool(v, events)
    serverLife(rule, v, fleet)
    paused(v, fleet)
  }
}

/** Lines about the connection: this leg's, the other leg's, and those of the same connection in other captures. */
export function linesAbout(s: Session, fleet: Fleet): readonly LogEvent[] {
  if (fleet.logs.events.length === 0) return NONE
  let of = lines.get(fleet)
  if (of === undefined) {
    of = new Map()
    lines.set(fleet, of)
  }
  let found = of.get(s)
  if (found === undefined) {
    found = findLines(s, fleet)
    of.set(s, found)
  }
  return found
}

const NONE: readonly LogEvent[] = []
const lines = new WeakMap<Fleet, Map<Session, readonly LogEvent[]>>()

function findLines(s: Session, fleet: Fleet): readonly LogEvent[] {
  const other = [fleet.frontLeg(s), fleet.backLeg(s)].filter((t) => t !== null)
  const sessions = new Set([s, ...other, ...[s, ...other].flatMap((t) => otherVantages(t, fleet))])
  const found = new Set<LogEvent>()
  for (const t of sessions) for (const e of fleet.logs.of(t)) found.add(e)
  return [...found].sort((a, b) => (a.at ?? 0) - (b.at ?? 0) || a.line - b.line)
}

/** Lines that name no connection, written at the moment of this verdict and of no other of its rule: joined by time. */
function linesOfMoment(rule: string, v: Verdict, all: readonly Verdict[], fleet: Fleet): Cited[] {
  const others = all.filter(
    (x) => x !== v && x.session.client !== v.session.client && Math.abs(x.at - v.at) <= ONE_MOMENT,
  )
  if (others.length > 0) return []
  const found: Cited[] = []
  for (const { event, reading } of unnamedNear(v.at, fleet)) {
    if (reading.weight === 'says' && reading.rules.includes(rule))
      found.push({ event, reading: { ...reading, says: `${reading.says} (joined by time)` } })
  }
  return found
}

/** Lines that name no connection, at this moment, with what they mean. */
export function unnamedNear(at: Instant, fleet: Fleet): Cited[] {
  const found: Cited[] = []
  for (const event of fleet.logs.between(at - 1.1 * NS_PER_SECOND, at + ONE_MOMENT)) {
    if (fleet.logs.isAbout(event) || fleet.logs.sessionsOf(event).length > 0) continue
    if (event.at! + event.precision < at - AHEAD) continue
    const reading = readingOf(event)
    if (reading !== null) found.push({ event, reading })
  }
  return found
}

/** Who suffered may notice much later; who acted, or watched, tells at once. */
function inTime(e: LogEvent, v: Verdict): boolean {
  if (e.at === null) return true
  if (e.at + e.precision < v.at - BEFORE) return false
  return (
    e.role === 'pool' || e.role === 'driver' || e.startAt !== null || e.at <= Math.max(v.at, v.session.endAt) + AFTER
  )
}

function support(rule: string, v: Verdict, cited: readonly Cited[]): void {
  const told = new Set(v.evidence.map((e) => (e.kind === 'log' ? e.event : null)))
  const best = [...cited].sort((a, b) => RANK[a.reading.weight] - RANK[b.reading.weight])
  const shown: Cited[] = []
  for (const c of best) {
    if (shown.length === CITED) break
    // One line of each kind from each log is enough.
    if (!shown.some((x) => x.event.input === c.event.input && x.reading.says === c.reading.says)) shown.push(c)
  }
  const lines = (weak: boolean): RuleEvidence[] =>
    shown
      .filter((c) => !told.has(c.event) && (c.reading.weight === 'sees') === weak)
      .map(({ event, reading }) => ({ kind: 'log', event, says: reading.says }))
  // The first pieces are what the reader sees first: the close, then who says so. Who only noticed comes last.
  v.evidence.splice(Math.min(1, v.evidence.length), 0, ...lines(false))
  v.evidence.push(...lines(true))
  for (const { event, reading } of shown) {
    const own = reading.role === v.culprit.role && reading.role === event.role
    if (reading.weight === 'says' && reading.role === v.culprit.role) {
      v.confidence = 'certain'
      if (own) v.culprit = { ...v.culprit, product: named(event) }
    } else if (reading.weight === 'fits' && reading.role === v.culprit.role && v.confidence === 'possible')
      v.confidence = 'likely'
    else if (rule === 'tls-error-queue' && hotBreak(event)) {
      // The process itself says that it took a connection in use for a broken one.
      v.confidence = SURER[v.confidence]
      if (v.culprit.role === event.role) v.culprit = { ...v.culprit, product: named(event) }
    }
  }
}

const hotBreak = (e: LogEvent): boolean =>
  e.product === 'ProxySQL' && e.what === 'broken' && e.code === 2013 && (e.idleMillis ?? HOT_MILLIS) < HOT_MILLIS

/** A product's own words about its own deed, at this moment, that name another culprit. */
function contradicts(reading: LogReading, e: LogEvent, v: Verdict): boolean {
  if (reading.weight !== 'says' || (e.role !== 'proxy' && e.role !== 'server') || reading.role !== e.role) return false
  if (reading.role === v.culprit.role || v.severity === 'info') return false
  return e.at !== null && Math.abs(e.at - v.at) <= AFTER + e.precision
}

function oppose(v: Verdict, against: readonly Cited[]): void {
  const first = against[0]
  if (first === undefined) return
  v.evidence.push({
    kind: 'log',
    event: first.event,
    says: `contradiction: ${first.reading.says}; the packets show what is said above`,
  })
  if (v.confidence === 'certain') v.confidence = 'likely'
}

/** The pool that should have checked, by what wrote the log of its connections. */
function namePool(v: Verdict, events: readonly LogEvent[]): void {
  const pool = events.find((e) => e.role === 'pool' && e.product !== '' && e.product !== 'application')
  if (pool !== undefined && v.culprit.role === 'client') v.culprit = { ...v.culprit, product: named(pool) }
}

/** Connector/J compares its own idle time with the wait_timeout that it read at login, and blames the server for the result. */
function sentence(rule: string, v: Verdict, events: readonly LogEvent[]): void {
  const e = events.find((x) => WAIT_TIMEOUT_SENTENCE.test(x.text))
  if (e === undefined || rule === 'idle-timeout-server') return
  v.excluded = [...v.excluded, waitTimeoutSentence(e)]
}

/** The server's own log about its end. */
function serverLife(rule: string, v: Verdict, fleet: Fleet): void {
  if (rule !== 'server-crash' && rule !== 'server-shutdown' && rule !== 'connect-refused') return
  const life = serverLifeNear(fleet.logs, v.at)
  if (life === null) return
  const stopped = life.how === 'stopped'
  const fits = rule === 'connect-refused' || (rule === 'server-shutdown') === stopped
  const says = `${named(life.event)} says ${life.says}`
  v.evidence.splice(1, 0, {
    kind: 'log',
    event: life.event,
    says: fits ? says : `contradiction: ${says}`,
  })
  if (!fits) {
    if (v.confidence === 'certain') v.confidence = 'likely'
    return
  }
  if (rule !== 'connect-refused' && v.culprit.role === 'server') {
    v.confidence = life.sure ? 'certain' : 'likely'
    v.culprit = { ...v.culprit, product: named(life.event) }
    v.excluded = v.excluded.filter((x) => !x.includes('its log decides'))
  }
}

/** A process that stood still around this moment: what it timed, and when it says that it did, is worth less. */
function paused(v: Verdict, fleet: Fleet): void {
  if (v.severity === 'info') return
  const event = fleet.logs
    .between(v.at - PAUSE, v.at + PAUSE)
    .find((e) => e.what === 'paused' && Math.abs(e.at! - v.at) <= Math.max((e.durationMillis ?? 0) * NS_PER_MS, AFTER))
  if (event === undefined) return
  v.evidence.push({
    kind: 'log',
    event,
    says: `${named(event)} says that its process or clock paused: times around it are worth less`,
  })
}

/** A title that was made before the product was known names it. */
export function nameProduct(title: string, v: Verdict): string {
  const { role, address, product } = v.culprit
  if (product === null || address === null || (role !== 'proxy' && role !== 'server')) return title
  const bare = `The ${role} ${address}`
  if (title.startsWith(bare)) return product + title.slice(bare.length - address.length - 1)
  return title.replace(`the ${role} ${address}`, `${product} ${address}`)
}
