/**
 * One run: what has been read so far, over all inputs, and the report made of it. `analyze.ts` feeds it from files,
 * `analyzeBuffer` from memory. Holds no file and prints nothing.
 */

import { eventsAround } from './around.ts'
import type { CaptureInfo } from './capture/capture-info.ts'
import { Chain, type ChainOptions } from './chain.ts'
import type { Setting } from './config/setting.ts'
import { AnomalyLog } from './core/anomaly.ts'
import { sideName } from './core/direction.ts'
import { MysqlconnError } from './core/errors.ts'
import { LIMITS } from './core/limits.ts'
import { Epoch, type Instant, NS_PER_SECOND, toSeconds } from './core/time.ts'
import { logClocks, shiftEvents } from './correlate/clock.ts'
import { type ClockOffset, clockOffsets } from './detect/clocks.ts'
import { detect, graveFirst } from './detect/engine.ts'
import type { Fleet } from './detect/fleet.ts'
import { idleReport } from './detect/idle-report.ts'
import { linesAbout } from './detect/log-evidence.ts'
import { logFindings } from './detect/log-only/index.ts'
import { readingOf } from './detect/log-readings/index.ts'
import { pollutionReport } from './detect/pollution-report.ts'
import { RULES } from './detect/rules/index.ts'
import { stateAt } from './detect/state-at.ts'
import { adviseOnTimers, lateChecks } from './detect/timer-advice.ts'
import {
  conflicts,
  inOrder,
  type TimerSetting,
  timersConfigured,
  timersInLogs,
  timersObserved,
  withObserved,
} from './detect/timer-settings.ts'
import { tlsReport } from './detect/tls-report.ts'
import { type KeyLogInput, keyLogAnomalies } from './key-inputs.ts'
import { ladderReports } from './ladders.ts'
import type { LogEvent } from './logs/event.ts'
import type { LogCounts } from './logs/source.ts'
import { EventStore } from './logs/store.ts'
import { type AnalyzeOptions, parseWhen, resolveWhen } from './options.ts'
import type { ConfigFile } from './read-configs.ts'
import { anomalyReports, sessionReport, summarise } from './report/build.ts'
import {
  type AroundReport,
  type Finding,
  type InputReport,
  REPORT_SCHEMA,
  type Report,
  type TimersReport,
  type TraceReport,
} from './report/model.ts'
import { redactReport } from './report/redact.ts'
import { begunBefore, isOpaque, missingDirection } from './session/diagnosis.ts'
import type { Session } from './session/session.ts'
import { shiftSession } from './session/shift.ts'
import type { Trace } from './session/trace.ts'
import { KeyStore } from './tls/key-store.ts'
import { VERSION } from './version.ts'

const stateOf = (state: string): { state?: string } => (state === '' ? {} : { state })

const RANK = { error: 0, warning: 1, info: 2 } as const

export class Run {
  readonly epoch = new Epoch()
  readonly inputs: InputReport[] = []
  /** TLS keys from every input that has some. */
  readonly keys = new KeyStore(LIMITS.tlsKeySessions)
  partial = false
  private readonly options: AnalyzeOptions
  private kept: Session[] = []
  private total = 0
  private healthy = 0
  private trace: { session: string; trace: Trace } | null = null
  private readonly log = new AnomalyLog()
  /** Settings of the files of --config. */
  settings: readonly Setting[] = []
  /** Events of all logs. */
  private readonly logs = new EventStore()

  constructor(options: AnalyzeOptions) {
    this.options = options
    for (const id of options.rules ?? []) {
      if (!RULES.some((r) => r.meta.id === id)) {
        throw new MysqlconnError('E_NO_SUCH_RULE', `there is no rule '${id}'`, 'mysqlconn rules list')
      }
    }
    for (const when of [options.since, options.until]) {
      if (when !== undefined && parseWhen(when) === null) {
        throw new MysqlconnError(
          'E_USAGE',
          `cannot read the time '${when}'`,
          'write it as 2026-11-20T17:10:00Z, 17:10:00 or Unix seconds',
        )
      }
    }
  }

