/**
 * One direction of a relayed connection: bytes from one socket to the other, first forwarded, then recorded on both legs. At most one
 * write waits in the kernel's queue: meanwhile nothing more is read, so the sender meets the receiver's pace.
 * // hot path: no copy but the one into the recording
 */
import type { Socket } from 'node:net'
import type { Direction } from '../core/direction.ts'
import type { Leg } from './leg.ts'
import type { Recorder } from './recorder.ts'
import type { Stage } from './stage.ts'

interface Pinned {
  stage: Stage
  at: number
  n: number
}

/** Sees what passes; may hold it back or change its course (faults). */
export interface Valve {
  /** n bytes are to be forwarded. False: they are not, the valve has seen to them. */
  pass(n: number, buf: Uint8Array): boolean
}

export class Flow {
  /** Who sends: the client towards the server, or the server towards the client. */
  readonly dir: Direction
  from!: Socket
  to!: Socket
  inLeg!: Leg
  outLeg!: Leg
  valve: Valve | null = null
  /** TLS is ended here: what is read goes there, and what is sent comes from there. */
  tap: { feed(bytes: Uint8Array, t: number): boolean; feedEnd(): void } | null = null
  bytes = 0
  /** Times that this side spoke after the other had. */
  turns = 0
  lastAt: number
  other!: Flow
  /** Bytes handed to the socket and never taken by the kernel. */
  unsent = 0
  /** The sender has closed its direction; the close was passed on when all was written. */
  ended = false
  /** For the recording: retransmissions told so far, whether the receiver is told as stalled, and the last bytes sent, if kept. */
  retransmissions = 0
  toldStalled = false
  last: Uint8Array | null = null
  private lastStage: Stage | null = null
  private lastGeneration = 0
  private lastPlace = 0
  private lastLength = 0
  private pinned: Pinned[] | null = null
  private readonly recorder: Recorder

  constructor(dir: Direction, recorder: Recorder) {
    this.dir = dir
    this.recorder = recorder
    this.lastAt = recorder.clock.now()
  }

  /** Milliseconds since either side said something. */
  idleMs(): number {
    return (this.recorder.clock.now() - Math.max(this.lastAt, this.other.lastAt)) / 1e6
  }

  /** A write is waiting for the receiver since `lastAt`. */
  get blocked(): boolean {
    return this.pinned !== null
  }

  /** Bytes of `buf` have been read. Returns whether more may come. */
  readonly onRead = (n: number, buf: Uint8Array): boolean => {
    const t = this.recorder.clock.now()
    this.bytes += n
    if (this.other.lastAt >= this.lastAt) this.turns++
    if (this.last !== null || this.retransmissions > 0) this.forget()
    this.lastAt = t
    if (this.tap !== null) return this.tap.feed(Uint8Array.from(buf.subarray(0, n)), t)
    if (this.valve !== null) {
      this.received(n, buf, t)
      if (this.valve.pass(n, buf)) this.send(Uint8Array.from(buf.subarray(0, n)))
      return !this.blocked
    }
    const { recorder, to } = this
    if (!to.writable) {
      // The other side is gone, or was never reached: there is nobody to hand it to.
      this.received(n, buf, t)
      this.unsent += n
      return true
    }
    const at = recorder.place(this.inLeg, n)
    const { stage } = recorder
    stage.bytes.set(buf.length === n ? buf : buf.subarray(0, n), at)
    to.write(stage.bytes.subarray(at, at + n), this.onWritten)
    if (to.writableLength > 0) {
      stage.pins++
      this.pinned ??= []
      this.pinned.push({ stage, at, n })
      if (recorder.keepsWhole(this.inLeg, n)) recorder.data(this.inLeg, this.dir, n, t)
      else {
        // The bytes are still needed where they are, and the next frame would be written over them.
        recorder.turn()
        recorder.copyData(this.inLeg, this.dir, buf, 0, n, t)
      }
      return false
    }
    recorder.data(this.inLeg, this.dir, n, t)
    const out = recorder.place(this.outLeg, n)
    if (recorder.accepting) recorder.stage.bytes.set(buf.length === n ? buf : buf.subarray(0, n), out)
    this.lastStage = recorder.stage
    this.lastGeneration = recorder.stage.generation
    this.lastPlace = out
    this.lastLength = n
    recorder.data(this.outLeg, this.dir, n, recorder.clock.now())
    return true
  }

  /** Takes a copy of the last bytes sent, if they are still where they were: they are being retransmitted. */
  keepLast(): void {
    const stage = this.lastStage
    if (stage === null) return
    if (stage.generation === this.lastGeneration)
      this.last = Uint8Array.from(stage.bytes.subarray(this.lastPlace, this.lastPlace + this.lastLength))
    this.lastStage = null
  }

  private forget(): void {
    this.last = null
    this.retransmissions = 0
  }

  /** Recorded as received, and not forwarded. */
  private received(n: number, buf: Uint8Array, t: number): void {
    const at = this.recorder.place(this.inLeg, n)
    this.recorder.stage.bytes.set(buf.subarray(0, n), at)
    this.recorder.data(this.inLeg, this.dir, n, t)
  }

  /** Sends bytes of the proxy's own, or such as were held back, on the outgoing leg. */
  send(bytes: Uint8Array): void {
    if (!this.to.writable) return
    this.to.write(bytes)
    this.recorder.copyData(this.outLeg, this.dir, bytes, 0, bytes.length, this.recorder.clock.now())
  }

  private readonly onWritten = (error?: Error | null): void => {
    const { pinned } = this
    if (pinned === null) return
    if (error == null && this.to.writableLength > 0) return
    this.pinned = null
    const t = this.recorder.clock.now()
    for (const { stage, at, n } of pinned) {
      stage.pins--
      if (error == null) this.recorder.copyData(this.outLeg, this.dir, stage.bytes, at, at + n, t)
      else this.unsent += n
    }
    if (error == null && !this.from.destroyed) this.from.resume()
  }
}
