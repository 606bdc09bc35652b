/**
 * Reads one log: bytes as they come, lines, entries, events. Memory is bounded whatever the input, and what is found does not depend
 * on how the bytes were cut into chunks. Whichever format knows a line reads it, so one file may hold several.
 */
import type { AnomalyLog } from '../core/anomaly.ts'
import { LIMITS } from '../core/limits.ts'
import type { Epoch, Instant } from '../core/time.ts'
import { LogClock, type Zone } from './clock.ts'
import { ENVELOPES, type Envelope, NO_ENVELOPE } from './envelope.ts'
import type { LogEvent } from './event.ts'
import type { Draft, Entry, EntryReader, LogFormat } from './format.ts'
import { isTrace } from './lines.ts'
import { scrub } from './scrub.ts'
import type { Stamp } from './stamp.ts'

export interface LogReaderOptions {
  /** Name of the input. */
  input: string
  epoch: Epoch
  anomalies: AnomalyLog
  /** All formats, most specific first; the last one is the general one, whose `dull` is asked before the others. */
  formats: readonly LogFormat[]
  /** Zone of times without one; null when the user did not say. */
  zone?: Zone | null
  /** Unix seconds near which missing years and dates are looked for. */
  near?: number | null
  onEvent: (event: LogEvent) => void
  /** Whether an event of this rank (store.ts) would still be kept: entries of no use are only counted. */
  wanted?: (rank: 0 | 1 | 2 | null) => boolean
}

export interface LogCounts {
  lines: number
  /** Lines that some format knew, and lines that belong to those. */
  recognised: number
  events: number
  /** Entries not looked at because no event of their kind would be kept any more. */
  skipped: number
  firstAt: Instant | null
  lastAt: Instant | null
  /** Recognised lines by format id. */
  byFormat: ReadonlyMap<string, number>
}

/** A format at work in this input. */
interface Active {
  format: LogFormat
  reader: EntryReader
  /** Recognised lines. */
  lines: number
}

