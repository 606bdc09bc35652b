/**
 * pcapng (draft-ietf-opsawg-pcapng): sections of blocks, each section in its own byte order.
 *
 *   block   type 4 | total length 4 | body, padded to four bytes | total length 4
 *
 * Frames are numbered as Wireshark does it: packet blocks (EPB, SPB, the obsolete PB), and also custom, systemd journal
 * and sysdig event blocks, which are no packets and are not handed on.
 * // hot path: no allocation per packet (EPB without options)
 */
import { LIMITS } from '../core/limits.ts'
import type { CaptureInfo } from './capture-info.ts'
import { type ByteConsumer, FrameOutput, type ReaderOptions } from './frame-output.ts'
import { BLOCK, BYTE_ORDER_MAGIC, isKnown, isNumbered } from './pcapng-blocks.ts'
import type { PcapngInterface } from './pcapng-interface.ts'
import { OPT_COMMENT, OptionWalker } from './pcapng-options.ts'
import { PcapngSection } from './pcapng-section.ts'

const MINIMUM_BLOCK = 12
/** A little less than the buffer may grow to, so that the header after the largest block still fits. */
const LARGEST_BLOCK = LIMITS.captureRecordBytes - 1024
/** Blocks longer than this are not looked for while searching: it bounds how far ahead the search must see. */
const LARGEST_SOUGHT = 1 << 20
const NO_DAMAGE = -1

export class PcapngReader implements ByteConsumer {
  private readonly out: FrameOutput
  private readonly section: PcapngSection
  private readonly options = new OptionWalker()
  private view: DataView = new DataView(new ArrayBuffer(0))
  private buf: Uint8Array = new Uint8Array(0)
  /** File offset of the next byte to be used, and of index 0 of the buffer being read. */
  private offset = 0
  private origin = 0
  private little = true
  private inSection = false
  private damagedFrom = NO_DAMAGE

  constructor(options: ReaderOptions) {
    this.out = new FrameOutput(options)
    this.section = new PcapngSection(this.out, options.onSecrets)
    this.out.totals().format = 'pcapng'
  }

  get info(): CaptureInfo {
    return this.out.totals()
  }

  feed(buf: Uint8Array, start: number, end: number): number {
    return this.read(buf, start, end, false) - start
  }

  finish(buf: Uint8Array, start: number, end: number): void {
    const { anomalies } = this.out
    let p = this.read(buf, start, end, true)
    while (p < end && this.damagedFrom === NO_DAMAGE) {
      // An incomplete block: the file breaks off here, or the length is wrong and good blocks follow.
      const from = this.origin + p
      this.damagedFrom = from
      this.offset = from + 1
      p = this.read(buf, p + 1, end, true)
      if (this.damagedFrom !== from) continue
      this.damagedFrom = NO_DAMAGE
      const { frames } = this.out
      const bytes = this.origin + end - from
      anomalies.note(
        'capture.truncated-tail',
        frames,
        `offset ${from}: ${bytes} bytes of an incomplete block after frame ${frames}`,
      )
      break
    }
    if (this.damagedFrom !== NO_DAMAGE) this.damageEnds(this.origin + end)
    this.section.ends()
  }

  /** Reads what can be read of [start, end); returns where it stopped. */
  private read(buf: Uint8Array, start: number, end: number, last: boolean): number {
    if (buf !== this.buf) {
      this.buf = buf
      this.view = new DataView(buf.buffer, buf.byteOffset, buf.byteLength)
      this.out.view.buf = buf
    }
    this.origin = this.offset - start
    let p = start
    for (;;) {
      if (this.damagedFrom === NO_DAMAGE) p = this.blocks(p, end, last)
      if (this.damagedFrom === NO_DAMAGE) break
      p = this.search(p, end, last)
      if (this.damagedFrom !== NO_DAMAGE) break
    }
    this.offset = this.origin + p
    return p
  }

