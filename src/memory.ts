/** Analysis of a capture that is already in memory: the same engine, without files. For tests, fuzzing and embedding. */
import { emptyInfo } from './capture/capture-info.ts'
import { PcapReader } from './capture/pcap.ts'
import { PcapngReader } from './capture/pcapng.ts'
import { sniff } from './capture/sniff.ts'
import { AnomalyLog } from './core/anomaly.ts'
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
  for (const { name, bytes } of inputs) read(run, name, bytes)
  return run.report()
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
  const Reader = kind === 'pcap' ? PcapReader : PcapngReader
  const reader = new Reader({ epoch: run.epoch, anomalies, sink: chain.sink })
  const used = reader.feed(bytes, 0, bytes.length)
  reader.finish(bytes, used, bytes.length)
  run.finish(chain)
  const info = reader.info
  info.bytes = bytes.length
  if (info.packets === 0) anomalies.note('capture.empty')
  run.addCapture(name, name, info, anomalies, chain)
}
