/** tls-required: logins without TLS that were refused for want of it. */
import { describe, expect, it } from 'vitest'
import { innocent } from './incidents.ts'
import { CLIENT_IP, err, expectQuiet, judge, play, SERVER_IP, says, working } from './kit.ts'
import { legs, PROXY_IP, together } from './stories.ts'
import { established } from './tls-stories.ts'

const RULE = 'tls-required'
const TEXT = 'Connections using insecure transport are prohibited while --require_secure_transport=ON.'
const refused = (code: number, message: string, o: Parameters<typeof play>[0] = {}) =>
  play(o)
    .connect()
    .login({ user: 'report', reply: err(code, 'HY000', message) })
    .close('server')

describe('the server says it', () => {
  for (const [code, text] of [
    [3159, TEXT],
    [1045, "ProxySQL Error: Access denied for user 'report'@'10.0.0.1' (using password: YES). SSL is required"],
    [9002, 'SSL connection is required. Please specify SSL options and retry.'],
    [1105, 'server does not allow insecure connections, client must use SSL/TLS'],
  ] as const) {
    it(`${code} ${text.slice(0, 40)}`, () => {
      const j = judge(refused(code, text))
      const f = j.only(RULE)
      expect(j.accusations).toEqual([f])
      expect(f).toMatchObject({ family: 'tls', severity: 'error', confidence: 'certain' })
      expect(f.detail).toMatchObject({ code, user: 'report', inWords: true })
      expect(f.culprit.address).toBe(SERVER_IP)
    })
  }

  it('names the frames', () => {
    const j = judge(
      play()
        .connect()
        .as('greeting')
        .login({ reply: err(3159, 'HY000', TEXT) })
        .close('server'),
    )
    const o = j.only(RULE).occurrences[0]!
    expect(says(j, o, 'greeting')).toContain('offers TLS')
    expect(o.evidence.map((e) => ('says' in e ? e.says : '')).join()).toContain('no SSLRequest')
  })

  it('behind a proxy that passes it on: both legs, and the server is named', () => {
    const front = play({ server: `${PROXY_IP}:3306` }).connect()
    const back = play({ client: `${PROXY_IP}:50000` })
    together(front, back)
    back.connect().login({ connectionId: 7, reply: err(3159, 'HY000', TEXT) })
    together(front, back)
    front.login({ connectionId: 7, reply: err(3159, 'HY000', TEXT) })
    together(front, back)
    const f = judge([front.close('server'), back.close('server')]).only(RULE)
    expect(f.occurrences).toHaveLength(2)
    expect(f.culprit).toMatchObject({ role: 'server', address: SERVER_IP })
  })
})

describe('stays quiet', () => {
  it('1045 for a user who is not seen to get in with TLS', () => {
    const p = refused(1045, "Access denied for user 'report'@'10.0.0.1' (using password: YES)")
    expect(judge([p, established({ client: `${CLIENT_IP}:41000` }).close('client')]).of(RULE)).toEqual([])
  })

  it('a login without TLS that succeeds', () => expectQuiet(judge(working().quit()), RULE))

  it('an error of a statement that speaks of TLS', () => {
    expectQuiet(
      judge(
        working()
          .query('CALL p()', err(1105, 'HY000', 'SSL is required'))
          .quit(),
      ),
      RULE,
    )
  })

  it('sessions on two legs', () => {
    const { front, back } = legs()
    expectQuiet(judge([front.quit(), back.quit()]), RULE)
  })
})

innocent('auth-failure-1045-mariadb', RULE)
innocent('tls-control-13', RULE)
innocent('proto-sha2-fast-and-full-rsa', RULE)
