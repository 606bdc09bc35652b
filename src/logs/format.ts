/**
 * What a log format is. A format says which lines begin an entry of its own and what an entry tells, as facts; it knows nothing of
 * files, zones, clocks and limits, which are the reader's (source.ts). To add one: write `formats/<id>.ts` and its row in index.ts.
 */
import type { LogEvent, LogRole, LogWhat } from './event.ts'
import type { Stamp } from './stamp.ts'

/** One entry of a log: its first line and the lines that belong to it, without envelopes (syslog, container runtimes) and line ends. */
export interface Entry {
  /** The lines, joined by \n; cut at LIMITS.logEntryBytes. */
  text: string
  /** The first line alone. */
  first: string
  /** When the envelope says that it was written, if there was an envelope. */
  envelope: Stamp | null
}

type Facts = Omit<
  LogEvent,
  'input' | 'line' | 'lines' | 'at' | 'precision' | 'format' | 'role' | 'product' | 'what' | 'text' | 'startAt'
>

/** What an entry tells: facts of a LogEvent that are known; the reader adds place and time. */
export interface Draft extends Partial<Facts> {
  what: LogWhat
  /** When it happened; null when the entry does not say (then the envelope's time is taken). */
  stamp?: Stamp | null
  /** When what it ends began. */
  startStamp?: Stamp | null
  /** Where they differ from the format's own. */
  role?: LogRole
  product?: string
  format?: string
}

/** Reads the entries of one input in their order; may remember what earlier ones said. */
export interface EntryReader {
  /** Facts, or null when the entry is of this format and says nothing that is kept. */
  read(entry: Entry): Draft | null
  /** Whether a first line is of no interest, so that `read` need not be asked. Cheap. */
  dull?(line: string): boolean
  /** How much an entry with this first line matters (store.ts), where the line shows it. Cheap. */
  rank?(line: string): 0 | 1 | 2
}

export interface LogFormat {
  /** Stable, in kebab case: `inputs[].format`. */
  id: string
  title: string
  product: string
  role: LogRole
  /** A line or more as they are found in the field, for tests and documentation. */
  examples: readonly string[]
  /** Whether an entry of this format begins with this line. Asked for every line, so cheap; strict, so that no other format's lines pass. */
  starts(line: string): boolean
  /** Whether a line that begins nothing may belong to the entry before it. Without it: lines that look like a trace (see lines.ts). */
  continues?(line: string): boolean
  open(): EntryReader
}

/** The reader of a format whose entries stand for themselves. */
export const each = (
  read: EntryReader['read'],
  dull?: (line: string) => boolean,
  rank?: (line: string) => 0 | 1 | 2,
): (() => EntryReader) => {
  const reader: EntryReader = { read }
  if (dull !== undefined) reader.dull = dull
  if (rank !== undefined) reader.rank = rank
  return () => reader
}
