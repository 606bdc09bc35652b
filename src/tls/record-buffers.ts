/**
 * Buffers for protected records that straddle segments: lent while a record is being collected and used again afterwards. All
 * open connections share them, so that their number is bounded.
 */
import { LIMITS } from '../core/limits.ts'
import { MAX_RECORD_BYTES } from './recognise.ts'

/** Buffers kept for the next record: more are rarely out at once. */
const SPARE = 64

export class RecordBuffers {
  private readonly spare: Uint8Array[] = []
  private out = 0
  /** Records given up because too many were under way. */
  refused = 0

  /** A buffer for one record; null when too many are lent. */
  take(): Uint8Array | null {
    if ((this.out + 1) * MAX_RECORD_BYTES > LIMITS.tlsRecordBytesTotal) {
      this.refused++
      return null
    }
    this.out++
    return this.spare.pop() ?? new Uint8Array(MAX_RECORD_BYTES)
  }

  give(buf: Uint8Array): void {
    this.out--
    if (this.spare.length < SPARE) this.spare.push(buf)
  }
}
