/** Sessions of plays as the engine sees them, for tests that ask the fleet and not the report. */
import { PcapReader } from '../../src/capture/pcap.ts'
import { Chain } from '../../src/chain.ts'
import { AnomalyLog } from '../../src/core/anomaly.ts'
import { Epoch } from '../../src/core/time.ts'
import type { Session } from '../../src/session/session.ts'
import { KeyStore } from '../../src/tls/key-store.ts'
import { capture, type Play } from '../kit/play.ts'

/** All sessions of these plays, read as one capture. */
export function sessionsOf(
  plays: readonly Play[],
  input = 'p.pcap',
): { sessions: Session[]; epoch: Epoch; anomalies: AnomalyLog } {
  const { bytes } = capture(plays)
  const sessions: Session[] = []
  const epoch = new Epoch()
  const chain = new Chain({
    input,
    files: { locate: (frame) => ({ input, frame }) },
    ports: [],
    trace: null,
    keys: new KeyStore(16),
    onSession: (s) => sessions.push(s),
  })
  const reader = new PcapReader({ epoch, anomalies: new AnomalyLog(), sink: chain.sink })
  reader.finish(bytes, reader.feed(bytes, 0, bytes.length), bytes.length)
  chain.end()
  sessions.sort((a, b) => a.stream - b.stream)
  return { sessions, epoch, anomalies: chain.anomalies }
}
