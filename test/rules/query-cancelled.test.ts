/** query-cancelled: a statement ended early and its connection lived on. */
import { describe, expect, it } from 'vitest'
import { CLIENT_IP, err, expectQuiet, judgeCuts as judge, rows, SERVER_IP, says, working } from './kit.ts'
import { together } from './stories.ts'

const RULE = 'query-cancelled'
const INTERRUPTED = err(1317, '70100', 'Query execution was interrupted')

describe('a statement was cancelled', () => {
  it('by KILL QUERY from a second connection of the same client', () => {
    const p = working().query('SELECT SLEEP(9)').wait('1s')
    const second = working({ client: '10.0.0.1:40001', at: '2026-01-01T00:00:01Z' })
      .as('kill')
      .kill(p.connectionId, 'QUERY')
    together(p, second)
    p.as('1317').answer(INTERRUPTED).query('SELECT 1', rows(1)).quit()
    const j = judge([p, second.quit()])
    expectQuiet(j, 'connection-killed')
    const f = j.only(RULE)
    expect(f).toMatchObject({
      severity: 'info',
      confidence: 'certain',
      culprit: { role: 'client', address: CLIENT_IP },
      detail: { code: 1317, timer: null, cancelledBy: '10.0.0.1:40001' },
    })
    const o = f.occurrences[0]!
    expect(o).toMatchObject({ session: 'play.pcap:0', statement: 'SELECT SLEEP(9)', outcome: 'answered' })
    expect(says(j, o, 'kill')).toContain(`KILL QUERY ${p.connectionId}`)
    expect(says(j, o, '1317')).toContain('1317')
  })

  it('by a KILL QUERY that was not captured: the sender is unknown', () => {
    const p = working().query('SELECT SLEEP(9)').wait('1s').answer(INTERRUPTED).query('SELECT 1', rows(1)).quit()
    const f = judge(p).only(RULE)
    expect(f).toMatchObject({
      confidence: 'likely',
      culprit: { role: 'unknown', address: null },
      detail: { cancelledBy: null },
    })
  })

  for (const [code, timer] of [
    [3024, 'max_execution_time'],
    [1969, 'max_statement_time'],
  ] as const) {
    it(`by the server’s own ${timer} (${code})`, () => {
      const p = working()
        .query('SELECT slow')
        .wait('1s')
        .answer(err(code, 'HY000', 'exceeded'))
        .query('SELECT 1', rows(1))
        .quit()
      const f = judge(p).only(RULE)
      expect(f).toMatchObject({
        severity: 'info',
        confidence: 'certain',
        culprit: { role: 'server', address: SERVER_IP },
        detail: { code, timer },
      })
    })
  }

  it('several times in one session: one finding, one occurrence each', () => {
    const p = working()
    for (let i = 0; i < 3; i++)
      p.query(`SELECT ${i}`)
        .wait('1s')
        .answer(err(3024, 'HY000', 'exceeded'))
    const f = judge(p.quit()).only(RULE)
    expect(f.occurrences.map((o) => o.statement)).toEqual(['SELECT 0', 'SELECT 1', 'SELECT 2'])
  })

  it('and the capture ends: still a note', () => {
    expectQuiet(judge(working().query('SELECT SLEEP(9)').wait('1s').answer(INTERRUPTED)), 'connection-killed')
  })
})

describe('stays quiet', () => {
  it('1317 followed by the close of the connection', () => {
    const j = judge(working().query('SELECT SLEEP(9)').wait('1s').answer(INTERRUPTED).close('server'))
    expect(j.of(RULE)).toEqual([])
    expect(j.only('connection-killed').severity).toBe('error')
  })

  it('ordinary SQL errors', () => {
    const p = working()
    for (const code of [1062, 1064, 1146, 1205, 1213]) p.query('UPDATE t', err(code, 'HY000', 'no'))
    expectQuiet(judge(p.quit()), RULE)
  })
})
