/**
 * Frames in, TCP segments out: link header, tags, IP with options, extension headers and fragments, tunnels down to the innermost
 * packet, TCP header (RFC 9293 3.1). Ethernet with at most one VLAN tag, IPv4 without options or fragments and TCP goes straight
 * through `packet`; everything else through the decoders, which share one cursor. Nothing here throws on bytes.
 */
import type { PacketSink, PacketView } from '../capture/packet-view.ts'
import { type Family, IPV4, IPV6, type Ipv6Table } from '../core/address.ts'
import type { AnomalyLog } from '../core/anomaly.ts'
import type { Limits } from '../core/limits.ts'
import { tcpChecksumOk } from './checksum.ts'
import {
  BAD,
  CUT,
  Cursor,
  ETHERTYPE_IPV4,
  FRAGMENT,
  IpHeader,
  OK,
  OTHER,
  PROTOCOL_AH,
  PROTOCOL_ICMP,
  PROTOCOL_ICMPV6,
  PROTOCOL_TCP,
  type Status,
} from './cursor.ts'
import { Duplicates } from './duplicates.ts'
import { toNetwork } from './ethertype.ts'
import { Fragments } from './fragments.ts'
import { decodeIcmpError, newIcmpErrorView } from './icmp.ts'
import { decodeIpv4, skipAuthentication } from './ipv4.ts'
import { decodeIpv6, skipExtensions } from './ipv6.ts'
import { EN10MB, LINK_TYPES } from './link.ts'
import type { IcmpErrorView, SegmentSink, SegmentView } from './segment-view.ts'
import { enterTunnel } from './tunnel.ts'

/** IP headers in one frame, the innermost included. */
const MAX_IP_HEADERS = 8
/** Segments at the start of a capture whose checksum is looked at: enough to tell offload, at no cost later. */
const CHECKSUM_SAMPLE = 256
/** Payload of the largest jumbo frame in use; more than this was never one frame on a wire. */
const MAX_FRAME_PAYLOAD = 9216

// hot path: no allocation per packet
export class PacketLayer implements PacketSink {
  /** Frames read. Each is exactly one of the next four. */
  frames = 0
  /** Segments handed up, duplicates included. */
  tcpSegments = 0
  /** Well formed, but no TCP in it (or none that we look for). */
  nonTcp = 0
  /** Of an unknown link type, malformed, cut inside a header, or nested too deeply. */
  undecodable = 0
  /** IP fragments that did not complete a datagram. */
  fragments = 0
  /** Segments handed up with `duplicate` set. */
  duplicates = 0
  /** Frames cut by the snapshot length, whatever is in them (the capture reader notes capture.snaplen). */
  truncated = 0
  /** Frames per link type that LINK_TYPES does not know. */
  readonly unknownLinkTypes = new Map<number, number>()

  private readonly sink: SegmentSink
  private readonly ipv6Table: Ipv6Table
  private readonly anomalies: AnomalyLog
  private readonly reassembly: Fragments
  private readonly copies = new Duplicates()
  private readonly cursor = new Cursor()
  private readonly header = new IpHeader()
  /** Reads big-endian fields of `buf` at once; one for as long as the buffer stays the same. */
  private buf: Uint8Array = new Uint8Array(0)
  private fields = new DataView(this.buf.buffer)
  private readonly icmpError: IcmpErrorView = newIcmpErrorView()
  private checksumsLeft = CHECKSUM_SAMPLE
  private readonly badChecksumHosts = new Set<number>()
  private readonly view: SegmentView = {
    frame: 0,
    at: 0,
    family: IPV4,
    srcIp: 0,
    dstIp: 0,
    srcPort: 0,
    dstPort: 0,
    seq: 0,
    ack: 0,
    flags: 0,
    window: 0,
    buf: new Uint8Array(0),
    dataStart: 0,
    dataEnd: 0,
    dataLength: 0,
    ttl: 0,
    ipId: 0,
    optionsStart: 0,
    optionsEnd: 0,
    comment: '',
    duplicate: false,
  }

  constructor(sink: SegmentSink, ipv6Table: Ipv6Table, anomalies: AnomalyLog, limits: Limits) {
    this.sink = sink
    this.ipv6Table = ipv6Table
    this.anomalies = anomalies
    this.reassembly = new Fragments(anomalies, limits.fragmentBytes)
  }

