/**
 * The blocks of a pcapng section that describe it: section header (draft-ietf-opsawg-pcapng 4.1), interfaces (4.2), their
 * statistics (4.6) and decryption secrets (4.7). Each method gets a whole block, from p to end, where its second length stands.
 */
import { decodeText } from '../core/bytes.ts'
import { LIMITS } from '../core/limits.ts'
import type { FrameOutput } from './frame-output.ts'
import { SECRETS_TLS_KEY_LOG } from './pcapng-blocks.ts'
import { PcapngInterface } from './pcapng-interface.ts'
import { OptionWalker } from './pcapng-options.ts'

const SHB_HARDWARE = 2
const SHB_OS = 3
const SHB_USERAPPL = 4
const ISB_IFRECV = 4
const ISB_IFDROP = 5
const ISB_OSDROP = 7

export class PcapngSection {
  private readonly out: FrameOutput
  private readonly onSecrets: ((keyLog: string) => void) | undefined
  private readonly options = new OptionWalker()
  /** Interfaces of the current section, by the number that its packets use. */
  interfaces: PcapngInterface[] = []
  /** Interfaces of the sections before. */
  private before = 0

  constructor(out: FrameOutput, onSecrets: ((keyLog: string) => void) | undefined) {
    this.out = out
    this.onSecrets = onSecrets
  }

  /** A section begins: its interfaces are numbered from 0 again, and its byte order may differ. */
  header(buf: Uint8Array, view: DataView, little: boolean, p: number, end: number, offset: number): void {
    this.ends()
    const { out } = this
    const info = out.totals()
    const endianness = little ? 'little' : 'big'
    info.endianness = info.endianness === null || info.endianness === endianness ? endianness : 'mixed'
    info.sections++
    if (end - p < 24) {
      out.anomalies.note('capture.block-length', out.frames, `offset ${offset}: section header of ${end - p + 4} bytes`)
      return
    }
    const major = view.getUint16(p + 12, little)
    const minor = view.getUint16(p + 14, little)
    // 1.2 was written by some tools and is to be read as 1.0 (draft, 4.1).
    if (major !== 1 || (minor !== 0 && minor !== 2)) {
      out.anomalies.note('capture.version', out.frames, `offset ${offset}: pcapng version ${major}.${minor}`)
    }
    if (info.version !== '') return
    info.version = `${major}.${minor}`
    const o = this.options.reset(buf, view, little, p + 24, end)
    while (o.next()) {
      if (o.code === SHB_HARDWARE) info.hardware = o.text()
      else if (o.code === SHB_OS) info.os = o.text()
      else if (o.code === SHB_USERAPPL) info.application = o.text()
    }
    if (o.bad) out.anomalies.note('capture.bad-option', out.frames)
  }

  interfaceDescription(buf: Uint8Array, view: DataView, little: boolean, p: number, end: number): void {
    const { out } = this
    if (this.interfaces.length >= LIMITS.captureInterfaces) {
      out.anomalies.note('us.limit', out.frames, `more than ${LIMITS.captureInterfaces} interfaces in a section`)
      return
    }
    // One too short for its fields still takes its number, or the packets of the next interfaces would go astray.
    const complete = end - p >= 16
    if (!complete)
      out.anomalies.note('capture.bad-option', out.frames, `interface ${this.interfaces.length}: description too short`)
    const o = this.options.reset(buf, view, little, complete ? p + 16 : end, end)
    const linkType = complete ? view.getUint16(p + 8, little) : 0
    const snaplen = complete ? view.getUint32(p + 12, little) : 0
    const one = new PcapngInterface(this.before + this.interfaces.length, linkType, snaplen, o)
    if (o.bad) out.anomalies.note('capture.bad-option', out.frames)
    this.interfaces.push(one)
    out.described(one.info)
  }

  /** Counters since the start of the capture: a later block replaces an earlier one. */
  statistics(buf: Uint8Array, view: DataView, little: boolean, p: number, end: number): void {
    if (end - p < 20) return
    const info = this.interfaces[view.getUint32(p + 8, little)]?.info
    if (info === undefined) {
      this.out.anomalies.note('capture.unknown-interface', this.out.frames, 'interface statistics')
      return
    }
    const o = this.options.reset(buf, view, little, p + 20, end)
    let dropped: number | null = null
    while (o.next()) {
      if (o.code === ISB_IFRECV) info.received = o.u64()
      else if (o.code === ISB_IFDROP || o.code === ISB_OSDROP) dropped = (dropped ?? 0) + o.u64()
    }
    if (dropped !== null) info.dropped = dropped
    if (o.bad) this.out.anomalies.note('capture.bad-option', this.out.frames)
  }

  /** Hands on a TLS key log; secrets of other protocols are of no use here. */
  secrets(buf: Uint8Array, view: DataView, little: boolean, p: number, end: number): void {
    if (end - p < 16 || view.getUint32(p + 8, little) !== SECRETS_TLS_KEY_LOG) return
    const length = Math.min(view.getUint32(p + 12, little), end - p - 16)
    this.out.totals().secrets++
    this.onSecrets?.(decodeText(buf, p + 16, p + 16 + length))
  }

  /** The section is over: says what its interfaces lost. */
  ends(): void {
    for (const one of this.interfaces) {
      const { info } = one
      if (one.packetDrops > 0) info.dropped = Math.max(info.dropped ?? 0, one.packetDrops)
      if (info.dropped === null || info.dropped === 0) continue
      const of = info.received === null ? '' : ` of ${info.received}`
      const place = `interface ${info.id}${info.name === '' ? '' : ` (${info.name})`}: ${info.dropped}${of} packets dropped`
      this.out.anomalies.note('capture.kernel-drops', 0, place)
    }
    this.before += this.interfaces.length
    this.interfaces = []
  }
}
