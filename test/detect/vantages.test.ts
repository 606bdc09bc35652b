/** The same connection in two captures: recognised, put on one clock, and its break told once. */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { analyze } from '../../src/analyze.ts'
import { analyzeBuffers } from '../../src/memory.ts'
import type { AnalyzeOptions } from '../../src/options.ts'
import type { Report, SessionReport } from '../../src/report/model.ts'
import { capture, type Play, play, rows } from '../kit/play.ts'
import type { WireOptions } from '../kit/wire.ts'

const CAPTURES = resolve(import.meta.dirname, '../../../shared/captures')
const START = '2026-01-01T00:00:00.250000Z'

/** START on a clock that is so many milliseconds ahead. */
const ahead = (ms: number): string => new Date(Date.parse(START) + ms).toISOString()

function both(points: readonly { name: string; plays: readonly Play[] }[], options: AnalyzeOptions = {}): Report {
  const report = analyzeBuffers(
    points.map((p) => ({ name: p.name, bytes: capture(p.plays).bytes })),
    options,
  )
  expect(report.bugs ?? []).toEqual([])
  return report
}

const byId = (r: Report, id: string): SessionReport => r.sessions.find((s) => s.id === id)!
const offset = (r: Report, name: string): number | undefined =>
  r.inputs.find((i) => i.name === name)!.clockOffsetSeconds

/** A session cut by the server while a query runs, as seen at one point. */
function cut(o: WireOptions = {}): Play {
  const p = play({ at: START, rtt: '20ms', ...o })
    .connect()
    .login({ connectionId: 77 })
    .query('SELECT 1', rows(1))
  p.wait('1s').query('SELECT SLEEP(9)').wait('300ms')
  p.server.rst()
  return p
}

describe('the same connection', () => {
  it('is found by endpoints and sequence numbers', () => {
    const r = both([
      { name: 'app.pcap', plays: [cut()] },
      { name: 'db.pcap', plays: [cut({ vantage: 'server' })] },
    ])
    expect(byId(r, 'app.pcap:0').sameAs).toEqual(['db.pcap:0'])
    expect(byId(r, 'db.pcap:0').sameAs).toEqual(['app.pcap:0'])
  })

  it('is found behind address translation, where both endpoints differ', () => {
    const r = both([
      { name: 'app.pcap', plays: [cut()] },
      { name: 'db.pcap', plays: [cut({ client: '192.0.2.9:61000', server: '10.9.9.9:3307', vantage: 'server' })] },
    ])
    expect(byId(r, 'app.pcap:0').sameAs).toEqual(['db.pcap:0'])
  })

  it('is found where one capture began later: by its endpoints, at the same time', () => {
    const late = cut({ vantage: 'server' })
    late.wire.frames.splice(0, 8)
    const r = both([
      { name: 'app.pcap', plays: [cut()] },
      { name: 'db.pcap', plays: [late] },
    ])
    expect(byId(r, 'db.pcap:0').mysql?.connectionId ?? null).toBeNull()
    expect(byId(r, 'app.pcap:0').sameAs).toEqual(['db.pcap:0'])
  })

  it('is not found where only the endpoints agree', () => {
    const other = play({ at: START, isn: { client: 5, server: 6 } })
      .connect()
      .login({ connectionId: 78 })
      .query('SELECT 2', rows(1))
      .quit()
    const r = both([
      { name: 'a.pcap', plays: [cut()] },
      { name: 'b.pcap', plays: [other] },
    ])
    expect(r.sessions.map((s) => s.sameAs)).toEqual([[], []])
    expect(offset(r, 'b.pcap')).toBeUndefined()
  })

  it('is not found in the legs of a proxy that passes the greeting on', () => {
    const front = play({ at: START, client: '10.0.0.1:4000', server: '10.0.0.5:3306' })
      .connect()
      .login({ connectionId: 9 })
    const back = play({ at: START, client: '10.0.0.5:5000', server: '10.0.0.2:3306', isn: { client: 7, server: 8 } })
    back.wait('2ms').connect().login({ connectionId: 9 })
    const r = both([
      { name: 'front.pcap', plays: [front] },
      { name: 'back.pcap', plays: [back] },
    ])
    expect(byId(r, 'back.pcap:0').sameAs).toEqual([])
    expect(byId(r, 'back.pcap:0').legOf).toBe('front.pcap:0')
  })

  it('never joins two sessions of one capture', () => {
    const r = both([{ name: 'one.pcap', plays: [cut(), cut({ client: '10.0.0.1:40001', at: ahead(5000) })] }])
    expect(r.sessions.map((s) => s.sameAs)).toEqual([[], []])
  })
})

