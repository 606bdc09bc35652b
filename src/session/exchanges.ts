/**
 * The last commands of a session as numbers: when each was sent and answered, and a hash of its text. Enough to find the
 * same statement again on another leg of a proxy that shares server connections among clients (detect/legs.ts), where
 * nothing else ties the two legs together. A ring in the session's row (hot.ts), a short list in the finished session.
 */
import type { Instant } from '../core/time.ts'
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
/** Bytes of a statement that are hashed, at its begin and at its end. */
const HASHED = 64

// hot path: no allocation per packet

/** The command just pushed (commands-in-flight.ts) joins the ring. */
export function beginExchange(rows: SessionRows, row: number, at: Instant, frame: number, hash: number, length: number): void {
  const i = row * EXCHANGE_CELLS + ((rows.numbers[row * NUMBERS + PUSHED]! - 1) % EXCHANGES) * EXCHANGE_WIDTH
  const c = rows.exchanges
  c[i] = at
  c[i + 1] = frame
  c[i + 2] = -1
  c[i + 3] = hash * LENGTHS + (length < LONGEST ? length : LONGEST)
}

/** The oldest command in flight is answered; to be called before it is popped. */
export function answerExchange(rows: SessionRows, row: number, at: Instant): void {
  const b = row * NUMBERS
  const waiting = rows.numbers[b + IN_FLIGHT]!
  if (waiting === 0 || waiting > EXCHANGES) return
  rows.exchanges[row * EXCHANGE_CELLS + ((rows.numbers[b + PUSHED]! - waiting) % EXCHANGES) * EXCHANGE_WIDTH + 2] = at
}

/** Hash of a statement: its command byte, its length, its first and its last bytes. Never 0. */
export function textHash(op: number, buf: Uint8Array, start: number, end: number, total: number): number {
  let h = Math.imul(op ^ 0x811c9dc5, 0x01000193) ^ total
  const head = end - start < HASHED ? end : start + HASHED
  for (let i = start; i < head; i++) h = Math.imul(h ^ buf[i]!, 0x01000193)
  const tail = end - HASHED > head ? end - HASHED : head
  for (let i = tail; i < end; i++) h = Math.imul(h ^ buf[i]!, 0x01000193)
  h = (h ^ (h >>> 15)) >>> 0
  return h === 0 ? 1 : h
}

// end of the hot path

const NONE: readonly Exchange[] = Object.freeze([])
/** Numbers of an exchange in a finished session. */
const WIDTH = 4

/** The exchanges of a row, oldest first, as flat numbers: sessions are many. */
export function packExchanges(rows: SessionRows, row: number): readonly number[] {
  const count = rows.numbers[row * NUMBERS + PUSHED]!
  const out: number[] = []
  for (let n = Math.max(0, count - EXCHANGES); n < count; n++) {
    const i = row * EXCHANGE_CELLS + (n % EXCHANGES) * EXCHANGE_WIDTH
    for (let k = 0; k < WIDTH; k++) out.push(rows.exchanges[i + k]!)
  }
  return out
}

/** The same as objects. */
export function unpackExchanges(packed: readonly number[]): readonly Exchange[] {
  if (packed.length === 0) return NONE
  const out: Exchange[] = []
  for (let i = 0; i < packed.length; i += WIDTH) {
    const both = packed[i + 3]!
    const hash = Math.floor(both / LENGTHS)
    out.push({ at: packed[i]!, frame: packed[i + 1]!, answeredAt: packed[i + 2]!, hash, length: both - hash * LENGTHS })
  }
  return out
}
