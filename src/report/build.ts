/** Sessions and findings as the report shows them: times as text, names for numbers, what limits the reading in words. */
import { ANOMALY_KINDS, type AnomalyLog, type AnomalyName } from '../core/anomaly.ts'
import { CLIENT, SERVER, sideName } from '../core/direction.ts'
import { type Epoch, toSeconds } from '../core/time.ts'
import type { Fleet } from '../detect/fleet.ts'
import { commandName } from '../mysql/commands.ts'
import type { Session } from '../session/session.ts'
import { UNREAD_WORDS } from '../tls/unread.ts'
import { betterCapture } from './completeness.ts'
import type { AnomalyReport, Finding, InputReport, SessionReport, Summary } from './model.ts'

/** A capture host next to one side answers that side's packets this many times faster than the other's. */
const VANTAGE_RATIO = 4
/** Below this both sides are equally near: one machine. */
const VANTAGE_LEAST = 100_000

export function sessionReport(s: Session, fleet: Fleet, epoch: Epoch): SessionReport {
  const front = fleet.onlyFront(s)
  const first = s.ending.first
  const lost = s.ending.lost
  return {
    id: s.id,
    client: s.client,
    server: s.server,
    legOf: front?.id ?? null,
    sameAs: fleet.sameAs(s).map((t) => t.id),
    vantage: vantage(s, fleet),
    startAt: epoch.rfc3339(s.startAt),
    endAt: epoch.rfc3339(s.endAt),
    firstFrame: s.firstFrame,
    lastFrame: s.lastFrame,
    connState: s.connState,
    history: s.history,
    roleBy: s.roleBy,
    bytes: { client: s.sides[CLIENT].bytes, server: s.sides[SERVER].bytes },
    retransmissions: { client: s.sides[CLIENT].retransmissions, server: s.sides[SERVER].retransmissions },
    ...timings(s),
    mysql: mysqlReport(s),
    tls:
      s.tls === null
        ? null
        : {
            version: s.tls.version,
            cipher: s.tls.cipher,
            sni: s.tls.sni,
            decrypted: s.tls.decrypted,
            alerts: s.tls.alerts.map((a) => ({
              by: sideName(a.by),
              level: a.level,
              description: a.description,
              frame: a.frame,
            })),
            handshake: s.tls.handshake,
          },
    ending: {
      how: first?.how ?? (s.ending.how === 'open' || s.ending.how === 'port-reuse' ? 'open' : 'unknown'),
      by: first === null ? 'unknown' : sideName(first.by),
      command: lost?.name ?? first?.outstanding?.name ?? s.ending.unanswered?.name ?? null,
      silenceSeconds: toSeconds(s.ending.silence),
      outcome:
        lost?.outcome ??
        s.ending.unanswered?.outcome ??
        (s.mysql !== null && s.mysql.commands.total > 0 ? 'answered' : 'none'),
    },
  }
}

/** How long the connection took to open: TCP's handshake, and the server's greeting after it. */
function timings(s: Session): Pick<SessionReport, 'handshakeSeconds' | 'greetingSeconds'> {
  const { toServer, toClient } = s.handshakeTimes
  if (s.synFrame === 0 || toServer < 0 || toClient < 0) return {}
  const handshakeSeconds = toSeconds(toServer + toClient)
  const greetingAt = s.mysql?.greetingAt ?? -1
  if (!s.mysql || s.mysql.greetingFrame === 0 || greetingAt < s.synAckAt) return { handshakeSeconds }
  return { handshakeSeconds, greetingSeconds: toSeconds(Math.max(0, greetingAt - s.synAckAt - toClient)) }
}

function mysqlReport(s: Session): SessionReport['mysql'] {
  const m = s.mysql
  if (m === null) return null
  const commands: Record<string, number> = {}
  for (const [op, n] of m.commands.entries()) commands[op === 0xff ? 'COM_UNKNOWN' : commandName(op)] = n
  const limits = [...m.inferred]
  if (m.greeting === null && m.login === null && s.synFrame === 0) limits.unshift('begun before the capture')
  const lost = s.sides[CLIENT].lostBytes + s.sides[SERVER].lostBytes
  if (lost > 0) limits.push(`${lost} bytes missing from the capture`)
  const cut = s.sides[CLIENT].snaplenBytes + s.sides[SERVER].snaplenBytes
  if (cut > 0) limits.push(`${cut} bytes cut by the snapshot length`)
  if (m.resynced > 0) limits.push(`decoding resumed ${m.resynced} time${m.resynced === 1 ? '' : 's'} after a gap`)
  if (s.tls?.unread != null) limits.push(UNREAD_WORDS[s.tls.unread])
  for (const u of s.foreign) limits.push(`${sideName(u.dir)} frame ${u.frame}: ${u.what}`)
  return {
    serverVersion: m.greeting?.serverVersion ?? null,
    connectionId: m.greeting?.connectionId ?? null,
    user: m.login?.user ?? null,
    schema: m.schema === '' ? null : m.schema,
    flavor: m.flavor,
    compression: m.compression,
    attributes: m.login?.attributes ?? {},
    commands,
    errors: m.errors.map((e) => ({ code: e.code, count: e.count, message: e.message })),
    limits,
  }
}

