/** What comes from the network may be anything: floods, silence, garbage, packets without end, no descriptor left. The proxy lives on. */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { needs, ROOT } from '../kit/require.ts'
import { drainOf, mysqlServer, packet, proxyTo, report, serverOf, talk, to, until } from './kit.ts'
import { frames } from './read.ts'

describe('hostile', () => {
  it('garbage instead of MySQL passes as it is, and the recording stays readable', async () => {
    const { port, server } = await serverOf((s) => s.pipe(s))
    const p = await proxyTo(port, { flush: '20ms' })
    const junk = [
      randomBytes(50_000),
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      Buffer.from([0x16, 3, 1, 0xff, 0xff]),
      Buffer.alloc(3),
    ]
    for (const bytes of junk) {
      const c = connect(to(p.port))
      const got = drainOf(c)
      c.end(bytes)
      await until(() => got.ended())
      expect(got.bytes().equals(bytes)).toBe(true)
    }
    server.close()
    const bytes = await p.end()
    expect(() => report(bytes)).not.toThrow()
    expect(p.events.filter((e) => e.event === 'live-failed')).toEqual([])
  })

  it('a 16 MB packet that never ends takes no memory', async () => {
    const { port, server } = await serverOf((s) => s.on('data', () => {}))
    const p = await proxyTo(port, { fault: 'rst-after-query', match: 'sql=never' })
    const c = connect(to(p.port))
    c.on('error', () => {})
    c.write(Buffer.from([0xff, 0xff, 0xff, 0]))
    const before = process.memoryUsage().rss
    const piece = Buffer.alloc(65_536, 0x61)
    for (let sent = 0; sent < 64 << 20; sent += piece.length) if (!c.write(piece)) await once(c, 'drain')
    await until(() => p.proxy.totals().bytesUp > 60 << 20)
    expect(process.memoryUsage().rss - before).toBeLessThan(300 << 20)
    c.destroy()
    server.close()
    await p.end()
  })

  it('clients that connect and say nothing, or leave at once, leave nothing behind', async () => {
    const { port, server } = await mysqlServer()
    const p = await proxyTo(port)
    const silent: Socket[] = []
    for (let i = 0; i < 300; i++) {
      const c = connect(to(p.port))
      c.on('error', () => {})
      if (i % 3 === 0) silent.push(c)
      else if (i % 3 === 1) c.once('connect', () => c.resetAndDestroy())
      else c.once('connect', () => c.destroy())
    }
    await until(() => p.proxy.totals().accepted === 300 && p.proxy.totals().open === silent.length)
    await talk(p.port, 2)
    for (const c of silent) c.destroy()
    await until(() => p.proxy.totals().open === 0)
    server.close()
    const all = frames(await p.end())
    expect(all.length).toBeGreaterThan(1000)
  })

  it('the upstream restarts: connections end, new ones work', async () => {
    const first = await mysqlServer()
    const open = new Set<Socket>()
    first.server.on('connection', (s) => open.add(s))
    const p = await proxyTo(first.port)
    await talk(p.port, 1)
    const c = connect(to(p.port))
    const got = drainOf(c)
    await until(() => got.bytes().length > 0)
    first.server.close()
    for (const s of open) s.destroy()
    await until(() => got.ended() || got.error() !== null)
    c.destroy()
    const refused = connect(to(p.port))
    const nothing = drainOf(refused)
    await until(() => nothing.ended())
    refused.destroy()
    const again = await mysqlServer({ port: first.port })
    await talk(p.port, 1)
    again.server.close()
    await p.end()
    expect(p.events.filter((e) => e.event === 'connect-failed')).toHaveLength(1)
  })

  it('a login that is a packet of another kind, with TLS ended', async () => {
    const { isSslRequest } = await import('../../src/proxy/ssl-request.ts')
    expect(isSslRequest(packet(1, Buffer.concat([Buffer.from([0, 8, 0, 0]), Buffer.alloc(28)])))).toBe(true)
    expect(isSslRequest(packet(1, Buffer.alloc(32)))).toBe(false)
    expect(isSslRequest(packet(0, Buffer.alloc(32, 8)))).toBe(false)
    expect(isSslRequest(packet(1, Buffer.alloc(100, 8)))).toBe(false)
    expect(isSslRequest(Buffer.from([0x20, 0]))).toBeNull()
  })
})

needs(join(ROOT, 'dist/commands/proxy.js'), 'sh')('limits', () => {
  it('survives the end of its descriptors, and signals end it in order', async () => {
    const { port, server } = await mysqlServer()
    const bin = join(ROOT, 'bin/run.js')
    const child = spawn('sh', [
      '-c',
      `ulimit -n 200; exec "${process.execPath}" "${bin}" proxy --listen 0 --upstream 127.0.0.1:${port} --log json --drain 1s`,
    ])
    let said = ''
    child.stderr.on('data', (d) => {
      said += d
    })
    await until(() => said.includes('"listening"'), 10_000)
    const listening = Number(/"listen":"127.0.0.1:(\d+)"/.exec(said)![1])
    const many = Array.from({ length: 300 }, () => {
      const c = connect(to(listening))
      c.on('error', () => {})
      return c
    })
    await until(() => /EMFILE|accept-failed/.test(said), 10_000)
    for (const c of many) c.destroy()
    await new Promise((r) => setTimeout(r, 200))
    await talk(listening, 2)
    expect(child.exitCode).toBeNull()
    child.kill('SIGINT')
    const [code] = await once(child, 'exit')
    expect(code).toBe(0)
    expect(said).toContain('"event":"summary"')
    server.close()
  })

  it('ends at once at the second signal', async () => {
    const { port, server } = await serverOf((s) => s.on('data', () => {}))
    const child = spawn(process.execPath, [
      join(ROOT, 'bin/run.js'),
      'proxy',
      '--listen',
      '0',
      '--upstream',
      `127.0.0.1:${port}`,
      '--log',
      'json',
      '--drain',
      '60s',
    ])
    let said = ''
    child.stderr.on('data', (d) => {
      said += d
    })
    await until(() => said.includes('"listening"'), 10_000)
    const c = connect(to(Number(/"listen":"127.0.0.1:(\d+)"/.exec(said)![1])))
    c.on('error', () => {})
    c.write('a question that is never answered')
    await new Promise((r) => setTimeout(r, 200))
    child.kill('SIGTERM')
    await until(() => said.includes('"draining"'))
    await new Promise((r) => setTimeout(r, 300))
    expect(child.exitCode).toBeNull()
    child.kill('SIGTERM')
    const [code] = await once(child, 'exit')
    expect(code).toBe(130)
    c.destroy()
    server.close()
  })
})
