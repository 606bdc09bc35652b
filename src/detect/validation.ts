/** How a client checks its connections: who pings what, how often; set against the connections that died for being idle. */
import { CLIENT } from '../core/direction.ts'
import { type Duration, type Instant, NS_PER_SECOND } from '../core/time.ts'
import type { CommandFact, Session } from '../session/session.ts'
import type { Fleet } from './fleet.ts'
import type { IdleCloses } from './idle-close.ts'
import { lostRequest } from './idle-facts.ts'
import type { RuleEvidence } from './rule.ts'
import { forgottenFlow, LONG_SILENCE, silentLoss } from './stale-flow.ts'

/** Checks that make a habit. */
const HABIT = 3
/** Connections of one logical connection (source and replica) are opened together. */
const OPENED_TOGETHER = 1 * NS_PER_SECOND

/** A connection of an application that died while idle, and the request that it lost. */
export interface IdleVictim {
  command: CommandFact
  /** When it had been silent from, and since when it was dead. */
  quietFrom: Instant
  deadFrom: Instant
  /** The timer, or the silence that was too long. */
  timer: Duration
}

/** What the session lost to an idle timer of any kind; null when it lost nothing to one. */
export function idleVictim(s: Session, fleet: Fleet, closes: IdleCloses): IdleVictim | null {
  const v = closes.of(s)
  if (v !== undefined) {
    const command = lostRequest(s)
    const first = s.ending.first
    if (command === null || first === null || v.atLeast) return null
    return { command, quietFrom: first.at - v.death.idle, deadFrom: first.at, timer: v.cluster.min }
  }
  const flow = forgottenFlow(s, fleet)
  if (flow !== null)
    return {
      command: flow.command,
      quietFrom: flow.command.at - flow.idle,
      deadFrom: flow.command.at,
      timer: flow.idle,
    }
  const loss = silentLoss(s, fleet)
  if (loss?.command == null || loss.by !== CLIENT || loss.idle < LONG_SILENCE) return null
  return { command: loss.command, quietFrom: loss.firstAt - loss.idle, deadFrom: loss.firstAt, timer: loss.idle }
}

/** The checks of a session: those that the packets show, or, where TLS hides them, those that the pool's own log tells of. */
export interface Checks {
  count: number
  firstAt: Instant
  lastAt: Instant
  /** The first and the last of them. */
  shown: (says: string) => RuleEvidence[]
}

export function checksOf(s: Session, fleet: Fleet): Checks {
  const wire = s.mysql?.validations
  const told =
    wire !== undefined && wire.count >= HABIT
      ? []
      : fleet.logs.of(s).filter((e) => e.what === 'validated' && e.at !== null)
  if (told.length > (wire?.count ?? 0)) {
    const [first, last] = [told[0]!, told.at(-1)!]
    return {
      count: told.length,
      firstAt: first.at!,
      lastAt: last.at!,
      shown: (says) => [
        { kind: 'log', event: first, says },
        { kind: 'log', event: last, says: 'the last of them' },
      ],
    }
  }
  return {
    count: wire?.count ?? 0,
    firstAt: wire?.firstAt ?? 0,
    lastAt: wire?.lastAt ?? 0,
    shown: (says) => [{ kind: 'frames', frames: [wire?.firstFrame ?? 0, wire?.lastFrame ?? 0], says, of: s }],
  }
}

/** Mean time between the checks of a session, 0 when they are too few to tell. */
export function checkPeriod(s: Session, fleet: Fleet): Duration {
  const v = checksOf(s, fleet)
  return v.count < HABIT ? 0 : (v.lastAt - v.firstAt) / (v.count - 1)
}

/**
 * The connection that was checked in place of the victim: opened together with it by the same client and user, to another
 * server, checked again and again during the victim's silence and used for little else. Null when there is none, or when
 * checks do reach the victim's server.
 */
export function checkedInstead(
  s: Session,
  victim: IdleVictim,
  ofClient: readonly Session[],
  fleet: Fleet,
): Session | null {
  if (checksOf(s, fleet).count > 1) return null
  if (ofClient.some((t) => t.server === s.server && checkPeriod(t, fleet) > 0)) return null
  for (const t of ofClient) {
    const period = checkPeriod(t, fleet)
    if (t === s || t.input !== s.input || t.server === s.server || period === 0 || period >= victim.timer) continue
    const v = checksOf(t, fleet)
    if (v.lastAt < victim.deadFrom || v.firstAt - period > victim.quietFrom + victim.timer) continue
    if (v.count < t.mysql!.commands.total / 2 || !sameUser(s, t)) continue
    if (s.synFrame > 0 && t.synFrame > 0 && Math.abs(s.startAt - t.startAt) > OPENED_TOGETHER) continue
    return t
  }
  return null
}

function sameUser(s: Session, t: Session): boolean {
  const a = s.mysql?.login?.user
  const b = t.mysql?.login?.user
  return a === undefined || b === undefined || a === b
}

const cache = new WeakMap<Fleet, Map<string, Session[]>>()

/** Sessions that a client address opened. */
export function sessionsOf(clientIp: string, fleet: Fleet): readonly Session[] {
  let index = cache.get(fleet)
  if (index === undefined) {
    index = new Map()
    for (const s of fleet.sessions) {
      if (s.mysql === null) continue
      const list = index.get(s.clientIp)
      if (list === undefined) index.set(s.clientIp, [s])
      else list.push(s)
    }
    cache.set(fleet, index)
  }
  return index.get(clientIp) ?? []
}
