/** Formats made for other programs, on every sample: valid by their published schemas, stable, and free of anything live. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Ajv from 'ajv-draft-04'
import addFormats from 'ajv-formats'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { analyze } from '../../src/analyze.ts'
import { FORMATS, formatById, formatOfFile } from '../../src/report/formats.ts'
import { code, prose } from '../../src/report/markdown.ts'
import type { Report } from '../../src/report/model.ts'
import { RULE_BOOK } from '../../src/report/rule-book.ts'
import { itNeeds, ROOT } from '../kit/require.ts'
import { finding, occurrence, plain, report, session, text } from './fixtures.ts'

const schemas = join(ROOT, 'test/fixtures/schemas')
const names = readdirSync(join(ROOT, 'samples')).filter((n) => statSync(join(ROOT, 'samples', n)).isDirectory())
const reports = new Map<string, Report>()
let dir: string

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'mysqlconn-formats-'))
  for (const name of names) {
    const folder = join(ROOT, 'samples', name)
    const inputs = readdirSync(folder).filter((f) => /\.pcap(ng)?$/.test(f))
    reports.set(
      name,
      await analyze(
        inputs.map((f) => join(folder, f)),
        { idle: true, ladders: true },
      ),
    )
  }
}, 120_000)
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const render = (id: string, r: Report): string => `${text(formatById(id)!.render(r, plain))}\n`
/** Everything in it that a reader of the format could take for its own. */
const NASTY = `'><script>alert(1)</script>]]>&amp;\u202e\x1b[31m\x00|\`x\` @team ::error::%0A <!-- "`
const nasty = (): Report =>
  report({
    sessions: [session(1, { mysql: { ...session(1).mysql!, user: NASTY, schema: NASTY } })],
    findings: [
      finding({
        title: NASTY,
        occurrences: [occurrence(1, { statement: NASTY })],
        remedy: [{ text: NASTY, config: NASTY }],
      }),
    ],
  })

describe('-o', () => {
  it.each([
    ['a.html', 'html'],
    ['a.sarif', 'sarif'],
    ['a.sarif.json', 'sarif'],
    ['a.junit.xml', 'junit'],
    ['A.XML', 'junit'],
    ['a.md', 'markdown'],
    ['a.gitlab.json', 'gitlab'],
    ['a.json', 'json'],
    ['a.b.ndjson', 'ndjson'],
  ])('%s is %s', (path, id) => expect(formatOfFile(path)?.id).toBe(id))

  it('an ending that is none names no format', () => {
    for (const path of ['json', 'a', 'a.exe', 'ajson']) expect(formatOfFile(path)).toBeUndefined()
  })
})

describe('every format', () => {
  for (const f of FORMATS) {
    it(`${f.id} gives the same lines twice, and lets no control character through`, () => {
      expect(render(f.id, nasty())).toBe(render(f.id, nasty()))
      const raw = f.id === 'json' || f.id === 'ndjson' ? /[\x00-\x09\x0b-\x1f]/ : /[\x00-\x09\x0b-\x1f\u202e]/
      expect(render(f.id, nasty())).not.toMatch(raw)
    })
  }
})

describe('SARIF', () => {
  const schema = JSON.parse(readFileSync(join(schemas, 'sarif-schema-2.1.0.json'), 'utf8'))
  const ajv = new Ajv.default({ strict: false, allErrors: true })
  addFormats.default(ajv as never)
  const valid = ajv.compile(schema)
  const check = (r: Report) => {
    const sarif = JSON.parse(render('sarif', r))
    valid(sarif)
    expect(valid.errors ?? []).toEqual([])
    return sarif.runs[0]
  }

  it('the schema finds a mistake', () => {
    expect(valid({ version: '2.1.0', runs: [{ tool: {} }] })).toBe(false)
  })

  for (const name of names) {
    it(`${name} is valid, with one result per finding and its story`, () => {
      const r = reports.get(name)!
      const run = check(r)
      expect(run.results.length).toBe(r.findings.length)
      r.findings.forEach((f, i) => {
        const result = run.results[i]
        expect(run.tool.driver.rules[result.ruleIndex].id).toBe(f.rule)
        expect(result.partialFingerprints['mysqlconnFinding/v1']).toBe(f.id)
        expect(result.locations.length).toBeGreaterThan(0)
        expect(result.locations[0].physicalLocation.region.startLine).toBeGreaterThan(0)
        expect(result.codeFlows.length).toBeGreaterThan(0)
      })
    })
  }

  it('declares every rule with help, tags and a level', () => {
    const { rules } = check(report()).tool.driver
    expect(rules.map((r: { id: string }) => r.id)).toEqual(RULE_BOOK.map((r) => r.id))
    for (const r of rules) {
      expect(r.help.text.length).toBeGreaterThan(100)
      expect(r.help.markdown).toContain('**Fix**')
      expect(r.properties.tags.length).toBeLessThanOrEqual(10)
      expect(r.helpUri).toMatch(/^https:/)
    }
  })

  it('is valid for nasty text, odd paths, and thousands of occurrences, within what GitHub takes', () => {
    check(nasty())
    const many = Array.from({ length: 5_000 }, (_, i) => occurrence(i))
    const run = check(report({ findings: [finding({ occurrences: many })] }))
    const [result] = run.results
    expect(result.locations.length + result.relatedLocations.length).toBeLessThanOrEqual(1_000)
    expect(
      result.codeFlows.flatMap((c: { threadFlows: { locations: unknown[] }[] }) => c.threadFlows[0]!.locations).length,
    ).toBeLessThan(10_000)
    const odd = report()
    odd.inputs[0]!.path = '/tmp/a b/ü#1?\ud800.pcap'
    expect(check(odd).artifacts[0].location.uri).toBe('file:///tmp/a%20b/%C3%BC%231%3F%EF%BF%BD.pcap')
  })

  it('keeps what a baseline accepts as suppressed', () => {
    const accepted = { reason: 'known', owner: 'dba', expires: '2027-01-01' }
    const r = report({ findings: [finding({ suppressed: accepted })] })
    r.check = {
      policy: null,
      passed: true,
      failOn: 'error',
      cases: [],
      baseline: { path: null, stale: [], expired: [] },
    }
    const [result] = check(r).results
    expect(result.suppressions).toEqual([
      { kind: 'external', status: 'accepted', justification: 'known (dba, until 2027-01-01)' },
    ])
  })
})