/** Where the capture sat: at the host that answers at once. */
function vantage(s: Session, fleet: Fleet): SessionReport['vantage'] {
  const named = fleet.namedRole(s.input)
  if (named !== null) return named
  if (bothLegsHere(s, fleet)) return 'proxy'
  const { toServer, toClient } = s.handshakeTimes
  if (toServer < 0 || toClient < 0 || Math.max(toServer, toClient) < VANTAGE_LEAST) return 'unknown'
  if (toServer > toClient * VANTAGE_RATIO) return fleet.isProxy(s.clientIp) ? 'proxy' : 'client'
  if (toClient > toServer * VANTAGE_RATIO) return fleet.isProxy(s.serverIp) ? 'proxy' : 'server'
  return 'unknown'
}

function bothLegsHere(s: Session, fleet: Fleet): boolean {
  return fleet.frontLeg(s)?.input === s.input || fleet.backLeg(s)?.input === s.input
}

export function anomalyReports(log: AnomalyLog): AnomalyReport[] {
  return log.list().map((a) => ({
    kind: a.kind,
    count: a.count,
    firstFrame: a.firstFrame,
    means: ANOMALY_KINDS[a.kind].means,
    ...better(a.kind),
    places: a.places,
  }))
}

function better(kind: AnomalyName): { better?: string } {
  const advice = betterCapture(kind)
  return advice === null ? {} : { better: advice }
}

export interface SummaryFacts {
  inputs: readonly InputReport[]
  findings: readonly Finding[]
  total: number
  listed: number
  /** Sessions whose MySQL could not be read because of TLS. */
  opaque: number
  oneSided: number
  midstream: number
  /** Connections that logs call dead, and of whose end no log says more; without packets. */
  unexplained: number
}

export function summarise(f: SummaryFacts): Summary {
  const broken = new Set<string>()
  const findings = { error: 0, warning: 0, info: 0 }
  for (const x of f.findings) {
    findings[x.severity]++
    if (x.severity !== 'info') for (const o of x.occurrences) broken.add(o.session)
  }
  return { sessions: f.total, broken: broken.size, findings, notListed: f.total - f.listed, blind: blindness(f) }
}

/** Why an answer may be missing, in plain words: said always, and loudest when nothing was found. */
function blindness(f: SummaryFacts): string[] {
  const out: string[] = []
  const captures = f.inputs.filter((i) => i.kind === 'capture')
  const packets = captures.reduce((n, i) => n + (i.packets ?? 0), 0)
  const connections = captures.reduce((n, i) => n + (i.connections ?? 0), 0)
  if (captures.length > 0 && packets === 0) out.push('The capture holds no packets.')
  else if (captures.length > 0 && connections === 0)
    out.push('The capture holds no TCP connection: check the interface and the capture filter.')
  else if (captures.length > 0 && f.total === 0) {
    out.push(
      `None of the ${connections} TCP connections spoke MySQL: wrong port or host, or the capture begins after the logins. Name the port with --port.`,
    )
  }
  if (f.opaque > 0)
    out.push(
      `${f.opaque} of ${f.total} sessions are TLS and could not be read without keys: commands and errors are unknown, only sizes and times speak.`,
    )
  if (f.oneSided > 0)
    out.push(
      `${f.oneSided} of ${f.total} sessions show one direction only: capture on a host of the path, not on one side of an asymmetric route.`,
    )
  if (f.midstream > 0)
    out.push(
      `${f.midstream} of ${f.total} sessions had begun before the capture: their login, user and server version are unknown.`,
    )
  if (f.unexplained > 0)
    out.push(
      `${f.unexplained === 1 ? '1 connection is' : `${f.unexplained} connections are`} called dead in the logs, and no log says who closed: capture on the proxy or the server while it happens.`,
    )
  return out
}
