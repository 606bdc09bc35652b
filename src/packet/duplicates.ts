/**
 * Tells copies of a packet from retransmissions. One packet is captured several times with `-i any` (veth, bridge, card), at
 * a SPAN port that mirrors both directions, on both sides of a bridge or router, and inside and outside a tunnel; or the network
 * itself doubles it. A copy would look like a retransmission. A segment equal to a recent one in endpoints, sequence and
 * acknowledgment number, flags, window, length and IPv4 identification is a copy of it
 *
 * - from another capture point (other link addresses, packet type or interface): within 20 ms. Without an identification (IPv6,
 *   or 0, which RFC 6864 allows with DF) the checksum must be equal too, and only 1 ms may pass. With one, the checksum is not
 *   compared: above checksum offload it is not yet the one on the wire.
 * - from the same point: only if the checksum is equal, within 1 ms. Without an identification only what occupies sequence space
 *   (data, SYN, FIN), and within 100 µs: its sender cannot repeat that in less than a round trip.
 *
 * Why so: a sender counts the identification up for every packet it sends, retransmissions included, and an unchanging one
 * (old stacks, crafted packets) is kept apart by the time bound, as no retransmission timer is that short (Linux: 200 ms). But
 * Linux sends RSTs with identification 0, and equal ones 5 µs apart when several segments arrive at a closed socket (most
 * captures behind a proxy show it), and Darwin sends equal duplicate ACKs with 0 as fast: those are real, so without an
 * identification a bare ACK or RST from the same point is never called a copy. The time to live is not compared: a routed
 * copy has one less.
 */
import type { Instant } from '../core/time.ts'
import { FIN, type SegmentView, SYN } from './segment-view.ts'

const OTHER_POINT: Instant = 20e6
const OTHER_POINT_WITHOUT_ID: Instant = 1e6
const SAME_POINT: Instant = 1e6
const SAME_POINT_WITHOUT_ID: Instant = 100e3

/** Segments remembered, a power of two: 20 ms at 100,000 packets a second. A slot lost to another segment only misses a copy. */
const SLOTS = 2048
const WORDS = 8

// hot path: no allocation per packet
export class Duplicates {
  private readonly words = new Int32Array(SLOTS * WORDS)
  private readonly times = new Float64Array(SLOTS).fill(Number.NEGATIVE_INFINITY)

  /**
   * Whether `s` is a copy of a recent segment; remembers it if not. `checksum` is the TCP checksum field, `point` any
   * number that differs between capture points (link header, interface).
   */
  seen(s: SegmentView, checksum: number, point: number): boolean {
    const words = this.words
    const ports = (s.srcPort << 16) | s.dstPort
    const ips = s.srcIp ^ Math.imul(s.dstIp, 0x9e3779b1) ^ s.family
    const shape = (s.flags << 16) | s.window
    let hash = Math.imul(s.seq ^ Math.imul(s.ack, 0x85ebca6b), 0x9e3779b1) ^ Math.imul(ports ^ s.ipId, 0xc2b2ae35)
    hash ^= hash >>> 15
    const slot = hash & (SLOTS - 1)
    const w = slot * WORDS
    const seq = s.seq | 0
    const ack = s.ack | 0
    const checksumAndPoint = (checksum << 16) | (point & 0xffff)
    const age = Math.abs(s.at - this.times[slot]!)
    if (
      age <= OTHER_POINT &&
      words[w] === seq &&
      words[w + 1] === ack &&
      words[w + 2] === ports &&
      words[w + 3] === ips &&
      words[w + 4] === s.ipId &&
      words[w + 5] === shape &&
      words[w + 6] === s.dataLength &&
      isCopy(words[w + 7]! ^ checksumAndPoint, s, age)
    ) {
      return true
    }
    words[w] = seq
    words[w + 1] = ack
    words[w + 2] = ports
    words[w + 3] = ips
    words[w + 4] = s.ipId
    words[w + 5] = shape
    words[w + 6] = s.dataLength
    words[w + 7] = checksumAndPoint
    this.times[slot] = s.at
    return false
  }
}

/** `difference`: 0 bits above 16 when the checksums are equal, 0 bits below when the capture points are. */
function isCopy(difference: number, s: SegmentView, age: Instant): boolean {
  const sameChecksum = difference >>> 16 === 0
  const samePoint = (difference & 0xffff) === 0
  if (s.ipId > 0) return samePoint ? sameChecksum && age <= SAME_POINT : true
  if (!sameChecksum) return false
  if (!samePoint) return age <= OTHER_POINT_WITHOUT_ID
  return age <= SAME_POINT_WITHOUT_ID && (s.dataLength > 0 || (s.flags & (SYN | FIN)) !== 0)
}
