/**
 * A recording in one file, or in a ring of files named as dumpcap names them (name_00001_20261121120000.pcapng), so that they are
 * read as one series. Each file stands alone: header, interfaces, and the TLS secrets of sessions that are still open.
 */
import { createReadStream, createWriteStream } from 'node:fs'
import { rename, rm, stat } from 'node:fs/promises'
import { extname } from 'node:path'
import { promises } from 'node:stream'
import { createGzip } from 'node:zlib'
import type { RecordingSink, StageFacts } from './recorder.ts'
import { RecordingFile } from './recording-file.ts'

export interface FileSinkOptions {
  path: string
  /** Files that are kept, and the size and age at which the next one begins; null: one file. */
  ring: { files: number; bytes: number; seconds: number } | null
  gzip: boolean
  /** Blocks at the head and at the end of every file. */
  head(): Uint8Array
  tail(): Uint8Array
  unixMs(): number
  /** A file was finished (and its path is final), or removed to stay within the ring. */
  onFile(what: 'opened' | 'closed' | 'removed' | 'compress-failed', path: string): void
}

export class FileSink implements RecordingSink {
  private file: RecordingFile | null = null
  private openedMs = 0
  private number = 0
  private turnWanted = false
  private readonly options: FileSinkOptions
  /** Finished files, the oldest first. */
  private readonly done: string[] = []
  private compressing: Promise<void> = Promise.resolve()

  constructor(options: FileSinkOptions) {
    this.options = options
  }

  get path(): string | null {
    return this.file?.path ?? null
  }

  /** Begins the first file at once, so that a wrong path is known before any traffic. */
  async open(): Promise<void> {
    await this.next()
  }

  /** The next stage goes into a new file (SIGHUP). */
  rotate(): void {
    this.turnWanted = true
  }

  async write(blocks: Uint8Array, _about: StageFacts): Promise<void> {
    if (this.file === null || this.due(blocks.length)) await this.next()
    await this.file!.write(blocks)
  }

  /** Closes the file; more blocks begin the next one. */
  async pause(): Promise<void> {
    await this.finish(this.options.gzip)
  }

  async end(): Promise<void> {
    await this.finish(false)
    await this.compressing
  }

  private due(more: number): boolean {
    if (this.turnWanted) return true
    const { ring } = this.options
    if (ring === null || this.file === null) return false
    if (ring.seconds > 0 && this.options.unixMs() - this.openedMs >= ring.seconds * 1000) return true
    return this.file.bytes + more > ring.bytes
  }

  private async next(): Promise<void> {
    await this.finish(this.options.gzip)
    this.turnWanted = false
    this.number++
    this.openedMs = this.options.unixMs()
    const { ring } = this.options
    const numbered = ring !== null || this.number > 1
    const wanted = numbered ? ringName(this.options.path, this.number, this.openedMs) : this.options.path
    this.file = await createBeside(wanted)
    await this.file.write(this.options.head())
    this.options.onFile('opened', this.file.path)
    if (ring !== null) await this.makeRoom(ring.files)
  }

  private async finish(gzip: boolean): Promise<void> {
    const { file } = this
    if (file === null) return
    this.file = null
    await file.close(this.options.tail())
    this.options.onFile('closed', file.path)
    this.done.push(file.path)
    if (gzip) this.compressing = this.compressing.then(() => this.compress(file.path))
  }

  /** Removes the oldest files: the ring holds those finished and the one being written. */
  private async makeRoom(files: number): Promise<void> {
    while (this.done.length + 1 > files) {
      const oldest = this.done.shift()!
      await rm(oldest, { force: true })
      await rm(`${oldest}.gz`, { force: true })
      this.options.onFile('removed', oldest)
    }
  }

  /** Beside the traffic: zlib works in threads of its own. The original goes only when the copy is complete. */
  private async compress(path: string): Promise<void> {
    const part = `${path}.gz.part`
    try {
      await promises.pipeline(
        createReadStream(path),
        createGzip({ level: 1 }),
        createWriteStream(part, { mode: 0o600 }),
      )
      if (!this.done.includes(path)) {
        await rm(part, { force: true })
        return
      }
      await rename(part, `${path}.gz`)
      await rm(path, { force: true })
    } catch {
      await rm(part, { force: true }).catch(() => {})
      this.options.onFile('compress-failed', path)
    }
  }
}

/** name.pcapng -> name_00001_20261121120000.pcapng, in UTC. */
export function ringName(path: string, number: number, unixMs: number): string {
  const ending = extname(path)
  const stem = ending === '' ? path : path.slice(0, -ending.length)
  const when = new Date(unixMs).toISOString().replace(/[-:T]/g, '').slice(0, 14)
  return `${stem}_${String(number).padStart(5, '0')}_${when}${ending}`
}

/** The file of this name, or where it exists with a number: someone in a hurry who starts again loses nothing. */
async function createBeside(path: string): Promise<RecordingFile> {
  const ending = extname(path)
  const stem = ending === '' ? path : path.slice(0, -ending.length)
  for (let n = 1; ; n++) {
    const name = n === 1 ? path : `${stem}-${n}${ending}`
    try {
      return await RecordingFile.create(name)
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code !== 'EEXIST' || n > 999) throw e
      // A pipe or a device that exists is meant.
      if (!(await stat(name)).isFile()) throw e
    }
  }
}
