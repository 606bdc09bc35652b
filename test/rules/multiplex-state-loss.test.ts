/** multiplex-state-loss: state set on one server connection, needed on another. */
import { describe, expect, it } from 'vitest'
import { err, expectQuiet, judge, ok, type Play, play, type Reply, rows, says } from './kit.ts'
import { PROXY_IP, together } from './stories.ts'

const RULE = 'multiplex-state-loss'

let made = 0
const leg = (client: string, server: string): Play => {
  made++
  return play({ client, server, isn: { client: 1000 + 10 * made, server: 1005 + 10 * made } })
}
const front = (port: number): Play =>
  leg(`10.0.0.1:${port}`, `${PROXY_IP}:6033`)
    .connect()
    .login({ serverVersion: '8.0.36-proxysql' })
    .query('SELECT 0 FROM a', rows(1))
const back = (port: number): Play =>
  leg(`${PROXY_IP}:${port}`, '10.0.0.2:3306').connect().login().query('SELECT 0 FROM b', rows(1))

/** A statement of the client on this server connection. */
function through(client: Play, server: Play, sql: string, reply: Reply, label?: string): void {
  together(client, server)
  if (label !== undefined) client.as(label)
  client.query(sql)
  together(client, server)
  if (label !== undefined) server.as(`${label} behind`)
  server.query(sql, reply)
  together(client, server)
  client.answer(reply)
}

describe('reports', () => {
  it('a user variable that the other server connection does not have', () => {
    const [c, x, y] = [front(40001), back(50001), back(50002)]
    together(c, x, y)
    through(c, x, "SET @tenant = 'acme'", ok(), 'set')
    through(c, y, 'SELECT a FROM t WHERE tenant = @tenant', rows(0), 'needs')
    const j = judge([c.quit(), x, y])
    const f = j.only(RULE)
    expect(f).toMatchObject({
      severity: 'error',
      confidence: 'likely',
      culprit: { role: 'proxy', address: PROXY_IP },
      detail: {
        state: 'user_variable',
        name: '@tenant',
        setOn: { connection: `${PROXY_IP}:50001` },
        ranOn: { connection: `${PROXY_IP}:50002` },
        error: null,
      },
    })
    expect(says(j, f.occurrences[0]!, 'needs behind')).toContain('had not been set')
  })

  it('a temporary table, with the error it brought', () => {
    const [c, x, y] = [front(40001), back(50001), back(50002)]
    together(c, x, y)
    through(c, x, 'CREATE TEMPORARY TABLE basket (id INT)', ok())
    through(c, y, 'INSERT INTO basket VALUES (1)', err(1146, '42S02', 'no such table'))
    expect(judge([c.quit(), x, y]).only(RULE).detail).toMatchObject({ state: 'temp_table', error: 1146 })
  })
})

describe('stays quiet', () => {
  it('on one server connection', () => {
    const [c, x, y] = [front(40001), back(50001), back(50002)]
    together(c, x, y)
    through(c, x, "SET @tenant = 'acme'", ok())
    through(c, x, 'SELECT a FROM t WHERE tenant = @tenant', rows(1))
    expectQuiet(judge([c.quit(), x, y.quit()]), RULE)
  })

  it('when the proxy sets the state again', () => {
    const [c, x, y] = [front(40001), back(50001), back(50002)]
    together(c, x, y)
    through(c, x, "SET SESSION sql_mode = 'ANSI'", ok())
    together(c, y)
    y.query("SET sql_mode='ansi'", ok())
    through(c, y, 'SELECT a FROM t', rows(1))
    expectQuiet(judge([c.quit(), x, y]), RULE)
  })

  it('when the statement does not need it', () => {
    const [c, x, y] = [front(40001), back(50001), back(50002)]
    together(c, x, y)
    through(c, x, "SET @tenant = 'acme'", ok())
    through(c, y, 'SELECT a FROM t', rows(1))
    expectQuiet(judge([c.quit(), x, y]), RULE)
  })

  it('when another client says the same at the same time, so that it may be its statement', () => {
    const [c, d, x, y] = [front(40001), front(40002), back(50001), back(50002)]
    together(c, d, x, y)
    through(c, x, "SET @tenant = 'acme'", ok())
    together(c, d, x, y)
    const sql = 'SELECT a FROM t WHERE tenant = @tenant'
    c.query(sql)
    d.query(sql)
    together(c, d, x, y)
    x.query(sql, rows(1))
    y.query(sql, rows(0))
    together(c, d, x, y)
    c.answer(rows(1))
    d.answer(rows(0))
    expectQuiet(judge([c.quit(), d.quit(), x, y]), RULE)
  })
})
