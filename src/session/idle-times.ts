/**
 * Idle times of a session: from an answer to the next request, which ones it survived, and how long the last one was before the close. And
 * the requests that only ask whether the connection lives.
 */
import { type Duration, type Instant, NS_PER_SECOND } from '../core/time.ts'
import type { Half } from '../tcp/half.ts'
import { AT, IN_FLIGHT, LAST_REPLY_AT, LONGEST_IDLE, NUMBERS, type SessionRows } from './hot.ts'
import type { ValidationFact } from './session.ts'

/** TLS records of this size together may be a farewell: an alert, ERR 4031. */
const FAREWELL_BYTES = 512
/** Server records this far apart do not belong to one answer. */
const BURST_PAUSE = 0.5 * NS_PER_SECOND
/** Time from a farewell to the close that it belongs to. */
const FAREWELL_WITHIN = 1 * NS_PER_SECOND

// hot path: no allocation per packet

/** The server has answered: the idle time before the command was survived, and from here on the session is idle. */
export function replied(rows: SessionRows, row: number, at: Instant): void {
  const n = rows.numbers
  const b = row * NUMBERS
  if (n[b + IN_FLIGHT] !== 0) survived(rows, row, n[b + AT]! - n[b + LAST_REPLY_AT]!)
  n[b + LAST_REPLY_AT] = at
}

/** A command that has no answer: the session is idle again at once. */
export function spoke(rows: SessionRows, row: number, at: Instant): void {
  const n = rows.numbers
  const b = row * NUMBERS
  if (n[b + IN_FLIGHT] !== 0 || n[b + LAST_REPLY_AT] === Number.NEGATIVE_INFINITY) return
  survived(rows, row, at - n[b + LAST_REPLY_AT]!)
  n[b + LAST_REPLY_AT] = at
}

function survived(rows: SessionRows, row: number, idle: Duration): void {
  const i = row * NUMBERS + LONGEST_IDLE
  // Before the first answer LAST_REPLY_AT is -Infinity.
  if (idle > rows.numbers[i]! && idle < Number.POSITIVE_INFINITY) rows.numbers[i] = idle
}

/** Sessions that were never checked share this. */
export const NO_VALIDATIONS: ValidationFact = Object.freeze({
  count: 0,
  firstAt: 0,
  firstFrame: 0,
  lastAt: 0,
  lastFrame: 0,
})

/** One more request that only asks whether the connection lives. */
export function validated(so: ValidationFact, at: Instant, frame: number): ValidationFact {
  const fact = so === NO_VALIDATIONS ? { count: 0, firstAt: at, firstFrame: frame, lastAt: at, lastFrame: frame } : so
  fact.count++
  fact.lastAt = at
  fact.lastFrame = frame
  return fact
}

/** The server's latest burst of TLS records: those without a pause between them. */
export class RecordBurst {
  /** Time of its last record before the burst, of the first one in it, and server bytes until then. */
  before: Instant = Number.NEGATIVE_INFINITY
  at: Instant = Number.NEGATIVE_INFINITY
  from = 0

  record(lastAt: Instant, at: Instant, bytes: number): void {
    if (at - lastAt <= BURST_PAUSE) return
    this.before = lastAt
    this.at = at
    this.from = bytes
  }
}

/**
 * Time without requests and answers before a close. What the server says unasked right before it closes (ERR 4031, a TLS
 * alert) is part of the close and does not end the idle time.
 */
export function idleBefore(
  lastReplyAt: Instant,
  burst: RecordBurst | null,
  client: Half,
  server: Half,
  at: Instant,
  silence: Duration,
): Duration {
  let replyAt = lastReplyAt
  // In TLS a few short records that nothing asked for may be such a farewell.
  const unasked = burst !== null && client.lastDataAt <= burst.before && at - burst.at <= FAREWELL_WITHIN
  if (unasked && server.bytes - burst.from <= FAREWELL_BYTES) replyAt = burst.before
  if (replyAt === Number.NEGATIVE_INFINITY) return silence
  if (server.lastDataAt > replyAt && at - server.lastDataAt > FAREWELL_WITHIN) return silence
  return at - Math.max(replyAt, client.bytes > 0 ? client.lastDataAt : replyAt)
}