  packet(p: PacketView): void {
    this.frames++
    const buf = p.buf
    const start = p.start
    const captured = p.end - start
    if (captured < p.originalLength) this.truncated++
    // A header that claims less than was captured lies; a frame check sequence is no payload.
    const wireEnd = start + Math.max(p.originalLength, captured) - p.fcsBytes
    const end = Math.min(p.end, wireEnd)
    if (p.linkType === EN10MB && end - start >= 58) {
      const fields = buf === this.buf ? this.fields : this.fieldsOf(buf)
      let at = start + 14
      let type = fields.getUint16(start + 12)
      if (type === 0x8100) {
        type = fields.getUint16(start + 16)
        at = start + 18
      }
      if (
        type === ETHERTYPE_IPV4 &&
        buf[at] === 0x45 &&
        buf[at + 9] === PROTOCOL_TCP &&
        (fields.getUint16(at + 6) & 0x3fff) === 0
      ) {
        const total = fields.getUint16(at + 2)
        if (total >= 40) {
          const wire = Math.min(at + total, wireEnd)
          const h = this.header
          h.family = IPV4
          h.srcIp = fields.getUint32(at + 12)
          h.dstIp = fields.getUint32(at + 16)
          h.ttl = buf[at + 8]!
          h.ipId = fields.getUint16(at + 4)
          h.addressBuf = buf
          h.addressAt = at + 12
          h.offload = false
          this.tcp(p, h, buf, at + 20, Math.min(end, wire), wire)
          return
        }
      }
    }
    this.decode(p, end, wireEnd)
  }

  /** Call once after the last packet: notes fragments whose siblings never came. */
  end(): void {
    this.reassembly.end()
  }

  /** The general way: any link type, any nesting. */
  private decode(p: PacketView, end: number, wireEnd: number): void {
    const link = LINK_TYPES[p.linkType]
    if (link === undefined) {
      this.unknownLink(p)
      return
    }
    const c = this.cursor
    c.buf = p.buf
    c.at = p.start
    c.end = end
    c.wireEnd = wireEnd
    let status = link.decode(c)
    if (status === OK) status = this.network(p)
    if (status === OK) return
    if (status === OTHER) this.nonTcp++
    else if (status === FRAGMENT) this.fragments++
    else this.undecoded(p, status)
  }

  /** From the cursor's EtherType through IP and tunnels. OK means the frame has been counted and handed up. */
  private network(p: PacketView): Status {
    const c = this.cursor
    const h = this.header
    for (let depth = 0; depth < MAX_IP_HEADERS; depth++) {
      let status = toNetwork(c)
      if (status !== OK) return status
      status = c.etherType === ETHERTYPE_IPV4 ? decodeIpv4(c, h) : decodeIpv6(c, h, this.ipv6Table)
      for (;;) {
        if (status === OK) status = h.family === IPV6 ? skipExtensions(c, h) : authentication(c, h)
        if (status !== FRAGMENT) break
        if (!this.reassembly.add(c, h, p.frame, p.at)) return FRAGMENT
        status = OK // the whole payload now; behind IPv6 fragments more extension headers may come
      }
      if (status !== OK) return status
      if (h.protocol === PROTOCOL_TCP) {
        this.tcp(p, h, c.buf, c.at, c.end, c.wireEnd)
        return OK
      }
      if (h.protocol === PROTOCOL_ICMP || h.protocol === PROTOCOL_ICMPV6) {
        this.icmp(p)
        return OTHER
      }
      status = enterTunnel(c, h)
      if (status !== OK) return status
    }
    this.anomalies.note('packet.tunnel-depth', p.frame, () => `frame ${p.frame}`)
    this.undecodable++
    return OK
  }

