/** Front and back legs of one session: by handshake, by TLS random, by statement, by size and time. */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { analyze } from '../../src/analyze.ts'
import { detect } from '../../src/detect/engine.ts'
import type { Fleet } from '../../src/detect/fleet.ts'
import { analyzeBuffer, analyzeBuffers } from '../../src/memory.ts'
import type { AnalyzeOptions } from '../../src/options.ts'
import type { Report } from '../../src/report/model.ts'
import { capture, type Play, play, rows } from '../kit/play.ts'
import { legs, PROXY_IP, sealedCommand, together } from '../rules/stories.ts'
import { bytes, clientHello, record, sealed, serverHello } from '../tls/kit.ts'
import { sessionsOf } from './kit.ts'

const CAPTURES = resolve(import.meta.dirname, '../../../shared/captures')
const SQL = 'SELECT name FROM user WHERE id = 7'

function report(plays: readonly Play[], options: AnalyzeOptions = {}): Report {
  const r = analyzeBuffer('p.pcap', capture(plays).bytes, options)
  expect(r.bugs ?? []).toEqual([])
  return r
}

/** Front session of the one with this client port, as that one's client port. */
function frontOf(r: Report, port: number): string | null {
  const back = r.sessions.find((s) => s.client.endsWith(`:${port}`))!
  return (
    r.sessions
      .find((s) => s.id === back.legOf)
      ?.client.split(':')
      .at(-1) ?? null
  )
}

const fleetOf = (plays: readonly Play[]): Fleet => {
  const { sessions, epoch } = sessionsOf(plays)
  return detect([], sessions, epoch).fleet
}
const byPort = (f: Fleet, port: number) => f.sessions.find((s) => s.client.endsWith(`:${port}`))!

let legsMade = 0
/** A leg with sequence numbers of its own. */
function leg(client: string, server: string): Play {
  legsMade++
  return play({ client, server, isn: { client: 1000 + 10 * legsMade, server: 1005 + 10 * legsMade } })
}
const frontTo = (port: number): Play =>
  leg(`10.0.0.1:${port}`, `${PROXY_IP}:6033`).connect().login({ serverVersion: '8.0.36-proxysql' })
const backFrom = (port: number): Play => leg(`${PROXY_IP}:${port}`, '10.0.0.2:3306').connect().login()
/** A back leg under TLS, login done. */
function sealedBack(port: number): Play {
  const p = leg(`${PROXY_IP}:${port}`, '10.0.0.2:3306').connect().greet().sslRequest()
  p.client.data(record(22, clientHello({ versions: [0x0304] }), 0x0301))
  p.server.data(bytes(record(22, serverHello()), record(20, Uint8Array.of(1)), sealed(1200), sealed(69)))
  p.client.data(bytes(record(20, Uint8Array.of(1)), sealed(69)))
  p.client.data(sealed(200))
  p.server.data(sealed(35))
  return p
}

/** The statement on the front leg, then on the back leg, and both answers. */
function through(front: Play, back: Play, sql = SQL): void {
  together(front, back)
  front.query(sql)
  together(front, back)
  back.query(sql, rows(1))
  together(front, back)
  front.answer(rows(1))
}

function throughSealed(front: Play, back: Play, sql = SQL): void {
  together(front, back)
  front.query(sql)
  together(front, back)
  back.client.data(sealedCommand(sql.length + 7))
  back.server.data(sealed(120))
  together(front, back)
  front.answer(rows(1))
}

