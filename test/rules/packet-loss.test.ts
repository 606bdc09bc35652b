/** packet-loss: retransmissions, in vain or not. */
import { describe, expect, it } from 'vitest'
import { innocent } from './incidents.ts'
import { expectQuiet, judge, type Play, rows, working } from './kit.ts'

const RULE = 'packet-loss'

/** Every answer is lost once and sent again. */
function lossy(times: number): Play {
  const p = working()
  for (let i = 0; i < times; i++) {
    p.query('SELECT 1').answer(rows(1)).retransmit('server').wait('1s')
  }
  return p
}

describe('packets were lost', () => {
  it('much of it, but everything arrived: worth knowing', () => {
    const f = judge(lossy(8).quit()).only(RULE)
    expect(f).toMatchObject({ severity: 'info', culprit: { role: 'network', address: null } })
    expect(f.detail['retransmissions']).toBe(8)
  })

  it('a path that loses is told once, with all sessions that met it', () => {
    const a = lossy(4).quit()
    const b = working({ client: '10.0.0.1:40002' })
    for (let i = 0; i < 4; i++) b.query('SELECT 1').answer(rows(1)).retransmit('server').wait('1s')
    const f = judge([a, b.quit()]).only(RULE)
    expect(f.detail['retransmissions']).toBe(8)
    expect(f.occurrences).toHaveLength(2)
  })
})

describe('stays quiet', () => {
  it('retransmissions that were answered (no more than info)', () => {
    expectQuiet(judge(lossy(8).quit()))
    expectQuiet(judge(lossy(2).quit()), RULE)
  })

  it('bytes lost by the capture itself', () => {
    const p = working()
    for (let i = 0; i < 12; i++) p.query('SELECT 1').miss(1).answer(rows(1)).wait('1s')
    expect(judge(p.quit()).of(RULE)).toEqual([])
  })

  it('probes of a closed window and keep-alives', () => {
    const p = working().zeroWindow('client').wait('1s').keepalive('server', { times: 12, every: '5s' })
    p.openWindow('client').query('SELECT 1', rows(1)).keepalive('client', { times: 12 }).quit()
    expectQuiet(judge(p), RULE)
  })

  it('answers sent after the client had left', () => {
    const p = working().query('SELECT SLEEP(1)').wait('500ms')
    p.client.fin()
    p.mute('client').answer(rows(1)).retransmit('server', { times: 6 })
    expect(
      judge(p)
        .of(RULE)
        .filter((f) => f.severity !== 'info'),
    ).toEqual([])
  })
})

describe('real captures', () => {
  innocent('net-reorder-dup', RULE)
  innocent('control-offload-large-results', RULE)
  innocent('net-loss-3pct', RULE)
})
