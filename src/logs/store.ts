/** The events kept of all logs: bounded, those that matter first. */
import { LIMITS } from '../core/limits.ts'
import type { Instant } from '../core/time.ts'
import type { LogEvent, LogWhat } from './event.ts'

/** 2: says why something broke. 1: joins (who had which connection when). 0: context. */
const RANK: Readonly<Record<LogWhat, 0 | 1 | 2>> = {
  connected: 1,
  closed: 1,
  'idle-closed': 2,
  'timed-out': 2,
  killed: 2,
  broken: 2,
  aborted: 2,
  retired: 1,
  checkout: 1,
  checkin: 1,
  validated: 1,
  'validation-failed': 2,
  'connect-failed': 2,
  'auth-failed': 2,
  'too-many-connections': 2,
  'host-blocked': 2,
  'tls-failed': 2,
  statement: 0,
  error: 2,
  retried: 2,
  exhausted: 2,
  stats: 0,
  setting: 1,
  started: 2,
  stopped: 2,
  crashed: 2,
  'server-down': 2,
  'server-up': 2,
  reset: 1,
  paused: 2,
  other: 0,
}

/** A close that somebody forced is worth more than an orderly one. */
export const rankOf = (what: LogWhat, state: string | null, level: LogEvent['level']): 0 | 1 | 2 => {
  if (what === 'closed' && state !== null && state !== '--') return 2
  if (what === 'other' && (level === 'error' || level === 'warning')) return 1
  return RANK[what]
}

export class EventStore {
  private readonly kept: [LogEvent[], LogEvent[], LogEvent[]] = [[], [], []]
  private readonly room: readonly [number, number, number]
  /** Times worth most: those of the captures, with a day on either side for wrong zones. Null: all are alike. */
  window: { from: Instant; to: Instant } | null = null
  /** Events that found no room. */
  dropped = 0

  constructor(events: number = LIMITS.logEvents) {
    // Half the room belongs to what matters, so that no flood of routine can push it out.
    this.room = [Math.floor(events / 8), Math.floor((events * 3) / 8), Math.floor(events / 2)]
  }

  private hasRoom(rank: 0 | 1 | 2): boolean {
    return this.kept[rank].length < this.room[rank]
  }

  /** Whether an event of this rank would still be kept, near the captures or far from them; null: of any rank. */
  wanted(rank: 0 | 1 | 2 | null): boolean {
    if (rank === null) return this.hasRoom(2) || this.hasRoom(1) || this.hasRoom(0)
    return this.hasRoom(rank) || (this.window !== null && rank > 0 && this.hasRoom((rank - 1) as 0 | 1))
  }

  /** Keeps the event unless its class is full; false when it was dropped. */
  add(event: LogEvent): boolean {
    const { at, what, state, level } = event
    let rank = rankOf(what, state, level)
    const { window } = this
    if (window !== null && at !== null && rank > 0 && (at < window.from || at > window.to)) rank = (rank - 1) as 0 | 1
    if (!this.hasRoom(rank)) {
      this.dropped++
      return false
    }
    this.kept[rank].push(event)
    return true
  }

  /** All events, by input in the order in which inputs were read, then by line. */
  list(): LogEvent[] {
    const order = new Map<string, number>()
    const all = [...this.kept[2], ...this.kept[1], ...this.kept[0]]
    for (const name of this.inputs) order.set(name, order.size)
    return all.sort((a, b) => (order.get(a.input) ?? 0) - (order.get(b.input) ?? 0) || a.line - b.line)
  }

  /** Names of the inputs in reading order. */
  readonly inputs: string[] = []
}
