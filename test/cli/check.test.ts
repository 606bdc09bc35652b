/** `mysqlconn check` as CI runs it: exit codes, files, the same bytes everywhere, and the examples of docs/ci.md. Needs a build. */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { REPORT_JSON_SCHEMA } from '../../src/report/schema.ts'
import { schemaErrors } from '../kit/json-schema.ts'
import { ROOT } from '../kit/require.ts'

const bin = join(ROOT, 'bin/run.js')
const built = existsSync(join(ROOT, 'dist/commands/check.js'))
if (!built) console.warn('SKIPPED test/cli/check.test.ts: no dist/, run npm run build')

let dir: string
const run = (args: string[], cwd = dir, env: Record<string, string> = {}) => {
  const r = spawnSync(process.execPath, [bin, ...args], {
    cwd,
    env: { PATH: process.env['PATH'], HOME: dir, LC_ALL: 'C.UTF-8', ...env },
    encoding: 'utf8',
  })
  return { code: r.status, out: r.stdout, err: r.stderr }
}
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'mysqlconn-check-'))
  cpSync(join(ROOT, 'samples/idle-timeout-proxy/capture.pcap'), join(dir, 'mysql.pcap'))
  cpSync(join(ROOT, 'samples/healthy-direct/capture.pcap'), join(dir, 'healthy.pcap'))
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

