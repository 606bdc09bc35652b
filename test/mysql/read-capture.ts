/** Captures through the capture, packet and tcp layers into one conversation per connection. */
import { openCapture } from '../../src/capture/source.ts'
import { Ipv6Table } from '../../src/core/address.ts'
import { AnomalyLog } from '../../src/core/anomaly.ts'
import { LIMITS } from '../../src/core/limits.ts'
import { Epoch } from '../../src/core/time.ts'
import { MysqlConversation } from '../../src/mysql/conversation.ts'
import { PacketLayer } from '../../src/packet/packet-layer.ts'
import type { Connection } from '../../src/tcp/connection.ts'
import type { StreamSink } from '../../src/tcp/stream-sink.ts'
import { TcpLayer } from '../../src/tcp/tcp-layer.ts'
import { Recorder } from './recorder.ts'

const PORTS = new Set([3306])

export interface Story {
  stream: number
  heard: Recorder
  conversation: MysqlConversation
}

/** Reads a capture to the end; one story per connection that is MySQL. */
export async function read(path: string): Promise<{ stories: Story[]; anomalies: AnomalyLog }> {
  const anomalies = new AnomalyLog()
  const stories: Story[] = []
  const ipv6 = new Ipv6Table()
  const factory = {
    open(conn: Connection): StreamSink {
      const heard = new Recorder()
      const assumeMysql = PORTS.has(conn.ports[1])
      const conversation = new MysqlConversation(heard, anomalies, { assumeMysql }, () => conn.flip())
      stories.push({ stream: conn.stream, heard, conversation })
      return conversation
    },
  }
  const tcp = new TcpLayer(factory, anomalies, LIMITS, {
    isServerPort: (p) => PORTS.has(p) || p === 6033 || p === 6446,
  })
  const sink = new PacketLayer(tcp, ipv6, anomalies, LIMITS)
  const capture = await openCapture(path, { epoch: new Epoch(), anomalies, sink })
  await capture.run()
  capture.close()
  tcp.end()
  return { stories, anomalies }
}
