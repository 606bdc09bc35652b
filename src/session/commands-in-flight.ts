/**
 * The commands that a client has sent and the server has not wholly answered: a queue, since clients may pipeline. The
 * usual depth is one, which lives in plain fields; deeper queues use an array made on first need.
 */
import type { Instant } from '../core/time.ts'

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
  /** Oldest outstanding command; meaningful while size > 0. */
  op = -1
  at: Instant = 0
  frame = 0
  /** Stream offset (client side) just behind the command. */
  endOffset = 0
  /** First frame of its answer, 0 while there is none. */
  replyFrame = 0
  replyAt: Instant = 0
  size = 0
  private rest: Queued[] | null = null

  push(op: number, at: Instant, frame: number, endOffset: number): void {
    if (this.size++ === 0) {
      this.op = op
      this.at = at
      this.frame = frame
      this.endOffset = endOffset
      this.replyFrame = 0
      return
    }
    if (this.rest === null) this.rest = []
    if (this.rest.length < DEEPEST) this.rest.push({ op, at, frame, endOffset })
  }

  /** The oldest command is answered. */
  pop(): void {
    if (this.size === 0) return
    this.size--
    this.replyFrame = 0
    const next = this.rest?.shift()
    if (next !== undefined) {
      this.op = next.op
      this.at = next.at
      this.frame = next.frame
      this.endOffset = next.endOffset
    } else if (this.size > 0) {
      this.op = -1 // deeper than remembered
    }
  }

  clear(): void {
    this.size = 0
    this.rest = null
    this.replyFrame = 0
  }
}
