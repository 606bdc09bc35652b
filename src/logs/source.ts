/**
 * Reads one log: bytes as they come, lines, entries, events. Memory is bounded whatever the input, and what is found does not depend
 * on how the bytes were cut into chunks. Whichever format knows a line reads it, so one file may hold several.
 */
import type { AnomalyLog } from '../core/anomaly.ts'
import { LIMITS } from '../core/limits.ts'
import type { Epoch, Instant } from '../core/time.ts'
import { LogClock, type Zone } from './clock.ts'
import { ENVELOPES, type Envelope, NO_ENVELOPE } from './envelope.ts'
import { EMPTY_EVENT, type LogEvent } from './event.ts'
import type { Entry, EntryReader, LogFormat } from './format.ts'
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
}

export interface LogCounts {
  lines: number
  /** Lines that some format knew, and lines that belong to those. */
  recognised: number
  events: number
  firstAt: Instant | null
  lastAt: Instant | null
  /** Recognised lines by format id. */
  byFormat: ReadonlyMap<string, number>
}

/** An entry being put together. Strings may be slices of a chunk: they are copied when they are kept. */
interface Open {
  format: LogFormat
  reader: EntryReader
  envelope: Envelope
  raw: string
  first: string
  line: number
  lines: number
  more: string[]
  bytes: number
  dull: boolean
}

