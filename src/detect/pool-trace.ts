/** Checkouts and checkins of pool traces by session: who held which connection when. */
import type { LogEvent } from '../logs/event.ts'
import type { Session } from '../session/session.ts'
import type { Fleet } from './fleet.ts'

/** What the two clocks, pool and capture, may differ by at the ends of a session. */
const SLACK = 2e9

export class PoolTrace {
  private readonly byClient = new Map<string, LogEvent[]>()
  private readonly byId = new Map<number, LogEvent[]>()
  readonly empty: boolean

  constructor(events: readonly LogEvent[]) {
    const borrows = events.filter((e) => e.at !== null && (e.what === 'checkout' || e.what === 'checkin'))
    borrows.sort((a, b) => a.at! - b.at! || a.line - b.line)
    this.empty = borrows.length === 0
    for (const e of borrows) {
      if (e.client !== null) push(this.byClient, e.client, e)
      if (e.connectionId !== null) push(this.byId, e.connectionId, e)
    }
  }

  /** The borrows of a connection, in order: found by the pool's own local port, or by the connection id. */
  of(s: Session, fleet: Fleet): readonly LogEvent[] {
    if (this.empty) return []
    const front = fleet.frontLeg(s) ?? s
    const during = (e: LogEvent): boolean => e.at! >= front.startAt - SLACK && e.at! <= front.endAt + SLACK
    const own = (this.byClient.get(front.client) ?? []).filter(during)
    // A checkin often names the connection by its id alone.
    const ids = new Set(own.map((e) => e.connectionId).filter((id) => id !== null))
    const greeted = front.mysql?.greeting?.connectionId ?? 0
    if (greeted > 0) ids.add(greeted)
    const named = [...ids].flatMap((id) => this.byId.get(id) ?? []).filter(during)
    const theirs = named.filter((e) => e.client === null || e.client === front.client)
    return [...new Set([...own, ...theirs])].sort((a, b) => a.at! - b.at! || a.line - b.line)
  }
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}