  /** Complete blocks from p on. Stops at an incomplete one, or just after the start of a damaged one with `damagedFrom` set. */
  private blocks(p: number, end: number, last: boolean): number {
    const { view } = this
    while (end - p >= MINIMUM_BLOCK) {
      const type = view.getUint32(p, this.little)
      if (type === BLOCK.sectionHeader) {
        if (!this.byteOrder(p)) return this.damagedAt(p)
      } else if (!this.inSection) return this.damagedAt(p)
      const total = view.getUint32(p + 4, this.little)
      if (total < MINIMUM_BLOCK || total > LARGEST_BLOCK) return this.damagedAt(p)
      // Some writers forget the padding in the length: Wireshark rounds up, and so do we.
      const next = p + ((total + 3) & ~3)
      if (next > end) return p
      if (view.getUint32(next - 4, this.little) !== total || (total & 3) !== 0) {
        if (end - next < MINIMUM_BLOCK && !last) return p
        if (!this.followed(next, end)) return this.damagedAt(p)
        this.out.anomalies.note(
          'capture.block-length',
          this.out.frames,
          `offset ${this.origin + p}: block length ${total}`,
        )
      }
      if (type === BLOCK.enhancedPacket) this.packet(p, next - 4, view.getUint32(p + 8, this.little))
      else this.otherBlock(type, p, next - 4)
      p = next
    }
    return p
  }

  /** Whether a block starts at `next`, or the file ends there. */
  private followed(next: number, end: number): boolean {
    if (next === end) return true
    if (end - next < MINIMUM_BLOCK) return false
    if (this.view.getUint32(next, true) === BLOCK.sectionHeader) return true
    return (
      isKnown(this.view.getUint32(next, this.little)) && this.view.getUint32(next + 4, this.little) <= LARGEST_BLOCK
    )
  }

  private damagedAt(p: number): number {
    this.damagedFrom = this.origin + p
    return p + 1
  }

  private damageEnds(at: number): void {
    const { frames, anomalies } = this.out
    anomalies.note(
      'capture.damaged',
      frames,
      `offset ${this.damagedFrom}: ${at - this.damagedFrom} bytes skipped after frame ${frames}`,
    )
    this.damagedFrom = NO_DAMAGE
  }

  /** Looks from p on for a section header or a block whose two lengths agree; returns its place, or how far we got. */
  private search(p: number, end: number, last: boolean): number {
    const { view } = this
    for (; end - p >= MINIMUM_BLOCK; p++) {
      const section = view.getUint32(p, true) === BLOCK.sectionHeader
      const little = section ? view.getUint32(p + 8, true) === BYTE_ORDER_MAGIC : this.little
      if (section && !little && view.getUint32(p + 8, false) !== BYTE_ORDER_MAGIC) continue
      if (!section && !(this.inSection && isKnown(view.getUint32(p, little)))) continue
      const total = view.getUint32(p + 4, little)
      if (total < MINIMUM_BLOCK || total > LARGEST_SOUGHT || (total & 3) !== 0) continue
      if (total > end - p) {
        if (last) continue
        return p
      }
      if (view.getUint32(p + total - 4, little) !== total) continue
      this.damageEnds(this.origin + p)
      return p
    }
    return p
  }

  /** Takes the byte order from a section header at p (at least 12 bytes are there); false if it names none. */
  private byteOrder(p: number): boolean {
    if (this.view.getUint32(p + 8, true) === BYTE_ORDER_MAGIC) this.little = true
    else if (this.view.getUint32(p + 8, false) === BYTE_ORDER_MAGIC) this.little = false
    else return false
    this.inSection = true
    return true
  }

  /**
   * An enhanced packet block (4.3) or an obsolete packet block (A.1) from p to end, where its second length stands:
   * interface | timestamp high, low | captured length | original length | data | options.
   */
  private packet(p: number, end: number, interfaceId: number): void {
    const { view, little, out } = this
    const one = this.section.interfaces[interfaceId]
    const start = p + 28
    if (one === undefined || start > end) {
      this.unusable(one === undefined ? interfaceId : -1, p)
      return
    }
    const high = view.getUint32(p + 12, little)
    const low = view.getUint32(p + 16, little)
    let captured = view.getUint32(p + 20, little)
    const frame = out.view
    frame.interfaceId = one.info.id
    frame.linkType = one.linkType
    frame.fcsBytes = one.fcsBytes
    frame.comment = ''
    if (captured > end - start) {
      captured = end - start
      out.anomalies.note(
        'capture.damaged',
        out.frames + 1,
        `offset ${this.origin + p}: captured length past the block's end`,
      )
    }
    const options = start + ((captured + 3) & ~3)
    if (end - options >= 4) this.packetOptions(one, options, end)

    const ticks = one.ticksPerSecond
    let seconds: number
    let nanoseconds: number
    if (ticks === 0) {
      one.oddTime(high, low)
      seconds = one.seconds
      nanoseconds = one.nanoseconds
    } else {
      // Long division in base 2^16: every step stays below 2^53, so the result is exact without BigInt.
      const high1 = Math.floor(high / ticks)
      const step = (high - high1 * ticks) * 65536 + (low >>> 16)
      const middle = Math.floor(step / ticks)
      const rest = (step - middle * ticks) * 65536 + (low & 0xffff)
      const low1 = Math.floor(rest / ticks)
      seconds = high1 * 4294967296 + middle * 65536 + low1
      nanoseconds = (rest - low1 * ticks) * one.nsPerTick
    }
    out.packet(seconds + one.offsetSeconds, nanoseconds, start, start + captured, view.getUint32(p + 24, little))
  }