const NON_ASCII = /[\u0080-\u00ff]/
/** Colours and other control sequences (ECMA-48) that consoles get. */
const ESCAPES = /\u001b\[[0-9;?]*[A-Za-z]/g
/** Bytes decoded at a time: more than a line may have, and a string that V8 still keeps with the small ones. */
const PIECE = 96 << 10

export class LogReader {
  private readonly options: LogReaderOptions
  private readonly clock: LogClock
  private readonly active = new Map<LogFormat, Active>()
  private readonly general: Active
  /** What knew the last line: asked first about the next. */
  private current: Active | null = null
  private envelope: Envelope = NO_ENVELOPE
  /** The entry being put together; null between entries. Its strings may be slices of a chunk: they are copied when they are kept. */
  private open: Active | null = null
  private openEnvelope: Envelope = NO_ENVELOPE
  private raw = ''
  private head = ''
  private more: string[] = []
  private startLine = 0
  private entryLines = 0
  private entryBytes = 0
  private dull = false
  private lines = 0
  private recognised = 0
  private events = 0
  private skipped = 0
  private first: Instant = Number.POSITIVE_INFINITY
  private last: Instant = Number.NEGATIVE_INFINITY
  /** In the middle of a line longer than LIMITS.logLineBytes: skip to its end. */
  private skipping = false
  private colours = false

  constructor(options: LogReaderOptions) {
    this.options = options
    this.clock = new LogClock(options.epoch, options.zone ?? null, options.near ?? null)
    this.general = this.activate(options.formats.at(-1)!)
  }

  get counts(): LogCounts {
    const byFormat = new Map<string, number>()
    for (const { format, lines } of this.active.values()) if (lines > 0) byFormat.set(format.id, lines)
    return {
      lines: this.lines,
      recognised: this.recognised,
      events: this.events,
      skipped: this.skipped,
      firstAt: this.first === Number.POSITIVE_INFINITY ? null : this.first,
      lastAt: this.last === Number.NEGATIVE_INFINITY ? null : this.last,
      byFormat,
    }
  }

  /** Takes bytes [start, end); returns how many were used. The rest comes again with more behind it. */
  feed(buf: Uint8Array, start: number, end: number): number {
    let at = start
    while (at < end) {
      const stop = Math.min(end, at + PIECE)
      const used = this.piece(buf, at, stop)
      at += used
      if (used > 0) continue
      // A carriage return may be the last byte: only one byte more is a line too long for certain.
      if (!this.skipping && stop - at <= LIMITS.logLineBytes + 1) break
      this.overlong(buf, at)
      at = stop
    }
    return at - start
  }

  /** The input ends with these bytes. */
  finish(buf: Uint8Array, start: number, end: number): void {
    const at = start + this.feed(buf, start, end)
    if (end > at && !this.skipping) this.line(latin1(buf, at, end).replace(/\r$/, '').replace(ESCAPES, ''))
    // The last entry is always read: it tells when the log ends.
    this.flush(true)
  }

  /** Whole lines within the bytes; returns the bytes they took. */
  private piece(buf: Uint8Array, start: number, end: number): number {
    const text = latin1(buf, start, end)
    // A field and no variable: V8 moves a pure search into the loop that uses its result, and makes it for every line.
    this.colours = text.includes('\u001b')
    let from = 0
    for (;;) {
      const to = text.indexOf('\n', from)
      if (to < 0) return from
      if (this.skipping) this.skipping = false
      else {
        const stop = to > from && text.charCodeAt(to - 1) === 13 ? to - 1 : to
        const long = stop - from > LIMITS.logLineBytes
        if (long) this.options.anomalies.note('log.long-line', 0, () => `line ${this.lines + 1}`)
        const line = text.slice(from, long ? from + LIMITS.logLineBytes : stop)
        this.line(this.colours ? line.replace(ESCAPES, '') : line)
      }
      from = to + 1
    }
  }

  /** A line without end so far that is longer than we keep: its beginning is read, the rest skipped. */
  private overlong(buf: Uint8Array, start: number): void {
    if (this.skipping) return
    this.options.anomalies.note('log.long-line', 0, () => `line ${this.lines + 1}`)
    this.line(latin1(buf, start, start + LIMITS.logLineBytes).replace(ESCAPES, ''))
    this.skipping = true
  }

  private line(written: string): void {
    this.lines++
    const text = this.lines === 1 && written.startsWith('\u00ef\u00bb\u00bf') ? written.slice(3) : written
    const { current } = this
    if (current !== null) {
      const inside = this.envelope.open(text)
      if (inside !== null && current.format.starts(inside)) {
        const dull = current.reader.dull?.(inside) === true
        // The general format takes anything with a time: what may be of interest is shown to the others first.
        if (dull || current !== this.general) {
          this.begin(current, this.envelope, text, inside, dull)
          return
        }
      }
    }
    // What may belong to the open entry does: a statement that quotes another log forges no entry of it.
    if (this.open !== null && this.goesOn(this.open, text)) return
    if (this.search(text)) return
    this.flush()
    if (text.trim() === '') this.recognised++
    else this.options.anomalies.note('log.unreadable-line', 0, () => `line ${this.lines}`)
  }

  /** Looks for the format, and the envelope, of a line that the current one does not know. */
  private search(text: string): boolean {
    const general = this.general.format
    for (const envelope of ENVELOPES) {
      const inside = envelope.open(text)
      if (inside === null) continue
      for (const format of this.options.formats) {
        // A time and any text is the general format: only when no envelope hides something better.
        if (format === general && envelope === NO_ENVELOPE) continue
        if (!format.starts(inside)) continue
        this.begin(this.activate(format), envelope, text, inside)
        return true
      }
    }
    if (!general.starts(text)) return false
    this.begin(this.general, NO_ENVELOPE, text, text)
    return true
  }

  private activate(format: LogFormat): Active {
    let active = this.active.get(format)
    if (active === undefined) {
      active = { format, reader: format.open(), lines: 0 }
      this.active.set(format, active)
    }
    return active
  }

  private begin(
    active: Active,
    envelope: Envelope,
    raw: string,
    head: string,
    dull = active.reader.dull?.(head) === true,
  ): void {
    this.flush()
    this.current = active
    this.envelope = envelope
    this.open = active
    this.openEnvelope = envelope
    this.raw = raw
    this.head = head
    this.startLine = this.lines
    this.entryLines = 1
    this.entryBytes = head.length
    this.dull = dull
  }

  /** Whether the line belongs to the open entry; if so it is added. */
  private goesOn(open: Active, text: string): boolean {
    const inside = this.openEnvelope.open(text) ?? text
    const more = open.format.continues === undefined ? isTrace(inside) : open.format.continues(inside)
    if (!more) return false
    this.entryLines++
    if (this.entryBytes >= LIMITS.logEntryBytes) return true
    this.more.push(inside.length > 4096 ? inside.slice(0, 4096) : inside)
    this.entryBytes += inside.length + 1
    if (this.dull && this.general.reader.dull?.(inside) === false) this.dull = false
    return true
  }

  /** The open entry is complete: counts it, and reads it when it may say something that is kept. */
  private flush(last = false): void {
    const { open } = this
    if (open === null) return
    this.open = null
    this.recognised += this.entryLines
    open.lines += this.entryLines
    if (!this.dull) {
      if (last || this.options.wanted?.(open.reader.rank?.(this.head) ?? null) !== false) this.read(open)
      else this.skipped++
    }
    if (this.more.length > 0) this.more = []
  }

  private read(open: Active): void {
    const first = own(this.head)
    const text = this.more.length === 0 ? first : `${first}\n${own(this.more.join('\n'))}`
    const envelope = this.openEnvelope.stamp(this.raw)
    const entry: Entry = { text, first, envelope }
    const draft = open.reader.read(entry)
    if (draft === null) return
    const said = draft.stamp ?? null
    if (said !== null && envelope !== null) this.clock.learnZone(said, envelope)
    const stamp: Stamp | null = said ?? envelope
    const at = stamp === null ? null : this.clock.instant(stamp)
    if (at === null) this.options.anomalies.note('log.no-time', 0, () => `line ${this.startLine}`)
    else {
      if (at < this.first) this.first = at
      if (at > this.last) this.last = at
    }
    this.events++
    this.options.onEvent(this.event(open.format, draft, text, at, stamp?.precision ?? 0))
  }

  /** One object of one shape for all formats. */
  private event(format: LogFormat, d: Draft, text: string, at: Instant | null, precision: number): LogEvent {
    return {
      input: this.options.input,
      line: this.startLine,
      lines: this.entryLines,
      at,
      precision,
      format: d.format ?? format.id,
      role: d.role ?? format.role,
      product: d.product ?? format.product,
      version: d.version ?? null,
      what: d.what,
      level: d.level ?? null,
      text: scrub(text.length > LIMITS.logTextBytes ? text.slice(0, LIMITS.logTextBytes) : text),
      connectionId: whole(d.connectionId),
      frontId: whole(d.frontId),
      client: d.client ?? null,
      server: d.server ?? null,
      user: d.user ?? null,
      schema: d.schema ?? null,
      statement: d.statement == null ? null : scrub(d.statement.slice(0, LIMITS.sqlPreviewBytes)),
      code: whole(d.code),
      sqlState: d.sqlState ?? null,
      reason: d.reason == null ? null : scrub(d.reason),
      state: d.state ?? null,
      closedBy: d.closedBy ?? null,
      idleMillis: finite(d.idleMillis),
      durationMillis: finite(d.durationMillis),
      startAt: d.startStamp == null ? null : this.clock.instant(d.startStamp),
      pool: d.pool ?? null,
      poolConnection: d.poolConnection ?? null,
      borrower: d.borrower ?? null,
      fields: d.fields === undefined ? NO_FIELDS : scrubbed(d.fields),
    }
  }
}

/** Digits without end are no number of anything. */
const finite = (n: number | null | undefined): number | null => (n != null && Number.isFinite(n) ? n : null)
const whole = (n: number | null | undefined): number | null => (n != null && Number.isSafeInteger(n) ? n : null)

const NO_FIELDS: Readonly<Record<string, string | number>> = {}

/** Settings may hold a password under their own name, or in a URL. */
function scrubbed(fields: Readonly<Record<string, string | number>>): Readonly<Record<string, string | number>> {
  for (const key of Object.keys(fields)) {
    const v = fields[key]!
    if (clear(key, v) !== v)
      return { ...fields, ...Object.fromEntries(Object.entries(fields).map(([k, w]) => [k, clear(k, w)])) }
  }
  return fields
}
const clear = (key: string, v: string | number): string | number =>
  /pass|pwd|secret/i.test(key) ? '***' : typeof v === 'string' ? scrub(v) : Number.isFinite(v) ? v : 0

const latin1 = (buf: Uint8Array, start: number, end: number): string =>
  Buffer.from(buf.buffer, buf.byteOffset + start, end - start).toString('latin1')

/** A copy that keeps no chunk alive, decoded as UTF-8 where it is not ASCII. */
const own = (text: string): string => Buffer.from(text, 'latin1').toString(NON_ASCII.test(text) ? 'utf8' : 'latin1')