const NON_ASCII = /[\u0080-\u00ff]/
/** Colours and other control sequences (ECMA-48) that consoles get. */
const ESCAPES = /\u001b\[[0-9;?]*[A-Za-z]/g
/** Bytes decoded at a time: what fits the cache. */
const PIECE = 256 << 10

export class LogReader {
  private readonly options: LogReaderOptions
  private readonly clock: LogClock
  private readonly readers = new Map<LogFormat, EntryReader>()
  private readonly general: LogFormat
  private readonly generalReader: EntryReader
  private readonly byFormat = new Map<string, number>()
  private current: { format: LogFormat; reader: EntryReader; envelope: Envelope } | null = null
  private open: Open | null = null
  private lines = 0
  private recognised = 0
  private events = 0
  private first: Instant = Number.POSITIVE_INFINITY
  private last: Instant = Number.NEGATIVE_INFINITY
  /** In the middle of a line longer than LIMITS.logLineBytes: skip to its end. */
  private skipping = false

  constructor(options: LogReaderOptions) {
    this.options = options
    this.clock = new LogClock(options.epoch, options.zone ?? null, options.near ?? null)
    this.general = options.formats.at(-1)!
    this.generalReader = this.readerOf(this.general)
  }

  get counts(): LogCounts {
    return {
      lines: this.lines,
      recognised: this.recognised,
      events: this.events,
      firstAt: this.first === Number.POSITIVE_INFINITY ? null : this.first,
      lastAt: this.last === Number.NEGATIVE_INFINITY ? null : this.last,
      byFormat: this.byFormat,
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
    this.flush()
  }

  /** Whole lines within the bytes; returns the bytes they took. */
  private piece(buf: Uint8Array, start: number, end: number): number {
    const text = latin1(buf, start, end)
    const colours = text.includes('\u001b')
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
        this.line(colours ? line.replace(ESCAPES, '') : line)
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
      const inside = current.envelope.open(text)
      if (inside !== null && current.format.starts(inside)) {
        const dull = current.reader.dull?.(inside) === true
        // The general format takes anything with a time: what may be of interest is shown to the others first.
        if (dull || current.format !== this.general) {
          this.begin(current.format, current.reader, current.envelope, text, inside, dull)
          return
        }
      }
    }
    // What may belong to the open entry does: a statement that quotes another log forges no entry of it.
    if (this.open !== null && this.goesOn(text)) return
    if (this.search(text)) return
    this.flush()
    if (text.trim() === '') this.recognised++
    else this.options.anomalies.note('log.unreadable-line', 0, () => `line ${this.lines}`)
  }

  /** Looks for the format, and the envelope, of a line that the current one does not know. */
  private search(text: string): boolean {
    const { formats } = this.options
    for (const envelope of ENVELOPES) {
      const inside = envelope.open(text)
      if (inside === null) continue
      for (const format of formats) {
        // A time and any text is the general format: only when no envelope hides something better.
        if (format === this.general && envelope === NO_ENVELOPE) continue
        if (!format.starts(inside)) continue
        this.begin(format, this.readerOf(format), envelope, text, inside)
        return true
      }
    }
    if (!this.general.starts(text)) return false
    this.begin(this.general, this.readerOf(this.general), NO_ENVELOPE, text, text)
    return true
  }

  private readerOf(format: LogFormat): EntryReader {
    let reader = this.readers.get(format)
    if (reader === undefined) {
      reader = format.open()
      this.readers.set(format, reader)
    }
    return reader
  }

  private begin(
    format: LogFormat,
    reader: EntryReader,
    envelope: Envelope,
    raw: string,
    first: string,
    dull = reader.dull?.(first) === true,
  ): void {
    this.flush()
    this.current ??= { format, reader, envelope }
    if (this.current.format !== format || this.current.envelope !== envelope)
      this.current = { format, reader, envelope }
    this.open = {
      format,
      reader,
      envelope,
      raw,
      first,
      line: this.lines,
      lines: 1,
      more: [],
      bytes: first.length,
      dull,
    }
  }

  /** Whether the line belongs to the open entry; if so it is added. */
  private goesOn(text: string): boolean {
    const open = this.open!
    const inside = open.envelope.open(text) ?? text
    const more = open.format.continues === undefined ? isTrace(inside) : open.format.continues(inside)
    if (!more) return false
    this.append(inside)
    return true
  }

  private append(inside: string): void {
    const open = this.open!
    open.lines++
    if (open.bytes >= LIMITS.logEntryBytes) return
    open.more.push(inside.length > 4096 ? inside.slice(0, 4096) : inside)
    open.bytes += inside.length + 1
    if (open.dull && this.generalReader.dull?.(inside) === false) open.dull = false
  }

  /** The open entry is complete: reads it. */
  private flush(): void {
    const { open } = this
    if (open === null) return
    this.open = null
    this.recognised += open.lines
    const { id } = open.format
    this.byFormat.set(id, (this.byFormat.get(id) ?? 0) + open.lines)
    if (open.dull) return
    this.read(open)
  }

  private read(open: Open): void {
    const first = own(open.first)
    const text = open.more.length === 0 ? first : `${first}\n${own(open.more.join('\n'))}`
    const stampOfEnvelope = open.envelope.stamp(open.raw)
    const entry: Entry = { text, first, envelope: stampOfEnvelope }
    const draft = open.reader.read(entry)
    if (draft === null) return
    const { stamp: said = null, startStamp = null, ...facts } = draft
    if (said !== null && stampOfEnvelope !== null) this.clock.learnZone(said, stampOfEnvelope)
    const stamp: Stamp | null = said ?? stampOfEnvelope
    const at = stamp === null ? null : this.clock.instant(stamp)
    if (at === null) this.options.anomalies.note('log.no-time', 0, () => `line ${open.line}`)
    else {
      if (at < this.first) this.first = at
      if (at > this.last) this.last = at
    }
    const event: LogEvent = {
      ...EMPTY_EVENT,
      role: open.format.role,
      product: open.format.product,
      format: open.format.id,
      ...facts,
      input: this.options.input,
      line: open.line,
      lines: open.lines,
      at,
      precision: stamp?.precision ?? 0,
      startAt: startStamp === null ? null : this.clock.instant(startStamp),
      text: scrub(text.length > LIMITS.logTextBytes ? text.slice(0, LIMITS.logTextBytes) : text),
      statement: facts.statement == null ? null : scrub(facts.statement.slice(0, LIMITS.sqlPreviewBytes)),
    }
    this.events++
    this.options.onEvent(event)
  }
}

const latin1 = (buf: Uint8Array, start: number, end: number): string =>
  Buffer.from(buf.buffer, buf.byteOffset + start, end - start).toString('latin1')

/** A copy that keeps no chunk alive, decoded as UTF-8 where it is not ASCII. */
const own = (text: string): string => Buffer.from(text, 'latin1').toString(NON_ASCII.test(text) ? 'utf8' : 'latin1')