  /** Sessions finished so far. */
  get sessions(): number {
    return this.total
  }

  /** The chain for one capture, or one series of captures. */
  chain(input: string, files: ChainOptions['files']): Chain {
    return new Chain({
      input,
      files,
      ports: this.options.ports ?? [],
      trace: this.options.trace ?? null,
      keys: this.keys,
      onSession: (s) => this.keep(s),
    })
  }

  /** A chain whose input has ended. Its own anomalies go to the first file of the series. */
  finish(chain: Chain): void {
    chain.end()
    if (chain.sessions.trace !== null) this.trace = { session: this.options.trace!, trace: chain.sessions.trace }
  }

  /** Takes back the sessions of an input, which will be read again with keys that came too late. */
  forget(input: InputReport): void {
    const own = this.kept.filter((s) => s.input === input.name)
    this.kept = this.kept.filter((s) => s.input !== input.name)
    this.total -= input.mysqlSessions ?? 0
    this.healthy -= own.filter(isHealthy).length
  }

  private keep(s: Session): void {
    this.total++
    // Broken sessions are always kept; beyond the limit, healthy ones are only counted.
    if (isHealthy(s)) {
      if (this.healthy >= LIMITS.healthySessions) return
      this.healthy++
    }
    this.kept.push(s)
  }

  report(): Report {
    const order = new Map(this.inputs.map((i, n) => [i.name, n]))
    const rank = (s: Session): number => order.get(s.input) ?? 0
    const clocks = this.setClocks()
    const events = this.setLogClocks()
    // An address that nobody has is harmless; a name that is neither is a slip.
    for (const name of Object.keys(this.options.roles ?? {}))
      if (!/^[\d.]+$|:/.test(name)) this.nameOfInput(name, 'role')
    const inRange = this.range()
    const sessions = this.kept
      .filter((s) => s.endAt >= inRange.since && s.startAt < inRange.until)
      .sort((a, b) => rank(a) - rank(b) || a.stream - b.stream)
    const rules =
      this.options.rules === undefined ? RULES : RULES.filter((r) => this.options.rules!.includes(r.meta.id))
    const { findings, fleet, bugs } = detect(
      rules,
      sessions,
      this.epoch,
      new Map(Object.entries(this.options.roles ?? {})),
      {
        clocks: new Set(clocks.keys()),
        events: events.filter((e) => e.at === null || (e.at >= inRange.since && e.at < inRange.until)),
        gap: (this.options.borrowGap ?? 0) * NS_PER_SECOND,
      },
    )
    for (const input of this.inputs) {
      if (input.kind !== 'log') continue
      const { about, joined } = fleet.logs.joinedOf(input.name)
      if (about > 0 && sessions.length > 0) Object.assign(input, { about, joined })
    }
    const alone = logFindings(fleet, new Map(rules.map((r) => [r.meta.id, r.meta])), this.epoch)
    findings.push(...alone.findings)
    const settings = [...timersInLogs(fleet.logs.events), ...timersConfigured(this.settings)]
    const late = rules.find((r) => r.meta.id === 'validation-too-late')?.meta ?? null
    findings.push(...lateChecks(findings, settings, late))
    adviseOnTimers(findings, settings)
    findings.sort(graveFirst)
    const least = RANK[this.options.minSeverity ?? 'info']
    const shown = findings.filter((f) => RANK[f.severity] <= least)
    const filtered = this.kept.length - sessions.length
    const report: Report = {
      schema: REPORT_SCHEMA,
      tool: { name: 'mysqlconn', version: this.options.version ?? VERSION },
      partial: this.partial,
      inputs: this.inputs,
      sessions: sessions.map((s) => sessionReport(s, fleet, this.epoch)),
      findings: shown,
      summary: summarise({
        inputs: this.inputs,
        findings: shown,
        total: this.total - filtered,
        listed: sessions.length,
        opaque: sessions.filter(isOpaque).length,
        oneSided: sessions.filter((s) => missingDirection(s) !== null).length,
        midstream: sessions.filter(begunBefore).length,
        unexplained: alone.unexplained,
      }),
    }
    const timers = timersReport(withObserved(settings, timersObserved(findings)))
    if (timers !== null) report.timers = timers
    if (this.options.around !== undefined) report.around = this.aroundReport(this.options.around, findings, fleet)
    if (this.options.idle === true) report.idle = idleReport(fleet)
    if (this.options.tls === true) report.tls = tlsReport(fleet, this.epoch)
    if (this.options.ladders === true)
      report.ladders = ladderReports(shown, sessions, report.sessions, fleet, this.epoch)
    if (this.options.pollution === true) report.pollution = pollutionReport(fleet, this.epoch)
    if (this.trace !== null) report.trace = this.traceReport(this.trace, sessions, clocks, fleet)
    if (bugs.length > 0) {
      report.bugs = bugs.map((b) => ({
        rule: b.rule,
        session: b.session,
        message: b.error instanceof Error ? (b.error.stack ?? b.error.message) : String(b.error),
      }))
    }
    return this.options.redact === true ? redactReport(report) : report
  }

