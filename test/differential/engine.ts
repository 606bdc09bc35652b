/** One capture through the whole engine, in process, with what a report does not say of its segments. */
import { openCapture } from '../../src/capture/source.ts'
import { AnomalyLog } from '../../src/core/anomaly.ts'
import { initZstd } from '../../src/mysql/zstd.ts'
import { RST } from '../../src/packet/segment-view.ts'
import type { Report } from '../../src/report/model.ts'
import { Run } from '../../src/run.ts'

export interface Examined {
  report: Report
  /** Frames with a RST segment, copies of a packet captured twice included. */
  resetFrames: number[]
}

/** Rejects with a MysqlconnError when the file is no capture. */
export async function examine(path: string): Promise<Examined> {
  await initZstd()
  const name = path.split('/').at(-1)!
  const run = new Run({})
  const anomalies = new AnomalyLog()
  const chain = run.chain(name, { locate: (frame) => ({ input: name, frame }) })
  const resetFrames: number[] = []
  const segment = chain.tcp.segment.bind(chain.tcp)
  chain.tcp.segment = (s) => {
    if ((s.flags & RST) !== 0) resetFrames.push(s.frame)
    segment(s)
  }
  const capture = await openCapture(path, { epoch: run.epoch, anomalies, sink: chain.sink })
  await capture.run()
  run.finish(chain)
  run.addCapture(path, name, capture.info, anomalies, chain)
  capture.close()
  return { report: run.report(), resetFrames }
}
