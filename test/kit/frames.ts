/**
 * Small encoders for raw frames of any nesting, for tests of src/packet and above. Each takes the layer above as bytes and returns
 * bytes, so a frame reads inside out:
 *
 *   eth(vlan(7, ipv4(tcp({ payload: text('hi') }), { src: '10.0.0.1' })))
 *   eth(ipv4(udp(vxlan(eth(ipv4(tcp()))), { dstPort: 4789 }), { protocol: 17 }))
 *
 * Lengths and checksums are computed; the TCP checksum needs the addresses, so `ipv4` and `ipv6` fill it in for a whole TCP payload.
 * Whoever needs a wrong field sets it through the options or patches the bytes. `pushFrame` hands one to a PacketSink.
 * (test/kit/frame.ts is the playbook's fixed Ethernet/IP/TCP frame; this file is for everything else.)
 */
import type { PacketSink, PacketView } from '../../src/capture/packet-view.ts'

export const text = (s: string): Uint8Array => new TextEncoder().encode(s)
export const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)

export function concat(...parts: Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, p) => sum + p.length, 0))
  let at = 0
  for (const p of parts) {
    all.set(p, at)
    at += p.length
  }
  return all
}

const be16 = (v: number): Uint8Array => bytes((v >> 8) & 255, v & 255)
const be32 = (v: number): Uint8Array => bytes((v >>> 24) & 255, (v >>> 16) & 255, (v >>> 8) & 255, v & 255)

