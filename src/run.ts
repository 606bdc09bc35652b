/**
 * One run: what has been read so far, over all inputs, and the report made of it. `analyze.ts` feeds it from files,
 * `analyzeBuffer` from memory. Holds no file and prints nothing.
 */

import type { CaptureInfo } from './capture/capture-info.ts'
import { Chain, type ChainOptions } from './chain.ts'
import { AnomalyLog } from './core/anomaly.ts'
import { sideName } from './core/direction.ts'
import { MysqlconnError } from './core/errors.ts'
import { LIMITS } from './core/limits.ts'
import { Epoch, type Instant, NS_PER_SECOND, toSeconds } from './core/time.ts'
import { type ClockOffset, clockOffsets } from './detect/clocks.ts'
import { detect } from './detect/engine.ts'
import type { Fleet } from './detect/fleet.ts'
import { idleReport } from './detect/idle-report.ts'
import { pollutionReport } from './detect/pollution-report.ts'
import { RULES } from './detect/rules/index.ts'
import { stateAt } from './detect/state-at.ts'
import type { LogEvent } from './logs/event.ts'
import { type AnalyzeOptions, parseWhen, resolveWhen } from './options.ts'
import { anomalyReports, sessionReport, summarise } from './report/build.ts'
import { type InputReport, REPORT_SCHEMA, type Report, type TraceReport } from './report/model.ts'
import { redactReport } from './report/redact.ts'
import { begunBefore, isOpaque, missingDirection } from './session/diagnosis.ts'
import type { Session } from './session/session.ts'
import { shiftSession } from './session/shift.ts'
import type { Trace } from './session/trace.ts'
import { VERSION } from './version.ts'

const stateOf = (state: string): { state?: string } => (state === '' ? {} : { state })

const RANK = { error: 0, warning: 1, info: 2 } as const

export class Run {
  readonly epoch = new Epoch()
  readonly inputs: InputReport[] = []
  partial = false
  /** Checkouts and checkins of pool traces, on the run's clock. */
  readonly borrows: LogEvent[] = []
  private readonly options: AnalyzeOptions
  private readonly kept: Session[] = []
  private total = 0
  private healthy = 0
  private trace: { session: string; trace: Trace } | null = null
  private readonly log = new AnomalyLog()

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
      onSession: (s) => this.keep(s),
    })
  }

  /** A chain whose input has ended. Its own anomalies go to the first file of the series. */
  finish(chain: Chain): void {
    chain.end()
    if (chain.sessions.trace !== null) this.trace = { session: this.options.trace!, trace: chain.sessions.trace }
  }

  private keep(s: Session): void {
    this.total++
    // Broken sessions are always kept; beyond the limit, healthy ones are only counted.
    if (s.ending.lost === null && (s.ending.quit || s.ending.first === null) && s.mysql?.kills.length === 0) {
      if (this.healthy >= LIMITS.healthySessions) return
      this.healthy++
    }
    this.kept.push(s)
  }

  report(): Report {
    const order = new Map(this.inputs.map((i, n) => [i.name, n]))
    const rank = (s: Session): number => order.get(s.input) ?? 0
    const clocks = this.setClocks()
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
      { events: this.borrows, gap: (this.options.borrowGap ?? 0) * NS_PER_SECOND },
    )
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
      }),
    }
    if (this.options.idle === true) report.idle = idleReport(fleet)
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
    return {
      session: t.session,
      events: t.trace.events.map((e) => ({
        at: this.epoch.rfc3339(e.at - ahead),
        offsetSeconds: toSeconds(e.at - ahead - start),
        frame: session?.files.locate(e.frame).frame ?? e.frame,
        dir: e.dir === null ? null : sideName(e.dir),
        layer: e.layer,
        what: e.what,
        says: e.says,
        ...(e.emphasis ? { emphasis: true } : {}),
        ...stateOf(state(e.at - ahead)),
      })),
      dropped: t.trace.dropped,
    }
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

  /** An input that holds no packets. */
  addOther(
    path: string,
    name: string,
    kind: 'log' | 'keylog',
    format: string,
    bytes: number,
    anomalies: AnomalyLog = this.log,
  ): void {
    this.inputs.push({ path, name, kind, format, bytes, anomalies: anomalyReports(anomalies) })
  }
}
