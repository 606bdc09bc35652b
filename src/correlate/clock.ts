/**
 * How far the clock of a log is ahead of the run's. Every line that names a connection which the packets (or another log, whose
 * clock is known) show as well allows a range of offsets: the moment of the one minus the moment of the other. Ports and
 * connection ids repeat, so many of these pairs are wrong; wrong ones scatter, right ones agree. The offset is where most ranges
 * overlap. Logs without a zone are whole quarters of an hour off: such an offset is taken exactly.
 */
import { type Duration, type Instant, NS_PER_MS, NS_PER_SECOND } from '../core/time.ts'
import type { LogEvent } from '../logs/event.ts'
import type { Session } from '../session/session.ts'
import { endpointKey } from './endpoint.ts'

export interface LogClock {
  /** This log's clock minus the run's: positive when it is ahead. */
  offset: Duration
  /** Lines that agree with it; 0 where the user gave it. */
  matched: number
}

interface Range {
  low: Duration
  high: Duration
}

/** What is known of one connection, by port or id. */
interface Anchor {
  open: Instant | null
  close: Instant | null
}

/** Lines of one log that are looked at: more change nothing. */
const LOOKED_AT = 4096
/** Connections with the same id or port that are compared with one line. */
const SAME_KEY = 16
/** A moment that the writer took itself, such as HAProxy's accept date. */
const AT_ONCE: Duration = 60 * NS_PER_MS
/** From an event to the line that tells of it: buffers, and a thread that has other work. */
const TOLD_AFTER: Duration = 1.5 * NS_PER_SECOND
/** A server notices that its client has gone when it next reads or writes: at the end of the statement. */
const NOTICED_AFTER: Duration = 120 * NS_PER_SECOND
/** A pool may hold a dead connection for long before it notices. */
const FOUND_AFTER: Duration = 12 * 3600 * NS_PER_SECOND
const QUARTER_HOUR: Duration = 900 * NS_PER_SECOND
const ZONES = 56
/** An offset that so many of the best one's lines allow is as good. */
const AS_GOOD = 0.8

/** Closings that are told when they happen. */
const CLOSES: ReadonlySet<LogEvent['what']> = new Set(['closed', 'idle-closed', 'killed', 'aborted'])
/** What only an open connection is good for. */
const USES: ReadonlySet<LogEvent['what']> = new Set(['connected', 'checkout', 'validated', 'statement'])
/** CR_SERVER_LOST: the connection died in use. Any other that is found broken may have been dead for long. */
const LOST_IN_USE = 2013

const closes = (e: LogEvent): boolean =>
  CLOSES.has(e.what) || (e.what === 'broken' && e.role === 'proxy' && e.code === LOST_IN_USE)

/** Offset of every log that can be compared with something, or whose offset is `given`. */
export function logClocks(
  logs: ReadonlyMap<string, readonly LogEvent[]>,
  sessions: readonly Session[],
  given: ReadonlyMap<string, Duration>,
): Map<string, LogClock> {
  const found = new Map<string, LogClock>()
  const anchors = new Map<string, Anchor[]>()
  for (const s of sessions) addSession(anchors, s)
  const open = new Map<string, readonly LogEvent[]>()
  for (const [input, events] of logs) {
    const offset = given.get(input)
    if (offset === undefined)
      open.set(input, events.filter((e) => e.at !== null && keysOf(e).length > 0).slice(0, LOOKED_AT))
    else {
      found.set(input, { offset, matched: 0 })
      addLog(anchors, events.slice(0, LOOKED_AT), offset)
    }
  }
  // Without packets the first log is the clock of all.
  const [first] = anchors.size === 0 ? open : []
  if (first !== undefined) {
    open.delete(first[0])
    addLog(anchors, first[1], 0)
  }
  for (;;) {
    let best: { input: string; clock: LogClock } | null = null
    for (const [input, events] of open) {
      const clock = estimate(rangesOf(events, anchors))
      if (clock !== null && (best === null || clock.matched > best.clock.matched)) best = { input, clock }
    }
    if (best === null) return found
    found.set(best.input, best.clock)
    addLog(anchors, open.get(best.input)!, best.clock.offset)
    open.delete(best.input)
  }
}

function keysOf(e: LogEvent): string[] {
  const keys: string[] = []
  const client = endpointKey(e.client)
  if (client !== null) keys.push(client)
  if (e.connectionId !== null && e.connectionId > 0) keys.push(`#${e.connectionId}`)
  return keys
}

