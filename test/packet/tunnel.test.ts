import { describe, expect, test } from 'vitest'
import { bytes, concat, eth, geneve, gre, ipv4, ipv6, mpls, tcp, text, udp, vlan, vxlan } from '../kit/frames.ts'
import { Recorder } from './recorder.ts'

const inner = ipv4(tcp({ payload: text('inner') }), { src: '172.16.0.1', dst: '172.16.0.2', ttl: 9, id: 77 })
const outer = { src: '1.1.1.1', dst: '2.2.2.2', ttl: 200, id: 5 }
const overUdp = (payload: Uint8Array, dstPort: number): Uint8Array =>
  eth(ipv4(udp(payload, { dstPort }), { ...outer, protocol: 17 }))
const overGre = (payload: Uint8Array): Uint8Array => eth(ipv4(payload, { ...outer, protocol: 47 }))

describe('the innermost segment is the one', () => {
  test.each([
    ['VXLAN', overUdp(vxlan(eth(inner)), 4789)],
    ['VXLAN on the port of flannel', overUdp(vxlan(eth(vlan(3, inner))), 8472)],
    ['VXLAN over IPv6', eth(ipv6(udp(vxlan(eth(inner)), { dstPort: 4789 }), { nextHeader: 17 }))],
    ['GENEVE', overUdp(geneve(eth(inner)), 6081)],
    ['GENEVE with options, IP inside', overUdp(geneve(inner, 0x0800, new Uint8Array(8)), 6081)],
    ['MPLS over UDP', overUdp(mpls([16], inner).bytes, 6635)],
    ['GRE', overGre(gre(inner, 0x0800))],
    ['GRE with checksum, key and sequence', overGre(gre(inner, 0x0800, { key: 1, sequence: 2, checksum: true }))],
    ['GRE, Ethernet inside', overGre(gre(eth(inner), 0x6558, { key: 7 }))],
    ['GRE, MPLS inside', overGre(gre(mpls([16], inner).bytes, 0x8847))],
    ['ERSPAN I', overGre(gre(eth(inner), 0x88be))],
    ['ERSPAN II', overGre(gre(concat(bytes(0x10, 0, 0, 0, 0, 0, 0, 0), eth(inner)), 0x88be, { sequence: 1 }))],
    ['ERSPAN III', overGre(gre(concat(new Uint8Array(12), eth(inner)), 0x22eb, { sequence: 1 }))],
    ['ERSPAN III with platform header', overGre(gre(concat(erspanIII(), eth(inner)), 0x22eb, { sequence: 1 }))],
    ['IP in IP', eth(ipv4(inner, { ...outer, protocol: 4 }))],
    ['IP in IPv6', eth(ipv6(inner, { nextHeader: 4 }))],
    ['MPLS in IP', eth(ipv4(mpls([16], inner).bytes, { ...outer, protocol: 137 }))],
    ['VXLAN in VXLAN', overUdp(vxlan(overUdp(vxlan(eth(inner)), 4789)), 4789)],
  ])('%s', (_name, frame) => {
    const r = new Recorder().push(concat(frame, new Uint8Array(3)))
    expect(r.segments).toMatchObject([
      { src: '172.16.0.1:40000', dst: '172.16.0.2:3306', payload: 'inner', dataLength: 5, ttl: 9, ipId: 77 },
    ])
    expect(r.kinds()).toEqual([])
    for (let length = 0; length < frame.length; length++) {
      const cut = new Recorder().push(frame.subarray(0, length), { originalLength: frame.length })
      for (const s of cut.segments) expect([s.dataLength, 'inner'.startsWith(s.payload)]).toEqual([5, true])
    }
  })

  test('6in4', () => {
    const packet = ipv6(tcp({ payload: text('six') }), { src: '2001:db8::9' })
    expect(new Recorder().push(eth(ipv4(packet, { ...outer, protocol: 41 }))).segments).toMatchObject([
      { src: '2001:db8::9:40000', payload: 'six', ipId: -1 },
    ])
  })

  test('a fragmented tunnel is put together first', () => {
    const datagram = udp(vxlan(eth(inner)), { dstPort: 4789 })
    const first = ipv4(datagram.subarray(0, 40), { ...outer, protocol: 17, moreFragments: true })
    const second = ipv4(datagram.subarray(40), { ...outer, protocol: 17, fragmentOffset: 40 })
    expect(new Recorder().push(eth(first)).push(eth(second)).segments).toMatchObject([{ payload: 'inner', frame: 2 }])
  })
})

/** ERSPAN III header whose last bit says that 8 more bytes follow. */
function erspanIII(): Uint8Array {
  const header = new Uint8Array(20)
  header[11] = 1
  return header
}

test('nesting is bounded', () => {
  let packet = inner
  for (let i = 0; i < 20; i++) packet = ipv4(packet, { protocol: 4 })
  const r = new Recorder().push(eth(packet))
  expect(r.layer).toMatchObject({ tcpSegments: 0, undecodable: 1 })
  expect(r.kinds()).toEqual(['packet.tunnel-depth'])
})

test('other UDP, and VXLAN without its flag, are left alone', () => {
  const noFlag = vxlan(eth(inner))
  noFlag[0] = 0
  const r = new Recorder().push(overUdp(vxlan(eth(inner)), 4790)).push(overUdp(noFlag, 4789))
  expect(r.layer).toMatchObject({ tcpSegments: 0, nonTcp: 2 })
})
