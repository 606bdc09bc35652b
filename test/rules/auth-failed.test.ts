/** auth-failed: refused in words, behind TLS, passed on by a proxy, declined by the client. */
import { describe, expect, it } from 'vitest'
import { bytes, clientHello, record, sealed, serverHello } from '../tls/kit.ts'
import { incident, innocent } from './incidents.ts'
import { CLIENT_IP, err, expectQuiet, judge, ok, play, rows, SERVER_IP, says, working } from './kit.ts'
import { PROXY_IP, sealedCommand, tlsSession, together } from './stories.ts'

const RULE = 'auth-failed'
const DENIED = "Access denied for user 'app'@'10.0.0.1' (using password: YES)"
const refused = (code: number, message: string, o: Parameters<typeof play>[0] = {}) =>
  play(o)
    .connect()
    .login({ plugin: 'mysql_native_password', reply: err(code, '28000', message) })
    .close('server')

describe('refused in words', () => {
  for (const [code, reason, message] of [
    [1045, 'access-denied', DENIED],
    [1044, 'schema-denied', "Access denied for user 'app'@'%' to database 'shop'"],
    [1049, 'unknown-schema', "Unknown database 'shop'"],
    [
      1251,
      'plugin-not-supported',
      'Client does not support authentication protocol requested by server; consider upgrading MySQL client',
    ],
    [1862, 'password-expired', 'Your password has expired.'],
    [3118, 'account-locked', "Access denied for user 'app'@'%'. Account is locked."],
    [4151, 'account-locked', 'Access denied, this account is locked'],
  ] as const) {
    it(`${code}: ${reason}`, () => {
      const j = judge(refused(code, message))
      const f = j.only(RULE)
      expect(j.accusations).toEqual([f])
      expect(f).toMatchObject({
        severity: 'error',
        confidence: 'certain',
        culprit: { role: 'server', address: SERVER_IP, product: 'MySQL' },
        detail: { code, reason, user: 'app', answeredBy: 'server' },
      })
      expect(f.title).toContain(String(code))
    })
  }

  it('1130 in place of a greeting: no account for this host', () => {
    const j = judge(
      play()
        .connect()
        .greetError(1130, "Host '10.0.0.1' is not allowed to connect to this MySQL server")
        .close('server'),
    )
    expect(j.only(RULE).detail).toMatchObject({ code: 1130, reason: 'host-not-allowed', user: null })
  })

  it('several logins of one user are one finding', () => {
    const plays = [1, 2, 3].map((n) => refused(1045, DENIED, { client: `10.0.0.1:4100${n}` }))
    expect(judge(plays).only(RULE).occurrences).toHaveLength(3)
  })

  it('two users are two', () => {
    const other = play({ client: '10.0.0.1:41001' })
      .connect()
      .login({ plugin: 'mysql_native_password', user: 'batch', reply: err(1045, '28000', DENIED) })
    expect(judge([refused(1045, DENIED), other.close('server')]).of(RULE)).toHaveLength(2)
  })

  it('COM_CHANGE_USER of a pool', () => {
    const p = working()
      .command(0x11, 'other\0\0\0', err(1045, '28000', DENIED))
      .close('server')
    expect(judge(p).only(RULE).detail).toMatchObject({ code: 1045 })
  })
})

describe('who answered', () => {
  it('ProxySQL says so itself', () => {
    const f = judge(
      refused(1045, "ProxySQL Error: Access denied for user 'app'@'10.0.0.1' (using password: YES)"),
    ).only(RULE)
    expect(f.culprit).toEqual({ role: 'proxy', address: SERVER_IP, product: 'ProxySQL' })
  })

  it('a proxy passes the server’s refusal on: both legs, one cause', () => {
    const front = play({ server: `${PROXY_IP}:3306` })
    const back = play({ client: `${PROXY_IP}:50000` })
    front.connect()
    together(front, back)
    const login = { plugin: 'mysql_native_password', connectionId: 77, reply: err(1045, '28000', DENIED) }
    back.connect().login(login).as('first')
    together(front, back)
    front.login(login)
    back.close('server')
    front.close('server')
    const j = judge([front, back])
    const f = j.only(RULE)
    expect(f.culprit).toMatchObject({ role: 'server', address: SERVER_IP })
    expect(f.occurrences.map((o) => o.server).sort()).toEqual([`${SERVER_IP}:3306`, `${PROXY_IP}:3306`])
  })

  it('a proxy that logs in by itself hands the refusal on as the answer to a statement', () => {
    const front = play({ server: `${PROXY_IP}:6033` })
      .connect()
      .login()
      .query('SELECT 1')
    const back = play({ client: `${PROXY_IP}:50000` })
    together(front, back)
    back
      .connect()
      .login({ plugin: 'mysql_native_password', reply: err(1045, '28000', DENIED) })
      .close('server')
    together(front, back)
    front.answer(err(1045, '28000', DENIED)).quit()
    const f = judge([front, back]).only(RULE)
    expect(f.occurrences).toHaveLength(2)
    expect(f.culprit).toMatchObject({ role: 'server', address: SERVER_IP })
  })
})

