/**
 * Two hosts and the wire between them, as a capture at one place sees them: sequence numbers, acknowledgments, IP ids,
 * delayed ACKs (RFC 1122 4.2.3.2), losses. Time is in whole microseconds; it moves only by `wait`, by who speaks after
 * whom (a round trip as seen from the vantage) and by 2 µs per frame.
 */
import { tcpFrame } from './frame.ts'
import { Host, type SideName } from './host.ts'

export type { SideName } from './host.ts'

export const Flag = { FIN: 1, SYN: 2, RST: 4, PSH: 8, ACK: 16 } as const

/** A time span as text: '0.5ms', '3s', '8h'. */
export type Span = `${number}${'us' | 'ms' | 's' | 'min' | 'h'}`

const UNIT_US = { us: 1, ms: 1e3, s: 1e6, min: 60e6, h: 3600e6 }

/** Microseconds of a span. */
export function span(text: Span): number {
  const unit = text.replace(/^[-\d.]+/, '') as keyof typeof UNIT_US
  return Math.round(Number.parseFloat(text) * UNIT_US[unit])
}

export interface SentFrame {
  at: number
  bytes: Uint8Array
  /** Name given by `as`, for tests that assert on evidence frames. */
  label: string | undefined
  from: SideName
}

export interface WireOptions {
  client?: string
  server?: string
  /** Time of the first frame, RFC 3339. */
  at?: string
  /** Network round trip. */
  rtt?: Span
  /** Where the capture was taken; decides which side's answers seem to take a round trip. */
  vantage?: 'client' | 'server' | 'middle'
  /** TTL of each side's packets as captured. */
  ttl?: Partial<Record<SideName, number>>
  mss?: number
  /** `login` asks for TLS first, and all that follows is sealed; MYSQLCONN_PLAY_TLS=1 tells every story so. */
  tls?: boolean
  /** First sequence numbers. */
  isn?: Partial<Record<SideName, number>>
}

/** What may be overridden in a single segment: forged resets, old sequence numbers, odd windows. */
export interface SegmentOverride {
  ttl?: number
  ipId?: number
  /** Added to the true sequence number. */
  seqOffset?: number
  /** Added to the true acknowledgment number. */
  ackOffset?: number
  window?: number
  flags?: number
}

const DELAYED_ACK_US = 40_000
const FRAME_US = 2

export class Wire {
  readonly client: Host
  readonly server: Host
  readonly frames: SentFrame[] = []
  readonly mss: number
  readonly tls: boolean
  /** What bytes become on the wire, once TLS is agreed on, and what opens them. */
  seal: ((from: SideName, content: Uint8Array) => Uint8Array) | null = null
  keyLog = ''
  /** Microseconds since 1970. */
  now: number
  recording = true
  /** Frames that will never arrive, and frames that only the capture will miss. */
  losing = 0
  missing = 0
  private readonly rtt: number
  private readonly vantage: 'client' | 'server' | 'middle'
  private lastSpeaker: SideName | null = null
  private pendingLabel: string | undefined
  private held: SentFrame[] = []
  private holding = 0

  constructor(o: WireOptions) {
    this.client = new Host('client', o.client ?? '10.0.0.1:40000', o.ttl?.client ?? 64, o.isn?.client ?? 1_000_000)
    this.server = new Host('server', o.server ?? '10.0.0.2:3306', o.ttl?.server ?? 64, o.isn?.server ?? 9_000_000)
    this.now = Date.parse(o.at ?? '2026-01-01T00:00:00Z') * 1000
    this.rtt = span(o.rtt ?? '0.5ms')
    this.vantage = o.vantage ?? 'client'
    this.mss = o.mss ?? 1460
    this.tls = o.tls ?? process.env['MYSQLCONN_PLAY_TLS'] === '1'
  }

  peer(h: Host): Host {
    return h === this.client ? this.server : this.client
  }

  /** The next frame gets this name. */
  label(name: string): void {
    this.pendingLabel = name
  }

  /** Lets time pass; delayed ACKs that fall due are sent on the way. */
  wait(us: number): void {
    const until = this.now + us
    const due = [this.client, this.server].filter((h) => h.unacked > 0 && !h.mute && h.ackDueAt <= until)
    for (const h of due.sort((a, b) => a.ackDueAt - b.ackDueAt)) {
      this.now = Math.max(this.now, h.ackDueAt)
      this.lastSpeaker = null
      this.ack(h)
    }
    this.now = Math.max(this.now, until)
    this.lastSpeaker = null
  }

