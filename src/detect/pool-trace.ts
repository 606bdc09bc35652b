/** Checkouts and checkins of pool traces by session: who held which connection when. */
import { append } from '../core/multimap.ts'
import type { LogEvent } from '../logs/event.ts'
import type { Session } from '../session/session.ts'
import type { Fleet } from './fleet.ts'

/** What the two clocks, pool and capture, may differ by at the ends of a session. */
const SLACK = 2e9
const BORROWS: ReadonlySet<string> = new Set(['checkout', 'checkin'])

export class PoolTrace {
  private readonly byClient = new Map<string, LogEvent[]>()
  private readonly byId = new Map<number, LogEvent[]>()
  private readonly empty: boolean

  constructor(events: readonly LogEvent[]) {
    const borrows = events.filter((e) => e.at !== null && BORROWS.has(e.what))
    borrows.sort((a, b) => a.at! - b.at! || a.line - b.line)
    this.empty = borrows.length === 0
    for (const e of borrows) {
      if (e.client !== null) append(this.byClient, e.client, e)
      if (e.connectionId !== null) append(this.byId, e.connectionId, e)
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
    // What the logs tell of the connection in other words: by the name that the pool gave it, by its port alone.
    const joined = fleet.logs.of(front).filter((e) => e.at !== null && BORROWS.has(e.what))
    return [...new Set([...own, ...theirs, ...joined])].sort((a, b) => a.at! - b.at! || a.line - b.line)
  }
}