  private packetOptions(one: PcapngInterface, start: number, end: number): void {
    const { out } = this
    const o = this.options.reset(this.buf, this.view, this.little, start, end)
    while (o.next()) {
      if (o.code === OPT_COMMENT) {
        out.view.comment += out.view.comment === '' ? o.text() : `\n${o.text()}`
        out.totals().comments++
      } else if (o.code === 2) {
        // epb_flags: bits 5 to 8 are the FCS length in bytes, 0 if unknown.
        const fcsBytes = (o.u32() >>> 5) & 15
        if (fcsBytes > 0) out.view.fcsBytes = fcsBytes
      } else if (o.code === 4) {
        one.packetDrops += o.u64()
      }
    }
    if (o.bad) out.anomalies.note('capture.bad-option', out.frames + 1)
  }

  /** A simple packet block (4.4) has no interface (it is the first) and no time. */
  private simplePacket(p: number, end: number): void {
    const { out } = this
    const one = this.section.interfaces[0]
    const start = p + 12
    if (one === undefined || start > end) {
      this.unusable(one === undefined ? 0 : -1, p)
      return
    }
    const original = this.view.getUint32(p + 8, this.little)
    const kept = one.snaplen === 0 ? original : Math.min(original, one.snaplen)
    const captured = Math.min(kept, end - start)
    if (captured < kept) {
      out.anomalies.note(
        'capture.damaged',
        out.frames + 1,
        `offset ${this.origin + p}: packet runs past the block's end`,
      )
    }
    out.view.interfaceId = one.info.id
    out.view.linkType = one.linkType
    out.view.fcsBytes = one.fcsBytes
    out.view.comment = ''
    out.packetWithoutTime(start, start + captured, original)
  }

  /** A packet of an undescribed interface, or (-1) one too short for its header: it keeps its number. */
  private unusable(interfaceId: number, p: number): void {
    const { out } = this
    out.countedOnly()
    const place = `offset ${this.origin + p}: ${interfaceId < 0 ? 'packet block too short' : `interface ${interfaceId}`}`
    out.anomalies.note(interfaceId < 0 ? 'capture.damaged' : 'capture.unknown-interface', out.frames, place)
  }

  /** Any block but an EPB, from p to end, where its second length stands. */
  private otherBlock(type: number, p: number, end: number): void {
    const { section, view, little } = this
    if (type === BLOCK.packet) {
      const drops = view.getUint16(p + 10, little)
      const interfaceId = view.getUint16(p + 8, little)
      const one = section.interfaces[interfaceId]
      if (one !== undefined && drops !== 0xffff) one.packetDrops += drops
      this.packet(p, end, interfaceId)
    } else if (type === BLOCK.simplePacket) this.simplePacket(p, end)
    else if (type === BLOCK.sectionHeader) section.header(this.buf, view, little, p, end, this.origin + p)
    else if (type === BLOCK.interfaceDescription) section.interfaceDescription(this.buf, view, little, p, end)
    else if (type === BLOCK.interfaceStatistics) section.statistics(this.buf, view, little, p, end)
    else if (type === BLOCK.decryptionSecrets) section.secrets(this.buf, view, little, p, end)
    else if (isNumbered(type)) this.out.numberedOnly()
    else if (type !== BLOCK.nameResolution) {
      const place = `offset ${this.origin + p}: block type 0x${type.toString(16).padStart(8, '0')}`
      this.out.anomalies.note('capture.unknown-block', this.out.frames, place)
    }
  }
}
