/** Judges plays: what the whole engine, from frames to findings, says of a told story. */
import { expect } from 'vitest'
import { analyzeBuffers } from '../../src/memory.ts'
import type { Evidence, Finding, Occurrence, Outcome, Report, SessionReport } from '../../src/report/model.ts'
import { type Capture, type CaptureOptions, capture, type Play, play } from '../kit/play.ts'

export * from '../kit/play.ts'

/** Name of the input in session ids. */
export const INPUT = 'play.pcap'

export interface Judged {
  report: Report
  findings: readonly Finding[]
  /** Findings that call for action: those of severity error and warning. */
  accusations: readonly Finding[]
  /** The one finding of this rule; fails when there is none or more than one. */
  only(rule: string): Finding
  /** Findings of this rule. */
  of(rule: string): readonly Finding[]
  session(stream: number): SessionReport
  capture: Capture
}

/** The rules of the last resort for cuts, and those about the client: what they say when no timer, crash or path is to blame. */
export const CUT_RULES = [
  'connection-killed',
  'client-timeout',
  'client-vanished',
  'client-no-quit',
  'query-cancelled',
  'rst-after-query',
]

export interface JudgeOptions extends CaptureOptions {
  /** Rules to run: every one unless given, as users run them. */
  rules?: readonly string[]
  /** Without the keys of plays told inside TLS. */
  withoutKeys?: boolean
}

/** Analyses one capture of these plays. A rule that throws fails the test. */
export function judge(plays: Play | readonly Play[], o: JudgeOptions = {}): Judged {
  const made = capture(plays, o)
  const options = o.rules === undefined ? {} : { rules: [...o.rules] }
  const keyLog = [plays]
    .flat()
    .map((p) => p.wire.keyLog)
    .join('')
  const keys = keyLog === '' || o.withoutKeys === true ? [] : [{ name: 'keys.txt', bytes: Buffer.from(keyLog) }]
  const report = analyzeBuffers([{ name: INPUT, bytes: made.bytes }, ...keys], options)
  expect(report.bugs ?? []).toEqual([])
  const of = (rule: string) => report.findings.filter((f) => f.rule === rule)
  return {
    report,
    findings: report.findings,
    accusations: report.findings.filter((f) => f.severity !== 'info'),
    of,
    only(rule) {
      expect(report.findings.map((f) => f.rule)).toContain(rule)
      const [first, ...more] = of(rule)
      expect(more.map((f) => f.title)).toEqual([])
      return first!
    },
    session(stream) {
      const s = report.sessions.find((x) => x.id === `${INPUT}:${stream}`)
      expect(s, `session ${stream}`).toBeDefined()
      return s!
    },
    capture: made,
  }
}

/** The same with the rules about cuts alone, which are asked what they say when no other rule has said why. */
export const judgeCuts = (plays: Play | readonly Play[], o: JudgeOptions = {}): Judged =>
  judge(plays, { ...o, rules: CUT_RULES })

/** Nothing is accused, and these rules say nothing at all. */
export function expectQuiet(j: Judged, ...rules: readonly string[]): void {
  expect(j.accusations.map((f) => `${f.rule}: ${f.title}`)).toEqual([])
  for (const rule of rules) expect(j.of(rule).map((f) => f.title)).toEqual([])
}

/** Frame numbers that an occurrence cites, all kinds together. */
export const citedFrames = (o: Occurrence): number[] => o.evidence.flatMap((e) => (e.kind === 'frames' ? e.frames : []))

/** The first evidence that cites the labelled frame. */
export function says(j: Judged, o: Occurrence, label: string): string {
  const frame = j.capture.frame(label)
  const e = o.evidence.find((x): x is Evidence & { kind: 'frames' } => x.kind === 'frames' && x.frames.includes(frame))
  expect(e, `evidence citing frame ${frame} (${label}); cited: ${citedFrames(o)}`).toBeDefined()
  return e!.says
}

export const measured = (o: Occurrence, name: string): number | undefined =>
  o.evidence.find((e): e is Evidence & { kind: 'measure' } => e.kind === 'measure' && e.name === name)?.value

export const outcomeOf = (f: Finding): Outcome => f.occurrences[0]!.outcome

export const SERVER_IP = '10.0.0.2'
export const CLIENT_IP = '10.0.0.1'

/** A session that has logged in and answered one query, in a story of its own. */
export const working = (o: Parameters<typeof play>[0] = {}): Play => play(o).connect().login()
