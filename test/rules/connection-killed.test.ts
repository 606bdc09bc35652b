/** connection-killed: KILL seen, KILL named by the server, and what only looks like it. */
import { describe, expect, it } from 'vitest'
import {
  err,
  expectQuiet,
  judgeCuts as judge,
  measured,
  ok,
  type Play,
  play,
  rows,
  SERVER_IP,
  says,
  working,
} from './kit.ts'
import { legs, PROXY_IP, together } from './stories.ts'

const RULE = 'connection-killed'
const killer = (at = '2026-01-01T00:00:02Z', o: Parameters<typeof working>[0] = {}): Play =>
  working({ client: '10.0.0.9:41000', at, ...o })

describe('the KILL is in the capture', () => {
  it('in the middle of a query: certain, an error, with both frames', () => {
    const victim = working().as('query').query('UPDATE t SET a = 1')
    const k = killer().as('kill').kill(victim.connectionId)
    together(victim, k)
    victim.as('fin').server.fin()
    victim.client.fin()
    const j = judge([victim, k.quit()])
    const f = j.only(RULE)
    expect(j.accusations).toEqual([f])
    expect(f).toMatchObject({
      severity: 'error',
      confidence: 'certain',
      culprit: { role: 'server', address: SERVER_IP },
      detail: { killedBy: '10.0.0.9:41000', connectionId: victim.connectionId, errorCode: null },
    })
    const o = f.occurrences[0]!
    expect(o).toMatchObject({ session: 'play.pcap:0', statement: 'UPDATE t SET a = 1', outcome: 'delivered-unknown' })
    expect(says(j, o, 'kill')).toContain(`KILL ${victim.connectionId} sent by 10.0.0.9:41000`)
    expect(says(j, o, 'query')).toContain('COM_QUERY')
    expect(says(j, o, 'fin')).toContain('FIN from 10.0.0.2:3306')
    expect(f.title).toContain('sent by 10.0.0.9')
  })

  it('while idle: a warning, nothing lost yet', () => {
    const victim = working().query('SELECT 1', rows(1))
    const k = killer().kill(victim.connectionId)
    together(victim, k)
    victim.close('server')
    const f = judge([victim, k.quit()]).only(RULE)
    expect(f.severity).toBe('warning')
    expect(f.occurrences[0]).toMatchObject({ command: null, statement: null, outcome: 'none' })
  })

  it('while idle and used afterwards: the later command is the loss', () => {
    const victim = working().query('SELECT 1', rows(1))
    const k = killer().kill(victim.connectionId)
    together(victim, k)
    victim.server.fin()
    victim.client.ack()
    victim.mute('server').wait('1s').query('INSERT INTO t VALUES (1)').server.rst({ flags: 4 })
    const j = judge([victim, k.quit()])
    const f = j.only(RULE)
    expect(j.accusations).toEqual([f])
    expect(f.severity).toBe('error')
    expect(f.occurrences[0]).toMatchObject({ statement: 'INSERT INTO t VALUES (1)', outcome: 'not-delivered' })
  })

  it('as COM_PROCESS_KILL', () => {
    const victim = working().query('SELECT SLEEP(9)')
    const id = victim.connectionId
    const k = killer().command(0x0c, Uint8Array.of(id & 255, (id >> 8) & 255, 0, 0), ok())
    together(victim, k)
    victim.close('server')
    expect(judge([victim, k.quit()]).only(RULE).confidence).toBe('certain')
  })

  it('answered 1317 before the close', () => {
    const victim = working().as('query').query('SELECT SLEEP(9)')
    const k = killer().kill(victim.connectionId)
    together(victim, k)
    victim
      .as('1317')
      .answer(err(1317, '70100', 'Query execution was interrupted'))
      .close('server')
    const j = judge([victim, k.quit()])
    const f = j.only(RULE)
    expect(f).toMatchObject({ severity: 'error', detail: { errorCode: 1317 } })
    expect(says(j, f.occurrences[0]!, '1317')).toContain('1317')
    expect(j.of('query-cancelled')).toEqual([])
  })

  it('several victims of one sender are one finding', () => {
    const a = working().query('SELECT SLEEP(9)')
    const b = working({ client: '10.0.0.1:40001' }).query('SELECT SLEEP(9)')
    const k = killer().kill(a.connectionId).kill(b.connectionId)
    together(a, b, k)
    a.close('server')
    b.close('server')
    const f = judge([a, b, k.quit()]).only(RULE)
    expect(f.occurrences.length).toBe(2)
    expect(f.title).toContain('2 connections')
  })

  it('through a proxy that passes ids on: both legs were killed, the sender is behind the proxy too', () => {
    const { front, back } = legs({ id: 77 })
    const k = legs({ id: 78, port: 40100, at: '2026-01-01T00:00:01Z' })
    front.query('SELECT SLEEP(9)')
    together(front, back)
    back.query('SELECT SLEEP(9)')
    together(front, back, k.front, k.back)
    k.front.query('KILL 77')
    together(k.front, k.back)
    k.back.query('KILL 77', ok())
    together(k.front, k.back, front, back)
    k.front.answer(ok())
    back.close('server')
    together(front, back)
    front.close('server')
    const j = judge([front, back, k.front, k.back])
    const victims = j.of(RULE).flatMap((f) => f.occurrences.map((o) => o.client))
    expect(victims.sort()).toEqual(['10.0.0.1:40000', `${PROXY_IP}:50000`])
    expect(j.accusations.map((f) => f.rule)).toEqual(j.of(RULE).map(() => RULE))
  })
})

