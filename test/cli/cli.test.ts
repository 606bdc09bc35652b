/**
 * The built command line, as a user runs it: output, exit codes, pipes, files, signals. Needs `npm run build` (npm test does
 * it first); MYSQLCONN_BIN names another build.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { REPORT_JSON_SCHEMA } from '../../src/report/schema.ts'
import { schemaErrors } from '../kit/json-schema.ts'
import { capture, play, rows } from '../kit/play.ts'

// Every run is a process of its own; a busy machine needs its time.
vi.setConfig({ testTimeout: 60_000 })

const root = resolve(import.meta.dirname, '../..')
const bin = process.env['MYSQLCONN_BIN'] ?? join(root, 'bin/run.js')
const built = process.env['MYSQLCONN_BIN'] !== undefined || existsSync(join(root, 'dist/commands/analyze.js'))
if (!built) console.warn('SKIPPED test/cli/cli.test.ts: no dist/, run npm run build')

const ENV = { PATH: process.env['PATH'], HOME: process.env['HOME'], LC_ALL: 'C.UTF-8' }
interface Run {
  code: number | null
  out: string
  err: string
}
function run(args: string[], options: { input?: Uint8Array; env?: Record<string, string>; cwd?: string } = {}): Run {
  const r = spawnSync(process.execPath, [bin, ...args], {
    cwd: options.cwd ?? dir,
    env: { ...ENV, ...options.env },
    input: options.input,
    encoding: 'utf8',
  })
  return { code: r.status, out: r.stdout, err: r.stderr }
}

let dir: string
let bytes: Uint8Array
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'mysqlconn-cli-'))
  const p = play({ client: '10.0.0.1:40000', server: '10.0.0.2:3306', rtt: '0.5ms' })
  p.connect().login({ user: 'app', schema: 'shop' }).query('SELECT 1', rows(1)).wait('2s')
  p.query("UPDATE t SET a = 8675309 WHERE b = 'secret'").wait('1s').server.rst()
  bytes = capture(p).bytes
  writeFileSync(join(dir, 'cut.pcap'), bytes)
  writeFileSync(join(dir, 'short.pcap'), bytes.subarray(0, bytes.length - 30))
  writeFileSync(
    join(dir, 'noise.bin'),
    Uint8Array.from({ length: 4096 }, (_, i) => (i * 73 + (i >> 3)) & 255),
  )
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

describe.skipIf(!built)('analyze', () => {
  it('says what broke, on stdout, without colour in a pipe', () => {
    const r = run(['analyze', 'cut.pcap'])
    expect(r).toMatchObject({ code: 0, err: '' })
    expect(r.out).toContain('1 cause, 1 of 1 session broke, 1 query lost')
    expect(r.out).toContain("UPDATE t SET a = 8675309 WHERE b = 'secret'")
    expect(r.out).not.toContain('\x1b')
  })

  it('is the same byte for byte every time, and from stdin but for the name', () => {
    const once = run(['analyze', 'cut.pcap', '--format', 'json']).out
    expect(
      run(['analyze', 'cut.pcap', '--format', 'json'], { env: { TZ: 'Asia/Tokyo', LANG: 'de_DE.UTF-8' } }).out,
    ).toBe(once)
    expect(schemaErrors(JSON.parse(once), REPORT_JSON_SCHEMA)).toEqual([])
    const piped = JSON.parse(run(['analyze', '-', '--format', 'json'], { input: bytes }).out)
    expect(piped.findings[0].id).toBe(JSON.parse(once).findings[0].id)
    expect(piped.sessions[0].id).toBe('stdin:0')
  })

  it('redacts on request, in every format', () => {
    for (const format of ['text', 'json', 'ndjson']) {
      const { out } = run(['analyze', 'cut.pcap', '--redact', '--format', format])
      expect(out, format).not.toMatch(/secret|8675309/)
      expect(out, format).toContain('UPDATE t SET a = ? WHERE b = ?')
    }
  })

  it('writes files whole, private, and in the format of their ending', () => {
    const r = run(['analyze', 'cut.pcap', '-o', 'a.json', '-o', 'b.ndjson', '--format', 'ndjson'])
    expect(r.code).toBe(0)
    expect(schemaErrors(JSON.parse(readFileSync(join(dir, 'a.json'), 'utf8')), REPORT_JSON_SCHEMA)).toEqual([])
    expect(readFileSync(join(dir, 'b.ndjson'), 'utf8')).toBe(r.out)
    expect(statSync(join(dir, 'a.json')).mode & 0o777).toBe(0o600)
    expect(readdirSync(dir).filter((f) => f.endsWith('.tmp'))).toEqual([])
  })

  it('colours on demand only', () => {
    expect(run(['analyze', 'cut.pcap', '--color', 'always']).out).toContain('\x1b[31m')
    expect(run(['analyze', 'cut.pcap'], { env: { FORCE_COLOR: '1' } }).out).toContain('\x1b[31m')
    expect(run(['analyze', 'cut.pcap'], { env: { FORCE_COLOR: '1', NO_COLOR: '1' } }).out).not.toContain('\x1b')
    expect(run(['analyze', 'cut.pcap'], { env: { LC_ALL: 'C' } }).out).toMatch(/^[\x20-\x7e\n]*$/)
  })

  it('narrows by filter, rule and severity', () => {
    expect(run(['analyze', 'cut.pcap', '--filter', 'user == nobody']).out).not.toContain('cause')
    expect(run(['analyze', 'cut.pcap', '--filter', 'user == app and ending.how == rst']).out).toContain('1 cause')
    expect(run(['analyze', 'cut.pcap', '--rule', 'client-no-quit', '--format', 'json']).out).toContain('"findings": []')
  })
})

describe.skipIf(!built)('exit codes', () => {
  it.each<[number, string[], string]>([
    [0, ['analyze', 'cut.pcap'], ''],
    [1, ['analyze', 'cut.pcap', '--fail-on', 'error'], '--fail-on error: 1 finding'],
    [1, ['analyze', 'cut.pcap', '--fail-on', 'error', '--format', 'json'], '--fail-on error: 1 finding'],
    [2, ['analyze'], 'INPUT is missing'],
    [2, ['analyze', 'cut.pcap', '--nonsense'], 'Nonexistent flag: --nonsense'],
    [2, ['analyze', 'cut.pcap', '--fail-on', 'fatal'], 'to be one of: error, warning, info'],
    [2, ['analyze', 'cut.pcap', '--port', '99999'], "'99999' is no port"],
    [2, ['analyze', 'cut.pcap', '--filter', 'usr == x'], "column 1: no field 'usr'"],
    [2, ['analyze', 'cut.pcap', '--since', 'soon'], "cannot read the time 'soon'"],
    [2, ['analyze', 'cut.pcap', '--rule', 'nope'], "there is no rule 'nope'"],
    [2, ['analyze', 'cut.pcap', '-o', 'x.xyz'], 'its ending names no format'],
    [2, ['anlyze', 'cut.pcap'], 'did you mean mysqlconn analyze?'],
    [2, ['cut.pcap'], 'mysqlconn analyze cut.pcap'],
    [2, ['sessions', 'show', 'cut.pcap:9', 'cut.pcap'], 'there is no session cut.pcap:9'],
    [2, ['explain', 'nonsense'], "nothing is known of 'nonsense'"],
    [3, ['analyze', 'missing.pcap'], 'missing.pcap'],
    [3, ['analyze', 'noise.bin'], 'noise.bin'],
    [3, ['analyze', 'cut.pcap', 'noise.bin'], 'noise.bin was not recognised'],
    [3, ['analyze', 'short.pcap', '--strict'], 'capture.truncated-tail'],
    [0, ['analyze', 'short.pcap'], ''],
    [3, ['analyze', 'cut.pcap', '-o', 'no/such/folder/x.json'], 'cannot write'],
  ])('%d: mysqlconn %j', (code, args, says) => {
    const r = run(args)
    expect({ code: r.code, err: r.err }).toEqual({ code, err: says === '' ? '' : expect.stringContaining(says) })
    expect(r.err).not.toMatch(/^\s+at /m)
  })
})

describe.skipIf(!built)('the other commands', () => {
  it('rst, sessions, sessions show, rules, explain, capture info, schema', () => {
    expect(run(['rst', 'cut.pcap']).out).toContain('1 connection cut, 1 query lost')
    expect(run(['sessions', 'cut.pcap']).out).toContain('RST by server')
    expect(JSON.parse(run(['sessions', 'cut.pcap', '--format', 'json']).out).sessions).toHaveLength(1)
    const ladder = run(['sessions', 'show', '0', 'cut.pcap'])
    expect(ladder.out).toMatch(/─ COM_QUERY ─+▶│ {2}UPDATE t/)
    expect(run(['sessions', 'show', 'cut.pcap:0', 'cut.pcap', '--redact']).out).not.toMatch(/secret|8675309/)
    expect(run(['rules', 'list']).out).toContain('rst-after-query')
    expect(run(['rules', 'show', 'rst-after-query']).out).toBe(run(['explain', 'rst-after-query']).out)
    expect(run(['explain', 'server', 'has', 'gone', 'away']).out).toContain('2006 CR_SERVER_GONE_ERROR')
    expect(run(['capture', 'info', 'cut.pcap', '--cross-check']).out).toContain(
      'Second opinion (pcap-parser): agrees on',
    )
    expect(
      JSON.parse(run(['capture', 'info', 'cut.pcap', '--format', 'json']).out).captures[0].packets,
    ).toBeGreaterThan(10)
    expect(JSON.parse(run(['schema']).out)).toEqual(JSON.parse(JSON.stringify(REPORT_JSON_SCHEMA)))
  })

  it('help: examples first, and help for no arguments', () => {
    const help = run(['analyze', '--help']).out
    expect(help.indexOf('EXAMPLES')).toBeGreaterThan(0)
    expect(help.indexOf('EXAMPLES')).toBeLessThan(help.indexOf('USAGE'))
    const none = run([])
    expect(none.code).toBe(0)
    expect(none.out).toContain('analyze')
  })
})

describe.skipIf(!built)('pipes and signals', () => {
  it('a reader that leaves early is no error', async () => {
    const big = join(dir, 'many')
    writeFileSync(
      `${big}.sh`,
      `"${process.execPath}" "${bin}" analyze cut.pcap --format json | head -1; echo "codes \${PIPESTATUS[*]}"`,
    )
    const r = spawnSync('bash', [`${big}.sh`], { cwd: dir, env: ENV, encoding: 'utf8' })
    expect(r.stdout).toBe('{\ncodes 0 0\n')
    expect(r.stderr).toBe('')
  })

  it('Ctrl-C prints what is known, marked partial, and exits with 130', async () => {
    const child = spawn(process.execPath, [bin, 'analyze', '-', '--format', 'json'], { cwd: dir, env: ENV })
    let out = ''
    let err = ''
    child.stdout.on('data', (d) => (out += d))
    child.stderr.on('data', (d) => (err += d))
    const closed = new Promise((done) => child.on('close', done))
    // As tcpdump feeds it: the signal comes between two writes, and the pipe stays open and silent.
    child.stdin.write(bytes.subarray(0, bytes.length - 100))
    await new Promise((done) => setTimeout(done, 2500))
    child.kill('SIGINT')
    const code = await closed
    expect(err).toContain('Interrupted')
    expect(code).toBe(130)
    const report = JSON.parse(out)
    expect(report.partial).toBe(true)
    expect(report.sessions).toHaveLength(1)
  })
})