describe('JUnit', () => {
  const counts = (xml: string) => ({
    cases: xml.match(/<testcase /g)?.length ?? 0,
    failures: xml.match(/<failure /g)?.length ?? 0,
  })

  it('has a case per rule, failed where a cause was found', () => {
    const r = reports.get('idle-timeout-proxy')!
    const xml = render('junit', r)
    expect(counts(xml)).toEqual({ cases: RULE_BOOK.length, failures: 1 })
    expect(xml).toContain(`tests="${RULE_BOOK.length}" failures="1" errors="0"`)
    expect(xml).toMatch(
      /<testcase name="idle-timeout-proxy"[^>]*>\s*<failure type="rule" message="[^"]*closed idle connections/,
    )
  })

  itNeeds('xmllint')('is valid by the schema of Jenkins (xunit-plugin), for every sample and for nasty text', () => {
    for (const [name, r] of [...reports, ['nasty', nasty()] as const]) {
      const path = join(dir, `${name}.xml`)
      writeFileSync(path, render('junit', r))
      execFileSync('xmllint', ['--noout', '--schema', join(schemas, 'junit-10.xsd'), path], { stdio: 'pipe' })
    }
    // The schema finds a mistake.
    const path = join(dir, 'bad.xml')
    writeFileSync(path, '<testsuites><testsuite name="x"/></testsuites>')
    expect(() =>
      execFileSync('xmllint', ['--noout', '--schema', join(schemas, 'junit-10.xsd'), path], { stdio: 'pipe' }),
    ).toThrow()
  })
})

describe('GitHub annotations', () => {
  it('say file, frame, rule and verdict in one line each', () => {
    const lines = render('github', reports.get('idle-timeout-proxy')!).trim().split('\n')
    expect(lines[0]).toMatch(/^::error file=.*capture\.pcap,line=\d+,title=mysqlconn idle-timeout-proxy::The proxy /)
    expect(lines.at(-1)).toBe('mysqlconn: 16 sessions, 2 broken')
  })

  it('cannot be made to carry another command', () => {
    const lines = render('github', nasty()).trim().split('\n')
    expect(lines.length).toBe(2)
    expect(lines[0]!.startsWith('::error file=')).toBe(true)
    expect(lines[0]).toContain('%250A')
  })

  it('stop at ten of each severity and say so', () => {
    const many = Array.from({ length: 25 }, (_, i) => finding({ id: `rst-after-query:${i}` }))
    const lines = render('github', report({ findings: many }))
      .trim()
      .split('\n')
    expect(lines.filter((l) => l.startsWith('::error')).length).toBe(10)
    expect(lines).toContain('mysqlconn: 15 more findings without an annotation')
  })
})

describe('GitLab Code Quality', () => {
  it('has what GitLab asks for, and fingerprints that differ', () => {
    for (const r of reports.values()) {
      const issues = JSON.parse(render('gitlab', r))
      expect(issues.length).toBe(r.findings.length)
      expect(new Set(issues.map((i: { fingerprint: string }) => i.fingerprint)).size).toBe(issues.length)
      for (const i of issues) {
        expect(i.description).not.toBe('')
        expect(['info', 'minor', 'major', 'critical', 'blocker']).toContain(i.severity)
        expect(i.location.lines.begin).toBeGreaterThan(0)
        expect(i.location.path).not.toMatch(/^\.\//)
      }
    }
  })
})

describe('Markdown', () => {
  it('tells the verdict first, then why and what to do', () => {
    const md = render('markdown', reports.get('idle-timeout-proxy')!)
    expect(md).toMatch(/^# 1 cause, 2 of 16 MySQL sessions broke\n/)
    for (const head of ['**Because**', '**Do**', '**Not**']) expect(md).toContain(head)
    expect(md).toContain('`SELECT name FROM user WHERE id=')
  })

  it('leaves nothing for Markdown to take for its own', () => {
    expect(prose('<b>*a*_b_[x](y) @team | # $x$')).toBe('\\<b\\>\\*a\\*\\_b\\_\\[x\\](y) @\u2060team \\| \\# \\$x\\$')
    expect(code('a `b` | c')).toBe('``a `b` | c``')
    expect(code('a | b', true)).toBe('`a \\| b`')
    expect(code('`')).toBe('`` ` ``')
    const outside = render('markdown', nasty()).replace(/(`+)[\s\S]*?\1/g, '')
    expect(outside).toContain('script')
    expect(outside).not.toMatch(/(?<!\\)<script/)
  })
})
