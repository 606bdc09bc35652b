/**
 * Runs the rules over all sessions, most specific first, and makes findings: one per rule and cause, with every occurrence.
 * A rule that throws is our bug: it is reported as such, the others still run.
 */
import { createHash } from 'node:crypto'
import type { Epoch } from '../core/time.ts'
import type { Confidence, Evidence, Finding, Occurrence, Severity } from '../report/model.ts'
import type { Session } from '../session/session.ts'
import { sharedTraits } from './blast-radius.ts'
import { Fleet, type Knowledge, type Roles } from './fleet.ts'
import { attachLogs, nameProduct } from './log-evidence.ts'
import { leadByLog } from './log-lead.ts'
import { joinRecordedLegs } from './recorded-legs.ts'
import type { Rule, RuleContext, RuleEvidence, Verdict } from './rule.ts'
import { redactSecrets } from './secrets.ts'
import { addTwins, oneCausePerConnection, perConnection } from './twins.ts'
import { otherVantages } from './vantages.ts'

const SEVERITY_RANK: Record<Severity, number> = { error: 0, warning: 1, info: 2 }
const CONFIDENCE_RANK: Record<Confidence, number> = { certain: 0, likely: 1, possible: 2 }

export interface EngineResult {
  findings: Finding[]
  fleet: Fleet
  /** Exceptions of rules: bugs of ours, with the rule and session where they happened. */
  bugs: { rule: string; session: string; error: unknown }[]
}

export function detect(
  rules: readonly Rule[],
  sessions: readonly Session[],
  epoch: Epoch,
  roles: Roles = new Map(),
  knowledge: Knowledge = {},
): EngineResult {
  const fleet = new Fleet(sessions, roles, knowledge)
  const explained = new Set<Session>()
  const bugs: EngineResult['bugs'] = []
  const groups = new Map<string, { rule: Rule; verdicts: Verdict[] }>()
  for (const rule of rules) {
    const reported: Verdict[] = []
    const settled: Session[] = []
    const ctx: RuleContext = {
      fleet,
      report: (v) => reported.push(v),
      // What was said of a connection at one capture point holds for it at every other.
      explained: (s) => explained.has(s) || otherVantages(s, fleet).some((t) => explained.has(t)),
      settle: (s) => settled.push(s),
      unixTime: (at) => epoch.unixSeconds + at / 1e9,
    }
    for (const s of sessions) {
      try {
        rule.session(s, ctx)
      } catch (error) {
        bugs.push({ rule: rule.meta.id, session: s.id, error })
      }
    }
    leadByLogs(rule, sessions, ctx, reported, settled, bugs)
    for (const s of settled) explained.add(s)
    for (const v of joinRecordedLegs(oneCausePerConnection(reported, fleet), fleet)) {
      const key = `${rule.meta.id}\n${v.cause}`
      const group = groups.get(key)
      if (group === undefined) groups.set(key, { rule, verdicts: [v] })
      else group.verdicts.push(v)
      if (v.severity !== 'info') explained.add(v.session)
    }
  }
  addTwins(
    [...groups.values()].map((g) => g.verdicts),
    explained,
    fleet,
  )
  for (const g of groups.values()) attachLogs(g.rule.meta.id, g.verdicts, fleet)
  const accused = new Set<Session>()
  for (const g of groups.values()) for (const v of g.verdicts) if (v.severity !== 'info') accused.add(v.session)
  const findings = [...groups.values()].map((g) => finding(g.rule, g.verdicts, fleet, epoch, accused))
  findings.sort(graveFirst)
  return { findings, fleet, bugs }
}

/** The gravest first; of equal gravity what cost most requests, unless it is only possible. */
export function graveFirst(a: Finding, b: Finding): number {
  return (
    SEVERITY_RANK[a.severity] - SEVERITY_RANK[b.severity] ||
    Number(a.confidence === 'possible') - Number(b.confidence === 'possible') ||
    requestsLost(b) - requestsLost(a) ||
    CONFIDENCE_RANK[a.confidence] - CONFIDENCE_RANK[b.confidence] ||
    b.occurrences.length - a.occurrences.length ||
    (a.id < b.id ? -1 : 1)
  )
}

