/** What users write, and what is said of what cannot be. */
import { describe, expect, it } from 'vitest'
import { addressText, ipBytes, isLoopback, parseListen, parseUpstream } from '../../src/proxy/address.ts'
import { Clock } from '../../src/proxy/clock.ts'
import { parseDuration, parseProxyProtocol, parseRing, parseRoutes, parseSize } from '../../src/proxy/settings.ts'
import { metricsText } from '../../src/proxy/status-server.ts'
import { parseTcpTable, type SocketState, socketKey } from '../../src/proxy/tcp-table.ts'

describe('addresses', () => {
  it('listens on loopback unless told otherwise', () => {
    expect(addressText(parseListen('3307'))).toBe('127.0.0.1:3307')
    expect(isLoopback(parseListen('3307'))).toBe(true)
    expect(isLoopback(parseListen('0.0.0.0:3307'))).toBe(false)
    expect(addressText(parseListen('[::1]:3307'))).toBe('[::1]:3307')
    expect(addressText(parseUpstream('db.example.com'))).toBe('db.example.com:3306')
    expect(parseUpstream('unix:/run/mysqld.sock')).toEqual({ kind: 'unix', path: '/run/mysqld.sock' })
  })
  it('refuses what is none', () => {
    for (const text of ['', 'host:', ':3306', '70000', '1.2.3.4:99999', 'unix:', 'http://db'])
      expect(() => parseListen(text), text).toThrow(/cannot read/)
    for (const text of ['3306', 'db:0']) expect(() => parseUpstream(text), text).toThrow(/cannot read/)
    expect(() => parseRoutes(['1', '2', '3'], ['a', 'b'])).toThrow(/do not pair/)
    expect(() => parseRoutes(['127.0.0.1:3306'], ['127.0.0.1'])).toThrow(/the same/)
  })
  it('reads IP addresses as bytes', () => {
    expect([...ipBytes('10.0.0.1')!]).toEqual([10, 0, 0, 1])
    expect([...ipBytes('::ffff:10.0.0.1')!]).toEqual([10, 0, 0, 1])
    expect(Buffer.from(ipBytes('2001:db8::9')!).toString('hex')).toBe('20010db8000000000000000000000009')
    for (const text of ['', 'localhost', '1.2.3.400', ':::', '1:2:3:4:5:6:7:8:9'])
      expect(ipBytes(text), text).toBeNull()
  })
})

describe('numbers', () => {
  it('reads sizes, times and rings', () => {
    expect(parseSize('100MB', 'x')).toBe(100e6)
    expect(parseDuration('5m', 'x')).toBe(300_000)
    expect(parseRing('10x100MB')).toEqual({ files: 10, bytes: 100e6, seconds: 0 })
    expect(parseRing('24x1h')).toEqual({ files: 24, bytes: Number.POSITIVE_INFINITY, seconds: 3600 })
    expect(parseProxyProtocol('in,out-v1')).toEqual({ proxyIn: true, proxyOut: 1 })
    for (const text of ['1x10MB', 'ten', '3x', '3x1KB']) expect(() => parseRing(text), text).toThrow()
    expect(() => parseSize('10 apples', '--buffer')).toThrow(/--buffer/)
    expect(() => parseProxyProtocol('both')).toThrow()
  })
})

describe('clock', () => {
  it('gives 64-bit Unix nanoseconds, never goes back, and follows a wall clock set forward', () => {
    let wall = 1_795_195_800_123
    const c = new Clock(() => wall)
    const unix = (t: number): bigint => (BigInt(c.high(t)) << 32n) | BigInt(c.low(t))
    expect(unix(0)).toBe(1_795_195_800_123_000_000n)
    expect(unix(5e9 + 7)).toBe(1_795_195_805_123_000_007n)
    const before = c.now()
    wall += 60_000
    c.adjust()
    expect(c.now() - before).toBeGreaterThan(59e9)
    wall -= 120_000
    c.adjust()
    const later = c.now()
    expect(later).toBeGreaterThanOrEqual(before)
    expect(c.now()).toBeGreaterThanOrEqual(later)
  })
})

describe("the kernel's table of sockets", () => {
  it('tells what is not acknowledged (proc(5))', () => {
    const text =
      '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n' +
      '   1: 0100007F:84D5 0200007F:0CEA 01 0000001C:00000005 01:00000014 00000003     0        0 31337 2 0000 21 4 29 10 -1\n'
    const table = new Map<string, SocketState>()
    parseTcpTable(text, table)
    const key = socketKey(0x84d5, 3306, Uint8Array.of(127, 0, 0, 1), Uint8Array.of(127, 0, 0, 2))
    expect(table.get(key)).toEqual({ unacknowledged: 28, unread: 5, retransmissions: 3 })
  })
})

it('metrics are Prometheus text', () => {
  expect(metricsText([{ name: 'a_total', type: 'counter', help: 'Help.', value: 3 }])).toBe(
    '# HELP mysqlconn_proxy_a_total Help.\n# TYPE mysqlconn_proxy_a_total counter\nmysqlconn_proxy_a_total 3\n',
  )
})
