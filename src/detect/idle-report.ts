/**
 * The `idle` section of the report (mysqlconn idle): how long connections were silent, which silences ended in death, and
 * which timers that fits.
 */
import { type Duration, toSeconds } from '../core/time.ts'
import type { IdleBucket, IdleReport, IdleTimerReport } from '../report/model.ts'
import type { Session } from '../session/session.ts'
import type { Fleet } from './fleet.ts'
import { type IdleCloses, idleCloses } from './idle-close.ts'
import { clusterIdle, type IdleCluster, type IdleDeath, survivedIdle } from './idle-clusters.ts'
import { lostRequest } from './idle-facts.ts'
import { forgottenFlow, LONG_SILENCE, silentLoss } from './stale-flow.ts'
import { fits, type KnownTimer } from './timers.ts'

/** Edges of the histogram, seconds: about three to a decade, and the round values that timers like. */
const EDGES = [0, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 28_800]
/** Timers named per cluster. */
const FITS_KEPT = 8

/** Reads all sessions once more; what the rules have already worked out is reused. */
export function idleReport(fleet: Fleet): IdleReport {
  const closes = idleCloses(fleet, () => false)
  const byServer = new Map<string, Session[]>()
  const censored: IdleDeath[] = []
  for (const s of fleet.sessions) {
    if (s.mysql === null) continue
    const list = byServer.get(s.server)
    if (list === undefined) byServer.set(s.server, [s])
    else list.push(s)
    const death = censoredDeath(s, fleet)
    if (death !== null) censored.push(death)
  }
  const clusters = [...closes.clusters, ...clusterIdle(censored, (server) => byServer.get(server) ?? [])]
  const timers = clusters.map((c) => timerReport(c, closes))
  timers.sort(
    (a, b) => b.lost - a.lost || b.closes - a.closes || a.seconds - b.seconds || (a.server < b.server ? -1 : 1),
  )
  return { histogram: histogram(fleet, clusters, closes), timers }
}

function censoredDeath(s: Session, fleet: Fleet): IdleDeath | null {
  const flow = forgottenFlow(s, fleet)
  if (flow !== null) return { session: s, style: 'rst-next', at: flow.command.at, idle: flow.idle }
  const loss = silentLoss(s, fleet)
  return loss === null || loss.idle < LONG_SILENCE
    ? null
    : { session: s, style: 'silent', at: loss.firstAt, idle: loss.idle }
}

function timerReport(c: IdleCluster, closes: IdleCloses): IdleTimerReport {
  const verdict = c.deaths.map((d) => closes.of(d.session)).find((v) => v !== undefined)
  const where: KnownTimer['where'][] = !c.exact
    ? ['middlebox']
    : verdict === undefined
      ? ['server', 'proxy']
      : verdict.culprit.role === 'server'
        ? ['server']
        : ['proxy', 'middlebox']
  const range = c.exact
    ? { above: toSeconds(c.min), below: toSeconds(c.min) }
    : { above: toSeconds(c.survived), below: toSeconds(c.min) }
  return {
    server: c.server,
    close: c.style,
    exact: c.exact,
    seconds: seconds(c.min),
    maxSeconds: seconds(c.max),
    aboveSeconds: c.exact ? null : seconds(c.survived),
    closes: c.deaths.length,
    moments: c.moments,
    lost: c.deaths.filter((d) => d.style === 'silent' || lostRequest(d.session) !== null).length,
    survivors: c.survivors,
    longestSurvivedSeconds: seconds(c.survived),
    outlived: c.outlived.length,
    finding: c.exact ? (verdict?.rule ?? null) : c.style === 'silent' ? 'silent-drop' : 'middlebox-reset',
    culprit: verdict?.culprit ?? (c.exact ? null : { role: 'middlebox', address: null, product: null }),
    fits: fits(c.style, range, where)
      .filter((f) => f.byDefault || f.timer.where !== 'middlebox' || !c.exact)
      .slice(0, FITS_KEPT)
      .map(({ timer, byDefault }) => ({
        product: timer.product,
        setting: timer.setting,
        defaultSeconds: timer.seconds,
        byDefault,
        source: timer.source.url,
      })),
  }
}

function histogram(fleet: Fleet, clusters: readonly IdleCluster[], closes: IdleCloses): IdleBucket[] {
  const buckets: IdleBucket[] = EDGES.map((from, i) => ({
    fromSeconds: from,
    toSeconds: EDGES[i + 1] ?? null,
    survived: 0,
    closed: 0,
    lost: 0,
  }))
  const dead = new Map<Session, IdleDeath>()
  for (const c of clusters) for (const d of c.deaths) dead.set(d.session, d)
  for (const s of fleet.sessions) {
    if (s.mysql === null) continue
    const death = dead.get(s)
    // The other leg of one that died is counted there.
    if (death === undefined && closes.of(s) !== undefined) continue
    const survived = death === undefined ? survivedIdle(s) : s.mysql.longestIdle
    if (survived > 0) bucketOf(buckets, survived).survived++
    if (death === undefined) continue
    if (death.style === 'silent' || lostRequest(s) !== null) bucketOf(buckets, death.idle).lost++
    else bucketOf(buckets, death.idle).closed++
  }
  return buckets
}

function bucketOf(buckets: IdleBucket[], idle: Duration): IdleBucket {
  const s = toSeconds(idle)
  return buckets.findLast((b) => s >= b.fromSeconds) ?? buckets[0]!
}

const seconds = (d: Duration): number => Math.round(toSeconds(d) * 1000) / 1000