  private range(): { since: Instant; until: Instant } {
    const firstSecond = this.epoch.unixSeconds
    const at = (text: string | undefined, otherwise: Instant): Instant => {
      if (text === undefined) return otherwise
      const when = resolveWhen(parseWhen(text)!, firstSecond)
      return this.epoch.instant(when.unixSeconds, when.nanoseconds)
    }
    return {
      since: at(this.options.since, Number.NEGATIVE_INFINITY),
      until: at(this.options.until, Number.POSITIVE_INFINITY),
    }
  }

  /** Brings the sessions of all inputs to one clock, and says so in the inputs. */
  private setClocks(): ReadonlyMap<string, ClockOffset> {
    const given = new Map(Object.entries(this.options.clockOffsets ?? {}).map(([name, s]) => [name, s * NS_PER_SECOND]))
    for (const name of given.keys()) this.nameOfInput(name, 'clock-offset')
    const seen = this.kept.map((s) => s.input)
    const inputs = this.inputs.map((i) => i.name).filter((name) => given.has(name) || seen.includes(name))
    const clocks = clockOffsets(this.kept, inputs, given)
    for (const s of this.kept) shiftSession(s, -(clocks.get(s.input)?.offset ?? 0))
    for (const input of this.inputs) {
      const clock = clocks.get(input.name)
      if (clock !== undefined) input.clockOffsetSeconds = toSeconds(clock.offset)
    }
    return clocks
  }

  /** Brings the events of all logs to the clock of the captures, and says so in the inputs. */
  private setLogClocks(): readonly LogEvent[] {
    const events = this.events
    if (events.length === 0) return events
    const logs = new Map<string, LogEvent[]>()
    for (const e of events) {
      const list = logs.get(e.input)
      if (list === undefined) logs.set(e.input, [e])
      else list.push(e)
    }
    const given = new Map(Object.entries(this.options.clockOffsets ?? {}).map(([name, s]) => [name, s * NS_PER_SECOND]))
    for (const [name, clock] of logClocks(logs, this.kept, given)) {
      shiftEvents(logs.get(name)!, -clock.offset)
      const input = this.inputs.find((i) => i.name === name)
      if (input !== undefined) input.clockOffsetSeconds = toSeconds(clock.offset)
    }
    return events
  }

