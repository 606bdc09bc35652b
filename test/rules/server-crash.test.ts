/** server-crash: everything of one server closed at once, then refused or begun anew. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { analyze } from '../../src/analyze.ts'
import { CAPTURES } from '../kit/require.ts'
import { innocent } from './incidents.ts'
import { expectQuiet, judge, type Play, play, rows, SERVER_IP, says, working } from './kit.ts'
import { legs, PROXY_IP, together } from './stories.ts'

const RULE = 'server-crash'

/** A session of its own, ids counting up. */
const session = (n: number, o: Parameters<typeof play>[0] = {}): Play =>
  play({ client: `10.0.0.1:4200${n}`, at: `2026-01-01T00:00:00.${n}00Z`, ...o })
    .connect()
    .login({ connectionId: 500 + n })
    .query('SELECT 1', rows(1))

/** All of these closed by the server's kernel within microseconds. */
function dies(plays: readonly Play[], how: 'fin' | 'rst' = 'fin'): number {
  together(...plays)
  for (const p of plays) p.as(`close of ${p.wire.client.endpoint.port}`).server[how]()
  return Math.max(...plays.map((p) => p.wire.now))
}
const stamp = (us: number): string => new Date(us / 1000).toISOString()

/** One busy, one idle for longer, and what follows the crash. */
function crash(how: 'fin' | 'rst' = 'fin'): { plays: Play[]; at: number } {
  const busy = session(1)
  const idle = session(2)
  busy.wait('2s').query('UPDATE t SET a = 1')
  const at = dies([busy, idle], how)
  return { plays: [busy, idle], at }
}
const refusedAt = (us: number): Play => play({ client: '10.0.0.1:43000', at: stamp(us) }).refuse()
const backAt = (us: number, connectionId: number): Play =>
  play({ client: '10.0.0.1:43001', at: stamp(us) })
    .connect()
    .login({ connectionId })
    .query('SELECT 1', rows(1))
    .quit()

describe('the process is gone', () => {
  it.each(['fin', 'rst'] as const)('%s on all connections, then refused', (how) => {
    const { plays, at } = crash(how)
    const j = judge([...plays, refusedAt(at + 500_000)])
    const f = j.only(RULE)
    expect(f).toMatchObject({
      severity: 'error',
      confidence: 'likely',
      culprit: { role: 'server', address: SERVER_IP },
      detail: { closed: 2, refused: 1, restarted: false },
    })
    expect(f.occurrences.map((o) => o.command)).toEqual(['COM_QUERY', null])
    expect(says(j, f.occurrences[0]!, 'close of 42001')).toContain('the first close')
    expect(j.of('rst-after-query')).toEqual([])
  })

  it('connection ids begin anew: another process', () => {
    const { plays, at } = crash()
    const j = judge([...plays, backAt(at + 4_000_000, 8)])
    expect(j.only(RULE)).toMatchObject({ confidence: 'likely', detail: { restarted: true, refused: 0 } })
    expect(j.only(RULE).title).toContain('back 4.0')
  })

  it('a proxy passes it on: both legs are occurrences of one finding', () => {
    const a = legs({ id: 700, port: 40001 })
    const b = legs({ id: 701, port: 40002 })
    for (const l of [a, b]) {
      l.front.query('SELECT 1')
      together(l.front, l.back)
      l.back.query('SELECT 1')
    }
    together(a.back, b.back)
    for (const l of [a, b]) l.back.wait('800ms').server.fin()
    for (const l of [a, b]) {
      together(l.front, l.back)
      l.front.server.fin()
    }
    const at = a.front.wire.now
    const refused = play({ client: `${PROXY_IP}:50009`, server: `${SERVER_IP}:3306`, at: stamp(at + 200_000) }).refuse()
    const f = judge([a.front, a.back, b.front, b.back, refused]).only(RULE)
    expect(f.culprit.address).toBe(SERVER_IP)
    expect(f.occurrences).toHaveLength(4)
  })
})