describe('the handshake passes through', () => {
  it('equal scramble and connection id join the legs', () => {
    const l = legs()
    expect(frontOf(report([l.front, l.back]), 50000)).toBe('40000')
  })

  it('a proxy with one address towards each side is told by the order of the handshakes', () => {
    const front = leg('10.0.0.1:4000', '10.0.0.5:3306').connect()
    const back = leg('192.0.2.5:5000', '192.0.2.2:3306')
    together(front, back)
    back.connect().login({ connectionId: 9 })
    together(front, back)
    front.login({ connectionId: 9 })
    const r = report([front, back])
    expect(frontOf(r, 5000)).toBe('4000')
    expect(frontOf(r, 4000)).toBeNull()
  })

  it('a proxy on the same host as client and server is told by who came first', () => {
    const front = leg('127.0.0.1:4000', '127.0.0.1:3307').connect()
    const back = leg('127.0.0.1:5000', '127.0.0.1:3306')
    together(front, back)
    back.connect().login({ connectionId: 9 })
    front.login({ connectionId: 9 })
    const r = report([front, back])
    expect(frontOf(r, 5000)).toBe('4000')
    expect(frontOf(r, 4000)).toBeNull()
  })

  it('two proxies in a row: each leg has the next as its front', () => {
    const hops = [
      leg('10.0.0.1:4000', '10.0.0.5:3306'),
      leg('10.0.0.5:5000', '10.0.0.6:3306'),
      leg('10.0.0.6:6000', '10.0.0.2:3306'),
    ]
    for (const p of hops) {
      p.connect()
      together(...hops)
    }
    for (const p of [...hops].reverse()) {
      p.login({ connectionId: 9 })
      together(...hops)
    }
    const r = report(hops)
    expect([5000, 6000].map((port) => frontOf(r, port))).toEqual(['4000', '5000'])
  })

  it('equal TLS client random joins legs that begin with TLS, and those whose greeting differs', () => {
    const front = leg('10.0.0.1:4000', `${PROXY_IP}:3306`).connect()
    const back = leg(`${PROXY_IP}:5000`, '10.0.0.2:3306').connect()
    for (const [i, p] of [back, front].entries()) {
      p.greet({ connectionId: 100 + i }).sslRequest()
      p.client.data(record(22, clientHello({ versions: [0x0304] }), 0x0301))
      together(front, back)
    }
    expect(frontOf(report([front, back]), 5000)).toBe('4000')
  })
})

