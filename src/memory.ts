/** Analysis of a capture that is already in memory: the same engine, without files. For tests, fuzzing and embedding. */
import { emptyInfo } from './capture/capture-info.ts'
import { PcapReader } from './capture/pcap.ts'
import { PcapngReader } from './capture/pcapng.ts'
import { sniff } from './capture/sniff.ts'
import { AnomalyLog } from './core/anomaly.ts'
import { decodeText } from './core/bytes.ts'
import type { AnalyzeOptions } from './options.ts'
import type { Report } from './report/model.ts'
import { Run } from './run.ts'

/**
 * Analyses the bytes of one uncompressed capture. `name` is what session ids begin with. Bytes that are no capture give a
 * report that says so. Synchronous: zstd-compressed MySQL needs `initZstd()` beforehand.
 */
export function analyzeBuffer(name: string, bytes: Uint8Array, options: AnalyzeOptions = {}): Report {
  return analyzeBuffers([{ name, bytes }], options)
}

/** The same for several captures, as `analyze` takes several files; their names must differ. */
export function analyzeBuffers(
  inputs: readonly { name: string; bytes: Uint8Array }[],
  options: AnalyzeOptions = {},
): Report {
  const run = new Run(options)
  const captures: typeof inputs = inputs.filter(({ name, bytes }) => !readKeys(run, name, bytes))
  for (const { name, bytes } of captures) readWithKeys(run, name, bytes)
  return run.report()
}

/** Key logs first, as in `analyze`. */
function readKeys(run: Run, name: string, bytes: Uint8Array): boolean {
  if (sniff(bytes).kind !== 'keylog') return false
  const source = run.keys.begin()
  run.keys.addText(source, decodeText(bytes, 0, bytes.length))
  run.addKeyLog({ path: name, name, bytes: bytes.length, source: run.keys.sources[source]! })
  return true
}

/** Reads a capture, and again when its secrets lie behind the packets that need them. */
function readWithKeys(run: Run, name: string, bytes: Uint8Array): void {
  const at = run.inputs.length
  read(run, name, bytes)
  if (![...run.keys.takeMissed()].some((random) => run.keys.find(random, false) !== null)) return
  run.forget(run.inputs[at]!)
  run.inputs.length = at
  read(run, name, bytes)
}

function read(run: Run, name: string, bytes: Uint8Array): void {
  const anomalies = new AnomalyLog()
  const kind = sniff(bytes).kind
  if (kind !== 'pcap' && kind !== 'pcapng') {
    if (kind === 'empty') {
      anomalies.note('capture.empty')
      run.addCapture(name, name, emptyInfo(), anomalies, null)
    } else {
      anomalies.note('input.unrecognised')
      run.addOther(name, name, 'log', kind, bytes.length, anomalies)
    }
    return
  }
  const chain = run.chain(name, { locate: (frame) => ({ input: name, frame }) })
  const secrets = run.keys.begin()
  const Reader = kind === 'pcap' ? PcapReader : PcapngReader
  const reader = new Reader({
    epoch: run.epoch,
    anomalies,
    sink: chain.sink,
    onSecrets: (text) => run.keys.addText(secrets, text),
  })
  const used = reader.feed(bytes, 0, bytes.length)
  reader.finish(bytes, used, bytes.length)
  run.finish(chain)
  const info = reader.info
  info.bytes = bytes.length
  if (info.packets === 0) anomalies.note('capture.empty')
  run.addCapture(name, name, info, anomalies, chain)
}
