/** Where results go: stdout with back pressure and without complaint about a closed pipe, or a file written at once or not at all. */
import { randomBytes } from 'node:crypto'
import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { MysqlconnError } from '../core/errors.ts'

/** Bytes collected before a write. */
const BATCH = 1 << 16

/** Writes lines to stdout. `mysqlconn ... | head` closes it early: then the rest is not made and nobody is told. */
export async function printLines(lines: Iterable<string>): Promise<void> {
  const out = process.stdout
  let closed = false
  // The error event may come a tick after the callback of the last write, so the handler stays; it holds nothing.
  out.on('error', (e: NodeJS.ErrnoException) => {
    if (e.code !== 'EPIPE') throw e
    closed = true
  })
  await inBatches(lines, async (text) => {
    if (!closed) await new Promise<void>((done) => out.write(text, () => done()))
    return !closed
  })
}

/** Writes a file beside its final place and renames it: readers see the old one or the whole new one. Mode 0600. */
export function writeFileAtomically(path: string, lines: Iterable<string>): Promise<void> {
  return atomically(path, (file) =>
    inBatches(lines, async (text) => {
      await file.writeFile(text)
      return true
    }),
  )
}

/** The same for bytes. */
export function writeBytesAtomically(path: string, bytes: Uint8Array): Promise<void> {
  return atomically(path, (file) => file.writeFile(bytes))
}

async function atomically(path: string, fill: (file: FileHandle) => Promise<void>): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(4).toString('hex')}.tmp`)
  try {
    const file = await open(temporary, 'wx', 0o600)
    try {
      await fill(file)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (e) {
    await rm(temporary, { force: true })
    throw new MysqlconnError(
      'E_OUTPUT',
      `cannot write ${path}: ${(e as Error).message}`,
      'check the folder and its permissions',
      e,
    )
  }
}

async function inBatches(lines: Iterable<string>, write: (text: string) => Promise<boolean>): Promise<void> {
  let batch = ''
  for (const line of lines) {
    batch += `${line}\n`
    if (batch.length < BATCH) continue
    if (!(await write(batch))) return
    batch = ''
  }
  if (batch !== '') await write(batch)
}
