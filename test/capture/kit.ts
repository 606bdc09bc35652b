/** Shared by the capture tests: reads bytes or files and remembers every frame. */
import type { CaptureInfo } from '../../src/capture/capture-info.ts'
import type { ByteConsumer, ReaderOptions } from '../../src/capture/frame-output.ts'
import type { PacketView } from '../../src/capture/packet-view.ts'
import { PcapReader } from '../../src/capture/pcap.ts'
import { PcapngReader } from '../../src/capture/pcapng.ts'
import { openCapture } from '../../src/capture/source.ts'
import { type Anomaly, AnomalyLog } from '../../src/core/anomaly.ts'
import { Epoch, NS_PER_SECOND } from '../../src/core/time.ts'

export interface SeenFrame {
  frame: number
  /** Unix time as "seconds.nanoseconds", exact. */
  time: string
  linkType: number
  fcsBytes: number
  interfaceId: number
  originalLength: number
  comment: string
  /** Captured bytes, in hex. */
  bytes: string
}

export interface Reading {
  frames: SeenFrame[]
  info: CaptureInfo
  anomalies: readonly Anomaly[]
  secrets: string[]
  epoch: Epoch
}

export function unixTime(epoch: Epoch, at: number): string {
  const seconds = Math.floor(at / NS_PER_SECOND)
  return `${epoch.unixSeconds + seconds}.${String(at - seconds * NS_PER_SECOND).padStart(9, '0')}`
}

function recorder() {
  const epoch = new Epoch()
  const anomalies = new AnomalyLog()
  const frames: SeenFrame[] = []
  const secrets: string[] = []
  const sink = {
    packet(p: PacketView): void {
      frames.push({
        frame: p.frame,
        time: unixTime(epoch, p.at),
        linkType: p.linkType,
        fcsBytes: p.fcsBytes,
        interfaceId: p.interfaceId,
        originalLength: p.originalLength,
        comment: p.comment,
        bytes: Buffer.from(p.buf.subarray(p.start, p.end)).toString('hex'),
      })
    },
  }
  const options: ReaderOptions = { epoch, anomalies, sink, onSecrets: (text) => secrets.push(text) }
  return { epoch, anomalies, frames, secrets, options }
}

/** Reads a file in memory, in chunks of the given sizes (then of the last size); one chunk if none are given. */
export function readBytes(
  format: 'pcap' | 'pcapng',
  file: Uint8Array,
  chunks: readonly number[] = [file.length],
): Reading {
  const { epoch, anomalies, frames, secrets, options } = recorder()
  const reader: ByteConsumer & { info: CaptureInfo } =
    format === 'pcap' ? new PcapReader(options) : new PcapngReader(options)
  let start = 0
  let end = 0
  for (let i = 0; end < file.length; i++) {
    end = Math.min(file.length, end + Math.max(1, chunks[Math.min(i, chunks.length - 1)]!))
    const used = reader.feed(file, start, end)
    if (used < 0 || start + used > end) throw new Error(`feed used ${used} of ${end - start} bytes`)
    start += used
  }
  reader.finish(file, start, end)
  return { frames, info: reader.info, anomalies: anomalies.list(), secrets, epoch }
}

export async function readFile(path: string, chunkBytes?: number): Promise<Reading> {
  const { epoch, anomalies, frames, secrets, options } = recorder()
  const capture = await openCapture(path, { ...options, chunkBytes })
  await capture.run()
  return { frames, info: capture.info, anomalies: anomalies.list(), secrets, epoch }
}

export const kinds = (reading: Reading): string[] => reading.anomalies.map((a) => a.kind)

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts))
}

/** A classic pcap file of these packets, field by field, so that every header can be wrong. */
export interface PcapSpec {
  magic?: number
  little?: boolean
  version?: [number, number]
  snaplen?: number
  linkWord?: number
}

export function pcapHeader(spec: PcapSpec = {}): Uint8Array {
  const little = spec.little ?? true
  const bytes = new Uint8Array(24)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, spec.magic ?? 0xa1b2c3d4, little)
  view.setUint16(4, spec.version?.[0] ?? 2, little)
  view.setUint16(6, spec.version?.[1] ?? 4, little)
  view.setUint32(16, spec.snaplen ?? 65535, little)
  view.setUint32(20, spec.linkWord ?? 1, little)
  return bytes
}

export interface RecordSpec {
  seconds: number
  fraction?: number
  data: Uint8Array
  captured?: number
  original?: number
  little?: boolean
  /** Bytes of the record header: 24 in modified files. */
  header?: number
}

export function pcapRecord(spec: RecordSpec): Uint8Array {
  const header = spec.header ?? 16
  const little = spec.little ?? true
  const bytes = new Uint8Array(header + spec.data.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, spec.seconds, little)
  view.setUint32(4, spec.fraction ?? 0, little)
  view.setUint32(8, spec.captured ?? spec.data.length, little)
  view.setUint32(12, spec.original ?? spec.data.length, little)
  bytes.set(spec.data, header)
  return bytes
}

export const bytesOf = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value)
