/**
 * Frames made anew from what a verdict can rest on: addresses as pseudonyms, ports, sequence numbers, flags, windows, options, TTL,
 * IP ids, lengths and times as they were, checksums computed. Nothing else of the old frame gets through: no MAC addresses, tags,
 * tunnels, padding.
 */
import { createHash } from 'node:crypto'
import { IPV4 } from '../../core/address.ts'
import type { Picked, Segment } from '../picker.ts'
import type { AddressMap } from './addresses.ts'
import { latin1 } from './bytes.ts'
import { MysqlMask } from './mysql.ts'
import type { Pseudonyms } from './pseudonyms.ts'

export const EN10MB = 1
const SYN = 0x02

/** A direction of a session: where its bytes lie, and the bytes. */
interface Direction {
  base: number
  low: number
  high: number
  segments: Segment[]
  buf: Uint8Array
}

/** The payload of every session, masked; frames are cut from it. */
export class Payloads {
  private readonly directions = new Map<string, [Direction, Direction]>()

  constructor(picked: readonly Picked[], names: Pseudonyms) {
    for (const p of picked) if (p.segment !== null) this.add(p.session, p.segment)
    for (const [session, [client, server]] of this.directions) {
      const streams = [assemble(client), assemble(server)] as const
      new MysqlMask(streams[0], streams[1], names, session).run()
    }
  }

  private add(session: string, s: Segment): void {
    const both = this.directions.get(session) ?? [empty(), empty()]
    this.directions.set(session, both)
    const d = both[s.dir]
    if (s.data.length === 0) return
    const seq = dataSeq(s)
    if (d.segments.length === 0) d.base = seq
    const at = (seq - d.base) | 0
    d.low = Math.min(d.low, at)
    d.high = Math.max(d.high, at + s.data.length)
    d.segments.push(s)
  }

  /** The masked payload of a segment. */
  of(session: string, s: Segment): Uint8Array {
    const d = this.directions.get(session)![s.dir]
    const at = ((dataSeq(s) - d.base) | 0) - d.low
    return s.data.length === 0 ? s.data : d.buf.subarray(at, at + s.data.length)
  }
}

const empty = (): Direction => ({ base: 0, low: 0, high: 0, segments: [], buf: new Uint8Array(0) })
/** A SYN takes a sequence number of its own. */
const dataSeq = (s: Segment): number => ((s.flags & SYN) !== 0 ? s.seq + 1 : s.seq) >>> 0

function assemble(d: Direction): { buf: Uint8Array; whole: number } {
  const buf = new Uint8Array(d.high - d.low)
  const have = new Uint8Array(buf.length)
  for (const s of d.segments) {
    const at = ((dataSeq(s) - d.base) | 0) - d.low
    // A keep-alive probe repeats one byte, which nobody reads: what was there first stays.
    for (let i = 0; i < s.data.length; i++) {
      if (have[at + i] === 1) continue
      buf[at + i] = s.data[i]!
      have[at + i] = 1
    }
  }
  const hole = have.indexOf(0)
  d.buf = buf
  return { buf, whole: hole < 0 ? buf.length : hole }
}

/** The frame anew, as Ethernet, or null for what cannot be (a fragment's first part: the last one carries it all). */
export function rebuild(
  p: Picked,
  payloads: Payloads,
  addresses: AddressMap,
  names: Pseudonyms,
): { bytes: Uint8Array; originalLength: number } | null {
  if (p.segment !== null) return tcp(p, p.segment, payloads.of(p.session, p.segment), addresses, names)
  return null
}

function tcp(
  p: Picked,
  s: Segment,
  data: Uint8Array,
  addresses: AddressMap,
  names: Pseudonyms,
): { bytes: Uint8Array; originalLength: number } {
  const options = cleanOptions(s.options)
  const header = 20 + options.length
  const segment = new Uint8Array(header + data.length)
  const view = new DataView(segment.buffer)
  view.setUint16(0, s.srcPort)
  view.setUint16(2, s.dstPort)
  view.setUint32(4, s.seq)
  view.setUint32(8, s.ack)
  segment[12] = (header >> 2) << 4
  segment[13] = s.flags
  view.setUint16(14, s.window)
  segment.set(options, 20)
  segment.set(data, header)
  const [src, dst] = [addresses.map(s.src), addresses.map(s.dst)]
  const pseudo = new Uint8Array([...src, ...dst, 0, 6, ...u16(segment.length)])
  // What the snapshot length cut off is not there to be summed up.
  if (s.dataLength <= data.length) view.setUint16(16, checksum(pseudo, segment))
  const wire = header + Math.max(s.dataLength, data.length)
  const ip = s.family === IPV4 ? ipv4(s, src, dst, wire) : ipv6(s, src, dst, wire)
  const bytes = new Uint8Array(14 + ip.length + segment.length)
  bytes.set(link(p, names), 0)
  view16(bytes, 12, s.family === IPV4 ? 0x0800 : 0x86dd)
  bytes.set(ip, 14)
  bytes.set(segment, 14 + ip.length)
  return { bytes, originalLength: 14 + ip.length + wire }
}

