/** Starts and ends of a server as its own log tells them: a crash is a start after no stop, a recovery, or a signal. */
import { type Duration, type Instant, NS_PER_SECOND } from '../core/time.ts'
import type { LogIndex } from '../correlate/log-index.ts'
import type { LogEvent } from '../logs/event.ts'

export interface ServerEnd {
  how: 'crashed' | 'stopped'
  /** When it ended, as near as the log tells: a crash without a word lies between the last line and the next start. */
  from: Instant
  /** When it was back, or the end of what is known. */
  until: Instant
  /** The line that shows it, and what that says. */
  event: LogEvent
  says: string
  /** The log names it (a signal, crash recovery, a shutdown); otherwise only the missing stop before a start tells. */
  sure: boolean
}

/** A line about an end may be stamped this much off the closes that it explains, and refusals last until the port is open again. */
const AROUND: Duration = 2 * NS_PER_SECOND
/** Nobody leaves a server that died lying longer than this without saying so; the last line before may be hours old. */
const DEAD: Duration = 120 * NS_PER_SECOND
/** A process that died and did not come back within this is not seen to have restarted. */
const RESTART: Duration = 300 * NS_PER_SECOND

const cache = new WeakMap<LogIndex, readonly ServerEnd[]>()

/** The end of a server at this moment, null when no log tells of one. */
export function serverLifeNear(logs: LogIndex, at: Instant): ServerEnd | null {
  const ends = serverEnds(logs).filter((x) => at >= x.from - AROUND && at <= x.until + AROUND)
  return ends.find((x) => x.sure) ?? ends[0] ?? null
}

/** All ends of servers that the logs tell of, in order of time. */
export function serverEnds(logs: LogIndex): readonly ServerEnd[] {
  let found = cache.get(logs)
  if (found === undefined) {
    found = find(logs)
    cache.set(logs, found)
  }
  return found
}

function find(logs: LogIndex): ServerEnd[] {
  const ends: ServerEnd[] = []
  const byInput = new Map<string, LogEvent[]>()
  for (const e of logs.events) {
    if (e.role !== 'server' || e.at === null) continue
    const list = byInput.get(e.input)
    if (list === undefined) byInput.set(e.input, [e])
    else list.push(e)
  }
  for (const events of byInput.values()) ends.push(...endsOf(events))
  return ends.sort((a, b) => a.from - b.from)
}

function endsOf(events: readonly LogEvent[]): ServerEnd[] {
  const ends: ServerEnd[] = []
  let up = false
  let seenBefore: Instant | null = null
  let open: ServerEnd | null = null
  for (const e of events) {
    const at = e.at!
    // Every start of MySQL recovers its XA transactions, crash or not.
    if (e.what === 'crashed' && /XA crash recovery/.test(e.text)) continue
    if (e.what === 'crashed') {
      const recovering = /recover/i.test(e.text)
      if (open !== null && open.how === 'crashed') {
        open.sure = true
        if (recovering) open.says = 'it had to recover from a crash when it started'
      } else if (open === null) {
        open = {
          how: 'crashed',
          // Recovery is written by the next process: the crash was before it.
          from: recovering ? Math.max(seenBefore ?? at - DEAD, at - DEAD) : at,
          until: recovering ? at : at + RESTART,
          event: e,
          says: recovering
            ? 'it had to recover from a crash when it started'
            : `it crashed${e.reason === null ? '' : `: ${e.reason}`}`,
          sure: true,
        }
        ends.push(open)
      }
    } else if (e.what === 'stopped') {
      if (open === null || open.how !== 'stopped') {
        open = { how: 'stopped', from: at, until: at + RESTART, event: e, says: 'it was shut down', sure: true }
        ends.push(open)
      }
      up = false
    } else if (e.what === 'started') {
      if (open === null && up) {
        open = {
          how: 'crashed',
          from: Math.max(seenBefore ?? at - DEAD, at - DEAD),
          until: at,
          event: e,
          says: 'it started again without having been shut down',
          sure: false,
        }
        ends.push(open)
      }
      const ready = /ready for connections/i.test(e.text)
      if (open !== null) {
        open.until = at + e.precision
        if (ready) open = null
      }
      up = up || ready
    }
    seenBefore = at
  }
  return ends
}
