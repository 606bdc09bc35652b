/** One end of a played connection: what it will send next, what it expects, what it has not acknowledged yet (RFC 9293 3.3.1). */
import { type Endpoint, endpoint } from './frame.ts'

export type SideName = 'client' | 'server'

/** One end of the connection. */
export class Host {
  readonly name: SideName
  readonly endpoint: Endpoint
  readonly ttl: number
  readonly isn: number
  /** Next sequence number to send. */
  next: number
  /** Next sequence number expected from the peer. */
  expected = 0
  window = 502
  ipId: number
  /** Sends nothing by itself: no ACKs. */
  mute = false
  /** Data segments received and not acknowledged yet; `ackDueAt` is when the delayed ACK leaves. */
  unacked = 0
  ackDueAt = 0
  /** The last segments sent, for retransmission. */
  last: { seq: number; flags: number; payload: Uint8Array } | null = null
  /** Segments received beyond a hole: [first, end) pairs. */
  readonly beyond: [number, number][] = []

  constructor(name: SideName, at: string, ttl: number, isn: number) {
    this.name = name
    this.endpoint = endpoint(at)
    this.ttl = ttl
    this.isn = isn
    this.next = isn
    this.ipId = name === 'client' ? 0x1000 : 0x8000
  }

  /** Takes in [seq, seq + length) as a receiver does; false when it left a hole before it. */
  receive(seq: number, length: number): boolean {
    this.beyond.push([seq, (seq + length) >>> 0])
    this.beyond.sort((a, b) => (a[0] - b[0]) | 0)
    const before = this.expected
    for (const [first, end] of this.beyond) {
      if (((first - this.expected) | 0) <= 0 && ((end - this.expected) | 0) > 0) this.expected = end
    }
    this.beyond.splice(0, this.beyond.length, ...this.beyond.filter(([, end]) => ((end - this.expected) | 0) > 0))
    return this.expected !== before
  }
}
