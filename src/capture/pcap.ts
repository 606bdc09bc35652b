/**
 * Classic pcap (draft-ietf-opsawg-pcap; libpcap's sf-pcap.c for the older versions), in either byte order:
 *
 *   file    magic 4 | major 2 | minor 2 | 8 reserved | snaplen 4 | FCS and link type 4
 *   record  seconds 4 | micro- or nanoseconds 4 | captured length 4 | original length 4 | data
 *
 * Damage is what libpcap refuses: a captured length that no capture has. We look for the next plausible record instead.
 * // hot path: no allocation per packet
 */
import { LIMITS } from '../core/limits.ts'
import type { CaptureInfo } from './capture-info.ts'
import { type ByteConsumer, FrameOutput, type ReaderOptions } from './frame-output.ts'
import { linkTypeName } from './link-types.ts'

/** Magic numbers of the file header, read in the byte order of the file. */
export const PCAP_MAGIC = { microseconds: 0xa1b2c3d4, nanoseconds: 0xa1b23c4d, modified: 0xa1b2cd34 } as const

const FILE_HEADER = 24
const RECORD_HEADER = 16
/** Kuznetzov's patched libpcap: interface index 4, protocol 2, packet type 1, padding 1 follow the usual header. */
const MODIFIED_RECORD_HEADER = 24
/** libpcap's MAXIMUM_SNAPLEN: what a capture without a useful snapshot length may hold. */
const MAXIMUM_SNAPLEN = 262_144
/** How far from the last good time a record found by searching may be. */
const SECONDS_BEFORE = 86_400
const SECONDS_AFTER = 30 * 86_400
/** Longest packet on the wire that we believe in while searching: far above any offload's. */
const LARGEST_ORIGINAL = 16 << 20

export class PcapReader implements ByteConsumer {
  private readonly out: FrameOutput
  private view: DataView = new DataView(new ArrayBuffer(0))
  private viewed: Uint8Array | null = null
  /** File offset of the next byte to be used. */
  private offset = 0
  private headerRead = false
  private little = true
  private recordHeader = RECORD_HEADER
  /** Nanoseconds per unit of the second half of a timestamp, and units per second. */
  private nsPerUnit = 1000
  private unitsPerSecond = 1e6
  private largest = MAXIMUM_SNAPLEN
  /** libpcap: files before 2.3 have the two lengths swapped, 2.3 files may have. */
  private swapped: 'no' | 'maybe' | 'yes' = 'no'
  private firstSeconds = -1
  private lastSeconds = -1
  /** File offset of index 0 of the buffer being read. */
  private origin = 0
  /** File offset at which the current damage begins, -1 outside damage. */
  private damagedFrom = -1

  constructor(options: ReaderOptions) {
    this.out = new FrameOutput(options)
  }

  get info(): CaptureInfo {
    return this.out.totals()
  }

  feed(buf: Uint8Array, start: number, end: number): number {
    return this.read(buf, start, end, false) - start
  }

  finish(buf: Uint8Array, start: number, end: number): void {
    const stopped = this.read(buf, start, end, true)
    if (this.damagedFrom >= 0) {
      this.damageEnds(this.origin + end)
    } else if (stopped < end || !this.headerRead) {
      const what = this.headerRead ? 'record' : 'file header'
      this.out.anomalies.note(
        'capture.truncated-tail',
        this.out.frames,
        `offset ${this.origin + stopped}: ${end - stopped} bytes of an incomplete ${what} after frame ${this.out.frames}`,
      )
    }
  }

  /** Reads what can be read of [start, end); returns where it stopped. */
  private read(buf: Uint8Array, start: number, end: number, last: boolean): number {
    if (buf !== this.viewed) {
      this.viewed = buf
      this.view = new DataView(buf.buffer, buf.byteOffset, buf.byteLength)
      this.out.view.buf = buf
    }
    this.origin = this.offset - start
    let p = start
    if (!this.headerRead && end - p >= FILE_HEADER) {
      this.fileHeader(p)
      p += FILE_HEADER
    }
    while (this.headerRead) {
      if (this.damagedFrom < 0) p = this.records(p, end)
      if (this.damagedFrom < 0) break
      p = this.search(p, end, last)
      if (this.damagedFrom >= 0) break
    }
    this.offset = this.origin + p
    return p
  }

  /** Complete records from p on. Stops at an incomplete one, or at a damaged one with `damagedFrom` set. */
  private records(p: number, end: number): number {
    const { view, little, recordHeader, nsPerUnit, unitsPerSecond, out } = this
    const inOrder = this.swapped === 'no'
    while (end - p >= recordHeader) {
      const seconds = view.getUint32(p, little)
      const fraction = view.getUint32(p + 4, little)
      let captured = view.getUint32(p + 8, little)
      let original = view.getUint32(p + 12, little)
      if (!inOrder && (this.swapped === 'yes' || captured > original)) {
        const other = captured
        captured = original
        original = other
      }
      if (captured > MAXIMUM_SNAPLEN || fraction >= unitsPerSecond || seconds === 0) {
        if (this.isDamage(seconds, fraction, captured, original)) {
          this.damagedFrom = this.origin + p
          return p + 1
        }
      }
      const body = p + recordHeader
      if (captured > end - body) return p
      if (this.firstSeconds < 0) this.firstSeconds = seconds
      this.lastSeconds = seconds
      p = body + captured
      out.packet(seconds, fraction * nsPerUnit, body, p, original)
    }
    return p
  }

