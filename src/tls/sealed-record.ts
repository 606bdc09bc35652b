/** Collects one protected record of one direction until it is whole: in place when it lies in one segment, else copied. */
import type { Instant } from '../core/time.ts'
import type { RecordBuffers } from './record-buffers.ts'

const NOTHING = new Uint8Array(0)

export class SealedRecord {
  /** A record is being collected. */
  open = false
  type = 0
  version = 0
  length = 0
  /** Where its header was. */
  at: Instant = 0
  frame = 0
  /** Its bytes, once `whole`: buf[start, start + length). */
  buf: Uint8Array = NOTHING
  start = 0
  private have = 0
  private broken = false
  private lent: Uint8Array | null = null
  private readonly buffers: RecordBuffers

  constructor(buffers: RecordBuffers) {
    this.buffers = buffers
  }

  begin(type: number, version: number, length: number, at: Instant, frame: number): void {
    this.end()
    this.open = true
    this.type = type
    this.version = version
    this.length = length
    this.at = at
    this.frame = frame
    this.have = 0
    this.broken = false
  }

  get whole(): boolean {
    return !this.broken && this.have === this.length
  }

  add(buf: Uint8Array, start: number, end: number): void {
    if (this.broken) return
    if (end - start === this.length) {
      this.buf = buf
      this.start = start
      this.have = this.length
      return
    }
    this.lent ??= this.buffers.take()
    if (this.lent === null) {
      this.broken = true
      return
    }
    this.lent.set(buf.subarray(start, end), this.have)
    this.have += end - start
    this.buf = this.lent
    this.start = 0
  }

  /** Part of it was lost. */
  spoil(): void {
    this.broken = true
  }

  /** It is dealt with. */
  end(): void {
    this.open = false
    this.release()
  }

  /** No more of it will come; that it had begun stays known. */
  release(): void {
    this.broken = true
    this.buf = NOTHING
    if (this.lent !== null) this.buffers.give(this.lent)
    this.lent = null
  }
}
