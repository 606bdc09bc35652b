/**
 * One pcapng file being written: mode 0600, whole blocks in the order they come. After a write that failed half way (disk full) it is
 * cut back to the last whole block, so that what was recorded stays readable.
 */
import { type FileHandle, open } from 'node:fs/promises'

/** Room that is made at the end of a file on a full disk for the closing statistics, bytes. */
const RESERVE = 4096

export class RecordingFile {
  readonly path: string
  bytes = 0
  private readonly handle: FileHandle

  private constructor(path: string, handle: FileHandle) {
    this.path = path
    this.handle = handle
  }

  /** Creates a new file; one that exists is an error (EEXIST): a recording is never overwritten. */
  static async create(path: string): Promise<RecordingFile> {
    return new RecordingFile(path, await open(path, 'wx', 0o600))
  }

  async write(blocks: Uint8Array): Promise<void> {
    let done = 0
    try {
      while (done < blocks.length) {
        const { bytesWritten } = await this.handle.write(blocks, done, blocks.length - done, this.bytes + done)
        if (bytesWritten === 0) throw Object.assign(new Error('nothing could be written'), { code: 'ENOSPC' })
        done += bytesWritten
      }
      this.bytes += done
    } catch (e) {
      await this.cutBack(blocks, done)
      throw e
    }
  }

  /** After a failure: keeps the whole blocks among the first `done` bytes, less some room for the statistics. */
  private async cutBack(blocks: Uint8Array, done: number): Promise<void> {
    const view = new DataView(blocks.buffer, blocks.byteOffset, blocks.byteLength)
    let whole = 0
    while (whole + 8 <= done) {
      const length = view.getUint32(whole + 4, true)
      if (length < 12 || whole + length > done - RESERVE) break
      whole += length
    }
    try {
      await this.handle.truncate(this.bytes + whole)
      this.bytes += whole
    } catch {
      // The file keeps its torn end; readers skip an incomplete last block.
    }
  }

  /** Last blocks, if there is room for them, and then no more. */
  async close(last: Uint8Array): Promise<void> {
    try {
      await this.handle.write(last, 0, last.length, this.bytes)
      this.bytes += last.length
    } catch {
      await this.handle.truncate(this.bytes).catch(() => {})
    }
    await this.handle.close()
  }
}