describe('the server names it', () => {
  for (const [code, text] of [
    [1927, 'Connection was killed'],
    [3169, 'The session was killed'],
  ] as const) {
    it(`${code} as the answer, then the close: certain without seeing the KILL`, () => {
      const p = working().query('SELECT SLEEP(9)').wait('2s').as('err')
      p.answer(err(code, '70100', text))
        .as('fin')
        .server.fin()
      p.client.fin()
      const j = judge(p)
      const f = j.only(RULE)
      expect(f).toMatchObject({ severity: 'error', confidence: 'certain', detail: { killedBy: null, errorCode: code } })
      expect(says(j, f.occurrences[0]!, 'err')).toContain(text)
    })
  }

  it('1317 and the close at once: likely', () => {
    const p = working()
      .query('SELECT SLEEP(9)')
      .wait('2s')
      .answer(err(1317, '70100', 'Query execution was interrupted'))
      .close('server')
    expect(judge(p).only(RULE)).toMatchObject({ severity: 'error', confidence: 'likely' })
  })
})

describe('the id of the victim is not known', () => {
  const late = (n: number) =>
    play({ client: `10.0.0.1:4300${n}` }).unseen((q) => q.connect().login({ connectionId: 70 + n }))
  const killer = () => working({ client: '10.0.0.9:50000', at: '2026-01-01T00:00:01Z' })

  it('begun before the capture: the only one that was closed right after a KILL of nobody else', () => {
    const victim = late(1).query('SELECT SLEEP(9)')
    const other = late(2).query('SELECT 1', rows(1))
    const k = killer()
    together(victim, other, k)
    k.as('kill').query('KILL 71', ok()).wait('1s').quit()
    victim.wait('1ms').close('server')
    other.wait('3s').query('SELECT 1', rows(1))
    const f = judge([victim, other, k]).only(RULE)
    expect(f).toMatchObject({ confidence: 'likely', detail: { connectionId: 71, killedBy: '10.0.0.9:50000' } })
    expect(f.occurrences.map((o) => o.client)).toEqual(['10.0.0.1:43001'])
  })

  it('two of them closed in that moment: neither is said to be it', () => {
    const [a, b, k] = [late(1).query('SELECT SLEEP(9)'), late(2).query('SELECT SLEEP(9)'), killer()]
    together(a, b, k)
    k.query('KILL 71', ok()).wait('1s').quit()
    for (const p of [a, b]) p.wait('1ms').close('server')
    expect(judge([a, b, k]).of(RULE)).toEqual([])
  })
})

