/** client-timeout: the application stopped waiting. */
import { describe, expect, it } from 'vitest'
import {
  CLIENT_IP,
  err,
  expectQuiet,
  judgeCuts as judge,
  measured,
  ok,
  outcomeOf,
  play,
  rows,
  type Span,
  says,
  working,
} from './kit.ts'
import { legs, sealedCommand, tlsSession, together } from './stories.ts'

const RULE = 'client-timeout'

describe('the client gave up on a running statement', () => {
  for (const wait of ['1s', '2.5s', '3s', '30s'] as Span[]) {
    it(`after ${wait}`, () => {
      const p = working().as('query').query('SELECT SLEEP(99)').wait(wait).as('fin')
      p.client.fin()
      p.server.ack()
      const j = judge(p)
      const f = j.only(RULE)
      expect(j.accusations).toEqual([f])
      expect(f).toMatchObject({
        severity: 'error',
        // A half second is met by chance twice as often as a whole one.
        confidence: wait === '2.5s' ? 'possible' : 'likely',
        culprit: { role: 'client', address: CLIENT_IP, product: 'libmysql' },
        detail: { killedOwn: false },
      })
      const o = f.occurrences[0]!
      expect(o).toMatchObject({ command: 'COM_QUERY', statement: 'SELECT SLEEP(99)', outcome: 'delivered-unknown' })
      expect(says(j, o, 'query')).toContain('COM_QUERY')
      expect(says(j, o, 'fin')).toContain('FIN from 10.0.0.1:40000')
      expect(measured(o, 'waited for the answer')).toBeCloseTo(Number.parseFloat(wait), 1)
    })
  }

  it('with RST instead of FIN', () => {
    const p = working().query('SELECT SLEEP(99)').wait('5s').as('rst')
    p.client.rst()
    const j = judge(p)
    expect(says(j, j.only(RULE).occurrences[0]!, 'rst')).toContain('RST from 10.0.0.1:40000')
  })

  it('the answer that came too late says what became of the statement: committed', () => {
    const p = working().query('UPDATE t SET a = 1').wait('3s')
    p.client.fin()
    p.wait('1s').answer(ok({ affected: 1 }))
    p.client.rst()
    expect(outcomeOf(judge(p).only(RULE))).toBe('committed')
  })

  it('… with a transaction still open: answered, not committed', () => {
    const p = working()
      .query('BEGIN', ok({ status: 3 }))
      .query('UPDATE t SET a = 1')
      .wait('3s')
    p.client.fin()
    p.wait('1s').answer(ok({ affected: 1, status: 3 }))
    expect(outcomeOf(judge(p).only(RULE))).toBe('answered')
  })

  it('… an error: it did not take effect', () => {
    const p = working().query('UPDATE t SET a = 1').wait('3s')
    p.client.fin()
    p.wait('1s').answer(err(1205, 'HY000', 'Lock wait timeout exceeded'))
    expect(outcomeOf(judge(p).only(RULE))).toBe('answered')
  })

  it('its own KILL from a second connection makes it certain, at any moment', () => {
    const p = working().query('SELECT SLEEP(99)').wait('1.234s')
    const second = working({ client: '10.0.0.1:40001', at: '2026-01-01T00:00:01Z' })
    together(p, second)
    second.as('kill').kill(p.connectionId, 'QUERY')
    together(p, second)
    p.close('client')
    const j = judge([p, second.quit()])
    const f = j.only(RULE)
    expect(f).toMatchObject({ confidence: 'certain', detail: { killedOwn: true } })
    expect(says(j, f.occurrences[0]!, 'kill')).toContain('sent by the same client')
  })

  it('several sessions with the same timer are one finding', () => {
    const plays = [0, 1, 2].map((i) => {
      const p = working({ client: `10.0.0.1:4000${i}`, at: `2026-01-01T00:00:0${i}Z` })
        .query('SELECT SLEEP(99)')
        .wait('3s')
      return p.close('client')
    })
    expect(judge(plays).only(RULE).occurrences.length).toBe(3)
  })

  it('several that share the timer and the moment are still a timer, no exit', () => {
    const plays = [0, 1].map((i) =>
      working({ client: `10.0.0.1:4000${i}` })
        .query('SELECT SLEEP(99)')
        .wait('3s')
        .close('client'),
    )
    const j = judge(plays)
    expect(j.only(RULE).occurrences.length).toBe(2)
    expect(j.of('client-vanished')).toEqual([])
  })

  it('any wait, when the same process goes on: it did not die', () => {
    const p = working().query('SELECT SLEEP(99)').wait('2.64s').as('fin').close('client')
    const next = working({ client: '10.0.0.1:40001', at: '2026-01-01T00:00:09Z' })
      .as('later')
      .query('SELECT 1', rows(1))
    const j = judge([p, next.quit()])
    const f = j.only(RULE)
    expect(f).toMatchObject({ confidence: 'likely', detail: { waitedSeconds: 2.64 } })
    expect(
      f.occurrences[0]!.evidence.some((e) => e.kind === 'frames' && e.says?.includes('process 4711 goes on')),
    ).toBe(true)
    expect(j.of('client-vanished')).toEqual([])
  })

  it('… or a program of the same name on that host, at once; long after, it may be a restart', () => {
    const login = { attributes: { _client_name: 'Node-MySQL-2' } }
    const story = (at: string) => {
      const p = play({ client: '10.0.0.1:40000' }).connect().login(login).query('SELECT SLEEP(99)').wait('1.237s')
      return judge([p.close('client'), play({ client: '10.0.0.1:40001', at }).connect().login(login).quit()])
    }
    expect(story('2026-01-01T00:00:01.700Z').only(RULE).confidence).toBe('possible')
    expect(story('2026-01-01T00:00:20Z').only('client-vanished').confidence).toBe('possible')
  })

  it('the same wait twice, at different moments, is a timer whatever its value', () => {
    const plays = [0, 4].map((i) =>
      play({ client: `10.0.0.1:4000${i}`, at: `2026-01-01T00:00:0${i}Z` })
        .connect()
        .login({ attributes: { _pid: `${100 + i}` } })
        .query('SELECT SLEEP(99)')
        .wait('1.83s')
        .close('client'),
    )
    const j = judge(plays)
    expect(j.only(RULE)).toMatchObject({ confidence: 'likely' })
    expect(j.only(RULE).occurrences.length).toBe(2)
  })

  it('a process that has given up before and lived: again, whatever the wait', () => {
    const early = working().query('SELECT SLEEP(99)').wait('1.237s').close('client')
    const late = working({ client: '10.0.0.1:40001', at: '2026-01-01T00:00:09Z' })
    const j = judge([early, late.query('SELECT SLEEP(99)').wait('3.719s').close('client')])
    expect(
      j
        .of(RULE)
        .flatMap((f) => f.occurrences.map((o) => o.session))
        .sort(),
    ).toEqual(['play.pcap:0', 'play.pcap:1'])
  })

  it('RST with nothing left unread is an abort by choice, at any moment', () => {
    const p = working().query('SELECT SLEEP(99)').wait('1.237s')
    p.client.rst()
    expect(judge(p).only(RULE).confidence).toBe('possible')
  })

  it('through a proxy: the application is the culprit on both legs', () => {
    const { front, back } = legs()
    front.wait('1s').query('SELECT SLEEP(99)')
    together(front, back)
    back.query('SELECT SLEEP(99)')
    front.wait('3s').as('app').client.fin()
    together(front, back)
    back.close('client')
    front.server.fin()
    const j = judge([front, back])
    expect(j.accusations.map((f) => [f.rule, f.culprit.role, f.culprit.address])).toEqual([[RULE, 'client', CLIENT_IP]])
    expect(
      j
        .only(RULE)
        .occurrences.map((o) => o.client)
        .sort(),
    ).toEqual(['10.0.0.1:40000', '10.0.0.5:50000'])
  })

  it('a connect timeout that runs out over the first command counts from the SYN', () => {
    const p = play({ rtt: '100ms' }).connect().login().query('SET NAMES utf8mb4')
    const f = judge(
      p.wait(`${1_001_000 - (p.wire.now - Date.parse('2026-01-01T00:00:00Z') * 1000)}us`).close('client'),
    ).only(RULE)
    expect(f.detail['waitedSeconds']).toBeCloseTo(1, 2)
    expect(measured(f.occurrences[0]!, 'since the connection began')).toBeCloseTo(1, 2)
  })

  it('in TLS without keys', () => {
    const p = tlsSession().wait('1s')
    p.client.data(sealedCommand(80))
    p.wait('3s').close('client')
    const f = judge(p).only(RULE)
    expect(f.occurrences[0]).toMatchObject({ command: 'TLS record', statement: null })
  })
})

