/**
 * A raw socket as the TLS layer sees it: a stream of ciphertext that is recorded as it passes. What TLS writes while it digests what was
 * read is recorded behind it, and the secrets that it derives meanwhile stand before both.
 */
import { Duplex } from 'node:stream'
import { type Direction, otherSide } from '../core/direction.ts'
import type { Flow } from './flow.ts'
import type { Recorder } from './recorder.ts'

/** Shared by both taps of a session: what one of them reads may make the other one write at once. */
export interface WriteOrder {
  digesting: boolean
  readonly written: (() => void)[]
}

export class TlsTap extends Duplex {
  /** The flow that reads this socket; what TLS writes goes out on the other one's leg. */
  private readonly flow: Flow
  private readonly recorder: Recorder
  private readonly out: Direction
  private readonly order: WriteOrder
  private wanted = false

  constructor(flow: Flow, recorder: Recorder, order: WriteOrder) {
    super({ allowHalfOpen: true, emitClose: false })
    this.flow = flow
    this.recorder = recorder
    this.order = order
    this.out = otherSide(flow.dir)
  }

  /** Ciphertext that the socket has read at t. Returns whether TLS wants more now. */
  feed(bytes: Uint8Array, t: number): boolean {
    const { order } = this
    order.digesting = true
    this.wanted = this.push(bytes)
    order.digesting = false
    this.recorder.copyData(this.flow.inLeg, this.flow.dir, bytes, 0, bytes.length, t)
    for (const record of order.written.splice(0)) record()
    return this.wanted
  }

  /** The socket's peer has sent FIN. */
  feedEnd(): void {
    this.push(null)
  }

  override _read(): void {
    if (this.wanted || this.flow.from.destroyed) return
    this.wanted = true
    this.flow.from.resume()
  }

  override _write(chunk: Buffer, _encoding: string, done: (e?: Error | null) => void): void {
    const socket = this.flow.from
    if (!socket.writable) {
      done()
      return
    }
    socket.write(chunk, done)
    const t = this.recorder.clock.now()
    if (this.order.digesting) this.order.written.push(() => this.record(chunk, t))
    else this.record(chunk, t)
  }

  override _final(done: (e?: Error | null) => void): void {
    this.flow.from.end()
    done()
  }

  private record(chunk: Uint8Array, t: number): void {
    this.recorder.copyData(this.flow.inLeg, this.out, chunk, 0, chunk.length, t)
  }
}
