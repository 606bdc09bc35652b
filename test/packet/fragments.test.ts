import { describe, expect, test } from 'vitest'
import { LIMITS } from '../../src/core/limits.ts'
import { eth, ipv4, ipv6, ipv6Fragment, tcp, text } from '../kit/frames.ts'
import { Recorder } from './recorder.ts'

const letters = text('abcdefghijklmnopqrstuvwxyz'.repeat(4))
// From a whole packet, so that the TCP checksum is right when it has been put together again.
const segment = ipv4(tcp({ payload: letters })).subarray(20)
const segment6 = ipv6(tcp({ payload: letters })).subarray(40)

/** The segment cut at the offsets given, as IPv4 fragments. */
function pieces(cuts: number[], id = 7): Uint8Array[] {
  const edges = [0, ...cuts, segment.length]
  return edges.slice(0, -1).map((from, i) =>
    eth(
      ipv4(segment.subarray(from, edges[i + 1]), {
        id,
        fragmentOffset: from,
        moreFragments: i < cuts.length,
      }),
    ),
  )
}

function pieces6(cuts: number[]): Uint8Array[] {
  const edges = [0, ...cuts, segment6.length]
  return edges.slice(0, -1).map((from, i) => {
    const o = { nextHeader: 6, offset: from, more: i < cuts.length, id: 99 }
    return eth(ipv6(ipv6Fragment(segment6.subarray(from, edges[i + 1]), o), { nextHeader: 44 }))
  })
}

const whole = { payload: new TextDecoder().decode(letters), dataLength: letters.length, src: '10.0.0.1:40000' }

describe('fragments', () => {
  test.each([
    ['in order', [0, 1, 2]],
    ['backwards', [2, 1, 0]],
    ['last first', [2, 0, 1]],
  ])('%s: the segment comes with the frame that completes it', (_name, order) => {
    for (const [all, src] of [
      [pieces([16, 64]), '10.0.0.1:40000'],
      [pieces6([16, 64]), '2001:db8::1:40000'],
    ] as const) {
      const r = new Recorder()
      for (const i of order) r.push(all[i]!)
      expect(r.segments).toHaveLength(1)
      expect(r.segments[0]).toMatchObject({ ...whole, src, frame: 3 })
      expect(r.layer).toMatchObject({ frames: 3, tcpSegments: 1, fragments: 2 })
      r.layer.end()
      expect(r.kinds()).toEqual([])
    }
  })

  test('copies of fragments change nothing', () => {
    const r = new Recorder()
    for (const f of pieces([16, 64])) r.push(f).push(f)
    r.layer.end()
    expect(r.segments).toMatchObject([whole])
    expect(r.kinds()).toEqual([])
  })

  test('an identification used again later is another datagram', () => {
    const r = new Recorder()
    for (const at of [0, 0.3e9]) for (const f of pieces([16])) r.push(f, { at })
    expect(r.segments).toHaveLength(2)
  })

  test('overlaps: the first bytes seen win, and it is said', () => {
    const liar = eth(ipv4(text('XXXXXXXX'.repeat(6)), { id: 7, fragmentOffset: 16, moreFragments: true }))
    const [a, b, c] = pieces([16, 64])
    const r = new Recorder().push(a!).push(b!).push(liar).push(c!)
    expect(r.segments).toMatchObject([whole])
    expect(r.kinds()).toEqual(['packet.fragment-overlap'])
  })

  test('a sibling that never comes is said at the end', () => {
    const r = new Recorder().push(pieces([16])[0]!)
    r.layer.end()
    expect(r.segments).toEqual([])
    expect(r.anomalies.list()).toMatchObject([{ kind: 'packet.fragment-incomplete', count: 1, firstFrame: 1 }])
  })

  test('a sibling that comes after 30 s is too late', () => {
    const [a, b] = pieces([16])
    const r = new Recorder().push(a!).push(b!, { at: 31e9 })
    r.layer.end()
    expect(r.segments).toEqual([])
    expect(r.anomalies.list()).toMatchObject([{ kind: 'packet.fragment-incomplete', count: 2 }])
  })

  test('a fragment that reaches beyond 65535 bytes is malformed', () => {
    const r = new Recorder().push(eth(ipv4(new Uint8Array(1000), { fragmentOffset: 65528, moreFragments: false })))
    expect(r.kinds()).toEqual(['packet.malformed'])
  })

  test('memory is bounded: the oldest datagrams make room', () => {
    const r = new Recorder({ ...LIMITS, fragmentBytes: 20_000 })
    for (let id = 1; id <= 100; id++) r.push(pieces([16], id)[0]!)
    for (let id = 1; id <= 100; id++) r.push(pieces([16], id)[1]!)
    expect(r.segments.length).toBeLessThan(10)
    const dropped = r.anomalies.list().find((a) => a.kind === 'packet.fragment-incomplete')
    expect(dropped!.count).toBeGreaterThan(90)
  })
})
