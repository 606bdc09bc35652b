/** idle-timeout-proxy: a proxy’s timer closed the connection, on one leg or both. */
import { describe, expect, it } from 'vitest'
import { bystander, idleOn, proxyCloses, usedAgain } from './idle-stories.ts'
import { incident, innocent } from './incidents.ts'
import { CLIENT_IP, err, expectQuiet, judge, rows, SERVER_IP, says } from './kit.ts'
import { legs, PROXY_IP, tlsSession, together } from './stories.ts'

const RULE = 'idle-timeout-proxy'

describe('a proxy closed an idle connection', () => {
  it('both legs, and a request afterwards met RST', () => {
    const { front, back } = proxyCloses('10s')
    usedAgain(front, '3s')
    const j = judge([front, back])
    const f = j.only(RULE)
    expect(j.accusations).toEqual([f])
    expect(f).toMatchObject({
      severity: 'error',
      confidence: 'likely',
      culprit: { role: 'proxy', address: PROXY_IP },
      detail: { close: 'fin' },
    })
    expect(f.detail['fits']).toContain('HAProxy timeout client')
    expect(f.occurrences.map((o) => o.client).sort()).toEqual([`${CLIENT_IP}:40000`, `${PROXY_IP}:50000`])
    const o = f.occurrences.find((x) => x.client === `${CLIENT_IP}:40000`)!
    expect(says(j, o, 'front fin')).toContain('the first close')
    expect(says(j, o, 'back fin')).toContain('the other leg')
    expect(says(j, o, 'lost')).toContain('COM_QUERY')
    expect(o.outcome).toBe('not-delivered')
    expect(f.excluded.join()).toContain(`${SERVER_IP}:3306 had not closed`)
  })

  it('noticed in time: a warning', () => {
    const { front, back } = proxyCloses('10s')
    front.wait('1ms').client.fin()
    expect(judge([front, back]).only(RULE)).toMatchObject({ severity: 'warning' })
  })

  it('a validation ping that found it closed lost nothing', () => {
    const { front, back } = proxyCloses('10s')
    front.mute('server').wait('3s').command(0x0e).server.rst({ flags: 4 })
    expect(judge([front, back]).only(RULE)).toMatchObject({ severity: 'warning' })
  })

  it('seen from the client alone: a MySQL that says 4031 did not close, something in between did', () => {
    const p = idleOn('8.4.3').wait('10.002s')
    p.server.fin()
    expect(judge(usedAgain(p, '1s')).only(RULE)).toMatchObject({ confidence: 'possible', culprit: { role: 'proxy' } })
  })

  it('… after tenths of a second too, where they are met to the millisecond', () => {
    expect(judge(usedAgain(idleOn('8.4.3').wait('3.701s').close('server'), '1s')).only(RULE)).toMatchObject({
      severity: 'error',
      confidence: 'possible',
    })
  })

  it('several at different moments need no round value', () => {
    const plays = [0, 4].flatMap((s, i) => {
      const { front, back } = proxyCloses('7.321s', { id: 900 + i, port: 40000 + i, at: `2026-01-01T00:00:0${s}Z` })
      usedAgain(front, '1s')
      return [front, back]
    })
    const f = judge(plays).only(RULE)
    expect(f).toMatchObject({ confidence: 'likely', detail: { closes: 2 } })
    expect(f.occurrences.length).toBe(4)
    expect(f.title).toContain('7.32 s')
  })

  it('greeting and login cut by the snapshot length: both legs all the same', () => {
    const { front, back } = proxyCloses('3.7s')
    const j = judge([usedAgain(front, '2s'), back], { snaplen: 96 })
    expect(j.only(RULE).occurrences.length).toBe(2)
    expect(j.of('rst-after-query')).toEqual([])
  })

  it('the capture began while it was idle: possible, and no timer is named', () => {
    const { front, back } = legs()
    const busy = legs({ id: 901, port: 40001 })
    front.unseen((p) => p.query('SELECT 1 + 1', rows(1)).wait('10s'))
    back.unseen((p) => p.query('SELECT 1 + 1', rows(1)).wait('10s'))
    const early = Math.max(front.wire.now, back.wire.now) - 5e6
    for (const p of [busy.front, busy.back]) {
      together(p)
      p.wait('4s')
    }
    const keep = { keep: (f: { at: number }) => f.at > early }
    busy.front.wait('2s').query('SELECT 3 + 3')
    together(busy.front, busy.back)
    busy.back.query('SELECT 3 + 3', rows(1))
    busy.front.wait('1ms').answer(rows(1)).wait('9s').query('SELECT 3 + 3', rows(1))
    back.close('client')
    front.server.fin()
    usedAgain(front, '2s')
    const f = judge([front, back, busy.front, busy.back], keep).of(RULE)
    expect(f.map((x) => [x.confidence, x.detail['timerSeconds']])).toEqual([['possible', null]])
  })
})

