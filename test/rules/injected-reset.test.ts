/** injected-reset: the supposed sender did not send it. */
import { describe, expect, it } from 'vitest'
import { innocent } from './incidents.ts'
import { judge, rows, SERVER_IP, says, working } from './kit.ts'

const RULE = 'injected-reset'

describe('a forged reset', () => {
  it('the supposed sender goes on', () => {
    const p = working().as('query').query('SELECT SLEEP(1)').as('rst')
    p.server.rst({ ttl: 61 })
    p.wait('40ms').as('ack').server.ack()
    const j = judge(p)
    const f = j.only(RULE)
    expect(j.accusations).toEqual([f])
    expect(f).toMatchObject({ severity: 'error', confidence: 'likely', culprit: { role: 'middlebox', address: null } })
    expect(f.detail).toMatchObject({ inTheNameOf: 'server', signals: ['goes-on', 'ttl'], ttl: 61, ttlBefore: 64 })
    expect(f.title).toContain(SERVER_IP)
    expect(says(j, f.occurrences[0]!, 'rst')).toContain('RST in the name of')
    expect(says(j, f.occurrences[0]!, 'ack')).toContain('still sends')
  })

  it('with the same time to live as well', () => {
    const p = working().query('SELECT SLEEP(1)')
    p.server.rst()
    p.wait('1s').server.data(new Uint8Array(100))
    expect(judge(p).only(RULE).detail['signals']).toEqual(['goes-on'])
  })

  it('faster than the path allows, and from another distance', () => {
    const p = working({ rtt: '30ms' }).wait('1s').query('SELECT SLEEP(1)').wait('200us')
    p.server.rst({ ttl: 62 })
    expect(judge(p).only(RULE)).toMatchObject({
      confidence: 'likely',
      detail: { signals: ['faster-than-path', 'ttl'] },
    })
  })

  it('a bare RST into the middle of work, from another distance', () => {
    const story = () => {
      const p = working({ ttl: { client: 64, server: 63 } })
        .wait('0.1s')
        .mute('server')
        .query('SELECT 2')
      p.as('rst').server.rst({ flags: 4, ttl: 64 })
      return p
    }
    expect(judge(story()).only(RULE)).toMatchObject({
      confidence: 'possible',
      detail: { signals: ['ttl', 'stranger'] },
    })
    const other = working({ client: '10.0.0.1:40001', ttl: { client: 64, server: 63 } })
    expect(judge([story(), other.wait('3s').query('SELECT 3', rows(1)).quit()]).only(RULE).confidence).toBe('likely')
  })

  it('to both sides at once, from another distance: possible', () => {
    const p = working({ vantage: 'middle', rtt: '1ms' }).query('SELECT SLEEP(1)').wait('1.1s')
    p.server.rst({ ttl: 61 })
    p.client.rst({ ttl: 61 })
    const f = judge(p).of(RULE)
    expect(f.map((x) => x.confidence)).toEqual(['possible'])
  })
})

describe('stays quiet', () => {
  it('another time to live alone (kernels, proxies and load balancers do that)', () => {
    const p = working().query('SELECT SLEEP(1)').wait('1.1s')
    p.server.rst({ ttl: 255 })
    expect(judge(p).of(RULE)).toEqual([])
  })

  it('an address that has moved to another host, nearer or further away', () => {
    const p = working({ ttl: { client: 64, server: 63 } })
      .wait('0.1s')
      .mute('server')
      .query('SELECT 2')
    p.server.rst({ flags: 4, ttl: 64 })
    const next = working({ client: '10.0.0.1:40001', at: '2026-01-01T00:00:02Z', ttl: { client: 64, server: 64 } })
    const j = judge([p, next.quit()])
    expect(j.of(RULE)).toEqual([])
    expect(j.only('rst-after-query').detail['how']).toBe('unknown')
  })

  it('a RST in answer to data for a closed socket', () => {
    const p = working().query('SELECT 1', rows(1)).close('server').wait('3s').query('SELECT 2')
    p.server.rst({ ipId: 0 })
    expect(judge(p).of(RULE)).toEqual([])
  })

  it('RSTs that the receiver ignores', () => {
    const p = working().query('SELECT 1')
    p.server.rst({ seqOffset: 900_000_000, ttl: 61 })
    p.answer(rows(1)).quit()
    expect(judge(p).of(RULE)).toEqual([])
  })

  it('segments that the capture put out of order', () => {
    const p = working().query('SELECT SLEEP(1)').wait('1.1s').reorder(2)
    p.server.ack()
    p.server.rst()
    expect(judge(p).of(RULE)).toEqual([])
  })

  it('a RST after both FINs or after COM_QUIT', () => {
    const p = working().query('SELECT 1', rows(1)).quit()
    p.server.rst({ ttl: 61 })
    p.wait('10ms').server.ack()
    const q = working({ client: '10.0.0.1:40009' }).query('SELECT 1', rows(1)).quit({ fin: false })
    q.server.rst({ ttl: 61 })
    q.wait('10ms').server.ack()
    expect(judge([p, q]).of(RULE)).toEqual([])
  })
})

describe('real captures', () => {
  innocent('client-killed9-midquery', RULE)
  innocent('haproxy-idle-kill-10s', RULE)
  innocent('healthcheck-noise-haproxy-mariadb', RULE)
  innocent('net-reorder-dup', RULE)
  innocent('proxy-rst-backend-on-query', RULE)
})