describe('a proxy that shares its server connections', () => {
  it('carried the statements of one client: that is its front session', () => {
    const [f, b] = [frontTo(4000), backFrom(5000)]
    through(f, b)
    through(f, b, 'SELECT 2')
    expect(frontOf(report([f, b]), 5000)).toBe('4000')
  })

  it('carried those of two clients: no single one', () => {
    const [f, g, b] = [frontTo(4000), frontTo(4001), backFrom(5000)]
    through(f, b)
    together(f, g, b)
    through(g, b, 'SELECT 2')
    expect(frontOf(report([f, g, b]), 5000)).toBeNull()
  })

  it('legsAround names the back leg by statement, for the moment asked', () => {
    const [f, g, b, c] = [frontTo(4000), frontTo(4001), backFrom(5000), backFrom(5001)]
    together(f, g, b, c)
    through(f, b)
    together(f, g, b, c)
    through(g, c)
    together(f, g, b, c)
    f.query('UPDATE t SET a = 1')
    together(f, g, b, c)
    c.query('UPDATE t SET a = 1')
    c.wait('5ms').client.rst()
    const fleet = fleetOf([f, g, b, c])
    const front = byPort(fleet, 4000)
    const found = fleet.legsAround(front, byPort(fleet, 5001).ending.first!.at)
    expect(found.map((x) => [x.back.client, x.how])).toEqual([[`${PROXY_IP}:5001`, 'text']])
    expect(fleet.frontLeg(byPort(fleet, 5001))).toBe(front)
    expect(fleet.frontLeg(byPort(fleet, 5000))).toBeNull()
  })

  it('a statement tried again on another back leg has two of them, and none is the back leg', () => {
    const [f, b, c] = [frontTo(4000), backFrom(5000), backFrom(5001)]
    together(f, b, c)
    f.query(SQL)
    for (const back of [b, c]) {
      together(f, b, c)
      back.query(SQL).wait('200us').client.fin()
    }
    together(f, b, c)
    f.server.fin()
    const fleet = fleetOf([f, b, c])
    const front = byPort(fleet, 4000)
    expect(fleet.legsAround(front, front.ending.first!.at).map((x) => x.back.client)).toEqual([
      `${PROXY_IP}:5000`,
      `${PROXY_IP}:5001`,
    ])
    expect(fleet.backLeg(front)).toBeNull()
  })

  it('equal statements of two clients at one time are nobody’s for certain', () => {
    const [f, g, b] = [frontTo(4000), frontTo(4001), backFrom(5000)]
    together(f, g, b)
    f.query(SQL)
    g.query(SQL)
    together(f, g, b)
    b.query(SQL).wait('5ms').server.rst()
    const fleet = fleetOf([f, g, b])
    expect(fleet.frontLeg(byPort(fleet, 5000))).toBeNull()
  })

  it('an encrypted back leg is known by size and time', () => {
    const [f, g, b, c] = [frontTo(4000), frontTo(4001), sealedBack(5000), sealedBack(5001)]
    together(f, g, b, c)
    throughSealed(
      g,
      c,
      "INSERT INTO log (text) VALUES ('something much longer than that'), ('and more'), ('and still more of it')",
    )
    together(f, g, b, c)
    f.query(SQL)
    together(f, g, b, c)
    b.client.data(sealedCommand(SQL.length + 7))
    b.wait('3ms').server.fin()
    together(f, b)
    f.server.fin()
    const fleet = fleetOf([f, g, b, c])
    expect(fleet.frontLeg(byPort(fleet, 5000))).toBe(byPort(fleet, 4000))
    expect(fleet.backLeg(byPort(fleet, 4000))).toBe(byPort(fleet, 5000))
    expect(fleet.legsAround(byPort(fleet, 4000), byPort(fleet, 4000).ending.first!.at).map((x) => x.how)).toEqual([
      'size',
    ])
  })

  it('a back leg bound to a client dies with it while idle: the server closed it, and the client’s next statement is lost', () => {
    const [f, g, b, c] = [frontTo(4000), frontTo(4001), backFrom(5000), backFrom(5001)]
    together(f, g, b, c)
    through(f, b, 'BEGIN')
    together(f, g, b, c)
    through(g, c)
    together(f, g, b, c)
    b.wait('2s').server.fin()
    together(f, b)
    f.server.fin()
    f.wait('700ms').query('COMMIT')
    f.server.rst()
    const r = report([f, g, b, c], { rules: ['rst-after-query'] })
    expect(r.findings).toHaveLength(1)
    expect(r.findings[0]).toMatchObject({ culprit: { role: 'server', address: '10.0.0.2' } })
    expect(r.findings[0]!.occurrences.map((o) => o.client)).toEqual(['10.0.0.1:4000', `${PROXY_IP}:5000`])
  })

  it('a back leg that went on to serve another is not the front leg’s', () => {
    const [f, g, b] = [frontTo(4000), frontTo(4001), backFrom(5000)]
    through(f, b)
    together(f, g, b)
    through(g, b, 'SELECT 3')
    together(f, g, b)
    b.server.fin()
    f.wait('1ms').server.fin()
    const fleet = fleetOf([f, g, b])
    expect(fleet.backLeg(byPort(fleet, 4000))).toBeNull()
  })
})

describe('--role', () => {
  it('makes an address a proxy, or says that it is none', () => {
    const l = legs()
    l.front.query(SQL)
    l.front.wait('5ms').server.rst()
    const who = (roles: AnalyzeOptions['roles']) =>
      report([l.front, l.back], { rules: ['rst-after-query'], ...(roles === undefined ? {} : { roles }) }).findings[0]!
        .culprit.role
    expect(who(undefined)).toBe('proxy')
    expect(who({ [PROXY_IP]: 'server' })).toBe('server')
    const direct = play().connect().login().query(SQL)
    direct.wait('5ms').server.rst()
    expect(report([direct], { roles: { '10.0.0.2': 'proxy' } }).findings[0]!.culprit.role).toBe('proxy')
  })

  it('of an input says where it was captured, and unknown names are refused', () => {
    const p = play().connect().login().quit()
    expect(report([p], { roles: { 'p.pcap': 'server' } }).sessions[0]!.vantage).toBe('server')
    expect(() => report([p], { roles: { 'q.pcap': 'server' } })).toThrow(/no input 'q.pcap'/)
  })
})

