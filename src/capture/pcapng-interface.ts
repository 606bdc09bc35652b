/**
 * One interface of a pcapng section (IDB, draft-ietf-opsawg-pcapng 4.2): what its packets have in common, above all how
 * their 64-bit timestamps count.
 */
import type { InterfaceInfo } from './capture-info.ts'
import { linkTypeName } from './link-types.ts'
import type { OptionWalker } from './pcapng-options.ts'

const IF_NAME = 2
const IF_DESCRIPTION = 3
const IF_TSRESOL = 9
const IF_FILTER = 11
const IF_FCSLEN = 13
const IF_TSOFFSET = 14

/** if_tsresol when the option is absent: 10^-6. */
const MICROSECONDS = 6

export class PcapngInterface {
  readonly info: InterfaceInfo
  readonly linkType: number
  readonly snaplen: number
  fcsBytes = 0
  /** Ticks of a timestamp in a second when a number holds the arithmetic exactly (10^0 to 10^9), else 0. */
  ticksPerSecond = 1e6
  nsPerTick = 1000
  /** The same for any resolution, for `oddTime`. */
  private ticksPerSecondExact = 1_000_000n
  /** if_tsoffset: seconds to add to every timestamp. */
  offsetSeconds = 0
  /** Drop counts of single packets (epb_dropcount, drops of PB), which count since the packet before. */
  packetDrops = 0
  /** Result of `oddTime`. */
  seconds = 0
  nanoseconds = 0

  constructor(id: number, linkType: number, snaplen: number, options: OptionWalker) {
    this.linkType = linkType
    this.snaplen = snaplen
    this.info = {
      id,
      name: '',
      description: '',
      linkType,
      linkTypeName: linkTypeName(linkType),
      snaplen,
      resolution: '10^-6',
      filter: '',
      fcsBytes: 0,
      received: null,
      dropped: null,
    }
    while (options.next()) this.option(options)
    this.info.fcsBytes = this.fcsBytes
  }

  private option(o: OptionWalker): void {
    if (o.code === IF_NAME) this.info.name = o.text()
    else if (o.code === IF_DESCRIPTION) this.info.description = o.text()
    else if (o.code === IF_TSRESOL) this.resolution(o.length > 0 ? o.u8() : MICROSECONDS)
    else if (o.code === IF_TSOFFSET) this.offsetSeconds = o.i64()
    else if (o.code === IF_FILTER) {
      // First byte 0: libpcap filter text follows; other values are programs.
      if (o.u8() === 0 && o.length > 1) this.info.filter = o.text().slice(1)
    } else if (o.code === IF_FCSLEN) {
      // The draft counts bits, its example and Wireshark count bytes; no FCS has fewer than 16 bits or more than 15 bytes.
      this.fcsBytes = o.u8() >= 16 ? o.u8() >> 3 : o.u8()
    }
  }

  /** if_tsresol: a negative power of 10, or of 2 when the top bit is set. */
  private resolution(value: number): void {
    const power = value & 0x7f
    const binary = (value & 0x80) !== 0
    this.info.resolution = `${binary ? 2 : 10}^-${power}`
    this.ticksPerSecondExact = binary ? 2n ** BigInt(power) : 10n ** BigInt(power)
    const simple = !binary && power <= 9
    this.ticksPerSecond = simple ? 10 ** power : 0
    this.nsPerTick = simple ? 10 ** (9 - power) : 0
  }

  /** Sets `seconds` and `nanoseconds` for a timestamp in a resolution that plain numbers cannot divide exactly. */
  oddTime(high: number, low: number): void {
    const ticks = (BigInt(high) << 32n) | BigInt(low)
    const seconds = ticks / this.ticksPerSecondExact
    this.seconds = Number(seconds)
    this.nanoseconds = Number(
      ((ticks - seconds * this.ticksPerSecondExact) * 1_000_000_000n) / this.ticksPerSecondExact,
    )
  }
}
