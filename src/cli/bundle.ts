/**
 * `analyze --bundle incident.zip`: everything that somebody else needs to look into it, in one file: the report to read, the facts
 * to compute with, the frames of each finding, how it was made, and the hashes of what was read and of what is in it.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { MysqlconnError } from '../core/errors.ts'
import { formatById } from '../report/formats.ts'
import type { Finding, Report } from '../report/model.ts'
import { redactReport } from '../report/redact.ts'
import { makeStyle } from '../report/style.ts'
import { count, shellWord } from '../report/words.ts'
import { type ZipEntry, zip } from './zip.ts'

/** Findings whose frames are taken along, the gravest first. */
const SLICES = 20
const FILES = ['report.html', 'report.md', 'report.txt', 'facts.ndjson'] as const
const FORMAT: Record<(typeof FILES)[number], string> = {
  'report.html': 'html',
  'report.md': 'markdown',
  'report.txt': 'text',
  'facts.ndjson': 'ndjson',
}
const STYLE = makeStyle({ color: 'never', isTTY: true, columns: 100, env: { LC_ALL: 'C.UTF-8' } })

export interface BundleRequest {
  report: Report
  /** The command line as it was typed, without the program. */
  args: readonly string[]
  /** Literals replaced, slices anonymised, keys left out. */
  redact: boolean
  /** Cuts the frames of a finding; null where the inputs cannot be read again. */
  slice:
    | ((finding: Finding) => Promise<{ files: { input: string; bytes: Uint8Array }[]; reproduces: boolean | null }>)
    | null
}

export async function bundle(request: BundleRequest): Promise<Uint8Array> {
  const report = request.redact ? redactReport(request.report) : request.report
  const entries: ZipEntry[] = FILES.map((name) => ({
    name,
    bytes: Buffer.from(`${[...formatById(FORMAT[name])!.render(report, STYLE)].join('\n')}\n`),
  }))
  const notes: string[] = []
  const causes = request.report.findings.filter((f) => f.severity !== 'info')
  for (const f of causes.slice(0, SLICES)) entries.push(...(await slices(f, request, notes)))
  if (causes.length > SLICES) notes.push(`the frames of ${count(causes.length - SLICES, 'more finding')} are not here`)
  const manifest = {
    tool: report.tool,
    command: ['mysqlconn', ...request.args].map(shellWord).join(' '),
    redacted: request.redact,
    partial: report.partial,
    inputs: await Promise.all(
      report.inputs.map(async (i) => ({
        path: i.path,
        bytes: i.bytes,
        sha256: i.path === '-' ? null : await fileHash(i.path),
      })),
    ),
    files: entries.map((e) => ({ name: e.name, bytes: e.bytes.length, sha256: hash(e.bytes) })),
    notes,
  }
  const readme = { name: 'README.txt', bytes: Buffer.from(readmeText(request, notes, entries)) }
  const facts = { name: 'manifest.json', bytes: Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`) }
  return zip([readme, facts, ...entries])
}

async function slices(f: Finding, request: BundleRequest, notes: string[]): Promise<ZipEntry[]> {
  if (request.slice === null) {
    notes.push(`no frames of ${f.id}: standard input cannot be read again`)
    return []
  }
  try {
    const made = await request.slice(f)
    if (made.reproduces === false) notes.push(`the frames of ${f.id} alone do not give it again`)
    const base = `frames/${f.id.replace(/[^\w.-]+/g, '-')}`
    return made.files.map((file, i) => ({
      name: `${base}${made.files.length > 1 ? `-${i + 1}` : ''}.pcapng`,
      bytes: file.bytes,
    }))
  } catch (e) {
    // What cannot be cut (too large, compressed and to be anonymised) must not cost the rest.
    if (!(e instanceof MysqlconnError)) throw e
    notes.push(`no frames of ${f.id}: ${e.message}`)
    return []
  }
}

function readmeText(request: BundleRequest, notes: readonly string[], entries: readonly ZipEntry[]): string {
  const { redact, report } = request
  return `${[
    'What mysqlconn found, to look into it.',
    '',
    '  report.html     to read: open it in a browser, it needs no network',
    '  report.md, .txt the same for a ticket or a terminal',
    '  facts.ndjson    the facts, one JSON object a line (mysqlconn schema)',
    '  frames/         the frames of each finding, for mysqlconn analyze and Wireshark',
    '  manifest.json   command line, version, SHA-256 of the inputs and of these files',
    '',
    redact
      ? 'Literals of SQL statements are replaced by ?. In frames/ addresses, names, literals and credentials are pseudonyms, so they\ndo not match those in the reports; stream and frame numbers are those of the slices.'
      : 'Not redacted: statements, names and frames are as they were captured. Pass it on with care.',
    ...(report.partial ? ['', 'Partial: the run broke off.'] : []),
    ...(notes.length > 0 ? ['', ...notes.map((n) => `- ${n}`)] : []),
    '',
    `${count(entries.length, 'file')}, made by mysqlconn ${report.tool.version}.`,
  ].join('\n')}\n`
}

const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

async function fileHash(path: string): Promise<string | null> {
  const sum = createHash('sha256')
  try {
    for await (const chunk of createReadStream(path)) sum.update(chunk as Uint8Array)
  } catch {
    return null
  }
  return sum.digest('hex')
}
