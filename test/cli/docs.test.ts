/** docs/cli.md and docs/rules.md are what the code says of itself. Needs a build, as cli.test.ts. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Config } from '@oclif/core'
import { describe, expect, it } from 'vitest'
import { EXIT, RULES } from '../../src/index.ts'
import { FORMATS } from '../../src/report/formats.ts'
import { QUESTIONS } from '../../src/report/questions.ts'

const root = resolve(import.meta.dirname, '../..')
const built = existsSync(join(root, 'dist/commands/analyze.js'))
if (!built) console.warn('SKIPPED test/cli/docs.test.ts: no dist/, run npm run build')

describe.skipIf(!built)('generated pages', () => {
  it('are up to date (npm run docs)', () => {
    const r = spawnSync(process.execPath, [join(root, 'bin/docs.js'), '--check'], { encoding: 'utf8' })
    expect({ code: r.status, err: r.stderr }).toEqual({ code: 0, err: '' })
  }, 30_000)
})

describe.skipIf(!built)('the pages together', () => {
  const page = (name: string): string => readFileSync(join(root, 'docs', name), 'utf8')

  it('document every command and every flag', async () => {
    const config = await Config.load({ root })
    const text = page('cli.md')
    for (const c of config.commands) {
      if (c.hidden || c.aliases.includes(c.id)) continue
      const begin = text.indexOf(`## mysqlconn ${c.id.replaceAll(':', ' ')}\n`)
      expect(begin, c.id).toBeGreaterThan(0)
      const section = text.slice(begin, text.indexOf('\n## ', begin + 1))
      for (const f of Object.values(c.flags)) {
        if (f.hidden) continue
        expect(section, `${c.id} --${f.name}`).toMatch(new RegExp(`--(?:\\[no-\\])?${f.name}\\b`))
        expect(f.summary ?? f.description, `${c.id} --${f.name}`).toBeTruthy()
      }
      expect((c.examples ?? []).length, `${c.id} has examples`).toBeGreaterThan(0)
    }
  }, 30_000)

  it('document every rule, exit code and question', () => {
    for (const r of RULES) expect(page('rules.md')).toContain(`\n## ${r.id}\n`)
    for (const code of Object.values(EXIT)) expect(page('cli.md')).toMatch(new RegExp(`^\\| ${code} \\|`, 'm'))
    for (const q of QUESTIONS) expect(page('questions.md')).toContain(`\n## ${q.id}\n`)
  })

  it('link to places that exist', () => {
    for (const name of readdirSync(join(root, 'docs')).filter((f) => f.endsWith('.md'))) {
      const links = [...page(name).matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map((m) => m[1]!)
      expect(links.filter((l) => !existsSync(join(root, 'docs', l)))).toEqual([])
    }
  })
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
