/** What the packet layer hands up: one TCP segment at a time, in a reused object. */
import type { Family } from '../core/address.ts'
import type { Instant } from '../core/time.ts'

/** TCP flag bits, RFC 9293 3.1. */
export const FIN = 0x01
export const SYN = 0x02
export const RST = 0x04
export const PSH = 0x08
export const ACK = 0x10
export const URG = 0x20

/**
 * One TCP segment. The object is REUSED: valid only until the sink returns. Addresses are numbers (core/address.ts).
 * Payload is buf[dataStart, dataEnd); `dataLength` is the length on the wire, larger than dataEnd - dataStart when the
 * frame was cut by the snapshot length. Invariant: dataStart <= dataEnd, dataEnd - dataStart <= dataLength.
 */
export interface SegmentView {
  frame: number
  at: Instant
  family: Family
  srcIp: number
  dstIp: number
  srcPort: number
  dstPort: number
  /** Sequence and acknowledgment numbers as unsigned 32-bit values. */
  seq: number
  ack: number
  flags: number
  /** Window field as on the wire (not scaled). */
  window: number
  buf: Uint8Array
  dataStart: number
  dataEnd: number
  dataLength: number
  /** IP time to live or hop limit, of the innermost IP header. */
  ttl: number
  /** IPv4 identification; -1 for IPv6. */
  ipId: number
  /** TCP options bytes buf[optionsStart, dataStart header end): parsed by the tcp layer only on SYN or when asked. */
  optionsStart: number
  optionsEnd: number
  /** pcapng comment of the frame, '' if none. */
  comment: string
  /**
   * The same IP packet was captured a moment ago (any interface, SPAN port, bridge): a copy, not a retransmission. It is handed
   * up to be counted; it carries nothing new. The rule is duplicates.ts.
   */
  duplicate: boolean
}

/**
 * An ICMP error (RFC 792) or ICMPv6 error (RFC 4443) about a TCP segment. The object is REUSED like SegmentView. Its endpoints are
 * the quoted segment's: srcIp sent what could not be delivered. It is no segment and opens no connection.
 */
export interface IcmpErrorView {
  frame: number
  at: Instant
  family: Family
  /** ICMP: 3 unreachable, 11 time exceeded. ICMPv6: 1 unreachable, 2 packet too big, 3 time exceeded. */
  type: number
  code: number
  /** Next-hop MTU in bytes (ICMP 3 code 4, RFC 1191; ICMPv6 2), 0 when not given. */
  mtu: number
  /** Who reports: source of the ICMP packet. */
  reporterIp: number
  srcIp: number
  dstIp: number
  srcPort: number
  dstPort: number
  /** Sequence number of the quoted segment. */
  seq: number
}

export interface SegmentSink {
  segment(s: SegmentView): void
  icmpError?(e: IcmpErrorView): void
}