function ipv4(s: Segment, src: Uint8Array, dst: Uint8Array, length: number): Uint8Array {
  const h = new Uint8Array(20)
  h[0] = 0x45
  // A segment before offload may be larger than the field: 0 says so, as the kernel does.
  view16(h, 2, 20 + length > 0xffff ? 0 : 20 + length)
  view16(h, 4, s.ipId & 0xffff)
  view16(h, 6, 0x4000)
  h[8] = s.ttl
  h[9] = 6
  h.set(src, 12)
  h.set(dst, 16)
  view16(h, 10, checksum(h, new Uint8Array(0)))
  return h
}

function ipv6(s: Segment, src: Uint8Array, dst: Uint8Array, length: number): Uint8Array {
  const h = new Uint8Array(40)
  h[0] = 0x60
  view16(h, 4, length > 0xffff ? 0 : length)
  h[6] = 6
  h[7] = s.ttl
  h.set(src, 8)
  h.set(dst, 24)
  return h
}

/**
 * Locally administered addresses that differ where the old frames' first 16 bytes and interfaces did: the same packet seen at two
 * places stays two, seen twice at one place stays one.
 */
function link(p: Picked, names: Pseudonyms): Uint8Array {
  const head = latin1(p.bytes, 0, Math.min(16, p.bytes.length))
  const noise = names.bytes('link', `${p.linkType} ${p.interfaceId} ${head}`, 10)
  return Uint8Array.of(0x02, ...noise.subarray(0, 5), 0x02, ...noise.subarray(5, 10), 0, 0)
}

/** RFC 9293 and the usual ones stay; others may carry addresses (TOA) or signatures: their content goes. */
const OPEN_OPTIONS: ReadonlySet<number> = new Set([0, 1, 2, 3, 4, 5, 8, 14, 15, 27])
function cleanOptions(options: Uint8Array): Uint8Array {
  const out = Uint8Array.from(options)
  for (let i = 0; i < out.length; ) {
    const kind = out[i]!
    if (kind === 0) break
    if (kind === 1) {
      i++
      continue
    }
    const length = out[i + 1] ?? 0
    if (length < 2 || i + length > out.length) {
      out.fill(1, i)
      break
    }
    if (!OPEN_OPTIONS.has(kind)) out.fill(0, i + 2, i + length)
    i += length
  }
  return out
}

/** An ICMP error about a segment of the slice: reporter, type, code, MTU and the quoted endpoints. */
export function rebuildIcmp(
  p: Picked,
  addresses: AddressMap,
  names: Pseudonyms,
  addressOf: (ip: number) => Uint8Array,
): Uint8Array | null {
  const e = p.icmp
  if (e === null) return null
  const [src, dst, reporter] = [e.srcIp, e.dstIp, e.reporterIp].map((ip) => addresses.map(addressOf(ip))) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ]
  const quoted = new Uint8Array(8)
  const q = new DataView(quoted.buffer)
  q.setUint16(0, e.srcPort)
  q.setUint16(2, e.dstPort)
  q.setUint32(4, e.seq)
  const shape = { ttl: 64, ipId: 0 } as Segment
  const v4 = e.family === IPV4
  const inner = v4 ? ipv4(shape, src, dst, 20) : ipv6(shape, src, dst, 20)
  const icmp = new Uint8Array(8 + inner.length + 8)
  icmp[0] = e.type
  icmp[1] = e.code
  if (v4) view16(icmp, 6, e.mtu)
  else new DataView(icmp.buffer).setUint32(4, e.mtu)
  icmp.set(inner, 8)
  icmp.set(quoted, 8 + inner.length)
  const pseudo = v4 ? new Uint8Array(0) : new Uint8Array([...reporter, ...src, 0, 58, ...u16(icmp.length)])
  view16(icmp, 2, checksum(pseudo, icmp))
  const outer = v4 ? ipv4(shape, reporter, src, icmp.length) : ipv6(shape, reporter, src, icmp.length)
  if (v4) {
    outer[9] = 1
    view16(outer, 10, 0)
    view16(outer, 10, checksum(outer, new Uint8Array(0)))
  } else outer[6] = 58
  const bytes = new Uint8Array(14 + outer.length + icmp.length)
  bytes.set(link(p, names), 0)
  view16(bytes, 12, v4 ? 0x0800 : 0x86dd)
  bytes.set(outer, 14)
  bytes.set(icmp, 14 + outer.length)
  return bytes
}

function view16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = (value >> 8) & 255
  bytes[at + 1] = value & 255
}
const u16 = (n: number): number[] => [(n >> 8) & 255, n & 255]

/** RFC 1071 over a header and what follows. */
function checksum(head: Uint8Array, body: Uint8Array): number {
  let sum = 0
  for (const part of [head, body]) for (let i = 0; i < part.length; i += 2) sum += (part[i]! << 8) + (part[i + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000)
  return ~sum & 0xffff
}

/** A key that only who has the frames can compute: with it the same slice gives the same pseudonyms. */
export function keyOf(picked: readonly Picked[]): Uint8Array {
  const hash = createHash('sha256').update('mysqlconn anonymize 1')
  for (const p of picked) hash.update(p.bytes)
  return hash.digest()
}
