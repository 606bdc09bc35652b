/** Judges plays together with logs, as users give them: a capture and text files, through the whole engine. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { analyze } from '../../src/analyze.ts'
import type { AnalyzeOptions } from '../../src/options.ts'
import type { Evidence, Finding, Report } from '../../src/report/model.ts'
import { type Capture, capture, type Play } from './play.ts'

export interface Logged {
  report: Report
  findings: readonly Finding[]
  accusations: readonly Finding[]
  only(rule: string): Finding
  of(rule: string): readonly Finding[]
  capture: Capture | null
}

export type LogTexts = Readonly<Record<string, readonly string[]>>

/** Analyses these plays (none: logs alone) with these logs, by name and lines. A rule that throws fails the test. */
export async function judgeLogged(
  plays: readonly Play[],
  logs: LogTexts,
  options: AnalyzeOptions = {},
): Promise<Logged> {
  const dir = mkdtempSync(join(tmpdir(), 'mysqlconn-logged-'))
  try {
    const made = plays.length === 0 ? null : capture(plays)
    const inputs: string[] = []
    const put = (name: string, content: string | Uint8Array): void => {
      writeFileSync(join(dir, name), content)
      inputs.push(join(dir, name))
    }
    if (made !== null) put('play.pcap', made.bytes)
    for (const [name, lines] of Object.entries(logs)) put(name, `${lines.join('\n')}\n`)
    const report = await analyze(inputs, options)
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
      capture: made,
    }
  } finally {
    rmSync(dir, { recursive: true })
  }
}

/** `name:line says` of the log lines that an occurrence cites. */
export const citedLines = (o: { evidence: readonly Evidence[] } | undefined): string[] =>
  (o?.evidence ?? []).flatMap((e) => (e.kind === 'log' ? [`${e.input}:${e.line} ${e.says}`] : []))
