/**
 * State that one borrower left and the next ones ran with: put together from the steps of a session (state/replay.ts) and its
 * borrowers (borrows.ts). Facts and their weight; the rules conclude.
 */
import { Command } from '../mysql/commands.ts'
import type { Session } from '../session/session.ts'
import { type Entry, SessionState } from '../state/replay.ts'
import type { StateStep } from '../state/step.ts'
import { type Classified, classify } from '../state/variables.ts'
import { type Borrow, type BorrowSources, borrowsOf, introduces } from './borrows.ts'
import { type Damage, damageOf } from './damage.ts'

export interface Leak extends Classified {
  /** What differs; several where one statement set them all (SET NAMES). */
  entries: readonly Entry[]
  value: string
  previous: string | null
  setBy: StateStep
  setIn: Borrow
  /** Borrowers that ran with it, each with its statements. */
  victims: { borrow: Borrow; steps: StateStep[] }[]
  /** What the wire shows of the harm, null when nothing does. */
  damage: Damage | null
  /** What ended it. */
  endedBy: 'reset' | 'statement' | 'nothing'
}

export interface StateStory {
  borrows: readonly Borrow[]
  /** Keys with values at the begin and end of each borrow. */
  found: readonly ReadonlyMap<string, string>[]
  left: readonly ReadonlyMap<string, string>[]
  leaks: readonly Leak[]
  /** Every change that a borrower made, in order. */
  sets: readonly { key: string; borrow: Borrow }[]
}

/** Statements kept per victim. */
const STATEMENTS_KEPT = 16
/** Statements about the session or the transaction, not about data. */
const CONTROL =
  /^\s*(?:\/\*.*?\*\/)?\s*(?:set|commit|rollback|begin|start|use|savepoint|release|lock|unlock|xa|kill|deallocate|flush)\b/is

/** A statement that works on data: it may suffer. */
export const works = (step: StateStep): boolean =>
  (step.op === Command.COM_QUERY ||
    step.op === Command.COM_STMT_EXECUTE ||
    step.op === Command.COM_STMT_BULK_EXECUTE) &&
  !(step.text !== null && CONTROL.test(step.text)) &&
  !introduces(step)

interface Open {
  leak: Leak
  entries: Entry[]
}

export function stateStory(s: Session, sources: BorrowSources): StateStory | null {
  const facts = s.mysql?.state
  if (facts == null || facts.steps.length === 0) return null
  const borrows = borrowsOf(facts, sources)
  const state = new SessionState(s.mysql?.login?.schema ?? '', facts.status)
  const all: Open[] = []
  let open: Open[] = []
  const found: Map<string, string>[] = []
  const left: Map<string, string>[] = []
  const setIn = new Map<Entry, Borrow>()
  const sets: { key: string; borrow: Borrow }[] = []
  for (const b of borrows) {
    found.push(snapshot(state))
    if (b.index > 0) open = carriedOver(state, open, all, setIn, borrows)
    const changes = new Map<string, number>()
    let workedSince = false
    for (const { step, ours } of b.steps) {
      // What a transaction left open does to BEGIN or COMMIT is over once they have run.
      for (const o of open) if (o.leak.state === 'open_transaction') suffer(o.leak, b, step)
      const touched = state.apply(step, ours)
      const wiped = step.op === Command.COM_RESET_CONNECTION || step.op === Command.COM_CHANGE_USER
      for (const key of touched) changes.set(key, (changes.get(key) ?? 0) + 1)
      for (const entry of state.entries.values()) {
        if (setIn.has(entry)) continue
        setIn.set(entry, b)
        sets.push({ key: entry.key, borrow: b })
      }
      open = open.filter((o) => {
        const still = o.entries.some((e) => state.entries.get(e.key) === e)
        if (!still) o.leak.endedBy = wiped ? 'reset' : 'statement'
        return still
      })
      if (touched.length > 0) workedSince = false
      if (works(step)) workedSince = true
      for (const o of open) if (o.leak.state !== 'open_transaction') suffer(o.leak, b, step)
    }
    // Set again at the end of the work, with nothing after it: put back for the next one.
    if (!workedSince) for (const [key, n] of changes) if (n > 1) state.settle(key)
    left.push(snapshot(state))
  }
  for (const o of all) o.leak.damage = damageOf(o.leak, s)
  // Behind a hole in the capture nobody knows what state there is.
  const leaks = all.map((o) => o.leak).filter((l) => l.victims.length > 0 && l.setBy.frame >= facts.lastHole)
  return { borrows, found, left, leaks, sets }
}

/** What the state that others left makes of the open leaks, at the begin of a borrow. */
function carriedOver(
  state: SessionState,
  open: Open[],
  all: Open[],
  setIn: ReadonlyMap<Entry, Borrow>,
  borrows: readonly Borrow[],
): Open[] {
  const still = [...open]
  for (const entry of state.entries.values()) {
    if (still.some((o) => o.entries.includes(entry))) continue
    const kind = classify(entry.key)
    const same = still.find((o) => o.leak.setBy === entry.by && groups(o.leak.state, kind.state))
    if (same !== undefined) {
      same.entries.push(entry)
      continue
    }
    const entries = [entry]
    const o: Open = {
      entries,
      leak: {
        ...kind,
        entries,
        value: entry.value,
        previous: entry.previous,
        setBy: entry.by,
        setIn: setIn.get(entry) ?? borrows[0]!,
        victims: [],
        damage: null,
        endedBy: 'nothing',
      },
    }
    still.push(o)
    all.push(o)
  }
  return still
}

/** SET NAMES sets character sets and a collation: one matter. */
const groups = (a: string, b: string): boolean =>
  a === b || (a === 'charset' && b === 'collation') || (a === 'collation' && b === 'charset')

function suffer(leak: Leak, b: Borrow, step: StateStep): void {
  if (!concerned(leak, step)) return
  let victim = leak.victims.at(-1)
  if (victim?.borrow !== b) {
    victim = { borrow: b, steps: [] }
    leak.victims.push(victim)
  }
  if (victim.steps.length < STATEMENTS_KEPT) victim.steps.push(step)
}

/** Whether a statement can be touched by it at all. */
function concerned(leak: Leak, step: StateStep): boolean {
  if (leak.state === 'open_transaction') return step.op === Command.COM_QUERY && !introduces(step)
  if (!works(step)) return false
  const key = leak.entries[0]!.key
  if (leak.state === 'user_variable') return step.text !== null && mentions(step.text, `@${key.slice(5)}`)
  if (leak.state === 'temp_table') return step.text === null || mentions(step.text, key.slice(5))
  if (leak.state === 'prepared_statement')
    return step.text !== null && /^\s*execute\b/i.test(step.text) && mentions(step.text, key.slice(8))
  return true
}

/** The name stands in the text as a word of its own. */
export function mentions(text: string, name: string): boolean {
  const lower = text.toLowerCase()
  const word = /[\w$\u0080-\uffff]/
  for (let p = lower.indexOf(name); p >= 0; p = lower.indexOf(name, p + 1)) {
    const before = p === 0 ? '' : lower[p - 1]!
    const after = lower[p + name.length] ?? ''
    if (!word.test(before) && !word.test(after) && !(before === '@' && name.startsWith('@'))) return true
  }
  return false
}

function snapshot(state: SessionState): Map<string, string> {
  return new Map([...state.entries.values()].map((e) => [e.key, e.value]))
}
