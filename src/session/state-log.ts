/**
 * What was done to the state of a session, step by step: the statements that change it and, while something is changed, those
 * that ran with it. Made on first need, so that sessions without state cost nothing. Facts only; state/replay.ts puts them
 * together.
 */
import { decodeText } from '../core/bytes.ts'
import type { Duration, Instant } from '../core/time.ts'
import { Command } from '../mysql/commands.ts'
import type { TrackedChange } from '../mysql/listener.ts'
import { Status } from '../mysql/status.ts'
import { type Effect, normalValue } from '../state/effect.ts'
import type { Dialect } from '../state/lexer.ts'
import { introducesItself } from '../state/may-matter.ts'
import { effectsOf } from '../state/statement.ts'
import type { StateFacts, StateStep } from '../state/step.ts'
import type { Echoes } from './echoes.ts'

/** Steps kept per session: the first and the last ones. */
const HEAD_KEPT = 48
const TAIL_KEPT = 208
/** Statements kept of a session that changed nothing but right after its login: enough to show who ran with it. */
const AFTER_LOGIN_KEPT = 12
/** Text kept of a statement, bytes, and how much of it is read for what it does. */
const TEXT_KEPT = 160
const READ_MOST = 1024
/** Prepared statements remembered for what they do. */
const PREPARED_KEPT = 64

/** What the recorder knows when a command goes out. */
export interface CommandNow {
  op: number
  at: Instant
  frame: number
  hash: number
  /** Its number among the session's commands. */
  number: number
  idle: Duration
  initial: boolean
  dialect: Dialect
  /** Text of a prepared statement that is executed; null otherwise. */
  text: string | null
}

const NO_EFFECTS: readonly Effect[] = []
const NO_CHANGES: readonly TrackedChange[] = []
const NO_CARRIERS: StateStep['carried'] = []

export class StateLog {
  private readonly head: StateStep[] = []
  private readonly tail: StateStep[] = []
  private oldest = 0
  private dropped = 0
  /** Steps whose answer is not whole yet, by number of their command. */
  private readonly waiting: { number: number; step: StateStep }[] = []
  /** Keys that differ from what the login left, and the values that it left. */
  private readonly changed = new Set<string>()
  private readonly base = new Map<string, string>()
  private afterLogin = AFTER_LOGIN_KEPT
  private readonly prepared = new Map<number, { effects: readonly Effect[]; text: string }>()
  private preparing: { number: number; effects: readonly Effect[]; text: string } | null = null
  private ansiQuotes = false
  private readonly status: number
  private readonly stream: number
  private readonly echoes: Echoes

  /** `status`: the session's status flags so far, -1 if none; `stream`: its tcp.stream. */
  constructor(status: number, stream: number, echoes: Echoes) {
    this.status = status
    this.stream = stream
    this.echoes = echoes
  }

  /** The session carries state that its login did not leave: every command is of interest. */
  get watching(): boolean {
    return this.changed.size > 0 || (this.base.size > 0 && this.afterLogin > 0)
  }

  /** A prepared statement that changes state. */
  knows(statementId: number): boolean {
    return this.prepared.has(statementId)
  }

  facts(openers: readonly number[], lastHole: number): StateFacts | null {
    for (const w of this.waiting) this.echoes.withdraw(w.step)
    if (this.head.length === 0) return null
    const steps = [...this.head, ...this.tail.slice(this.oldest), ...this.tail.slice(0, this.oldest)]
    return { steps, dropped: this.dropped, openers, status: this.status, lastHole }
  }

