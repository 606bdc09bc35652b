/** Logs among the inputs: recognised by their first bytes, read after the captures, whose time tells which events matter most. */
import { type Input, openInput } from './capture/input.ts'
import { AnomalyLog } from './core/anomaly.ts'
import { MysqlconnError } from './core/errors.ts'
import { type Zone, zoneOf } from './logs/clock.ts'
import { detectLog, formatOf } from './logs/detect.ts'
import { LOG_FORMATS } from './logs/index.ts'
import { LogReader } from './logs/source.ts'
import type { AnalyzeOptions } from './options.ts'
import type { Run } from './run.ts'

export interface LogFile {
  path: string
  name: string
  /** Bytes on disk, 0 for a stream. */
  size: number
  /** A stream, opened to see what it holds: it cannot be opened again. */
  input?: Input
}

/** Whether an opened input is a log of a known format. */
export const isLog = (input: Input): boolean => input.kind === 'text' && detectLog(input.head) !== null

/** Reads them into the run, one after another. Returns the bytes read so far over all inputs. */
export async function readLogs(
  run: Run,
  logs: readonly LogFile[],
  zones: ReadonlyMap<string, Zone>,
  options: AnalyzeOptions,
  before: number,
  total: number,
): Promise<number> {
  for (const name of zones.keys()) {
    if (name !== '' && !logs.some((l) => l.name === name))
      throw usage(`--tz: there is no log '${name}'`, `logs: ${logs.map((l) => l.name).join(', ')}`)
  }
  if (logs.length === 0) return before
  const { keep, wanted } = run.beginLogs()
  let done = before
  for (const file of logs) {
    if (options.signal?.aborted === true) break
    const anomalies = new AnomalyLog()
    const input = file.input ?? (await openInput(file.path))
    let dropped = 0
    const reader = new LogReader({
      input: file.name,
      epoch: run.epoch,
      anomalies,
      formats: LOG_FORMATS,
      zone: zones.get(file.name) ?? zones.get('') ?? null,
      // Missing years and dates: near the captures, or near the logs read before.
      near: run.epoch.fixed ? run.epoch.unixSeconds : null,
      onEvent: (event) => {
        if (!keep(event)) dropped++
      },
      wanted,
    })
    const complete = await input.pump(reader, {
      anomalies,
      signal: options.signal,
      onProgress: (bytes) => options.onProgress?.({ bytes: done + bytes, total, sessions: run.sessions, findings: 0 }),
    })
    const { events, skipped } = reader.counts
    dropped += skipped
    if (dropped > 0) anomalies.note('log.events-dropped', 0, `${dropped} of ${events + skipped} entries`)
    if (reader.counts.events === 0) anomalies.note('log.empty')
    const bytes = input.size ?? input.bytesRead
    run.addLog(file.path, file.name, formatOf(reader.counts), bytes, reader.counts, anomalies)
    done += bytes
    if (!complete) {
      run.partial = true
      break
    }
  }
  return done
}

/** `ZONE` for all logs (under the name ''), `NAME=ZONE` for one. */
export function timeZones(given: readonly string[]): ReadonlyMap<string, Zone> {
  const zones = new Map<string, Zone>()
  for (const text of given) {
    const at = text.lastIndexOf('=')
    const zone = zoneOf(text.slice(at + 1))
    if (zone === null)
      throw usage(
        `--tz: '${text.slice(at + 1)}' is no time zone`,
        'write it as +08:00, UTC or Asia/Shanghai, for one log as haproxy.log=+08:00',
      )
    zones.set(text.slice(0, Math.max(0, at)), zone)
  }
  return zones
}

const usage = (message: string, hint: string): MysqlconnError => new MysqlconnError('E_USAGE', message, hint)
