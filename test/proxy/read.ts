/** Frames of a recording as plain objects: link type raw IP, as the proxy writes it. */
import { PcapngReader } from '../../src/capture/pcapng.ts'
import { AnomalyLog } from '../../src/core/anomaly.ts'
import { Epoch } from '../../src/core/time.ts'
import { tcpChecksumOk } from '../../src/packet/checksum.ts'

export interface Frame {
  at: number
  unixMs: number
  interfaceId: number
  src: number
  dst: number
  /** Port of the side that listens: the lower-numbered SYN decides, so here the destination of the connection's first frame. */
  serverPort: number
  fromClient: boolean
  seq: number
  ack: number
  flags: string
  window: number
  payload: Buffer
  originalLength: number
  comment: string
  checksumOk: boolean
}

const LETTERS = ['F', 'S', 'R', 'P', 'A']

export function frames(bytes: Uint8Array, anomalies = new AnomalyLog()): Frame[] {
  const out: Frame[] = []
  const servers = new Map<string, number>()
  const epoch = new Epoch()
  const reader = new PcapngReader({
    epoch,
    anomalies,
    sink: {
      packet: (p) => {
        const b = Buffer.from(p.buf.subarray(p.start, p.end))
        const v6 = b[0]! >> 4 === 6
        const tcp = v6 ? 40 : 20
        const src = b.readUInt16BE(tcp)
        const dst = b.readUInt16BE(tcp + 2)
        const key = [src, dst].sort().join()
        const bits = b[tcp + 13]!
        if ((bits & 0x12) === 2) servers.set(key, dst)
        const serverPort = servers.get(key) ?? Math.min(src, dst)
        out.push({
          at: p.at,
          unixMs: epoch.unixSeconds * 1000 + p.at / 1e6,
          interfaceId: p.interfaceId,
          src,
          dst,
          serverPort,
          fromClient: dst === serverPort,
          seq: b.readUInt32BE(tcp + 4),
          ack: b.readUInt32BE(tcp + 8),
          flags: LETTERS.filter((_, i) => (bits & (1 << i)) !== 0).join(''),
          window: b.readUInt16BE(tcp + 14),
          payload: b.subarray(tcp + (b[tcp + 12]! >> 4) * 4),
          originalLength: p.originalLength,
          comment: p.comment,
          checksumOk: tcpChecksumOk(b, tcp, b.length, v6 ? 6 : 4, b, v6 ? 8 : 12),
        })
      },
    },
  })
  const used = reader.feed(bytes, 0, bytes.length)
  reader.finish(bytes, used, bytes.length)
  return out
}
