/** The bytes of an input as they are stored, from a file or a stream; the errors of opening and reading it in plain words. */
import { closeSync, fstatSync, openSync, read, readSync, type Stats } from 'node:fs'
import process from 'node:process'
import { MysqlconnError } from '../core/errors.ts'

/** The name of standard input among the inputs. */
export const STDIN = '-'

/** A file or stream. A stream's first bytes are kept, so that it can be recognised and then read. */
export class RawInput {
  readonly path: string
  readonly size: number | null
  /** A file that can be read synchronously and again. */
  readonly regular: boolean
  /** Bytes handed out since `rewind`. */
  position = 0
  private fd: number
  private kept = new Uint8Array(0)
  /** Chunks of standard input, and what is left of the last one. */
  private chunks: AsyncIterator<Buffer> | null = null
  private rest: Uint8Array = new Uint8Array(0)

  constructor(path: string) {
    this.path = path
    let stat: Stats
    try {
      this.fd = path === STDIN ? 0 : openSync(path, 'r')
      stat = fstatSync(this.fd)
    } catch (error) {
      throw cannotOpen(path, error)
    }
    if (stat.isDirectory()) {
      this.close()
      throw new MysqlconnError('E_INPUT_OPEN', `cannot read ${path}: it is a directory`)
    }
    // Redirected stdin (`< file`) may stand at any offset: read it as a stream.
    this.regular = stat.isFile() && path !== STDIN
    this.size = this.regular ? stat.size : null
  }

  rewind(): void {
    this.position = 0
  }

  /** At least `wanted` first bytes if there are as many; fewer when `enough` is content with what has come in. */
  async head(wanted: number, enough: (head: Uint8Array) => boolean): Promise<Uint8Array> {
    let size = this.kept.length
    const head = new Uint8Array(Math.max(wanted, size))
    head.set(this.kept)
    while (size < wanted && !enough(head.subarray(0, size))) {
      const bytes = this.regular ? this.readAt(head, size, size) : await this.receive(head, size)
      if (bytes === 0) break
      size += bytes
    }
    this.kept = head.subarray(0, size)
    return this.kept
  }

  headBytes(): Uint8Array {
    return this.kept
  }

  /** Fills `into` from `at` on; 0 at the end. Regular files only. */
  readNow(into: Uint8Array, at: number): number {
    const bytes = this.readAt(into, at, this.position)
    this.position += bytes
    return bytes
  }

  private readAt(into: Uint8Array, at: number, position: number): number {
    try {
      return readSync(this.fd, into, at, into.length - at, position)
    } catch (error) {
      throw cannotOpen(this.path, error)
    }
  }

  /** As readNow, for streams: first what was kept, then what comes. */
  async readLater(into: Uint8Array, at: number): Promise<number> {
    let bytes: number
    if (this.position < this.kept.length) {
      const kept = this.kept.subarray(this.position, this.position + into.length - at)
      into.set(kept, at)
      bytes = kept.length
    } else {
      bytes = await this.receive(into, at)
    }
    this.position += bytes
    return bytes
  }

  private async receive(into: Uint8Array, at: number): Promise<number> {
    if (this.path === STDIN) return this.receiveStdin(into, at)
    const answer = await new Promise<number | NodeJS.ErrnoException>((resolve) => {
      read(this.fd, into, at, into.length - at, null, (error, bytes) => resolve(error ?? bytes))
    })
    if (typeof answer === 'number') return answer
    throw cannotOpen(this.path, answer)
  }

  /** Standard input as a stream: a blocking read of it could not be given up when the user interrupts. */
  private async receiveStdin(into: Uint8Array, at: number): Promise<number> {
    this.chunks ??= process.stdin[Symbol.asyncIterator]() as AsyncIterator<Buffer>
    if (this.rest.length === 0) {
      try {
        const next = await this.chunks.next()
        if (next.done === true) return 0
        this.rest = next.value
      } catch (error) {
        throw cannotOpen(this.path, error)
      }
    }
    const bytes = Math.min(this.rest.length, into.length - at)
    into.set(this.rest.subarray(0, bytes), at)
    this.rest = this.rest.subarray(bytes)
    return bytes
  }

  close(): void {
    if (this.fd > 0) closeSync(this.fd)
    if (this.chunks !== null) process.stdin.destroy()
    this.fd = -1
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of the path is not a directory',
  EMFILE: 'too many open files',
  EIO: 'the device reports an error',
  ELOOP: 'too many symbolic links',
}

/** E_INPUT_OPEN in plain words. */
export function cannotOpen(path: string, error: unknown): MysqlconnError {
  const { code, message } = error as NodeJS.ErrnoException
  const what = path === STDIN ? 'standard input' : path
  const hint = code === 'ENOENT' ? 'check the path; a pattern such as *.pcap must match at least one file' : undefined
  return new MysqlconnError('E_INPUT_OPEN', `cannot open ${what}: ${REASONS[code ?? ''] ?? message}`, hint, error)
}