describe('stays quiet', () => {
  it('COM_QUIT', () => {
    expectQuiet(judge(working().query('SELECT 1', rows(1)).wait('3s').quit()), RULE)
  })

  it('COM_QUIT while the answer is still to come', () => {
    expectQuiet(judge(working().query('SELECT SLEEP(9)').wait('3s').quit()), RULE)
  })

  it('the server closed first', () => {
    const j = judge(working().query('SELECT SLEEP(9)').wait('3s').close('server'))
    expect(j.of(RULE)).toEqual([])
    expect(j.accusations.map((f) => f.culprit.role)).toEqual(['server'])
  })

  it('a client that was idle for a round time', () => {
    expectQuiet(judge(working().query('SELECT 1', rows(1)).wait('10s').close('client')), RULE)
  })

  it('a request that the network swallowed', () => {
    const p = working().query('SELECT 1', rows(1)).wait('20s').mute('server').query('SELECT 2')
    p.retransmit('client', { times: 4 }).wait('1s').client.fin()
    expectQuiet(judge(p), RULE)
  })

  it('an answer that the network swallowed, again and again', () => {
    const p = working()
      .query('SELECT big')
      .mute('client')
      .answer(rows(3))
      .retransmit('server', { times: 3 })
      .wait('1.6s')
    p.client.fin()
    expectQuiet(judge(p), RULE, 'client-vanished')
  })

  it('a proxy’s server leg that the proxy closed on its own', () => {
    const { front, back } = legs()
    front.wait('1s').query('SELECT SLEEP(99)')
    together(front, back)
    back.query('SELECT SLEEP(99)').wait('3s').close('client')
    together(front, back)
    front.wait('5s')
    const j = judge([front, back])
    expect(j.of(RULE)).toEqual([])
    expect(j.accusations.map((f) => f.culprit.role)).not.toContain('client')
  })

  it('COM_STMT_CLOSE outstanding, which has no answer', () => {
    expectQuiet(judge(working().prepare('SELECT 1', 1, 0, 1).closeStatement(1).wait('3s').close('client')), RULE)
  })

  it('the capture ends while the client waits', () => {
    expectQuiet(judge(working().query('SELECT SLEEP(9)').wait('30s')), RULE)
  })

  it('a login that never finished', () => {
    expectQuiet(judge(play().connect().greet().wait('3s').close('client')), RULE, 'client-vanished', 'client-no-quit')
  })
})