describe('in TLS that cannot be read', () => {
  const login = () => {
    const p = play().connect().greet().sslRequest()
    p.client.data(record(22, clientHello({ versions: [0x0304] }), 0x0301))
    p.server.data(bytes(record(22, serverHello()), record(20, Uint8Array.of(1)), sealed(1200), sealed(69)))
    p.client.data(bytes(record(20, Uint8Array.of(1)), sealed(69)))
    p.client.data(sealed(200))
    return p
  }
  it('login, one answer of an ERR’s length, hung up', () => {
    const p = login().as('answer')
    p.server.data(sealed(110))
    const j = judge(p.as('fin').close('server'))
    const f = j.only(RULE)
    expect(f).toMatchObject({ confidence: 'likely', detail: { code: null, reason: 'unreadable', user: null } })
    expect(says(j, f.occurrences[0]!, 'answer')).toContain('as long as an ERR')
    expect(says(j, f.occurrences[0]!, 'fin')).toContain('FIN')
  })

  it('with the password asked for on the way it is only possible', () => {
    const p = login()
    p.server.data(sealed(23))
    p.client.data(sealed(40))
    p.server.data(sealed(110))
    expect(judge(p.close('server')).only(RULE).confidence).toBe('possible')
  })

  it('an alert ahead of the answer is about TLS, an OK is short, a ticket long: quiet', () => {
    for (const length of [28, 255]) {
      const p = login()
      p.server.data(sealed(length))
      expect(judge(p.close('server')).of(RULE)).toEqual([])
    }
    const p = login()
    p.server.data(sealed(19))
    expect(judge(p.close('server')).of(RULE)).toEqual([])
  })
})

describe('declined by the client', () => {
  it('full authentication on a connection without TLS', () => {
    const p = play()
      .connect()
      .login({ reply: () => [Uint8Array.of(1, 4)] })
    const f = judge(p.close('client')).only(RULE)
    expect(f).toMatchObject({
      confidence: 'likely',
      culprit: { role: 'client', address: CLIENT_IP },
      detail: { reason: 'declined-by-client', answeredBy: 'client' },
    })
    expect(f.title).toContain('full authentication required')
  })
})

describe('stays quiet', () => {
  it('a login that succeeds after full authentication', () => {
    const p = play()
      .connect()
      .login({ reply: () => [Uint8Array.of(1, 4)] })
    p.say('client', Uint8Array.of(2), 3)
      .say('server', Uint8Array.of(1, 45, 45, 45), 4)
      .say('client', new Uint8Array(256).fill(7), 5)
      .answer(ok(), 6)
    expectQuiet(judge(p.query('SELECT 1', rows(1)).quit()), RULE)
  })

  it('an access error of a statement on a session that is logged in', () => {
    const p = working()
      .query("SELECT 1 INTO OUTFILE '/x'", err(1045, '28000', DENIED))
      .query('USE x', err(1044, '42000', 'Access denied'))
    expectQuiet(judge(p.quit()), RULE)
  })

  it('a TLS handshake that failed', () => {
    const p = play().connect().greet().sslRequest()
    p.client.data(record(22, clientHello({ versions: [0x0304] }), 0x0301))
    p.server.data(record(21, Uint8Array.of(2, 70)))
    expect(judge(p.close('server')).of(RULE)).toEqual([])
  })

  it('a session that ends with COM_QUIT right after its login', () => {
    const p = tlsSession()
    p.client.data(sealedCommand(5))
    expectQuiet(judge(p.close('server')), RULE)
    expectQuiet(judge(play().connect().login().quit()), RULE)
  })
})

incident('auth-failure-1045-mariadb', RULE)
incident('tls-client-cert-missing', RULE)
innocent('proto-sha2-fast-and-full-rsa', RULE)
innocent('tls-control-13', RULE)
innocent('tls-expired-cert-tls12', RULE)
innocent('D-frontend-handshake-kinds', RULE)
