/** The recording under pressure: killed, out of disk, too slow, rotated, triggered. The traffic never notices. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { basename, dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { AnomalyLog } from '../../src/core/anomaly.ts'
import { Clock } from '../../src/proxy/clock.ts'
import { Leg } from '../../src/proxy/leg.ts'
import { Recorder } from '../../src/proxy/recorder.ts'
import { itNeeds, needs, ROOT } from '../kit/require.ts'
import { drainOf, mysqlServer, proxyTo, report, scratch, serverOf, talk, to, until } from './kit.ts'
import { frames } from './read.ts'

const BIN = join(ROOT, 'bin/run.js')
const BUILT = join(ROOT, 'dist/commands/proxy.js')

/** Sends `bytes` to an echo server through the proxy and waits until all is back. */
async function echo(port: number, bytes: Buffer): Promise<boolean> {
  const client = connect(to(port))
  const got = drainOf(client)
  client.end(bytes)
  await until(() => got.ended() || got.error() !== null, 20_000)
  return got.bytes().equals(bytes)
}

needs(BUILT)('killed', () => {
  it('leaves a readable file and loses at most the last flush interval', async () => {
    const { port, server } = await mysqlServer()
    const file = scratch()
    const child = spawn(process.execPath, [
      BIN,
      ...[
        'proxy',
        '--listen',
        '0',
        '--upstream',
        `127.0.0.1:${port}`,
        '--record',
        file,
        '--flush',
        '100ms',
        '--log',
        'json',
      ],
    ])
    let said = ''
    child.stderr.on('data', (d) => {
      said += d
    })
    await until(() => said.includes('"listening"'), 10_000)
    const listening = Number(/"listen":"127.0.0.1:(\d+)"/.exec(said)![1])
    let going = true
    let talks = 0
    const load = (async () => {
      while (going) {
        await talk(listening, 3).catch(() => {})
        talks++
      }
    })()
    await new Promise((r) => setTimeout(r, 700 + Math.random() * 400))
    const killed = Date.now()
    child.kill('SIGKILL')
    await once(child, 'exit')
    going = false
    await load
    server.close()
    expect(talks).toBeGreaterThan(10)
    const bytes = readFileSync(file)
    const anomalies = new AnomalyLog()
    const all = frames(bytes, anomalies)
    expect(
      anomalies
        .list()
        .map((a) => a.kind)
        .filter((k) => k !== 'capture.truncated-tail'),
    ).toEqual([])
    const lost = killed - all.at(-1)!.unixMs
    expect(lost).toBeLessThan(1000)
    expect(statSync(file).mode & 0o777).toBe(0o600)
  })
})

describe('a disk that is full', () => {
  const tiny = join(dirname(scratch()), 'tiny')

  itNeeds('mount')('ends the recording, never the traffic, and the file says so', async () => {
    mkdirSync(tiny)
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', tiny]).status !== 0) {
      process.stderr.write('SKIPPED: disk full: no right to mount a tmpfs\n')
      return
    }
    const { port, server } = await serverOf((s) => s.pipe(s))
    const file = join(tiny, 'r.pcapng')
    const p = await proxyTo(port, { record: file })
    const block = Buffer.alloc(1_500_000, 7)
    expect(await echo(p.port, block)).toBe(true)
    await until(() => p.events.some((e) => e.event === 'recording-stopped'))
    expect(p.events.find((e) => e.event === 'recording-stopped')).toMatchObject({
      level: 'error',
      facts: { errno: 'ENOSPC' },
    })
    expect(p.proxy.totals().recording).toBe('failed')
    expect(await echo(p.port, block)).toBe(true)
    server.close()
    await p.proxy.drain('1s')
    const bytes = readFileSync(file)
    spawnSync('umount', ['-l', tiny])
    const anomalies = new AnomalyLog()
    const all = frames(bytes, anomalies)
    expect(all.length).toBeGreaterThan(4)
    expect(anomalies.list()).toEqual([])
    expect(bytes.includes('the recording stopped here: ENOSPC')).toBe(true)
  })
})

describe('a sink that is too slow', () => {
  it('costs frames, which are counted, and the numbers show the hole', async () => {
    const written: Uint8Array[] = []
    let release = (): void => {}
    let held = true
    const told: boolean[] = []
    const recorder = new Recorder({
      clock: new Clock(),
      sink: {
        write: async (b) => {
          written.push(Uint8Array.from(b))
          if (held) await new Promise<void>((r) => (release = r))
        },
        end: async () => {},
      },
      queueBytes: 2_500_000,
      flushMs: 10_000,
      snaplen: 0,
      interfaces: 1,
      onFailed: () => {},
      onDropping: (d) => told.push(d),
    })
    const leg = new Leg(0, { ip: '10.0.0.1', port: 1000 }, { ip: '10.0.0.2', port: 3306 })
    recorder.syn(leg, 0, '')
    recorder.established(leg, 0, '')
    const chunk = Buffer.alloc(60_000, 1)
    for (let i = 0; i < 100; i++) recorder.copyData(leg, 0, chunk, 0, chunk.length, i)
    expect(recorder.dropped).toBeGreaterThan(30)
    expect(recorder.lagBytes).toBeLessThan(4_000_000)
    expect(told).toEqual([true])
    held = false
    release()
    await recorder.written()
    expect(told).toEqual([true, false])
    recorder.copyData(leg, 0, chunk, 0, chunk.length, 200)
    await recorder.end()
    expect(recorder.counts[0]!.dropped).toBe(recorder.dropped)
    const last = written.at(-1)!
    const seqAt = 28 + 20 + 4
    const seq = new DataView(last.buffer, last.byteOffset).getUint32(seqAt)
    // 101 chunks have been sent, whether recorded or not.
    expect((leg.next[0] - 60_000) >>> 0).toBe(seq)
  })
})

