/**
 * The seconds around a finding, from every source: what the packets of each session show and what each log says, on one clock. Of
 * sessions only what was kept while reading is known: their ends, their last commands, and the timelines of those that broke.
 */
import { CLIENT, SERVER } from './core/direction.ts'
import { type Duration, type Instant, NS_PER_SECOND } from './core/time.ts'
import type { Fleet } from './detect/fleet.ts'
import { readingOf } from './detect/log-readings/index.ts'
import { commandName } from './mysql/commands.ts'
import type { Session } from './session/session.ts'
import { EventKind, type TimelineEvent } from './session/timeline.ts'

export interface AroundEvent {
  at: Instant
  input: string
  /** Frame of a capture, or line of a log. */
  place: number
  kind: 'frame' | 'log'
  /** Id of the session, where one is known. */
  session: string | null
  client: string | null
  server: string | null
  by: 'client' | 'server' | null
  what: string
  says: string
  emphasis: boolean
}

/** Looked at before and after the moment of each occurrence. */
export const AROUND: Duration = 5 * NS_PER_SECOND
/** Events shown: those nearest to the moment. */
const MOST = 300

/** What happened within `AROUND` of this moment, in order of time; `sessions` are those that the finding names. */
export function eventsAround(
  fleet: Fleet,
  at: Instant,
  sessions: ReadonlySet<string>,
): { events: AroundEvent[]; dropped: number } {
  const from = at - AROUND
  const to = at + AROUND
  const found: AroundEvent[] = []
  for (const s of fleet.sessions) {
    if (s.endAt < from || s.startAt > to) continue
    for (const e of momentsOf(s, sessions.has(s.id))) if (e.at >= from && e.at <= to) found.push(e)
  }
  for (const e of fleet.logs.between(from, to)) {
    const session = fleet.logs.sessionsOf(e)[0] ?? null
    found.push({
      at: e.at!,
      input: e.input,
      place: e.line,
      kind: 'log',
      session: session?.id ?? null,
      client: session?.client ?? e.client,
      server: session?.server ?? e.server,
      by: null,
      what: e.product,
      says: e.text,
      emphasis: readingOf(e)?.weight === 'says',
    })
  }
  const nearest = [...found].sort((a, b) => Math.abs(a.at - at) - Math.abs(b.at - at)).slice(0, MOST)
  const order = (a: AroundEvent, b: AroundEvent): number =>
    a.at - b.at || (a.input < b.input ? -1 : a.input > b.input ? 1 : a.place - b.place)
  return { events: nearest.sort(order), dropped: found.length - nearest.length }
}

/** What is known of a session, as moments; of one that the finding names all, of others begin, end and errors. */
function momentsOf(s: Session, named: boolean): AroundEvent[] {
  const out = new Map<string, AroundEvent>()
  const add = (
    at: Instant,
    frame: number,
    by: AroundEvent['by'],
    what: string,
    says: string,
    emphasis = false,
  ): void => {
    if (frame <= 0) return
    const place = s.files.locate(frame)
    out.set(`${frame} ${what}`, {
      at,
      input: place.input,
      place: place.frame,
      kind: 'frame',
      session: s.id,
      client: s.client,
      server: s.server,
      by,
      what,
      says,
      emphasis,
    })
  }
  add(s.startAt, s.synFrame, 'client', 'SYN', '')
  for (const t of s.timeline) if (named || CLOSING.has(t.kind)) addTimeline(t, add)
  if (named) {
    const lost = s.ending.lost
    if (lost !== null) add(lost.at, lost.frame, 'client', lost.name, lost.text ?? '', true)
  }
  for (const e of s.mysql?.errorFacts ?? []) add(e.at, e.frame, 'server', `error ${e.code}`, e.message, true)
  for (const k of s.mysql?.kills ?? [])
    add(k.at, k.frame, 'client', k.query ? 'KILL QUERY' : 'KILL', String(k.connectionId), true)
  const first = s.ending.first
  if (first !== null)
    add(
      first.at,
      first.frame,
      first.by === CLIENT ? 'client' : 'server',
      first.how.toUpperCase(),
      'the first close',
      named,
    )
  for (const r of s.ending.resets) add(r.at, r.frame, r.dir === CLIENT ? 'client' : 'server', 'RST', '')
  for (const a of s.tls?.alerts ?? [])
    add(a.at, a.frame, a.by === CLIENT ? 'client' : 'server', 'TLS alert', a.description)
  return [...out.values()]
}

const CLOSING: ReadonlySet<EventKind> = new Set([EventKind.error, EventKind.rst, EventKind.fin, EventKind.tlsAlert])
const NAMES: Partial<Record<EventKind, string>> = {
  [EventKind.greeting]: 'greeting',
  [EventKind.login]: 'login',
  [EventKind.authenticated]: 'login OK',
  [EventKind.reply]: 'answer',
  [EventKind.retransmission]: 'retransmission',
  [EventKind.zeroWindow]: 'zero window',
  [EventKind.keepAlive]: 'keep-alive',
  [EventKind.sslRequest]: 'SSLRequest',
}

function addTimeline(
  t: TimelineEvent,
  add: (at: Instant, frame: number, by: AroundEvent['by'], what: string, says: string, emphasis?: boolean) => void,
): void {
  const by = t.dir === SERVER ? 'server' : 'client'
  if (t.kind === EventKind.command) add(t.at, t.frame, by, commandName(t.value), '')
  else if (t.kind === EventKind.rst) add(t.at, t.frame, by, 'RST', '')
  else if (t.kind === EventKind.fin) add(t.at, t.frame, by, 'FIN', '')
  else {
    const what = NAMES[t.kind]
    if (what !== undefined) add(t.at, t.frame, by, what, '')
  }
}
