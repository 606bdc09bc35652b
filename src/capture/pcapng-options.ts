/** Options of pcapng blocks (draft-ietf-opsawg-pcapng 3.5): code 2 | length 2 | value padded to four bytes. */
import { decodeText } from '../core/bytes.ts'

const END_OF_OPTIONS = 0
/** opt_comment, valid in every block. */
export const OPT_COMMENT = 1

/** Walks the options in [start, end) of a block; one walker is reused. Stops for good at an option that does not fit. */
export class OptionWalker {
  private view: DataView = new DataView(new ArrayBuffer(0))
  private buf: Uint8Array = new Uint8Array(0)
  private little = true
  private at = 0
  private end = 0
  code = 0
  /** The value is [start, start + length) of the buffer. */
  start = 0
  length = 0
  /** An option ran past the block. */
  bad = false

  reset(buf: Uint8Array, view: DataView, little: boolean, start: number, end: number): this {
    this.buf = buf
    this.view = view
    this.little = little
    this.at = start
    this.end = end
    this.bad = false
    return this
  }

  next(): boolean {
    if (this.end - this.at < 4) {
      return false
    }
    this.code = this.view.getUint16(this.at, this.little)
    this.length = this.view.getUint16(this.at + 2, this.little)
    this.start = this.at + 4
    if (this.code === END_OF_OPTIONS) return false
    if (this.length > this.end - this.start) {
      this.bad = true
      return false
    }
    this.at = this.start + ((this.length + 3) & ~3)
    return true
  }

  /** The value as text, without trailing NULs, which some writers add. */
  text(): string {
    let end = this.start + this.length
    while (end > this.start && this.buf[end - 1] === 0) end--
    return decodeText(this.buf, this.start, end)
  }

  u8(): number {
    return this.length >= 1 ? this.buf[this.start]! : 0
  }

  u32(): number {
    return this.length >= 4 ? this.view.getUint32(this.start, this.little) : 0
  }

  /** 64 bits as a number, exact below 2^53: counters. */
  u64(): number {
    if (this.length < 8) return 0
    const one = this.view.getUint32(this.start, this.little)
    const two = this.view.getUint32(this.start + 4, this.little)
    return this.little ? two * 4294967296 + one : one * 4294967296 + two
  }

  /** Signed 64 bits as a number, exact within ±2^53. */
  i64(): number {
    if (this.length < 8) return 0
    const high = this.view.getInt32(this.start + (this.little ? 4 : 0), this.little)
    const low = this.view.getUint32(this.start + (this.little ? 0 : 4), this.little)
    return high * 4294967296 + low
  }
}
