/**
 * The one buffer between an input and its consumer: bytes that the consumer left are moved to the front, new ones follow.
 * It grows only for a single record that is larger than it, and never past LIMITS.captureRecordBytes.
 */
import type { AnomalyLog } from '../core/anomaly.ts'
import { LIMITS } from '../core/limits.ts'
import type { ByteConsumer } from './frame-output.ts'

export class FeedBuffer {
  private readonly consumer: ByteConsumer
  private readonly anomalies: AnomalyLog | undefined
  /** Read into [end, buf.length) after `makeRoom`. */
  buf: Uint8Array
  end = 0
  private start = 0

  constructor(consumer: ByteConsumer, size: number, anomalies?: AnomalyLog) {
    this.consumer = consumer
    this.anomalies = anomalies
    this.buf = new Uint8Array(size)
  }

  /** Makes room behind `end` for at least one byte, usually for a whole chunk. */
  makeRoom(): void {
    if (this.start > 0) {
      this.buf.copyWithin(0, this.start, this.end)
      this.end -= this.start
      this.start = 0
    }
    if (this.end * 2 <= this.buf.length) return
    if (this.buf.length < LIMITS.captureRecordBytes) {
      const bigger = new Uint8Array(Math.min(this.buf.length * 2, LIMITS.captureRecordBytes))
      bigger.set(this.buf.subarray(0, this.end))
      this.buf = bigger
    } else if (this.end === this.buf.length) {
      // Only a consumer that waits for more than the limit gets here: its bytes go, the input goes on.
      this.anomalies?.note('us.limit', 0, `${this.end} bytes without the end of a record`)
      this.end = 0
    }
  }

  /** `bytes` more were read behind `end`: lets the consumer use what it can. */
  added(bytes: number): void {
    this.end += bytes
    this.start += this.consumer.feed(this.buf, this.start, this.end)
  }

  /** Takes in bytes that lie elsewhere. */
  append(chunk: Uint8Array): void {
    let taken = 0
    while (taken < chunk.length) {
      this.makeRoom()
      const bytes = Math.min(chunk.length - taken, this.buf.length - this.end)
      this.buf.set(chunk.subarray(taken, taken + bytes), this.end)
      taken += bytes
      this.added(bytes)
    }
  }

  /** There is no more. */
  finish(): void {
    this.consumer.finish(this.buf, this.start, this.end)
  }
}
