/** response-desync: an answer that does not belong to its command, or that nobody reads any more. */
import { describe, expect, it } from 'vitest'
import { err, expectQuiet, judge, ok, type Play, play, rows, says, several, working } from './kit.ts'

const RULE = 'response-desync'
const named = (client: string): Play =>
  play()
    .connect()
    .login({ attributes: { _client_name: client } })

describe('reports', () => {
  for (const [sql, reply, got] of [
    ['UPDATE t SET a = 1', rows(3), 'rows'],
    ['INSERT INTO t VALUES (1)', rows(1), 'rows'],
    ['COMMIT', rows(2), 'rows'],
    ['SELECT a FROM t', ok(), 'OK'],
  ] as const) {
    it(`${sql} answered with ${got}`, () => {
      const j = judge(
        working().as('command').query(sql).as('answer').answer(reply).query('SELECT 1 FROM t', rows(1)).quit(),
      )
      const f = j.only(RULE)
      expect(f).toMatchObject({
        severity: 'error',
        confidence: 'certain',
        culprit: { role: 'server' },
        detail: { kind: 'mismatch', got },
      })
      expect(says(j, f.occurrences[0]!, 'answer')).toContain(got)
      expect(f.occurrences[0]!.statement).toBe(sql)
    })
  }

  it('a ping answered with rows', () => {
    expect(judge(working().command(0x0e).answer(rows(1)).quit()).only(RULE).detail['got']).toBe('rows')
  })

  it('a command sent although the answer before is still to come: the next borrower reads it', () => {
    const p = named('libmysql').query('SELECT SLEEP(5)').wait('2s').as('next').query('SELECT name FROM user')
    p.wait('3s').answer(rows(1)).answer(rows(3)).wait('2s')
    const j = judge(p.query('SELECT 2 FROM t', rows(1)).quit())
    const f = j.only(RULE)
    expect(f).toMatchObject({
      severity: 'error',
      confidence: 'likely',
      culprit: { role: 'client', product: 'libmysql' },
      detail: { kind: 'unread', got: null },
    })
    expect(says(j, f.occurrences[0]!, 'next')).toContain('another command')
  })
})

describe('stays quiet', () => {
  it('SELECT … INTO, INSERT … RETURNING, several statements, errors', () => {
    const p = working().query('SELECT a INTO @x FROM t', ok()).query('INSERT INTO t VALUES (1) RETURNING a', rows(1))
    p.query('SET STATEMENT max_statement_time=1 FOR SELECT a FROM t', rows(1))
    p.query('SET @a=1; SELECT @a', several(ok(), rows(1)))
      .query('SELECT a FROM t', err(1146, '42S02', 'no'))
      .query('UPDATE t SET a=1', ok())
    expectQuiet(judge(p.quit()), RULE)
  })

  it('drivers that pipeline, and those that are not known', () => {
    for (const name of ['MariaDB Connector/J', 'MySqlConnector']) {
      const p = named(name).query('SELECT SLEEP(5)').wait('2s').query('SELECT a FROM t').wait('3s')
      expectQuiet(judge(p.answer(rows(1)).answer(rows(3)).wait('2s').quit()), RULE)
    }
    const p = play()
      .connect()
      .login({ attributes: {} })
      .query('SELECT SLEEP(5)')
      .wait('2s')
      .query('SELECT a FROM t')
      .wait('3s')
    expectQuiet(judge(p.answer(rows(1)).answer(rows(3)).wait('2s').quit()), RULE)
  })

  it('captures with holes', () => {
    const p = working().query('SELECT a FROM t').miss(1).answer(rows(1)).query('UPDATE t SET a=1', ok())
    expect(judge(p.quit()).of(RULE)).toEqual([])
  })

  it('commands sent one upon the other within a moment', () => {
    const p = named('libmysql').query('SELECT a FROM t').wait('1ms').query('SELECT b FROM t').wait('1ms')
    expect(judge(p.answer(rows(1)).answer(rows(1)).quit()).of(RULE)).toEqual([])
  })
})