describe('clocks', () => {
  it('that agree stay as they are', () => {
    const r = both([
      { name: 'app.pcap', plays: [cut()] },
      { name: 'db.pcap', plays: [cut({ vantage: 'server' })] },
    ])
    expect([offset(r, 'app.pcap'), offset(r, 'db.pcap')].map((o) => Math.abs(o!) <= 0.01)).toEqual([true, true])
  })

  it('that differ are measured, and times of sessions are those of the first capture', () => {
    for (const ms of [1800, -86_400_000, 250]) {
      const r = both([
        { name: 'app.pcap', plays: [cut()] },
        { name: 'db.pcap', plays: [cut({ vantage: 'server', at: ahead(ms) })] },
      ])
      expect(offset(r, 'app.pcap')).toBe(0)
      // Half a round trip is the most that it can be wrong.
      expect(Math.abs(offset(r, 'db.pcap')! - ms / 1000)).toBeLessThanOrEqual(0.0101)
      const starts = r.sessions.map((s) => Date.parse(s.startAt))
      expect(Math.abs(starts[0]! - starts[1]!)).toBeLessThanOrEqual(21)
    }
  })

  it('are carried over a third capture that shares connections with both', () => {
    const one = (o: WireOptions) => cut({ client: '10.0.0.1:40001', ...o })
    const two = (o: WireOptions) => cut({ client: '10.0.0.1:40002', isn: { client: 11, server: 12 }, ...o })
    const r = both([
      { name: 'a.pcap', plays: [one({})] },
      { name: 'b.pcap', plays: [one({ at: ahead(3000) }), two({ at: ahead(3000) })] },
      { name: 'c.pcap', plays: [two({ at: ahead(-2000) })] },
    ])
    expect(offset(r, 'b.pcap')).toBeCloseTo(3, 1)
    expect(offset(r, 'c.pcap')).toBeCloseTo(-2, 1)
  })

  it('are set by --clock-offset, which carries over to the others', () => {
    const points = [
      { name: 'app.pcap', plays: [cut()] },
      { name: 'db.pcap', plays: [cut({ vantage: 'server', at: ahead(1000) })] },
    ]
    const r = both(points, { clockOffsets: { 'db.pcap': 5 } })
    expect(offset(r, 'db.pcap')).toBe(5)
    expect(offset(r, 'app.pcap')).toBeCloseTo(4, 1)
    expect(() => both(points, { clockOffsets: { 'dbb.pcap': 5 } })).toThrow(/no input 'dbb.pcap'/)
  })

  it('put right give the session that a right clock gives, in every field', () => {
    const story = (at: string) => [
      cut({ at }),
      play({ at, client: '10.0.0.1:40001' })
        .connect()
        .login({ connectionId: 3 })
        .ping()
        .wait('3s')
        .ping()
        .kill(77)
        .quit(),
    ]
    const right = both([{ name: 'x.pcap', plays: story(START) }])
    const wrong = both([{ name: 'x.pcap', plays: story(ahead(7_250)) }], { clockOffsets: { 'x.pcap': 7.25 } })
    expect(wrong.sessions).toEqual(right.sessions)
    expect(wrong.findings).toEqual(right.findings)
  })
})

describe('one break at two points', () => {
  const points = [
    { name: 'app.pcap', plays: [cut()] },
    { name: 'db.pcap', plays: [cut({ vantage: 'server', at: ahead(60_000) })] },
  ]

  it('is one finding with an occurrence for each, counted once', () => {
    const broken = both(points).findings.filter((f) => f.severity !== 'info')
    expect(broken).toHaveLength(1)
    expect(broken[0]!.occurrences.map((o) => o.session)).toEqual(['app.pcap:0', 'db.pcap:0'])
    expect(broken[0]!.title).not.toMatch(/\b2 (connections|commands)/)
  })

  it('is the same finding as from one of them', () => {
    const alone = both(points.slice(0, 1)).findings.filter((f) => f.severity !== 'info')
    const twice = both(points).findings.filter((f) => f.severity !== 'info')
    expect(twice.map((f) => f.id)).toEqual(alone.map((f) => f.id))
  })
})

const three = join(CAPTURES, 'proxysql/T-three-vantages')
describe.skipIf(!existsSync(three))(`T-three-vantages${existsSync(three) ? '' : ' (captures are not present)'}`, () => {
  it('every connection of the outer captures is one of the proxy’s', async () => {
    const r = await analyze(['capture.pcap', 'capture-db.pcap', 'capture-c1.pcap'].map((f) => join(three, f)))
    const outer = r.sessions.filter((s) => !s.id.startsWith('capture.pcap:'))
    expect(outer.length).toBe(24)
    for (const s of outer) {
      expect(s.sameAs, s.id).toHaveLength(1)
      const twin = byId(r, s.sameAs[0]!)
      expect([twin.client, twin.server]).toEqual([s.client, s.server])
    }
    expect(r.inputs.map((i) => i.clockOffsetSeconds)).toEqual([0, 0, 0])
  })
})
