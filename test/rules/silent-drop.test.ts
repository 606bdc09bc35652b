/** silent-drop: retransmissions and no answer. */
import { describe, expect, it } from 'vitest'
import { bystander, idleOn } from './idle-stories.ts'
import { incident, innocent } from './incidents.ts'
import { expectQuiet, judge, measured, rows, type Span, says } from './kit.ts'
import { sealedCommand, tlsSession } from './stories.ts'

const RULE = 'silent-drop'

/** Idle, then a request whose packets vanish. */
function swallowed(idle: Span, times = 5) {
  return idleOn('8.4.3')
    .wait(idle)
    .mute('server')
    .as('request')
    .query('SELECT name FROM user')
    .retransmit('client', { times })
}

describe('packets vanish', () => {
  it('the first request after a silence', () => {
    const j = judge([swallowed('15s'), bystander(idleOn('8.4.3', { client: '10.0.0.1:40001' }), '5s', 5)])
    const f = j.only(RULE)
    expect(j.accusations).toEqual([f])
    expect(f).toMatchObject({
      severity: 'error',
      confidence: 'likely',
      culprit: { role: 'middlebox' },
      detail: { vanished: 'request', retransmissions: 5 },
    })
    expect(f.detail['idleSeconds']).toBeCloseTo(15, 1)
    expect(f.detail['timerAboveSeconds']).toBeCloseTo(5, 1)
    const o = f.occurrences[0]!
    expect(o).toMatchObject({ command: 'COM_QUERY', statement: 'SELECT name FROM user', outcome: 'not-delivered' })
    expect(says(j, o, 'request')).toBeTruthy()
    expect(measured(o, 'sent again for')).toBeCloseTo(6.2, 1)
  })

  it('the application’s own timeout afterwards is a consequence', () => {
    const p = swallowed('15s').wait('3s')
    p.client.fin()
    const j = judge(p)
    expect(j.only(RULE).occurrences[0]!.evidence.some((e) => 'says' in e && e.says.includes('a consequence'))).toBe(
      true,
    )
    expect(j.of('client-timeout')).toEqual([])
  })

  it('in the middle of work: the path, not a timer', () => {
    const f = judge(swallowed('10ms')).only(RULE)
    expect(f.culprit.role).toBe('network')
    expect(f.detail['idleSeconds']).toBeLessThan(1)
  })

  it('the answer, as the server’s side sees it', () => {
    const p = idleOn('8.4.3')
      .query('SELECT 2 + 2')
      .mute('client')
      .as('answer')
      .answer(rows(1))
      .retransmit('server', { times: 5 })
    const f = judge(p).only(RULE)
    expect(f).toMatchObject({ culprit: { role: 'network' }, detail: { vanished: 'answer' } })
  })

  it('in TLS without keys', () => {
    const p = tlsSession().mute('server').wait('15s')
    p.client.data(sealedCommand(60))
    p.retransmit('client', { times: 4 })
    expect(judge(p).only(RULE).occurrences[0]).toMatchObject({ command: 'TLS record' })
  })
})

describe('stays quiet', () => {
  it('retransmissions that were acknowledged in the end', () => {
    const p = idleOn('8.4.3').wait('15s').mute('server').query('SELECT 2 + 2').retransmit('client', { times: 4 })
    p.wire.server.mute = false
    p.answer(rows(1)).quit()
    expect(judge(p).of(RULE)).toEqual([])
  })

  it('fewer than three without an answer: the capture’s edge', () => {
    expectQuiet(judge(swallowed('15s', 2)), RULE)
  })

  it('only full-size segments vanish while small ones pass', () => {
    const p = idleOn('8.4.3')
      .query('SELECT b FROM t')
      .mute('client')
      .answer(rows(200))
      .retransmit('server', { times: 5 })
    const loss = judge(p).of(RULE)
    for (const f of loss) expect(f.detail['vanished']).not.toBe('request')
  })

  it('a client that refuses data', () => {
    const p = idleOn('8.4.3')
      .query('SELECT b FROM t')
      .zeroWindow('client')
      .mute('client')
      .answer(rows(1))
      .retransmit('server', { times: 4 })
    expect(judge(p).of(RULE)).toEqual([])
  })

  it('the answer of a server to a client that has closed', () => {
    const p = idleOn('8.4.3').query('SELECT SLEEP(3)').wait('1s')
    p.client.fin()
    p.mute('client').wait('2s').answer(rows(1)).retransmit('server', { times: 4 })
    expect(judge(p).of(RULE)).toEqual([])
  })

  it('a capture that holds one direction only', () => {
    expect(judge(swallowed('15s'), { keep: (f) => f.from === 'client' }).of(RULE)).toEqual([])
  })
})

describe('real captures', () => {
  incident('silent-drop-firewall', RULE)
  incident('net-outage-midquery', RULE)
  for (const name of [
    'silent-drop-control-keepalive',
    'net-reorder-dup',
    'net-loss-3pct',
    'mtu-black-hole-response',
    'control-offload-large-results',
  ])
    innocent(name, RULE)
})