  /** A statement, or a command that touches state. `buf[start, end)`: its argument, as far as it is in hand. */
  command(c: CommandNow, buf: Uint8Array, start: number, end: number, total: number, statementId: number): void {
    const stop = Math.min(end, start + READ_MOST)
    const known = c.op === Command.COM_STMT_EXECUTE ? this.prepared.get(statementId) : undefined
    const text = known?.text ?? (c.text === null ? null : cut(c.text)) ?? textOf(c.op, buf, start, end, total)
    const effects = known?.effects ?? this.effects(c, buf, start, stop)
    if (c.op === Command.COM_STMT_PREPARE) {
      this.preparing = effects.length > 0 ? { number: c.number, effects, text: text ?? '' } : null
      return
    }
    // Transactions that end in time are nobody's concern.
    if (!this.watching && !resets(c.op) && effects.every((e) => e.key === 'transaction' || e.key === 'lock:tables')) {
      if (!effects.some((e) => e.key === 'lock:tables' && e.does === 'set')) return
    }
    if (effects.length === 0 && this.changed.size === 0 && !resets(c.op)) this.afterLogin--
    const step: StateStep = {
      at: c.at,
      frame: c.frame,
      op: c.op,
      text,
      hash: c.hash,
      effects,
      idle: c.idle,
      initial: c.initial,
      beyondAscii: beyondAscii(buf, start, stop),
      answeredAt: -1,
      replyFrame: 0,
      rows: -1,
      columns: -1,
      status: -1,
      code: 0,
      results: 0,
      tracked: NO_CHANGES,
      carried: NO_CARRIERS,
    }
    this.keep(step)
    this.waiting.push({ number: c.number, step })
    this.echoes.offer(step, this.stream)
  }

  /** A transaction was open when the session paused, was checked, or began another: who opened it is a step as well. */
  openTransaction(at: Instant, frame: number, explicit: boolean, status: number): void {
    if (this.changed.has('transaction')) return
    this.changed.add('transaction')
    // Where the steps since are known, they tell it themselves.
    const last = this.tail.at(this.oldest - 1) ?? this.head.at(-1)
    if (last !== undefined && last.at >= at) return
    const effect: Effect = { statement: 0, does: 'set', key: 'transaction', value: explicit ? 'START TRANSACTION' : '' }
    this.keep({
      at,
      frame,
      op: Command.COM_QUERY,
      text: null,
      hash: 0,
      effects: [effect],
      idle: 0,
      initial: false,
      beyondAscii: false,
      answeredAt: at,
      replyFrame: frame,
      rows: -1,
      columns: -1,
      status,
      code: 0,
      results: 1,
      tracked: NO_CHANGES,
      carried: NO_CARRIERS,
    })
  }

  /** COM_STMT_PREPARE was answered. */
  named(number: number, statementId: number): void {
    const p = this.preparing
    if (p === null || p.number !== number) return
    if (this.prepared.size >= PREPARED_KEPT) this.prepared.delete(this.prepared.keys().next().value!)
    this.prepared.set(statementId, p)
    this.preparing = null
  }

  /** A result is whole; `more` when another follows. */
  answered(
    number: number,
    status: number,
    rows: number,
    columns: number,
    more: boolean,
    at: Instant,
    frame: number,
  ): void {
    if (status >= 0 && (status & Status.SERVER_STATUS_IN_TRANS) === 0) this.changed.delete('transaction')
    const step = this.take(number, !more)
    if (step === null) return
    step.results++
    if (step.rows < 0 && columns > 0) {
      step.rows = rows
      step.columns = columns
    }
    if (status >= 0) step.status = status
    step.answeredAt = at
    step.replyFrame = frame
    if (!more) this.happened(step)
  }

  failed(number: number, code: number, at: Instant, frame: number): void {
    const step = this.take(number, true)
    if (step === null) return
    step.code = code
    step.answeredAt = at
    step.replyFrame = frame
    this.happened(step)
  }

  /** Its answer fell into a gap: it is taken to have succeeded. */
  lost(number: number): void {
    const step = this.take(number, true)
    if (step === null) return
    step.results = Number.POSITIVE_INFINITY
    this.happened(step)
  }

  /** Session trackers in the answer to a command that is not known to change anything: `text` of it. */
  tracked(c: CommandNow, text: string | null, changes: readonly TrackedChange[]): void {
    let step = this.waiting.find((w) => w.number === c.number)?.step
    if (step === undefined) {
      step = {
        at: c.at,
        frame: c.frame,
        op: c.op,
        text: text === null ? null : cut(text),
        hash: c.hash,
        effects: NO_EFFECTS,
        idle: c.idle,
        initial: c.initial,
        beyondAscii: false,
        answeredAt: -1,
        replyFrame: 0,
        rows: -1,
        columns: -1,
        status: -1,
        code: 0,
        results: 0,
        tracked: NO_CHANGES,
        carried: NO_CARRIERS,
      }
      this.keep(step)
      this.waiting.push({ number: c.number, step })
    }
    step.tracked = [...step.tracked, ...changes]
  }

