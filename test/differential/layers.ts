/** A capture through the packet and tcp layers alone, keeping what tshark can be asked about as well: segments and streams. */
import { createHash, type Hash } from 'node:crypto'
import { openCapture } from '../../src/capture/source.ts'
import { IPV4, Ipv6Table, ipv4Text } from '../../src/core/address.ts'
import { AnomalyLog } from '../../src/core/anomaly.ts'
import type { Direction } from '../../src/core/direction.ts'
import { MysqlconnError } from '../../src/core/errors.ts'
import { LIMITS } from '../../src/core/limits.ts'
import { Epoch } from '../../src/core/time.ts'
import { PacketLayer } from '../../src/packet/packet-layer.ts'
import { FIN, RST, type SegmentView } from '../../src/packet/segment-view.ts'
import type { Connection } from '../../src/tcp/connection.ts'
import type { StreamSink } from '../../src/tcp/stream-sink.ts'
import { TcpLayer } from '../../src/tcp/tcp-layer.ts'

/** One direction of a stream. */
export interface Side {
  /** Payload bytes delivered, and their digest. */
  bytes: number
  sha1: string
  gaps: number
  retransmissions: number
}

export interface Stream {
  stream: number
  /** By sender's `address:port`, so that nothing depends on who was taken for the client. */
  sides: Map<string, Side>
  /** Who sent the first FIN or RST, in which frame; null when nobody did. */
  firstToEnd: { who: string; frame: number } | null
}

export interface Streams {
  /** tcp.stream of every frame with a segment. */
  streamOf: Map<number, number>
  streams: Stream[]
  /** Frames that are copies of a packet captured a moment before. */
  duplicates: Set<number>
}

interface Open {
  conn: Connection
  digests: [Hash, Hash]
  bytes: [number, number]
  gaps: [number, number]
  firstToEnd: Stream['firstToEnd']
}

export async function readStreams(path: string): Promise<Streams> {
  const addresses = new Ipv6Table()
  const address = (family: number, ip: number): string => (family === IPV4 ? ipv4Text(ip) : addresses.text(ip))
  const nameOf = (conn: Connection, side: Direction): string =>
    `${address(conn.family, conn.ips[side])}:${conn.ports[side]}`
  const open: Open[] = []
  const latest = new Map<string, Open>()
  const key = (a: string, b: string): string => (a < b ? `${a} ${b}` : `${b} ${a}`)

  const factory = {
    open(conn: Connection): StreamSink {
      const o: Open = {
        conn,
        digests: [createHash('sha1'), createHash('sha1')],
        bytes: [0, 0],
        gaps: [0, 0],
        firstToEnd: null,
      }
      open.push(o)
      latest.set(key(nameOf(conn, 0), nameOf(conn, 1)), o)
      return {
        data(dir, buf, start, end) {
          o.digests[dir].update(buf.subarray(start, end))
          o.bytes[dir] += end - start
        },
        gap(dir) {
          o.gaps[dir]++
        },
        finished() {},
        reset() {},
        close() {},
      }
    },
  }

  const anomalies = new AnomalyLog()
  const tcp = new TcpLayer(factory, anomalies, LIMITS, { isServerPort: (port) => port === 3306 })
  const streamOf = new Map<number, number>()
  const duplicates = new Set<number>()
  const segment = (s: SegmentView): void => {
    tcp.segment(s)
    const src = `${address(s.family, s.srcIp)}:${s.srcPort}`
    const dst = `${address(s.family, s.dstIp)}:${s.dstPort}`
    const o = latest.get(key(src, dst))!
    streamOf.set(s.frame, o.conn.stream)
    if (s.duplicate) duplicates.add(s.frame)
    else if ((s.flags & (FIN | RST)) !== 0) o.firstToEnd ??= { who: src, frame: s.frame }
  }
  try {
    const sink = new PacketLayer({ segment }, addresses, anomalies, LIMITS)
    const capture = await openCapture(path, { epoch: new Epoch(), anomalies, sink })
    await capture.run()
    capture.close()
    sink.end()
  } catch (error) {
    if (!(error instanceof MysqlconnError)) throw error
  }
  tcp.end()
  const streams = open.map((o): Stream => {
    const side = (dir: Direction): [string, Side] => [
      nameOf(o.conn, dir),
      {
        bytes: o.bytes[dir],
        sha1: o.digests[dir].digest('hex'),
        gaps: o.gaps[dir],
        retransmissions: o.conn.halves[dir].retransmissions,
      },
    ]
    return { stream: o.conn.stream, sides: new Map([side(0), side(1)]), firstToEnd: o.firstToEnd }
  })
  return { streamOf, streams, duplicates }
}
