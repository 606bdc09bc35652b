/**
 * What every command and answer touches, in rows of a few flat arrays shared by all open sessions: with thousands of them
 * the time goes into cache misses, and objects that point at objects that point at numbers cost a miss each. A recorder
 * owns a row from the moment its connection is recognised until it is finished.
 */
import { LIMITS } from '../core/limits.ts'
import { Echoes } from './echoes.ts'

/** Numbers of a session, two cache lines. First line: the oldest command in flight. */
export const IN_FLIGHT = 0
export const OP = 1
export const AT = 2
export const FRAME = 3
export const END_OFFSET = 4
export const REPLY_FRAME = 5
export const REPLY_AT = 6
export const LAST_REPLY_AT = 7
/** Second line: the command that is arriving, and counters. */
export const ARRIVING_OP = 8
export const ARRIVING_AT = 9
export const ARRIVING_FRAME = 10
export const ARRIVING_LENGTH = 11
export const LONGEST_IDLE = 12
export const EVENTS = 13
/** Commands ever put in flight: the number that the next one will have. */
export const PUSHED = 14
/** Client stream bytes delivered, the current call included. */
export const CLIENT_OFFSET = 15

export const NUMBERS = 16
/** Command bytes 0x00-0x21, MariaDB's bulk execute, all others together. */
export const COUNTS = 36
/** Statement text: 32 bits of length kept, 32 bits of true length, then the text. Longer ones get a buffer of their own. */
export const TEXT = 256
export const TEXT_HEAD = 8
export const TEXT_MOST = TEXT - TEXT_HEAD
/** Numbers per timeline event. */
export const EVENT_WIDTH = 4
export const EVENT_CELLS = (LIMITS.timelineHead + LIMITS.timelineTail) * EVENT_WIDTH

/** Last commands kept to find them again on another leg (exchanges.ts): time, frame, time of the answer, hash and length. A power of two. */
export const EXCHANGES = 8
export const EXCHANGE_WIDTH = 4
export const EXCHANGE_CELLS = EXCHANGES * EXCHANGE_WIDTH

const FIRST_ROWS = 64
/** Int32Array is in the machine's own order: copying must use the same. */
const LITTLE = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1

/** A command behind the oldest one, see commands-in-flight.ts. */
export interface Queued {
  op: number
  at: number
  frame: number
  endOffset: number
}

export class SessionRows {
  /** Statements that may be heard again on another leg. */
  readonly echoes = new Echoes()
  numbers = new Float64Array(FIRST_ROWS * NUMBERS)
  counts = new Int32Array(FIRST_ROWS * COUNTS)
  text = new Uint8Array(FIRST_ROWS * TEXT)
  /** The same bytes as ints, for the lengths. */
  textInfo = new Int32Array(this.text.buffer)
  /** The buffer that statements come from, as words: copying by bytes costs four times as much. */
  private source: Uint8Array = this.text
  private words: DataView = new DataView(this.text.buffer)
  /** Commands behind the oldest, for the few sessions that pipeline. */
  readonly queues = new Map<number, Queued[]>()
  events = new Float64Array(FIRST_ROWS * EVENT_CELLS)
  exchanges = new Float64Array(FIRST_ROWS * EXCHANGE_CELLS)
  private readonly free: number[] = []
  private used = 0

  /** An empty row. */
  allocate(): number {
    const row = this.free.pop() ?? this.used++
    if (row * NUMBERS >= this.numbers.length) this.grow()
    this.numbers.fill(0, row * NUMBERS, (row + 1) * NUMBERS)
    this.counts.fill(0, row * COUNTS, (row + 1) * COUNTS)
    this.textInfo[(row * TEXT) >> 2] = 0
    this.textInfo[((row * TEXT) >> 2) + 1] = 0
    const n = row * NUMBERS
    this.numbers[n + OP] = -1
    this.numbers[n + ARRIVING_OP] = -1
    this.numbers[n + LAST_REPLY_AT] = Number.NEGATIVE_INFINITY
    return row
  }

  /** Copies bytes into the text at `to`, a multiple of 4; up to 3 bytes behind them may be overwritten. */
  copyText(to: number, buf: Uint8Array, start: number, n: number): void {
    if (buf !== this.source) {
      this.source = buf
      this.words = new DataView(buf.buffer, buf.byteOffset, buf.byteLength)
    }
    const { textInfo, words } = this
    const whole = (n + 3) & ~3
    if (start + whole > buf.length) {
      for (let i = 0; i < n; i++) this.text[to + i] = buf[start + i]!
      return
    }
    const first = to >> 2
    for (let i = 0; i < whole; i += 4) textInfo[first + (i >> 2)] = words.getInt32(start + i, LITTLE)
  }

  /**
   * Whether a row's text of n bytes holds '@', '_' with an l or L behind it (…_LOCK), or (`several`) ';': four bytes at a time, since every
   * statement is asked.
   */
  textAssigns(row: number, n: number, several: boolean): boolean {
    const { textInfo } = this
    const first = (row * TEXT + TEXT_HEAD) >> 2
    const end = first + ((n + 3) >> 2)
    for (let i = first; i < end; i++) {
      const w = textInfo[i]!
      const at = w ^ 0x40404040
      const low = w ^ 0x5f5f5f5f
      const semicolon = several ? w ^ 0x3b3b3b3b : -1
      const hit = ((at - 0x01010101) & ~at) | ((low - 0x01010101) & ~low) | ((semicolon - 0x01010101) & ~semicolon)
      if ((hit & 0x80808080) === 0) continue
      const from = i << 2
      const to = Math.min(from + 4, (first << 2) + n)
      for (let p = from; p < to; p++) {
        const c = this.text[p]!
        if (c === 0x40 || (several && c === 0x3b) || (c === 0x5f && (this.text[p + 1]! | 0x20) === 0x6c)) return true
      }
    }
    return false
  }

  release(row: number): void {
    this.queues.delete(row)
    this.free.push(row)
  }

  private grow(): void {
    const numbers = new Float64Array(this.numbers.length * 2)
    numbers.set(this.numbers)
    this.numbers = numbers
    const counts = new Int32Array(this.counts.length * 2)
    counts.set(this.counts)
    this.counts = counts
    const text = new Uint8Array(this.text.length * 2)
    text.set(this.text)
    this.text = text
    this.textInfo = new Int32Array(text.buffer)
    const events = new Float64Array(this.events.length * 2)
    events.set(this.events)
    this.events = events
    const exchanges = new Float64Array(this.exchanges.length * 2)
    exchanges.set(this.exchanges)
    this.exchanges = exchanges
  }
}
