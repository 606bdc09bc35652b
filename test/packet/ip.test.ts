import { describe, expect, test } from 'vitest'
import {
  authenticationHeader,
  bytes,
  concat,
  eth,
  icmp,
  ipv4,
  ipv6,
  ipv6Extension,
  ipv6Fragment,
  tcp,
  text,
  vlan,
} from '../kit/frames.ts'
import { Recorder } from './recorder.ts'

const segment = tcp({ payload: text('select 1') })

describe('where the payload ends', () => {
  test('Ethernet padding after a short packet is no payload', () => {
    const frame = concat(eth(ipv4(tcp({ payload: text('x') }))), new Uint8Array(5))
    expect(new Recorder().push(frame).segments[0]).toMatchObject({ payload: 'x', dataLength: 1 })
  })

  test('a bare ACK padded to 60 bytes has none', () => {
    const frame = concat(eth(ipv6(tcp())), new Uint8Array(6))
    expect(new Recorder().push(frame).segments[0]).toMatchObject({ payload: '', dataLength: 0 })
  })

  test('a frame check sequence is no payload even when the packet does not tell its length', () => {
    const frame = concat(eth(ipv4(segment, { totalLength: 0 })), bytes(1, 2, 3, 4))
    const r = new Recorder().push(frame, { fcsBytes: 4 })
    expect(r.segments[0]).toMatchObject({ payload: 'select 1', dataLength: 8 })
  })

  test('the snapshot length cuts the bytes, not the length', () => {
    const frame = eth(ipv4(segment))
    const r = new Recorder().push(frame.subarray(0, frame.length - 3), { originalLength: frame.length })
    expect(r.segments[0]).toMatchObject({ payload: 'selec', dataLength: 8 })
    expect(r.layer.truncated).toBe(1)
  })

  test('a cut inside the TCP options leaves an empty payload of known length', () => {
    const frame = eth(ipv4(tcp({ options: bytes(1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2), payload: text('abc') })))
    const r = new Recorder().push(frame.subarray(0, 14 + 20 + 24), { originalLength: frame.length })
    expect(r.segments[0]).toMatchObject({ payload: '', dataLength: 3, options: [1, 1, 8, 10] })
  })

  test('total length 0 (segmentation offload): the frame tells', () => {
    const big = tcp({ payload: new Uint8Array(70_000).fill(0x61) })
    const r = new Recorder().push(eth(ipv4(big, { totalLength: 0 }))).push(eth(ipv6(big, { payloadLength: 0 })))
    expect(r.segments.map((s) => s.dataLength)).toEqual([70_000, 70_000])
    expect(r.kinds()).toContain('packet.offload')
  })

  test('jumbo payload: the hop-by-hop option tells, padding is none', () => {
    const inner = concat(tcp({ payload: text('abc') }), new Uint8Array(9))
    const option = bytes(0xc2, 4, 0, 0, 0, 8 + 23)
    const packet = ipv6(ipv6Extension(6, option, inner), { nextHeader: 0, payloadLength: 0 })
    expect(new Recorder().push(eth(packet)).segments[0]).toMatchObject({ payload: 'abc', dataLength: 3 })
  })
})

