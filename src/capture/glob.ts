/**
 * File name patterns, for shells that did not expand them and for quoted patterns: `*`, `?`, `[a-z]`, `[!a-z]`, `{a,b}` and
 * `**` for any folders. Names that begin with a dot match only a pattern that begins with one.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

/** Whether a path has characters that make it a pattern. */
export const isPattern = (path: string): boolean => /[*?[{]/.test(path)

/** Files that match, sorted. Folders that cannot be read match nothing. */
export function expandPattern(pattern: string): string[] {
  const found = new Set<string>()
  for (const one of expandBraces(pattern)) {
    const parts = one.split('/')
    const absolute = parts[0] === ''
    walk(absolute ? '/' : '', absolute ? parts.slice(1) : parts, found)
  }
  return [...found].sort()
}

function walk(folder: string, parts: readonly string[], found: Set<string>): void {
  const [part, ...rest] = parts
  if (part === undefined) return
  if (part === '' || part === '.' || part === '..') {
    walk(part === '' ? folder : join(folder || '.', part), rest, found)
    return
  }
  if (part === '**') walk(folder, rest, found)
  const matches = part === '**' ? /^[^.]/ : toRegExp(part)
  for (const entry of entries(folder)) {
    if (!matches.test(entry.name)) continue
    const path = folder === '' ? entry.name : join(folder, entry.name)
    if (part === '**') {
      // Links to folders are not followed: they could lead back here.
      if (entry.isDirectory()) walk(path, parts, found)
      else if (rest.length === 0) found.add(path)
    } else if (rest.length > 0) {
      if (entry.isDirectory() || entry.isSymbolicLink()) walk(path, rest, found)
    } else {
      found.add(path)
    }
  }
}

function entries(folder: string) {
  try {
    return readdirSync(folder === '' ? '.' : folder, { withFileTypes: true })
  } catch {
    return []
  }
}

/** `a{b,c}d` is `abd` and `acd`, also nested. Braces without a comma stand for themselves. */
function expandBraces(pattern: string): string[] {
  const group = /\{([^{}]*,[^{}]*)\}/.exec(pattern)
  if (group === null) return [pattern]
  const before = pattern.slice(0, group.index)
  const after = pattern.slice(group.index + group[0].length)
  return group[1]!.split(',').flatMap((choice) => expandBraces(before + choice + after))
}

function toRegExp(part: string): RegExp {
  let source = part.startsWith('.') ? '' : '(?!\\.)'
  for (let i = 0; i < part.length; i++) {
    const c = part[i]!
    if (c === '*') source += '.*'
    else if (c === '?') source += '.'
    else if (c === '[') {
      const close = part.indexOf(']', i + 2)
      if (close < 0) source += '\\['
      else {
        const set = part.slice(i + 1, close).replace(/[\\\]^]/g, '\\$&')
        source += set.startsWith('!') || set.startsWith('\\^') ? `[^${set.replace(/^(?:!|\\\^)/, '')}]` : `[${set}]`
        i = close
      }
    } else source += c.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
  }
  try {
    return new RegExp(`^${source}$`, 's')
  } catch {
    // A range such as [z-a]: no name matches it.
    return /(?!)/
  }
}
