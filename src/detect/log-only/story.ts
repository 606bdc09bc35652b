/**
 * Connections as logs alone tell of them: lines of all logs that name the same connection, put together by the client's address
 * and port, by connection id, by the pool's own name. A line that names none is a story of its own.
 */
import { type Duration, type Instant, NS_PER_SECOND } from '../../core/time.ts'
import { endpointKey, parseEndpoint } from '../../correlate/endpoint.ts'
import type { LogEvent } from '../../logs/event.ts'
import { type LogReading, readingOf } from '../log-readings/index.ts'

export interface Told {
  event: LogEvent
  reading: LogReading
}

export interface Story {
  events: LogEvent[]
  /** Those that mean something, in order of time. */
  told: Told[]
  /** `ip:port` as far as some line has it. */
  client: string | null
  server: string | null
}

/** A pool may find a connection dead so long after anybody spoke of it. */
const LONGEST: Duration = 12 * 3600 * NS_PER_SECOND
/** A new connection with the same number: its first line comes later than this after the last of the old one's opening lines. */
const SAME_OPENING: Duration = 2 * NS_PER_SECOND
const OPENS: ReadonlySet<LogEvent['what']> = new Set(['connected'])

/** Products that greet by themselves: what the client calls its connection id is not the server's. */
const OWN_IDS: ReadonlySet<string> = new Set(['ProxySQL', 'MySQL Router', 'MaxScale'])

export function storiesOf(events: readonly LogEvent[]): Story[] {
  const ownIds = events.some((e) => e.role === 'proxy' && OWN_IDS.has(e.product))
  const open = new Map<string, Story>()
  const stories: Story[] = []
  for (const e of events) {
    const keys = keysOf(e, ownIds)
    let story: Story | undefined
    for (const key of keys) {
      const known = open.get(key)
      if (known !== undefined && goesOn(known, e)) {
        story = known
        break
      }
    }
    if (story === undefined) {
      story = { events: [], told: [], client: null, server: null }
      stories.push(story)
    }
    story.events.push(e)
    for (const key of keys) open.set(key, story)
    const reading = readingOf(e)
    if (reading !== null) story.told.push({ event: e, reading })
    story.client ??= endpointKey(e.client)
    if (e.role === 'pool' || e.role === 'driver') story.server ??= serverOf(e)
    else if (e.role === 'proxy' && story.client === null) story.server ??= serverOf(e)
  }
  return stories
}

const serverOf = (e: LogEvent): string | null => ((parseEndpoint(e.server)?.port ?? 0) > 0 ? e.server : null)

/** The id of a server's log is its own; that of an application is the server's, unless a proxy gives out its own. */
function keysOf(e: LogEvent, ownIds: boolean): string[] {
  const keys: string[] = []
  const client = endpointKey(e.client)
  if (client !== null) keys.push(client)
  const application = e.role === 'pool' || e.role === 'driver'
  if (e.connectionId !== null && e.connectionId > 0)
    keys.push(application && ownIds ? `front #${e.connectionId}` : `#${e.connectionId}`)
  if (e.frontId !== null) keys.push(`front #${e.frontId}`)
  if (e.poolConnection !== null) keys.push(`${e.input} ${e.pool ?? ''} ${e.poolConnection}`)
  return keys
}

/** The line may be about the connection that the story tells of. */
function goesOn(story: Story, e: LogEvent): boolean {
  const last = story.events.at(-1)!
  if (e.at === null || last.at === null) return true
  // The line of a proxy that ends it says when it began.
  const from = e.startAt ?? e.at
  const first = story.events[0]!.at ?? from
  if (e.startAt !== null && Math.abs(e.startAt - first) > SAME_OPENING && first < e.startAt) return false
  if (OPENS.has(e.what) && e.at - first > SAME_OPENING + e.precision) return false
  // One name for several connections: the client's address, or the id, tells them apart.
  const client = endpointKey(e.client)
  if (client !== null && story.client !== null && client !== story.client) return false
  if (
    e.connectionId !== null &&
    story.events.some((x) => x.role === e.role && x.connectionId !== null && x.connectionId !== e.connectionId)
  )
    return false
  // Two servers' logs that use the same id tell of two connections.
  if (e.role === 'server' && story.events.some((x) => x.role === 'server' && x.input !== e.input)) return false
  return e.at - last.at <= LONGEST
}

/** When the story's connection was first spoken of as broken: the earliest line that means something. */
export const brokenAt = (story: Story): Instant | null => story.told.find((t) => t.event.at !== null)?.event.at ?? null
