/** PROXY protocol: headers read whatever their pieces, written as HAProxy reads them, and what a missing one does. */
import { connect } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { proxyHeader, readProxyHeader } from '../../src/proxy/proxy-header.ts'
import { drainOf, proxyTo, serverOf, to, until } from './kit.ts'

const client = { source: { ip: '10.1.2.3', port: 50_000 }, destination: { ip: '10.0.0.9', port: 3306 } }
const client6 = {
  source: { ip: '2001:db8:0:0:0:0:0:1', port: 50_000 },
  destination: { ip: 'fd00:0:0:0:0:0:0:9', port: 3306 },
}

describe('header', () => {
  it('reads back what it writes, and waits for the rest of a piece', () => {
    for (const version of [1, 2] as const) {
      for (const c of [client, client6, null]) {
        const bytes = proxyHeader(version, c)
        const more = Buffer.concat([bytes, Buffer.from('payload')])
        expect(readProxyHeader(more)).toEqual({ length: bytes.length, client: c })
        for (let n = 0; n < bytes.length; n++) expect(readProxyHeader(bytes.subarray(0, n))).toBe('more')
      }
    }
  })

  it('takes nothing else for one, and never throws', () => {
    for (const text of [
      'GET / HTTP/1.1\r\n',
      'PROXY TCP4 1.2.3.4\r\n',
      'PROXY TCP4 a b 1 2\r\n',
      `PROXY ${'x'.repeat(200)}`,
      '\x16\x03\x01',
    ])
      expect(readProxyHeader(Buffer.from(text))).toBe('none')
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, signed) => {
        const all = signed ? Buffer.concat([proxyHeader(2, client).subarray(0, 12), bytes]) : bytes
        const r = readProxyHeader(all)
        expect(r === 'more' || r === 'none' || (r.length > 0 && r.length <= all.length)).toBe(true)
      }),
    )
  })
})

describe('proxy', () => {
  it('names its client to the server, and hands on whom another proxy named', async () => {
    for (const version of ['out', 'out-v1']) {
      let got: Buffer = Buffer.alloc(0)
      const { port, server } = await serverOf((s) => {
        s.on('data', (d) => {
          got = Buffer.concat([got, d])
        })
        s.write('hello')
      })
      const p = await proxyTo(port, { proxyProtocol: `in,${version}` })
      const c = connect(to(p.port))
      const back = drainOf(c)
      const header = proxyHeader(1, client)
      c.write(header.subarray(0, 10))
      await new Promise((r) => setTimeout(r, 20))
      expect(back.bytes().length).toBe(0)
      c.write(Buffer.concat([header.subarray(10), Buffer.from('early')]))
      await until(() => got.includes('early') && back.bytes().length === 5)
      const read = readProxyHeader(got)
      expect(read).toMatchObject({ client })
      expect(got.subarray((read as { length: number }).length).toString()).toBe('early')
      c.destroy()
      server.close()
      await p.end()
    }
  })

  it('turns away a client without one', async () => {
    const { port, server } = await serverOf(() => {})
    const p = await proxyTo(port, { proxyProtocol: 'in' })
    const c = connect(to(p.port))
    const got = drainOf(c)
    c.write('\x4a\0\0\x01 no header')
    await until(() => got.error() !== null || got.ended())
    expect(p.events.some((e) => e.event === 'no-proxy-header')).toBe(true)
    await until(() => p.proxy.totals().open === 0)
    server.close()
    await p.end()
  })
})