  private traceReport(
    t: { session: string; trace: Trace },
    sessions: readonly Session[],
    clocks: ReadonlyMap<string, ClockOffset>,
    fleet: Fleet,
  ): TraceReport {
    const session = sessions.find((s) => s.id === t.session)
    const ahead = clocks.get(session?.input ?? '')?.offset ?? 0
    const start = session?.startAt ?? t.trace.events[0]?.at ?? 0
    const state = session === undefined ? () => '' : stateAt(session, fleet)
    type Placed = TraceReport['events'][number] & { order: Instant }
    const frames = t.trace.events.map(
      (e): Placed => ({
        order: e.at - ahead,
        at: this.epoch.rfc3339(e.at - ahead),
        offsetSeconds: toSeconds(e.at - ahead - start),
        frame: session?.files.locate(e.frame).frame ?? e.frame,
        dir: e.dir === null ? null : sideName(e.dir),
        layer: e.layer,
        what: e.what,
        says: e.says,
        ...(e.emphasis ? { emphasis: true } : {}),
        ...stateOf(state(e.at - ahead)),
      }),
    )
    const lines = (session === undefined ? [] : linesAbout(session, fleet)).flatMap((e): Placed | never[] =>
      e.at === null
        ? []
        : {
            order: e.at,
            at: this.epoch.rfc3339(e.at),
            offsetSeconds: toSeconds(e.at - start),
            frame: 0,
            dir: null,
            layer: 'log' as const,
            what: `${e.input}:${e.line}`,
            says: e.text,
            ...(readingOf(e)?.weight === 'says' ? { emphasis: true } : {}),
          },
    )
    // Frames keep their order among themselves; a line comes behind the frames of its moment.
    const events = mergeByOrder(frames, lines).map(({ order: _, ...e }) => e)
    return { session: t.session, events, dropped: t.trace.dropped }
  }

  private aroundReport(asked: string, findings: readonly Finding[], fleet: Fleet): AroundReport {
    const finding = findings.find((f) => f.id === asked) ?? findings.find((f) => f.rule === asked)
    if (finding === undefined) {
      const ids = findings.map((f) => f.id).join(', ')
      throw new MysqlconnError(
        'E_USAGE',
        `--around: there is no finding ${asked}`,
        ids === '' ? 'nothing was found in these inputs' : `findings: ${ids}`,
      )
    }
    const lead = finding.occurrences.find((o) => o.command !== null) ?? finding.occurrences[0]!
    const at = this.instantOf(lead.at)
    const { events, dropped } = eventsAround(fleet, at, new Set(finding.occurrences.map((o) => o.session)))
    return {
      finding: finding.id,
      at: lead.at,
      events: events.map(({ emphasis, ...e }) => ({
        ...e,
        at: this.epoch.rfc3339(e.at),
        offsetSeconds: toSeconds(e.at - at),
        ...(emphasis ? { emphasis } : {}),
      })),
      dropped,
    }
  }

  /** The moment of a time in the report; the first of the run for a line that bears none. */
  private instantOf(rfc3339: string): Instant {
    const ms = Date.parse(`${rfc3339.slice(0, 19)}Z`)
    return Number.isNaN(ms)
      ? 0
      : (ms / 1000 - this.epoch.unixSeconds) * NS_PER_SECOND + Number(rfc3339.slice(20, 26)) * 1000
  }

  /** A name in --role or --clock-offset must mean something: a slip would silently change nothing. */
  private nameOfInput(name: string, flag: string): void {
    if (this.inputs.some((i) => i.name === name)) return
    const names = this.inputs.map((i) => i.name).join(', ')
    throw new MysqlconnError('E_USAGE', `--${flag}: there is no input '${name}'`, `inputs: ${names}`)
  }

  /** What a capture file says of itself, with what its chain saw. `chain` is null for the later files of a series. */
  addCapture(path: string, name: string, info: CaptureInfo, anomalies: AnomalyLog, chain: Chain | null): void {
    if (chain !== null) for (const a of chain.anomalies.list()) anomalies.adopt(a)
    this.inputs.push({
      path,
      name,
      kind: 'capture',
      format: info.format,
      packets: info.packets,
      bytes: info.bytes,
      firstAt: info.firstAt === null ? null : this.epoch.rfc3339(info.firstAt),
      lastAt: info.lastAt === null ? null : this.epoch.rfc3339(info.lastAt),
      connections: chain?.tcp.connections ?? 0,
      mysqlSessions: chain?.sessions.sessions ?? 0,
      linkTypes: info.linkTypeNames,
      anomalies: anomalyReports(anomalies),
    })
  }

