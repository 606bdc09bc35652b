/**
 * Times as logs write them. A Stamp is what the text says and what it leaves out (zone, year, date); the reader's clock
 * (clock.ts) makes an Instant of it.
 */
import { type Duration, NS_PER_MS, NS_PER_SECOND } from '../core/time.ts'

export interface Stamp {
  /** Unix seconds of the time read as if it were UTC; of a year like 2000 without a year, of 1970-01-01 without a date. */
  seconds: number
  nanos: number
  /** Seconds east of UTC, null when the text does not say. */
  zone: number | null
  /** The true moment lies in [time, time + precision). */
  precision: Duration
  lacks: 'nothing' | 'year' | 'date'
}

export interface ReadStamp {
  stamp: Stamp
  /** Index behind it. */
  end: number
}

const MONTHS: Readonly<Record<string, number>> = Object.fromEntries(
  ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'].map((m, i) => [m, i]),
)

const ISO =
  /(\d{4})-(\d\d)-(\d\d)(?:[T ]| {2,3})(\d{1,2}):(\d\d):(\d\d)(?:[.,:](\d{1,9}))?(?: ?(Z|UTC|GMT)\b| ?([+-]\d\d):?(\d\d)\b)?/y
/** Go's log package, nginx, and PHP-FPM's sibling. */
const SLASHES = /(\d{4})\/(\d\d)\/(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?/y
/** HAProxy, and the common log format with its zone. */
const CLF = /(\d\d)\/([A-Z][a-z]{2})\/(\d{4}):(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?: ([+-]\d\d)(\d\d))?/y
/** RFC 3164: no year, no zone. */
const BSD = /([A-Z][a-z]{2}) {1,2}(\d{1,2}) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?/y
/** MySQL up to 5.6, MariaDB: YYMMDD. */
const SHORT = /(\d\d)(\d\d)(\d\d) {1,2}(\d{1,2}):(\d\d):(\d\d)/y
/** Tomcat's and PHP's error_log: 20-Nov-2026 17:10:00.123, with a zone's name in PHP. */
const DASHED = /(\d{1,2})-([A-Z][a-z]{2})-(\d{4}) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?: (UTC|GMT)\b)?/y
/** java.util.logging: Nov 20, 2026 5:10:00 PM. */
const JUL = /([A-Z][a-z]{2}) (\d{1,2}), (\d{4}),? (\d{1,2}):(\d\d):(\d\d)(?:\.(\d{1,9}))? ?([AP])M/y
const CLOCK = /(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))/y
const EPOCH = /(\d{10})(?:(\d{3})|\.(\d{1,9}))?(?!\d)/y

/** Reads the time that begins at `at`, in any of the layouts above. Null when there is none or it is no time (month 13). */
export function readStamp(text: string, at = 0): ReadStamp | null {
  const c = text.charCodeAt(at)
  if (c >= 48 && c <= 57) {
    const third = text.charCodeAt(at + 2)
    if (third === 58) return clock(text, at)
    if (third === 47) return clf(text, at)
    if (third === 45 || text.charCodeAt(at + 1) === 45) return dashed(text, at)
    const fifth = text.charCodeAt(at + 4)
    if (fifth === 45) return iso(text, at)
    if (fifth === 47) return slashes(text, at)
    return text.charCodeAt(at + 6) === 32 ? short(text, at) : epoch(text, at)
  }
  if (c >= 65 && c <= 90) return jul(text, at) ?? bsd(text, at)
  return null
}

function iso(text: string, at: number): ReadStamp | null {
  ISO.lastIndex = at
  const m = ISO.exec(text)
  if (m === null) return null
  const zone = m[8] !== undefined ? 0 : m[9] !== undefined ? zoneSeconds(m[9], m[10]!) : null
  return made(+m[1]!, +m[2]! - 1, +m[3]!, +m[4]!, +m[5]!, +m[6]!, m[7], zone, ISO.lastIndex)
}

function slashes(text: string, at: number): ReadStamp | null {
  SLASHES.lastIndex = at
  const m = SLASHES.exec(text)
  if (m === null) return null
  return made(+m[1]!, +m[2]! - 1, +m[3]!, +m[4]!, +m[5]!, +m[6]!, m[7], null, SLASHES.lastIndex)
}

function clf(text: string, at: number): ReadStamp | null {
  CLF.lastIndex = at
  const m = CLF.exec(text)
  const month = MONTHS[m?.[2] ?? '']
  if (m === null || month === undefined) return null
  const zone = m[8] === undefined ? null : zoneSeconds(m[8], m[9]!)
  return made(+m[3]!, month, +m[1]!, +m[4]!, +m[5]!, +m[6]!, m[7], zone, CLF.lastIndex)
}

