/** The tarball with Node inside: built, unpacked into an empty root, run there. Needs a build, tar, and root for the chroot. */
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { needs, ROOT } from '../kit/require.ts'

let dir: string
let folder: string

needs(
  join(ROOT, 'dist/src/index.js'),
  'tar',
  'ldd',
)('the standalone tarball', () => {
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'mysqlconn-alone-'))
    const tarball = execFileSync(process.execPath, [join(ROOT, 'bin/standalone.mjs'), dir], { encoding: 'utf8' }).trim()
    execFileSync('tar', ['-xf', tarball, '-C', dir])
    folder = readdirSync(dir).find((n) => n.startsWith('mysqlconn-') && !n.endsWith('.gz'))!
    cpSync(join(ROOT, 'samples/idle-timeout-proxy/capture.pcap'), join(dir, folder, 'a.pcap'))
  }, 180_000)
  afterAll(() => rmSync(dir, { recursive: true, force: true }))

  it('runs by its own script, from anywhere, without node in PATH', () => {
    const env = { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8' }
    const r = spawnSync(join(dir, folder, 'bin/mysqlconn'), ['analyze', join(dir, folder, 'a.pcap')], {
      env,
      encoding: 'utf8',
      cwd: '/',
    })
    expect({ code: r.status, err: r.stderr }).toEqual({ code: 0, err: '' })
    expect(r.stdout).toContain('closed idle connections after 10.0 s')
  })

  it('holds no development package', () => {
    const packages = readdirSync(join(dir, folder, 'app/node_modules'))
    expect(packages).toContain('yaml')
    for (const dev of ['vitest', 'typescript', 'playwright-core', 'axe-core', 'ajv'])
      expect(packages).not.toContain(dev)
  })

  it.skipIf(process.getuid?.() !== 0)('runs in an empty root: no shell, no libraries, no Node but its own', () => {
    const loader = readdirSync(join(dir, folder, 'lib')).find((n) => n.startsWith('ld-'))!
    const run = (args: string[]) =>
      spawnSync(
        'chroot',
        [join(dir, folder), `/lib/${loader}`, '--library-path', '/lib', '/lib/node', '/app/bin/run.js', ...args],
        {
          env: { PATH: process.env['PATH'], LC_ALL: 'C.UTF-8' },
          encoding: 'utf8',
        },
      )
    const r = run(['check', '/a.pcap', '-o', '/report.html', '-o', '/r.sarif'])
    expect({ code: r.status, err: r.stderr }).toEqual({
      code: 1,
      err: 'mysqlconn: the policy is broken: rule idle-timeout-proxy\n',
    })
    expect(r.stdout).toContain('closed idle connections after 10.0 s')
    expect(run(['explain', '4031']).stdout).toContain('ER_CLIENT_INTERACTION_TIMEOUT')
  })
})
