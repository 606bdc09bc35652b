/**
 * The main job: reads any mix of inputs, rebuilds the sessions, runs the rules, gives the report. The only code that
 * knows about files and chains at once.
 */
import { statSync } from 'node:fs'
import { basename } from 'node:path'
import { type ExpandedInput, expandInputs } from './capture/expand-inputs.ts'
import type { PacketSink, PacketView } from './capture/packet-view.ts'
import { groupSeries } from './capture/series.ts'
import { isCapture, openCapture, peekFirstPacket } from './capture/source.ts'
import { AnomalyLog } from './core/anomaly.ts'
import { MysqlconnError } from './core/errors.ts'
import { initZstd } from './mysql/zstd.ts'
import type { AnalyzeOptions } from './options.ts'
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
}

/**
 * Analyses captures (files, directories, globs, `-` for stdin). Rejects with a MysqlconnError when the options are wrong
 * or nothing could be read; damaged or foreign inputs beside good ones are named in the report's `inputs`.
 */
export async function analyze(inputs: readonly string[], options: AnalyzeOptions = {}): Promise<Report> {
  if (inputs.length === 0) throw new MysqlconnError('E_USAGE', 'no input: name a capture, a directory, or - for stdin')
  const run = new Run(options)
  const expanded = await expandInputs([...inputs, ...(options.keylogs ?? [])])
  const names = uniqueNames(expanded)
  await initZstd()
  const captures: CaptureFile[] = []
  const others: (() => void)[] = []
  let unreadable: MysqlconnError | null = null
  for (const [i, input] of expanded.entries()) {
    const name = names[i]!
    // A folder is named for its captures; what else lies there (notes, reports) is not an input that failed.
    if (input.kind === 'text' && !input.explicit) continue
    if (input.kind === 'stream' || isCapture(input.kind)) {
      const file = input.kind !== 'stream'
      const first = file && expanded.length > 1 ? await peekFirstPacket(input.path) : null
      captures.push({ path: input.path, name, format: input.kind, first, size: file ? statSync(input.path).size : 0 })
      continue
    }
    const anomalies = new AnomalyLog()
    if (input.kind === 'keylog') anomalies.note('keylog.unread')
    else if (input.kind === 'text') anomalies.note('log.unread')
    else {
      anomalies.note('input.unrecognised', 0, input.hint || 'unknown format')
      unreadable ??= new MysqlconnError(
        'E_INPUT_UNRECOGNISED',
        `${input.path} is ${input.hint || 'neither a capture nor text'}`,
        'captures are pcap or pcapng, also compressed as .gz or .zst',
      )
    }
    const kind = input.kind === 'keylog' ? 'keylog' : 'log'
    const format = input.kind === 'keylog' ? 'nss-keylog' : input.kind === 'text' ? 'text' : 'unknown'
    others.push(() => run.addOther(input.path, name, kind, format, statSync(input.path).size, anomalies))
  }
  if (captures.length === 0) {
    throw (
      unreadable ??
      new MysqlconnError(
        'E_INPUT_UNRECOGNISED',
        'none of the inputs is a capture',
        'this version reads pcap and pcapng; logs are read from 0.2 on',
      )
    )
  }
  const total = captures.reduce((n, c) => n + c.size, 0)
  let done = 0
  for (const group of groupSeries(captures)) {
    if (options.signal?.aborted === true) break
    done = await readGroup(run, group, options, done, total)
  }
  for (const add of others) add()
  if (options.signal?.aborted === true) run.partial = true
  return run.report()
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
  for (const file of group) {
    numbering.begin(file.name)
    const anomalies = new AnomalyLog()
    const capture = await openCapture(file.path, {
      epoch: run.epoch,
      anomalies,
      sink,
      signal: options.signal,
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
