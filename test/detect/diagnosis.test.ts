/** What a capture says about itself: every limit named with its count, its first frame, its cost and the way to do better. */
import { describe, expect, it } from 'vitest'
import { analyzeBuffer } from '../../src/memory.ts'
import type { AnomalyReport, Report } from '../../src/report/model.ts'
import { capture, type Play, play, rows } from '../kit/play.ts'
import { tlsSession } from '../rules/stories.ts'

const report = (plays: readonly Play[]): Report => analyzeBuffer('p.pcap', capture(plays).bytes)
const anomaly = (r: Report, kind: string): AnomalyReport | undefined =>
  r.inputs[0]!.anomalies.find((a) => a.kind === kind)
const session = (port = 40000): Play =>
  play({ client: `10.0.0.1:${port}` })
    .connect()
    .login()
    .query('SELECT 1', rows(1))
    .wait('1s')
    .query('SELECT 2', rows(40))
    .quit()

/** Leaves out frames of the capture; the hosts had them. */
function without(p: Play, leftOut: (frame: { from: string }, index: number) => boolean): Play {
  const kept = p.wire.frames.filter((f, i) => !leftOut(f, i))
  p.wire.frames.splice(0, p.wire.frames.length, ...kept)
  return p
}

describe('a capture names its limits', () => {
  it('none for a whole one', () => {
    expect(report([session()]).inputs[0]!.anomalies).toEqual([])
  })

  it('one direction only, either of them', () => {
    for (const side of ['client', 'server']) {
      const a = anomaly(report([without(session(), (f) => f.from === side)]), 'capture.one-direction')
      expect(a).toMatchObject({ count: 1, firstFrame: 1 })
      expect(a!.places[0]).toContain(`nothing from the ${side}`)
      expect(a!.better).toContain('both directions')
    }
  })

  it('but an attempt that nobody answered is one', () => {
    const p = play().mute('server').connect()
    const silent = analyzeBuffer('p.pcap', capture([session(40001), p]).bytes)
    expect(anomaly(silent, 'capture.one-direction')).toBeUndefined()
  })

  it('begun in the middle', () => {
    const a = anomaly(report([without(session(), (_, i) => i < 9)]), 'capture.midstream')
    expect(a).toMatchObject({ count: 1, firstFrame: 1, places: ['p.pcap:0'] })
    expect(a!.better).toContain('before the connections open')
  })

  it('segments that the receiver had and the capture has not', () => {
    const whole = session()
    const answer = whole.wire.frames.findLastIndex((f) => f.from === 'server' && f.bytes.length > 100)
    const a = anomaly(report([without(whole, (_, i) => i === answer)]), 'capture.lost-segments')
    expect(a).toMatchObject({ count: 1 })
    expect(a!.places[0]).toMatch(/^p\.pcap:0: \d+ bytes of the server$/)
    expect(a!.better).toContain('-B 65536')
  })

  it('TLS that cannot be read', () => {
    const r = report([tlsSession(), session(40001)])
    expect(anomaly(r, 'capture.tls-no-keys')).toMatchObject({ count: 1 })
    expect(r.summary.blind[0]).toContain('1 of 2 sessions')
  })

  it('traffic without any MySQL', () => {
    const p = play({ server: '10.0.0.2:8080' }).connect()
    p.client.data(new TextEncoder().encode('GET / HTTP/1.1\r\nHost: x\r\n\r\n'))
    p.server.data(new TextEncoder().encode('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'))
    const a = anomaly(report([p]), 'capture.no-mysql')
    expect(a).toMatchObject({ count: 1, places: ['1 TCP connections'] })
    expect(a!.better).toContain('--port')
  })

  it('the first frame is that of the session which began first, whichever ended first', () => {
    const [a, b] = [without(session(), (_, i) => i < 9), without(session(40001), (_, i) => i < 9)]
    expect(anomaly(report([a, b]), 'capture.midstream')).toMatchObject({ count: 2, firstFrame: 1 })
  })
})
