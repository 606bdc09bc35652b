/**
 * The samples, captures and logs, analysed and compared with what stands beside them: expected.txt is what `mysqlconn analyze`
 * prints of the folder (100 columns, no colour), expected.json its findings and summary. UPDATE_GOLDEN=1 writes them anew: read the difference.
 */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { analyze } from '../src/analyze.ts'
import { makeStyle } from '../src/report/style.ts'
import { renderText } from '../src/report/text.ts'

const root = resolve(import.meta.dirname, '..')
const samples = join(root, 'samples')
const update = process.env['UPDATE_GOLDEN'] === '1'
const cases = readdirSync(samples).filter((name) => statSync(join(samples, name)).isDirectory())
const inputsOf = (name: string) => {
  const files = readdirSync(join(samples, name)).sort()
  return [/\.pcap(ng)?$/, /\.log$/].flatMap((kind) => files.filter((f) => kind.test(f)))
}

const style = makeStyle({ color: 'never', isTTY: true, columns: 100, env: { LANG: 'C.UTF-8' } })

function compare(path: string, text: string): void {
  if (update) writeFileSync(path, text)
  expect(text).toBe(
    existsSync(path) ? readFileSync(path, 'utf8') : `(${relative(root, path)} is missing: UPDATE_GOLDEN=1)`,
  )
}

describe('samples', () => {
  for (const name of cases) {
    it(name, async () => {
      const inputs = inputsOf(name).map((f) => join('samples', name, f))
      expect(inputs.length).toBeGreaterThan(0)
      const report = await analyze(inputs.map((f) => join(root, f)))
      expect(report.bugs).toBeUndefined()
      // As somebody sees it who runs it in the checkout.
      for (const i of report.inputs) i.path = relative(root, i.path)
      compare(join(samples, name, 'expected.txt'), `${[...renderText(report, style)].join('\n')}\n`)
      const facts = { findings: report.findings, summary: report.summary }
      compare(join(samples, name, 'expected.json'), `${JSON.stringify(facts, null, 2)}\n`)
    })
  }

  it('are small: 300 kB each capture, 3.5 MB together', () => {
    const sizes = cases.flatMap((name) =>
      readdirSync(join(samples, name)).map((f) => statSync(join(samples, name, f)).size),
    )
    expect(Math.max(...sizes)).toBeLessThan(300_000)
    expect(sizes.reduce((a, b) => a + b, 0)).toBeLessThan(3_500_000)
  })
})
