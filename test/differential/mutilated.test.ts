/**
 * The labelled captures, each as a poor capture would have it: whatever is missing, nobody is accused who is innocent in the
 * whole one. (What is missed by missing frames is nobody's fault.)
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import { analyzeBuffers } from '../../src/memory.ts'
import { initZstd } from '../../src/mysql/zstd.ts'
import { MUTILATIONS, mutilate } from '../kit/mutilate.ts'
import { CAPTURES, needs } from '../kit/require.ts'

interface Truth {
  inputs: string[]
  expect?: { sessions: { client: string; server: string }[] }[]
  gray?: string[]
  lenient?: string[]
}

const FOLDERS = ['incidents', 'proxysql'].map((f) => join(CAPTURES, f))
const cases = FOLDERS.filter((f) => existsSync(f))
  .flatMap((f) => readdirSync(f).map((name) => join(f, name)))
  .filter((dir) => existsSync(join(dir, 'truth.json')))
  .sort()

needs(...FOLDERS)('poor captures', () => {
  beforeAll(initZstd)
  for (const m of MUTILATIONS) {
    it(m.name, () => {
      const wrong: string[] = []
      let read = 0
      for (const dir of cases) {
        const truth = JSON.parse(readFileSync(join(dir, 'truth.json'), 'utf8')) as Truth
        const inputs = truth.inputs
          .filter((f) => /\.pcap$/.test(f))
          .map((name) => ({ name, bytes: mutilate(readFileSync(join(dir, name)), m) }))
        if (inputs.length === 0 || inputs.some((i) => i.bytes === null)) continue
        read++
        const known = new Set((truth.expect ?? []).flatMap((e) => e.sessions.map((s) => `${s.client}>${s.server}`)))
        const gray = new Set(truth.gray ?? [])
        const report = analyzeBuffers(inputs.map((i) => ({ name: i.name, bytes: i.bytes! })))
        expect(report.bugs ?? []).toEqual([])
        for (const f of report.findings) {
          if (f.severity === 'info' || truth.lenient?.includes(f.rule) === true) continue
          for (const o of f.occurrences)
            if (!known.has(`${o.client}>${o.server}`) && !gray.has(o.client))
              wrong.push(`${dir}: ${f.rule} ${o.client}`)
        }
      }
      expect(read).toBeGreaterThan(50)
      expect(wrong).toEqual([])
    }, 120_000)
  }
})