describe.skipIf(!built)('check', () => {
  it('1 for a broken policy, 0 for one that holds, 3 for what cannot be read', () => {
    const broken = run(['check', 'mysql.pcap'])
    expect(broken).toMatchObject({ code: 1, err: 'mysqlconn: the policy is broken: rule idle-timeout-proxy\n' })
    expect(broken.out).toContain('The policy is broken (built-in policy:')
    expect(broken.out).toContain('id        idle-timeout-proxy:8f8b7bed')
    const holds = run(['check', 'healthy.pcap'])
    expect(holds).toMatchObject({ code: 0, err: '' })
    expect(holds.out).toMatch(/rules found nothing/)
    writeFileSync(join(dir, 'noise.bin'), Buffer.from(Array.from({ length: 999 }, (_, i) => (i * 73) & 255)))
    expect(run(['check', 'noise.bin']).code).toBe(3)
    expect(run(['check', 'none.pcap']).code).toBe(3)
  })

  it('an empty capture fails', () => {
    writeFileSync(join(dir, 'empty.pcap'), readFileSync(join(dir, 'mysql.pcap')).subarray(0, 24))
    const r = run(['check', 'empty.pcap'])
    expect(r.code).toBe(1)
    expect(r.out).toContain('require sessions')
  })

  it('finds the policy upward, and says the line of a mistake', () => {
    const deep = join(dir, 'up/a/b')
    mkdirSync(deep, { recursive: true })
    writeFileSync(join(dir, 'up/mysqlconn.yml'), 'version: 1\nbudgets:\n  idle-timeout-proxy: 50%\n')
    expect(run(['check', '../../../mysql.pcap'], deep)).toMatchObject({ code: 0, err: '' })
    writeFileSync(join(dir, 'up/mysqlconn.yml'), 'version: 1\nbudgets:\n  idle-timout-proxy: 50%\n')
    const bad = run(['check', '../../../mysql.pcap'], deep)
    expect(bad.code).toBe(2)
    expect(bad.err).toContain(
      'mysqlconn.yml:3: budgets.idle-timout-proxy is no budget: did you mean idle-timeout-proxy?',
    )
    expect(run(['check', 'mysql.pcap', '--policy', 'gone.yml']).code).toBe(2)
  })

  it('a rule that is off does not hand its sessions to a vaguer one', () => {
    writeFileSync(join(dir, 'off.yml'), 'version: 1\nfail-on: info\nrules: {idle-timeout-proxy: off}\n')
    expect(run(['check', 'mysql.pcap', '--policy', 'off.yml'])).toMatchObject({ code: 0 })
    expect(run(['check', 'mysql.pcap', '--rule', 'rst-after-query'])).toMatchObject({ code: 0 })
    expect(run(['check', 'mysql.pcap', '--rule', 'no-such'])).toMatchObject({ code: 2 })
  })

  it('has no flag that could hide a finding from the policy', () => {
    expect(run(['check', 'mysql.pcap', '--min-severity', 'error'])).toMatchObject({ code: 2 })
    // Narrowing away all sessions is no way to pass either.
    expect(run(['check', 'mysql.pcap', '--filter', 'user == nobody'])).toMatchObject({ code: 1 })
    expect(run(['check', 'mysql.pcap', '--since', '23:59'])).toMatchObject({ code: 1 })
  })

  it('writes, uses and renews a baseline', () => {
    const missing = run(['check', 'mysql.pcap', '--update-baseline', '--baseline', 'b.yml'])
    expect(missing).toMatchObject({ code: 2 })
    const fields = ['--reason', 'ticket 1', '--owner', 'dba', '--expires', '2027-01-31']
    const update = run(['check', 'mysql.pcap', '--update-baseline', '--baseline', 'b.yml', ...fields])
    expect(update).toMatchObject({ code: 0, err: 'mysqlconn: b.yml: 1 accepted\n' })
    expect(statSync(join(dir, 'b.yml')).mode & 0o777).toBe(0o600)
    expect(run(['check', 'mysql.pcap', '--baseline', 'b.yml'])).toMatchObject({ code: 0, err: '' })
    expect(run(['check', 'healthy.pcap', '--baseline', 'b.yml']).out).toContain('stale, not met this time')
    // An entry that has expired is answered for anew.
    const old = readFileSync(join(dir, 'b.yml'), 'utf8').replace('2027-01-31', '2026-01-01').replace('ticket 1', 'old')
    writeFileSync(join(dir, 'b.yml'), old)
    expect(run(['check', 'mysql.pcap', '--baseline', 'b.yml']).code).toBe(1)
    expect(run(['check', 'mysql.pcap', '--baseline', 'b.yml', '--update-baseline', ...fields]).code).toBe(0)
    expect(readFileSync(join(dir, 'b.yml'), 'utf8')).toMatch(/reason: ticket 1[\s\S]*expires: 2027-01-31/)
  })

  it('gives the same bytes whatever the locale, the time zone and the folder, in every format', () => {
    const there = join(dir, 'there')
    mkdirSync(there)
    cpSync(join(dir, 'mysql.pcap'), join(there, 'mysql.pcap'))
    for (const d of [dir, there]) writeFileSync(join(d, 'mysqlconn.yml'), 'version: 1\nbudgets: {p99 handshake: 1 s}\n')
    for (const format of ['text', 'json', 'ndjson', 'html', 'markdown', 'sarif', 'junit', 'github', 'gitlab']) {
      const here = run(['check', 'mysql.pcap', '--format', format])
      const other = run(['check', 'mysql.pcap', '--format', format], there, {
        TZ: 'Pacific/Chatham',
        LC_ALL: 'tr_TR.UTF-8',
        LANG: 'tr_TR.UTF-8',
      })
      expect(here.code).toBe(1)
      expect(other).toEqual(here)
    }
    rmSync(join(dir, 'mysqlconn.yml'))
  })

  it('its JSON fits the schema of the report', () => {
    const json = JSON.parse(run(['check', 'mysql.pcap', '--format', 'json']).out)
    expect(schemaErrors(json, REPORT_JSON_SCHEMA)).toEqual([])
    expect(json.check.cases.length).toBeGreaterThan(30)
  })

  it('the examples of docs/ci.md run as they stand', () => {
    const page = readFileSync(join(ROOT, 'docs/ci.md'), 'utf8')
    const commands = [...page.matchAll(/mysqlconn (check [^\n'`]+)/g)].map((m) => m[1]!.trim())
    expect(commands.length).toBeGreaterThanOrEqual(3)
    for (const command of commands) {
      const args = command.split(' ')
      const r = run(args)
      expect({ command, code: r.code }).toEqual({ command, code: 1 })
      for (const [i, a] of args.entries())
        if (a === '-o') expect(statSync(join(dir, args[i + 1]!)).size).toBeGreaterThan(50)
    }
    // What the pages hand to other programs is what was written.
    for (const m of page.matchAll(/(?:sarif_file|junit|codequality): (\S+)|junit '([^']+)'/g))
      expect(existsSync(join(dir, m[1] ?? m[2]!))).toBe(true)
  })

  it('schema policy and baseline are printed', () => {
    for (const of of ['policy', 'baseline', 'report'])
      expect(JSON.parse(run(['schema', of]).out).$schema).toContain('2020-12')
    expect(run(['schema', 'polcy']).code).toBe(2)
  })
})
