/** A recording on stdout: for `| tshark -r -` or `| mysqlconn analyze -`. A reader that leaves ends the recording, not the traffic. */
import type { Writable } from 'node:stream'
import type { RecordingSink } from './recorder.ts'

export class StreamSink implements RecordingSink {
  private readonly out: Writable
  private readonly head: () => Uint8Array
  private readonly tail: () => Uint8Array
  private begun = false
  private broken: Error | null = null

  constructor(out: Writable, head: () => Uint8Array, tail: () => Uint8Array) {
    this.out = out
    this.head = head
    this.tail = tail
    out.on('error', (e) => {
      this.broken = e
    })
  }

  async write(blocks: Uint8Array): Promise<void> {
    if (!this.begun) await this.put(this.head())
    this.begun = true
    await this.put(blocks)
  }

  async end(): Promise<void> {
    if (this.broken !== null) return
    if (!this.begun) await this.put(this.head()).catch(() => {})
    await this.put(this.tail()).catch(() => {})
  }

  private put(bytes: Uint8Array): Promise<void> {
    if (this.broken !== null) return Promise.reject(this.broken)
    return new Promise((done, failed) => {
      this.out.write(bytes, (e) => (e ? failed(e) : done()))
    })
  }
}
