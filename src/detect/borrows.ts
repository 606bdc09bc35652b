/**
 * Where one borrower of a pooled connection ends and the next begins, and how surely that is known. A pool trace says it; on
 * the wire a reset, a pool's check or its opening words at every checkout mark it. Without any of these a pause is no more than a
 * pause: then only damage counts that no single user would do to itself (leaks.ts).
 */
import { type Duration, type Instant, NS_PER_MS, NS_PER_SECOND } from '../core/time.ts'
import type { LogEvent } from '../logs/event.ts'
import { Command } from '../mysql/commands.ts'
import type { Confidence } from '../report/model.ts'
import type { StateFacts, StateStep } from '../state/step.ts'

export type BorrowMark =
  | 'login'
  | 'pool-trace'
  | 'reset'
  | 'change-user'
  | 'ping'
  | 'validation'
  | 'preamble'
  | 'gap'
  | 'front-session'
  | 'pause'

/** Steps of one borrower, or of what may be one. */
export interface Borrow {
  index: number
  /** What shows that another borrower begins here. */
  mark: BorrowMark
  /** That there is a boundary at its begin; null: it may be the same borrower after a pause. */
  sure: Confidence | null
  at: Instant
  /** Borrower's name, where a trace or a proxy's front session tells it. */
  who: string | null
  checkout: LogEvent | null
  /** Steps outside of any borrow (pool's own) are marked so. */
  steps: { step: StateStep; ours: boolean }[]
}

const SURE: Readonly<Record<BorrowMark, Confidence | null>> = {
  login: null,
  'pool-trace': 'certain',
  'front-session': 'certain',
  reset: 'likely',
  'change-user': 'likely',
  ping: 'likely',
  validation: 'likely',
  preamble: 'likely',
  gap: 'possible',
  pause: null,
}

/** Shorter pauses are one borrower's own. */
const PAUSE: Duration = 100 * NS_PER_MS
/** A statement may be anybody’s; at a checkout it comes after at least this. */
const LULL: Duration = 20 * NS_PER_MS
/** A pool that checks a connection hands it out at once. */
const HANDED_OUT: Duration = 1 * NS_PER_SECOND
/** What times of a trace written in milliseconds may be behind. */
const ROUNDING: Duration = 1 * NS_PER_MS

const VALIDATION = /^\s*(?:\/\*.*?\*\/)?\s*select\s+(?:1|'.'|".")\s*(?:from\s+dual)?\s*;?\s*$/is
const OPENING =
  /^\s*(?:\/\*.*?\*\/)?\s*(?:set\b|show\b|select\s+(?:@@|connection_id\s*\(|database\s*\(|schema\s*\(|user\s*\(|current_user|version\s*\())/is

export interface BorrowSources {
  /** Checkouts and checkins of this connection, in order. */
  trace: readonly LogEvent[]
  /** Silence that marks another borrower, 0: none (--borrow-gap). */
  gap: Duration
}

/** Whether a statement only introduces or checks the connection. */
export const introduces = (step: StateStep): boolean =>
  step.op === Command.COM_PING || (step.text !== null && (VALIDATION.test(step.text) || OPENING.test(step.text)))

export function borrowsOf(facts: StateFacts, sources: BorrowSources): Borrow[] {
  return sources.trace.length > 0 ? traced(facts.steps, sources.trace) : seen(facts, sources.gap)
}

function borrow(index: number, mark: BorrowMark, at: Instant, checkout: LogEvent | null): Borrow {
  return { index, mark, sure: SURE[mark], at, who: checkout?.borrower ?? null, checkout, steps: [] }
}

/** As the pool wrote it down. */
function traced(steps: readonly StateStep[], trace: readonly LogEvent[]): Borrow[] {
  const all: Borrow[] = []
  let next = 0
  let now: Borrow | null = null
  let out = false
  for (const step of steps) {
    while (next < trace.length && happened(trace, next, step.at, out)) {
      const e = trace[next++]!
      out = e.what === 'checkout'
      if (!out) continue
      now = borrow(all.length, 'pool-trace', e.at!, e)
      all.push(now)
    }
    if (now === null) {
      now = borrow(0, 'login', step.at, null)
      all.push(now)
    }
    // What the driver sends behind the login is the connection’s, whoever waits for it.
    now.steps.push({ step, ours: !out || step.initial })
  }
  return all
}

/**
 * Whether an event of the trace came before a statement, as far as times cut to milliseconds tell: a statement in the moment of
 * the checkin came before it unless the connection is out again; one right before a checkout came after it.
 */
function happened(trace: readonly LogEvent[], i: number, at: Instant, out: boolean): boolean {
  const e = trace[i]!
  if (e.what === 'checkout') return (out ? e.at! : e.at! - ROUNDING) <= at
  const next = trace[i + 1]
  return e.at! + Math.max(e.precision, ROUNDING) < at || (next !== undefined && next.at! <= at)
}

/** As the wire shows it. */
function seen(facts: StateFacts, gap: Duration): Borrow[] {
  const { steps } = facts
  const all: Borrow[] = []
  const pinger = pingsAlways(steps)
  for (const [i, step] of steps.entries()) {
    const mark = i === 0 ? 'login' : markOf(facts, i, gap, pinger)
    if (mark !== null) all.push(borrow(all.length, mark, step.at, null))
    all.at(-1)!.steps.push({ step, ours: step.initial })
  }
  return all
}

/** A client that pings before each of its own statements: between two pings there is nothing but a SET, which is of no use by itself. */
function pingsAlways(steps: readonly StateStep[]): boolean {
  return steps.some(
    (x, i) =>
      x.effects.length > 0 &&
      !x.initial &&
      steps[i + 1]?.op === Command.COM_PING &&
      steps[i + 1]!.idle < PAUSE &&
      (i === 0 || steps[i - 1]!.op === Command.COM_PING) &&
      x.effects.every((e) => e.does === 'set' && (e.key.startsWith('var:') || e.key.startsWith('user:'))),
  )
}

function markOf(facts: StateFacts, i: number, gap: Duration, pinger: boolean): BorrowMark | null {
  const step = facts.steps[i]!
  if (step.op === Command.COM_RESET_CONNECTION) return 'reset'
  if (step.op === Command.COM_CHANGE_USER) return 'change-user'
  if (step.initial) return null
  const next = facts.steps[i + 1]
  // It was handed out right after: a mere keep-alive is followed by silence.
  const handedOut = next !== undefined && next.idle < step.idle && next.idle <= HANDED_OUT && !introduces(next)
  if (handedOut && step.idle > 0) {
    if (step.op === Command.COM_PING && !pinger) return 'ping'
    if (step.idle >= LULL && step.text !== null) {
      if (VALIDATION.test(step.text)) return 'validation'
      if (step.hash !== 0 && facts.openers.includes(step.hash) && OPENING.test(step.text)) return 'preamble'
    }
  }
  if (gap > 0 && step.idle >= gap) return 'gap'
  return step.idle >= PAUSE ? 'pause' : null
}