/** 16-bit one's complement of the one's complement sum, RFC 1071. */
export function internetChecksum(...parts: Uint8Array[]): number {
  const all = concat(...parts)
  let sum = 0
  for (let i = 0; i < all.length; i += 2) sum += (all[i]! << 8) | (all[i + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000)
  return ~sum & 0xffff
}

// --- transport ---

export interface TcpOptions {
  srcPort?: number
  dstPort?: number
  seq?: number
  ack?: number
  flags?: number
  window?: number
  /** Padded to whole words with the end-of-list option, 0. */
  options?: Uint8Array
  payload?: Uint8Array
  /** Header length in words when it is to be a lie. */
  dataOffset?: number
}

export function tcp(o: TcpOptions = {}): Uint8Array {
  const options = o.options ?? bytes()
  const padded = concat(options, new Uint8Array((4 - (options.length % 4)) % 4))
  return concat(
    be16(o.srcPort ?? 40000),
    be16(o.dstPort ?? 3306),
    be32(o.seq ?? 1000),
    be32(o.ack ?? 2000),
    bytes((o.dataOffset ?? 5 + padded.length / 4) << 4, o.flags ?? 0x18),
    be16(o.window ?? 500),
    be32(0),
    padded,
    o.payload ?? bytes(),
  )
}

export function udp(payload: Uint8Array, o: { srcPort?: number; dstPort?: number } = {}): Uint8Array {
  return concat(be16(o.srcPort ?? 50000), be16(o.dstPort ?? 53), be16(8 + payload.length), be16(0), payload)
}

/** ICMP message: type, code, the four bytes whose meaning the type tells, then what it quotes. */
export function icmp(type: number, code: number, rest: number, quoted: Uint8Array): Uint8Array {
  const message = concat(bytes(type, code, 0, 0), be32(rest), quoted)
  message.set(be16(internetChecksum(message)), 2)
  return message
}

// --- network ---

export interface Ipv4Options {
  src?: string
  dst?: string
  protocol?: number
  id?: number
  ttl?: number
  options?: Uint8Array
  /** Total length when it is not to be computed; 0 as segmentation offload leaves it. */
  totalLength?: number
  /** Byte offset of a fragment, a multiple of 8. */
  fragmentOffset?: number
  moreFragments?: boolean
}

export const ipv4Bytes = (address: string): Uint8Array => Uint8Array.from(address.split('.').map(Number))

export function ipv4(payload: Uint8Array, o: Ipv4Options = {}): Uint8Array {
  const options = o.options ?? bytes()
  const headerLength = 20 + options.length
  const protocol = o.protocol ?? 6
  const addresses = concat(ipv4Bytes(o.src ?? '10.0.0.1'), ipv4Bytes(o.dst ?? '10.0.0.2'))
  const isFragment = o.moreFragments === true || (o.fragmentOffset ?? 0) > 0
  const flags = isFragment ? (o.moreFragments === true ? 0x2000 : 0) | ((o.fragmentOffset ?? 0) >> 3) : 0x4000
  const header = concat(
    bytes(0x40 | (headerLength / 4), 0),
    be16(o.totalLength ?? headerLength + payload.length),
    be16(o.id ?? 1),
    be16(flags),
    bytes(o.ttl ?? 64, protocol, 0, 0),
    addresses,
    options,
  )
  header.set(be16(internetChecksum(header)), 10)
  return concat(header, protocol === 6 && !isFragment ? withTcpChecksum(payload, addresses) : payload)
}

/** 16 bytes of `2001:db8::1`. */
export function ipv6Bytes(address: string): Uint8Array {
  const [head = '', tail] = address.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length
  const groups = [...before, ...Array<string>(zeros).fill('0'), ...after].map((g) => Number.parseInt(g, 16))
  return concat(...groups.map(be16))
}

export interface Ipv6Options {
  src?: string
  dst?: string
  nextHeader?: number
  hopLimit?: number
  payloadLength?: number
}

/** A TCP payload gets its checksum only when it follows directly (nextHeader 6). */
export function ipv6(payload: Uint8Array, o: Ipv6Options = {}): Uint8Array {
  const nextHeader = o.nextHeader ?? 6
  const addresses = concat(ipv6Bytes(o.src ?? '2001:db8::1'), ipv6Bytes(o.dst ?? '2001:db8::2'))
  return concat(
    be32(0x60000000),
    be16(o.payloadLength ?? payload.length),
    bytes(nextHeader, o.hopLimit ?? 64),
    addresses,
    nextHeader === 6 ? withTcpChecksum(payload, addresses) : payload,
  )
}

/** An IPv6 extension header of the common shape: next header, length, then `content` padded to whole 8 bytes. */
export function ipv6Extension(nextHeader: number, content: Uint8Array, payload: Uint8Array): Uint8Array {
  const padding = (8 - ((2 + content.length) % 8)) % 8
  const length = (2 + content.length + padding) / 8 - 1
  return concat(bytes(nextHeader, length), content, new Uint8Array(padding), payload)
}

export interface Ipv6FragmentOptions {
  nextHeader: number
  offset: number
  more: boolean
  id: number
}

export function ipv6Fragment(payload: Uint8Array, o: Ipv6FragmentOptions): Uint8Array {
  return concat(bytes(o.nextHeader, 0), be16(o.offset | (o.more ? 1 : 0)), be32(o.id), payload)
}

/** Authentication header with a 12-byte check value (RFC 4302). */
export function authenticationHeader(nextHeader: number, payload: Uint8Array): Uint8Array {
  return concat(bytes(nextHeader, 4, 0, 0), be32(0x1234), be32(1), new Uint8Array(12), payload)
}

function withTcpChecksum(segment: Uint8Array, addresses: Uint8Array): Uint8Array {
  if (segment.length < 20) return segment
  const filled = segment.slice()
  filled.set(be16(0), 16)
  filled.set(be16(internetChecksum(addresses, be32(segment.length), be32(6), filled)), 16)
  return filled
}

// --- link ---

/** EtherType of an IP packet by its version nibble. */
const etherTypeOf = (packet: Uint8Array): number => (packet[0]! >> 4 === 6 ? 0x86dd : 0x0800)

export interface EthOptions {
  etherType?: number
  src?: number[]
  dst?: number[]
}

/** Ethernet II. Payload tagged by `vlan` and the like brings its own EtherType; otherwise it is that of the IP version. */
export function eth(payload: Uint8Array | Tagged, o: EthOptions = {}): Uint8Array {
  const tagged = payload instanceof Uint8Array ? { etherType: etherTypeOf(payload), bytes: payload } : payload
  const dst = bytes(...(o.dst ?? [2, 0, 0, 0, 0, 2]))
  const src = bytes(...(o.src ?? [2, 0, 0, 0, 0, 1]))
  return concat(dst, src, be16(o.etherType ?? tagged.etherType), tagged.bytes)
}

/** Bytes that know the EtherType by which a lower header must announce them. */
export interface Tagged {
  etherType: number
  bytes: Uint8Array
}

const asTagged = (p: Uint8Array | Tagged): Tagged =>
  p instanceof Uint8Array ? { etherType: etherTypeOf(p), bytes: p } : p

/** 802.1Q tag (or another type of the same shape: 0x88a8, 0x9100). */
export function vlan(id: number, payload: Uint8Array | Tagged, etherType = 0x8100): Tagged {
  const inner = asTagged(payload)
  return { etherType, bytes: concat(be16(id), be16(inner.etherType), inner.bytes) }
}

/** MPLS label stack, the last label with the bottom-of-stack bit. */
export function mpls(labels: number[], payload: Uint8Array): Tagged {
  const stack = labels.map((label, i) => be32(label * 4096 + (i === labels.length - 1 ? 0x100 : 0) + 64))
  return { etherType: 0x8847, bytes: concat(...stack, payload) }
}

export function ppp(payload: Uint8Array, addressAndControl = true): Uint8Array {
  const protocol = payload[0]! >> 4 === 6 ? 0x57 : 0x21
  return concat(addressAndControl ? bytes(0xff, 0x03) : bytes(), be16(protocol), payload)
}

export function pppoe(payload: Uint8Array): Tagged {
  const inner = ppp(payload, false)
  return { etherType: 0x8864, bytes: concat(bytes(0x11, 0), be16(1), be16(inner.length), inner) }
}

/** LLC with SNAP (RFC 1042). */
export function snap(payload: Uint8Array): Uint8Array {
  return concat(bytes(0xaa, 0xaa, 3, 0, 0, 0), be16(etherTypeOf(payload)), payload)
}

/** 802.3: the length in place of the EtherType. */
export function eth8023(payload: Uint8Array): Uint8Array {
  return eth({ etherType: payload.length, bytes: payload })
}

export function linuxSll(payload: Uint8Array | Tagged, packetType = 0): Uint8Array {
  const inner = asTagged(payload)
  return concat(be16(packetType), be16(1), be16(6), bytes(2, 0, 0, 0, 0, 1, 0, 0), be16(inner.etherType), inner.bytes)
}

export function linuxSll2(payload: Uint8Array | Tagged, interfaceIndex = 2, packetType = 0): Uint8Array {
  const inner = asTagged(payload)
  const address = bytes(2, 0, 0, 0, 0, 1, 0, 0)
  return concat(
    be16(inner.etherType),
    be16(0),
    be32(interfaceIndex),
    be16(1),
    bytes(packetType, 6),
    address,
    inner.bytes,
  )
}

// --- tunnels ---

export const vxlan = (frame: Uint8Array, vni = 42): Uint8Array => concat(bytes(0x08, 0, 0, 0), be32(vni << 8), frame)

export function geneve(payload: Uint8Array, etherType = 0x6558, options = bytes()): Uint8Array {
  return concat(bytes(options.length / 4, 0), be16(etherType), be32(42 << 8), options, payload)
}

export interface GreOptions {
  key?: number
  sequence?: number
  checksum?: boolean
}

export function gre(payload: Uint8Array, etherType: number, o: GreOptions = {}): Uint8Array {
  const flags = (o.checksum ? 0x8000 : 0) | (o.key === undefined ? 0 : 0x2000) | (o.sequence === undefined ? 0 : 0x1000)
  return concat(
    be16(flags),
    be16(etherType),
    o.checksum ? be32(0) : bytes(),
    o.key === undefined ? bytes() : be32(o.key),
    o.sequence === undefined ? bytes() : be32(o.sequence),
    payload,
  )
}

// --- handing them over ---

/** Fields of the PacketView that differ from a whole Ethernet frame at time 0. */
export type FrameOptions = Partial<Omit<PacketView, 'buf' | 'start' | 'end'>>

/** Hands `frame` to `sink` as one captured frame, standing inside a larger buffer as it would in a file. */
export function pushFrame(sink: PacketSink, frame: Uint8Array, o: FrameOptions = {}): void {
  const margin = new Uint8Array(32).fill(0xee)
  const buf = concat(margin, frame, margin)
  sink.packet({
    frame: 1,
    at: 0,
    linkType: 1,
    fcsBytes: 0,
    interfaceId: 0,
    originalLength: frame.length,
    comment: '',
    ...o,
    buf,
    start: margin.length,
    end: margin.length + frame.length,
  })
}
