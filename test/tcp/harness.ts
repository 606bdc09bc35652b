/** Drives the tcp layer with hand-made segments and records what its sinks are told. */

import { IPV4 } from '../../src/core/address.ts'
import { AnomalyLog } from '../../src/core/anomaly.ts'
import { LIMITS, type Limits } from '../../src/core/limits.ts'
import { ACK, FIN, PSH, RST, type SegmentView, SYN } from '../../src/packet/segment-view.ts'
import type { Connection } from '../../src/tcp/connection.ts'
import type { StreamSink } from '../../src/tcp/stream-sink.ts'
import { TcpLayer } from '../../src/tcp/tcp-layer.ts'

export interface Segment {
  /** 'c': client 10.0.0.1:40000, 's': server 10.0.0.2:3306. */
  from: 'c' | 's'
  flags?: string
  seq: number
  ack?: number
  data?: string
  window?: number
  at?: number
  /** Bytes on the wire when the frame was cut. */
  wire?: number
  duplicate?: boolean
  clientPort?: number
  ttl?: number
}

const FLAGS: Record<string, number> = { S: SYN, A: ACK, F: FIN, R: RST, P: PSH }

export interface Log {
  events: string[]
  streams: [string, string]
  conn: Connection
}

export class Harness {
  readonly anomalies = new AnomalyLog()
  readonly logs: Log[] = []
  readonly tcp: TcpLayer
  private frame = 0

  constructor(limits: Partial<Limits> = {}) {
    this.tcp = new TcpLayer(
      { open: (conn) => this.sink(conn) },
      this.anomalies,
      { ...LIMITS, ...limits },
      {
        isServerPort: (p) => p === 3306,
      },
    )
  }

  private sink(conn: Connection): StreamSink {
    const log: Log = { events: [], streams: ['', ''], conn }
    this.logs.push(log)
    const side = ['C', 'S'] as const
    return {
      data(dir, buf, start, end, _at, frame) {
        const text = Buffer.from(buf.subarray(start, end)).toString('latin1')
        log.streams[dir] += text
        log.events.push(`${side[dir]} ${conn.halves[dir].offset}+${text} #${frame}`)
      },
      gap(dir, bytes, why) {
        log.streams[dir] += `<${bytes}>`
        log.events.push(`${side[dir]} gap ${bytes} ${why}`)
      },
      finished: (dir, _at, frame) => void log.events.push(`${side[dir]} fin #${frame}`),
      reset: (dir, _at, frame) => void log.events.push(`${side[dir]} rst #${frame}`),
      close: (how) => void log.events.push(`close ${how}`),
    }
  }

  send(...segments: Segment[]): this {
    for (const s of segments) this.tcp.segment(this.view(s))
    return this
  }

  /** SYN, SYN-ACK, ACK with initial sequence numbers 1000 and 5000 (first data at 1001 and 5001). */
  handshake(c = 1000, s = 5000): this {
    return this.send(
      { from: 'c', flags: 'S', seq: c },
      { from: 's', flags: 'SA', seq: s, ack: c + 1 },
      { from: 'c', flags: 'A', seq: c + 1, ack: s + 1 },
    )
  }

  end(): this {
    this.tcp.end()
    return this
  }

  get log(): Log {
    return this.logs[0]!
  }

  private view(s: Segment): SegmentView {
    const data = Buffer.from(s.data ?? '', 'latin1')
    const c = s.from === 'c'
    const port = s.clientPort ?? 40000
    let flags = 0
    for (const f of s.flags ?? 'PA') flags |= FLAGS[f]!
    this.frame++
    return {
      frame: this.frame,
      at: s.at ?? this.frame * 1e6,
      family: IPV4,
      srcIp: c ? 0x0a000001 : 0x0a000002,
      dstIp: c ? 0x0a000002 : 0x0a000001,
      srcPort: c ? port : 3306,
      dstPort: c ? 3306 : port,
      seq: s.seq >>> 0,
      ack: (s.ack ?? 0) >>> 0,
      flags,
      window: s.window ?? 1000,
      buf: data,
      dataStart: 0,
      dataEnd: data.length,
      dataLength: s.wire ?? data.length,
      ttl: s.ttl ?? 64,
      ipId: this.frame,
      optionsStart: 0,
      optionsEnd: 0,
      comment: '',
      duplicate: s.duplicate ?? false,
    }
  }
}
