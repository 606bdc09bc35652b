/**
 * Puts a finished session on another clock: every Instant in it, wherever it lies, moves by the same amount. Instants are
 * known by their names (`at`, `...At`, `...Since`); 0 and -1 there mean "none". A test holds this against a capture whose
 * clock was wrong.
 */
import type { Duration } from '../core/time.ts'
import type { Session } from './session.ts'

const INSTANT = /^at$|At$|Since$/

/** Moves the session's times by `by`. The session is changed: nobody else may have read it yet. */
export function shiftSession(s: Session, by: Duration): void {
  if (by === 0) return
  const start = s.startAt + by
  const end = s.endAt + by
  const exchanges = s.exchanges.shifted(by)
  const { files } = s
  walk(s as unknown as Record<string, unknown>, by, new Set<object>([files, s.exchanges]))
  s.startAt = start
  s.endAt = end
  s.exchanges = exchanges
}

function walk(o: Record<string, unknown>, by: Duration, seen: Set<object>): void {
  if (seen.has(o)) return
  seen.add(o)
  for (const key of Object.keys(o)) {
    const v = o[key]
    if (typeof v === 'number') {
      if (INSTANT.test(key) && v !== 0 && v !== -1) o[key] = v + by
    } else if (Array.isArray(v) && INSTANT.test(key)) {
      // One Instant per side.
      o[key] = v.map((x: unknown) => (typeof x === 'number' && x !== 0 && x !== -1 ? x + by : x))
    } else if (typeof v === 'object' && v !== null && !ArrayBuffer.isView(v) && !(v instanceof Map)) {
      walk(v as Record<string, unknown>, by, seen)
    }
  }
}
