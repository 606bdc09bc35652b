/** Single segments of one side of a play: what `p.client` and `p.server` can do. */

import type { Host } from './host.ts'
import { type Bytes, join } from './mysql-encode.ts'
import { Flag, NOTHING, type SegmentOverride, type Wire } from './wire.ts'

export class Side {
  private readonly wire: Wire
  private readonly host: Host

  constructor(wire: Wire, host: Host) {
    this.wire = wire
    this.host = host
  }

  syn(override?: SegmentOverride): void {
    this.wire.segment(this.host, Flag.SYN, NOTHING, { window: 64240, ...override }, this.synOptions())
  }
  synAck(override?: SegmentOverride): void {
    this.wire.segment(this.host, Flag.SYN | Flag.ACK, NOTHING, { window: 65160, ...override }, this.synOptions())
  }
  ack(override?: SegmentOverride): void {
    this.wire.ack(this.host, override)
  }
  /** Bytes or text, cut to the MSS. */
  data(bytes: Uint8Array | string, override?: SegmentOverride): void {
    this.wire.data(this.host, join(bytes), override)
  }
  fin(override?: SegmentOverride): void {
    this.wire.segment(this.host, Flag.FIN | Flag.ACK, NOTHING, override)
  }
  /** A reset; `ttl`, `ipId`, `window` and `seqOffset` can make it look forged or stale. */
  rst(override?: SegmentOverride): void {
    this.wire.segment(this.host, Flag.RST | Flag.ACK, NOTHING, override)
  }
  /** The last segment with data, SYN or FIN once more, at once. */
  again(override?: SegmentOverride): void {
    const last = this.host.last
    if (last === null) throw new Error(`${this.host.name} has sent nothing to retransmit`)
    const options = last.flags & Flag.SYN ? this.synOptions() : NOTHING
    this.wire.transmit(this.host, last.seq, last.flags, last.payload, override, options)
  }

  /** MSS, SACK permitted, window scale 7 (RFC 9293 3.2, RFC 2018, RFC 7323). */
  private synOptions(): Bytes {
    const mss = this.wire.mss
    return Uint8Array.of(2, 4, mss >> 8, mss & 255, 4, 2, 1, 3, 3, 7)
  }
}
