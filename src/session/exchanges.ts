/**
 * The last commands of a session as numbers: when each was sent and answered, and a hash of its text. Enough to find the
 * same statement again on another leg of a proxy that shares server connections among clients (detect/legs.ts), where
 * nothing else ties the two legs together. A ring in the session's row (hot.ts), a short list in the finished session.
 */
import type { Duration, Instant } from '../core/time.ts'
import { EXCHANGE_CELLS, EXCHANGE_WIDTH, EXCHANGES, IN_FLIGHT, NUMBERS, PUSHED, type SessionRows } from './hot.ts'

/** A command and its answer. */
export interface Exchange {
  at: Instant
  frame: number
  /** When its answer was whole (in TLS: began), -1 while there was none. */
  answeredAt: Instant
  /** Of command byte and text, as far as it is the same on both legs of a proxy; 0: encrypted, nothing is known of it. */
  hash: number
  /** Payload length of the packet, of a TLS record its length without header; capped at LONGEST. */
  length: number
}

/** Lengths are kept in 20 bits. */
export const LONGEST = 0xfffff
const LENGTHS = LONGEST + 1
/** Bytes of a statement that are hashed, at its begin and at its end: enough with its length, since only statements within the
 *  same moment are compared. */
const HASHED = 20

// hot path: no allocation per packet

/** The command just pushed (commands-in-flight.ts) joins the ring. */
export function beginExchange(
  rows: SessionRows,
  row: number,
  at: Instant,
  frame: number,
  hash: number,
  length: number,
): void {
  const i = row * EXCHANGE_CELLS + ((rows.numbers[row * NUMBERS + PUSHED]! - 1) & (EXCHANGES - 1)) * EXCHANGE_WIDTH
  const c = rows.exchanges
  c[i] = at
  c[i + 1] = frame
  c[i + 2] = -1
  c[i + 3] = hash * LENGTHS + Math.min(length, LONGEST)
}

/** The oldest command in flight is answered; to be called before it is popped. */
export function answerExchange(rows: SessionRows, row: number, at: Instant): void {
  const b = row * NUMBERS
  const waiting = rows.numbers[b + IN_FLIGHT]!
  if (waiting === 0 || waiting > EXCHANGES) return
  rows.exchanges[
    row * EXCHANGE_CELLS + ((rows.numbers[b + PUSHED]! - waiting) & (EXCHANGES - 1)) * EXCHANGE_WIDTH + 2
  ] = at
}

/** Hash of a statement: its command byte, its length, its first and its last bytes. Never 0. */
export function textHash(op: number, buf: Uint8Array, start: number, end: number, total: number): number {
  let h = Math.imul(op ^ 0x811c9dc5, 0x01000193) ^ total
  const head = end - start < HASHED ? end : start + HASHED
  for (let i = start; i < head; i++) h = Math.imul(h ^ buf[i]!, 0x01000193)
  const tail = Math.max(end - HASHED, head)
  for (let i = tail; i < end; i++) h = Math.imul(h ^ buf[i]!, 0x01000193)
  h = (h ^ (h >>> 15)) >>> 0
  return h === 0 ? 1 : h
}

// end of the hot path

/** Numbers of an exchange: see beginExchange. */
const WIDTH = EXCHANGE_WIDTH

/** The last exchanges of a finished session, oldest first; kept as flat numbers, since sessions are many. */
export class Exchanges {
  private readonly cells: readonly number[]

  constructor(cells: readonly number[]) {
    this.cells = cells
  }

  list(): Exchange[] {
    const c = this.cells
    const out: Exchange[] = []
    for (let i = 0; i < c.length; i += WIDTH) {
      const both = c[i + 3]!
      const hash = Math.floor(both / LENGTHS)
      out.push({ at: c[i]!, frame: c[i + 1]!, answeredAt: c[i + 2]!, hash, length: both - hash * LENGTHS })
    }
    return out
  }

  /** The same on another clock. */
  shifted(by: Duration): Exchanges {
    const moves = (v: number, i: number): boolean => i % WIDTH === 0 || (i % WIDTH === 2 && v !== -1)
    return new Exchanges(this.cells.map((v, i) => (moves(v, i) ? v + by : v)))
  }
}

const NONE = new Exchanges([])

/** The exchanges of a row. */
export function exchangesOf(rows: SessionRows, row: number): Exchanges {
  const count = rows.numbers[row * NUMBERS + PUSHED]!
  if (count === 0) return NONE
  const out: number[] = []
  for (let n = Math.max(0, count - EXCHANGES); n < count; n++) {
    const i = row * EXCHANGE_CELLS + (n % EXCHANGES) * EXCHANGE_WIDTH
    for (let k = 0; k < WIDTH; k++) out.push(rows.exchanges[i + k]!)
  }
  // What an array has grown beyond its length would stay with it.
  return new Exchanges(out.slice())
}

/** Of a connection without commands. */
export const NO_EXCHANGES = NONE
