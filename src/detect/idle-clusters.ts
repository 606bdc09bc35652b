/**
 * Idle times before deaths, grouped: one timer kills after the same silence each time, whatever else goes on. Exact closes
 * (FIN, RST, ERR 4031 at expiry) give the timer itself; interval-censored ones (RST or nothing to the next packet) only say
 * that it is shorter than the silence that failed and longer than those that were survived. Survivors are the counter-evidence:
 * a timer of 10 s does not let a silence of 60 s pass.
 */
import { append } from '../core/multimap.ts'
import type { Duration, Instant } from '../core/time.ts'
import { NS_PER_MS, NS_PER_SECOND } from '../core/time.ts'
import { Status } from '../mysql/status.ts'
import type { Session } from '../session/session.ts'
import type { CloseStyle } from './timers.ts'

export interface IdleDeath {
  session: Session
  style: CloseStyle
  at: Instant
  /** Exact closes: silence before the close. Censored: silence before the packet that failed. */
  idle: Duration
}

export interface IdleCluster {
  /** Address and port that accepted these connections. */
  server: string
  style: CloseStyle
  /** Exact: the timer is about `min`. Censored: it is above `survived` and at most `min`. */
  exact: boolean
  deaths: IdleDeath[]
  min: Duration
  max: Duration
  /** Deaths that happened at different moments: each is evidence of its own. */
  moments: number
  /** Sessions of that server that met only shorter silences, and the longest of these. */
  survivors: number
  survived: Duration
  /** Sessions that survived a silence clearly longer than the timer: evidence against it. */
  outlived: Session[]
}

/** Idle times of one timer agree within this, or 1 %, whichever is more: signatures of timers with a coarse clock differ more. */
const SAME_TIMER = 30 * NS_PER_MS
const SAME_TIMER_PART = 0.01
/** Deaths closer together than this may have one cause at that moment rather than each its own expiry. */
export const SAME_MOMENT = 100 * NS_PER_MS
/** A silence must pass the timer by this, or by 5 %, to speak against it. */
const CLEARLY_LONGER = 1 * NS_PER_SECOND
const CLEARLY_LONGER_PART = 0.05

export const isExact = (style: CloseStyle): boolean => style !== 'rst-next' && style !== 'silent'

/** Longest silence that a session is known to have survived: ended by an answered command, or still lasting at the capture's end. */
export function survivedIdle(s: Session): Duration {
  const answered = s.mysql?.longestIdle ?? 0
  const e = s.ending
  if (e.first === null) return e.how === 'open' && e.unanswered === null ? Math.max(answered, e.silence) : answered
  // Closed by its client in order: it had lived until then.
  return e.first.by === 0 && e.first.outstanding === null ? Math.max(answered, e.first.idle) : answered
}

/** Groups deaths by server endpoint and style, then by idle time; counts survivors over all sessions of the same endpoint. */
export function clusterIdle(
  deaths: readonly IdleDeath[],
  byServer: (server: string) => readonly Session[],
): IdleCluster[] {
  const groups = new Map<string, IdleDeath[]>()
  for (const d of deaths) {
    const key = `${d.session.server} ${isExact(d.style) ? d.style : 'censored'}`
    append(groups, key, d)
  }
  const clusters: IdleCluster[] = []
  for (const group of groups.values()) {
    group.sort((a, b) => a.idle - b.idle || a.at - b.at)
    if (!isExact(group[0]!.style)) {
      clusters.push(clusterOf(group, byServer))
      continue
    }
    let from = 0
    for (let i = 1; i <= group.length; i++) {
      const start = group[from]!.idle
      if (i < group.length && group[i]!.idle - start <= Math.max(SAME_TIMER, start * SAME_TIMER_PART)) continue
      clusters.push(clusterOf(group.slice(from, i), byServer))
      from = i
    }
  }
  return clusters
}

function clusterOf(deaths: IdleDeath[], byServer: (server: string) => readonly Session[]): IdleCluster {
  const { session, style } = deaths[0]!
  const exact = isExact(style)
  const min = deaths[0]!.idle
  const max = deaths.at(-1)!.idle
  const dead = new Set(deaths.map((d) => d.session))
  let survivors = 0
  let survived = 0
  const outlived: Session[] = []
  for (const s of byServer(session.server)) {
    // What the dead ones survived before counts as well.
    const idle = dead.has(s) ? (s.mysql?.longestIdle ?? 0) : survivedIdle(s)
    if (idle <= 0) continue
    if (idle > max + Math.max(CLEARLY_LONGER, max * CLEARLY_LONGER_PART)) {
      if (!inTransaction(s)) outlived.push(s)
    } else if (idle < min) {
      survivors++
      survived = Math.max(survived, idle)
    }
  }
  return {
    server: session.server,
    style,
    exact,
    deaths,
    min,
    max,
    moments: momentsOf(deaths),
    survivors,
    survived,
    outlived,
  }
}

/** An open transaction has timers of its own (ProxySQL mysql-max_transaction_idle_time, MariaDB idle_transaction_timeout). */
function inTransaction(s: Session): boolean {
  const flags = s.mysql?.lastStatusFlags ?? -1
  return flags >= 0 && (flags & Status.SERVER_STATUS_IN_TRANS) !== 0
}

/** Moments further apart than SAME_MOMENT. A connection that two captures hold died once. */
function momentsOf(deaths: readonly IdleDeath[]): number {
  const once = new Map<string, Instant>()
  for (const d of deaths) {
    const key = `${d.session.client} ${d.session.mysql?.greeting?.connectionId ?? d.session.id}`
    if (!once.has(key)) once.set(key, d.at)
  }
  let n = 0
  let last = Number.NEGATIVE_INFINITY
  for (const t of [...once.values()].sort((a, b) => a - b)) {
    if (t - last <= SAME_MOMENT) continue
    n++
    last = t
  }
  return n
}

/** Timers are set to whole seconds, proxies' sometimes to halves, and fire a little late: how far past such a value, -1 if not near one. */
export function roundness(idle: Duration, step: Duration, late: Duration): Duration {
  if (idle < step) return -1
  const over = (idle + EARLY) % step
  return over <= late + EARLY ? Math.max(0, over - EARLY) : -1
}

/** Capture clocks may run this much fast against the timer's. */
const EARLY = 3 * NS_PER_MS
