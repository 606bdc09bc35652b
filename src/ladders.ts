/** Ladders of a report: what happened on the legs of each finding's first broken session, on one clock. */
import { sideName } from './core/direction.ts'
import { LIMITS } from './core/limits.ts'
import { type Epoch, toSeconds } from './core/time.ts'
import type { Fleet } from './detect/fleet.ts'
import { redactSecrets } from './detect/secrets.ts'
import { proxyName, serverName } from './report/chain.ts'
import type { Finding, LadderEvent, LadderReport, SessionReport } from './report/model.ts'
import { leadOf } from './report/place.ts'
import type { Session } from './session/session.ts'
import { storyOf } from './session/story.ts'

export function ladderReports(
  findings: readonly Finding[],
  sessions: readonly Session[],
  reports: readonly SessionReport[],
  fleet: Fleet,
  epoch: Epoch,
): LadderReport[] {
  const byId = new Map(sessions.map((s) => [s.id, s]))
  const reportById = new Map(reports.map((s) => [s.id, s]))
  const backOf = new Map<string, string>()
  for (const r of reports) if (r.legOf !== null && !backOf.has(r.legOf)) backOf.set(r.legOf, r.id)
  const out: LadderReport[] = []
  for (const f of findings) {
    if (f.severity === 'info' || out.length >= LIMITS.ladders) continue
    const s = byId.get(leadOf(f)?.session ?? '')
    if (s === undefined) continue
    const front = fleet.onlyFront(s) ?? s
    const back = front === s ? byId.get(backOf.get(s.id) ?? '') : s
    const legs = back === undefined || back === front ? [front] : [front, back]
    out.push(ladder(f, legs, reportById, epoch))
  }
  return out
}

function ladder(
  f: Finding,
  legs: readonly Session[],
  reports: ReadonlyMap<string, SessionReport>,
  epoch: Epoch,
): LadderReport {
  const all = legs
    .flatMap((s, leg) => storyOf(s).map((e) => ({ s, leg, e })))
    .sort((a, b) => a.e.at - b.e.at || a.leg - b.leg || a.e.frame - b.e.frame)
  const most = LIMITS.ladderEvents
  // The beginning says who it is, the end how it went: the middle is what can be spared.
  const kept = all.length <= most ? all : [...all.slice(0, most >> 2), ...all.slice(all.length - (most - (most >> 2)))]
  const start = all[0]?.e.at ?? 0
  const names = legs.map((s) => reports.get(s.id))
  return {
    finding: f.id,
    hosts: [
      { name: nameOfClient(f, legs[0]!, names[0]), address: legs[0]!.client },
      ...legs.map((s, i) => ({
        name: i < legs.length - 1 ? proxyName(names[i]) : nameOfServer(f, s, names[i]),
        address: s.server,
      })),
    ],
    legs: legs.map((s) => ({ session: s.id, client: s.client, server: s.server })),
    events: kept.map(({ s, leg, e }): LadderEvent => {
      const place = s.files.locate(e.frame)
      return {
        at: epoch.rfc3339(e.at),
        offsetSeconds: toSeconds(e.at - start),
        frame: place.frame,
        input: place.input,
        leg,
        dir: e.dir === null ? null : sideName(e.dir),
        layer: e.layer,
        what: e.what,
        says: redactSecrets(e.says),
        ...(e.emphasis ? { emphasis: true } : {}),
      }
    }),
    dropped: all.length - kept.length,
  }
}

/** A proxy's own connections to its servers look like a client's. */
function nameOfClient(f: Finding, s: Session, report: SessionReport | undefined): string {
  if (f.culprit.address === s.clientIp && f.culprit.role === 'proxy') return f.culprit.product ?? 'proxy'
  return report?.mysql?.attributes['program_name'] ?? report?.mysql?.user ?? 'client'
}

/** The accepting side of a leg alone may be a proxy that the finding names. */
function nameOfServer(f: Finding, s: Session, report: SessionReport | undefined): string {
  if (f.culprit.address === s.serverIp && f.culprit.role !== 'client')
    return f.culprit.product ?? (f.culprit.role === 'proxy' ? 'proxy' : serverName(report))
  return serverName(report)
}