function addSession(anchors: Map<string, Anchor[]>, s: Session): void {
  const anchor: Anchor = {
    open: s.synFrame > 0 ? s.synAckAt || s.startAt : null,
    close: s.ending.first?.at ?? null,
  }
  push(anchors, s.client, anchor)
  const id = s.mysql?.greeting?.connectionId ?? 0
  if (id > 0) push(anchors, `#${id}`, anchor)
}

function addLog(anchors: Map<string, Anchor[]>, events: readonly LogEvent[], offset: Duration): void {
  for (const e of events) {
    if (e.at === null) continue
    const middle = e.at + e.precision / 2 - offset
    const anchor: Anchor = {
      open: e.startAt !== null ? e.startAt - offset : e.what === 'connected' ? middle : null,
      close: closes(e) ? middle : null,
    }
    if (anchor.open !== null || anchor.close !== null) for (const key of keysOf(e)) push(anchors, key, anchor)
  }
}

/** One line may fit several connections; where it allows one offset twice that counts once. */
function rangesOf(events: readonly LogEvent[], anchors: ReadonlyMap<string, readonly Anchor[]>): Range[] {
  const ranges: Range[] = []
  for (const e of events) {
    const own: Range[] = []
    for (const key of keysOf(e)) {
      for (const a of anchors.get(key) ?? []) {
        const range = rangeOf(e, a)
        if (range !== null) own.push(range)
      }
    }
    own.sort((a, b) => a.low - b.low)
    let last: Range | undefined
    for (const range of own) {
      if (last !== undefined && range.low <= last.high) last.high = Math.max(last.high, range.high)
      else {
        last = { ...range }
        ranges.push(last)
      }
    }
  }
  return ranges
}

function rangeOf(e: LogEvent, a: Anchor): Range | null {
  const at = e.at!
  if (e.startAt !== null)
    return a.open === null ? null : { low: e.startAt - a.open - AT_ONCE, high: e.startAt - a.open + AT_ONCE }
  const within = e.what === 'aborted' ? NOTICED_AFTER : TOLD_AFTER
  const told = (moment: Instant): Range => ({
    low: at - moment - within,
    high: at - moment + e.precision + AT_ONCE,
  })
  if (e.what === 'connected' && a.open !== null) return told(a.open)
  if (closes(e) && a.close !== null) return told(a.close)
  // Of any other line only this is sure: the connection was open, or (where it was not just used) had been.
  const late = USES.has(e.what) ? TOLD_AFTER : FOUND_AFTER
  return a.open !== null && a.close !== null
    ? { low: at - a.close - late, high: at - a.open + e.precision + AT_ONCE }
    : null
}

/** Where most ranges overlap; null when nothing can be said. */
function estimate(ranges: readonly Range[]): LogClock | null {
  if (ranges.length === 0) return null
  const best = mostOverlapped(ranges)
  const allows = (offset: Duration): number =>
    ranges.reduce((n, r) => n + (r.low <= offset && offset <= r.high ? 1 : 0), 0)
  const enough = best.count * AS_GOOD
  const atZero = allows(0)
  if (atZero >= enough) return { offset: 0, matched: atZero }
  for (let zone = 1; zone <= ZONES; zone++) {
    for (const offset of [zone * QUARTER_HOUR, -zone * QUARTER_HOUR]) {
      const there = allows(offset)
      if (there >= enough) return { offset, matched: there }
    }
  }
  // One pair alone may be another connection with the same number.
  return best.count < 2 ? null : { offset: Math.round((best.low + best.high) / 2), matched: best.count }
}

function mostOverlapped(ranges: readonly Range[]): Range & { count: number } {
  const edges = ranges.flatMap((r) => [
    { at: r.low, by: 1 },
    { at: r.high, by: -1 },
  ])
  // Where one ends as another begins both hold.
  edges.sort((a, b) => a.at - b.at || b.by - a.by)
  let count = 0
  let best = { low: 0, high: 0, count: 0 }
  for (let i = 0; i < edges.length; i++) {
    count += edges[i]!.by
    if (count > best.count) best = { low: edges[i]!.at, high: edges[i + 1]!.at, count }
  }
  return best
}

function push(map: Map<string, Anchor[]>, key: string, value: Anchor): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else if (list.length < SAME_KEY) list.push(value)
}

/** Puts the events of a log on the run's clock. Nobody else may have read them yet. */
export function shiftEvents(events: readonly LogEvent[], by: Duration): void {
  if (by === 0) return
  for (const e of events) {
    if (e.at !== null) e.at += by
    if (e.startAt !== null) e.startAt += by
  }
}
