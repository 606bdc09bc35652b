/**
 * The commands that a client has sent and the server has not wholly answered: a queue, since clients may pipeline. The
 * oldest lives in the session's row (hot.ts), deeper queues in an array made on first need. Functions over the row rather
 * than an object: an object would be one more cache miss per command.
 */
import type { Instant } from '../core/time.ts'
import {
  AT,
  END_OFFSET,
  FRAME,
  IN_FLIGHT,
  NUMBERS,
  OP,
  PUSHED,
  type Queued,
  REPLY_AT,
  REPLY_FRAME,
  type SessionRows,
} from './hot.ts'

/** Commands remembered beyond the first; a client that pipelines more is followed by count only. */
const DEEPEST = 256

// hot path: no allocation per packet

/** A command goes out. `endOffset`: stream offset (client side) just behind it. */
export function pushCommand(
  rows: SessionRows,
  row: number,
  op: number,
  at: Instant,
  frame: number,
  endOffset: number,
): void {
  const n = rows.numbers
  const b = row * NUMBERS
  n[b + PUSHED]!++
  if (n[b + IN_FLIGHT]!++ === 0) {
    n[b + OP] = op
    n[b + AT] = at
    n[b + FRAME] = frame
    n[b + END_OFFSET] = endOffset
    n[b + REPLY_FRAME] = 0
    return
  }
  let rest = rows.queues.get(row)
  if (rest === undefined) {
    rest = []
    rows.queues.set(row, rest)
  }
  if (rest.length < DEEPEST) rest.push({ op, at, frame, endOffset })
}

/** The answer to the oldest command begins. */
export function replyBegins(rows: SessionRows, row: number, at: Instant, frame: number): void {
  const n = rows.numbers
  const b = row * NUMBERS
  if (n[b + IN_FLIGHT] === 0 || n[b + REPLY_FRAME] !== 0) return
  n[b + REPLY_FRAME] = frame
  n[b + REPLY_AT] = at
}

/** The oldest command is answered. */
export function popCommand(rows: SessionRows, row: number): void {
  const n = rows.numbers
  const b = row * NUMBERS
  if (n[b + IN_FLIGHT] === 0) return
  n[b + REPLY_FRAME] = 0
  if (--n[b + IN_FLIGHT]! === 0) return
  const next: Queued | undefined = rows.queues.get(row)?.shift()
  // -1: deeper than remembered.
  n[b + OP] = next?.op ?? -1
  if (next === undefined) return
  n[b + AT] = next.at
  n[b + FRAME] = next.frame
  n[b + END_OFFSET] = next.endOffset
}

/** Nothing is outstanding any more. */
export function clearCommands(rows: SessionRows, row: number): void {
  const b = row * NUMBERS
  rows.numbers[b + IN_FLIGHT] = 0
  rows.numbers[b + REPLY_FRAME] = 0
  rows.queues.delete(row)
}
