/** middlebox-reset: RST to the first packet after a long silence, in the name of a server that never closed. */
import { describe, expect, it } from 'vitest'
import { bystander, idleOn } from './idle-stories.ts'
import { incident, innocent } from './incidents.ts'
import { err, expectQuiet, judge, play, rows, type Span, says } from './kit.ts'
import { sealedCommand, tlsSession } from './stories.ts'

const RULE = 'middlebox-reset'

/** Idle, then a request that a device answers with RST in the server's name. */
function forgotten(idle: Span, o: Parameters<typeof idleOn>[1] = {}, ttl = 64) {
  const p = idleOn('8.4.3', { ttl: { client: 64, server: 61 }, ...o })
  p.mute('server')
    .wait(idle)
    .as('lost')
    .query('SELECT name FROM user')
    .wait('50us')
    .as('rst')
    .server.rst({ flags: 4, ttl, ipId: 0, window: 0 })
  return p
}

/** At work once a second, until the address is no longer its server's. */
function bystanderThatDies() {
  const p = idleOn('8.4.3', { client: '10.0.0.1:40001' })
  for (let i = 0; i < 3; i++) p.wait('1s').query('SELECT 2 + 2', rows(1))
  p.mute('server').wait('1s').query('SELECT 2 + 2').server.rst({ flags: 4 })
  return p
}

describe('a device had forgotten the flow', () => {
  it('RST with another time to live', () => {
    const j = judge([forgotten('11s'), bystander(idleOn('8.4.3', { client: '10.0.0.1:40001' }), '6s', 3)])
    const f = j.only(RULE)
    expect(j.accusations).toEqual([f])
    expect(f).toMatchObject({
      severity: 'error',
      confidence: 'likely',
      culprit: { role: 'middlebox', address: null },
      detail: { ttl: { rst: 64, server: 61 } },
    })
    expect(f.detail['timerAtMostSeconds']).toBeCloseTo(11, 1)
    expect(f.detail['timerAboveSeconds']).toBeCloseTo(6, 1)
    const o = f.occurrences[0]!
    expect(o).toMatchObject({ statement: 'SELECT name FROM user', outcome: 'not-delivered' })
    expect(says(j, o, 'rst')).toContain('time to live 64')
    expect(f.excluded.join()).toContain('it went on serving 10.0.0.1:40001')
  })

  it('nothing odd about the RST: possible', () => {
    expect(judge(forgotten('11s', {}, 61)).only(RULE)).toMatchObject({ confidence: 'possible' })
  })

  it('a known default between what survived and what failed is named', () => {
    const f = judge([forgotten('400s'), bystander(idleOn('8.4.3', { client: '10.0.0.1:40001' }), '300s', 2)]).only(RULE)
    expect(f.detail['fits']).toContain('AWS Network Load Balancer tcp.idle_timeout.seconds')
  })

  it('keep-alives shorten the silence that counts', () => {
    const p = idleOn('8.4.3', { ttl: { client: 64, server: 61 } })
      .wait('4s')
      .keepalive('client')
    p.mute('server').wait('9s').query('SELECT 2 + 2').server.rst({ flags: 4, ttl: 64 })
    expect(judge(p).only(RULE).detail['idleSeconds']).toBeCloseTo(9, 1)
  })

  it('in TLS without keys', () => {
    const p = tlsSession({ ttl: { client: 64, server: 61 } })
      .mute('server')
      .wait('11s')
    p.client.data(sealedCommand(60))
    p.server.rst({ flags: 4, ttl: 64 })
    expect(judge(p).only(RULE).occurrences[0]).toMatchObject({ command: 'TLS record' })
  })

  it('a ping that found it out lost nothing: a warning', () => {
    const p = idleOn('8.4.3', { ttl: { client: 64, server: 61 } })
      .mute('server')
      .wait('11s')
      .command(0x0e)
    p.server.rst({ flags: 4, ttl: 64 })
    expect(judge(p).only(RULE)).toMatchObject({ severity: 'warning' })
  })
})

describe('stays quiet', () => {
  it('the server closed with FIN before the request', () => {
    const p = idleOn('8.4.3').wait('7.36s').close('server').mute('server').wait('3s').query('SELECT 2 + 2')
    p.server.rst({ flags: 4, ttl: 63 })
    expect(judge(p).of(RULE)).toEqual([])
  })

  it('the server said why', () => {
    const p = idleOn('8.4.3')
      .wait('6s')
      .unsolicited(err(4031, 'HY000', 'inactivity'))
      .close('server')
    expect(judge(p).of(RULE)).toEqual([])
  })

  it('RST with ACK from the server’s own socket', () => {
    const p = idleOn('8.4.3').wait('11s').query('SELECT 2 + 2')
    p.server.rst()
    expect(judge(p).of(RULE)).toEqual([])
  })

  it('RST in the middle of work', () => {
    const p = idleOn('8.4.3', { ttl: { client: 64, server: 61 } })
      .wait('20ms')
      .mute('server')
      .query('SELECT 2 + 2')
    p.server.rst({ flags: 4, ttl: 64 })
    expect(judge(p).of(RULE)).toEqual([])
  })

  it('RST after COM_QUIT', () => {
    const p = idleOn('8.4.3').wait('11s').quit({ fin: false })
    p.server.rst({ flags: 4, ttl: 63 })
    expectQuiet(judge(p), RULE)
  })

  it('an address that moved to another host: busy connections meet the same', () => {
    const idle = idleOn('8.4.3')
    const busy = bystanderThatDies()
    idle.mute('server').wait('7s').query('UPDATE t SET a = 1').server.rst({ flags: 4 })
    const j = judge([idle, busy])
    expect(j.of(RULE)).toEqual([])
    const f = j.only('rst-after-query')
    expect(f.occurrences.length).toBe(2)
    expect(f.title).toContain('no longer knew 2 connections')
  })

  it('… and where only idle ones had been open: whoever answers there counts from the beginning', () => {
    const idle = play().connect().login({ connectionId: 812 }).query('SELECT 1', rows(1))
    idle.mute('server').wait('30s').query('UPDATE t SET a = 1').server.rst({ flags: 4 })
    const next = play({ client: '10.0.0.1:40001', at: '2026-01-01T00:00:12Z' }).connect().login({ connectionId: 7 })
    expect(judge([idle, next.quit()]).of(RULE)).toEqual([])
  })

  it('the server was restarted meanwhile: connection ids start again', () => {
    const before = idleOn('8.4.3', {})
    before.mute('server').wait('11s').query('SELECT 2 + 2').server.rst({ flags: 4 })
    const p = judge([
      before,
      idleOn('8.4.3', { client: '10.0.0.1:40009', at: '2026-01-01T00:01:00Z' }).query('SELECT 3 + 3', rows(1)).quit(),
    ])
    // The playbook numbers connections upwards: a later one with a higher id means that the server went on.
    expect(p.only(RULE).excluded.join()).toContain('a restart')
  })
})

describe('real captures', () => {
  incident('middlebox-rst-idle', RULE)
  for (const name of [
    'control-direct',
    'wait-timeout-mysql97-4031',
    'haproxy-idle-kill-10s',
    'proxy-rst-backend-on-query',
  ])
    innocent(name, RULE)
})
