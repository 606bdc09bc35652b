/**
 * The main job: reads any mix of inputs, rebuilds the sessions, runs the rules, gives the report. The only code that
 * knows about files and chains at once.
 */
import { statSync } from 'node:fs'
import { basename } from 'node:path'
import { type ExpandedInput, expandInputs } from './capture/expand-inputs.ts'
import { type Input, openInput } from './capture/input.ts'
import type { PacketSink, PacketView } from './capture/packet-view.ts'
import { groupSeries } from './capture/series.ts'
import { isCapture, openCapture, peekFirstPacket } from './capture/source.ts'
import { AnomalyLog } from './core/anomaly.ts'
import { MysqlconnError } from './core/errors.ts'
import { readKeyLog, readRsaKey } from './key-inputs.ts'
import { initZstd } from './mysql/zstd.ts'
import type { AnalyzeOptions } from './options.ts'
import { readConfigs } from './read-configs.ts'
import { isLog, type LogFile, readLogs, timeZones } from './read-logs.ts'
import type { Report } from './report/model.ts'
import { Run } from './run.ts'
import type { FrameMap } from './session/session.ts'

interface CaptureFile {
  path: string
  name: string
  format: string
  first: { unixSeconds: number; nanoseconds: number } | null
  /** Bytes on disk, 0 for a stream. */
  size: number
  /** A stream is opened once, to see what it holds. */
  input?: Input
}

/**
 * Analyses captures and logs (files, directories, globs, `-` for stdin). Rejects with a MysqlconnError when the options are wrong
 * or nothing could be read; damaged or foreign inputs beside good ones are named in the report's `inputs`.
 */
export async function analyze(inputs: readonly string[], options: AnalyzeOptions = {}): Promise<Report> {
  if (inputs.length === 0) throw new MysqlconnError('E_USAGE', 'no input: name a capture, a directory, or - for stdin')
  const run = new Run(options)
  // What is wrong with the options shows before hours of reading.
  const configs = readConfigs(options.configs ?? [])
  const zones = timeZones(options.timeZones ?? [])
  for (const path of options.rsaKeys ?? []) readRsaKey(path, run.keys)
  const { expanded, keyLogPaths } = await withKeyLogs(inputs, options)
  const names = uniqueNames(expanded)
  await initZstd()
  const captures: CaptureFile[] = []
  const logs: LogFile[] = []
  const others: (() => void)[] = []
  let unreadable: MysqlconnError | null = null
  for (const [i, input] of expanded.entries()) {
    const name = names[i]!
    // Keys before captures, in whatever order they were named.
    if (input.kind === 'keylog' || keyLogPaths.has(input.path)) {
      const log = await readKeyLog(input.path, name, run.keys)
      others.push(() => run.addKeyLog(log))
      continue
    }
    if (input.kind === 'stream') {
      const stream = await openInput(input.path)
      if (isLog(stream)) logs.push({ path: input.path, name, size: 0, input: stream })
      else captures.push({ path: input.path, name, format: input.kind, first: null, size: 0, input: stream })
      continue
    }
    if (input.kind === 'text') {
      const text = await openInput(input.path)
      text.close()
      if (isLog(text)) logs.push({ path: input.path, name, size: text.size ?? 0 })
      // A folder is named for its captures and logs; what else lies there (notes, reports) is not an input that failed.
      if (isLog(text) || !input.explicit) continue
    }
    if (isCapture(input.kind)) {
      const first = expanded.length > 1 ? await peekFirstPacket(input.path) : null
      captures.push({ path: input.path, name, format: input.kind, first, size: statSync(input.path).size })
      continue
    }
    const anomalies = new AnomalyLog()
    if (input.kind === 'text') anomalies.note('log.unread')
    else {
      anomalies.note('input.unrecognised', 0, input.hint || 'unknown format')
      unreadable ??= new MysqlconnError(
        'E_INPUT_UNRECOGNISED',
        `${input.path} is ${input.hint || 'neither a capture nor text'}`,
        'captures are pcap or pcapng, also compressed as .gz or .zst',
      )
    }
    const format = input.kind === 'text' ? 'text' : 'unknown'
    others.push(() => run.addOther(input.path, name, 'log', format, statSync(input.path).size, anomalies))
  }
  if (captures.length === 0 && logs.length === 0) {
    throw (
      unreadable ??
      new MysqlconnError(
        'E_INPUT_UNRECOGNISED',
        'none of the inputs is a capture or a log of a known format',
        'captures are pcap or pcapng; docs/formats.md lists the logs',
      )
    )
  }
  const logBytes = logs.reduce((n, l) => n + l.size, 0)
  const { done, total } = await readCaptures(run, groupSeries(captures), options, logBytes)
  if (!run.partial) await readLogs(run, logs, zones, options, done, total)
  for (const add of others) add()
  run.addConfigs(configs)
  if (options.signal?.aborted === true) run.partial = true
  return run.report()
}

