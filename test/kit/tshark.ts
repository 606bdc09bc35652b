/**
 * tshark as the second opinion of differential tests. Its start costs more than its work on a small file, so many captures are
 * joined end to end (mergecap -a), read once, and the answer is cut apart again by frame counts.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** One frame's fields, in the order asked for; several occurrences of a field are joined with commas. */
export type Row = string[]

const BATCH = 80
const MOST_OUTPUT = 1 << 30

/** Every capture file below `folder`, recognised by content, sorted. */
export function captureFiles(folder: string): string[] {
  const found: string[] = []
  for (const name of readdirSync(folder).sort()) {
    const path = join(folder, name)
    if (statSync(path).isDirectory()) found.push(...captureFiles(path))
    else if (/\.(pcap|pcapng|cap|ntar)(\.gz)?$/.test(name)) found.push(path)
  }
  return found
}

/** The rows of one file that match `filter`; the first field asked for must be frame.number. */
export function tsharkRows(
  path: string,
  filter: string,
  fields: readonly string[],
  options: readonly string[] = [],
): Row[] {
  const args = ['-r', path, '-Y', filter, '-T', 'fields', ...options, ...fields.flatMap((f) => ['-e', f])]
  const out = spawnSync('tshark', args, { encoding: 'utf8', maxBuffer: MOST_OUTPUT }).stdout
  return out.split('\n').flatMap((line) => (line === '' ? [] : [line.split('\t')]))
}

/**
 * The same for many files at once. Files that capinfos reads without complaint are joined; the others are read alone. An IP
 * fragment left over from one file can disturb the next, so a caller who finds a difference should ask `tsharkRows` again.
 */
export function tsharkRowsOfAll(
  paths: readonly string[],
  filter: string,
  fields: readonly string[],
  options: readonly string[] = [],
): Map<string, Row[]> {
  const rows = new Map<string, Row[]>()
  const counts = cleanFrameCounts(paths)
  const folder = mkdtempSync(join(tmpdir(), 'mysqlconn-tshark-'))
  try {
    const clean = paths.filter((p) => counts.has(p))
    for (let i = 0; i < clean.length; i += BATCH) {
      const batch = clean.slice(i, i + BATCH)
      const joined = join(folder, `${i}.pcapng`)
      const merged = spawnSync('mergecap', ['-a', '-w', joined, ...batch])
      if (merged.status !== 0) continue
      split(tsharkRows(joined, filter, fields, options), batch, counts, rows)
      rmSync(joined)
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
  for (const path of paths) if (!rows.has(path)) rows.set(path, tsharkRows(path, filter, fields, options))
  return rows
}

function split(all: Row[], batch: string[], counts: Map<string, number>, into: Map<string, Row[]>): void {
  let next = 0
  let before = 0
  for (const path of batch) {
    const last = before + counts.get(path)!
    const own: Row[] = []
    for (; next < all.length && Number(all[next]![0]) <= last; next++) {
      const row = all[next]!
      own.push([String(Number(row[0]) - before), ...row.slice(1)])
    }
    into.set(path, own)
    before = last
  }
}

function cleanFrameCounts(paths: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  const args = ['-T', '-m', '-r', '-M', '-c', '-K', ...paths]
  const { stdout, stderr } = spawnSync('capinfos', args, { encoding: 'utf8', maxBuffer: MOST_OUTPUT })
  for (const line of stdout.split('\n')) {
    const [path, count] = line.split(',')
    if (path === undefined || count === undefined) continue
    if (!stderr.includes(`"${path}"`)) counts.set(path, Number(count))
  }
  return counts
}
