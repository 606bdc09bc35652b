/**
 * Where both readers end: numbers the frames, keeps the totals, and hands each packet to the sink in one reused view.
 * // hot path: no allocation per packet
 */
import type { AnomalyLog } from '../core/anomaly.ts'
import type { Epoch, Instant } from '../core/time.ts'
import { type CaptureInfo, emptyInfo, type InterfaceInfo } from './capture-info.ts'
import { linkTypeName } from './link-types.ts'
import type { PacketSink, PacketView } from './packet-view.ts'

/** What every capture reader is given. */
export interface ReaderOptions {
  epoch: Epoch
  anomalies: AnomalyLog
  sink: PacketSink
  /** Called with each TLS key log found in the capture (pcapng DSB), in file order. */
  onSecrets?: ((keyLog: string) => void) | undefined
  /** Called when an interface is described, before its first packet. */
  onInterface?: ((described: InterfaceInfo) => void) | undefined
}

/** Takes bytes as they come. `feed` returns how many were used up; the caller presents the rest again, with more behind it. */
export interface ByteConsumer {
  feed(buf: Uint8Array, start: number, end: number): number
  /** The input ends with these bytes, which `feed` did not use. */
  finish(buf: Uint8Array, start: number, end: number): void
}

/** Interfaces kept in CaptureInfo; the rest are counted. */
const INTERFACES_KEPT = 64

export class FrameOutput {
  readonly view: PacketView
  readonly anomalies: AnomalyLog
  private readonly epoch: Epoch
  private readonly sink: PacketSink
  private readonly onInterface: ((described: InterfaceInfo) => void) | undefined
  private readonly info: CaptureInfo = emptyInfo()
  /** Number of the last frame, as Wireshark counts. */
  frames = 0
  private packets = 0
  private cut = 0
  private bytes = 0
  private first: Instant = Number.POSITIVE_INFINITY
  private last: Instant = Number.NEGATIVE_INFINITY
  private previous: Instant = Number.NEGATIVE_INFINITY

  constructor(options: ReaderOptions) {
    this.epoch = options.epoch
    this.anomalies = options.anomalies
    this.sink = options.sink
    this.onInterface = options.onInterface
    this.view = {
      frame: 0,
      at: 0,
      linkType: 0,
      fcsBytes: 0,
      interfaceId: 0,
      buf: new Uint8Array(0),
      start: 0,
      end: 0,
      originalLength: 0,
      comment: '',
    }
  }

  /** A packet with a time. The caller has set the view's buf, linkType, fcsBytes, interfaceId and comment. */
  packet(unixSeconds: number, nanoseconds: number, start: number, end: number, originalLength: number): void {
    const at = this.epoch.instant(unixSeconds, nanoseconds)
    if (at < this.first) this.first = at
    if (at > this.last) this.last = at
    if (at < this.previous) this.anomalies.note('capture.time-backwards', this.frames + 1)
    this.previous = at
    this.deliver(at, start, end, originalLength)
  }

  /** A packet without a time (pcapng SPB): it gets the time of the one before. */
  packetWithoutTime(start: number, end: number, originalLength: number): void {
    this.deliver(this.previous === Number.NEGATIVE_INFINITY ? 0 : this.previous, start, end, originalLength)
  }

  private deliver(at: Instant, start: number, end: number, originalLength: number): void {
    const view = this.view
    view.frame = ++this.frames
    this.packets++
    this.bytes += end - start
    view.at = at
    view.start = start
    view.end = end
    view.originalLength = originalLength
    if (originalLength > end - start) {
      this.cut++
      this.anomalies.note('capture.snaplen', view.frame)
    }
    this.sink.packet(view)
  }

  /** A packet that cannot be handed on: it keeps its number. */
  countedOnly(): void {
    this.frames++
    this.packets++
  }

  /** A block that is no packet but that Wireshark numbers as a frame. */
  numberedOnly(): void {
    this.frames++
  }

  /** Records a newly described interface in the totals. */
  described(one: InterfaceInfo): void {
    const info = this.info
    info.interfaceCount++
    if (info.interfaces.length < INTERFACES_KEPT) info.interfaces.push(one)
    if (!info.linkTypes.includes(one.linkType) && info.linkTypes.length < INTERFACES_KEPT) {
      info.linkTypes.push(one.linkType)
      info.linkTypeNames.push(linkTypeName(one.linkType))
    }
    if (!info.resolutions.includes(one.resolution)) info.resolutions.push(one.resolution)
    const unlimited = one.snaplen === 0 || (info.snaplen === 0 && info.interfaceCount > 1)
    info.snaplen = unlimited ? 0 : Math.max(info.snaplen, one.snaplen)
    this.onInterface?.(one)
  }

  /** The totals so far. The object stays the same. */
  totals(): CaptureInfo {
    const info = this.info
    info.packets = this.packets
    info.frames = this.frames
    info.cutPackets = this.cut
    info.capturedBytes = this.bytes
    info.firstAt = this.first === Number.POSITIVE_INFINITY ? null : this.first
    info.lastAt = this.last === Number.NEGATIVE_INFINITY ? null : this.last
    return info
  }
}