  private effects(c: CommandNow, buf: Uint8Array, start: number, stop: number): readonly Effect[] {
    switch (c.op) {
      case Command.COM_QUERY:
      case Command.COM_STMT_PREPARE:
        return effectsOf(buf, start, stop, { ...c.dialect, ansiQuotes: this.ansiQuotes })
      case Command.COM_INIT_DB:
        return [{ statement: 0, does: 'set', key: 'schema', value: decodeText(buf, start, stop) }]
      case Command.COM_SET_OPTION:
        return [{ statement: 0, does: 'set', key: 'option:multi-statements', value: buf[start] === 0 ? '1' : '0' }]
      default:
        return NO_EFFECTS
    }
  }

  private take(number: number, done: boolean): StateStep | null {
    // Those that were never answered leave no trace here.
    while (this.waiting.length > 0 && this.waiting[0]!.number < number) this.echoes.withdraw(this.waiting.shift()!.step)
    const first = this.waiting[0]
    if (first === undefined || first.number !== number) return null
    if (done) this.waiting.shift()
    return first.step
  }

  /** Which keys now differ from what the login left: decides what is worth recording, not what is reported. */
  private happened(step: StateStep): void {
    this.echoes.withdraw(step)
    if (step.code === 0 && resets(step.op)) {
      const schema = step.op === Command.COM_RESET_CONNECTION && this.changed.has('schema')
      this.changed.clear()
      this.base.clear()
      this.prepared.clear()
      if (schema) this.changed.add('schema')
      return
    }
    for (const e of step.effects) {
      if (e.statement >= step.results || e.key === 'transaction' || e.does === 'next') continue
      if (e.key === 'var:sql_mode') this.ansiQuotes = e.does === 'set' && /ansi/i.test(e.value)
      if (e.does === 'set') this.changes(e.key, e.value, step.initial)
      else if (e.key.endsWith('*')) {
        for (const k of this.changed) if (k.startsWith(e.key.slice(0, -1))) this.changed.delete(k)
      } else this.changed.delete(e.key)
    }
    for (const t of step.tracked) {
      if (t.type === 0) this.changes(`var:${t.name.toLowerCase()}`, t.value, step.initial)
      else if (t.type === 1) this.changes('schema', t.value, step.initial)
    }
  }

  private changes(key: string, value: string, initial: boolean): void {
    if (initial) this.base.set(key, normalValue(value))
    else if (this.base.get(key) === normalValue(value) || (key === 'var:autocommit' && normalValue(value) === '1'))
      this.changed.delete(key)
    else this.changed.add(key)
  }

  private keep(step: StateStep): void {
    if (this.head.length < HEAD_KEPT) this.head.push(step)
    else if (this.tail.length < TAIL_KEPT) this.tail.push(step)
    else {
      this.tail[this.oldest] = step
      this.oldest = (this.oldest + 1) % TAIL_KEPT
      this.dropped++
    }
  }
}

export const resets = (op: number): boolean => op === Command.COM_RESET_CONNECTION || op === Command.COM_CHANGE_USER

/** Whether a command right after the login is still about the session itself: SET, SELECT @@…, SHOW, a ping. */
export function aboutSession(op: number, buf: Uint8Array, start: number, end: number): boolean {
  if (op === Command.COM_PING || op === Command.COM_INIT_DB || op === Command.COM_SET_OPTION || resets(op)) return true
  return op === Command.COM_QUERY && introducesItself(buf, start, end)
}

function textOf(op: number, buf: Uint8Array, start: number, end: number, total: number): string | null {
  const named = op === Command.COM_QUERY || op === Command.COM_STMT_PREPARE || op === Command.COM_INIT_DB
  if (!named && op !== Command.COM_CHANGE_USER) return null
  const text = decodeText(buf, start, Math.min(end, start + TEXT_KEPT))
  return total > TEXT_KEPT ? `${text}…` : text
}

const cut = (text: string): string => (text.length > TEXT_KEPT ? `${text.slice(0, TEXT_KEPT)}…` : text)

function beyondAscii(buf: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (buf[i]! > 0x7f) return true
  return false
}
