/**
 * The commands that a client has sent and the server has not wholly answered: a queue, since clients may pipeline. The
 * oldest lives in the session's row (hot.ts), deeper queues in an array made on first need.
 */
import type { Instant } from '../core/time.ts'
import { AT, END_OFFSET, FRAME, IN_FLIGHT, NUMBERS, OP, PUSHED, REPLY_AT, REPLY_FRAME, type SessionRows } from './hot.ts'

/** Commands remembered beyond the first; a client that pipelines more is followed by count only. */
const DEEPEST = 256

interface Queued {
  op: number
  at: Instant
  frame: number
  endOffset: number
}

// hot path: no allocation per packet
export class CommandsInFlight {
  private readonly rows: SessionRows
  private readonly base: number
  private rest: Queued[] | null = null

  constructor(rows: SessionRows, row: number) {
    this.rows = rows
    this.base = row * NUMBERS
  }

  /** Commands ever pushed: the number that the next one will have. */
  get pushed(): number {
    return this.rows.numbers[this.base + PUSHED]!
  }

  get size(): number {
    return this.rows.numbers[this.base + IN_FLIGHT]!
  }
  /** Command byte of the oldest outstanding command; meaningful while size > 0. */
  get op(): number {
    return this.rows.numbers[this.base + OP]!
  }
  get at(): Instant {
    return this.rows.numbers[this.base + AT]!
  }
  get frame(): number {
    return this.rows.numbers[this.base + FRAME]!
  }
  /** Stream offset (client side) just behind the command. */
  get endOffset(): number {
    return this.rows.numbers[this.base + END_OFFSET]!
  }
  /** First frame of its answer, 0 while there is none. */
  get replyFrame(): number {
    return this.rows.numbers[this.base + REPLY_FRAME]!
  }
  get replyAt(): Instant {
    return this.rows.numbers[this.base + REPLY_AT]!
  }

  push(op: number, at: Instant, frame: number, endOffset: number): void {
    const n = this.rows.numbers
    const b = this.base
    n[b + PUSHED]!++
    if (n[b + IN_FLIGHT] === 0) {
      n[b + IN_FLIGHT] = 1
      n[b + OP] = op
      n[b + AT] = at
      n[b + FRAME] = frame
      n[b + END_OFFSET] = endOffset
      n[b + REPLY_FRAME] = 0
      return
    }
    n[b + IN_FLIGHT]!++
    if (this.rest === null) this.rest = []
    if (this.rest.length < DEEPEST) this.rest.push({ op, at, frame, endOffset })
  }

  /** The answer to the oldest command begins. */
  replying(at: Instant, frame: number): void {
    const n = this.rows.numbers
    const b = this.base
    if (n[b + IN_FLIGHT] === 0 || n[b + REPLY_FRAME] !== 0) return
    n[b + REPLY_FRAME] = frame
    n[b + REPLY_AT] = at
  }

  /** The oldest command is answered. */
  pop(): void {
    const n = this.rows.numbers
    const b = this.base
    if (n[b + IN_FLIGHT] === 0) return
    n[b + REPLY_FRAME] = 0
    if (--n[b + IN_FLIGHT]! === 0) return
    const next = this.rest?.shift()
    // -1: deeper than remembered.
    n[b + OP] = next?.op ?? -1
    if (next === undefined) return
    n[b + AT] = next.at
    n[b + FRAME] = next.frame
    n[b + END_OFFSET] = next.endOffset
  }

  clear(): void {
    const n = this.rows.numbers
    n[this.base + IN_FLIGHT] = 0
    n[this.base + REPLY_FRAME] = 0
    this.rest = null
  }
}
