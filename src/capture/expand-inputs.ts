/** From the arguments to the files they mean: files, stdin, folders, patterns; each file recognised by its content. */
import { readdirSync, realpathSync, type Stats, statSync } from 'node:fs'
import { join } from 'node:path'
import { MysqlconnError } from '../core/errors.ts'
import type { Compression } from './capture-info.ts'
import { expandPattern, isPattern } from './glob.ts'
import { openInput } from './input.ts'
import { cannotOpen, STDIN } from './raw-input.ts'
import type { ContentKind } from './sniff.ts'
import { isCapture } from './source.ts'

export interface ExpandedInput {
  path: string
  /** What it holds after decompression; 'stream' for stdin, pipes and devices, which only opening can tell. */
  kind: ContentKind | 'stream'
  compression: Compression
  /** For kinds that cannot be read: what it is and what to do. */
  hint: string
  /** Named by the user as a file, not found in a folder or by a pattern: if it cannot be used, that is an error. */
  explicit: boolean
}

/**
 * The inputs, in the order of the arguments; those of one folder or pattern sorted by path. A file is taken once, however often
 * it is named. From folders come captures, key logs and text (logs), not what is hidden, binary or empty.
 * Throws E_INPUT_OPEN for what does not exist or cannot be read, and for folders and patterns without any usable file.
 */
export async function expandInputs(paths: readonly string[]): Promise<ExpandedInput[]> {
  const inputs: ExpandedInput[] = []
  const seen = new Set<string>()
  const add = async (path: string, explicit: boolean): Promise<boolean> => {
    const identity = path === STDIN ? STDIN : realpath(path)
    if (seen.has(identity)) return true
    const one = await recognise(path, explicit)
    if (!explicit && !isUseful(one.kind)) return false
    seen.add(identity)
    inputs.push(one)
    return true
  }
  for (const path of paths) {
    const stat = path === STDIN ? null : statOrPattern(path)
    if (stat === 'pattern') {
      const matches = expandPattern(path)
      if (matches.length === 0) throw new MysqlconnError('E_INPUT_OPEN', `no file matches ${path}`)
      let any = false
      for (const match of matches) {
        const folder = isFolder(match)
        if (!folder) any = (await addFound(add, match)) || any
        else for (const file of filesIn(match)) any = (await addFound(add, file)) || any
      }
      if (!any) throw new MysqlconnError('E_INPUT_OPEN', `no capture, key log or log matches ${path}`)
    } else if (stat?.isDirectory() === true) {
      let any = false
      for (const file of filesIn(path)) any = (await addFound(add, file)) || any
      if (!any) throw new MysqlconnError('E_INPUT_OPEN', `no capture, key log or log in the folder ${path}`)
    } else {
      await add(path, true)
    }
  }
  return inputs
}

/** A file that was only found, not named: if it cannot be read, the others still can. */
async function addFound(add: (path: string, explicit: boolean) => Promise<boolean>, path: string): Promise<boolean> {
  try {
    return await add(path, false)
  } catch (error) {
    if (error instanceof MysqlconnError) return false
    throw error
  }
}

function isUseful(kind: ExpandedInput['kind']): boolean {
  return kind === 'keylog' || kind === 'text' || (kind !== 'stream' && kind !== 'empty' && isCapture(kind))
}

async function recognise(path: string, explicit: boolean): Promise<ExpandedInput> {
  // Opening a pipe to look at it would take its first bytes away.
  if (path === STDIN || !isFile(path)) return { path, kind: 'stream', compression: 'none', hint: '', explicit }
  const { kind, compression, hint } = await closed(path)
  return { path, kind, compression, hint, explicit }
}

async function closed(path: string) {
  const input = await openInput(path)
  input.close()
  return input
}

/** What the path is, or 'pattern' when nothing has this name but it could be a pattern. */
function statOrPattern(path: string): Stats | 'pattern' {
  try {
    return statSync(path)
  } catch (error) {
    if (isPattern(path)) return 'pattern'
    throw cannotOpen(path, error)
  }
}

/** Whether it can be opened, read and opened again. What does not exist may be tried: opening says why not. */
function isFile(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isFile() !== false
  } catch (error) {
    throw cannotOpen(path, error)
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}

/** Regular files in a folder and its subfolders, sorted by path, without hidden ones. Links to folders are not followed. */
function filesIn(folder: string): string[] {
  let listed: ReturnType<typeof list>
  try {
    listed = list(folder)
  } catch (error) {
    throw cannotOpen(folder, error)
  }
  const files: string[] = []
  for (const entry of listed) {
    if (entry.name.startsWith('.')) continue
    const path = join(folder, entry.name)
    if (entry.isDirectory()) files.push(...filesIn(path))
    else if (entry.isFile() || (entry.isSymbolicLink() && statSync(path, { throwIfNoEntry: false })?.isFile() === true))
      files.push(path)
  }
  return files.sort()
}

const list = (folder: string) => readdirSync(folder, { withFileTypes: true })

/** One name for a file that can be reached by several. */
function realpath(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}
