/** docs/cli.md and docs/rules.md are what the code says of itself. Needs a build, as cli.test.ts. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { FORMATS } from '../../src/report/formats.ts'

const root = resolve(import.meta.dirname, '../..')
const built = existsSync(join(root, 'dist/commands/analyze.js'))
if (!built) console.warn('SKIPPED test/cli/docs.test.ts: no dist/, run npm run build')

describe.skipIf(!built)('generated pages', () => {
  it('are up to date (npm run docs)', () => {
    const r = spawnSync(process.execPath, [join(root, 'bin/docs.js'), '--check'], { encoding: 'utf8' })
    expect({ code: r.status, err: r.stderr }).toEqual({ code: 0, err: '' })
  }, 30_000)
})

describe('the README', () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')

  it('names every output format and every exit code', () => {
    for (const f of FORMATS) expect(readme).toContain(`\`${f.id}\``)
    for (const code of [0, 1, 2, 3, 70, 130]) expect(readme).toMatch(new RegExp(`^\\| ${code} \\|`, 'm'))
  })

  it('links to pages that exist', () => {
    const links = [...readme.matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map((m) => m[1]!)
    expect(links.filter((l) => !existsSync(join(root, l)))).toEqual([])
  })
})
