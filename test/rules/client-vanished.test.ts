/** client-vanished: the process behind the socket is gone. */
import { describe, expect, it } from 'vitest'
import { CLIENT_IP, expectQuiet, judgeCuts as judge, ok, play, rows, says, working } from './kit.ts'

const RULE = 'client-vanished'

describe('the client is gone', () => {
  it('in the middle of a command, at no timer-like moment', () => {
    const p = working().as('query').query('INSERT INTO t VALUES (1)').wait('1.237s').as('fin')
    p.client.fin()
    p.server.ack()
    const j = judge(p)
    const f = j.only(RULE)
    expect(j.accusations).toEqual([f])
    expect(f).toMatchObject({
      severity: 'error',
      confidence: 'possible',
      culprit: { role: 'client', address: CLIENT_IP, product: 'libmysql' },
      detail: { inTransaction: false, together: 0 },
    })
    expect(f.occurrences[0]).toMatchObject({ statement: 'INSERT INTO t VALUES (1)', outcome: 'delivered-unknown' })
    expect(says(j, f.occurrences[0]!, 'query')).toContain('COM_QUERY')
    expect(says(j, f.occurrences[0]!, 'fin')).toContain('FIN from 10.0.0.1')
  })

  it('idle in an open transaction: a warning, the transaction is rolled back', () => {
    const p = working()
      .query('BEGIN', ok({ status: 3 }))
      .as('update')
      .query('UPDATE t SET a = 1')
      .as('answer')
      .answer(ok({ status: 3 }))
    p.wait('4.321s').as('rst').client.rst()
    const j = judge(p)
    const f = j.only(RULE)
    expect(f).toMatchObject({ severity: 'warning', detail: { inTransaction: true } })
    expect(f.occurrences[0]).toMatchObject({ command: null, outcome: 'none' })
    expect(says(j, f.occurrences[0]!, 'answer')).toContain('transaction')
    expect(says(j, f.occurrences[0]!, 'rst')).toContain('RST from 10.0.0.1')
  })

  it('several connections of one host in one moment: likelier, one finding', () => {
    const at = (i: number) => ({ client: `10.0.0.1:4000${i}`, at: `2026-01-01T00:00:00.${i}00Z` })
    const a = working(at(0)).query('SELECT SLEEP(9)')
    const b = working(at(1)).query('SELECT SLEEP(9)')
    const c = working(at(2)).query('SELECT 1', rows(1))
    const end = Math.max(a.wire.now, b.wire.now, c.wire.now) + 1_111_111
    for (const p of [a, b, c]) p.wait(`${end - p.wire.now}us`).close('client')
    const j = judge([a, b, c])
    const f = j.only(RULE)
    expect(f).toMatchObject({ severity: 'error', confidence: 'likely' })
    expect(f.occurrences.map((o) => o.session)).toEqual(['play.pcap:0', 'play.pcap:1'])
    expect(f.title).toContain('2 connections')
  })
})

describe('stays quiet', () => {
  it('COM_QUIT, even with an open transaction', () => {
    expectQuiet(
      judge(
        working()
          .query('BEGIN', ok({ status: 3 }))
          .wait('1.7s')
          .quit(),
      ),
      RULE,
    )
  })

  it('an idle client without an open transaction', () => {
    const j = judge(working().query('SELECT 1', rows(1)).wait('1.237s').close('client'))
    expectQuiet(j, RULE)
    expect(j.only('client-no-quit').severity).toBe('info')
  })

  it('the server closed first', () => {
    const j = judge(working().query('SELECT SLEEP(9)').wait('1.237s').close('server'))
    expect(j.of(RULE)).toEqual([])
  })

  it('the capture lost what followed the command: an answer, ROLLBACK or COM_QUIT', () => {
    const answer = working()
      .query('SELECT SLEEP(9)')
      .wait('1.237s')
      .miss(1)
      .answer(rows(1))
      .miss(1)
      .quit({ fin: false })
    expectQuiet(judge(answer.close('client')), RULE, 'client-timeout', 'client-no-quit')
    const rollback = working()
      .query('BEGIN', ok({ status: 3 }))
      .miss(1)
      .query('ROLLBACK')
      .miss(1)
      .answer(ok())
    expectQuiet(judge(rollback.wait('1.237s').close('client')), RULE)
  })

  it('a wait on a timer-like value', () => {
    const j = judge(working().query('SELECT SLEEP(9)').wait('3s').close('client'))
    expect(j.of(RULE)).toEqual([])
  })

  it('a transaction that was over before the close', () => {
    const p = working()
      .query('BEGIN', ok({ status: 3 }))
      .query('COMMIT', ok())
      .wait('1.237s')
      .close('client')
    expectQuiet(judge(p), RULE)
  })

  it('the capture ends in an open transaction', () => {
    expectQuiet(
      judge(
        working()
          .query('BEGIN', ok({ status: 3 }))
          .wait('1.237s'),
      ),
      RULE,
    )
  })

  it('a probe that reads the greeting and leaves', () => {
    expectQuiet(judge(play().connect().greet().close('client')), RULE, 'client-no-quit')
  })
})
