/**
 * The recording of the running proxy: frames go into the current stage; full stages, and those that are a flush interval old, are
 * handed to the sink one after the other. The traffic never waits for it: when the sink falls behind, frames are left out and
 * counted; when it fails, the recording ends and is said to have ended.
 */
import { CLIENT, type Direction, SERVER } from '../core/direction.ts'
import type { Clock } from './clock.ts'
import { ACK, FIN, frameRoom, PSH, payloadAt, RST, SYN, writeFrame } from './frames.ts'
import type { Leg } from './leg.ts'
import { STAGE_BYTES, type Stage, StagePool } from './stage.ts'

/** Where stages go: a file, a ring of files, stdout, memory. */
export interface RecordingSink {
  /** Takes whole blocks. Resolves when they are written; rejects when this and everything after it is lost. */
  write(blocks: Uint8Array, about: StageFacts): Promise<void>
  /** Writes the closing blocks where there is room, and closes. */
  end(): Promise<void>
}

export interface StageFacts {
  frames: number
  firstAt: number
  lastAt: number
}

export interface RecorderOptions {
  clock: Clock
  /** Null: nothing is recorded, bytes only pass. */
  sink: RecordingSink | null
  /** Bytes that may wait for the sink. */
  queueBytes: number
  flushMs: number
  /** Captured bytes per frame, 0 for all. */
  snaplen: number
  /** Interfaces described. */
  interfaces: number
  /** The sink failed: the recording has ended. */
  onFailed(error: NodeJS.ErrnoException): void
  /** Frames are being left out because the sink is too slow; and then no longer. */
  onDropping(dropping: boolean, dropped: number): void
  /** Blocks that were written, for whoever analyses them meanwhile. Valid until it returns. */
  onBlocks?(blocks: Uint8Array): void
}

/** Frames left out of one interface since the file began. */
export interface InterfaceCounts {
  frames: number
  dropped: number
}

export class Recorder {
  stage: Stage
  readonly counts: InterfaceCounts[]
  bytesWritten = 0
  dropped = 0
  /** Nothing is recorded: the sink failed, or there is none. */
  failed: boolean
  private readonly pool = new StagePool()
  private readonly options: RecorderOptions
  private readonly queue: { stage: Stage; facts: StageFacts }[] = []
  private queued = 0
  private writing: Promise<void> | null = null
  private dropping = false
  private readonly timer: NodeJS.Timeout
  readonly clock: Clock

  constructor(options: RecorderOptions) {
    this.options = options
    this.clock = options.clock
    this.stage = this.pool.take()
    this.counts = Array.from({ length: options.interfaces }, () => ({ frames: 0, dropped: 0 }))
    this.failed = options.sink === null
    this.timer = setInterval(() => this.flush(), options.flushMs)
    this.timer.unref()
  }

  /** Bytes that wait to be written: how far the recording is behind. */
  get lagBytes(): number {
    return this.queued + this.stage.used
  }

  /** Frames are being kept: nothing has failed and the sink keeps up. */
  get accepting(): boolean {
    return !this.failed && !this.dropping
  }

  /** Where n bytes of payload for this leg are to be put; room for their frame is made. */
  place(leg: Leg, n: number): number {
    if (this.stage.used + frameRoom(n, false) > STAGE_BYTES) this.turn()
    return payloadAt(this.stage, leg)
  }

  /** Whether the frame of n bytes would be recorded with all of them: if not, their memory will be used again at once. */
  keepsWhole(leg: Leg, n: number): boolean {
    const { snaplen } = this.options
    return this.accepting && (snaplen === 0 || n + leg.headerBytes <= snaplen)
  }

  /** The n bytes at `place` were sent by `dir` at t. */
  data(leg: Leg, dir: Direction, n: number, t: number): void {
    this.frame(leg, dir, ACK | PSH, n, t, '')
  }

  /** The same for bytes that lie elsewhere. */
  copyData(leg: Leg, dir: Direction, from: Uint8Array, start: number, end: number, t: number): void {
    for (let at = start; at < end; at += FRAME_PAYLOAD) {
      const n = Math.min(FRAME_PAYLOAD, end - at)
      const place = this.place(leg, n)
      this.stage.bytes.set(at === 0 && n === from.length ? from : from.subarray(at, at + n), place)
      this.data(leg, dir, n, t)
    }
  }

  syn(leg: Leg, t: number, comment: string): void {
    this.control(leg, CLIENT, SYN, t, comment)
  }

  /** The handshake is over: SYN-ACK and its ACK. */
  established(leg: Leg, t: number, comment: string): void {
    leg.opened = true
    this.control(leg, SERVER, SYN | ACK, t, comment)
    this.control(leg, CLIENT, ACK, t, '')
  }

  /** Acknowledges what the other side has sent, if that is not done yet. `window` 0: takes no more. */
  ack(leg: Leg, dir: Direction, t: number, window = 0xffff, comment = ''): void {
    const other = (1 - dir) as Direction
    if (window === 0xffff && comment === '' && leg.acked[dir] === leg.next[other]) return
    this.control(leg, dir, ACK, t, comment, window)
  }

