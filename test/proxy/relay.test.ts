/** What one side does, the other side sees: bytes, half-closes, resets, pace. And the recording tells the same. */
import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { drainOf, proxyTo, report, scratch, serverOf, to, until } from './kit.ts'
import { type Frame, frames } from './read.ts'

const flagsOf = (all: readonly Frame[], port: number): string[] =>
  all.filter((f) => f.serverPort === port).map((f) => `${f.fromClient ? '>' : '<'}${f.flags}`)

describe('forwarding', () => {
  it('gives every byte in both directions, whatever the sizes', async () => {
    const sent = randomBytes(9_000_000)
    const { port, server } = await serverOf((s) => s.pipe(s))
    const p = await proxyTo(port)
    const client = connect(to(p.port))
    const got = drainOf(client)
    // Pieces of growing size, then the half-close.
    for (let at = 0, n = 1; at < sent.length; at += n, n = Math.min(n * 3 + 7, 300_000)) {
      n = Math.min(n, sent.length - at)
      client.write(sent.subarray(at, at + n))
    }
    client.end()
    await until(() => got.ended())
    server.close()
    const all = frames(await p.end())
    expect(got.bytes().equals(sent)).toBe(true)
    for (const leg of [p.port, port]) {
      for (const fromClient of [true, false]) {
        const own = all.filter((f) => f.serverPort === leg && f.fromClient === fromClient)
        expect(Buffer.concat(own.map((f) => f.payload)).equals(sent), `leg ${leg}, from client ${fromClient}`).toBe(
          true,
        )
      }
    }
    expect(all.every((f) => f.checksumOk)).toBe(true)
  })

  it('keeps a half-close half', async () => {
    let atServer: Socket | null = null
    const { port, server } = await serverOf((s) => {
      atServer = s
      s.on('data', () => {})
      s.on('end', () => setTimeout(() => s.end('late answer'), 50))
    })
    const p = await proxyTo(port)
    const client = connect(to(p.port))
    const got = drainOf(client)
    client.end('question')
    await until(() => got.ended())
    expect(got.bytes().toString()).toBe('late answer')
    expect(atServer).not.toBeNull()
    server.close()
    const all = frames(await p.end())
    // The client's FIN stands before the server's answer on both legs.
    for (const leg of [p.port, port]) {
      const list = flagsOf(all, leg)
      expect(list.indexOf('>FA')).toBeGreaterThan(0)
      expect(list.indexOf('>FA')).toBeLessThan(list.indexOf('<PA'))
      expect(list).toContain('<FA')
    }
  })

  it('passes a RST on as a RST, in both directions', async () => {
    const { port, server } = await serverOf((s) => s.once('data', () => s.resetAndDestroy()))
    const p = await proxyTo(port)
    const client = connect(to(p.port))
    const got = drainOf(client)
    client.write('x')
    await until(() => got.error() !== null)
    expect(got.error()).toBe('ECONNRESET')
    server.close()
    const all = frames(await p.end())
    expect(flagsOf(all, port).at(-1)).toBe('<RA')
    expect(flagsOf(all, p.port).at(-1)).toBe('<RA')

    let error = ''
    const quiet = await serverOf((s) => {
      s.on('data', () => {})
      s.on('error', (e: NodeJS.ErrnoException) => {
        error = e.code ?? ''
      })
    })
    const q = await proxyTo(quiet.port)
    const other = connect(to(q.port))
    other.write('x')
    await until(() => q.proxy.totals().bytesUp === 1)
    other.resetAndDestroy()
    await until(() => error !== '')
    expect(error).toBe('ECONNRESET')
    quiet.server.close()
    const back = frames(await q.end())
    expect(flagsOf(back, q.port).at(-1)).toBe('>RA')
    expect(flagsOf(back, quiet.port).at(-1)).toBe('>RA')
  })

  it('reads no faster than the other side takes it', async () => {
    const { port, server } = await serverOf((s) => s.pause())
    const p = await proxyTo(port)
    const client = connect(to(p.port))
    const piece = Buffer.alloc(65_536, 1)
    const pump = (): void => {
      while (client.write(piece));
      client.once('drain', pump)
    }
    client.on('error', () => {})
    client.once('connect', pump)
    await new Promise((r) => setTimeout(r, 400))
    const stuck = p.proxy.totals().bytesUp
    await new Promise((r) => setTimeout(r, 200))
    // Kernel buffers of two sockets, nothing in the proxy.
    expect(p.proxy.totals().bytesUp).toBe(stuck)
    expect(stuck).toBeLessThan(32 << 20)
    expect(p.proxy.totals().lag).toBeLessThan(64 << 20)
    client.destroy()
    server.close()
    await p.end()
  })

  it('closes cleanly when the upstream refuses, and says so', async () => {
    const { port, server } = await serverOf(() => {})
    await new Promise((r) => server.close(r))
    const p = await proxyTo(port)
    const client = connect(to(p.port))
    const got = drainOf(client)
    // Some clients speak first.
    client.write('early')
    await until(() => got.ended())
    client.write('late')
    expect(got.error()).toBeNull()
    client.destroy()
    await until(() => p.proxy.totals().open === 0)
    expect(p.events.find((e) => e.event === 'connect-failed')?.facts['errno']).toBe('ECONNREFUSED')
    const all = frames(await p.end())
    expect(flagsOf(all, port)).toEqual(['>S', '<RA'])
    expect(flagsOf(all, p.port)).toContain('<FA')
  })

  it('closes cleanly when the name of the upstream is unknown', async () => {
    const p = await proxyTo('no-such-host.invalid:3306')
    const client = connect(to(p.port))
    const got = drainOf(client)
    await until(() => got.ended(), 20_000)
    client.destroy()
    await until(() => p.proxy.totals().open === 0)
    expect(p.events.some((e) => e.event === 'connect-failed')).toBe(true)
    await p.end()
  })

  it('forwards Unix sockets', async () => {
    const path = scratch('sock')
    const { port, server } = await serverOf((s) => s.pipe(s))
    const p = await proxyTo(port, { listen: [`unix:${path}`] })
    const client = connect({ path })
    const got = drainOf(client)
    client.end('hello')
    await until(() => got.ended())
    expect(got.bytes().toString()).toBe('hello')
    server.close()
    const all = frames(await p.end())
    expect(all.filter((f) => f.payload.toString() === 'hello')).toHaveLength(4)
  })

  it('names its interfaces and links both legs of a session', async () => {
    const { port, server } = await serverOf((s) => s.end('x'))
    const p = await proxyTo(port)
    const client = connect(to(p.port))
    const got = drainOf(client)
    await until(() => got.ended())
    client.end()
    server.close()
    const bytes = await p.end()
    const all = frames(bytes)
    const syns = all.filter((f) => f.flags === 'S')
    expect(syns.map((f) => f.comment)).toEqual([
      'mysqlconn-proxy session=1 leg=front',
      'mysqlconn-proxy session=1 leg=back',
    ])
    expect(report(bytes).inputs[0]!.anomalies).toEqual([expect.objectContaining({ kind: 'capture.no-mysql' })])
  })

  it('turns clients away beyond its limit', async () => {
    const { port, server } = await serverOf((s) => s.on('data', () => {}))
    const p = await proxyTo(port, { maxConnections: 2 })
    const clients = Array.from({ length: 5 }, () => connect(to(p.port)))
    const got = clients.map(drainOf)
    await until(() => p.proxy.totals().refused === 3)
    expect(p.proxy.totals().open).toBe(2)
    for (const c of clients) c.destroy()
    expect(got).toHaveLength(5)
    server.close()
    await p.end()
  })
})