  /** The next `n` captured frames appear in reverse order. */
  reorder(n: number): void {
    this.holding = n
  }

  /** Sends bytes, cut to the MSS. The receiver acknowledges every second segment at once, a single one after 40 ms. */
  data(from: Host, content: Uint8Array, override: SegmentOverride = {}): void {
    const bytes = this.seal === null ? content : this.seal(from.name, content)
    for (let at = 0; at < bytes.length; at += this.mss) {
      const payload = bytes.subarray(at, at + this.mss)
      const last = at + this.mss >= bytes.length
      this.segment(from, Flag.ACK | (last ? Flag.PSH : 0), payload, override)
    }
  }

  /** A pure acknowledgment. */
  ack(from: Host, override: SegmentOverride = {}): void {
    this.segment(from, Flag.ACK, NOTHING, override)
  }

  /** Sends one segment in sequence and lets the peer take it in. */
  segment(from: Host, flags: number, payload: Uint8Array, override: SegmentOverride = {}, options = NOTHING): void {
    const seq = from.next
    const length = payload.length + (flags & (Flag.SYN | Flag.FIN) ? 1 : 0)
    from.next = (from.next + length) >>> 0
    if (length > 0) from.last = { seq, flags, payload }
    this.transmit(from, seq, flags, payload, override, options)
  }

  /** Puts one segment on the wire, new or again. */
  transmit(
    from: Host,
    seq: number,
    flags: number,
    payload: Uint8Array,
    override: SegmentOverride = {},
    options = NOTHING,
  ): void {
    this.takeTurn(from.name)
    const to = this.peer(from)
    from.unacked = 0
    const bytes = tcpFrame({
      src: from.endpoint,
      dst: to.endpoint,
      seq: (seq + (override.seqOffset ?? 0)) >>> 0,
      ack: flags & Flag.ACK ? (from.expected + (override.ackOffset ?? 0)) >>> 0 : 0,
      flags: override.flags ?? flags,
      window: override.window ?? (flags & Flag.RST ? 0 : from.window),
      ttl: override.ttl ?? from.ttl,
      ipId: override.ipId ?? from.ipId++,
      options,
      payload,
    })
    const lost = this.losing > 0
    if (lost) this.losing--
    const missed = !lost && this.missing > 0
    if (missed) this.missing--
    if (!lost && !missed) this.record({ at: this.now, bytes, label: this.pendingLabel, from: from.name })
    this.pendingLabel = undefined
    if (!lost) this.arrive(to, seq, flags, payload)
  }

  private arrive(to: Host, seq: number, flags: number, payload: Uint8Array): void {
    if (flags & Flag.RST) {
      this.client.mute = true
      this.server.mute = true
      return
    }
    if (flags & Flag.SYN) to.expected = seq
    const length = payload.length + (flags & (Flag.SYN | Flag.FIN) ? 1 : 0)
    if (length === 0) return
    const inOrder = to.receive(seq, length)
    if (to.unacked++ === 0) to.ackDueAt = this.now + DELAYED_ACK_US
    const full = payload.length >= this.mss && to.unacked >= 2
    // RFC 5681 4.2: out-of-order segments and every second full one are acknowledged at once.
    if ((!inOrder || full) && !to.mute && payload.length > 0) this.ack(to)
  }

  private takeTurn(side: SideName): void {
    if (this.lastSpeaker !== null) this.now += this.lastSpeaker === side ? FRAME_US : this.turn(side)
    this.lastSpeaker = side
  }

  private turn(side: SideName): number {
    const share = this.vantage === 'middle' ? 0.5 : this.vantage === side ? 0 : 1
    return FRAME_US + 28 + Math.round(this.rtt * share)
  }

  private record(frame: SentFrame): void {
    if (!this.recording) return
    if (this.holding === 0) {
      this.frames.push(frame)
      return
    }
    this.held.push(frame)
    if (this.held.length < this.holding) return
    const times = this.held.map((f) => f.at)
    this.held.reverse().forEach((f, i) => {
      this.frames.push({ ...f, at: times[i]! })
    })
    this.held = []
    this.holding = 0
  }

  /** Frames still held back for reordering leave as they are. */
  flush(): void {
    this.frames.push(...this.held)
    this.held = []
    this.holding = 0
  }
}

export const NOTHING: Uint8Array = new Uint8Array(0)
