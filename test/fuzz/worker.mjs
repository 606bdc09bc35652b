/** Analyses mutants one after the other and tells the main thread, which watches for hangs. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { parentPort, workerData } from 'node:worker_threads'
import { Random } from '../../bench/random.mjs'
import { corpus } from './corpus.mjs'
import { failure, minimise } from './judge.mjs'
import { mutant } from './mutations.mjs'

const REPORT_EVERY = 1000
const SLOW_MS = 2000
/** No capture of 256 KB may cost this much memory. */
const JUMP_BYTES = 256e6

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc')

const { folder, seed, from, to, beat, module } = workerData
const { analyzeBuffer } = await import(module)
const captures = corpus(folder)
const iteration = new Int32Array(beat)

/** What the reports held, so that a run that read nothing cannot pass for a good one. */
const seen = { captures: 0, packets: 0, sessions: 0, findings: 0, anomalies: 0 }
const tally = (report) => {
  const input = report.inputs[0]
  if (input?.kind === 'capture') seen.captures++
  seen.packets += input?.packets ?? 0
  seen.anomalies += input?.anomalies.length ?? 0
  seen.sessions += report.sessions.length
  seen.findings += report.findings.length
}

for (let i = from; i < to; i++) {
  const random = new Random(seed * 0x9e3779b1 + i)
  const { bytes, steps } = mutant(captures, random)
  Atomics.store(iteration, 0, i)
  const memoryBefore = process.memoryUsage.rss()
  const began = performance.now()
  const failed = failure(analyzeBuffer, bytes, tally)
  const ms = performance.now() - began
  const jump = process.memoryUsage.rss() - memoryBefore

  if (failed !== null) {
    const smallest = minimise(analyzeBuffer, bytes, failed.signature)
    parentPort.postMessage({ type: 'failure', i, steps, bytes, smallest, ...failed })
  }
  // A busy machine also makes slow: only what is slow twice counts.
  if (ms > SLOW_MS && timed(bytes) > SLOW_MS) {
    parentPort.postMessage({
      type: 'failure',
      kind: 'hang',
      i,
      steps,
      bytes,
      signature: `${Math.round(ms)} ms`,
      stack: '',
    })
  }
  if (jump > JUMP_BYTES) {
    const signature = `${Math.round(jump / 1e6)} MB for one capture of ${bytes.length} bytes`
    parentPort.postMessage({ type: 'failure', kind: 'memory', i, steps, bytes, signature, stack: '' })
  }
  if ((i - from + 1) % REPORT_EVERY === 0 || i === to - 1) {
    gc()
    parentPort.postMessage({ type: 'progress', i: i + 1, bytes: process.memoryUsage.rss(), seen: { ...seen } })
    for (const key of Object.keys(seen)) seen[key] = 0
  }
}

function timed(bytes) {
  const began = performance.now()
  failure(analyzeBuffer, bytes)
  return performance.now() - began
}