  /**
   * The kernel has sent `bytes` unacknowledged bytes again. Their payload is `known` when it is at hand; otherwise the frame
   * is cut behind its headers.
   */
  retransmission(leg: Leg, dir: Direction, bytes: number, known: Uint8Array | null, t: number, comment: string): void {
    if (!this.accepting) return
    const n = Math.min(bytes, MOST_RETRANSMITTED)
    if (this.stage.used + frameRoom(n, true) > STAGE_BYTES) this.turn()
    const payload = known !== null && known.length >= bytes ? known.subarray(known.length - bytes) : null
    const at = payloadAt(this.stage, leg)
    if (payload !== null) this.stage.bytes.set(payload.subarray(0, n), at)
    else this.stage.bytes.fill(0, at, at + n)
    const next = leg.next[dir]
    leg.next[dir] = (next - bytes) | 0
    const keep = payload === null ? leg.headerBytes : this.options.snaplen
    writeFrame(this.stage, leg, dir, ACK | PSH, n, t, this.clock, keep, comment)
    leg.next[dir] = next
    this.counts[leg.interfaceId]!.frames++
  }

  fin(leg: Leg, dir: Direction, t: number, comment: string): void {
    if (leg.closed[dir]) return
    leg.closed[dir] = true
    leg.fins[dir] = true
    this.control(leg, dir, FIN | ACK, t, comment)
  }

  /** Both sides have sent FIN: acknowledges what is not acknowledged yet. */
  lastAcks(leg: Leg): void {
    if (!leg.fins[CLIENT] || !leg.fins[SERVER]) return
    const t = this.clock.now()
    this.ack(leg, CLIENT, t)
    this.ack(leg, SERVER, t)
  }

  rst(leg: Leg, dir: Direction, t: number, comment: string): void {
    if (leg.closed[dir] && leg.closed[1 - dir]) return
    leg.closed[0] = true
    leg.closed[1] = true
    this.control(leg, dir, RST | ACK, t, comment)
  }

  private control(leg: Leg, dir: Direction, flags: number, t: number, comment: string, window?: number): void {
    if (this.stage.used + frameRoom(0, comment !== '') > STAGE_BYTES) this.turn()
    this.frame(leg, dir, flags, 0, t, comment, window)
  }

  private frame(leg: Leg, dir: Direction, flags: number, n: number, t: number, comment: string, window?: number): void {
    const count = this.counts[leg.interfaceId]!
    if (this.failed || this.dropping) {
      // The numbers go on, so that the hole shows as one.
      leg.next[dir] = (leg.next[dir] + n + ((flags & (SYN | FIN)) !== 0 ? 1 : 0)) | 0
      if (!this.failed) {
        count.dropped++
        this.dropped++
      }
      return
    }
    writeFrame(this.stage, leg, dir, flags, n, t, this.clock, this.options.snaplen, comment, window)
    count.frames++
  }

  /** A block of another kind (secrets, statistics) between the frames. Larger than a stage it is left out. */
  block(bytes: Uint8Array): void {
    if (this.failed || bytes.length > STAGE_BYTES) return
    if (this.stage.used + bytes.length > STAGE_BYTES) this.turn()
    this.stage.bytes.set(bytes, this.stage.used)
    this.stage.used += bytes.length
  }

  /** Hands on what has been collected and begins a new stage. */
  flush(): void {
    this.clock.adjust()
    if (this.stage.used > 0) this.turn()
  }

  /** Hands something to the sink even when there is nothing: it has been told to write what it holds. */
  poke(): void {
    this.flush()
    if (this.failed || this.queue.length > 0) return
    this.queue.push({ stage: this.pool.take(), facts: { frames: 0, firstAt: 0, lastAt: 0 } })
    this.writing ??= this.pump()
  }

  /** The current stage is full, old, or holds bytes beyond its frames that a write still needs. */
  turn(): void {
    const { stage } = this
    this.stage = this.pool.take()
    if (stage.used === 0 || this.failed) {
      this.pool.give(stage)
      return
    }
    this.queue.push({ stage, facts: { frames: stage.frames, firstAt: stage.firstAt, lastAt: stage.lastAt } })
    this.queued += stage.used
    if (!this.dropping && this.queued > this.options.queueBytes) {
      this.dropping = true
      this.options.onDropping(true, this.dropped)
    }
    this.writing ??= this.pump()
  }

  private async pump(): Promise<void> {
    for (let next = this.queue[0]; next !== undefined; next = this.queue[0]) {
      const { stage } = next
      const blocks = stage.bytes.subarray(0, stage.used)
      this.options.onBlocks?.(blocks)
      try {
        await this.options.sink!.write(blocks, next.facts)
        this.bytesWritten += stage.used
      } catch (e) {
        this.fail(e as NodeJS.ErrnoException)
        break
      }
      this.queue.shift()
      this.queued -= stage.used
      this.pool.give(stage)
      if (this.dropping && this.queued < this.options.queueBytes / 2) {
        this.dropping = false
        this.options.onDropping(false, this.dropped)
      }
    }
    this.writing = null
  }

  private fail(error: NodeJS.ErrnoException): void {
    this.failed = true
    this.queue.length = 0
    this.queued = 0
    this.stage.reset()
    this.options.onFailed(error)
    void this.options.sink!.end().catch(() => {})
  }

  /** Resolves when everything so far has reached the sink. */
  async written(): Promise<void> {
    this.turn()
    while (this.writing !== null) await this.writing
  }

  /** Writes what is left and closes the sink. */
  async end(): Promise<void> {
    clearInterval(this.timer)
    await this.written()
    if (!this.failed) await this.options.sink!.end()
  }
}

/** Payload of a retransmitted segment: one of Ethernet's size. */
const MOST_RETRANSMITTED = 1448

/** Payload of the largest frame: an IPv4 packet has at most 65,535 bytes. A read is never larger, so it is one frame. */
export const FRAME_PAYLOAD = 65_480
