/**
 * The bounded timeline of a session: its first and its last events, as numbers in the session's row (hot.ts). The tail is
 * what forensics needs. `sessions show` records a session in full instead (trace.ts).
 */
import type { Direction } from '../core/direction.ts'
import { LIMITS } from '../core/limits.ts'
import type { Instant } from '../core/time.ts'
import { EVENT_CELLS, EVENT_WIDTH, EVENTS, NUMBERS, type SessionRows } from './hot.ts'

/** What happened. Values: see `TimelineEvent.value`. */
export const EventKind = {
  greeting: 0,
  login: 1,
  authenticated: 2,
  command: 3, // command byte
  reply: 4, // status flags, -1 unknown
  error: 5, // error code
  retransmission: 6, // bytes
  zeroWindow: 7,
  windowOpen: 8, // window
  keepAlive: 9, // count so far
  rst: 10, // 1 accepted and not late
  fin: 11,
  gap: 12, // bytes
  sslRequest: 13,
  tlsAlert: 14, // description
  tlsRecord: 15, // length
  unreadable: 16,
} as const
export type EventKind = (typeof EventKind)[keyof typeof EventKind]

export interface TimelineEvent {
  at: Instant
  frame: number
  dir: Direction
  kind: EventKind
  value: number
}

const HEAD = LIMITS.timelineHead
const TAIL = LIMITS.timelineTail

// hot path: no allocation per packet
export function addEvent(
  rows: SessionRows,
  row: number,
  kind: EventKind,
  dir: Direction,
  at: Instant,
  frame: number,
  value: number,
): void {
  const n = rows.numbers[row * NUMBERS + EVENTS]!++
  const p = row * EVENT_CELLS + slotOf(n) * EVENT_WIDTH
  const c = rows.events
  c[p] = at
  c[p + 1] = frame
  c[p + 2] = (kind << 1) | dir
  c[p + 3] = value
}

/** The events of a row in order: the first ones and the last ones. */
export function eventsOf(rows: SessionRows, row: number): TimelineEvent[] {
  const count = rows.numbers[row * NUMBERS + EVENTS]!
  const out: TimelineEvent[] = []
  for (let n = 0; n < count; n++) {
    // What lay between head and tail is gone.
    if (n === HEAD && count > HEAD + TAIL) n = count - TAIL
    const p = row * EVENT_CELLS + slotOf(n) * EVENT_WIDTH
    const meta = rows.events[p + 2]!
    out.push({
      at: rows.events[p]!,
      frame: rows.events[p + 1]!,
      dir: (meta & 1) as Direction,
      kind: (meta >> 1) as EventKind,
      value: rows.events[p + 3]!,
    })
  }
  return out
}

const slotOf = (n: number): number => (n < HEAD ? n : HEAD + ((n - HEAD) % TAIL))
