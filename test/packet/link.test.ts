import { describe, expect, test } from 'vitest'
import {
  bytes,
  concat,
  eth,
  eth8023,
  ipv4,
  ipv6,
  linuxSll,
  linuxSll2,
  mpls,
  ppp,
  pppoe,
  snap,
  tcp,
  text,
  vlan,
} from '../kit/frames.ts'
import { Recorder } from './recorder.ts'

const v4 = ipv4(tcp({ payload: text('hello') }))
const v6 = ipv6(tcp({ payload: text('hello') }))

const FRAMES: [name: string, linkType: number, frame: Uint8Array, src?: string][] = [
  ['Ethernet', 1, eth(v4)],
  ['Ethernet, IPv6', 1, eth(v6), '[v6]'],
  ['VLAN', 1, eth(vlan(7, v4))],
  ['QinQ', 1, eth(vlan(7, vlan(8, v4), 0x88a8))],
  ['three tags, the old type outside', 1, eth(vlan(1, vlan(2, vlan(3, v4)), 0x9100))],
  ['VN-tag', 1, eth(concat(bytes(0, 1, 0, 2, 0x08, 0x00), v4), { etherType: 0x8926 })],
  ['MPLS', 1, eth(mpls([16, 17], v4))],
  ['MPLS, IPv6', 1, eth(mpls([16], v6)), '[v6]'],
  ['MPLS pseudo-wire', 1, eth(mpls([16], eth(v4)))],
  ['MPLS pseudo-wire with control word', 1, eth(mpls([16], concat(bytes(0, 0, 0, 9), eth(v4))))],
  ['PPPoE', 1, eth(pppoe(v4))],
  ['PPPoE over VLAN', 1, eth(vlan(7, pppoe(v6))), '[v6]'],
  ['802.3 with SNAP', 1, eth8023(snap(v4))],
  ['NULL, little-endian', 0, concat(bytes(2, 0, 0, 0), v4)],
  ['NULL, big-endian', 0, concat(bytes(0, 0, 0, 2), v4)],
  ['NULL, Darwin IPv6', 0, concat(bytes(30, 0, 0, 0), v6), '[v6]'],
  ['NULL, FreeBSD IPv6', 0, concat(bytes(28, 0, 0, 0), v6), '[v6]'],
  ['LOOP', 108, concat(bytes(0, 0, 0, 24), v6), '[v6]'],
  ['RAW', 101, v4],
  ['RAW as 12', 12, v4],
  ['RAW as 14', 14, v6, '[v6]'],
  ['IPV4', 228, v4],
  ['IPV6', 229, v6, '[v6]'],
  ['PPP', 9, ppp(v4)],
  ['PPP without address and control', 9, ppp(v4, false)],
  ['PPP, one-byte protocol', 9, concat(bytes(0x21), v4)],
  ['PPP_SERIAL', 50, ppp(v4)],
  ['Cisco HDLC', 104, concat(bytes(0x0f, 0, 0x08, 0x00), v4)],
  ['PPP_ETHER', 51, pppoe(v4).bytes],
  ['LINUX_SLL', 113, linuxSll(v4)],
  ['LINUX_SLL with VLAN', 113, linuxSll(vlan(7, v4))],
  ['LINUX_SLL2', 276, linuxSll2(v6), '[v6]'],
  ['FRELAY, NLPID', 107, concat(bytes(0x18, 0x41, 0x03, 0xcc), v4)],
  ['FRELAY, SNAP', 107, concat(bytes(0x18, 0x41, 0x03, 0, 0x80, 0, 0, 0, 0x08, 0), v4)],
  ['FDDI', 10, concat(bytes(0x50), new Uint8Array(12), snap(v4))],
  ['IPOIB', 242, concat(new Uint8Array(40), bytes(0x08, 0, 0, 0), v4)],
  ['NFLOG, little-endian', 239, nflog(v4, true)],
  ['NFLOG, big-endian', 239, nflog(v4, false)],
]

/** An NFLOG frame: the prefix TLV (type 10) padded to 4, then the payload TLV. */
function nflog(packet: Uint8Array, little: boolean): Uint8Array {
  const u16 = (v: number): Uint8Array => (little ? bytes(v & 255, v >> 8) : bytes(v >> 8, v & 255))
  return concat(bytes(2, 0, 0, 0), u16(5), u16(10), bytes(0, 0, 0, 0), u16(4 + packet.length), u16(9), packet)
}

describe('every link type leads to the segment', () => {
  test.each(FRAMES)('%s', (_name, linkType, frame, src) => {
    const r = new Recorder().push(frame, { linkType })
    expect(r.segments).toHaveLength(1)
    const expected = src === undefined ? '10.0.0.1:40000' : '2001:db8::1:40000'
    expect(r.segments[0]).toMatchObject({ src: expected, payload: 'hello', dataLength: 5, seq: 1000, ack: 2000 })
    expect(r.kinds()).toEqual([])
  })

  test.each(FRAMES)(
    '%s: every shorter prefix is counted, none is handed up with more than it holds',
    (_name, linkType, frame) => {
      for (let length = 0; length < frame.length; length++) {
        const r = new Recorder().push(frame.subarray(0, length), { linkType, originalLength: frame.length })
        const { layer } = r
        expect(layer.tcpSegments + layer.nonTcp + layer.undecodable + layer.fragments).toBe(1)
        expect(layer.truncated).toBe(1)
        for (const s of r.segments) expect([s.dataLength, 'hello'.startsWith(s.payload)]).toEqual([5, true])
      }
    },
  )
})

test('an unknown link type is counted by its number and said once with a place', () => {
  const r = new Recorder().push(bytes(1, 2, 3), { linkType: 147 }).push(bytes(1, 2, 3), { linkType: 147 })
  expect([...r.layer.unknownLinkTypes]).toEqual([[147, 2]])
  expect(r.anomalies.list()).toMatchObject([
    { kind: 'capture.unknown-link-type', count: 2, places: ['frame 1: link type 147'] },
  ])
})

test('frames without TCP are counted as such', () => {
  const arp = eth({ etherType: 0x0806, bytes: new Uint8Array(28) })
  const spanningTree = eth8023(concat(bytes(0x42, 0x42, 3), new Uint8Array(35)))
  const dns = eth(ipv4(bytes(0, 53, 0, 53, 0, 8, 0, 0), { protocol: 17 }))
  const r = new Recorder().push(arp).push(spanningTree).push(dns)
  expect(r.layer).toMatchObject({ frames: 3, nonTcp: 3, undecodable: 0, tcpSegments: 0 })
  expect(r.kinds()).toEqual([])
})
