import { describe, expect, test } from 'vitest'
import { eth, ipv4, ipv6, linuxSll, tcp, text, udp, vxlan } from '../kit/frames.ts'
import { Recorder } from './recorder.ts'

const data = tcp({ payload: text('query') })
const ACK = tcp({ flags: 0x10 })
const RST = tcp({ flags: 0x04 })
const US = 1e3
const MS = 1e6

/** Whether the second frame, `after` ns later, is taken for a copy of the first. */
function copy(first: Uint8Array, second: Uint8Array, after: number, linkType = 1): boolean {
  const r = new Recorder().push(first, { at: 1e9, linkType }).push(second, { at: 1e9 + after, linkType })
  expect(r.segments).toHaveLength(2)
  expect(r.segments[0]!.duplicate).toBe(false)
  expect(r.layer.duplicates).toBe(r.segments[1]!.duplicate ? 1 : 0)
  return r.segments[1]!.duplicate
}

describe('copies', () => {
  const frame = eth(ipv4(data, { id: 300 }))
  test('the same frame again, as a SPAN port of both directions shows it', () => {
    expect(copy(frame, frame, 20 * US)).toBe(true)
    expect(copy(frame, frame, 0)).toBe(true)
  })

  test('before and behind a router: other addresses, time to live one less, some time later', () => {
    const routed = eth(ipv4(data, { id: 300, ttl: 63 }), { src: [2, 9, 9, 9, 9, 9] })
    expect(copy(frame, routed, 15 * MS)).toBe(true)
  })

  test('-i any: the checksum is not filled in yet on the first interface', () => {
    const offloaded = linuxSll(ipv4(data, { id: 300 }), 4)
    offloaded[16 + 20 + 16]! ^= 0x55
    expect(copy(offloaded, linuxSll(ipv4(data, { id: 300 }), 0), 30 * US, 113)).toBe(true)
  })

  test('inside and outside a tunnel', () => {
    const tunnelled = eth(ipv4(udp(vxlan(frame), { dstPort: 4789 }), { protocol: 17 }), { src: [2, 7, 7, 7, 7, 7] })
    expect(copy(frame, tunnelled, 50 * US)).toBe(true)
  })

  test('IPv6 on two interfaces, even a bare ACK', () => {
    expect(copy(linuxSll(ipv6(ACK), 4), linuxSll(ipv6(ACK), 0), 300 * US, 113)).toBe(true)
  })

  test('IPv6 data from one point within less than a round trip', () => {
    expect(copy(eth(ipv6(data)), eth(ipv6(data)), 50 * US)).toBe(true)
  })
})

describe('not copies', () => {
  const point = eth(ipv4(data, { id: 300 }))
  test('a retransmission counts its identification up', () => {
    expect(copy(point, eth(ipv4(data, { id: 301 })), 20 * US)).toBe(false)
  })

  test('a retransmission timer with an identification that never changes', () => {
    expect(copy(point, point, 200 * MS)).toBe(false)
  })

  test('retransmissions without an identification: a round trip later', () => {
    expect(copy(eth(ipv6(data)), eth(ipv6(data)), 150 * US)).toBe(false)
    const zero = eth(ipv4(data, { id: 0 }))
    expect(copy(zero, zero, 150 * US)).toBe(false)
  })

  test('two RSTs from a closed socket, 5 µs apart, identification 0', () => {
    const rst = eth(ipv4(RST, { id: 0 }))
    expect(copy(rst, rst, 5 * US)).toBe(false)
  })

  test('duplicate ACKs without an identification', () => {
    expect(copy(eth(ipv6(ACK)), eth(ipv6(ACK)), 5 * US)).toBe(false)
  })

  test('the same bytes between other endpoints, or another window', () => {
    expect(copy(point, eth(ipv4(data, { id: 300, dst: '10.0.0.3' })), 5 * US)).toBe(false)
    const updated = tcp({ payload: text('query'), window: 501 })
    expect(copy(point, eth(ipv4(updated, { id: 300 })), 5 * US)).toBe(false)
  })
})

test('three captures of one packet are two copies', () => {
  const r = new Recorder()
  for (const packetType of [4, 0, 3]) r.push(linuxSll(ipv4(data, { id: 9 }), packetType), { linkType: 113 })
  expect(r.segments.map((s) => s.duplicate)).toEqual([false, true, true])
  expect(r.anomalies.list()).toMatchObject([{ kind: 'capture.duplicate-frames', count: 2, firstFrame: 2 }])
})
