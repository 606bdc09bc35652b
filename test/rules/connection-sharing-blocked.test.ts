/** connection-sharing-blocked: what kept a router or proxy from sharing a session's server connection. */
import { describe, expect, it } from 'vitest'
import { expectQuiet, judge, ok, type Play, play, type Reply, rows, says } from './kit.ts'
import { PROXY_IP, together } from './stories.ts'

const RULE = 'connection-sharing-blocked'
const TRACKERS =
  'SET @@SESSION.session_track_system_variables = "*", @@SESSION.session_track_gtids = "OWN_GTID", @@SESSION.session_track_state_change = "ON", @@SESSION.session_track_transaction_info = "CHARACTERISTICS"'
const IN_TRANSACTION = ok({ status: 3 })

let made = 0
const leg = (client: string, server: string): Play => {
  made++
  return play({ client, server, isn: { client: 1000 + 10 * made, server: 1005 + 10 * made } })
}
const front = (version = '8.4.3-router'): Play =>
  leg('10.0.0.1:40001', `${PROXY_IP}:6446`).connect().login({ serverVersion: version })
const routerBack = (): Play => leg(`${PROXY_IP}:50001`, '10.0.0.2:3306').connect().login().query(TRACKERS, ok())

function through(c: Play, s: Play, sql: string, reply: Reply, label?: string): void {
  together(c, s)
  c.query(sql)
  together(c, s)
  if (label !== undefined) s.as(label)
  s.query(sql, reply)
  together(c, s)
  c.answer(reply)
}

describe('reports', () => {
  it('MySQL Router: a transaction that stays open while the client waits', () => {
    const [c, s] = [front(), routerBack()]
    through(c, s, 'SELECT a FROM t', rows(1))
    through(c, s, 'START TRANSACTION', IN_TRANSACTION, 'begin')
    through(c, s, 'UPDATE t SET a=1', IN_TRANSACTION)
    c.wait('3s')
    through(c, s, 'COMMIT', ok())
    const j = judge([c.quit(), s])
    const f = j.only(RULE)
    expect(f).toMatchObject({
      severity: 'info',
      detail: { why: ['open-transaction'], product: 'MySQL Router', serverConnection: `${PROXY_IP}:50001` },
    })
    expect(f.occurrences.map((o) => o.client)).toEqual(['10.0.0.1:40001'])
    expect(says(j, f.occurrences[0]!, 'begin')).toContain('a transaction is open')
    expect(f.detail['heldSeconds']).toBeCloseTo(3, 1)
  })

  for (const [sql, why] of [
    ["SET @a = 'x'", 'user-variable'],
    ['CREATE TEMPORARY TABLE s (a INT)', 'temporary-table'],
    ['LOCK TABLES t READ', 'table-locks'],
    ["SELECT GET_LOCK('a', 1)", 'user-lock'],
  ] as const) {
    it(`ProxySQL: ${why}`, () => {
      const c = front('8.0.36-proxysql')
        .query('SELECT a FROM t', rows(1))
        .query(sql, ok())
        .query('SELECT b FROM t', rows(1))
        .wait('2s')
      expect(judge(c.query('SELECT c FROM t', rows(1)).quit()).only(RULE).detail).toMatchObject({
        why: [why],
        product: 'ProxySQL',
      })
    })
  }
})

describe('stays quiet', () => {
  it('a session whose connection was reset and shared', () => {
    const [c, s] = [front(), routerBack()]
    through(c, s, 'SELECT a FROM t', rows(1))
    c.wait('3s')
    together(c, s)
    s.resetConnection().query(TRACKERS, ok())
    through(c, s, 'SELECT b FROM t', rows(1))
    expectQuiet(judge([c.quit(), s]), RULE)
  })

  it('short pauses, and transactions that end before the pause', () => {
    const [c, s] = [front(), routerBack()]
    through(c, s, 'START TRANSACTION', IN_TRANSACTION)
    c.wait('200ms')
    through(c, s, 'COMMIT', ok())
    c.wait('3s')
    through(c, s, 'SELECT b FROM t', rows(1))
    expectQuiet(judge([c.quit(), s]), RULE)
  })

  it('proxies that join connections one to one', () => {
    const c = front('8.4.3').query('BEGIN', IN_TRANSACTION).wait('3s').query('COMMIT', ok())
    expectQuiet(judge(c.quit()), RULE)
  })
})
