/** Policy files: what is wrong is said with its line; scope, budgets, requirements and baseline decide as docs/policy.md says. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nearest } from '../../src/cli/suggest.ts'
import { MysqlconnError } from '../../src/core/errors.ts'
import { parseBaseline, updateBaseline } from '../../src/policy/baseline.ts'
import { type Baseline, judge } from '../../src/policy/judge.ts'
import { BASELINE_SCHEMA, DEFAULT_POLICY, type Policy, policySchema } from '../../src/policy/policy.ts'
import { parsePolicy } from '../../src/policy/read.ts'
import { inScope, parseNetwork } from '../../src/policy/scope.ts'
import type { BaselineEntry, Report } from '../../src/report/model.ts'
import { RULE_BOOK } from '../../src/report/rule-book.ts'
import { ROOT } from '../kit/require.ts'
import { anomaly, blindReport, finding, occurrence, report, session } from '../report/fixtures.ts'

const IDS = RULE_BOOK.map((r) => r.id)
const read = (text: string): Policy => parsePolicy('p/mysqlconn.yml', text, { ruleIds: IDS, nearest })
const wrong = (text: string): string => {
  try {
    read(text)
  } catch (e) {
    expect(e).toBeInstanceOf(MysqlconnError)
    expect((e as MysqlconnError).exitCode).toBe(2)
    return (e as Error).message
  }
  throw new Error('was accepted')
}
const check = (r: Report, policy: Partial<Policy> = {}, baseline: Baseline | null = null) =>
  judge(r, { ...DEFAULT_POLICY, ...policy }, baseline, IDS)
const failed = (r: Report): string[] => r.check!.cases.filter((c) => !c.passed).map((c) => `${c.kind} ${c.name}`)
const calm = report({ findings: [] })

describe('a policy file', () => {
  it('of the manual is read, and fits its schema', () => {
    const page = readFileSync(join(ROOT, 'docs/policy.md'), 'utf8')
    const [policy, baseline] = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map((m) => m[1]!)
    const p = read(policy!)
    expect(p.failOn).toBe('warning')
    expect(p.rules.get('client-no-quit')).toBe('off')
    expect(p.budgets.map((b) => b.name)).toEqual([
      'rst-after-query',
      'idle-timeout-proxy',
      'broken',
      'lost',
      'p99 handshake',
      'max greeting',
    ])
    expect(p.budgets[1]!.limit).toEqual({ share: 0.001 })
    expect(p.budgets[4]!.limit).toEqual({ seconds: 0.05 })
    expect(p.scope.users).toEqual(['app', 'batch_*'])
    expect(p.require).toEqual({ sessions: 10, readable: { share: 0.5 }, complete: true })
    expect(parseBaseline('b.yml', baseline!)[0]!.expires).toBe('2027-01-31')
  })

  it.each([
    ['version: 1\nbudget:\n  x: 1\n', "p/mysqlconn.yml:2: unknown key 'budget': did you mean budgets?"],
    ['version: 1\n\nrules:\n  rst-after-qery: off\n', "4: unknown key 'rst-after-qery': did you mean rst-after-query?"],
    [
      'version: 1\nrules:\n  packet-loss: fatal\n',
      "3: rules.packet-loss is 'fatal', not one of error, warning, info, off",
    ],
    [
      'version: 1\nbudgets:\n  rst-after-query: many\n',
      "3: budgets.rst-after-query is 'many', neither a count nor a percentage",
    ],
    ['version: 1\nbudgets:\n  rst-after-query: 101%\n', '3: budgets.rst-after-query is more than 100%'],
    ['version: 1\nbudgets:\n  p99 handshake: 50\n', '3: budgets.p99 handshake is no duration'],
    ['version: 1\nbudgets:\n  p99 handshakes: 50ms\n', '3: budgets.p99 handshakes is no budget'],
    ['version: 1\nscope:\n  clients: []\n', '3: scope.clients is empty'],
    ['version: 1\nscope:\n  clients: [10.0.0.0/33]\n', "3: scope.clients[0] is no address or network: '10.0.0.0/33'"],
    ['version: 1\nscope:\n  filter: usr == app\n', '3: scope.filter cannot be read'],
    ['version: 1\nrequire:\n  complete: "yes"\n', '3: require.complete is neither true nor false'],
    ['version: 1\nrequire:\n  sessions: -1\n', '3: require.sessions is not a whole number'],
    ['version: 2\n', '1: version is not 1'],
    ['fail-on: error\n', '1: the file has no version'],
    ['version: 1\nfail-on: error\nfail-on: info\n', '3: Map keys must be unique'],
    ['- a\n', '1: the file is not a mapping'],
    ['version: 1\nrules: {packet-loss: off}\nbudgets: {packet-loss: 0}\n', 'it could not fail'],
    ['', 'the file has no version'],
  ])('%j is refused: %s', (text, says) => expect(wrong(text)).toContain(says))

  it('is never accepted or refused by a crash', () => {
    const piece = fc.constantFrom(
      'version: 1',
      'rules:',
      '  packet-loss: off',
      'budgets:',
      '  broken: 1%',
      '- x',
      '&a *a',
      'scope: *a',
      '? :',
      '"',
    )
    fc.assert(
      fc.property(fc.array(piece), (lines) => {
        try {
          read(lines.join('\n'))
        } catch (e) {
          if (!(e instanceof MysqlconnError)) throw e
        }
      }),
    )
  })

  it('has a published schema that names every rule and key', () => {
    const schema = policySchema(IDS) as { properties: Record<string, { properties?: object }> }
    expect(Object.keys(schema.properties.rules!.properties!)).toEqual(IDS)
    for (const key of ['version', 'fail-on', 'rules', 'budgets', 'scope', 'exclude', 'require', 'baseline'])
      expect(schema.properties).toHaveProperty(key)
    expect(BASELINE_SCHEMA).toHaveProperty('properties.entries')
  })
})

describe('scope', () => {
  const within = (scope: object, exclude: object, client: string, user = 'app'): boolean =>
    inScope(scope, exclude)(session(1, { client, mysql: { ...session(1).mysql!, user } }))

  it.each([
    ['10.0.0.0/8', '10.20.0.10:50001', true],
    ['10.20.0.10', '10.20.0.10:50001', true],
    ['10.20.0.11', '10.20.0.10:50001', false],
    ['10.20.0.8/30', '10.20.0.12:1', false],
    ['0.0.0.0/0', '1.2.3.4:1', true],
    ['0.0.0.0/0', '[2001:db8::1]:1', false],
    ['2001:db8::/32', '[2001:db8:0:1::7]:1', true],
    ['2001:db8::/32', '[2001:db9::7]:1', false],
    ['::ffff:10.0.0.1', '[::ffff:10.0.0.1]:1', true],
    ['[2001:db8::7]:3306', '[2001:db8::7]:3307', false],
  ])('%s has %s: %s', (network, client, expected) => {
    expect(parseNetwork(network)).not.toBeNull()
    expect(within({ clients: [network] }, {}, client)).toBe(expected)
  })

  it.each(['10.0.0', '10.0.0.256', 'db.example', '1::2::3', '10.0.0.1/', '10.0.0.1:0', ''])('%s is none', (text) =>
    expect(parseNetwork(text)).toBeNull(),
  )

  it('users with *, and exclude wins', () => {
    expect(within({ users: ['batch_*'] }, {}, '10.0.0.1:1', 'batch_7')).toBe(true)
    expect(within({ users: ['batch_*'] }, {}, '10.0.0.1:1', 'mybatch_7')).toBe(false)
    expect(within({}, { users: ['mon.tor'] }, '10.0.0.1:1', 'monitor')).toBe(true)
    expect(within({ clients: ['10.0.0.0/8'] }, { users: ['app'] }, '10.0.0.1:1')).toBe(false)
  })

  it('leaves out findings of other sessions', () => {
    expect(failed(check(report()))).toEqual(['rule rst-after-query'])
    expect(
      failed(
        check(report(), {
          exclude: { clients: ['10.20.0.10'] },
          require: { ...DEFAULT_POLICY.require, sessions: 0, readable: { count: 0 } },
        }),
      ),
    ).toEqual([])
  })
})

describe('rules and severities', () => {
  it('fail at or above fail-on, as the policy grades them', () => {
    expect(failed(check(report()))).toEqual(['rule rst-after-query'])
    expect(failed(check(report(), { rules: new Map([['rst-after-query', 'warning']]) }))).toEqual([])
    expect(failed(check(report(), { rules: new Map([['rst-after-query', 'off']]) }))).toEqual([])
    expect(failed(check(report(), { failOn: null }))).toEqual([])
    const noted = report({ findings: [finding({ severity: 'info' })] })
    expect(failed(check(noted))).toEqual([])
    expect(failed(check(noted, { failOn: 'info' }))).toEqual(['rule rst-after-query'])
  })

  it('the graded severity stands in the report', () => {
    const r = check(report(), { rules: new Map([['rst-after-query', 'info']]) })
    expect(r.findings[0]!.severity).toBe('info')
    expect(r.summary).toMatchObject({ broken: 0, findings: { error: 0, info: 1 } })
  })
})

describe('budgets', () => {
  const budget = (name: string, limit: Policy['budgets'][number]['limit']) => ({
    budgets: [{ name, limit, text: 'x' }],
  })
  const sessions = Array.from({ length: 1_000 }, (_, i) => session(i, { handshakeSeconds: i / 1000 }))
  const two = report({ sessions, findings: [finding({ occurrences: [occurrence(1), occurrence(2)] })] })

  it('count connections, or take a share of the sessions', () => {
    expect(failed(check(two, budget('rst-after-query', { count: 2 })))).toEqual([])
    expect(failed(check(two, budget('rst-after-query', { count: 1 })))).toEqual(['budget rst-after-query'])
    expect(failed(check(two, budget('rst-after-query', { share: 0.002 })))).toEqual([])
    expect(failed(check(two, budget('rst-after-query', { share: 0.0019 })))).toEqual(['budget rst-after-query'])
  })

  it('of broken and lost sessions come on top of the rules', () => {
    expect(failed(check(two, { failOn: null, ...budget('broken', { count: 1 }) }))).toEqual(['budget broken'])
    expect(failed(check(two, { failOn: null, ...budget('lost', { count: 2 }) }))).toEqual([])
    const kept = report({ sessions, findings: [finding({ occurrences: [occurrence(1, { outcome: 'answered' })] })] })
    expect(failed(check(kept, { failOn: null, ...budget('lost', { count: 0 }) }))).toEqual([])
  })

  it('of measures take values that were seen, and fail where none was', () => {
    const p99 = (seconds: number) => failed(check({ ...two, findings: [] }, budget('p99 handshake', { seconds })))
    // Nearest rank: the 990th of 1,000 values 0, 1, ... 999 ms is 989 ms.
    expect(p99(0.989)).toEqual([])
    expect(p99(0.9889)).toEqual(['budget p99 handshake'])
    expect(failed(check(calm, budget('max greeting', { seconds: 9 })))).toEqual(['budget max greeting'])
    expect(failed(check(calm, budget('mean duration', { seconds: 2.4 })))).toEqual(['budget mean duration'])
    expect(failed(check(calm, budget('p50 duration', { seconds: 2.5 })))).toEqual([])
  })
})

describe('requirements', () => {
  it('an empty or blind capture never passes', () => {
    expect(failed(check(calm))).toEqual([])
    expect(failed(check(blindReport()))).toEqual(['require sessions', 'require readable', 'require complete'])
    const none = report({ sessions: [], findings: [] })
    expect(failed(check(none))).toEqual(['require sessions', 'require readable'])
  })

  it('TLS without keys alone fails, some of it need not', () => {
    const closed = {
      version: 'TLSv1.3',
      cipher: null,
      sni: null,
      decrypted: false,
      alerts: [],
      handshake: 'complete' as const,
    }
    const opaque = (n: number) =>
      report({ sessions: Array.from({ length: 4 }, (_, i) => session(i, i < n ? { tls: closed } : {})), findings: [] })
    expect(failed(check(opaque(4)))).toEqual(['require readable'])
    expect(failed(check(opaque(3)))).toEqual([])
    const half = { require: { ...DEFAULT_POLICY.require, readable: { share: 0.5 } } }
    expect(failed(check(opaque(3), half))).toEqual(['require readable'])
    expect(failed(check(opaque(2), half))).toEqual([])
    // Opened with a key it counts.
    const opened = report({ sessions: [session(0, { tls: { ...closed, decrypted: true } })], findings: [] })
    expect(failed(check(opened))).toEqual([])
  })

  it('what was lost, cut, partial or not recognised is incomplete; copies and offload are not', () => {
    for (const kind of [
      'capture.kernel-drops',
      'capture.snaplen',
      'capture.truncated-tail',
      'input.unrecognised',
      'capture.no-mysql',
    ] as const) {
      const r = report({ findings: [] })
      r.inputs[0]!.anomalies = [anomaly(kind, 3)]
      expect(failed(check(r)), kind).toEqual(['require complete'])
      expect(failed(check(r, { require: { ...DEFAULT_POLICY.require, complete: false } }))).toEqual([])
    }
    const harmless = report({ findings: [] })
    harmless.inputs[0]!.anomalies = [anomaly('packet.offload', 3), anomaly('capture.duplicate-frames')]
    expect(failed(check(harmless))).toEqual([])
    expect(failed(check(report({ findings: [], partial: true })))).toEqual(['require complete'])
  })
})

describe('the baseline', () => {
  const id = finding().id
  const entry = (over: Partial<BaselineEntry> = {}): BaselineEntry => ({
    id,
    reason: 'known',
    owner: 'dba',
    expires: '2026-12-31',
    ...over,
  })
  const with_ = (...entries: BaselineEntry[]): Baseline => ({ path: 'b.yml', entries })

  it('accepts a finding, and only that', () => {
    const r = check(report(), {}, with_(entry()))
    expect(failed(r)).toEqual([])
    expect(r.findings[0]!.suppressed).toEqual({ reason: 'known', owner: 'dba', expires: '2026-12-31' })
    expect(failed(check(report(), {}, with_(entry({ id: 'rst-after-query:other' }))))).toEqual(['rule rst-after-query'])
  })

  it('accepted findings are in no budget', () => {
    const strict = { failOn: null, budgets: [{ name: 'broken', limit: { count: 0 }, text: '0' }] }
    expect(failed(check(report(), strict))).toEqual(['budget broken'])
    expect(failed(check(report(), strict, with_(entry())))).toEqual([])
  })

  it('expires by the time of the capture: the last day still holds', () => {
    expect(failed(check(report(), {}, with_(entry({ expires: '2026-11-20' }))))).toEqual([])
    const over = check(report(), {}, with_(entry({ expires: '2026-11-19' })))
    expect(failed(over)).toEqual(['rule rst-after-query', 'baseline baseline'])
    expect(over.check!.baseline.expired).toEqual([entry({ expires: '2026-11-19' })])
  })

  it('names stale entries', () => {
    const r = check(calm, {}, with_(entry()))
    expect(failed(r)).toEqual([])
    expect(r.check!.baseline.stale).toEqual([entry()])
    expect(r.check!.cases.at(-1)!.says).toContain(`stale, not met this time: ${id} (dba)`)
  })

  it.each([
    ['version: 1\nentries:\n  - id: a:1\n    owner: x\n    expires: 2027-01-01\n', 'b.yml:3: entries[0] has no reason'],
    [
      'version: 1\nentries:\n  - {id: a:1, reason: r, owner: x, expires: 2027-02-30}\n',
      '3: entries[0].expires is no day',
    ],
    [
      'version: 1\nentries:\n  - {id: a:1, reason: r, owner: x, expires: 2027-02-01}\n  - {id: a:1, reason: r, owner: x, expires: 2027-02-01}\n',
      '4: entries[1] names a:1 a second time',
    ],
    ['version: 1\nentry: []\n', "2: unknown key 'entry'"],
  ])('%j is refused: %s', (text, says) => expect(() => parseBaseline('b.yml', text)).toThrow(says))

  it('is updated: new entries in, stale ones out, comments and the rest as they were', () => {
    const fields = { reason: 'ticket: 1', owner: 'dba', expires: '2027-01-31' }
    const first = updateBaseline('', [finding()], fields)
    expect(parseBaseline('b.yml', first)).toEqual([{ id, ...fields }])
    const commented = first.replace('entries:', '# agreed in the weekly\nentries:')
    const second = updateBaseline(commented, [finding(), finding({ id: 'a:2' })], { ...fields, owner: 'web' })
    expect(second).toContain('# agreed in the weekly')
    expect(parseBaseline('b.yml', second).map((e) => [e.id, e.owner])).toEqual([
      [id, 'dba'],
      ['a:2', 'web'],
    ])
    expect(
      parseBaseline(
        'b.yml',
        updateBaseline(second, [finding({ id: 'a:2' })], { reason: undefined, owner: undefined, expires: undefined }),
      ).map((e) => e.id),
    ).toEqual(['a:2'])
    expect(() => updateBaseline('', [finding()], { ...fields, owner: undefined })).toThrow(
      'needs a reason, an owner and a last day',
    )
    // A title of any text stays text.
    expect(parseBaseline('b.yml', updateBaseline('', [finding({ title: 'x: "y"\n- #z' })], fields)).length).toBe(1)
  })
})