function dashed(text: string, at: number): ReadStamp | null {
  DASHED.lastIndex = at
  const m = DASHED.exec(text)
  const month = MONTHS[m?.[2] ?? '']
  if (m === null || month === undefined) return null
  return made(+m[3]!, month, +m[1]!, +m[4]!, +m[5]!, +m[6]!, m[7], m[8] === undefined ? null : 0, DASHED.lastIndex)
}

function jul(text: string, at: number): ReadStamp | null {
  JUL.lastIndex = at
  const m = JUL.exec(text)
  const month = MONTHS[m?.[1] ?? '']
  if (m === null || month === undefined || +m[4]! < 1 || +m[4]! > 12) return null
  const hour = (+m[4]! % 12) + (m[8] === 'P' ? 12 : 0)
  return made(+m[3]!, month, +m[2]!, hour, +m[5]!, +m[6]!, m[7], null, JUL.lastIndex)
}

function bsd(text: string, at: number): ReadStamp | null {
  BSD.lastIndex = at
  const m = BSD.exec(text)
  const month = MONTHS[m?.[1] ?? '']
  if (m === null || month === undefined) return null
  const read = made(2000, month, +m[2]!, +m[3]!, +m[4]!, +m[5]!, m[6], null, BSD.lastIndex)
  if (read !== null) read.stamp.lacks = 'year'
  return read
}

function short(text: string, at: number): ReadStamp | null {
  SHORT.lastIndex = at
  const m = SHORT.exec(text)
  if (m === null) return null
  return made(2000 + +m[1]!, +m[2]! - 1, +m[3]!, +m[4]!, +m[5]!, +m[6]!, undefined, null, SHORT.lastIndex)
}

function clock(text: string, at: number): ReadStamp | null {
  CLOCK.lastIndex = at
  const m = CLOCK.exec(text)
  if (m === null) return null
  const read = made(1970, 0, 1, +m[1]!, +m[2]!, +m[3]!, m[4], null, CLOCK.lastIndex)
  if (read !== null) read.stamp.lacks = 'date'
  return read
}

function epoch(text: string, at: number): ReadStamp | null {
  EPOCH.lastIndex = at
  const m = EPOCH.exec(text)
  if (m === null) return null
  const digits = m[2] ?? m[3]
  return { stamp: stampOf(Number(m[1]), digits, 0), end: EPOCH.lastIndex }
}

/** A stamp of Unix seconds and the digits behind the point as written. */
export function stampOf(seconds: number, digits: string | undefined, zone: number | null): Stamp {
  const nanos = digits === undefined ? 0 : Number(digits.padEnd(9, '0'))
  return { seconds, nanos, zone, precision: precisionOf(digits), lacks: 'nothing' }
}

/** A stamp of epoch milliseconds or microseconds as numbers in JSON; null for what is no time since 2001. */
export function stampOfNumber(n: number): Stamp | null {
  if (!Number.isFinite(n) || n < 1e9) return null
  if (n < 1e11) {
    const seconds = Math.floor(n)
    return {
      seconds,
      nanos: Math.round((n - seconds) * 1e6) * 1000,
      zone: 0,
      precision: Number.isInteger(n) ? NS_PER_SECOND : NS_PER_MS,
      lacks: 'nothing',
    }
  }
  if (n < 1e14)
    return {
      seconds: Math.floor(n / 1e3),
      nanos: Math.floor(n % 1e3) * NS_PER_MS,
      zone: 0,
      precision: NS_PER_MS,
      lacks: 'nothing',
    }
  if (n < 1e17)
    return {
      seconds: Math.floor(n / 1e6),
      nanos: Math.floor(n % 1e6) * 1000,
      zone: 0,
      precision: 1000,
      lacks: 'nothing',
    }
  return null
}

const precisionOf = (digits: string | undefined): Duration =>
  digits === undefined ? NS_PER_SECOND : 10 ** (9 - digits.length)

/** Seconds east of UTC for `+08`, `00`. */
function zoneSeconds(hours: string, minutes: string): number {
  const h = Number(hours)
  const m = Number(minutes)
  return h * 3600 + (hours.startsWith('-') ? -m : m) * 60
}

function made(
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
  digits: string | undefined,
  zone: number | null,
  end: number,
): ReadStamp | null {
  if (month < 0 || month > 11 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60) return null
  return { stamp: stampOf(Date.UTC(year, month, day, hour, minute, second) / 1000, digits, zone), end }
}

/** The stamp so many milliseconds later (HAProxy writes when a connection began and how long it lasted). */
export function later(stamp: Stamp, millis: number): Stamp {
  const nanos = stamp.nanos + (millis % 1000) * NS_PER_MS
  const carry = Math.floor(nanos / NS_PER_SECOND)
  return {
    ...stamp,
    seconds: stamp.seconds + Math.trunc(millis / 1000) + carry,
    nanos: nanos - carry * NS_PER_SECOND,
  }
}
