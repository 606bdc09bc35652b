/**
 * The `tls` section of the report (mysqlconn tls): versions and cipher suites in use, handshakes that failed and why, alerts
 * by sender, what a failed session did to others, and which sessions could not be read.
 */
import { CLIENT, sideName } from '../core/direction.ts'
import { type Epoch, type Instant, toSeconds } from '../core/time.ts'
import type { TlsAlertReport, TlsChainEvent, TlsChainReport, TlsFailureReport, TlsReport } from '../report/model.ts'
import type { Session } from '../session/session.ts'
import { type ErrorQueue, errorQueues, type Served, type Trigger, triggerFor, type Victim } from './error-queue.ts'
import type { Fleet } from './fleet.ts'
import { handshakeFailure } from './tls-handshake.ts'
import { hiddenByTls } from './tls-hidden.ts'

/** Ids, addresses and servers named per row; the count goes on. */
const NAMED = 8
/** Events shown of one process. */
const EVENTS_KEPT = 200

export function tlsReport(fleet: Fleet, epoch: Epoch): TlsReport {
  // The same connection seen at two places counts once, and so does TLS that a proxy passes through.
  const own = fleet.sessions.filter((s) => s.mysql !== null || s.tls !== null)
  const tls = own.filter((s) => s.tls !== null)
  const handshakes = { complete: 0, failed: 0, unseen: 0, resumed: 0 }
  for (const s of tls) {
    handshakes[s.tls!.handshake]++
    if (s.tls!.resumed && s.tls!.handshake === 'complete') handshakes.resumed++
  }
  return {
    sessions: tls.length,
    withoutTls: own.length - tls.length,
    handshakes,
    decrypted: tls.filter((s) => s.tls!.decrypted).length,
    renegotiations: tls.reduce((n, s) => n + s.tls!.renegotiations, 0),
    keyUpdates: tls.reduce((n, s) => n + s.tls!.keyUpdates, 0),
    suites: suites(tls),
    failures: failures(tls, fleet, epoch),
    alerts: alerts(tls),
    chains: errorQueues(fleet).map((q) => chain(q, epoch)),
    unread: unread(tls),
  }
}

const add = (list: string[], word: string): void => {
  if (list.length < NAMED && !list.includes(word)) list.push(word)
}

/** Rows by key, in the order of their counts. */
class Rows<Row> {
  private readonly byKey = new Map<string, Row>()

  row(key: string, make: () => Row): Row {
    let row = this.byKey.get(key)
    if (row === undefined) {
      row = make()
      this.byKey.set(key, row)
    }
    return row
  }

  sorted(count: (row: Row) => number): Row[] {
    return [...this.byKey.values()].sort((a, b) => count(b) - count(a))
  }
}

function suites(sessions: readonly Session[]): TlsReport['suites'] {
  const rows = new Rows<TlsReport['suites'][number]>()
  for (const s of sessions) {
    const { version, cipher, resumed, decrypted, handshake } = s.tls!
    // A handshake that failed before the server had chosen uses nothing.
    if (version === null && handshake === 'failed') continue
    const empty = { version, cipher, sessions: 0, resumed: 0, decrypted: 0, servers: [] }
    const row = rows.row(`${version} ${cipher}`, () => ({ ...empty, servers: [] }))
    row.sessions++
    if (resumed) row.resumed++
    if (decrypted) row.decrypted++
    add(row.servers, s.server)
  }
  return rows.sorted((r) => r.sessions)
}

function failures(sessions: readonly Session[], fleet: Fleet, epoch: Epoch): TlsFailureReport[] {
  const unixTime = (at: Instant): number => epoch.unixSeconds + toSeconds(at)
  const rows = new Rows<TlsFailureReport>()
  const counted = new Set<Session>()
  for (const s of sessions) {
    const found = handshakeFailure(s, fleet, unixTime)
    if (found === null && s.tls!.handshake !== 'failed') continue
    const root = found?.session ?? s
    if (counted.has(root)) continue
    counted.add(root)
    const reason = found?.reason ?? 'interrupted'
    const first = root.ending.first
    const by = found !== null ? sideName(found.by) : first === null ? 'unknown' : sideName(first.by)
    const empty = { reason, by, server: root.server, count: 0 } as const
    const row = rows.row(`${reason} ${by} ${root.server}`, () => ({ ...empty, clients: [], sessions: [] }))
    row.count++
    add(row.clients, root.clientIp)
    add(row.sessions, root.id)
  }
  return rows.sorted((r) => r.count)
}

function alerts(sessions: readonly Session[]): TlsAlertReport[] {
  const rows = new Rows<TlsAlertReport>()
  for (const s of sessions) {
    for (const a of s.tls!.alerts) {
      const from = a.by === CLIENT ? s.clientIp : s.serverIp
      const row = rows.row(`${from} ${a.by} ${a.level} ${a.description}`, () => ({
        ...{ by: sideName(a.by), from, level: a.level, description: a.description },
        ...{ number: a.number, count: 0, sessions: [] },
      }))
      row.count++
      add(row.sessions, s.id)
    }
  }
  return rows.sorted((r) => r.count)
}

/** Triggers, and under each what it did, in order of time. */
function chain(queue: ErrorQueue, epoch: Epoch): TlsChainReport {
  const events = [
    ...queue.triggers.map((t) => event('trigger', t, t.frame, t.at, null, words(t), epoch)),
    ...queue.victims.map((v) => ofVictim(v, epoch)),
    ...queue.served.map((x) => ofServed(x, epoch)),
  ].sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0))
  return { process: queue.process, events: events.slice(0, EVENTS_KEPT) }
}

function words(t: Trigger): string {
  return t.kind === 'handshake' ? 'its TLS handshake breaks off' : 'the server closes it under a request'
}

function ofVictim(v: Victim, epoch: Epoch): TlsChainEvent {
  const lost = v.session.ending.lost ?? v.close.outstanding
  const what = v.ping ? 'a ping' : lost === null || hiddenByTls(v.session) ? 'a request' : lost.name
  const says = `cut right after ${what}${v.retryOf === null ? '' : ', tried again'}${v.answerFrame > 0 ? '; the server answers all the same' : ''}`
  return event('victim', v, v.close.frame, v.close.at, triggerFor(v), says, epoch)
}

function ofServed(x: Served, epoch: Epoch): TlsChainEvent {
  const lost = x.session.ending.lost ?? x.close.outstanding
  return event(
    'served',
    x,
    x.close.frame,
    x.close.at,
    x.trigger,
    `loses its connection, and ${lost?.name ?? 'a request'}`,
    epoch,
  )
}

function event(
  kind: TlsChainEvent['kind'],
  of: { session: Session },
  frame: number,
  at: Instant,
  trigger: Trigger | null,
  says: string,
  epoch: Epoch,
): TlsChainEvent {
  const s = of.session
  return {
    ...{ kind, at: epoch.rfc3339(at), session: s.id, client: s.client, server: s.server },
    ...{ frame: s.files.locate(frame).frame, says },
    afterSeconds: trigger === null ? null : toSeconds(at - trigger.at),
  }
}

function unread(sessions: readonly Session[]): TlsReport['unread'] {
  const rows = new Rows<TlsReport['unread'][number]>()
  for (const s of sessions) {
    const why = s.tls!.unread
    if (why === null) continue
    const row = rows.row(why, () => ({ why, count: 0, sessions: [] }))
    row.count++
    add(row.sessions, s.id)
  }
  return rows.sorted((r) => r.count)
}