describe('headers', () => {
  test('fields come out as they stand on the wire', () => {
    const packet = ipv4(
      tcp({ srcPort: 3306, dstPort: 65535, seq: 0xfffffffe, ack: 0x80000001, flags: 0xff, window: 65535 }),
      { src: '255.1.2.3', dst: '192.168.0.255', ttl: 3, id: 0xabcd },
    )
    const r = new Recorder().push(eth(vlan(4095, packet)), { at: 12.5e9, comment: 'see' })
    expect(r.segments[0]).toMatchObject({
      frame: 1,
      at: 12.5e9,
      src: '255.1.2.3:3306',
      dst: '192.168.0.255:65535',
      seq: 0xfffffffe,
      ack: 0x80000001,
      flags: 0xff,
      window: 65535,
      ttl: 3,
      ipId: 0xabcd,
      comment: 'see',
      duplicate: false,
    })
  })

  test('IPv4 options and an authentication header are stepped over', () => {
    const withOptions = ipv4(segment, { options: bytes(0x94, 4, 0, 0) })
    const authenticated = ipv4(authenticationHeader(6, segment), { protocol: 51 })
    const r = new Recorder().push(eth(withOptions)).push(eth(authenticated))
    expect(r.segments.map((s) => s.payload)).toEqual(['select 1', 'select 1'])
  })

  test('IPv6 extension headers are stepped over, an atomic fragment is whole', () => {
    const fragment = ipv6Fragment(segment, { nextHeader: 6, offset: 0, more: false, id: 9 })
    const chain = ipv6Extension(
      43,
      bytes(5, 2),
      ipv6Extension(60, bytes(4, 0), ipv6Extension(44, bytes(1, 2), fragment)),
    )
    const r = new Recorder().push(eth(ipv6(chain, { nextHeader: 0 })))
    r.push(eth(ipv6(authenticationHeader(6, segment), { nextHeader: 51 })))
    expect(r.segments.map((s) => [s.payload, s.ipId])).toEqual([
      ['select 1', -1],
      ['select 1', -1],
    ])
  })

  test.each([
    ['header length below 5 words', eth(ipv4(segment)), 14, 0x44],
    ['version 5', eth(ipv4(segment)), 14, 0x55],
    ['total length below the header', eth(ipv4(segment, { totalLength: 19 })), 0, 2],
    ['total length ends inside the TCP header', eth(ipv4(segment, { totalLength: 39 })), 0, 2],
    ['data offset 4', eth(ipv4(tcp({ dataOffset: 4 }))), 0, 2],
    ['data offset beyond the segment', eth(ipv4(tcp({ dataOffset: 6 }))), 0, 2],
  ])('%s is malformed', (_name, frame, at, value) => {
    frame[at] = value
    const r = new Recorder().push(frame)
    expect(r.segments).toEqual([])
    expect(r.layer.undecodable).toBe(1)
    expect(r.kinds()).toEqual(['packet.malformed'])
  })
})

describe('ICMP errors about a segment', () => {
  const quoted = ipv4(tcp({ seq: 77 }), { src: '10.0.0.9', dst: '10.0.0.8' }).subarray(0, 28)

  test('fragmentation needed: who, about what, which MTU', () => {
    const r = new Recorder().push(eth(ipv4(icmp(3, 4, 1400, quoted), { protocol: 1, src: '10.9.9.9' })), { at: 5 })
    expect(r.segments).toEqual([])
    expect(r.layer.nonTcp).toBe(1)
    expect(r.icmp).toMatchObject([
      { frame: 1, at: 5, family: 4, type: 3, code: 4, mtu: 1400, reporterIp: 0x0a090909, srcIp: 0x0a000009, seq: 77 },
    ])
    expect(r.icmp[0]).toMatchObject({ dstIp: 0x0a000008, srcPort: 40000, dstPort: 3306 })
  })

  test('ICMPv6 packet too big', () => {
    const packet = ipv6(icmp(2, 0, 1280, ipv6(tcp())), { nextHeader: 58, src: '2001:db8::9' })
    const r = new Recorder().push(eth(packet))
    expect(r.icmp).toMatchObject([{ family: 6, type: 2, mtu: 1280, srcPort: 40000, dstPort: 3306 }])
    expect(r.addresses.text(r.icmp[0]!.reporterIp)).toBe('2001:db8::9')
  })

  test('echo, errors about UDP and cut quotations are not reported', () => {
    const aboutUdp = icmp(3, 3, 0, ipv4(new Uint8Array(8), { protocol: 17 }))
    const cut = icmp(3, 4, 1400, quoted.subarray(0, 27))
    const r = new Recorder()
    for (const m of [icmp(8, 0, 0, quoted), aboutUdp, cut]) r.push(eth(ipv4(m, { protocol: 1 })))
    expect(r.icmp).toEqual([])
    expect(r.layer.nonTcp).toBe(3)
  })
})

test('a wrong checksum is said once for each host, and changes nothing', () => {
  const r = new Recorder()
  const bad = eth(ipv4(segment, { id: 5 }))
  bad[14 + 20 + 16]! ^= 0xff
  r.push(bad).push(eth(ipv4(tcp(), { id: 6 })))
  bad[14 + 5] = 7
  r.push(bad)
  expect(r.segments).toHaveLength(3)
  expect(r.anomalies.list()).toMatchObject([{ kind: 'packet.bad-checksum', count: 1, firstFrame: 1 }])
})
