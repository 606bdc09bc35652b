/**
 * The bounded timeline of a session: its first and its last events, as numbers in one small buffer. The tail is what
 * forensics needs. `sessions show` records a session in full instead (trace.ts).
 */
import type { Direction } from '../core/direction.ts'
import type { Instant } from '../core/time.ts'

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

const WIDTH = 4

export class Timeline {
  private readonly head: number
  private readonly tail: number
  private readonly cells: Float64Array
  private count = 0

  constructor(head: number, tail: number) {
    this.head = head
    this.tail = tail
    this.cells = new Float64Array((head + tail) * WIDTH)
  }

  add(kind: EventKind, dir: Direction, at: Instant, frame: number, value: number): void {
    const n = this.count++
    const slot = n < this.head ? n : this.head + ((n - this.head) % this.tail)
    const p = slot * WIDTH
    const c = this.cells
    c[p] = at
    c[p + 1] = frame
    c[p + 2] = (kind << 1) | dir
    c[p + 3] = value
  }

  /** Events dropped between head and tail. */
  get dropped(): number {
    return Math.max(0, this.count - this.head - this.tail)
  }

  /** Events in order. */
  events(): TimelineEvent[] {
    const out: TimelineEvent[] = []
    const kept = Math.min(this.count, this.head + this.tail)
    const firstOfTail = this.count > this.head + this.tail ? this.count - this.tail : this.head
    for (let i = 0; i < kept; i++) {
      const n = i < this.head ? i : firstOfTail + (i - this.head)
      const slot = n < this.head ? n : this.head + ((n - this.head) % this.tail)
      const p = slot * WIDTH
      const meta = this.cells[p + 2]!
      out.push({
        at: this.cells[p]!,
        frame: this.cells[p + 1]!,
        dir: (meta & 1) as Direction,
        kind: (meta >> 1) as EventKind,
        value: this.cells[p + 3]!,
      })
    }
    return out
  }
}
