/**
 * Where bytes wait. A stage is one large buffer: what a socket has read is copied into it once, written to the other socket from
 * there, and becomes the payload of its frame in the recording at the same place. A write that the kernel did not take at once
 * pins the stage: until it is done the memory may not be used again.
 */
/** Fits into the second cache level: stages of 1 MiB cost a third more per frame. */
export const STAGE_BYTES = 1 << 18

/** Free stages kept for reuse; more are left to the garbage collector. */
const KEPT = 32

export class Stage {
  readonly bytes: Buffer
  readonly view: DataView
  readonly words: Uint16Array
  used = 0
  pins = 0
  /** Counts the uses of its memory. */
  generation = 0
  /** Frames in it, and the clock of the first one. */
  frames = 0
  firstAt = 0
  lastAt = 0

  constructor(size = STAGE_BYTES) {
    this.bytes = Buffer.from(new ArrayBuffer(size))
    this.view = new DataView(this.bytes.buffer)
    this.words = new Uint16Array(this.bytes.buffer)
  }

  reset(): this {
    this.used = 0
    this.frames = 0
    this.generation++
    return this
  }
}

export class StagePool {
  private readonly free: Stage[] = []

  take(): Stage {
    return this.free.pop() ?? new Stage()
  }

  /** A pinned stage is not reused: the write that needs it keeps it alive. */
  give(stage: Stage): void {
    if (stage.pins === 0 && this.free.length < KEPT) this.free.push(stage.reset())
  }
}