const requestsLost = (f: Finding): number => f.occurrences.filter((o) => o.command !== null).length

/** What the rule did not see in the packets, and a log says. */
function leadByLogs(
  rule: Rule,
  sessions: readonly Session[],
  ctx: RuleContext,
  reported: readonly Verdict[],
  settled: readonly Session[],
  bugs: EngineResult['bugs'],
): void {
  if (ctx.fleet.logs.events.length === 0) return
  const said = new Map(reported.map((v) => [v.session, v]))
  const silent = new Set(settled)
  for (const s of sessions) {
    if (said.has(s) || silent.has(s)) continue
    try {
      leadByLog(rule.meta, s, ctx, said)
    } catch (error) {
      bugs.push({ rule: rule.meta.id, session: s.id, error })
    }
  }
}

function finding(
  rule: Rule,
  verdicts: readonly Verdict[],
  fleet: Fleet,
  epoch: Epoch,
  accused: ReadonlySet<Session>,
): Finding {
  const lead = [...verdicts].sort(
    (a, b) =>
      SEVERITY_RANK[a.severity] - SEVERITY_RANK[b.severity] ||
      CONFIDENCE_RANK[a.confidence] - CONFIDENCE_RANK[b.confidence],
  )[0]!
  const digest = createHash('sha256').update(`${rule.meta.id}\n${lead.cause}`).digest('hex').slice(0, 8)
  const shared = lead.severity === 'info' ? [] : sharedTraits(verdicts, accused, fleet)
  return {
    id: `${rule.meta.id}:${digest}`,
    rule: rule.meta.id,
    family: rule.meta.family,
    severity: lead.severity,
    confidence: lead.confidence,
    title: nameProduct(lead.title(perConnection(verdicts, fleet)), lead),
    culprit: lead.culprit,
    detail: shared.length === 0 ? lead.detail : { ...lead.detail, shared },
    occurrences: verdicts.map((v) => occurrence(v, epoch)),
    excluded: lead.excluded,
    remedy: lead.remedy,
    references: rule.meta.references,
  }
}

function occurrence(v: Verdict, epoch: Epoch): Occurrence {
  return {
    session: v.session.id,
    client: v.session.client,
    server: v.session.server,
    at: epoch.rfc3339(v.at),
    command: v.command,
    statement: v.statement === null ? null : redactSecrets(v.statement),
    outcome: v.outcome,
    evidence: v.evidence.flatMap((e) => evidence(e, v.session, epoch)),
  }
}

function evidence(e: RuleEvidence, own: Session, epoch: Epoch): Evidence[] {
  const session = e.of ?? own
  if (e.kind === 'log')
    return [{ kind: 'log', input: e.event.input, line: e.event.line, text: e.event.text, says: e.says }]
  if (e.kind === 'silence')
    return [{ kind: 'silence', from: epoch.rfc3339(e.from), to: epoch.rfc3339(e.to), says: e.says }]
  if (e.kind === 'measure') {
    const { kind, name, value, unit } = e
    return [e.compared === undefined ? { kind, name, value, unit } : { kind, name, value, unit, compared: e.compared }]
  }
  const frames = e.frames.filter((f) => f > 0)
  if (frames.length === 0) return []
  // A ring-buffer series numbers its frames through; evidence names the file and the number in it.
  const places = frames.map((f) => session.files.locate(f))
  const input = places[0]!.input
  const here = places.filter((p) => p.input === input).map((p) => p.frame)
  return [
    { kind: 'frames', input, frames: here, says: e.says, filter: displayFilter(session, input, Math.min(...here)) },
  ]
}

/** Wireshark display filter that shows the place: by stream number, or by endpoints in the later files of a series. */
function displayFilter(s: Session, input: string, frame: number): string {
  if (input === s.input) return `tcp.stream==${s.stream} && frame.number>=${frame}`
  const port = (endpoint: string): string => endpoint.slice(endpoint.lastIndexOf(':') + 1)
  const field = s.clientIp.includes(':') ? 'ipv6.addr' : 'ip.addr'
  return `${field}==${s.clientIp} && tcp.port==${port(s.client)} && tcp.port==${port(s.server)} && frame.number>=${frame}`
}
