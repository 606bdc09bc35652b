/** What a rule, an anomaly or a version must have beside its code; a missing piece fails by name. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ANOMALY_KINDS } from '../src/core/anomaly.ts'
import type { RuleMeta } from '../src/detect/rule.ts'
import { RULES } from '../src/detect/rules/index.ts'
import { LINK_TYPES } from '../src/packet/link.ts'
import type { Finding } from '../src/report/model.ts'
import { VERSION } from '../src/version.ts'

const root = resolve(import.meta.dirname, '..')
const read = (...path: string[]): string =>
  existsSync(join(root, ...path)) ? readFileSync(join(root, ...path), 'utf8') : ''
const metas: readonly RuleMeta[] = RULES.map((r) => r.meta)

describe('every rule', () => {
  it('has an id of its own', () => {
    expect(new Set(metas.map((m) => m.id)).size).toBe(metas.length)
  })

  it('is listed, and every file in rules/ is a rule', () => {
    const files = readdirSync(join(root, 'src/detect/rules')).filter((f) => f !== 'index.ts')
    expect(files.map((f) => f.replace('.ts', '')).sort()).toEqual(metas.map((m) => m.id).sort())
  })

  for (const m of metas) {
    describe(m.id, () => {
      it('says what, why, what it cannot tell, how to fix it, and where to read on', () => {
        for (const text of [m.title, m.what, m.why, m.cannotTell, m.sample]) expect(text.trim()).not.toBe('')
        for (const list of [m.fix, m.needs, m.quiet, m.references]) expect(list.length).toBeGreaterThan(0)
        for (const f of m.fix) expect(f.text.trim()).not.toBe('')
        for (const r of m.references) expect(r.url).toMatch(/^https:\/\//)
        for (const says of Object.values(m.detail)) expect(says.trim()).not.toBe('')
      })

      it('has a test file that names it, with firing and quiet cases', () => {
        const text = read('test/rules', `${m.id}.test.ts`)
        expect(text).toContain(`const RULE = '${m.id}'`)
        expect(text).toContain("describe('stays quiet'")
      })

      it('has a sample that it reports, with detail keys as documented', () => {
        expect(read('samples', m.sample, 'README.md')).not.toBe('')
        const { findings } = JSON.parse(read('samples', m.sample, 'expected.json') || '{"findings":[]}') as {
          findings: Finding[]
        }
        const own = findings.filter((f) => f.rule === m.id)
        expect(own.length).toBeGreaterThan(0)
        for (const f of own) {
          // `shared` may stand in the detail of any finding: what its sessions have in common (blast-radius.ts).
          expect(f.family).toBe(m.family)
          expect(
            Object.keys(f.detail)
              .filter((k) => k !== 'shared')
              .sort(),
          ).toEqual(Object.keys(m.detail).sort())
        }
      })

      it('has its section in docs/rules.md', () => {
        expect(read('docs/rules.md')).toContain(`\n## ${m.id}\n`)
      })
    })
  }
})

describe('docs/formats.md', () => {
  const page = read('docs/formats.md')

  it('has every anomaly, with what it costs', () => {
    for (const [kind, row] of Object.entries(ANOMALY_KINDS)) {
      expect(page).toContain(`\`${kind}\``)
      expect(page).toContain(row.means)
    }
  })

  it('has every link type that is decoded', () => {
    for (const number of Object.keys(LINK_TYPES)) expect(page).toMatch(new RegExp(`^\\| ${number} \\| [A-Z]`, 'm'))
  })
})

describe('samples', () => {
  it('have a README, an expected text and an expected JSON each', () => {
    const dirs = readdirSync(join(root, 'samples'), { withFileTypes: true }).filter((d) => d.isDirectory())
    for (const d of dirs) {
      const files = readdirSync(join(root, 'samples', d.name))
      expect(files).toEqual(expect.arrayContaining(['README.md', 'expected.json', 'expected.txt']))
    }
  })
})

it('VERSION is that of package.json', () => {
  expect(VERSION).toBe((JSON.parse(read('package.json')) as { version: string }).version)
})
