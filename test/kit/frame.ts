/**
 * Ethernet frames with one TCP segment over IPv4 or IPv6, lengths and checksums right (RFC 791, RFC 8200, RFC 9293).
 */
import { isIPv6 } from 'node:net'

/** One end of a connection: an address and a port. */
export interface Endpoint {
  /** 4 or 16 bytes. */
  ip: Uint8Array
  port: number
}

export interface SegmentSpec {
  src: Endpoint
  dst: Endpoint
  seq: number
  ack: number
  flags: number
  /** The window field as it stands in the header (not scaled). */
  window: number
  ttl: number
  /** IPv4 identification; IPv6 has none. */
  ipId: number
  /** TCP options; padded here to a multiple of four. */
  options: Uint8Array
  payload: Uint8Array
}

/** `10.0.0.1:3306` or `[2001:db8::1]:3306`. */
export function endpoint(text: string): Endpoint {
  const colon = text.lastIndexOf(':')
  const ip = text.slice(0, colon).replace(/^\[|\]$/g, '')
  return { ip: isIPv6(ip) ? ipv6(ip) : Uint8Array.from(ip.split('.').map(Number)), port: Number(text.slice(colon + 1)) }
}

function ipv6(text: string): Uint8Array {
  const [head = '', tail] = text.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const groups = [...before, ...Array<string>(8 - before.length - after.length).fill('0'), ...after]
  return Uint8Array.from(groups.map((g) => Number.parseInt(g, 16)).flatMap((g) => [g >> 8, g & 255]))
}

/** The whole frame as a capture would hold it, without Ethernet padding and FCS. */
export function tcpFrame(s: SegmentSpec): Uint8Array {
  const v6 = s.src.ip.length === 16
  const ipHeader = v6 ? 40 : 20
  const optionBytes = (s.options.length + 3) & ~3
  const tcpLength = 20 + optionBytes + s.payload.length
  const frame = new Uint8Array(14 + ipHeader + tcpLength)
  const view = new DataView(frame.buffer)

  frame.set(mac(s.dst), 0)
  frame.set(mac(s.src), 6)
  view.setUint16(12, v6 ? 0x86dd : 0x0800)

  const ip = 14
  if (v6) {
    view.setUint32(ip, 0x60000000)
    view.setUint16(ip + 4, tcpLength)
    frame[ip + 6] = 6
    frame[ip + 7] = s.ttl
    frame.set(s.src.ip, ip + 8)
    frame.set(s.dst.ip, ip + 24)
  } else {
    frame[ip] = 0x45
    view.setUint16(ip + 2, 20 + tcpLength)
    view.setUint16(ip + 4, s.ipId & 0xffff)
    view.setUint16(ip + 6, 0x4000) // don't fragment
    frame[ip + 8] = s.ttl
    frame[ip + 9] = 6
    frame.set(s.src.ip, ip + 12)
    frame.set(s.dst.ip, ip + 16)
    view.setUint16(ip + 10, checksum(frame, ip, ip + 20, 0))
  }

  const tcp = ip + ipHeader
  view.setUint16(tcp, s.src.port)
  view.setUint16(tcp + 2, s.dst.port)
  view.setUint32(tcp + 4, s.seq)
  view.setUint32(tcp + 8, s.ack)
  frame[tcp + 12] = ((20 + optionBytes) / 4) << 4
  frame[tcp + 13] = s.flags
  view.setUint16(tcp + 14, s.window)
  frame.set(s.options, tcp + 20)
  frame.set(s.payload, tcp + 20 + optionBytes)
  // RFC 9293 3.1: the pseudo-header (addresses, protocol, TCP length) belongs to the sum.
  const addresses = v6 ? ip + 8 : ip + 12
  const pseudo = sum16(frame, addresses, addresses + 2 * s.src.ip.length, 6 + tcpLength)
  view.setUint16(tcp + 16, checksum(frame, tcp, frame.length, pseudo))
  return frame
}

/** A locally administered MAC made from the last four bytes of the address. */
function mac(e: Endpoint): Uint8Array {
  return Uint8Array.of(2, 0, ...e.ip.subarray(-4))
}

function sum16(b: Uint8Array, start: number, end: number, sum: number): number {
  for (let i = start; i < end; i += 2) sum += (b[i]! << 8) | (i + 1 < end ? b[i + 1]! : 0)
  return sum
}

/** RFC 1071. */
function checksum(b: Uint8Array, start: number, end: number, pseudo: number): number {
  let sum = sum16(b, start, end, pseudo)
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 65536)
  return ~sum & 0xffff
}
