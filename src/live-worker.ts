/** The thread of the live analysis: blocks and ticks in, findings out. See live.ts. */
import { parentPort, workerData } from 'node:worker_threads'
import { LiveAnalysis, type LiveOptions } from './live-analysis.ts'
import { initZstd } from './mysql/zstd.ts'

export type ToWorker = { blocks: Uint8Array } | { tick: number } | { end: true }
export type FromWorker =
  | { finding: import('./live-analysis.ts').LiveFinding }
  | { done: number }
  | { ended: true; bugs: number }

const port = parentPort!
const send = (m: FromWorker): void => port.postMessage(m)
await initZstd()
const live = new LiveAnalysis(workerData as LiveOptions, (finding) => send({ finding }))

port.on('message', (m: ToWorker) => {
  if ('blocks' in m) {
    live.feed(m.blocks)
    send({ done: m.blocks.length })
  } else if ('tick' in m) live.tick(m.tick)
  else {
    live.end()
    send({ ended: true, bugs: live.bugs })
    port.close()
  }
})
