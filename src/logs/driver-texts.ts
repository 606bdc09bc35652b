/**
 * What drivers say when a connection breaks, in any language: the text decides, not the file. Used on exceptions of whole log entries,
 * so the last and deepest cause is in the text as well.
 */
import type { Draft } from './format.ts'
import { endpoint, grouped } from './words.ts'

interface Row {
  /** The driver, where the text is its own; null for texts that several share. */
  product: string | null
  re: RegExp
  draft: (m: RegExpExecArray) => Draft
}

const fixed =
  (what: Draft['what'], code: number | null, reason: string, extra: Partial<Draft> = {}) =>
  (): Draft => ({
    what,
    code,
    reason,
    ...extra,
  })

/** MySQL's own numbers that say that the connection is gone or never was; other numbers are ordinary SQL errors. */
const CODES: Readonly<Record<number, Draft['what']>> = {
  1040: 'too-many-connections',
  1203: 'too-many-connections',
  1226: 'too-many-connections',
  1129: 'host-blocked',
  1130: 'auth-failed',
  1044: 'auth-failed',
  1045: 'auth-failed',
  1049: 'auth-failed',
  1251: 'auth-failed',
  1698: 'auth-failed',
  3159: 'auth-failed',
  2002: 'connect-failed',
  2003: 'connect-failed',
  2005: 'connect-failed',
  2026: 'tls-failed',
  9001: 'connect-failed',
  9002: 'connect-failed',
  1053: 'stopped',
  4031: 'idle-closed',
  1927: 'killed',
  1317: 'killed',
  3024: 'timed-out',
  1969: 'timed-out',
  1907: 'timed-out',
}

/** What an error number means for a connection. */
export const whatOfCode = (code: number): Draft['what'] => CODES[code] ?? 'error'

const ROWS: readonly Row[] = []

/** `(conn=42)`, `(conn:42, …)`: MariaDB's Java and Node drivers. -1 is none. */
export function connectionIdIn(text: string): number | null {
  const m = /\(conn[=:](\d+)/.exec(text)
  return m === null ? null : Number(m[1])
}

/** What a driver's text says, or null when it is none of a driver's. */
export function driverError(text: string): Draft | null {
  for (const row of ROWS) {
    const m = row.re.exec(text)
    if (m !== null) return row.draft(m)
  }
  return null
}
export { endpoint, fixed, grouped }
