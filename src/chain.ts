/**
 * The wiring of one capture, or one series of captures: frames → segments → connections → sessions. Everything in it is
 * synchronous and pushes; whoever reads the file feeds `sink` and calls `end`.
 */
import type { PacketSink } from './capture/packet-view.ts'
import { Ipv6Table } from './core/address.ts'
import { AnomalyLog } from './core/anomaly.ts'
import { LIMITS } from './core/limits.ts'
import { PacketLayer } from './packet/packet-layer.ts'
import { SessionBuilder } from './session/builder.ts'
import { noteLimits } from './session/diagnosis.ts'
import type { FrameMap, Session } from './session/session.ts'
import { TcpLayer } from './tcp/tcp-layer.ts'
import type { KeyStore } from './tls/key-store.ts'

/** Ports where MySQL, and its proxies, listen by default: server, admin, X Protocol, Router, ProxySQL, MaxScale, TiDB. */
export const DEFAULT_PORTS: readonly number[] = [3306, 33060, 33062, 6033, 6446, 6447, 6450, 4006, 4008, 4000]
/** Ports on which nothing but the classic protocol is spoken by default; the others are hints for roles only. */
const ASSUMED: readonly number[] = [3306]

export interface ChainOptions {
  input: string
  files: FrameMap
  /** Extra MySQL ports named by the user. */
  ports: readonly number[]
  trace: string | null
  keys: KeyStore
  onSession(session: Session): void
}

export class Chain {
  readonly anomalies = new AnomalyLog()
  readonly packets: PacketLayer
  readonly tcp: TcpLayer
  readonly sessions: SessionBuilder
  readonly sink: PacketSink

  constructor(options: ChainOptions) {
    const ipv6 = new Ipv6Table()
    const hinted = new Set([...DEFAULT_PORTS, ...options.ports])
    const assumed = new Set([...ASSUMED, ...options.ports])
    this.sessions = new SessionBuilder(
      {
        input: options.input,
        files: options.files,
        isMysqlPort: (port) => assumed.has(port),
        trace: options.trace,
        keys: options.keys,
        onSession: (s) => {
          noteLimits(s, this.anomalies, !options.keys.empty)
          options.onSession(s)
        },
      },
      ipv6,
      this.anomalies,
      LIMITS,
    )
    this.tcp = new TcpLayer(this.sessions, this.anomalies, LIMITS, { isServerPort: (port) => hinted.has(port) })
    this.packets = new PacketLayer(this.tcp, ipv6, this.anomalies, LIMITS)
    this.sink = this.packets
  }

  /** The input has ended: closes what is open and notes what the packets said about the capture itself. */
  end(): void {
    this.packets.end()
    this.tcp.end()
    this.sessions.end()
    if (this.tcp.connections > 0 && this.sessions.sessions === 0)
      this.anomalies.note('capture.no-mysql', 0, `${this.tcp.connections} TCP connections`)
  }
}
