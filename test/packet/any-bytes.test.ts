/** Whatever the bytes: nothing is thrown, every frame is counted exactly once, every segment keeps the invariants of SegmentView. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Ipv6Table } from '../../src/core/address.ts'
import { AnomalyLog } from '../../src/core/anomaly.ts'
import { LIMITS } from '../../src/core/limits.ts'
import { LINK_TYPES } from '../../src/packet/link.ts'
import { PacketLayer } from '../../src/packet/packet-layer.ts'
import type { SegmentView } from '../../src/packet/segment-view.ts'
import {
  bytes,
  concat,
  eth,
  geneve,
  gre,
  icmp,
  ipv4,
  ipv6,
  ipv6Extension,
  ipv6Fragment,
  linuxSll2,
  mpls,
  pppoe,
  pushFrame,
  tcp,
  text,
  udp,
  vlan,
  vxlan,
} from '../kit/frames.ts'

const LINKS = Object.keys(LINK_TYPES).map(Number)
const payload = text('payload')
const inner = eth(vlan(3, ipv6(tcp({ options: bytes(2, 4, 5, 180), payload }))))
const tunnelled = ipv4(udp(vxlan(inner), { dstPort: 4789 }), { protocol: 17 })

/** Well-formed frames of every kind, to be damaged. */
const SEEDS: [linkType: number, frame: Uint8Array][] = [
  [1, eth(ipv4(tcp({ payload })))],
  [1, eth(mpls([3], tunnelled))],
  [1, eth(pppoe(ipv6(ipv6Extension(6, bytes(0xc2, 4, 0, 0, 0, 99), tcp({ payload })), { nextHeader: 0 })))],
  [1, eth(ipv4(gre(concat(new Uint8Array(8), inner), 0x88be, { sequence: 1 }), { protocol: 47 }))],
  [1, eth(ipv4(udp(geneve(inner), { dstPort: 6081 }), { protocol: 17 }))],
  [1, eth(ipv4(icmp(3, 4, 1400, ipv4(tcp())), { protocol: 1 }))],
  [1, eth(ipv4(payload.subarray(0, 4), { fragmentOffset: 24 }))],
  [1, eth(ipv4(tcp().subarray(0, 16), { moreFragments: true }))],
  [276, linuxSll2(ipv6(ipv6Fragment(tcp(), { nextHeader: 6, offset: 0, more: true, id: 1 }), { nextHeader: 44 }))],
  [239, concat(bytes(2, 0, 0, 0, 5, 0, 10, 0, 0, 0, 0, 0, 60, 0, 9, 0), ipv4(tcp({ payload })))],
]

const damaged = fc
  .tuple(fc.constantFrom(...SEEDS), fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 6 }), fc.nat(220))
  .map(([[linkType, frame], changes, length]) => {
    const copy = frame.slice(0, length)
    for (const [at, value] of changes) if (at < copy.length) copy[at] = value
    return { linkType, frame: copy }
  })
const noise = fc.record({
  linkType: fc.oneof(fc.constantFrom(...LINKS), fc.nat(300)),
  frame: fc.uint8Array({ maxLength: 120 }),
})

test.each([
  ['damaged frames', damaged],
  ['noise on any link type', noise],
])('%s', (_name, frames) => {
  const one = fc.tuple(frames, fc.nat(40), fc.nat(8))
  fc.assert(
    fc.property(fc.array(one, { maxLength: 20 }), (all) => {
      let handed = 0
      const segment = (s: SegmentView): void => {
        handed++
        expect(s.dataStart).toBeLessThanOrEqual(s.dataEnd)
        expect(s.dataEnd - s.dataStart).toBeLessThanOrEqual(s.dataLength)
        expect(s.optionsStart).toBeLessThanOrEqual(s.optionsEnd)
        expect(s.dataEnd).toBeLessThanOrEqual(s.buf.length)
      }
      const layer = new PacketLayer({ segment, icmpError: () => {} }, new Ipv6Table(), new AnomalyLog(), LIMITS)
      for (const [{ linkType, frame }, missing, fcsBytes] of all)
        pushFrame(layer, frame, { linkType, fcsBytes, originalLength: frame.length + missing })
      layer.end()
      expect(layer.frames).toBe(all.length)
      expect(layer.tcpSegments).toBe(handed)
      expect(layer.tcpSegments + layer.nonTcp + layer.undecodable + layer.fragments).toBe(layer.frames)
    }),
    { numRuns: 3000 },
  )
})
