/**
 * What else is seen of the process (or, where that is unknown, of the host) that closed a connection while it waited: a
 * process that goes on has given up by itself, one that is never heard of again may have died. And which waits repeat.
 */
import { CLIENT } from '../core/direction.ts'
import { append } from '../core/multimap.ts'
import { type Duration, type Instant, NS_PER_MS, NS_PER_SECOND } from '../core/time.ts'
import type { Session } from '../session/session.ts'
import type { Fleet } from './fleet.ts'

/** Connections of a process are closed by the kernel within this time of its death. */
const SAME_EXIT = 20 * NS_PER_MS
/** A process that was restarted needs longer than this to connect again; one that lives retries at once. */
const RETRY = 1 * NS_PER_SECOND
/** Two waits for the same timer differ by what the scheduler and a busy event loop add. */
const ALIKE = 0.02
const ALIKE_AT_LEAST = 10 * NS_PER_MS

/** Sessions of one client, by begin; `latest[i]`: the two of the first i+1 that sent data last. */
interface Client {
  sessions: Session[]
  latest: (readonly [Session, Session | null])[]
}

class Processes {
  private readonly byClient = new Map<string, Client>()
  /** When a client first closed on a running command. */
  private readonly gaveUp = new Map<string, Instant>()
  private readonly waits = new Map<string, { waited: Duration; at: Instant; session: Session }[]>()

  constructor(fleet: Fleet) {
    for (const s of fleet.sessions) {
      if (s.mysql === null && s.tls === null) continue
      for (const key of new Set([keyOf(s), hostOf(s)])) {
        const c = this.byClient.get(key)
        if (c === undefined) this.byClient.set(key, { sessions: [s], latest: [] })
        else c.sessions.push(s)
      }
      const first = s.ending.first
      if (first?.by !== CLIENT || s.ending.quit || first.outstanding === null) continue
      append(this.waits, s.clientIp, { waited: first.at - first.outstanding.at, at: first.at, session: s })
      this.gaveUp.set(keyOf(s), Math.min(this.gaveUp.get(keyOf(s)) ?? first.at, first.at))
    }
    for (const c of this.byClient.values()) {
      c.sessions.sort((a, b) => a.startAt - b.startAt)
      let last: Session | null = null
      let before: Session | null = null
      for (const s of c.sessions) {
        if (last === null || spoke(s) > spoke(last)) [last, before] = [s, last]
        else if (before === null || spoke(s) > spoke(before)) before = s
        c.latest.push([last, before])
      }
    }
    for (const list of this.waits.values()) list.sort((a, b) => a.waited - b.waited)
  }

  /** Another connection of the same process, or of the same program on the same host, that goes on after `at`. */
  goesOn(s: Session, at: Instant): Session | null {
    const c = this.byClient.get(keyOf(s))
    if (c === undefined) return null
    // A process id is proof at any distance; a program's name only while no restart can have come between.
    const until = pidOf(s) === null ? at + RETRY : Number.POSITIVE_INFINITY
    const open = below(c.sessions, at) - 1
    if (open >= 0) {
      const [last, before] = c.latest[open]!
      const other = last === s ? before : last
      if (other !== null && spoke(other) > at + SAME_EXIT) return other
    }
    for (let i = open + 1; i < c.sessions.length && c.sessions[i]!.startAt <= until; i++)
      if (c.sessions[i] !== s && c.sessions[i]!.sides[CLIENT].bytes > 0) return c.sessions[i]!
    return null
  }

  /** It had closed on a running command before, and lived: then it may well have done so again. */
  gaveUpBefore(s: Session, at: Instant): boolean {
    return (this.gaveUp.get(keyOf(s)) ?? at) < at - SAME_EXIT
  }

  /** Another connection of the same address that was given up after the same wait, at another moment. */
  waitedAlike(s: Session, waited: Duration, at: Instant): Session | null {
    const within = Math.max(ALIKE_AT_LEAST, waited * ALIKE)
    const list = this.waits.get(s.clientIp) ?? []
    for (let i = from(list, waited - within); i < list.length && list[i]!.waited <= waited + within; i++) {
      const o = list[i]!
      if (o.session !== s && Math.abs(o.at - at) > SAME_EXIT && !sameConnection(o.session, s)) return o.session
    }
    return null
  }
}

const cache = new WeakMap<Fleet, Processes>()

export function processes(fleet: Fleet): Processes {
  let found = cache.get(fleet)
  if (found === undefined) {
    found = new Processes(fleet)
    cache.set(fleet, found)
  }
  return found
}

/** The process that the client named in its connection attributes (`_pid`); null where it named none, or 1, as in every container. */
export function pidOf(s: Session): string | null {
  const pid = s.mysql?.login?.attributes['_pid'] ?? '1'
  return pid === '1' ? null : pid
}

/** The host, where nothing is known of the program either: the login was not seen. */
const hostOf = (s: Session): string => `${s.input} ${s.clientIp}`

/** The process, or where it is unknown the program, that a session belongs to. */
function keyOf(s: Session): string {
  if (s.mysql?.login == null) return hostOf(s)
  const a = s.mysql.login.attributes
  return `${s.input} ${s.clientIp} ${a['_client_name'] ?? ''} ${a['program_name'] ?? ''} ${pidOf(s) ?? ''}`
}

const spoke = (s: Session): Instant => s.sides[CLIENT].lastDataAt

/** The same connection at another capture point, or the other leg of a proxy, is no second witness. */
function sameConnection(a: Session, b: Session): boolean {
  if (a.input !== b.input) return true
  const x = a.mysql?.greeting
  const y = b.mysql?.greeting
  return x != null && y != null && x.scramble === y.scramble && x.connectionId === y.connectionId
}

/** Number of sessions that had begun by `at`. */
function below(sessions: readonly Session[], at: Instant): number {
  let low = 0
  let high = sessions.length
  while (low < high) {
    const mid = (low + high) >> 1
    if (sessions[mid]!.startAt <= at) low = mid + 1
    else high = mid
  }
  return low
}

function from(list: readonly { waited: Duration }[], waited: Duration): number {
  let low = 0
  let high = list.length
  while (low < high) {
    const mid = (low + high) >> 1
    if (list[mid]!.waited < waited) low = mid + 1
    else high = mid
  }
  return low
}
