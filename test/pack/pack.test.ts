/**
 * The package as a stranger gets it: packed, installed into an empty project without development dependencies, run from the command
 * line, imported, and type-checked. Needs dist/ (npm test builds it first) and the npm registry or a filled npm cache.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { capture, play, rows } from '../kit/play.ts'
import { needs, ROOT } from '../kit/require.ts'

interface Packed {
  filename: string
  files: { path: string; size: number; mode: number }[]
}

const own = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  version: string
  dependencies: Record<string, string>
  devDependencies: Record<string, string>
}
/** Nothing of the surrounding project or of npm's own run may leak into the installed one. */
const ENV = {
  PATH: process.env['PATH'],
  HOME: process.env['HOME'],
  LC_ALL: 'C.UTF-8',
  npm_config_update_notifier: 'false',
}

let dir: string
let packed: Packed
const inProject = (command: string, args: string[]) =>
  spawnSync(command, args, { cwd: dir, env: ENV, encoding: 'utf8' })

needs(join(ROOT, 'dist/src/index.js'), 'npm')('the package', () => {
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'mysqlconn-pack-'))
    const pack = ['pack', '--ignore-scripts', '--json', '--pack-destination', dir]
    packed = JSON.parse(execFileSync('npm', pack, { cwd: ROOT, env: ENV, encoding: 'utf8' }))[0]
    writeFileSync(join(dir, 'package.json'), JSON.stringify({ name: 'user', private: true, type: 'module' }))
    const install = ['install', '--omit=dev', '--no-audit', '--no-fund', '--ignore-scripts', '--prefer-offline']
    const done = inProject('npm', [...install, join(dir, packed.filename)])
    if (done.status !== 0) throw new Error(`npm install: ${done.stderr}`)

    const p = play({ client: '10.0.0.1:40000', server: '10.0.0.2:3306' })
    p.connect().login().query('SELECT 1', rows(1)).wait('2s')
    p.query('UPDATE t SET a = 1').wait('1s').server.rst()
    writeFileSync(join(dir, 'cut.pcap'), capture(p).bytes)
  }, 180_000)
  afterAll(() => {
    if (dir !== undefined) rmSync(dir, { recursive: true, force: true })
  })

  it('holds what is built and what is to be read, nothing else', () => {
    const paths = packed.files.map((f) => f.path)
    const allowed =
      /^(bin\/run\.js|dist\/(src|commands)\/.+\.(js|d\.ts)|oclif\.manifest\.json|package\.json|docs\/.+|samples\/.+|[A-Z]+(\.md)?)$/
    expect(paths.filter((path) => !allowed.test(path))).toEqual([])
    expect(paths.filter((path) => /(^|\/)(tests?|bench|node_modules)\//.test(path))).toEqual([])
    expect(paths).toEqual(expect.arrayContaining(['bin/run.js', 'dist/src/index.js', 'dist/src/index.d.ts', 'LICENSE']))
    expect(packed.files.find((f) => f.path === 'bin/run.js')!.mode & 0o111).not.toBe(0)
  })

  it('is a small download: less than 1.3 MB without the samples, each file compressed by itself', () => {
    const root = join(dir, 'node_modules/mysqlconn')
    const code = packed.files.filter((f) => !f.path.startsWith('samples/'))
    const compressed = code.reduce((n, f) => n + gzipSync(readFileSync(join(root, f.path))).length, 0)
    expect(compressed).toBeGreaterThan(100_000)
    expect(compressed).toBeLessThan(1_300_000)
  })

  it('brings its dependencies and no development dependency', () => {
    const installed = (name: string): boolean => existsSync(join(dir, 'node_modules', name))
    expect(Object.keys(own.dependencies).filter((name) => !installed(name))).toEqual([])
    expect(Object.keys(own.devDependencies).filter(installed)).toEqual([])
  })

  it('runs: --version, analyze, rules list, and says what it does without arguments', () => {
    const mysqlconn = join(dir, 'node_modules/.bin/mysqlconn')
    expect(inProject(mysqlconn, ['--version']).stdout).toContain(`mysqlconn/${own.version} `)
    const analysed = inProject(mysqlconn, ['analyze', 'cut.pcap'])
    expect(analysed).toMatchObject({ status: 0, stderr: '' })
    expect(analysed.stdout).toContain('UPDATE t SET a = 1')
    expect(inProject(mysqlconn, ['rules', 'list']).stdout).toContain('rst-after-query')
    expect(inProject(mysqlconn, []).stdout).toContain('analyze')
    expect(inProject(mysqlconn, ['analyze', 'nothing.pcap']).status).toBe(3)
  })

  it('imports: the documented call works, and nothing behind the entry can be reached', () => {
    const script = (body: string) => inProject(process.execPath, ['--input-type=module', '-e', body])
    const run = script(`import { analyze, VERSION, RULES } from 'mysqlconn'
      const report = await analyze(['cut.pcap'])
      console.log(JSON.stringify([VERSION, RULES.length > 0, report.findings.map((f) => f.rule)]))`)
    expect(run.stderr).toBe('')
    expect(JSON.parse(run.stdout)).toEqual([own.version, true, ['rst-after-query']])
    expect(script(`import 'mysqlconn/dist/src/run.js'`).stderr).toContain('ERR_PACKAGE_PATH_NOT_EXPORTED')
  })

  it('type-checks, strictly, with its declarations looked at too', () => {
    writeFileSync(
      join(dir, 'use.ts'),
      `import { analyze, analyzeBuffer, type AnalyzeOptions, MysqlconnError, type Report, RULES } from 'mysqlconn'

const options: AnalyzeOptions = { since: '17:10', minSeverity: 'warning', onProgress: (p) => console.log(p.bytes) }
const report: Report = await analyze(['cut.pcap'], options)
for (const finding of report.findings) {
  for (const o of finding.occurrences) console.log(finding.severity, finding.culprit.role, o.session, o.evidence.length)
}
const ids: string[] = RULES.map((rule) => rule.id)
const again: Report = analyzeBuffer('x', new Uint8Array(0))
console.log(ids, again.partial, new MysqlconnError('E_USAGE', 'x').exitCode)
// @ts-expect-error: there is no such severity
const wrong: AnalyzeOptions = { minSeverity: 'fatal' }
console.log(wrong)
`,
    )
    // The declarations name Node's types; a user of them has @types/node, lent here by our own development dependencies.
    symlinkSync(join(ROOT, 'node_modules/@types'), join(dir, 'node_modules/@types'))
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
    const flags = [
      '--strict',
      '--noEmit',
      '--module',
      'nodenext',
      '--target',
      'es2023',
      '--types',
      'node',
      '--ignoreConfig',
    ]
    const check = inProject(process.execPath, [tsc, ...flags, 'use.ts'])
    expect(check.stdout + check.stderr).toBe('')
    expect(check.status).toBe(0)
  })
})