  private tcp(p: PacketView, h: IpHeader, buf: Uint8Array, at: number, end: number, wireEnd: number): void {
    if (end - at < 20) {
      this.undecoded(p, wireEnd - at < 20 ? BAD : CUT)
      return
    }
    const headerLength = (buf[at + 12]! >> 4) << 2
    if (headerLength < 20 || at + headerLength > wireEnd) {
      this.undecoded(p, BAD)
      return
    }
    const fields = buf === this.buf ? this.fields : this.fieldsOf(buf)
    const s = this.view
    const dataStart = at + headerLength
    s.frame = p.frame
    s.at = p.at
    s.family = h.family
    s.srcIp = h.srcIp
    s.dstIp = h.dstIp
    s.srcPort = fields.getUint16(at)
    s.dstPort = fields.getUint16(at + 2)
    s.seq = fields.getUint32(at + 4)
    s.ack = fields.getUint32(at + 8)
    s.flags = buf[at + 13]!
    s.window = fields.getUint16(at + 14)
    s.buf = buf
    s.dataStart = Math.min(dataStart, end)
    s.dataEnd = end
    s.dataLength = wireEnd - dataStart
    s.ttl = h.ttl
    s.ipId = h.ipId
    s.optionsStart = at + 20
    s.optionsEnd = s.dataStart
    s.comment = p.comment
    s.duplicate = this.copies.seen(s, fields.getUint16(at + 16), this.capturePoint(p))
    this.tcpSegments++
    if (s.duplicate) this.noteDuplicate(p.frame)
    if (s.dataLength > MAX_FRAME_PAYLOAD || h.offload) this.noteOffload(s)
    if (this.checksumsLeft > 0) this.sampleChecksum(s, h, at, wireEnd)
    this.sink.segment(s)
  }

  /** A number that differs between places where one packet can be captured: the first 16 bytes are the link addresses or packet type. */
  private capturePoint(p: PacketView): number {
    const { buf, start } = p
    // No frame with TCP in it is so short: its IP header alone is longer.
    if (p.end - start < 16) return 0
    const fields = buf === this.buf ? this.fields : this.fieldsOf(buf)
    const words =
      fields.getInt32(start) ^
      Math.imul(fields.getInt32(start + 4), 0x9e3779b1) ^
      Math.imul(fields.getInt32(start + 8), 0x85ebca6b)
    const mixed = Math.imul(words ^ fields.getUint16(start + 14) ^ Math.imul(p.interfaceId + 1, 0xc2b2ae35), 0x9e3779b1)
    return (mixed ^ (mixed >>> 16)) & 0xffff
  }

  private fieldsOf(buf: Uint8Array): DataView {
    this.buf = buf
    this.fields = new DataView(buf.buffer, buf.byteOffset, buf.byteLength)
    return this.fields
  }

  private icmp(p: PacketView): void {
    if (this.sink.icmpError === undefined) return
    const e = this.icmpError
    if (!decodeIcmpError(this.cursor, this.header, e, this.ipv6Table)) return
    e.frame = p.frame
    e.at = p.at
    this.sink.icmpError(e)
  }

  private noteDuplicate(frame: number): void {
    this.duplicates++
    this.anomalies.note('capture.duplicate-frames', frame)
  }

  /** On a loopback interface a segment of 64 KiB is really sent as one. */
  private noteOffload(s: SegmentView): void {
    if (s.srcIp === s.dstIp || (s.family === IPV4 && s.srcIp >>> 24 === 127)) return
    this.anomalies.note('packet.offload', s.frame)
  }

  /** Offload leaves wrong checksums on what the capturing host sends: worth saying once for each host. */
  private sampleChecksum(s: SegmentView, h: IpHeader, at: number, wireEnd: number): void {
    if (s.dataEnd !== wireEnd) return
    this.checksumsLeft--
    if (tcpChecksumOk(s.buf, at, wireEnd, s.family, h.addressBuf, h.addressAt)) return
    const host = hostKey(s.family, s.srcIp)
    if (this.badChecksumHosts.has(host)) return
    this.badChecksumHosts.add(host)
    this.anomalies.note('packet.bad-checksum', s.frame, `frame ${s.frame}`)
  }

  private undecoded(p: PacketView, status: Status): void {
    this.undecodable++
    if (status === CUT) this.anomalies.note('packet.truncated-header', p.frame, () => `frame ${p.frame}`)
    else this.anomalies.note('packet.malformed', p.frame, () => `frame ${p.frame}`)
  }

  private unknownLink(p: PacketView): void {
    this.undecodable++
    const count = this.unknownLinkTypes.get(p.linkType) ?? 0
    this.unknownLinkTypes.set(p.linkType, count + 1)
    // The place names the link type, so only its first frame is worth one.
    const place = count === 0 ? `frame ${p.frame}: link type ${p.linkType}` : undefined
    this.anomalies.note('capture.unknown-link-type', p.frame, place)
  }
}

/** An authentication header is the only thing that may stand between IPv4 and its payload. */
function authentication(c: Cursor, h: IpHeader): Status {
  return h.protocol === PROTOCOL_AH ? skipAuthentication(c, h) : OK
}

function hostKey(family: Family, ip: number): number {
  return family * 0x100000000 + ip
}
