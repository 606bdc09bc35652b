/** idle-timeout-server: wait_timeout and interactive_timeout, with 4031, FIN or RST. */
import { describe, expect, it } from 'vitest'
import { bystander, idleOn, MARIADB, MYSQL_56, usedAgain } from './idle-stories.ts'
import { incident, innocent } from './incidents.ts'
import { err, expectQuiet, judge, measured, play, rows, SERVER_IP, says } from './kit.ts'
import { legs, sealedCommand, tlsSession, together } from './stories.ts'

const RULE = 'idle-timeout-server'
const farewell = err(4031, 'HY000', 'The client was disconnected by the server because of inactivity.')

describe('the server closed an idle connection', () => {
  it('error 4031, FIN, then a request that met RST', () => {
    const p = idleOn('8.4.3').wait('7.3s').as('4031').unsolicited(farewell).as('fin')
    p.server.fin()
    const j = judge(usedAgain(p, '2s'))
    const f = j.only(RULE)
    expect(j.accusations).toEqual([f])
    expect(f).toMatchObject({
      severity: 'error',
      confidence: 'certain',
      culprit: { role: 'server', address: SERVER_IP },
      detail: { close: 'err-4031', closes: 1 },
    })
    expect(f.detail['timerSeconds']).toBeCloseTo(7.3, 2)
    const o = f.occurrences[0]!
    expect(o).toMatchObject({ command: 'COM_QUERY', statement: 'SELECT name FROM user', outcome: 'not-delivered' })
    expect(says(j, o, '4031')).toContain('4031')
    expect(says(j, o, 'fin')).toContain('the first close')
    expect(says(j, o, 'refused')).toContain('RST')
    expect(measured(o, 'idle gap')).toBeCloseTo(7.3, 2)
  })

  it('error 4031 whose message, and the answer before it, the snapshot length cut', () => {
    const p = play().connect().login({ serverVersion: '9.7.4-2' }).query('SELECT * FROM user', rows(3))
    p.wait('3s').unsolicited(farewell).server.fin()
    const f = judge(usedAgain(p, '2s'), { snaplen: 96 }).only(RULE)
    expect(f).toMatchObject({ confidence: 'certain', detail: { close: 'err-4031' } })
  })

  it('noticed in time: a warning, nothing lost', () => {
    const p = idleOn('8.4.3').wait('6s').unsolicited(farewell)
    p.close('server')
    expect(judge(p).only(RULE)).toMatchObject({ severity: 'warning', confidence: 'certain' })
  })

  it('those that noticed are left out where another lost a request', () => {
    const [a, b] = [0, 1].map((i) => {
      const p = idleOn('8.4.3', { client: `10.0.0.1:4000${i}` })
        .wait('6s')
        .unsolicited(farewell)
      p.server.fin()
      return p
    })
    usedAgain(a!, '1s')
    b!.client.fin()
    const f = judge([a!, b!]).only(RULE)
    expect(f.occurrences.map((o) => o.client)).toEqual(['10.0.0.1:40000'])
    expect(f.detail['closes']).toBe(2)
  })

  it('MariaDB: RST and no FIN, after whole seconds', () => {
    const p = idleOn(MARIADB).wait('5.003s').as('rst')
    p.server.rst()
    const j = judge(p)
    const f = j.only(RULE)
    expect(f).toMatchObject({ severity: 'warning', confidence: 'likely', detail: { close: 'rst' } })
    expect(says(j, f.occurrences[0]!, 'rst')).toContain('RST')
  })

  it('MariaDB: a session with a timer of its own (interactive_timeout), while others live longer', () => {
    const p = idleOn(MARIADB).wait('4.02s').as('rst')
    p.server.rst()
    const patient = idleOn(MARIADB, { client: '10.0.0.1:40001' }).wait('9s').query('SELECT 2 + 2', rows(1)).quit()
    const f = judge([p, patient]).only(RULE)
    expect(f.occurrences.map((o) => o.client)).toEqual(['10.0.0.1:40000'])
  })

  it('an older MySQL: FIN alone, the same silence at two moments', () => {
    const plays = ['10.0s', '10.01s'].map((idle, i) => {
      const p = idleOn(MYSQL_56, { client: `10.0.0.1:4000${i}`, at: `2026-01-01T00:00:0${i * 3}Z` }).wait(idle as '10s')
      p.server.fin()
      return usedAgain(p, '1s')
    })
    const f = judge([...plays, bystander(idleOn(MYSQL_56, { client: '10.0.0.1:40009' }), '2s', 8)]).only(RULE)
    expect(f).toMatchObject({ severity: 'error', confidence: 'likely', detail: { close: 'fin', closes: 2 } })
    expect(f.title).toContain('2 requests were lost')
    expect(f.occurrences.length).toBe(2)
  })

  it('behind a proxy that gives each client its own server connection: both legs', () => {
    const { front, back } = legs()
    back.wait('5s').as('4031').unsolicited(farewell)
    back.server.fin()
    front.wait('5s')
    together(front, back)
    front.server.fin()
    back.client.fin()
    usedAgain(front, '2s')
    const f = judge([front, back]).only(RULE)
    expect(f.culprit).toMatchObject({ role: 'server', address: SERVER_IP })
    expect(f.occurrences.map((o) => o.client).sort()).toEqual(['10.0.0.1:40000', '10.0.0.5:50000'])
    expect(f.excluded.join()).toContain('the proxy')
  })

  it('in TLS without keys the parting record does not hide the silence', () => {
    const plays = [0, 1].map((i) => {
      const p = tlsSession({ client: `10.0.0.1:4000${i}`, at: `2026-01-01T00:00:0${i * 2}Z` }).wait('4s')
      p.server.data(sealedCommand(150))
      p.server.fin()
      p.mute('server').wait('1s').client.data(sealedCommand(60))
      p.server.rst({ flags: 4 })
      return p
    })
    // Whether the record was ERR 4031 cannot be read: that somebody closed after 4 s can.
    const found = judge(plays).accusations
    expect(found.map((f) => f.family)).toEqual(['idle'])
    expect(found[0]!.detail['timerSeconds']).toBeCloseTo(4, 1)
  })
})

