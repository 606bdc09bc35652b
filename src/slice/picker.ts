/** Reads frames and keeps those of chosen sessions: whole, with their segment, so that they can be written or rewritten. */
import type { PacketSink, PacketView } from '../capture/packet-view.ts'
import { type Family, IPV4, Ipv6Table } from '../core/address.ts'
import { AnomalyLog } from '../core/anomaly.ts'
import { MysqlconnError } from '../core/errors.ts'
import { LIMITS } from '../core/limits.ts'
import type { Epoch } from '../core/time.ts'
import { PacketLayer } from '../packet/packet-layer.ts'
import type { IcmpErrorView, SegmentView } from '../packet/segment-view.ts'
import type { SessionReport } from '../report/model.ts'

export interface Picked {
  session: string
  /** Position in its own file. */
  input: string
  frame: number
  unixSeconds: number
  nanoseconds: number
  linkType: number
  interfaceId: number
  /** The frame without its check sequence. */
  bytes: Uint8Array
  originalLength: number
  segment: Segment | null
  icmp: IcmpErrorView | null
}

/** A segment that outlives its frame. */
export interface Segment
  extends Omit<SegmentView, 'buf' | 'dataStart' | 'dataEnd' | 'optionsStart' | 'optionsEnd' | 'comment'> {
  src: Uint8Array
  dst: Uint8Array
  /** 0 from the client, 1 from the server. */
  dir: 0 | 1
  options: Uint8Array
  data: Uint8Array
}

/** Frames at the beginning of a session that are taken whatever the time: TCP's handshake, TLS's, the login. */
const HANDSHAKE_FRAMES = 24
/** Report times are cut to microseconds. */
const TOLERANCE = 2

interface Candidate {
  id: string
  /** Microseconds since 1970, on the clock of the report. */
  start: number
  client: string
  server: string
  /** Frames so far. */
  seen: number
}

export class Picker implements PacketSink {
  readonly picked: Picked[] = []
  private input = ''
  /** Name of the recording that is read: its first file's. */
  recording = ''
  private ahead = 0
  private readonly wanted: ReadonlySet<string>
  private readonly epoch: Epoch
  private readonly ipv6 = new Ipv6Table()
  private readonly layer: PacketLayer
  /** Sessions of an endpoint pair in order of time, the picked ones and the others, by client port and server port. */
  private readonly byPorts = new Map<number, Candidate[]>()
  private readonly range: { since: number; until: number }
  private bytes = 0
  private view: PacketView | null = null
  private hit: { session: string; segment: Segment | null; icmp: IcmpErrorView | null } | null = null
  /** Frames that held fragments whose datagram is not complete yet. */
  private readonly pending: Picked[] = []
  private fragments = 0

  constructor(
    sessions: readonly SessionReport[],
    wanted: ReadonlySet<string>,
    epoch: Epoch,
    range: { since: number; until: number } = { since: Number.NEGATIVE_INFINITY, until: Number.POSITIVE_INFINITY },
  ) {
    this.wanted = wanted
    this.epoch = epoch
    this.range = range
    for (const s of sessions) {
      const key = portsKey(s.client, s.server)
      const list = this.byPorts.get(key) ?? []
      this.byPorts.set(key, list)
      list.push({ id: s.id, start: micros(s.startAt), client: s.client, server: s.server, seen: 0 })
    }
    for (const list of this.byPorts.values()) list.sort((a, b) => a.start - b.start)
    const sink = { segment: (s: SegmentView) => this.segment(s), icmpError: (e: IcmpErrorView) => this.icmpError(e) }
    this.layer = new PacketLayer(sink, this.ipv6, new AnomalyLog(), LIMITS)
  }

  /** The next file; `clockOffset` is how far its clock is ahead, in seconds. */
  begin(input: string, clockOffset: number): void {
    this.input = input
    this.ahead = clockOffset * 1e6
  }

  packet(p: PacketView): void {
    this.view = p
    this.hit = null
    this.layer.packet(p)
    if (this.hit !== null) this.keep(p, this.hit)
    else if (this.layer.fragments > this.fragments) {
      this.pending.push(this.copy(p, '', null, null))
      if (this.pending.length > 256) this.pending.shift()
    }
    this.fragments = this.layer.fragments
  }

  private now(p: PacketView): number {
    return this.epoch.unixSeconds * 1e6 + Math.floor(p.at / 1e3) - this.ahead
  }

  private segment(s: SegmentView): void {
    const forth = this.find(s.srcPort, s.dstPort, s.family, s.srcIp, s.dstIp)
    const found = forth ?? this.find(s.dstPort, s.srcPort, s.family, s.dstIp, s.srcIp)
    if (found === null) return
    // A datagram in fragments lies in a buffer of its own; its first parts are frames that have gone by.
    if (s.buf !== this.view!.buf) this.takePending(found, s)
    const segment: Segment = {
      frame: s.frame,
      at: s.at,
      family: s.family,
      srcIp: s.srcIp,
      dstIp: s.dstIp,
      srcPort: s.srcPort,
      dstPort: s.dstPort,
      seq: s.seq,
      ack: s.ack,
      flags: s.flags,
      window: s.window,
      dataLength: s.dataLength,
      ttl: s.ttl,
      ipId: s.ipId,
      duplicate: s.duplicate,
      src: this.address(s.family, s.srcIp),
      dst: this.address(s.family, s.dstIp),
      dir: forth === null ? 1 : 0,
      options: s.buf.slice(s.optionsStart, s.optionsEnd),
      data: s.buf.slice(s.dataStart, s.dataEnd),
    }
    this.hit = { session: found, segment, icmp: null }
  }

