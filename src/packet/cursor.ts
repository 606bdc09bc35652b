/**
 * The place where decoding stands, shared by the link, network and tunnel decoders, and the numbers they share: outcome of a
 * step, EtherTypes (IEEE 802 numbers, https://www.iana.org/assignments/ieee-802-numbers) and IP protocol numbers. All of it is
 * numbers in two reused objects: no decoder allocates.
 */
import { type Family, IPV4 } from '../core/address.ts'

/** The step succeeded; the cursor stands on what comes next. */
export const OK = 0
/** The captured bytes end inside a header (snapshot length or a frame cut short). */
export const CUT = 1
/** The header contradicts itself. */
export const BAD = 2
/** Well formed, but nothing that can hold TCP for us. */
export const OTHER = 3
/** An IP fragment (ipv4.ts, ipv6.ts): the IpHeader's fragment fields say which. */
export const FRAGMENT = 4
export type Status = typeof OK | typeof CUT | typeof BAD | typeof OTHER | typeof FRAGMENT

export const ETHERTYPE_IPV4 = 0x0800
export const ETHERTYPE_IPV6 = 0x86dd
/** Transparent Ethernet Bridging: what GRE, VXLAN and GENEVE call "an Ethernet frame follows". */
export const ETHERTYPE_TEB = 0x6558
export const ETHERTYPE_PPP = 0x880b
export const ETHERTYPE_PPPOE_SESSION = 0x8864
export const ETHERTYPE_MPLS = 0x8847
/** Linux ETH_P_802_2: an LLC header follows. Below every real EtherType, so it cannot clash. */
export const ETHERTYPE_LLC = 0x0004
/** Not an EtherType: what follows is not known. */
export const ETHERTYPE_NONE = 0

export const PROTOCOL_ICMP = 1
export const PROTOCOL_IPV4 = 4
export const PROTOCOL_TCP = 6
export const PROTOCOL_UDP = 17
export const PROTOCOL_IPV6 = 41
export const PROTOCOL_GRE = 47
export const PROTOCOL_AH = 51
export const PROTOCOL_ICMPV6 = 58
export const PROTOCOL_MPLS = 137

/** What is left to decode: buf[at, end) is captured, the wire went on to `wireEnd` (>= end when the capture cut it). */
export class Cursor {
  buf: Uint8Array = new Uint8Array(0)
  at = 0
  end = 0
  wireEnd = 0
  /** EtherType of what begins at `at`. */
  etherType = ETHERTYPE_NONE

  /** Shortens the wire bytes to `length` from `from` on: a header told the exact length and the rest is padding. */
  limit(from: number, length: number): void {
    if (from + length < this.wireEnd) this.wireEnd = from + length
    if (this.end > this.wireEnd) this.end = this.wireEnd
  }

  copyFrom(other: Cursor): void {
    this.buf = other.buf
    this.at = other.at
    this.end = other.end
    this.wireEnd = other.wireEnd
    this.etherType = other.etherType
  }
}

/** The fields of one IP header that outlive its decoding, of either family. */
export class IpHeader {
  family: Family = IPV4
  srcIp = 0
  dstIp = 0
  ttl = 0
  /** IPv4 identification; -1 for IPv6. */
  ipId = -1
  /** IP protocol number, for IPv6 the next header still to be decoded. */
  protocol = 0
  /** Where the source address begins, the destination following: addressBuf[addressAt...]. For checksums. */
  addressBuf: Uint8Array = new Uint8Array(0)
  addressAt = 0
  /** The length field was 0 on a packet that has data: segmentation offload, the true length is the frame's. */
  offload = false
  /** Set with FRAGMENT: identification, offset in bytes, whether more follow. */
  fragmentId = 0
  fragmentOffset = 0
  moreFragments = false
}

/** Big-endian (network order) reads; the caller has checked the range. */
export function u16(buf: Uint8Array, at: number): number {
  return (buf[at]! << 8) | buf[at + 1]!
}
export function u32(buf: Uint8Array, at: number): number {
  return ((buf[at]! << 24) | (buf[at + 1]! << 16) | (buf[at + 2]! << 8) | buf[at + 3]!) >>> 0
}