/**
 * Reads everything once, and again what has missed keys that came later: in a Decryption Secrets Block behind the packets, or
 * in another capture. Looking through every file for such blocks first would cost all runs what only few need. `behind`: bytes
 * of the inputs that come after, for the progress.
 */
async function readCaptures(
  run: Run,
  groups: readonly CaptureFile[][],
  options: AnalyzeOptions,
  behind: number,
): Promise<{ done: number; total: number }> {
  let total = groups.flat().reduce((n, c) => n + c.size, behind)
  let done = 0
  const read: { group: CaptureFile[]; at: number; missed: ReadonlySet<string> }[] = []
  for (const group of groups) {
    if (options.signal?.aborted === true) break
    const at = run.inputs.length
    done = await readGroup(run, group, options, done, total)
    read.push({ group, at, missed: run.keys.takeMissed() })
  }
  for (const { group, at, missed } of read) {
    if (options.signal?.aborted === true) break
    const late = [...missed].filter((random) => run.keys.find(random, false) !== null).length
    if (late === 0) continue
    const first = run.inputs[at]!
    if (group.some((f) => f.format === 'stream')) {
      run.lateKeys(first, late)
      continue
    }
    run.forget(first)
    const end = run.inputs.length
    total += group.reduce((n, c) => n + c.size, 0)
    done = await readGroup(run, group, options, done, total)
    const again = run.inputs.splice(end)
    run.inputs.splice(at, group.length, ...again)
  }
  return { done, total }
}

/** The inputs with the key logs among them: what --keylog names is one whatever it looks like, and is expanded like an input. */
async function withKeyLogs(
  inputs: readonly string[],
  options: AnalyzeOptions,
): Promise<{ expanded: ExpandedInput[]; keyLogPaths: ReadonlySet<string> }> {
  const keyLogs = options.keylogs ?? []
  const expanded = await expandInputs([...inputs, ...keyLogs])
  const named = keyLogs.length === 0 ? [] : await expandInputs(keyLogs)
  return { expanded, keyLogPaths: new Set(named.map((k) => k.path)) }
}

/** Reads the files of one series through one chain: connections go on from file to file. Returns the bytes read so far. */
async function readGroup(
  run: Run,
  group: readonly CaptureFile[],
  options: AnalyzeOptions,
  before: number,
  total: number,
): Promise<number> {
  const numbering = new SeriesNumbering()
  const chain = run.chain(group[0]!.name, numbering)
  const sink = group.length === 1 ? chain.sink : numbering.over(chain.sink)
  const read: { file: CaptureFile; info: Parameters<Run['addCapture']>[2]; anomalies: AnomalyLog }[] = []
  let done = before
  const secrets = run.keys.begin()
  for (const file of group) {
    numbering.begin(file.name)
    const anomalies = new AnomalyLog()
    const capture = await openCapture(file.input ?? file.path, {
      epoch: run.epoch,
      anomalies,
      sink,
      signal: options.signal,
      onSecrets: (text) => run.keys.addText(secrets, text),
      onProgress: (bytes) => options.onProgress?.({ bytes: done + bytes, total, sessions: run.sessions, findings: 0 }),
    })
    const complete = await capture.run()
    read.push({ file, info: capture.info, anomalies })
    done += capture.info.bytes
    if (!complete) {
      run.partial = true
      break
    }
  }
  run.finish(chain)
  read.forEach((r, i) => {
    run.addCapture(r.file.path, r.file.name, r.info, r.anomalies, i === 0 ? chain : null)
  })
  return done
}

/** Frames of a series are numbered through, and led back to file and number when they are shown. */
class SeriesNumbering implements FrameMap {
  private readonly files: { name: string; base: number }[] = []
  private last = 0

  begin(name: string): void {
    this.files.push({ name, base: this.last })
  }

  /** A sink that renumbers what passes to `next`. The view is reused, so its number is put back. */
  over(next: PacketSink): PacketSink {
    return {
      packet: (p: PacketView) => {
        const own = p.frame
        p.frame = own + this.files.at(-1)!.base
        this.last = p.frame
        next.packet(p)
        p.frame = own
      },
    }
  }

  locate(frame: number): { input: string; frame: number } {
    let i = this.files.length - 1
    while (i > 0 && frame <= this.files[i]!.base) i--
    const file = this.files[i]!
    return { input: file.name, frame: frame - file.base }
  }
}

/** File names, told apart where they repeat: by as much of their folder as it takes. */
export function uniqueNames(inputs: readonly ExpandedInput[]): string[] {
  const names = inputs.map((i) => (i.path === '-' ? 'stdin' : basename(i.path)))
  const seen = new Map<string, number>()
  for (const n of names) seen.set(n, (seen.get(n) ?? 0) + 1)
  return names.map((n, i) => (seen.get(n) === 1 ? n : inputs[i]!.path))
}
