/**
 * The library as a program uses it: `analyze` over files, folders, patterns, compressed files, recordings in parts and stdin, with
 * every option; the same report every time, and valid by the schema that we publish.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type AnalyzeOptions, analyze, analyzeBuffer, type Progress, type Report, RULES } from '../../src/index.ts'
import { REPORT_JSON_SCHEMA } from '../../src/report/schema.ts'
import { schemaErrors } from '../kit/json-schema.ts'
import { capture, play, rows } from '../kit/play.ts'
import { needs, ROOT } from '../kit/require.ts'

let dir: string
let bytes: Uint8Array
const path = (name: string): string => join(dir, name)

/** Three sessions: one that ends in order, one cut by the server with a statement outstanding, one on another port. */
function story(): Uint8Array {
  const at = (seconds: number): string => new Date(Date.UTC(2026, 10, 20, 17, 10, seconds)).toISOString()
  const healthy = play({ client: '10.0.0.1:40000', server: '10.0.0.2:3306', at: at(0) })
  healthy.connect().login({ user: 'app' }).query('SELECT 1', rows(1)).quit()
  const cut = play({ client: '10.0.0.1:40001', server: '10.0.0.2:3306', at: at(10) })
  cut.connect().login({ user: 'app' }).query('SELECT 1', rows(1)).wait('1s')
  cut.query("UPDATE t SET a = 8675309 WHERE b = 'secret'").wait('2s').server.rst()
  const elsewhere = play({ client: '10.0.0.3:40002', server: '10.0.0.2:9999', at: at(30) })
  elsewhere.connect().login({ user: 'other' }).query('SELECT 2', rows(2)).quit()
  return capture([healthy, cut, elsewhere]).bytes
}

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'mysqlconn-library-'))
  bytes = story()
  writeFileSync(path('cut.pcap'), bytes)
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const run = (options: AnalyzeOptions = {}): Promise<Report> => analyze([path('cut.pcap')], options)
const clients = (r: Report): string[] => r.sessions.map((s) => s.client)
/** What a report says apart from where its input lay. */
const verdicts = (r: Report) =>
  r.findings.map((f) => ({ id: f.id, rule: f.rule, title: f.title, sessions: f.occurrences.map((o) => o.client) }))

