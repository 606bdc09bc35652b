/** A connection as TCP sees it: handshakes, losses, probes, closes, the passing of time, and the capture of it all. */
import { type PcapOptions, pcapFile } from './pcap-file.ts'
import { Side } from './side.ts'
import { type SentFrame, type SideName, type Span, span, Wire, type WireOptions } from './wire.ts'

export type { SideName, Span } from './wire.ts'

export class TcpPlay {
  readonly wire: Wire
  readonly client: Side
  readonly server: Side

  constructor(o: WireOptions = {}) {
    this.wire = new Wire(o)
    this.client = new Side(this.wire, this.wire.client)
    this.server = new Side(this.wire, this.wire.server)
  }

  /** Names the next frame. */
  as(label: string): this {
    this.wire.label(label)
    return this
  }
  wait(time: Span): this {
    this.wire.wait(span(time))
    return this
  }
  /** What happens inside is real, but not in the capture (begun late, stopped early). */
  unseen(part: (p: this) => unknown): this {
    this.wire.recording = false
    part(this)
    this.wire.recording = true
    return this
  }
  /** The next n segments are lost on the network before they reach the capture or the peer. */
  lose(n = 1): this {
    this.wire.losing = n
    return this
  }
  /** The next n segments arrive, but the capture misses them. */
  miss(n = 1): this {
    this.wire.missing = n
    return this
  }
  /** The next n frames are captured in reverse order. */
  reorder(n = 2): this {
    this.wire.reorder(n)
    return this
  }

  /** The three-way handshake. */
  connect(): this {
    this.client.syn()
    this.server.synAck()
    this.client.ack()
    return this
  }
  /** SYN answered by RST. */
  refuse(): this {
    this.client.syn()
    this.server.rst()
    return this
  }
  /** Sends a side's last segment again, `times` times, waiting `first`, then twice as long, and so on. */
  retransmit(side: SideName, o: { times?: number; first?: Span } = {}): this {
    const first = span(o.first ?? '200ms')
    for (let i = 0; i < (o.times ?? 1); i++) {
      this.wire.wait(first * 2 ** i)
      this[side].again()
    }
    return this
  }
  /** Keep-alive probes (RFC 9293 3.8.4); unanswered ones come `every` apart. */
  keepalive(side: SideName = 'client', o: { answered?: boolean; times?: number; every?: Span } = {}): this {
    for (let i = 0; i < (o.times ?? 1); i++) {
      if (i > 0) this.wait(o.every ?? '75s')
      this[side].ack({ seqOffset: -1 })
      if (o.answered !== false) this[side === 'client' ? 'server' : 'client'].ack()
    }
    return this
  }
  /** The side's receive buffer is full: window 0 until `openWindow`. */
  zeroWindow(side: SideName): this {
    this.wire[side].window = 0
    this[side].ack()
    return this
  }
  openWindow(side: SideName, window = 502): this {
    this.wire[side].window = window
    this[side].ack()
    return this
  }
  /** From here on the side sends no ACK by itself: it is gone, or its packets are dropped. */
  mute(side: SideName): this {
    this.wire[side].mute = true
    return this
  }
  /** Orderly close begun by `side`: FIN, ACK, FIN, ACK. */
  close(side: SideName): this {
    const other = side === 'client' ? 'server' : 'client'
    this[side].fin()
    this[other].fin()
    this[side].ack()
    return this
  }
}

export interface Capture {
  /** The capture file. */
  bytes: Uint8Array
  /** Frame number (1-based, as in Wireshark) of a label given with `as`. */
  frame(label: string): number
  frames: readonly SentFrame[]
}

export interface CaptureOptions extends PcapOptions {
  /** Which frames the capture holds: one direction only, a time range. */
  keep?: (f: SentFrame) => boolean
}

/** One capture file of one or several connections, in order of time. */
export function capture(plays: TcpPlay | readonly TcpPlay[], o: CaptureOptions = {}): Capture {
  const all = (plays instanceof TcpPlay ? [plays] : plays).flatMap((p) => {
    p.wire.flush()
    return p.wire.frames
  })
  const frames = all.filter(o.keep ?? (() => true)).sort((a, b) => a.at - b.at)
  return {
    bytes: pcapFile(frames, o),
    frames,
    frame(label) {
      const index = frames.findIndex((f) => f.label === label)
      if (index < 0) throw new Error(`no captured frame is named '${label}'`)
      return index + 1
    },
  }
}