  /** Whether a record header that looks odd is no record header. One oddity alone is a careless writer's, and is read. */
  private isDamage(seconds: number, fraction: number, captured: number, original: number): boolean {
    if (captured > this.largest) return true
    // Zeros are what a crash leaves in the part of a file that was allocated but never written.
    if (seconds === 0 && fraction === 0 && captured === 0 && original === 0) return true
    const strange = captured > original || !this.isNear(seconds)
    return strange && (captured > MAXIMUM_SNAPLEN || fraction >= this.unitsPerSecond)
  }

  private isNear(seconds: number): boolean {
    return this.lastSeconds < 0 || isBetween(seconds, this.lastSeconds) || isBetween(seconds, this.firstSeconds)
  }

  /** Looks from p on for a record that is plausible and followed by another; returns its place, or how far we got. */
  private search(p: number, end: number, last: boolean): number {
    const { recordHeader } = this
    for (; end - p >= recordHeader; p++) {
      const captured = this.plausible(p)
      if (captured < 0) continue
      const next = p + recordHeader + captured
      const enough = end - next >= recordHeader
      if (!enough && !last) return p
      if (enough ? this.plausible(next) >= 0 : next === end) {
        this.damageEnds(this.origin + p)
        return p
      }
    }
    return p
  }

  /** Captured length of the record header at p, or -1 when no capture of this time and kind would hold it. */
  private plausible(p: number): number {
    const { view, little } = this
    if (view.getUint32(p + 4, little) >= this.unitsPerSecond || !this.isNear(view.getUint32(p, little))) return -1
    const one = view.getUint32(p + 8, little)
    const two = view.getUint32(p + 12, little)
    const swap = this.swapped === 'yes' || (this.swapped === 'maybe' && one > two)
    const captured = swap ? two : one
    const original = swap ? one : two
    return captured > 0 && captured <= original && captured <= MAXIMUM_SNAPLEN && original <= LARGEST_ORIGINAL
      ? captured
      : -1
  }

  private damageEnds(at: number): void {
    const { frames, anomalies } = this.out
    anomalies.note(
      'capture.damaged',
      frames,
      `offset ${this.damagedFrom}: ${at - this.damagedFrom} bytes skipped after frame ${frames}`,
    )
    this.damagedFrom = -1
  }

  private fileHeader(p: number): void {
    const { view, out } = this
    this.headerRead = true
    const first = view.getUint32(p, true)
    this.little = first === PCAP_MAGIC.microseconds || first === PCAP_MAGIC.nanoseconds || first === PCAP_MAGIC.modified
    const magic = view.getUint32(p, this.little)
    const nanoseconds = magic === PCAP_MAGIC.nanoseconds
    this.nsPerUnit = nanoseconds ? 1 : 1000
    this.unitsPerSecond = nanoseconds ? 1e9 : 1e6
    this.recordHeader = magic === PCAP_MAGIC.modified ? MODIFIED_RECORD_HEADER : RECORD_HEADER

    const major = view.getUint16(p + 4, this.little)
    const minor = view.getUint16(p + 6, this.little)
    if (major !== 2 || minor !== 4) out.anomalies.note('capture.version', 0, `offset 4: pcap version ${major}.${minor}`)
    if (major === 2 && minor < 4) this.swapped = minor === 3 ? 'maybe' : 'yes'

    const snaplen = view.getUint32(p + 16, this.little)
    this.largest = Math.min(Math.max(snaplen, MAXIMUM_SNAPLEN), LIMITS.captureRecordBytes - 2 * MODIFIED_RECORD_HEADER)
    // FCS length in 16-bit units in the top four bits, valid if the F bit is set; the low 16 bits are the link type.
    const word = view.getUint32(p + 20, this.little)
    const fcsBytes = (word & 0x04000000) !== 0 ? (word >>> 28) * 2 : 0
    const linkType = word & 0xffff
    out.view.linkType = linkType
    out.view.fcsBytes = fcsBytes

    const info = out.totals()
    info.format = 'pcap'
    info.endianness = this.little ? 'little' : 'big'
    info.version = `${major}.${minor}`
    info.sections = 1
    out.described({
      id: 0,
      name: '',
      description: '',
      linkType,
      linkTypeName: linkTypeName(linkType),
      snaplen,
      resolution: nanoseconds ? '10^-9' : '10^-6',
      filter: '',
      fcsBytes,
      received: null,
      dropped: null,
    })
  }
}

function isBetween(seconds: number, near: number): boolean {
  return seconds >= near - SECONDS_BEFORE && seconds <= near + SECONDS_AFTER
}
