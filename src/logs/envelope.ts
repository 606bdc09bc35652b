/**
 * What others put before each line of a log on its way to the file: syslog in its layouts, container runtimes, journald. An
 * envelope gives back the line inside, and says when and where it was written.
 */
import { readStamp, type Stamp } from './stamp.ts'

export interface Envelope {
  id: string
  /** The line inside, or null when the line is in no such envelope. */
  open(line: string): string | null
  /** When it was written, for a line that `open` took. */
  stamp(line: string): Stamp | null
}

/** The place behind `<134>`, 0 without it. */
function behindPriority(line: string): number {
  if (line.charCodeAt(0) !== 60) return 0
  const end = line.indexOf('>')
  return end > 1 && end < 5 ? end + 1 : 0
}

const time = (line: string, at: number): Stamp | null => readStamp(line, at)?.stamp ?? null

/** RFC 3164, ISO or no time, perhaps a host, a tag. The time is read only when it is wanted. */
const HEADER =
  /^(?:<\d{1,3}>)?(?:(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\d[T ][\d:.,]+(?:Z|[+-]\d\d:?\d\d)?) (?:[\w.:-]+ )?)?[A-Za-z][\w./@-]*\[\d+\]: |^(?:<\d{1,3}>)?(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT[\d:.,]+(?:Z|[+-]\d\d:?\d\d)) (?:[\w.:-]+ )?[A-Za-z][\w./@-]*: /

const syslog: Envelope = {
  id: 'syslog',
  open(line) {
    // The usual case without a regular expression: a tag with a process id, early in the line.
    const tag = line.indexOf(']: ')
    if (tag > 0 && tag < 120 && isHeader(line, tag)) return line.slice(tag + 3)
    const m = HEADER.exec(line)
    return m === null ? null : line.slice(m[0].length)
  },
  stamp: (line) => time(line, behindPriority(line)),
}

/** Whether the text up to `]: ` is a syslog header and not a bracket of the message. */
function isHeader(line: string, tag: number): boolean {
  const bracket = line.lastIndexOf('[', tag)
  if (bracket < 1 || tag - bracket > 9) return false
  for (let i = bracket + 1; i < tag; i++) {
    const c = line.charCodeAt(i)
    if (c < 48 || c > 57) return false
  }
  const at = behindPriority(line)
  const c = line.charCodeAt(at)
  const word = line.lastIndexOf(' ', bracket) + 1
  if (word <= at) return true
  const first = line.charCodeAt(word)
  const letter = (first >= 65 && first <= 90) || (first >= 97 && first <= 122)
  // A time first, and at most a host between it and the tag.
  return letter && ((c >= 48 && c <= 57) || (c >= 65 && c <= 90)) && word - at < 100
}

/** RFC 5424: `<134>1 2026-11-20T17:10:00.123Z host app 123 - - text`, structured data or none. */
const RFC5424 = /^(?:<\d{1,3}>)?1 (\S+) (?:\S+ ){4}(?:-|(?:\[(?:[^\]\\]|\\.)*\])+) ?(?:\xef\xbb\xbf)?/
const rfc5424: Envelope = {
  id: 'rfc5424',
  open(line) {
    const m = RFC5424.exec(line)
    return m === null ? null : line.slice(m[0].length)
  },
  stamp: (line) => time(line, behindPriority(line) + 2),
}

/** HAProxy's ring and server formats `short` (`<6>text`), `timed` (`<6>` and time), `iso` (time alone); docker logs -t. */
const STAMPED = /^(?:<\d{1,3}>)?\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d) /
const stamped: Envelope = {
  id: 'stamped',
  open(line) {
    const m = STAMPED.exec(line)
    if (m !== null) return line.slice(m[0].length)
    const at = behindPriority(line)
    return at === 0 ? null : line.slice(at)
  },
  stamp: (line) => time(line, behindPriority(line)),
}

/** The Kubernetes runtime interface: time, stream, F (whole) or P (part of a line). */
const CRI = /^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d) (?:stdout|stderr) [FP] /
const cri: Envelope = {
  id: 'cri',
  open(line) {
    const m = CRI.exec(line)
    return m === null ? null : line.slice(m[0].length)
  },
  stamp: (line) => time(line, 0),
}

/** docker compose logs: `name-1  | text`, perhaps with the time of -t. */
const COMPOSE = /^[\w.-]+ *\| (?:\d{4}-\d\d-\d\dT[\d:.]+Z )?/
const compose: Envelope = {
  id: 'compose',
  open(line) {
    const m = COMPOSE.exec(line)
    return m === null ? null : line.slice(m[0].length)
  },
  stamp: (line) => time(line, line.indexOf('| ') + 2),
}

/** Docker's json-file driver. */
const dockerJson: Envelope = {
  id: 'docker-json',
  open(line) {
    if (!line.startsWith('{"log":"')) return null
    const o = object(line)
    return typeof o?.['log'] === 'string' ? o['log'].replace(/\r?\n$/, '') : null
  },
  stamp(line) {
    const at = object(line)?.['time']
    return typeof at === 'string' ? time(at, 0) : null
  },
}

const none: Envelope = { id: 'none', open: (line) => line, stamp: () => null }

export const NO_ENVELOPE = none
/** Tried in this order on a line that no format knows as it is. */
export const ENVELOPES: readonly Envelope[] = [none, syslog, rfc5424, cri, stamped, compose, dockerJson]

/** A line as a JSON object; null when it is none. */
export function object(line: string): Record<string, unknown> | null {
  if (line.charCodeAt(0) !== 123) return null
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null
  } catch {
    return null
  }
}