  /** A TLS key log, once everything is read that it may belong to. */
  addKeyLog(log: KeyLogInput): void {
    const sawTls = this.kept.some((s) => s.tls !== null)
    this.inputs.push({
      path: log.path,
      name: log.name,
      kind: 'keylog',
      format: 'nss-keylog',
      bytes: log.bytes,
      lines: log.source.lines,
      recognised: log.source.lines - log.source.damaged,
      anomalies: anomalyReports(keyLogAnomalies(log.source, sawTls)),
    })
  }

  /** Keys for so many of its sessions came when their packets had gone by. */
  lateKeys(input: InputReport, sessions: number): void {
    const log = new AnomalyLog()
    log.note('keylog.late', 0, `${sessions} TLS sessions`)
    input.anomalies.push(...anomalyReports(log))
  }

  /** What the logs say, by input in the order in which they were read, then by line. */
  get events(): readonly LogEvent[] {
    return this.logs.list()
  }

  /** Called before the first log is read, when all captures have been: what lies near them is worth most. */
  beginLogs(): {
    keep: (event: LogEvent) => boolean
    wanted: (rank: 0 | 1 | 2 | null) => boolean
  } {
    let from = Number.POSITIVE_INFINITY
    let to = Number.NEGATIVE_INFINITY
    for (const s of this.kept) {
      if (s.startAt < from) from = s.startAt
      if (s.endAt > to) to = s.endAt
    }
    const day = 86_400 * NS_PER_SECOND
    if (from <= to) this.logs.window = { from: from - day, to: to + day }
    return { keep: (event) => this.logs.add(event), wanted: (rank) => this.logs.wanted(rank) }
  }

  /** A log that was read; its events have been kept one by one. */
  addLog(path: string, name: string, format: string, bytes: number, counts: LogCounts, anomalies: AnomalyLog): void {
    this.inputs.push({
      path,
      name,
      kind: 'log',
      format,
      bytes,
      firstAt: counts.firstAt === null ? null : this.epoch.rfc3339(counts.firstAt),
      lastAt: counts.lastAt === null ? null : this.epoch.rfc3339(counts.lastAt),
      lines: counts.lines,
      recognised: counts.recognised,
      anomalies: anomalyReports(anomalies),
    })
    this.logs.inputs.push(name)
  }

  /** The configuration files, last of the inputs. */
  addConfigs(configs: readonly ConfigFile[]): void {
    for (const c of configs) this.addOther(c.path, c.name, 'config', c.format, c.bytes, c.anomalies)
    this.settings = configs.flatMap((c) => c.settings)
  }

  /** An input that holds no packets. */
  addOther(
    path: string,
    name: string,
    kind: 'log' | 'keylog' | 'config',
    format: string,
    bytes: number,
    anomalies: AnomalyLog = this.log,
  ): void {
    this.inputs.push({ path, name, kind, format, bytes, anomalies: anomalyReports(anomalies) })
  }
}

/** It lost nothing and killed nobody. */
function isHealthy(s: Session): boolean {
  return s.ending.lost === null && (s.ending.quit || s.ending.first === null) && s.mysql?.kills.length === 0
}

/** Two lists in order of time as one; of equal moments the first list's come first. */
function mergeByOrder<T extends { order: Instant }>(first: readonly T[], second: readonly T[]): T[] {
  const out: T[] = []
  let i = 0
  for (const b of second) {
    while (i < first.length && first[i]!.order <= b.order) out.push(first[i++]!)
    out.push(b)
  }
  return [...out, ...first.slice(i)]
}

/** The timers from the application inwards and the pairs in the wrong order; null when fewer than two layers are known. */
function timersReport(found: readonly TimerSetting[]): TimersReport | null {
  const settings = inOrder(found)
  if (new Set(settings.map((s) => s.layer)).size < 2) return null
  return {
    settings,
    conflicts: conflicts(settings).map((c) => ({
      outer: settings.indexOf(c.outer),
      inner: settings.indexOf(c.inner),
      says: c.says,
    })),
  }
}
