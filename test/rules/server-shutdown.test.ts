/** server-shutdown: an end in order, by what the server said or in which order it closed. */
import { describe, expect, it } from 'vitest'
import { innocent } from './incidents.ts'
import { err, expectQuiet, judge, type Play, play, rows, SERVER_IP, says } from './kit.ts'
import { together } from './stories.ts'

const RULE = 'server-shutdown'

const session = (n: number): Play =>
  play({ client: `10.0.0.1:4200${n}`, at: `2026-01-01T00:00:00.${n}00Z` })
    .connect()
    .login({ connectionId: 500 + n })
    .query('SELECT 1', rows(1))
const stamp = (us: number): string => new Date(us / 1000).toISOString()
const refusedAt = (us: number): Play => play({ client: '10.0.0.1:43000', at: stamp(us) }).refuse()
const SHUTDOWN = err(1053, '08S01', 'Server shutdown in progress')

describe('told to stop', () => {
  it('it says so: 1053, and all connections end', () => {
    const [busy, idle] = [session(1), session(2)]
    busy.wait('1s').query('SELECT SLEEP(9)')
    together(busy, idle)
    busy.as('error').answer(SHUTDOWN).close('server')
    idle.close('server')
    const j = judge([busy, idle])
    const f = j.only(RULE)
    expect(f).toMatchObject({
      confidence: 'likely',
      culprit: { role: 'server', address: SERVER_IP },
      detail: { sign: 'named', shutdownError: 1053, closed: 2 },
    })
    expect(says(j, f.occurrences[0]!, 'error')).toContain('1053')
  })

  it('a SHUTDOWN statement, though everything closes at once; who sent it is part of it', () => {
    const [busy, idle, admin] = [session(1), session(2), session(3)]
    busy.wait('1s').query('SELECT SLEEP(9)')
    together(busy, idle, admin)
    admin.wait('0.5s').as('shutdown').query('/* ops */ SHUTDOWN')
    together(busy, idle, admin)
    admin.answer(err(1927, '70100', 'Connection was killed'))
    for (const p of [busy, idle, admin]) p.close('server')
    const j = judge([busy, idle, admin])
    const f = j.only(RULE)
    expect(j.accusations).toEqual([f])
    expect(f).toMatchObject({ confidence: 'certain', detail: { sign: 'asked', closed: 3 } })
    expect(says(j, f.occurrences[0]!, 'shutdown')).toContain('SHUTDOWN sent by 10.0.0.1:42003')
  })

  it('MariaDB’s 1927 on one of several that all end', () => {
    const [busy, idle] = [session(1), session(2)]
    busy.wait('1s').query('SELECT SLEEP(9)')
    together(busy, idle)
    busy.answer(err(1927, '70100', 'Connection was killed')).close('server')
    idle.close('server')
    const j = judge([busy, idle, refusedAt(idle.wire.now + 500_000)])
    expect(j.only(RULE).detail).toMatchObject({ sign: 'named', shutdownError: 1927 })
    expect(j.of('connection-killed')).toEqual([])
  })

  it('MySQL: the running statement gets its answer and is closed, idle ones follow two seconds later', () => {
    const [busy, idle, other] = [session(1), session(2), session(3)]
    busy.wait('1s').query('SELECT SLEEP(9)')
    together(busy, idle, other)
    busy.answer(rows(1)).wait('0.1ms').close('server')
    for (const p of [idle, other]) p.wait('2s').close('server')
    const j = judge([busy, idle, other, refusedAt(idle.wire.now + 500_000)])
    expect(j.only(RULE)).toMatchObject({ detail: { sign: 'in-sequence', closed: 3 } })
    expect(j.of('server-crash')).toEqual([])
  })

  it('newcomers are refused while older connections still live', () => {
    const [first, last] = [session(1), session(2)]
    together(first, last)
    first.close('server')
    last.wait('2s').close('server')
    const f = judge([first, last, refusedAt(first.wire.now + 700_000)]).only(RULE)
    expect(f.detail).toMatchObject({ sign: 'refused-first', refused: 1, closed: 2 })
    expect(f.severity).toBe('warning')
  })

  it('many connections, closed one after the other, then refused', () => {
    const all = [1, 2, 3, 4, 5].map((n) => session(n))
    together(...all)
    for (const [i, p] of all.entries()) p.wait(`${i * 15}ms`).close('server')
    const f = judge([...all, refusedAt(all[4]!.wire.now + 400_000)]).only(RULE)
    expect(f.detail).toMatchObject({ sign: 'in-sequence', closed: 5 })
  })
})

describe('stays quiet', () => {
  it('a SHUTDOWN that was refused, and a crash after it', () => {
    const [busy, idle, admin] = [session(1), session(2), session(3)]
    admin.query('SHUTDOWN', err(1227, '42000', 'Access denied; you need the SHUTDOWN privilege')).quit()
    busy.wait('1s').query('SELECT SLEEP(9)')
    together(busy, idle)
    for (const p of [busy, idle]) p.close('server')
    const j = judge([busy, idle, admin, refusedAt(idle.wire.now + 500_000)])
    expect(j.of(RULE)).toEqual([])
    expect(j.only('server-crash').occurrences.length).toBe(2)
  })

  it('1927 on one connection while others live on (connection-killed)', () => {
    const victim = session(1)
      .query('SELECT SLEEP(9)')
      .wait('1s')
      .answer(err(1927, '70100', 'Connection was killed'))
      .close('server')
    const j = judge([victim, session(2).wait('3s').query('SELECT 2', rows(1)).quit()])
    expect(j.of(RULE)).toEqual([])
    expect(j.only('connection-killed').detail['errorCode']).toBe(1927)
  })

  it('1053 on one connection while others live on (connection-killed)', () => {
    const victim = session(1).query('SELECT SLEEP(9)').wait('1s').answer(SHUTDOWN).close('server')
    const other = session(2).wait('3s').query('SELECT 2', rows(1)).quit()
    const j = judge([victim, other])
    expect(j.of(RULE)).toEqual([])
    expect(j.only('connection-killed').detail['errorCode']).toBe(1053)
  })

  it('connections that idle timers close one after the other', () => {
    const all = [1, 2, 3].map((n) => session(n).wait('8s').close('server'))
    expect(judge(all).of(RULE)).toEqual([])
  })

  it('everything closed at once (server-crash)', () => {
    const [busy, idle] = [session(1), session(2)]
    busy.wait('1s').query('SELECT SLEEP(9)')
    together(busy, idle)
    for (const p of [busy, idle]) p.server.fin()
    const j = judge([busy, idle, refusedAt(busy.wire.now + 300_000)])
    expect(j.of(RULE)).toEqual([])
    expect(j.of('server-crash')).toHaveLength(1)
  })

  it('COM_QUIT', () => {
    expectQuiet(judge([session(1).quit(), session(2).quit()]), RULE)
  })
})

describe('real captures', () => {
  innocent('server-kill-connection-mariadb', RULE)
  innocent('wait-timeout-mariadb', RULE)
  innocent('control-direct', RULE)
})
