/**
 * A recording that is only written when something has happened: the last minutes are held in memory, bounded by time and size;
 * a trigger writes them to a new file, and then what follows for as long again.
 */
import type { RecordingSink, StageFacts } from './recorder.ts'

export interface TriggerOptions {
  keepMs: number
  /** Memory for what is held back. */
  keepBytes: number
  /** Milliseconds of any clock that goes forward. */
  nowMs(): number
  /** A new file; its sink writes head and tail by itself. */
  open(): Promise<RecordingSink>
  /** No more files will be asked for. */
  finished(): Promise<void>
}

export class TriggerSink implements RecordingSink {
  private readonly options: TriggerOptions
  private readonly held: { blocks: Uint8Array; at: number }[] = []
  private heldBytes = 0
  private file: RecordingSink | null = null
  private until = 0
  private wanted = false

  constructor(options: TriggerOptions) {
    this.options = options
  }

  /** Bytes held in memory. */
  get bytes(): number {
    return this.heldBytes
  }
  get writing(): boolean {
    return this.file !== null
  }

  /** Something was found. Takes effect with the next blocks; the caller flushes. */
  trigger(): void {
    this.wanted = true
    this.until = this.options.nowMs() + this.options.keepMs
  }

  async write(blocks: Uint8Array, about: StageFacts): Promise<void> {
    const now = this.options.nowMs()
    if (this.wanted || this.file === null) this.hold(blocks, now)
    if (this.wanted) {
      this.wanted = false
      await this.release()
    } else if (this.file !== null) {
      if (now >= this.until) {
        await this.finish()
        this.hold(blocks, now)
      } else await this.file.write(blocks, about)
    }
  }

  private hold(blocks: Uint8Array, now: number): void {
    this.held.push({ blocks: Uint8Array.from(blocks), at: now })
    this.heldBytes += blocks.length
    while (
      this.held.length > 1 &&
      (this.heldBytes > this.options.keepBytes || now - this.held[0]!.at > this.options.keepMs)
    )
      this.heldBytes -= this.held.shift()!.blocks.length
  }

  private async release(): Promise<void> {
    this.file ??= await this.options.open()
    for (let one = this.held.shift(); one !== undefined; one = this.held.shift()) {
      this.heldBytes -= one.blocks.length
      await this.file.write(one.blocks, { frames: 0, firstAt: 0, lastAt: 0 })
    }
  }

  private async finish(): Promise<void> {
    const { file } = this
    this.file = null
    await file?.end()
  }

  async end(): Promise<void> {
    if (this.wanted) await this.release()
    await this.finish()
    await this.options.finished()
  }
}
