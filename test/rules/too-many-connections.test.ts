/** too-many-connections: 1040, 1203, 1226, and who counted. */
import { describe, expect, it } from 'vitest'
import { incident, innocent } from './incidents.ts'
import { err, expectQuiet, judge, measured, play, rows, SERVER_IP, says, working } from './kit.ts'
import { PROXY_IP, together } from './stories.ts'

const RULE = 'too-many-connections'
const FULL = 'Too many connections'

describe('a limit is used up', () => {
  it('1040 in place of a greeting, with the connections seen open', () => {
    const open = [1, 2].map((n) =>
      working({ client: `10.0.0.1:4000${n}` })
        .query('SELECT 1', rows(1))
        .wait('10s')
        .quit(),
    )
    const late = play({ client: '10.0.0.1:40009', at: '2026-01-01T00:00:05Z' })
      .connect()
      .as('err')
      .greetError(1040, FULL)
      .close('server')
    const j = judge([...open, late])
    const f = j.only(RULE)
    expect(j.accusations).toEqual([f])
    expect(f).toMatchObject({
      severity: 'error',
      confidence: 'certain',
      culprit: { role: 'server', address: SERVER_IP, product: 'MySQL' },
      detail: { code: 1040, answeredBy: 'server', openConnections: 2 },
    })
    expect(says(j, f.occurrences[0]!, 'err')).toContain('in place of a greeting')
    expect(measured(f.occurrences[0]!, 'connections to it seen open')).toBe(2)
  })

  it('1040 after the login, as ProxySQL counts', () => {
    const p = play()
      .connect()
      .login({ serverVersion: '8.0.11', plugin: 'mysql_native_password', reply: err(1040, '08004', FULL) })
    expect(judge(p.close('server')).only(RULE).culprit).toEqual({
      role: 'proxy',
      address: SERVER_IP,
      product: 'ProxySQL',
    })
  })

  for (const [code, message] of [
    [1203, "User app already has more than 'max_user_connections' active connections"],
    [1226, "User 'app' has exceeded the 'max_user_connections' resource (current value: 2)"],
  ] as const) {
    it(`${code}, a limit of the user`, () => {
      const p = play()
        .connect()
        .login({ plugin: 'mysql_native_password', reply: err(code, '42000', message) })
      expect(judge(p.close('server')).only(RULE).detail).toMatchObject({ code })
    })
  }

  it('a proxy passes it on: both legs, and the server is named', () => {
    const front = play({ server: `${PROXY_IP}:3306` }).connect()
    const back = play({ client: `${PROXY_IP}:50000` })
    together(front, back)
    back.connect().greetError(1040, FULL)
    together(front, back)
    front.greetError(1040, FULL)
    const f = judge([front.close('server'), back.close('server')]).only(RULE)
    expect(f.occurrences).toHaveLength(2)
    expect(f.culprit).toMatchObject({ role: 'server', address: SERVER_IP })
  })

  it('a proxy that had no such answer behind it counts itself', () => {
    const back = working({ client: `${PROXY_IP}:50000` })
      .query('SELECT 1', rows(1))
      .wait('9s')
      .quit()
    const served = working({ server: `${PROXY_IP}:3306` })
      .query('SELECT 1', rows(1))
      .wait('9s')
      .quit()
    const front = play({ client: '10.0.0.1:40005', server: `${PROXY_IP}:3306`, at: '2026-01-01T00:00:05Z' })
      .connect()
      .greetError(1040, FULL)
    expect(judge([front.close('server'), back, served]).only(RULE).culprit).toMatchObject({
      role: 'proxy',
      address: PROXY_IP,
    })
  })
})

describe('stays quiet', () => {
  it('1226 for a limit on statements', () => {
    const message = "User 'app' has exceeded the 'max_questions' resource (current value: 9)"
    expectQuiet(
      judge(
        working()
          .query('SELECT 1', err(1226, '42000', message))
          .quit(),
      ),
      RULE,
    )
    const p = play()
      .connect()
      .login({ plugin: 'mysql_native_password', reply: err(1226, '42000', message) })
    expectQuiet(judge(p.close('server')), RULE)
  })

  it('an error of this code in answer to a statement', () => {
    expectQuiet(
      judge(
        working()
          .query('SELECT * FROM federated', err(1040, '08004', FULL))
          .quit(),
      ),
      RULE,
    )
  })
})

incident('too-many-connections-1040', RULE)
innocent('host-blocked-1129-by-healthcheck', RULE)
