/** Reads log text as an analysis does, for tests. */
import { AnomalyLog } from '../../src/core/anomaly.ts'
import { Epoch } from '../../src/core/time.ts'
import type { Zone } from '../../src/logs/clock.ts'
import type { LogEvent } from '../../src/logs/event.ts'
import { LOG_FORMATS } from '../../src/logs/index.ts'
import { type LogCounts, LogReader } from '../../src/logs/source.ts'

export interface ReadLog {
  events: LogEvent[]
  counts: LogCounts
  /** Anomalies: kind to count. */
  odd: Record<string, number>
  /** RFC 3339 of an event's time. */
  at: (event: LogEvent | undefined) => string | null
}

export interface ReadOptions {
  zone?: Zone
  near?: number
  /** Lengths of the chunks in which the bytes come; the whole in one when absent. */
  chunks?: (left: number) => number
}

export function readLog(text: string | Uint8Array, options: ReadOptions = {}): ReadLog {
  const epoch = new Epoch()
  // As after a capture: a fixed epoch, so that events of two readings can be compared.
  epoch.instant(1_795_194_000, 0)
  const anomalies = new AnomalyLog()
  const events: LogEvent[] = []
  const reader = new LogReader({
    input: 'a.log',
    epoch,
    anomalies,
    formats: LOG_FORMATS,
    zone: options.zone ?? null,
    near: options.near ?? null,
    onEvent: (e) => events.push(e),
  })
  const bytes = typeof text === 'string' ? new TextEncoder().encode(text) : text
  let held = new Uint8Array(0)
  let at = 0
  while (at < bytes.length) {
    const n = Math.max(1, options.chunks?.(bytes.length - at) ?? bytes.length)
    const more = bytes.subarray(at, at + n)
    at += more.length
    const buf = new Uint8Array(held.length + more.length)
    buf.set(held)
    buf.set(more, held.length)
    const used = reader.feed(buf, 0, buf.length)
    held = buf.slice(used)
  }
  reader.finish(held, 0, held.length)
  return {
    events,
    counts: reader.counts,
    odd: Object.fromEntries(anomalies.list().map((a) => [a.kind, a.count])),
    at: (e) => (e == null || e.at === null ? null : epoch.rfc3339(e.at)),
  }
}

/** The one event of a text. */
export function one(text: string, options?: ReadOptions): LogEvent {
  const { events } = readLog(text, options)
  if (events.length !== 1) throw new Error(`${events.length} events of: ${text}`)
  return events[0]!
}
