/** The labelled captures beside the checkout, where they are present: their truth against what the packets alone tell. */
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { analyze } from '../../src/analyze.ts'

const ROOT = resolve(import.meta.dirname, '../../../shared/captures')

interface Truth {
  inputs: string[]
  expect?: { rule: string | string[]; sessions: { client: string; server: string }[] }[]
  gray?: string[]
}

/** The named case, in incidents/ or proxysql/; null when the captures are not there. */
function folder(name: string): string | null {
  return (
    ['incidents', 'proxysql'].map((d) => join(ROOT, d, name)).find((d) => existsSync(join(d, 'truth.json'))) ?? null
  )
}

/** This rule names every session that the truth expects of it, and none that is neither expected nor gray. */
export function incident(name: string, rule: string): void {
  const dir = folder(name)
  describe.skipIf(dir === null)(`${name}${dir === null ? ' (captures are not present)' : ''}`, () => {
    it(rule, async () => {
      const truth = JSON.parse(readFileSync(join(dir!, 'truth.json'), 'utf8')) as Truth
      const report = await analyze(truth.inputs.filter((f) => /\.pcap(ng)?$/.test(f)).map((f) => join(dir!, f)))
      const found = report.findings.filter((f) => f.rule === rule)
      const named = found.flatMap((f) => f.occurrences.map((o) => `${o.client}>${o.server}`))
      const all = (truth.expect ?? []).flatMap((e) => e.sessions.map((s) => `${s.client}>${s.server}`))
      const owed = (truth.expect ?? [])
        .filter((e) => [e.rule].flat().includes(rule))
        .flatMap((e) => e.sessions.map((s) => `${s.client}>${s.server}`))
      expect(named).toEqual(expect.arrayContaining(owed))
      expect(owed.length > 0 || truth.expect === undefined || truth.expect.length === 0).toBe(true)
      const gray = new Set(truth.gray ?? [])
      expect(named.filter((s) => !all.includes(s) && !gray.has(s.slice(0, s.indexOf('>'))))).toEqual([])
    })
  })
}

/** This rule accuses nobody in the named case. */
export function innocent(name: string, rule: string): void {
  const dir = folder(name)
  describe.skipIf(dir === null)(`${name}${dir === null ? ' (captures are not present)' : ''}`, () => {
    it(`no ${rule}`, async () => {
      const truth = JSON.parse(readFileSync(join(dir!, 'truth.json'), 'utf8')) as Truth
      const report = await analyze(truth.inputs.filter((f) => /\.pcap(ng)?$/.test(f)).map((f) => join(dir!, f)))
      expect(report.findings.filter((f) => f.rule === rule && f.severity !== 'info').map((f) => f.title)).toEqual([])
    })
  })
}