describe('options', () => {
  it('none: every session, the verdict, and evidence that names its frames', async () => {
    const report = await run()
    expect(clients(report)).toEqual(['10.0.0.1:40000', '10.0.0.1:40001', '10.0.0.3:40002'])
    expect(report.partial).toBe(false)
    expect(report.bugs).toBeUndefined()
    const [finding] = report.findings
    expect(finding).toMatchObject({ rule: 'rst-after-query', severity: 'error', culprit: { role: 'server' } })
    const frames = finding!.occurrences[0]!.evidence.filter((e) => e.kind === 'frames')
    expect(frames[0]).toMatchObject({ input: 'cut.pcap' })
    expect(schemaErrors(JSON.parse(JSON.stringify(report)), REPORT_JSON_SCHEMA)).toEqual([])
  })

  it('since and until: sessions alive in between, whatever way the time is written', async () => {
    expect(clients(await run({ since: '2026-11-20T17:10:20Z' }))).toEqual(['10.0.0.3:40002'])
    expect(clients(await run({ since: '17:10:20' }))).toEqual(['10.0.0.3:40002'])
    expect(clients(await run({ until: '2026-11-20T18:10:05+01:00' }))).toEqual(['10.0.0.1:40000'])
    expect(clients(await run({ since: '17:10:05', until: '17:10:20' }))).toEqual(['10.0.0.1:40001'])
    await expect(run({ since: 'soon' })).rejects.toMatchObject({ code: 'E_USAGE' })
  })

  it('rules and minSeverity narrow the findings, not the sessions', async () => {
    expect((await run({ rules: ['rst-after-query'] })).findings.map((f) => f.rule)).toEqual(['rst-after-query'])
    const others = RULES.map((r) => r.id).filter((id) => id !== 'rst-after-query')
    const without = await run({ rules: others })
    expect(without.findings.filter((f) => f.rule === 'rst-after-query')).toEqual([])
    expect(without.sessions).toHaveLength(3)
    expect((await run({ minSeverity: 'error' })).findings.every((f) => f.severity === 'error')).toBe(true)
    await expect(run({ rules: ['nope'] })).rejects.toMatchObject({ code: 'E_NO_SUCH_RULE', exitCode: 2 })
  })

  it('redact leaves no literal of a statement anywhere', async () => {
    expect(JSON.stringify(await run())).toMatch(/secret/)
    const redacted = JSON.stringify(await run({ redact: true }))
    expect(redacted).not.toMatch(/secret|8675309/)
    expect(redacted).toContain('UPDATE t SET a = ? WHERE b = ?')
  })

  it('ports: a session is the same with its port named as without', async () => {
    const named = await run({ ports: [9999] })
    expect(named.sessions.map((s) => [s.client, s.mysql?.user])).toEqual(
      (await run()).sessions.map((s) => [s.client, s.mysql?.user]),
    )
  })

  it('trace follows one session, event by event', async () => {
    const { trace } = await run({ trace: 'cut.pcap:1' })
    expect(trace?.session).toBe('cut.pcap:1')
    expect(trace?.events.map((e) => e.what)).toContain('COM_QUERY')
    expect(trace?.events.map((e) => e.frame)).toEqual([...trace!.events.map((e) => e.frame)].sort((a, b) => a - b))
  })

  it('a signal ends the run with what is known, marked partial; progress grows up to it', async () => {
    const header = bytes.subarray(0, 24)
    const body = bytes.subarray(24)
    const times = Math.ceil((24 << 20) / body.length)
    writeFileSync(path('long.pcap'), Buffer.concat([header, ...Array.from({ length: times }, () => body)]))
    const seen: Progress[] = []
    const whole = await analyze([path('long.pcap')], { onProgress: (p) => seen.push({ ...p }) })
    expect(whole.partial).toBe(false)
    expect(seen.length).toBeGreaterThan(1)
    expect(seen.map((p) => p.bytes)).toEqual(seen.map((p) => p.bytes).sort((a, b) => a - b))
    expect(seen.at(-1)!.bytes).toBeLessThanOrEqual(seen[0]!.total)
    const signal = { aborted: false }
    const part = await analyze([path('long.pcap')], {
      signal,
      onProgress() {
        signal.aborted = true
      },
    })
    expect(part.partial).toBe(true)
    const [packets, all] = [part, whole].map((r) => (r.inputs[0] as { packets: number }).packets)
    expect(packets).toBeGreaterThan(0)
    expect(packets).toBeLessThan(all!)
    expect(verdicts(part).map((f) => f.rule)).toContain('rst-after-query')
    rmSync(path('long.pcap'))
    const never = await run({ signal: { aborted: true } })
    expect(never).toMatchObject({ partial: true, sessions: [] })
  })
})

describe('inputs', () => {
  it('gzip, a folder and a pattern give the verdicts of the plain file', async () => {
    const want = verdicts(await run())
    const sub = path('folder')
    mkdirSync(sub)
    writeFileSync(join(sub, 'cut.pcap.gz'), gzipSync(bytes))
    writeFileSync(join(sub, 'README'), Uint8Array.of(0, 159, 146, 150))
    expect(verdicts(await analyze([join(sub, 'cut.pcap.gz')]))).toEqual(want)
    expect(verdicts(await analyze([sub]))).toEqual(want)
    expect(verdicts(await analyze([join(sub, '*.gz')]))).toEqual(want)
    expect(verdicts(analyzeBuffer('cut.pcap', bytes))).toEqual(want)
    await expect(analyze([join(sub, '*.pcapng')])).rejects.toMatchObject({ code: 'E_INPUT_OPEN', exitCode: 3 })
    await expect(analyze([])).rejects.toMatchObject({ code: 'E_USAGE' })
  })

  it('two captures of one name are told apart', async () => {
    mkdirSync(path('a'))
    mkdirSync(path('b'))
    for (const folder of ['a', 'b']) writeFileSync(join(path(folder), 'cut.pcap'), bytes)
    const report = await analyze([path('a'), path('b')])
    expect(new Set(report.inputs.map((i) => i.name)).size).toBe(2)
    expect(new Set(report.sessions.map((s) => s.id)).size).toBe(6)
  })

  it('a damaged file beside a good one is named, and the good one read', async () => {
    writeFileSync(path('short.pcap'), bytes.subarray(0, bytes.length - 7))
    writeFileSync(path('empty.pcap'), '')
    const report = await analyze([path('cut.pcap'), path('short.pcap'), path('empty.pcap')])
    expect(report.inputs.map((i) => i.anomalies.map((a) => a.kind))).toEqual([
      expect.not.arrayContaining(['capture.truncated-tail']),
      expect.arrayContaining(['capture.truncated-tail']),
      ['capture.empty'],
    ])
    expect(report.findings[0]?.occurrences.map((o) => o.session)).toEqual(['cut.pcap:1', 'short.pcap:1'])
  })
})

