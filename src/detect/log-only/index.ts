/**
 * Findings from logs alone: for lines whose connection no capture of the run shows. Same rules, same culprits where the logs name
 * them, and never surer than the closing product's own line makes it. An occurrence stands for the line that decides: its session
 * is `input:line`, and is not listed among the report's sessions, since nothing of its packets is known.
 */
import { createHash } from 'node:crypto'
import { type Duration, type Epoch, formatDuration, NS_PER_MS, NS_PER_SECOND } from '../../core/time.ts'
import { parseEndpoint } from '../../correlate/endpoint.ts'
import type { LogEvent } from '../../logs/event.ts'
import type { Finding, Occurrence } from '../../report/model.ts'
import type { Fleet } from '../fleet.ts'
import { emptyDetail, logDetail } from '../log-lead.ts'
import { tlsReason, WAIT_TIMEOUT_SENTENCE, waitTimeoutSentence } from '../log-readings/application.ts'
import { titleOf } from '../log-words.ts'
import type { RuleMeta } from '../rule.ts'
import { redactSecrets } from '../secrets.ts'
import { serverEnds } from '../server-life.ts'
import { CONFIDENCE, ONE_MOMENT, SEVERITY, sameMoment, suffered, wrongConnection } from './merge.ts'
import { storiesOf } from './story.ts'
import { judge, type LogVerdict, type Scene } from './verdict.ts'

/** What a capture shows is told by its packets. Connections that ended shortly before it, or began shortly after, belong to what it shows. */
const CAPTURED: Duration = 60 * NS_PER_SECOND
/** Lines cited for one occurrence. */
const CITED = 6
/** What to do to be sure, in the form of a remedy. */
function captureAdvice(verdicts: readonly LogVerdict[]): { text: string; config: string } {
  const ports = verdicts.map((v) => parseEndpoint(v.story.server)?.port ?? 0).filter((port) => port > 0)
  const seen = [...new Set(ports.length === 0 ? [3306] : ports)].sort((a, b) => a - b).slice(0, PORTS_NAMED)
  return {
    text: 'To see who closed first, capture on the proxy or the server while it happens, and give it with these logs',
    config: `tcpdump -i any -s 0 -B 65536 -w mysql.pcap '${seen.map((port) => `tcp port ${port}`).join(' or ')}'`,
  }
}

const UNKNOWN = 'unknown'
/** Further apart than clocks of logs that agree. */
const AFTERWARDS: Duration = 2 * NS_PER_SECOND
const PORTS_NAMED = 4

export interface LogFindings {
  findings: Finding[]
  /** Connections that were found dead, and of whose end no log says more. */
  unexplained: number
}

export function logFindings(fleet: Fleet, rules: ReadonlyMap<string, RuleMeta>, epoch: Epoch): LogFindings {
  const events = fleet.logs.events
  if (events.length === 0) return { findings: [], unexplained: 0 }
  const unseen = uncaptured(fleet)
  const all = storiesOf(events).filter((s) => s.events.every(unseen))
  const stories = all.filter((s) => s.told.length > 0)
  const scene = sceneOf(fleet)
  const groups = new Map<string, LogVerdict[]>()
  let unexplained = 0
  const judged = stories.map((story) => ({ story, v: judge(story, scene) }))
  const merged = suffered(sameMoment(judged))
  for (const { story, v } of [...merged, ...wrongConnection(judged, all)]) {
    if (v === null || !rules.has(v.rule)) {
      if (v === null && story.told.some((t) => t.reading.weight === 'sees' && t.event.role !== 'server')) unexplained++
      continue
    }
    const { role, address } = v.culprit
    const key = `${v.rule}\n${role} ${address} ${v.by.reading.setting ?? ''} ${v.rule === 'tls-handshake-failure' ? tlsReason(v.by.event.text) : ''}`
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [v])
    else group.push(v)
  }
  const findings = [...groups].map(([key, verdicts]) => finding(rules.get(verdicts[0]!.rule)!, key, verdicts, epoch))
  return { findings, unexplained }
}

/** Whether a line tells of a time from which no capture of the run shows anything: within it, the packets speak. */
function uncaptured(fleet: Fleet): (e: LogEvent) => boolean {
  if (fleet.sessions.length === 0) return () => true
  let from = Number.POSITIVE_INFINITY
  let to = Number.NEGATIVE_INFINITY
  for (const s of fleet.sessions) {
    from = Math.min(from, s.startAt)
    to = Math.max(to, s.endAt)
  }
  return (e) =>
    e.at !== null &&
    fleet.logs.sessionsOf(e).length === 0 &&
    (e.at > to + CAPTURED || e.at + e.precision < from - CAPTURED)
}

function sceneOf(fleet: Fleet): Scene {
  const refusals: LogEvent[] = []
  const queryKills = new Set<number>()
  const versions = new Map<string, string>()
  const retried = new Set<string>()
  for (const e of fleet.logs.events) {
    if (e.what === 'connect-failed') refusals.push(e)
    if (e.what === 'killed' && e.connectionId !== null && /KILL QUERY/.test(e.text)) queryKills.add(e.connectionId)
    if (e.what === 'retried') retried.add(`${e.input}:${e.line - 1}`)
    if (e.product === 'ProxySQL' && e.version !== null) versions.set(e.input, e.version)
  }
  return { ends: serverEnds(fleet.logs), refusals, queryKills, retried, versions }
}

