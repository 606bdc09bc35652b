/** `analyze --bundle`: a zip that other programs open, complete, redacted by default, the same bytes every time. Needs a build. */
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { zip } from '../../src/cli/zip.ts'
import { analyzeBuffer } from '../../src/memory.ts'
import { itNeeds, ROOT } from '../kit/require.ts'

const bin = join(ROOT, 'bin/run.js')
const built = existsSync(join(ROOT, 'dist/src/cli/bundle.js'))
if (!built) console.warn('SKIPPED test/cli/bundle.test.ts: no dist/, run npm run build')

let dir: string
const run = (args: string[], input?: Uint8Array) => {
  const env = { PATH: process.env['PATH'], LC_ALL: 'C.UTF-8' }
  const r = spawnSync(process.execPath, [bin, ...args], { cwd: dir, env, input, encoding: 'utf8' })
  return { code: r.status, out: r.stdout, err: r.stderr }
}
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'mysqlconn-bundle-'))
  cpSync(join(ROOT, 'samples/rst-after-query/capture.pcap'), join(dir, 'a.pcap'))
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const python = (code: string, ...args: string[]): string =>
  execFileSync('python3', ['-c', code, ...args], { cwd: dir, encoding: 'utf8' })
/** Unpacks with Python's zipfile, which checks every CRC. */
const unpack = (path: string, to: string): string[] =>
  JSON.parse(
    python(
      'import sys,zipfile,json;z=zipfile.ZipFile(sys.argv[1]);assert z.testzip() is None;z.extractall(sys.argv[2]);print(json.dumps(z.namelist()))',
      path,
      to,
    ),
  )

describe.skipIf(!built)('analyze --bundle', () => {
  itNeeds('python3')('holds report, facts, frames and hashes, without literals and addresses in the frames', () => {
    const r = run(['analyze', 'a.pcap', '--bundle', 'b.zip'])
    expect(r).toMatchObject({ code: 0, err: '' })
    expect(statSync(join(dir, 'b.zip')).mode & 0o777).toBe(0o600)
    const names = unpack('b.zip', 'out')
    expect(names.slice(0, 6)).toEqual([
      'README.txt',
      'manifest.json',
      'report.html',
      'report.md',
      'report.txt',
      'facts.ndjson',
    ])
    const frames = names.filter((n) => n.startsWith('frames/'))
    expect(frames.length).toBeGreaterThan(0)
    const manifest = JSON.parse(readFileSync(join(dir, 'out/manifest.json'), 'utf8'))
    expect(manifest.command).toBe('mysqlconn analyze a.pcap --bundle b.zip')
    const sha = (path: string): string =>
      createHash('sha256')
        .update(readFileSync(join(dir, path)))
        .digest('hex')
    expect(manifest.inputs).toEqual([
      { path: 'a.pcap', bytes: statSync(join(dir, 'a.pcap')).size, sha256: sha('a.pcap') },
    ])
    for (const f of manifest.files) expect(f.sha256).toBe(sha(`out/${f.name}`))
    // Every slice gives its finding again.
    const rules = frames.flatMap((n) =>
      analyzeBuffer('x.pcapng', readFileSync(join(dir, 'out', n))).findings.map((f) => f.rule),
    )
    expect(rules).toContain('rst-after-query')
    const facts = readFileSync(join(dir, 'out/facts.ndjson'), 'utf8')
    const statement = facts.match(/"statement":"([^"]+)"/)![1]!
    expect(statement).toContain('?')
    expect(readFileSync(join(dir, 'out/report.html'), 'utf8')).toContain('<!doctype html>')
  })

  itNeeds('python3')('--no-redact keeps what was captured, and says so', () => {
    expect(run(['analyze', 'a.pcap', '--bundle', 'raw.zip', '--no-redact']).code).toBe(0)
    unpack('raw.zip', 'raw')
    expect(readFileSync(join(dir, 'raw/README.txt'), 'utf8')).toContain('Not redacted')
    expect(JSON.parse(readFileSync(join(dir, 'raw/manifest.json'), 'utf8')).redacted).toBe(false)
  })

  it('is the same byte for byte', () => {
    run(['analyze', 'a.pcap', '--bundle', 'one.zip'])
    const first = readFileSync(join(dir, 'one.zip'))
    run(['analyze', 'a.pcap', '--bundle', 'one.zip'])
    expect(readFileSync(join(dir, 'one.zip')).equals(first)).toBe(true)
  })

  itNeeds('python3')('of standard input has no frames and says why', () => {
    expect(run(['analyze', '-', '--bundle', 'in.zip'], readFileSync(join(dir, 'a.pcap'))).code).toBe(0)
    expect(unpack('in.zip', 'in').some((n) => n.startsWith('frames/'))).toBe(false)
    expect(readFileSync(join(dir, 'in/README.txt'), 'utf8')).toContain('standard input cannot be read again')
  })
})

describe('zip', () => {
  itNeeds('unzip')('is read by unzip, with names of any script and empty files', async () => {
    const { writeFileSync } = await import('node:fs')
    writeFileSync(
      join(dir, 'z.zip'),
      zip([
        { name: 'ü/a.txt', bytes: Buffer.from('x'.repeat(10_000)) },
        { name: 'empty', bytes: new Uint8Array(0) },
      ]),
    )
    expect(execFileSync('unzip', ['-t', join(dir, 'z.zip')], { encoding: 'utf8' })).toContain('No errors detected')
  })
})