needs('zstd')('zstd', () => {
  it('gives the verdicts of the plain file', async () => {
    writeFileSync(path('cut.pcap.zst'), execFileSync('zstd', ['-q', '-c'], { input: bytes }))
    expect(verdicts(await analyze([path('cut.pcap.zst')]))).toEqual(verdicts(await run()))
  })
})

needs('editcap')('a recording in parts', () => {
  it('has the findings of the whole, and evidence that names the right file and frame', async () => {
    const whole = await run()
    const parts = path('parts')
    mkdirSync(parts)
    // Seven frames a file: the lost statement, its RST and the session's greeting lie in different ones.
    const split = spawnSync('editcap', ['-F', 'pcapng', '-c', '7', path('cut.pcap'), join(parts, 'ring.pcapng')])
    expect(split.status).toBe(0)
    const names = readdirSync(parts).sort()
    expect(names.length).toBeGreaterThan(4)
    expect(names[0]).toMatch(/^ring_00000_\d{14}\.pcapng$/)
    const report = await analyze([parts])
    expect(report.inputs.map((i) => i.name)).toEqual(names)
    expect(clients(report)).toEqual(clients(whole))
    expect(verdicts(report).map((f) => [f.rule, f.sessions])).toEqual(verdicts(whole).map((f) => [f.rule, f.sessions]))
    const place = (r: Report): number[] =>
      r.findings.flatMap((f) =>
        f.occurrences.flatMap((o) =>
          o.evidence.flatMap((e) =>
            e.kind !== 'frames' ? [] : e.frames.map((frame) => names.indexOf(e.input) * 7 + frame),
          ),
        ),
      )
    const wholePlace = whole.findings.flatMap((f) =>
      f.occurrences.flatMap((o) => o.evidence.flatMap((e) => (e.kind === 'frames' ? e.frames : []))),
    )
    expect(wholePlace.length).toBeGreaterThan(1)
    expect(place(report)).toEqual(wholePlace)
    expect(schemaErrors(JSON.parse(JSON.stringify(report)), REPORT_JSON_SCHEMA)).toEqual([])
  })
})

const BUILT = join(ROOT, 'dist/src/index.js')

needs(BUILT)('the same input in another process', () => {
  it('gives the same bytes in another time zone and language', () => {
    const script = `import { analyze } from ${JSON.stringify(BUILT)}
      process.stdout.write(JSON.stringify(await analyze([process.argv[1]])))`
    const outputs = [
      { TZ: 'UTC', LC_ALL: 'C' },
      { TZ: 'Asia/Kathmandu', LC_ALL: 'de_DE.UTF-8', LANG: 'de_DE.UTF-8' },
      { TZ: 'America/St_Johns', LC_ALL: 'tr_TR.UTF-8', LANG: 'tr_TR.UTF-8' },
    ].map((env) => {
      const args = ['--input-type=module', '-e', script, path('cut.pcap')]
      return execFileSync(process.execPath, args, { env: { PATH: process.env['PATH'], ...env }, encoding: 'utf8' })
    })
    expect(JSON.parse(outputs[0]!).sessions).toHaveLength(3)
    expect(outputs[1]).toBe(outputs[0])
    expect(outputs[2]).toBe(outputs[0])
  })
})

describe('the same input in the same process', () => {
  it('gives the same bytes, one after the other', async () => {
    expect(JSON.stringify(await run())).toBe(JSON.stringify(await run()))
  })
})