function finding(meta: RuleMeta, key: string, verdicts: readonly LogVerdict[], epoch: Epoch): Finding {
  const lead = [...verdicts].sort(
    (a, b) => SEVERITY[a.severity] - SEVERITY[b.severity] || CONFIDENCE[a.confidence] - CONFIDENCE[b.confidence],
  )[0]!
  const digest = createHash('sha256').update(key).digest('hex').slice(0, 8)
  const { event, reading } = lead.by
  const extra = meta.id === 'tls-handshake-failure' ? { reason: tlsReason(event.text) } : {}
  return {
    id: `${meta.id}:${digest}`,
    rule: meta.id,
    family: meta.family,
    severity: lead.severity,
    confidence: lead.confidence,
    title: titleOf(meta.id, {
      culprit: lead.culprit,
      count: verdicts.length,
      lost: verdicts.filter((v) => v.lost !== null).length,
      setting: reading.setting ?? null,
      time: timeOf(verdicts),
      busy: verdicts.some(cutWhileBusy),
    }),
    culprit: lead.culprit,
    detail: { ...emptyDetail(meta), ...extra, log: { ...logDetail(event, reading), atMostSeconds: atMost(verdicts) } },
    occurrences: verdicts.map((v) => occurrence(v, epoch)),
    excluded: [...lead.excluded, ...arithmetic(meta.id, verdicts)],
    remedy:
      lead.severity === 'info' ? meta.fix : [...meta.fix.slice(0, 1), captureAdvice(verdicts), ...meta.fix.slice(1)],
    references: meta.references,
  }
}

/** The application lost its request in the moment of the close: it was waiting for an answer, and the server's silence was its work. */
function cutWhileBusy(v: LogVerdict): boolean {
  if (v.by.reading.setting !== 'timeout server' || v.lost?.at == null || v.by.event.at === null) return false
  return Math.abs(v.lost.at - v.by.event.at) <= ONE_MOMENT + v.lost.precision
}

/** Connector/J's sentence about wait_timeout is no evidence of it. */
function arithmetic(rule: string, verdicts: readonly LogVerdict[]): string[] {
  const line = verdicts.flatMap((v) => v.story.events).find((e) => WAIT_TIMEOUT_SENTENCE.test(e.text))
  return line === undefined || rule === 'idle-timeout-server' ? [] : [waitTimeoutSentence(line)]
}

/** How long the silence was, where a log says so; of HAProxy's lines only the whole duration is known, which bounds it. */
function timeOf(verdicts: readonly LogVerdict[]): string | null {
  const idle = verdicts.map((v) => v.by.event.idleMillis).filter((ms) => ms !== null)
  if (idle.length > 0) return formatDuration(Math.min(...idle) * NS_PER_MS)
  const bound = atMost(verdicts)
  return bound === null ? null : `at most ${formatDuration(bound * NS_PER_SECOND)}`
}

/** The timer cannot be longer than the shortest session that it ended, seconds. */
function atMost(verdicts: readonly LogVerdict[]): number | null {
  if (!verdicts[0]!.rule.startsWith('idle-')) return null
  const all = verdicts
    .map(({ by }) => by.event.idleMillis ?? by.event.durationMillis)
    .filter((ms) => ms !== null && ms > 0)
  return all.length === 0 ? null : Math.min(...(all as number[])) / 1000
}

function occurrence(v: LogVerdict, epoch: Epoch): Occurrence {
  const { event } = v.by
  const anchor = v.story.events.includes(event) ? event : v.story.told[0]!.event
  const at = anchor.at ?? event.at
  const statement = v.lost?.statement ?? null
  return {
    session: `${anchor.input}:${anchor.line}`,
    client: v.story.client ?? UNKNOWN,
    server: v.story.server ?? UNKNOWN,
    at: at === null ? UNKNOWN : epoch.rfc3339(at),
    command: v.lost === null || v.lost.what === 'connect-failed' ? null : statement === null ? null : 'COM_QUERY',
    statement: statement === null ? null : redactSecrets(statement),
    outcome: outcomeOf(v),
    evidence: evidenceOf(v),
  }
}

/** A request sent clearly after both legs were closed reached nobody. HAProxy's timeout server leaves the client's leg half open. */
function outcomeOf(v: LogVerdict): Occurrence['outcome'] {
  if (v.lost === null || v.lost.what === 'connect-failed') return 'none'
  const { event, reading } = v.by
  const closedBefore = event.at !== null && v.lost.at !== null && v.lost.at - event.at > AFTERWARDS + event.precision
  const idle = v.rule.startsWith('idle-timeout') && reading.weight === 'says' && reading.setting !== 'timeout server'
  return idle && closedBefore ? 'not-delivered' : 'delivered-unknown'
}

function evidenceOf(v: LogVerdict): Occurrence['evidence'] {
  const lines = [v.by, ...v.story.told.filter((t) => t.event !== v.by.event)]
  return lines
    .slice(0, CITED)
    .sort((a, b) => (a.event.at ?? 0) - (b.event.at ?? 0))
    .map(({ event, reading }) => ({
      kind: 'log' as const,
      input: event.input,
      line: event.line,
      text: event.text,
      says: reading.says,
    }))
}
