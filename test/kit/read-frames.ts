/**
 * A deliberately plain capture reader for tests of layers above src/capture: the whole file in memory, pcap (both byte orders, µs
 * and ns, the 24-byte records of the modified format) and pcapng (EPB, SPB, obsolete PB), gzip undone first. No recovery: it
 * stops at the first thing it does not understand. An independent second reading of the file formats, not a copy of src/capture.
 */
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import type { PacketSink, PacketView } from '../../src/capture/packet-view.ts'

/** Pushes every frame of the file at `path` into `sink`; returns how many. Times count from the first frame's second. */
export function readFrames(path: string, sink: PacketSink): number {
  let bytes: Uint8Array = readFileSync(path)
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) bytes = gunzipSync(bytes)
  if (bytes.length < 24) return 0
  const magic = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true)
  return magic === 0x0a0d0d0a ? readPcapng(bytes, sink) : readPcap(bytes, sink)
}

function newView(buf: Uint8Array): PacketView {
  return {
    frame: 0,
    at: 0,
    linkType: 0,
    fcsBytes: 0,
    interfaceId: 0,
    buf,
    start: 0,
    end: 0,
    originalLength: 0,
    comment: '',
  }
}

const PCAP_MAGICS = new Map([
  [0xa1b2c3d4, { unit: 1000, record: 16 }],
  [0xa1b23c4d, { unit: 1, record: 16 }],
  [0xa1b2cd34, { unit: 1000, record: 24 }],
])

function readPcap(buf: Uint8Array, sink: PacketSink): number {
  const dv = new DataView(buf.buffer, buf.byteOffset, buf.length)
  const little = PCAP_MAGICS.has(dv.getUint32(0, true))
  const format = PCAP_MAGICS.get(dv.getUint32(0, little))
  if (format === undefined) return 0
  const link = dv.getUint32(20, little)
  const view = newView(buf)
  view.linkType = link & 0xffff
  view.fcsBytes = (link & 0x04000000) !== 0 ? (link >>> 28) * 2 : 0
  let epoch = -1
  for (let at = 24; at + format.record <= buf.length; ) {
    const captured = dv.getUint32(at + 8, little)
    view.start = at + format.record
    view.end = view.start + captured
    if (view.end > buf.length) break
    const seconds = dv.getUint32(at, little)
    if (epoch < 0) epoch = seconds
    view.at = (seconds - epoch) * 1e9 + dv.getUint32(at + 4, little) * format.unit
    view.originalLength = dv.getUint32(at + 12, little)
    view.frame++
    sink.packet(view)
    at = view.end
  }
  return view.frame
}

interface Interface {
  linkType: number
  fcsBytes: number
  /** Nanoseconds per tick. */
  tick: number
  snaplen: number
}

function readPcapng(buf: Uint8Array, sink: PacketSink): number {
  const dv = new DataView(buf.buffer, buf.byteOffset, buf.length)
  const view = newView(buf)
  let interfaces: Interface[] = []
  let little = true
  let epoch = -1
  for (let at = 0; at + 12 <= buf.length; ) {
    const type = dv.getUint32(at, little)
    if (type === 0x0a0d0d0a) {
      little = dv.getUint32(at + 8, true) === 0x1a2b3c4d
      interfaces = []
    }
    const length = dv.getUint32(at + 4, little)
    if (length < 12 || at + length > buf.length) break
    const end = at + length - 4
    if (type === 1) interfaces.push(readInterface(dv, at, end, little))
    const isSimple = type === 3
    if (type === 2 || isSimple || type === 6) {
      const id = type === 6 ? dv.getUint32(at + 8, little) : type === 2 ? dv.getUint16(at + 8, little) : 0
      const on = interfaces[id]
      if (on !== undefined) {
        const ticks = isSimple ? 0 : dv.getUint32(at + 12, little) * 4294967296 + dv.getUint32(at + 16, little)
        const perSecond = 1e9 / on.tick
        const seconds = Math.floor(ticks / perSecond)
        if (epoch < 0) epoch = seconds
        view.at = (seconds - epoch) * 1e9 + (ticks - seconds * perSecond) * on.tick
        view.originalLength = dv.getUint32(at + (isSimple ? 8 : 24), little)
        const captured = isSimple
          ? Math.min(view.originalLength, on.snaplen || view.originalLength, end - at - 12)
          : dv.getUint32(at + 20, little)
        view.start = at + (isSimple ? 12 : 28)
        view.end = view.start + captured
        view.linkType = on.linkType
        view.fcsBytes = on.fcsBytes
        view.interfaceId = id
        view.frame++
        if (view.end <= end) sink.packet(view)
      }
    }
    at += length
  }
  return view.frame
}

function readInterface(dv: DataView, at: number, end: number, little: boolean): Interface {
  const result: Interface = {
    linkType: dv.getUint16(at + 8, little),
    fcsBytes: 0,
    tick: 1000,
    snaplen: dv.getUint32(at + 12, little),
  }
  for (let option = at + 16; option + 4 <= end; ) {
    const code = dv.getUint16(option, little)
    const length = dv.getUint16(option + 2, little)
    if (code === 0) break
    const value = dv.getUint8(option + 4)
    if (code === 9) result.tick = (value & 0x80) !== 0 ? 1e9 / 2 ** (value & 0x7f) : 1e9 / 10 ** value
    if (code === 13) result.fcsBytes = value
    option += 4 + ((length + 3) & ~3)
  }
  return result
}
