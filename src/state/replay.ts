/**
 * The state of a session at every step: what differs from what the login left, who changed it, and what it was before
 * (manual: COM_RESET_CONNECTION, COM_CHANGE_USER, "What resets what"; MariaDB: COM_RESET_CONNECTION).
 */
import { Command } from '../mysql/commands.ts'
import { Tracker } from '../mysql/messages/ok.ts'
import { Status } from '../mysql/status.ts'
import { type Effect, normalValue } from './effect.ts'
import type { StateStep } from './step.ts'

/** A tracked variable that only counts statements (MySQL 8.0). */
const COUNTER = 'statement_id'

/** A key of effect.ts that differs from what the login left. */
export interface Entry {
  key: string
  /** As written, or as the server tells it; '' when it is not known. */
  value: string
  /** What it was before, null when that is not known. */
  previous: string | null
  /** The step that changed it. */
  by: StateStep
}

export class SessionState {
  readonly entries = new Map<string, Entry>()
  /** Values that the login, or the pool in its name, left. */
  readonly base = new Map<string, string>()
  private readonly nested = new Map<string, readonly Effect[]>()

  /** `schema` of the login, '' if none; `status`: flags before the first step, -1 if not known. */
  constructor(schema: string, status: number) {
    if (schema !== '') this.base.set('schema', schema)
    const off = status >= 0 && (status & Status.SERVER_STATUS_AUTOCOMMIT) === 0
    this.base.set('var:autocommit', off ? '0' : '1')
  }

  /** The value in force, null when nothing is known. */
  value(key: string): string | null {
    return this.entries.get(key)?.value ?? this.base.get(key) ?? null
  }

  /** `ours`: the step sets the session up and belongs to no borrower. Returns the keys that it changed. */
  apply(step: StateStep, ours: boolean): string[] {
    const touched: string[] = []
    if (step.code === 0 && (step.op === Command.COM_RESET_CONNECTION || step.op === Command.COM_CHANGE_USER)) {
      this.reset(step)
      ours = true
    }
    for (const e of step.effects) {
      if (step.code !== 0 && e.statement >= step.results) break
      this.effect(e, step, ours, touched)
    }
    for (const t of step.tracked) {
      if (t.type === Tracker.SESSION_TRACK_SYSTEM_VARIABLES && t.name !== COUNTER)
        this.told(`var:${t.name.toLowerCase()}`, t.value, step, ours, touched)
      else if (t.type === Tracker.SESSION_TRACK_SCHEMA) this.told('schema', t.value, step, ours, touched)
    }
    if (step.status >= 0) this.flags(step, touched)
    return touched
  }

  /** Takes a value as what the connection is meant to have from now on. */
  settle(key: string): void {
    const e = this.entries.get(key)
    if (e === undefined) return
    if (e.value !== '') this.base.set(key, e.value)
    this.entries.delete(key)
  }

  private effect(e: Effect, step: StateStep, ours: boolean, touched: string[]): void {
    if (e.does === 'next') return
    if (e.does === 'execute') {
      for (const n of this.nested.get(e.key) ?? []) this.effect(n, step, ours, touched)
      return
    }
    touched.push(e.key)
    if (e.does === 'set') {
      if (e.key.startsWith('prepare:')) this.nested.set(e.key, e.nested ?? [])
      // Whether a transaction is open the status flags tell.
      if (e.key === 'transaction' && step.status >= 0 && (step.status & Status.SERVER_STATUS_IN_TRANS) === 0) return
      this.put(e.key, e.value, step, ours)
    } else if (e.key.endsWith('*')) {
      for (const k of this.entries.keys()) if (k.startsWith(e.key.slice(0, -1))) this.entries.delete(k)
    } else {
      this.entries.delete(e.key)
      if (e.does === 'default') this.base.delete(e.key)
    }
  }

  private put(key: string, value: string, step: StateStep, ours: boolean): void {
    const before = this.value(key)
    if (ours) {
      this.base.set(key, value)
      this.entries.delete(key)
    } else if (this.base.has(key) && normalValue(this.base.get(key)!) === normalValue(value)) this.entries.delete(key)
    else this.entries.set(key, { key, value, previous: before, by: step })
  }

  /** What the server says of a key: the exact value of what the statement set, or a change that its text does not show. */
  private told(key: string, value: string, step: StateStep, ours: boolean, touched: string[]): void {
    const entry = this.entries.get(key)
    if (entry !== undefined && entry.by === step) {
      if (this.base.get(key) === value) this.entries.delete(key)
      else entry.value = value
      return
    }
    if (touched.includes(key)) {
      // It was set to its default: now that is known.
      this.base.set(key, value)
      return
    }
    if (this.value(key) === value) return
    touched.push(key)
    this.put(key, value, step, ours)
  }

  private flags(step: StateStep, touched: string[]): void {
    const autocommit = (step.status & Status.SERVER_STATUS_AUTOCOMMIT) !== 0
    if (autocommit === (normalValue(this.value('var:autocommit') ?? '1') === '0')) {
      if (!touched.includes('var:autocommit')) touched.push('var:autocommit')
      // No statement set it: a proxy's own flags, or what was not captured. Nobody can be blamed for it.
      this.put('var:autocommit', autocommit ? '1' : '0', step, true)
    }
    if ((step.status & Status.SERVER_STATUS_IN_TRANS) === 0) this.entries.delete('transaction')
    else if (!this.entries.has('transaction')) this.put('transaction', '', step, false)
  }

  /** All goes but the current schema, which only COM_CHANGE_USER sets. */
  private reset(step: StateStep): void {
    const schema = this.entries.get('schema')
    const base = this.base.get('schema')
    this.entries.clear()
    this.base.clear()
    this.base.set('var:autocommit', '1')
    this.nested.clear()
    if (step.op === Command.COM_CHANGE_USER) return
    if (schema !== undefined) this.entries.set('schema', schema)
    if (base !== undefined) this.base.set('schema', base)
  }
}
