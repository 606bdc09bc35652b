/**
 * Findings from logs alone: for lines whose connection no capture of the run shows. Same rules, same culprits where the logs name
 * them, and never surer than the closing product's own line makes it. An occurrence stands for the line that decides: its session
 * is `input:line`, and is not listed among the report's sessions, since nothing of its packets is known.
 */
import { createHash } from 'node:crypto'
import { type Duration, type Epoch, formatDuration, type Instant, NS_PER_MS, NS_PER_SECOND } from '../../core/time.ts'
import { endpointKey, parseEndpoint } from '../../correlate/endpoint.ts'
import type { LogEvent } from '../../logs/event.ts'
import type { Confidence, Finding, Occurrence, Severity } from '../../report/model.ts'
import type { Fleet } from '../fleet.ts'
import { emptyDetail, logDetail } from '../log-lead.ts'
import { tlsReason, WAIT_TIMEOUT_SENTENCE, waitTimeoutSentence } from '../log-readings/application.ts'
import { type LogReading, named } from '../log-readings/reading.ts'
import { titleOf } from '../log-words.ts'
import type { RuleMeta } from '../rule.ts'
import { redactSecrets } from '../secrets.ts'
import { serverEnds } from '../server-life.ts'
import { brokenAt, type Story, storiesOf } from './story.ts'
import { judge, type LogVerdict, type Scene } from './verdict.ts'

/** What a capture shows is told by its packets; its clock and a log's may be this far apart. */
const CAPTURED: Duration = 5 * NS_PER_SECOND
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

const SEVERITY: Record<Severity, number> = { error: 0, warning: 1, info: 2 }
const CONFIDENCE: Record<Confidence, number> = { certain: 0, likely: 1, possible: 2 }
const UNKNOWN = 'unknown'
/** What one log says and another, of one moment, where their clocks agree. */
const ONE_MOMENT: Duration = 300 * NS_PER_MS
/** Checks that make a habit, and connections of one logical connection (validation.ts). */
const HABIT = 3
const OPENED_TOGETHER: Duration = 1 * NS_PER_SECOND
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

interface Judged {
  story: Story
  v: LogVerdict | null
}

/**
 * A line that names no connection, and another log's verdict of the same rule at the same moment, are one: who was refused says so,
 * and who refused. Each is taken once.
 */
function sameMoment(judged: readonly Judged[]): Judged[] {
  const out: Judged[] = []
  const told = new Map<string, LogVerdict[]>()
  for (const j of judged) {
    const { v } = j
    const at = v === null ? null : brokenAt(v.story)
    if (v === null || at === null) {
      out.push(j)
      continue
    }
    const known = told.get(v.rule) ?? []
    const own = v.story.told[0]!.event
    const other = known.find((x) => {
      const theirs = x.story.told[0]!.event
      if (x.story.client !== null && v.story.client !== null) return false
      if (x.story.told.some((t) => t.event.input === own.input)) return false
      return Math.abs(theirs.at! - at) <= ONE_MOMENT + Math.max(theirs.precision, own.precision)
    })
    if (other === undefined) {
      told.set(v.rule, [...known, v])
      out.push(j)
      continue
    }
    other.story.told.push(...v.story.told)
    other.story.client ??= v.story.client
    other.story.server ??= v.story.server
    other.culprit = {
      ...other.culprit,
      address: other.culprit.address ?? v.culprit.address,
      product: other.culprit.product ?? v.culprit.product,
    }
    if (SEVERITY[v.severity] < SEVERITY[other.severity]) other.severity = v.severity
    if (CONFIDENCE[v.confidence] < CONFIDENCE[other.confidence]) other.confidence = v.confidence
    other.lost ??= v.lost
  }
  return out
}

/**
 * What an application saw end, in the moment in which a proxy in front of it gave up a server connection under a request: the one is
 * the other's loss. Nothing else ties them, where the proxy greets by itself and shares its server connections.
 */
function suffered(judged: readonly Judged[]): Judged[] {
  const cuts = judged.filter(({ v }) => v !== null && v.lost?.role === 'proxy' && v.story.client === null)
  return judged.filter(({ story, v }) => {
    const own = story.told[0]!.event
    if (v !== null || (own.role !== 'driver' && own.role !== 'pool') || own.at === null) return true
    const cut = cuts.find(({ v: c }) => {
      const at = c!.lost!.at
      if (at === null || c!.story.client !== null || c!.story.told.some((t) => t.event.role === own.role)) return false
      return Math.abs(at - own.at!) <= ONE_MOMENT + Math.max(c!.lost!.precision, own.precision)
    })
    if (cut === undefined) return true
    cut.story.told.push(...story.told)
    cut.story.client = story.client
    return false
  })
}

/**
 * A connection that lost a request to an idle timer while the same pool checked another one again and again, opened together with it
 * and to another server: the checks went the wrong way.
 */
function wrongConnection(judged: readonly Judged[], stories: readonly Story[]): Judged[] {
  const out: Judged[] = []
  for (const { story, v } of judged) {
    if (v === null || !v.rule.startsWith('idle-timeout') || v.lost === null) continue
    const { input } = v.lost
    const checks = (s: Story): LogEvent[] => s.events.filter((e) => e.input === input && e.what === 'validated')
    const opened = openedAt(story, input)
    if (opened === null || checks(story).length > 0) continue
    for (const other of stories) {
      const found = checks(other)
      const there = openedAt(other, input)
      if (other === story || found.length < HABIT || there === null || Math.abs(there - opened) > OPENED_TOGETHER)
        continue
      if (other.server === null || story.server === null || other.server === story.server) continue
      const [first, last] = [found[0]!, found.at(-1)!]
      const reading: LogReading = {
        rules: ['validation-wrong-connection'],
        role: 'client',
        weight: 'fits',
        says: `${named(first)} checked its connection to ${other.server} ${found.length} times up to line ${last.line}, and never this one`,
      }
      const by = { event: last, reading }
      const culprit = { role: 'client' as const, address: parseEndpoint(story.client)?.host ?? null, product: null }
      out.push({
        story,
        v: { ...v, rule: 'validation-wrong-connection', by, culprit, confidence: 'likely', excluded: [] },
      })
      break
    }
  }
  return out
}

function openedAt(story: Story, input: string): Instant | null {
  return story.events.find((e) => e.input === input && e.what === 'connected')?.at ?? null
}

/** Whether no capture of the run can show what a line tells of. */
function uncaptured(fleet: Fleet): (e: LogEvent) => boolean {
  if (fleet.sessions.length === 0) return () => true
  let from = Number.POSITIVE_INFINITY
  let to = Number.NEGATIVE_INFINITY
  const clients = new Set<string>()
  for (const s of fleet.sessions) {
    from = Math.min(from, s.startAt)
    to = Math.max(to, s.endAt)
    clients.add(s.clientIp)
  }
  return (e) => {
    if (e.at === null || fleet.logs.sessionsOf(e).length > 0) return false
    if (e.at > to + CAPTURED || e.at + e.precision < from - CAPTURED) return true
    const client = endpointKey(e.client)
    // A client that the captures never show was elsewhere.
    return client !== null && !clients.has(client.slice(0, client.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1'))
  }
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
      busy: false,
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
    outcome: v.lost === null || v.lost.what === 'connect-failed' ? 'none' : 'delivered-unknown',
    evidence: evidenceOf(v),
  }
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
