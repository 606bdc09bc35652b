/** Runs frames through a PacketLayer and keeps what came out, as plain data. */
import { IPV4, Ipv6Table, ipv4Text } from '../../src/core/address.ts'
import { AnomalyLog } from '../../src/core/anomaly.ts'
import { LIMITS } from '../../src/core/limits.ts'
import { PacketLayer } from '../../src/packet/packet-layer.ts'
import type { IcmpErrorView, SegmentView } from '../../src/packet/segment-view.ts'
import { type FrameOptions, pushFrame } from '../kit/frames.ts'

export interface Recorded extends Omit<SegmentView, 'buf'> {
  src: string
  dst: string
  payload: string
  options: number[]
}

export class Recorder {
  readonly segments: Recorded[] = []
  readonly icmp: IcmpErrorView[] = []
  readonly addresses = new Ipv6Table()
  readonly anomalies = new AnomalyLog()
  readonly layer: PacketLayer
  private frame = 0

  constructor(limits = LIMITS) {
    this.layer = new PacketLayer(this, this.addresses, this.anomalies, limits)
  }

  push(frame: Uint8Array, o: FrameOptions = {}): this {
    this.frame++
    pushFrame(this.layer, frame, { frame: this.frame, ...o })
    return this
  }

  segment(s: SegmentView): void {
    const { buf, ...rest } = s
    const address = (ip: number): string => (s.family === IPV4 ? ipv4Text(ip) : this.addresses.text(ip))
    this.segments.push({
      ...rest,
      src: `${address(s.srcIp)}:${s.srcPort}`,
      dst: `${address(s.dstIp)}:${s.dstPort}`,
      payload: Buffer.from(buf.subarray(s.dataStart, s.dataEnd)).toString('latin1'),
      options: [...buf.subarray(s.optionsStart, s.optionsEnd)],
    })
  }

  icmpError(e: IcmpErrorView): void {
    this.icmp.push({ ...e })
  }

  kinds(): string[] {
    return this.anomalies.list().map((a) => a.kind)
  }
}
