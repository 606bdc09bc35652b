/** Numbers, durations, times and shell words as the reader sees them: free of locale and of the clock. */
import { formatDuration } from '../core/time.ts'
import type { Outcome } from './model.ts'

/** 1234567 -> 1,234,567; for whole numbers. */
export function grouped(n: number): string {
  return String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, ',')
}

/** 10.0020 -> 10.002: three decimals below 100, one above, without trailing zeros. */
export function decimal(n: number): string {
  const [whole, fraction] = n.toFixed(Math.abs(n) >= 100 ? 1 : 3).split('.') as [string, string]
  const rest = fraction.replace(/0+$/, '')
  return whole.replace(/\B(?=(\d{3})+$)/g, ',') + (rest === '' ? '' : `.${rest}`)
}

/** 1 -> "1 query", 2 -> "2 queries" (the plural is given when it is not an s). */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${grouped(n)} ${n === 1 ? one : many}`
}

/** Seconds in the unit that suits them. */
export function seconds(s: number): string {
  return formatDuration(Math.round(s * 1e9))
}

const BYTE_UNITS = ['kB', 'MB', 'GB', 'TB']

/** SI units, as the manual's and tcpdump's sizes: 212552 -> 212.6 kB. */
export function bytes(n: number): string {
  if (n < 1000) return count(n, 'byte')
  let value = n
  let unit = -1
  while (value >= 999.95 && unit < BYTE_UNITS.length - 1) {
    value /= 1000
    unit++
  }
  return `${value.toFixed(1)} ${BYTE_UNITS[unit]}`
}

/** Time of day of an RFC 3339 time, to the millisecond; the date is said once, at the top. */
export function timeOfDay(at: string): string {
  return /T(\d\d:\d\d:\d\d\.\d{3})/.exec(at)?.[1] ?? at
}

/** `2026-11-20 17:10:00 UTC`. */
export function dateAndTime(at: string): string {
  const m = /^([+-]?\d{4,6}-\d\d-\d\d)T(\d\d:\d\d:\d\d)/.exec(at)
  return m ? `${m[1]} ${m[2]} UTC` : at
}

/** Seconds between two RFC 3339 times, to the microsecond; 0 if either is none. */
export function secondsBetween(from: string | null | undefined, to: string | null | undefined): number {
  if (!from || !to) return 0
  const ms = Date.parse(to.slice(0, 19) + 'Z') - Date.parse(from.slice(0, 19) + 'Z')
  const micros = Number(to.slice(20, 26)) - Number(from.slice(20, 26))
  const s = ms / 1000 + micros / 1e6
  return Number.isFinite(s) ? s : 0
}

/** A word that the shell takes as it stands, quoted if need be. Control characters use $'…'. */
export function shellWord(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word
  if (/[\x00-\x1f\x7f]/.test(word)) {
    const escaped = word
      .replace(/[\\']/g, (c) => `\\${c}`)
      .replace(/[\x00-\x1f\x7f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`)
    return `$'${escaped}'`
  }
  return `'${word.replaceAll("'", `'\\''`)}'`
}

/** What an outcome means to someone who has to decide about a retry. */
export const OUTCOME_SAYS: Record<Outcome, string> = {
  none: 'nothing was outstanding',
  answered: 'was answered in full: nothing lost',
  'not-delivered': 'never reached the server: safe to retry',
  'delivered-unknown': 'reached the server, no answer came: it may have run, check before a retry',
  'response-begun': 'the answer had begun and broke off: the statement ran at least in part, check before a retry',
  committed: 'was committed: do not retry',
}

/** The same in two or three words, for tables. */
export const OUTCOME_RETRY: Record<Outcome, string> = {
  none: 'nothing lost',
  answered: 'nothing lost',
  'not-delivered': 'safe',
  'delivered-unknown': 'check first',
  'response-begun': 'check first',
  committed: 'no: committed',
}

/** Whether a request was lost with this outcome. */
export const isLost = (outcome: Outcome): boolean => outcome !== 'none' && outcome !== 'answered'
