/** `capture info`: what is in one capture file and what it cannot show, with a second opinion when asked for. */

import { secondOpinion } from './capture/second-opinion.ts'
import { openCapture } from './capture/source.ts'
import { AnomalyLog } from './core/anomaly.ts'
import { toSeconds } from './core/time.ts'
import { initZstd } from './mysql/zstd.ts'
import { anomalyReports } from './report/build.ts'
import type { CaptureInfoReport, CrossCheck } from './report/model.ts'
import { Run } from './run.ts'

export interface CaptureInfoOptions {
  /** Also read the file with the independent pcap-parser package and compare frame by frame. */
  crossCheck?: boolean
  /** Server ports to take as MySQL besides what is recognised by content. */
  ports?: readonly number[]
}

export async function captureInfo(path: string, options: CaptureInfoOptions = {}): Promise<CaptureInfoReport> {
  const run = new Run(options.ports === undefined ? {} : { ports: options.ports })
  const anomalies = new AnomalyLog()
  const name = path === '-' ? 'stdin' : path
  const chain = run.chain(name, { locate: (frame) => ({ input: name, frame }) })
  await initZstd()
  const capture = await openCapture(path, {
    epoch: run.epoch,
    anomalies,
    sink: chain.sink,
  })
  await capture.run()
  run.finish(chain)
  const info = capture.info
  run.addCapture(path, name, info, anomalies, chain)
  const report = run.report()
  const servers = new Map<string, CaptureInfoReport['servers'][number]>()
  for (const s of report.sessions) {
    const known = servers.get(s.server) ?? { address: s.server, version: null, sessions: 0, tls: 0 }
    known.version ??= s.mysql?.serverVersion ?? null
    known.sessions++
    if (s.tls !== null) known.tls++
    servers.set(s.server, known)
  }
  const out: CaptureInfoReport = {
    path,
    format: info.format,
    compression: info.compression,
    packets: info.packets,
    bytes: info.bytes,
    firstAt: info.firstAt === null ? null : run.epoch.rfc3339(info.firstAt),
    lastAt: info.lastAt === null ? null : run.epoch.rfc3339(info.lastAt),
    durationSeconds: info.firstAt === null || info.lastAt === null ? 0 : toSeconds(info.lastAt - info.firstAt),
    linkTypes: info.linkTypeNames,
    interfaces: info.interfaces.map((i) => ({
      name: i.name === '' ? null : i.name,
      linkType: i.linkTypeName,
      snaplen: i.snaplen,
      filter: i.filter === '' ? null : i.filter,
      received: i.received,
      dropped: i.dropped,
    })),
    snaplen: info.snaplen,
    cutPackets: info.cutPackets,
    connections: chain.tcp.connections,
    mysqlSessions: chain.sessions.sessions,
    servers: [...servers.values()].sort((a, b) => b.sessions - a.sessions || (a.address < b.address ? -1 : 1)),
    anomalies: anomalyReports(anomalies),
  }
  if (options.crossCheck === true) out.crossCheck = crossCheckReport(await secondOpinion(path))
  return out
}

function crossCheckReport(o: Awaited<ReturnType<typeof secondOpinion>>): CrossCheck {
  if (!o.supported) return { supported: false, why: o.why }
  if (o.agrees) return { supported: true, agrees: true, frames: o.frames }
  const words = (d: typeof o.ours): string =>
    d === null
      ? 'no such frame'
      : `${d.unixSeconds}.${String(d.microseconds).padStart(6, '0')} captured ${d.capturedLength} of ${d.originalLength} bytes, hash ${d.hash.toString(16)}`
  return { supported: true, agrees: false, frame: o.frame, ours: words(o.ours), theirs: words(o.theirs) }
}