  private icmpError(e: IcmpErrorView): void {
    const found =
      this.find(e.srcPort, e.dstPort, e.family, e.srcIp, e.dstIp) ??
      this.find(e.dstPort, e.srcPort, e.family, e.dstIp, e.srcIp)
    if (found !== null) this.hit = { session: found, segment: null, icmp: { ...e } }
  }

  /** The wanted session that has these endpoints at this moment: the last one that had begun. */
  private find(
    clientPort: number,
    serverPort: number,
    family: Family,
    clientIp: number,
    serverIp: number,
  ): string | null {
    const list = this.byPorts.get(clientPort * 65_536 + serverPort)
    if (list === undefined) return null
    const now = this.now(this.view!)
    const client = this.endpoint(family, clientIp, clientPort)
    const server = this.endpoint(family, serverIp, serverPort)
    let found: Candidate | null = null
    for (const c of list) {
      if (c.client !== client || c.server !== server || !this.isHere(c.id)) continue
      if (found !== null && c.start > now + TOLERANCE) break
      found = c
    }
    if (found === null || !this.wanted.has(found.id)) return null
    found.seen++
    const within = now >= this.range.since && now < this.range.until
    return within || found.seen <= HANDSHAKE_FRAMES ? found.id : null
  }

  /** Sessions bear the name of their recording; which one is read decides the group. */
  private isHere(id: string): boolean {
    return id.slice(0, id.lastIndexOf(':')) === this.recording
  }

  private endpoint(family: Family, ip: number, port: number): string {
    return family === IPV4
      ? `${ip >>> 24}.${(ip >>> 16) & 255}.${(ip >>> 8) & 255}.${ip & 255}:${port}`
      : `[${this.ipv6.text(ip)}]:${port}`
  }

  private address(family: Family, ip: number): Uint8Array {
    if (family === IPV4) return Uint8Array.of(ip >>> 24, (ip >>> 16) & 255, (ip >>> 8) & 255, ip & 255)
    return ipv6Bytes(this.ipv6.text(ip))
  }

  addressOf(family: Family, ip: number): Uint8Array {
    return this.address(family, ip)
  }

  private takePending(session: string, s: SegmentView): void {
    const pair = [...this.address(s.family, s.srcIp), ...this.address(s.family, s.dstIp)]
    for (let i = 0; i < this.pending.length; ) {
      const p = this.pending[i]!
      if (Buffer.from(p.bytes).includes(Buffer.from(pair))) {
        this.pending.splice(i, 1)
        this.add({ ...p, session })
      } else i++
    }
  }

  private keep(p: PacketView, hit: { session: string; segment: Segment | null; icmp: IcmpErrorView | null }): void {
    this.add(this.copy(p, hit.session, hit.segment, hit.icmp))
  }

  private add(p: Picked): void {
    this.bytes += p.bytes.length + 200
    if (this.bytes > LIMITS.sliceBytes) {
      throw new MysqlconnError(
        'E_USAGE',
        `the slice is larger than ${LIMITS.sliceBytes >> 20} MiB`,
        'narrow it: --session, --since and --until, or --filter',
      )
    }
    this.picked.push(p)
  }

  private copy(p: PacketView, session: string, segment: Segment | null, icmp: IcmpErrorView | null): Picked {
    const whole = Math.floor(p.at / 1e9)
    const end = Math.max(p.start, p.end - (p.originalLength > p.end - p.start ? 0 : p.fcsBytes))
    return {
      session,
      input: this.input,
      frame: p.frame,
      unixSeconds: this.epoch.unixSeconds + whole,
      nanoseconds: Math.round(p.at - whole * 1e9),
      linkType: p.linkType,
      interfaceId: p.interfaceId,
      bytes: p.buf.slice(p.start, end),
      originalLength: Math.max(end - p.start, p.originalLength - p.fcsBytes),
      segment,
      icmp,
    }
  }
}

const port = (endpoint: string): number => Number(endpoint.slice(endpoint.lastIndexOf(':') + 1))
const portsKey = (client: string, server: string): number => port(client) * 65_536 + port(server)

/** RFC 3339 with microseconds as microseconds since 1970. */
export function micros(at: string): number {
  const seconds = Date.parse(`${at.slice(0, at.indexOf('.') < 0 ? -1 : at.indexOf('.'))}Z`)
  return seconds * 1000 + Number(/\.(\d{1,6})/.exec(at)?.[1]?.padEnd(6, '0') ?? 0)
}

/** RFC 4291 text without an embedded IPv4 address. */
function ipv6Bytes(text: string): Uint8Array {
  const [head, tail] = text.split('::') as [string, string | undefined]
  const groups = (t: string): number[] => (t === '' ? [] : t.split(':').map((g) => Number.parseInt(g, 16)))
  const left = groups(head)
  const right = tail === undefined ? [] : groups(tail)
  const all = [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right]
  return Uint8Array.from(all.flatMap((g) => [g >> 8, g & 255]))
}
