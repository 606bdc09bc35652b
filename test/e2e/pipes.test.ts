/**
 * The built command line in a pipe, where much flows: Ctrl-C amid a stream that does not stop, a reader that leaves before a large
 * report is written, output slower than the analysis. MYSQLCONN_BIN names another build than dist/.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import { capture, play, rows } from '../kit/play.ts'
import { needs, ROOT } from '../kit/require.ts'

const BIN = process.env['MYSQLCONN_BIN'] ?? join(ROOT, 'bin/run.js')
const BUILT = process.env['MYSQLCONN_BIN'] ?? join(ROOT, 'dist/commands/analyze.js')
const SESSIONS = 400

let bytes: Uint8Array
beforeAll(() => {
  const plays = Array.from({ length: SESSIONS }, (_, i) => {
    const p = play({ client: `10.0.${i >> 8}.${i & 255}:40000`, server: '10.9.0.2:3306' })
    return p
      .connect()
      .login({ user: `app${i}` })
      .query('SELECT 1', rows(3))
      .quit()
  })
  bytes = capture(plays).bytes
})

interface Running {
  child: ChildProcessWithoutNullStreams
  out: () => string
  err: () => string
  ended: Promise<number | null>
}

function start(args: string[]): Running {
  const child = spawn(process.execPath, [BIN, ...args], { env: { PATH: process.env['PATH'], LC_ALL: 'C.UTF-8' } })
  let out = ''
  let err = ''
  child.stdout.on('data', (d) => {
    out += d
  })
  child.stderr.on('data', (d) => {
    err += d
  })
  // The process ends while we still write: that is what is tested.
  child.stdin.on('error', () => {})
  return { child, out: () => out, err: () => err, ended: once(child, 'close').then(([code]) => code) }
}

needs(BUILT)('in a pipe', () => {
  it('Ctrl-C ends a stream that goes on, and says what is known', async () => {
    const { child, out, err, ended } = start(['analyze', '-', '--format', 'json'])
    child.stdin.write(bytes.subarray(0, 24))
    const body = bytes.subarray(24)
    let stopped = false
    void ended.then(() => {
      stopped = true
    })
    const feed = async (): Promise<void> => {
      while (!stopped) {
        if (!child.stdin.write(body)) await Promise.race([new Promise((go) => child.stdin.once('drain', go)), ended])
        else await new Promise((done) => setImmediate(done))
      }
    }
    const feeding = feed()
    await new Promise((done) => setTimeout(done, 1500))
    child.kill('SIGINT')
    const from = performance.now()
    expect(await ended).toBe(130)
    expect(performance.now() - from).toBeLessThan(15_000)
    await feeding
    expect(err()).toContain('Interrupted')
    const report = JSON.parse(out())
    expect(report.partial).toBe(true)
    expect(report.sessions.length).toBeGreaterThanOrEqual(SESSIONS)
  })

  it('a reader that leaves a large report is no error', async () => {
    const { child, err, ended } = start(['analyze', '-', '--format', 'json'])
    child.stdin.end(bytes)
    await once(child.stdout, 'data')
    child.stdout.destroy()
    expect(await ended).toBe(0)
    expect(err()).toBe('')
  })

  it('a slow reader gets all of it', async () => {
    const { child, out, ended } = start(['analyze', '-', '--format', 'json'])
    child.stdout.pause()
    child.stdin.end(bytes)
    await new Promise((done) => setTimeout(done, 1000))
    child.stdout.resume()
    expect(await ended).toBe(0)
    expect(JSON.parse(out()).sessions).toHaveLength(SESSIONS)
    expect(out().length).toBeGreaterThan(200_000)
  })
})
