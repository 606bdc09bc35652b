/**
 * Server connections that a proxy shares among its clients, as the wire shows it: when one was taken into use again, by which
 * command, what was restored on it, and at what cost; and why one was not given back (MySQL Router: connection sharing;
 * ProxySQL: multiplexing; MaxScale: idle_session_pool_time).
 */
import type { Duration, Instant } from '../core/time.ts'
import { Command } from '../mysql/commands.ts'
import { Tracker } from '../mysql/messages/ok.ts'
import { Status } from '../mysql/status.ts'
import type { Session } from '../session/session.ts'
import { SessionState } from '../state/replay.ts'
import type { StateStep } from '../state/step.ts'

/** A server connection taken into use again. */
export interface Reuse {
  at: Instant
  frame: number
  how: 'reset' | 'change-user'
  /** Silence before it. */
  idle: Duration
  /** Round trips before the client's own statement could go out: the reset, restored variables, schema, checks. */
  roundTrips: number
  /** Keys that were set again (effect.ts). */
  restored: readonly string[]
}

/** Why a connection could not be shared at a moment. */
export type Blocked =
  | 'open-transaction'
  | 'transaction-characteristics'
  | 'state-changed'
  | 'trackers-off'
  | 'table-locks'
  | 'user-lock'
  | 'temporary-table'
  | 'user-variable'
  | 'prepared-statement'

/** Values of the four trackers without which MySQL Router cannot share. */
const TRACKERS: Readonly<Record<string, RegExp>> = {
  'var:session_track_system_variables': /^\*$/,
  'var:session_track_gtids': /^own_gtid$/i,
  'var:session_track_state_change': /^(1|on|true)$/i,
  'var:session_track_transaction_info': /^characteristics$/i,
}

const TAKES = (step: StateStep): boolean =>
  step.op === Command.COM_CHANGE_USER || step.op === Command.COM_RESET_CONNECTION

/** A burst of the four session trackers right after the login: MySQL Router that means to share. */
export function sharesLikeRouter(back: Session): boolean {
  const steps = back.mysql?.state?.steps ?? []
  return steps.some((x) => {
    const keys = new Set(x.effects.map((e) => e.key))
    return (
      keys.has('var:session_track_system_variables') &&
      keys.has('var:session_track_state_change') &&
      keys.has('var:session_track_gtids')
    )
  })
}

/** A step in the proxy's own words: it restores or reads variables. */
const PROXYS_OWN =
  /^\s*(?:set\s+@@session\.|set\s+(?:names|session|character)\b|select\s+'[a-z_]+'\s*,\s*@@session\.|select\s+@@)/i

export function reusesOf(back: Session): Reuse[] {
  const steps = back.mysql?.state?.steps ?? []
  const out: Reuse[] = []
  for (const [i, step] of steps.entries()) {
    if (!TAKES(step) || step.code !== 0) continue
    const restored = new Set<string>()
    let roundTrips = 1
    for (const x of steps.slice(i + 1)) {
      const own =
        x.op === Command.COM_INIT_DB || x.op === Command.COM_SET_OPTION || (x.text !== null && PROXYS_OWN.test(x.text))
      // What the client asks for comes when it comes; the proxy's own words come at once.
      if (!own || x.idle > step.idle + 5e6) break
      roundTrips++
      for (const e of x.effects) restored.add(e.key)
    }
    const how = step.op === Command.COM_CHANGE_USER ? 'change-user' : 'reset'
    out.push({ at: step.at, frame: step.frame, how, idle: step.idle, roundTrips, restored: [...restored] })
  }
  return out
}

/** A pause in which the connection stayed with its client, and what stood against sharing it. */
export interface Held {
  /** The step before which it was idle. */
  step: StateStep
  idle: Duration
  why: readonly Blocked[]
  /** The step that brought about each reason. */
  since: readonly StateStep[]
}

/** Pauses of at least `delay` after which the same client went on without a reset. */
export function heldPauses(s: Session, delay: Duration, router: boolean): Held[] {
  const facts = s.mysql?.state
  if (facts == null) return []
  const state = new SessionState(s.mysql?.login?.schema ?? '', facts.status)
  const out: Held[] = []
  let characteristics: StateStep | null = null
  let changed: StateStep | null = null
  let transaction: StateStep | null = null
  for (const step of facts.steps) {
    if (step.idle >= delay && !TAKES(step) && step.op !== Command.COM_PING) {
      const reasons: [Blocked, StateStep][] = []
      if (transaction !== null) reasons.push(['open-transaction', transaction])
      if (characteristics !== null && transaction === null)
        reasons.push(['transaction-characteristics', characteristics])
      for (const e of state.entries.values()) {
        const why = blocks(e.key, router)
        if (why !== null && !reasons.some(([w]) => w === why)) reasons.push([why, e.by])
        if (router && TRACKERS[e.key] !== undefined && !TRACKERS[e.key]!.test(e.value))
          reasons.push(['trackers-off', e.by])
      }
      if (router && changed !== null && reasons.length === 0) reasons.push(['state-changed', changed])
      if (reasons.length > 0)
        out.push({ step, idle: step.idle, why: reasons.map(([w]) => w), since: reasons.map(([, by]) => by) })
    }
    state.apply(step, step.initial)
    if (TAKES(step)) {
      characteristics = null
      changed = null
      transaction = null
    }
    if (step.status >= 0) {
      if ((step.status & Status.SERVER_STATUS_IN_TRANS) === 0) transaction = null
      else transaction ??= state.entries.get('transaction')?.by ?? step
    }
    for (const t of step.tracked) {
      if (t.type === Tracker.SESSION_TRACK_TRANSACTION_CHARACTERISTICS) characteristics = t.value === '' ? null : step
      // Plain SET and USE are followed; anything else that changes the session is not.
      if (t.type === Tracker.SESSION_TRACK_STATE_CHANGE && t.value === '1' && !FOLLOWED.test(step.text ?? ''))
        changed = step
    }
  }
  return out
}

const FOLLOWED = /^\s*(?:set|use|begin|start|commit|rollback)\b/i

/** State that neither MySQL Router nor ProxySQL moves to another connection. */
function blocks(key: string, router: boolean): Blocked | null {
  if (key.startsWith('lock:')) return 'table-locks'
  if (key.startsWith('userlock:')) return 'user-lock'
  if (key.startsWith('temp:')) return 'temporary-table'
  if (key.startsWith('user:')) return 'user-variable'
  if (key.startsWith('prepare:')) return 'prepared-statement'
  return router && key.startsWith('handler:') ? 'state-changed' : null
}