describe('stays quiet', () => {
  it('KILL QUERY with the connection living on', () => {
    const victim = working().query('SELECT SLEEP(9)')
    const k = killer().kill(victim.connectionId, 'QUERY')
    together(victim, k)
    victim
      .answer(err(1317, '70100', 'Query execution was interrupted'))
      .query('SELECT 1', rows(1))
      .quit()
    expectQuiet(judge([victim, k.quit()]), RULE)
  })

  it('KILL of an id that is another connection’s', () => {
    const victim = working().query('SELECT SLEEP(9)')
    const k = killer().kill(victim.connectionId + 100_000)
    together(victim, k)
    victim.close('server')
    const j = judge([victim, k.quit()])
    expect(j.of(RULE)).toEqual([])
    expect(j.only('rst-after-query').severity).toBe('error')
  })

  for (const [code, text] of [
    [1094, 'Unknown thread id'],
    [1095, 'You are not owner of thread'],
    [1227, 'Access denied; you need (at least one of) the CONNECTION_ADMIN privilege(s)'],
  ] as const) {
    it(`KILL that the server refused with ${code}: it killed nobody`, () => {
      const victim = working().query('SELECT SLEEP(9)')
      const k = killer().query(`KILL ${victim.connectionId}`, err(code, 'HY000', text))
      together(victim, k)
      victim.close('server')
      const j = judge([victim, k.quit()])
      expect(j.of(RULE)).toEqual([])
      expect(j.only('rst-after-query').severity).toBe('error')
    })
  }

  it('KILL of the same id on another server', () => {
    const victim = working().query('SELECT SLEEP(9)')
    const k = killer('2026-01-01T00:00:02Z', { server: '10.0.0.3:3306' }).kill(victim.connectionId)
    together(victim, k)
    victim.close('server')
    expect(judge([victim, k.quit()]).of(RULE)).toEqual([])
  })

  it('the client closed first', () => {
    const victim = working().query('SELECT 1', rows(1))
    const k = killer()
    together(victim, k)
    victim.close('client')
    k.kill(victim.connectionId)
    expectQuiet(judge([victim, k.quit()]), RULE)
  })

  it('COM_QUIT before the KILL took effect', () => {
    const victim = working().query('SELECT 1', rows(1))
    const k = killer().kill(victim.connectionId)
    together(victim, k)
    victim.quit({ fin: false }).close('server')
    expectQuiet(judge([victim, k.quit()]), RULE)
  })

  it('a KILL long before the close is not its cause', () => {
    const victim = working().query('SELECT 1', rows(1))
    const k = killer().kill(victim.connectionId)
    together(victim, k)
    victim.query('SELECT 2', rows(1)).wait('60s').query('SELECT 3', rows(1)).close('server')
    expectQuiet(judge([victim, k.quit()]), RULE)
  })

  it('KILL of the own connection id by the session itself', () => {
    const p = working()
    p.query(`KILL ${p.connectionId}`, err(1317, '70100', 'Query execution was interrupted')).close('server')
    const j = judge(p)
    for (const f of j.accusations) expect(f.rule).toBe(RULE)
  })

  it('the killer’s own session', () => {
    const victim = working().query('SELECT SLEEP(9)')
    const k = killer().kill(victim.connectionId)
    together(victim, k)
    victim.close('server')
    const j = judge([victim, k.quit()])
    expect(j.accusations.flatMap((f) => f.occurrences.map((o) => o.session))).toEqual(['play.pcap:0'])
    expect(measured(j.only(RULE).occurrences[0]!, 'none')).toBeUndefined()
  })
})