describe('stays quiet', () => {
  it('COM_QUIT, or the client closed first', () => {
    expectQuiet(judge(idleOn('8.4.3').wait('10s').quit()), RULE)
    expectQuiet(judge(idleOn('8.4.3').wait('10s').close('client')), RULE)
  })

  it('other connections are closed in the same moment after other silences', () => {
    const plays = [0, 3].map((s, i) =>
      idleOn(MYSQL_56, { client: `10.0.0.1:4000${i}`, at: `2026-01-01T00:00:0${s}Z` })
        .wait(s === 0 ? '10s' : '7s')
        .close('server'),
    )
    expect(judge(plays).of(RULE)).toEqual([])
  })

  it('another connection is closed in the same moment with a command outstanding', () => {
    const idle = idleOn(MYSQL_56).wait('10s').close('server')
    const busy = idleOn(MYSQL_56, { client: '10.0.0.1:40001' })
      .wait('1s')
      .query('SELECT SLEEP(99)')
      .wait('9s')
      .close('server')
    expect(judge([idle, busy]).of(RULE)).toEqual([])
  })

  it('another error before the close', () => {
    const p = idleOn('8.4.3')
      .wait('10s')
      .unsolicited(err(1053, '08S01', 'Server shutdown in progress'))
      .close('server')
    expect(judge(p).of(RULE)).toEqual([])
  })

  it('a bare FIN from a server that would have said 4031', () => {
    expect(judge(usedAgain(idleOn('8.4.3').wait('10s').close('server'), '1s')).of(RULE)).toEqual([])
  })

  it('a longer silence on the same server was survived', () => {
    const dead = idleOn(MYSQL_56).wait('10s').close('server')
    const alive = bystander(idleOn(MYSQL_56, { client: '10.0.0.1:40001' }), '30s', 2)
    expect(judge([dead, alive]).of(RULE)).toEqual([])
  })

  it('a single close after a silence that is no whole number of seconds', () => {
    expect(judge(usedAgain(idleOn(MYSQL_56).wait('7.36s').close('server'), '1s')).of(RULE)).toEqual([])
  })
})

describe('real captures', () => {
  for (const name of [
    'wait-timeout-mysql97-4031',
    'wait-timeout-mariadb',
    'proto-zlib-wait-timeout',
    'router-server-wait-timeout',
  ]) {
    incident(name, RULE)
  }
  for (const name of [
    'server-kill-connection-mariadb',
    'control-direct',
    'silent-drop-firewall',
    'mysqld-kill9-midquery',
  ])
    innocent(name, RULE)
})
