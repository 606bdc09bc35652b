/**
 * A second opinion on a capture: the independent package pcap-parser reads the same bytes, and every frame is compared.
 * It knows classic pcap with microseconds only, says nothing of a truncated tail, and does not recover from damage.
 */
import { createReadStream } from 'node:fs'
import { AnomalyLog } from '../core/anomaly.ts'
import { Epoch, NS_PER_SECOND } from '../core/time.ts'
import { openInput } from './input.ts'
import type { PacketView } from './packet-view.ts'
import { PCAP_MAGIC, PcapReader } from './pcap.ts'

/** A frame as one of the two readers saw it; `hash` is FNV-1a over its bytes. */
export interface FrameDigest {
  unixSeconds: number
  microseconds: number
  capturedLength: number
  originalLength: number
  hash: number
}

export type SecondOpinion =
  | { supported: false; why: string }
  | { supported: true; agrees: true; frames: number }
  | { supported: true; agrees: false; frame: number; ours: FrameDigest | null; theirs: FrameDigest | null }

/** Compares our reading of a file with pcap-parser's; null stands for a frame that only the other one saw. */
export async function secondOpinion(path: string): Promise<SecondOpinion> {
  const input = await openInput(path)
  input.close()
  const why = notSupported(input.kind, input.compression, input.head)
  if (why !== null) return { supported: false, why }
  const { default: pcapParser } = await import('pcap-parser')

  const epoch = new Epoch()
  const waiting: FrameDigest[] = []
  const ours = new PcapReader({
    epoch,
    anomalies: new AnomalyLog(),
    sink: { packet: (p) => waiting.push(digest(p, epoch)) },
  })
  const stream = createReadStream(path)
  return new Promise<SecondOpinion>((resolve, reject) => {
    let agreed = 0
    let rest: Uint8Array = new Uint8Array(0)
    const differ = (mine: FrameDigest | null, theirs: FrameDigest | null): void => {
      stream.destroy()
      resolve({ supported: true, agrees: false, frame: agreed + 1, ours: mine, theirs })
    }
    // We hear each chunk first; pcap-parser then hears it and must find the very frames that wait, neither more nor fewer.
    stream.on('data', (chunk) => {
      if (waiting.length > 0) return differ(waiting[0]!, null)
      const bytes = rest.length === 0 ? (chunk as Buffer) : Buffer.concat([rest, chunk as Buffer])
      const used = ours.feed(bytes, 0, bytes.length)
      rest = bytes.subarray(used)
    })
    stream.on('error', reject)
    stream.on('end', () => {
      if (waiting.length > 0) differ(waiting[0]!, null)
      else resolve({ supported: true, agrees: true, frames: agreed })
    })
    const parser = pcapParser.parse(stream)
    parser.on('packet', ({ header, data }) => {
      const theirs = {
        unixSeconds: header.timestampSeconds,
        microseconds: header.timestampMicroseconds,
        capturedLength: header.capturedLength,
        originalLength: header.originalLength,
        hash: fnv1a(data, 0, data.length),
      }
      const mine = waiting.shift() ?? null
      if (mine === null || !same(mine, theirs)) differ(mine, theirs)
      else agreed++
    })
    parser.on('error', reject)
  })
}

function notSupported(kind: string, compression: string, head: Uint8Array): string | null {
  if (compression !== 'none') return `pcap-parser does not read ${compression} files`
  if (kind !== 'pcap') return `pcap-parser reads classic pcap files only, this is ${kind}`
  const view = new DataView(head.buffer, head.byteOffset, head.length)
  const isUsual =
    head.length >= 4 && [true, false].some((little) => view.getUint32(0, little) === PCAP_MAGIC.microseconds)
  return isUsual ? null : 'pcap-parser reads timestamps in microseconds and the usual record header only'
}

function digest(p: PacketView, epoch: Epoch): FrameDigest {
  const seconds = Math.floor(p.at / NS_PER_SECOND)
  return {
    unixSeconds: epoch.unixSeconds + seconds,
    microseconds: Math.round((p.at - seconds * NS_PER_SECOND) / 1000),
    capturedLength: p.end - p.start,
    originalLength: p.originalLength,
    hash: fnv1a(p.buf, p.start, p.end),
  }
}

function same(a: FrameDigest, b: FrameDigest): boolean {
  // A careless writer's microseconds may exceed a second: the sum counts.
  const seconds = a.unixSeconds - b.unixSeconds
  const time = seconds * 1e6 + a.microseconds - b.microseconds
  return (
    time === 0 && a.capturedLength === b.capturedLength && a.originalLength === b.originalLength && a.hash === b.hash
  )
}

function fnv1a(buf: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ buf[i]!, 0x01000193)
  return hash >>> 0
}
