/** The bounds of the session builder: memory follows the open connections, whatever comes. */
import { describe, expect, it } from 'vitest'
import { PcapReader } from '../../src/capture/pcap.ts'
import { Ipv6Table } from '../../src/core/address.ts'
import { AnomalyLog } from '../../src/core/anomaly.ts'
import { LIMITS, type Limits } from '../../src/core/limits.ts'
import { Epoch } from '../../src/core/time.ts'
import { PacketLayer } from '../../src/packet/packet-layer.ts'
import { SessionBuilder } from '../../src/session/builder.ts'
import type { Session } from '../../src/session/session.ts'
import { TcpLayer } from '../../src/tcp/tcp-layer.ts'
import { KeyStore } from '../../src/tls/key-store.ts'
import { capture, err, type Play, play, rows, working } from '../rules/kit.ts'

/** The chain as src/chain.ts wires it, with bounds of the test's own. */
function build(plays: Play | Play[], limits: Partial<Limits> = {}) {
  const all = { ...LIMITS, ...limits }
  const anomalies = new AnomalyLog()
  const ipv6 = new Ipv6Table()
  const sessions: Session[] = []
  const isMysqlPort = (port: number): boolean => port === 3306
  const files = { locate: (frame: number) => ({ input: 'x', frame }) }
  const builder = new SessionBuilder(
    { input: 'x', files, isMysqlPort, trace: null, onSession: (s) => sessions.push(s), keys: new KeyStore(16) },
    ipv6,
    anomalies,
    all,
  )
  const tcp = new TcpLayer(builder, anomalies, all, { isServerPort: isMysqlPort })
  const packets = new PacketLayer(tcp, ipv6, anomalies, all)
  const { bytes } = capture(plays)
  const reader = new PcapReader({ epoch: new Epoch(), anomalies, sink: packets })
  reader.finish(bytes, reader.feed(bytes, 0, bytes.length), bytes.length)
  packets.end()
  tcp.end()
  builder.end()
  return { sessions, anomalies, builder, tcp }
}

const many = (n: number, story: (p: Play) => Play): Play[] =>
  Array.from({ length: n }, (_, i) => story(play({ client: `10.0.0.1:${40000 + i}` })))

describe('builder', () => {
  it('makes one session per connection, with nothing left open', () => {
    const { sessions, tcp } = build(many(50, (p) => p.connect().login().query('SELECT 1', rows(1)).quit()))
    expect(sessions.length).toBe(50)
    expect(tcp.held).toBe(0)
    expect(new Set(sessions.map((s) => s.id)).size).toBe(50)
  })

  it('keeps connection attempts up to its limit, and says when there were more', () => {
    const { sessions, anomalies } = build(
      many(30, (p) => p.refuse()),
      { healthySessions: 10 },
    )
    expect(sessions.length).toBe(10)
    expect(anomalies.has('us.limit')).toBe(true)
  })

  it('keeps the first and the last errors of a session, and counts all', () => {
    const p = working()
    for (let i = 0; i < 200; i++) p.query(`SELECT ${i}`, err(1064, '42000', `no ${i}`))
    const [s] = build(p.quit()).sessions
    expect(s!.mysql!.errors).toEqual([{ code: 1064, count: 200, message: 'no 0' }])
    expect(s!.mysql!.errorFacts.length).toBeLessThanOrEqual(16)
    expect(s!.mysql!.errorFacts[0]!.statement).toBe('SELECT 0')
    expect(s!.mysql!.errorFacts.at(-1)!.statement).toBe('SELECT 199')
  })

  it('bounds what hostile sessions can pile up: KILLs, pipelined commands, prepared statements', () => {
    const p = working()
    for (let i = 0; i < 300; i++) p.query(`KILL ${i + 1}`)
    for (let i = 0; i < 400; i++) p.prepare(`SELECT ${i}`, i)
    const [s] = build(p).sessions
    expect(s!.mysql!.kills.length).toBeLessThanOrEqual(64)
    expect(s!.timeline.length).toBeLessThanOrEqual(LIMITS.timelineHead + LIMITS.timelineTail)
  })

  it('keeps no timeline for sessions in which nothing went wrong', () => {
    const [s] = build(working().query('SELECT 1', rows(1)).quit()).sessions
    expect(s!.timeline).toEqual([])
  })
})