describe('stays quiet', () => {
  it('KILL of one connection while others live on', () => {
    const victim = session(1).wait('1s').query('SELECT SLEEP(9)').wait('200ms').close('server')
    const other = session(2).wait('2s').query('SELECT 2', rows(1)).quit()
    expect(judge([victim, other]).of(RULE)).toEqual([])
  })

  it('pooled connections whose idle timer ran out in the same moment', () => {
    const pool = [1, 2, 3].map((n) => session(n))
    together(...pool)
    for (const p of pool) p.query('SELECT 1', rows(1)).wait('10s').close('server')
    const later = backAt(pool[0]!.wire.now + 60_000_000, 3)
    expect(judge([...pool, later]).of(RULE)).toEqual([])
  })

  it('a server that said 1053 or closed in sequence (server-shutdown)', () => {
    const { plays, at } = crash()
    const late = session(3)
    late.wait(`${at + 3_000_000 - late.wire.now}us`).close('server')
    const j = judge([...plays, late, refusedAt(at + 500_000)])
    expect(j.of(RULE)).toEqual([])
    expect(j.only('server-shutdown').detail['sign']).toBe('refused-first')
  })

  it('a proxy that closed its clients (proxy-shutdown)', () => {
    const { front, back } = legs()
    front.query('SELECT 1')
    together(front, back)
    back.query('SELECT 1').wait('1.3s').client.fin()
    together(front, back)
    front.server.fin()
    const refused = play({
      client: '10.0.0.1:43000',
      server: `${PROXY_IP}:3306`,
      at: stamp(front.wire.now + 300_000),
    }).refuse()
    const j = judge([front, back, refused])
    expect(j.of(RULE)).toEqual([])
    expect(j.only('proxy-shutdown').culprit).toMatchObject({ role: 'proxy', address: PROXY_IP })
  })

  it('COM_QUIT', () => {
    const a = session(1).quit()
    const b = session(2).quit()
    expectQuiet(judge([a, b, backAt(a.wire.now + 9_000_000, 3)]), RULE)
  })

  it('an address with several servers behind it: ids jump all the time', () => {
    const ids = [900, 20, 905, 24]
    const before = ids.map((connectionId, n) =>
      play({ client: `10.0.0.1:4210${n}`, at: `2026-01-01T00:00:0${n}Z` })
        .connect()
        .login({ connectionId })
        .query('SELECT 1', rows(1))
        .quit(),
    )
    const cut = session(9, { at: '2026-01-01T00:00:06Z' }).query('SELECT SLEEP(3)').wait('1s').close('server')
    const after = backAt(cut.wire.now + 1_000_000, 25)
    expect(judge([...before, cut, after]).of(RULE)).toEqual([])
  })

  it('a lone session cut while another was never heard again (no refusal, no restart)', () => {
    expect(judge([working().query('SELECT SLEEP(9)').wait('1s').close('server')]).of(RULE)).toEqual([])
  })
})

/** The sessions that the truth owes to a crash alone (refused attempts may be connect-refused) are all named, no innocent is. */
function crashed(name: string, sessions: number): void {
  const dir = ['incidents', 'proxysql'].map((d) => join(CAPTURES, d, name)).find((d) => existsSync(d))
  it.skipIf(dir === undefined)(`${name}${dir === undefined ? ' (captures are not present)' : ''}`, async () => {
    const truth = JSON.parse(readFileSync(join(dir!, 'truth.json'), 'utf8'))
    const report = await analyze([join(dir!, 'capture.pcap')])
    const f = report.findings.filter((x) => x.rule === RULE)
    expect(f).toHaveLength(1)
    expect(f[0]!.culprit.role).toBe('server')
    const named = f[0]!.occurrences.map((o) => `${o.client}>${o.server}`)
    const owed = truth.expect
      .filter((e: { rule: unknown }) => e.rule === RULE)
      .flatMap((e: { sessions: { client: string; server: string }[] }) =>
        e.sessions.map((s) => `${s.client}>${s.server}`),
      )
    expect(owed).toHaveLength(sessions)
    expect(named).toEqual(expect.arrayContaining(owed))
    expect(named.filter((s) => !owed.includes(s) && !truth.gray.includes(s.split('>')[0]))).toEqual([])
  })
}

describe('real captures', () => {
  crashed('mysqld-kill9-midquery', 3)
  crashed('K10-backend-crash', 7)
  innocent('server-kill-connection-mariadb', RULE)
  innocent('control-haproxy', RULE)
  innocent('haproxy-idle-close-noticed-go', RULE)
})