describe('stays quiet', () => {
  it('the client closed, or said COM_QUIT', () => {
    const { front, back } = legs()
    front.wait('10s').quit()
    back.wait('10s').quit()
    expectQuiet(judge([front, back]), RULE)
  })

  it('the server closed first', () => {
    const { front, back } = legs()
    back
      .wait('10s')
      .unsolicited(err(4031, 'HY000', 'inactivity'))
      .close('server')
    front.wait('10.001s')
    together(front, back)
    usedAgain(front.close('server'), '1s')
    expect(judge([front, back]).of(RULE)).toEqual([])
  })

  it('connections closed together after different silences', () => {
    const a = proxyCloses('10s', { id: 900, port: 40000 })
    const b = proxyCloses('6s', { id: 901, port: 40001, at: '2026-01-01T00:00:04Z' })
    usedAgain(a.front, '1s')
    expect(judge([a.front, a.back, b.front, b.back]).of(RULE)).toEqual([])
  })

  it('a longer silence on the same endpoint was survived', () => {
    const { front, back } = proxyCloses('10s')
    const other = legs({ id: 901, port: 40001 })
    for (const p of [other.front, other.back]) bystander(p, '25s', 1)
    usedAgain(front, '1s')
    expect(judge([front, back, other.front, other.back]).of(RULE)).toEqual([])
  })

  it('a tenth of a second where somebody kills connections, busy ones too', () => {
    const idle = usedAgain(idleOn('10.11.19-MariaDB').wait('3.202s').close('server'), '1s')
    const busy = idleOn('10.11.19-MariaDB', { client: '10.0.0.1:40001' }).query('SELECT SLEEP(9)').wait('1.1s')
    expect(judge([idle, busy.close('server')]).of(RULE)).toEqual([])
  })

  it('a reader that takes no more data hangs, it is not idle', () => {
    const p = idleOn('10.11.19-MariaDB').query('SELECT * FROM big')
    p.server.data(new Uint8Array(1000))
    p.client.ack({ window: 0 })
    p.wait('4s').miss(1).server.data(new Uint8Array(100))
    p.server.rst()
    expect(judge(p).of('idle-timeout-server')).toEqual([])
  })

  it('a capture of the server’s packets alone: its FIN may answer the client’s', () => {
    const p = idleOn('10.11.19-MariaDB').wait('5s').close('client')
    expectQuiet(judge(p, { keep: (f) => f.from === 'server' }), RULE, 'idle-timeout-server')
  })

  it('a single close after a silence that is no timer value', () => {
    const p = idleOn('8.4.3').wait('7.321s')
    p.server.fin()
    expect(judge(usedAgain(p, '1s')).of(RULE)).toEqual([])
  })

  it('connections still idle when the capture ends, in TLS too', () => {
    expectQuiet(judge([idleOn('8.4.3').wait('60s'), tlsSession({ client: '10.0.0.1:40001' }).wait('60s')]), RULE)
  })
})

describe('real captures', () => {
  for (const name of [
    'haproxy-idle-kill-10s',
    'haproxy-idle-kill-hikari-15s',
    'haproxy-fin-race-mysql2',
    'midcapture-haproxy-idle-kill',
    'proxy-protocol-v2-idle-kill',
    'tls-haproxy-idle-kill',
    'derived-truncated-file',
    'K3-frontend-wait-timeout',
  ]) {
    incident(name, RULE)
  }
  for (const name of [
    'control-haproxy',
    'haproxy-admin-shutdown-sessions',
    'haproxy-killed-midquery',
    'K6-multiplex-set',
    'H-healthy',
  ])
    innocent(name, RULE)
})