const tls = join(CAPTURES, 'incidents/tls-haproxy-idle-kill/capture.pcap')
describe.skipIf(!existsSync(tls))(
  `tls-haproxy-idle-kill${existsSync(tls) ? '' : ' (captures are not present)'}`,
  () => {
    it('every server leg has its client leg', async () => {
      const r = await analyze([tls])
      const backs = r.sessions.filter((s) => s.client.startsWith('10.20.0.20:'))
      expect(backs.length).toBeGreaterThan(10)
      expect(backs.filter((s) => s.legOf === null).map((s) => s.id)).toEqual([])
    })
  },
)

const killed = join(CAPTURES, 'proxysql/K1-kill-connection/capture.pcap')
describe.skipIf(!existsSync(killed))(
  `K1-kill-connection${existsSync(killed) ? '' : ' (captures are not present)'}`,
  () => {
    it('the pinned server leg under TLS is that of the client which lost its query', async () => {
      const r = await analyze([killed])
      const back = r.sessions.find((s) => s.client === '10.1.0.20:52464')!
      expect(r.sessions.find((s) => s.id === back.legOf)?.client).toBe('10.1.0.10:56702')
    })
  },
)

describe('the two sides of a proxy in two captures', () => {
  /** Two clients and two server connections of a proxy that shares them; the clock at the server is 7.25 s ahead. */
  function story(statements: readonly string[]): { fronts: Play[]; backs: Play[] } {
    const fronts = [frontTo(40000), frontTo(40001)]
    const backs = [backFrom(50000), backFrom(50001)]
    together(...fronts, ...backs)
    statements.forEach((sql, i) => {
      through(fronts[i % 2]!, backs[(i >> 1) % 2]!, sql)
      together(...fronts, ...backs)
    })
    fronts[0]!.query('UPDATE t SET a = 9')
    together(...fronts, ...backs)
    backs[0]!.query('UPDATE t SET a = 9').wait('30ms').close('server')
    together(...fronts, ...backs)
    fronts[0]!.close('server')
    for (const p of backs) for (const f of p.wire.frames) f.at += 7_250_000
    return { fronts, backs }
  }
  const read = (s: ReturnType<typeof story>): Report =>
    analyzeBuffers([
      { name: 'app.pcap', bytes: capture(s.fronts).bytes },
      { name: 'db.pcap', bytes: capture(s.backs).bytes },
    ])

  it('statements give the offset of the clocks, and join the legs', () => {
    const r = read(story(['SELECT 1', 'SELECT 2', 'SELECT 3', 'SELECT 4', 'SELECT 5', 'SELECT 6']))
    expect(r.inputs.find((i) => i.name === 'db.pcap')!.clockOffsetSeconds).toBeCloseTo(7.25, 2)
    expect(frontOf(r, 50000)).toBe('40000')
    const cut = r.findings.filter((f) => f.rule === 'rst-after-query')
    expect(cut.map((f) => f.culprit.address)).toEqual(['10.0.0.2'])
    expect(cut[0]!.occurrences.map((o) => o.session).sort()).toEqual(['app.pcap:0', 'db.pcap:0'])
  })

  it('two statements in common could be chance: nothing is joined', () => {
    const r = read(story(['SELECT 1']))
    expect(r.inputs.find((i) => i.name === 'db.pcap')!.clockOffsetSeconds).toBeUndefined()
    expect(frontOf(r, 50000)).toBeNull()
  })

  it('the same text again and again says nothing of the clocks', () => {
    const r = read(story(['SELECT 1', 'SELECT 1', 'SELECT 1', 'SELECT 1', 'SELECT 1', 'SELECT 1']))
    expect(r.inputs.find((i) => i.name === 'db.pcap')!.clockOffsetSeconds).toBeUndefined()
  })
})