describe('files', () => {
  it('turns at size, keeps the last ones, compresses the finished ones', async () => {
    const { port, server } = await serverOf((s) => s.pipe(s))
    const file = scratch()
    const p = await proxyTo(port, { record: file, ring: '3x2MB', gzip: true })
    for (let i = 0; i < 6; i++) expect(await echo(p.port, Buffer.alloc(700_000, i))).toBe(true)
    server.close()
    await p.proxy.drain('1s')
    const stem = basename(file, '.pcapng')
    const kept = readdirSync(dirname(file))
      .filter((n) => n.startsWith(`${stem}_`))
      .sort()
    expect(kept).toHaveLength(3)
    expect(kept[0]).toMatch(/_\d{5}_\d{14}\.pcapng\.gz$/)
    expect(kept.at(-1)).toMatch(/_\d{5}_\d{14}\.pcapng$/)
    for (const name of kept) {
      const path = join(dirname(file), name)
      expect(statSync(path).mode & 0o777).toBe(0o600)
      const raw = readFileSync(path)
      const anomalies = new AnomalyLog()
      expect(frames(name.endsWith('.gz') ? gunzipSync(raw) : raw, anomalies).length).toBeGreaterThan(0)
      expect(anomalies.list()).toEqual([])
    }
  })

  it('begins a new file when told to, and never overwrites one', async () => {
    const { port, server } = await serverOf((s) => s.pipe(s))
    const p = await proxyTo(port)
    await echo(p.port, Buffer.from('before'))
    p.proxy.rotate()
    await echo(p.port, Buffer.from('after'))
    const again = await proxyTo(port, { record: p.file })
    await echo(again.port, Buffer.from('again'))
    server.close()
    await p.proxy.drain('1s')
    await again.proxy.drain('1s')
    const stem = basename(p.file, '.pcapng')
    const names = readdirSync(dirname(p.file))
      .filter((n) => n.startsWith(stem))
      .sort()
    expect(names).toHaveLength(3)
    const text = names.map((n) => readFileSync(join(dirname(p.file), n), 'latin1'))
    expect(text.filter((t) => t.includes('again'))).toHaveLength(1)
    expect(text.filter((t) => t.includes('before'))).toHaveLength(1)
  })

  it('keeps the first bytes of each frame only, if asked', async () => {
    const { port, server } = await serverOf((s) => s.pipe(s))
    const p = await proxyTo(port, { snaplen: 100 })
    expect(await echo(p.port, Buffer.alloc(200_000, 3))).toBe(true)
    server.close()
    const all = frames(await p.end())
    expect(Math.max(...all.map((f) => f.payload.length))).toBe(60)
    const sent = all.filter((f) => f.serverPort === port && f.fromClient)
    expect(sent.reduce((n, f) => n + Math.max(0, f.originalLength - 40 - (f.flags === 'S' ? 8 : 0)), 0)).toBe(200_000)
  })
})

describe('trigger mode', () => {
  it('writes what was before and after a finding, and nothing else', async () => {
    const { port, server } = await mysqlServer({ resetOn: 'BREAK' })
    const file = scratch()
    const p = await proxyTo(port, { record: file, keep: '20s', recordOn: 'finding', flush: '50ms' })
    const stem = basename(file, '.pcapng')
    const names = (): string[] => readdirSync(dirname(file)).filter((n) => n.startsWith(stem))
    await talk(p.port, 3)
    await new Promise((r) => setTimeout(r, 300))
    expect(names()).toEqual([])
    expect(p.proxy.totals().recording).toBe('waiting')
    await talk(p.port, 1, 'BREAK').catch(() => {})
    await until(() => names().length === 1, 8000)
    expect(p.events.find((e) => e.event === 'finding')?.facts['rule']).toBe('rst-after-query')
    await talk(p.port, 2)
    server.close()
    await p.proxy.drain('1s')
    expect(names()).toHaveLength(1)
    const r = report(readFileSync(join(dirname(file), names()[0]!)))
    expect(r.findings.map((f) => f.rule)).toEqual(['rst-after-query'])
    // The healthy session before it, the broken one, and the one after it, on both legs.
    expect(r.summary.sessions).toBe(6)
  })
})

itNeeds(BUILT, 'tshark')(
  'goes to stdout as a stream that tshark reads',
  async () => {
    const { port, server } = await mysqlServer()
    const child = spawn(process.execPath, [
      BIN,
      ...['proxy', '--listen', '0', '--upstream', `127.0.0.1:${port}`, '--record', '-', '--log', 'json'],
    ])
    let said = ''
    child.stderr.on('data', (d) => {
      said += d
    })
    const out: Buffer[] = []
    child.stdout.on('data', (d) => out.push(d))
    await until(() => said.includes('"listening"'), 10_000)
    const listening = Number(/"listen":"127.0.0.1:(\d+)"/.exec(said)![1])
    await talk(listening, 3)
    child.kill('SIGTERM')
    const [code] = await once(child, 'close')
    server.close()
    expect(code).toBe(0)
    expect(said).toContain('"summary"')
    // Node's pipes are sockets, which tshark does not read.
    const file = scratch()
    writeFileSync(file, Buffer.concat(out))
    const filter = '_ws.malformed || tcp.analysis.flags || mysql.query'
    const t = spawnSync('tshark', ['-r', file, '-d', `tcp.port==${port},mysql`, '-Y', filter], { encoding: 'utf8' })
    const lines = t.stdout.split('\n').filter((l) => l !== '')
    expect(lines).toHaveLength(3)
    expect(lines.every((l) => l.includes('MySQL'))).toBe(true)
  },
  30_000,
)
