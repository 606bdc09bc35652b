/** handshake-timeout: the accepting side's timer for logins. */
import { describe, expect, it } from 'vitest'
import { clientHello, record } from '../tls/kit.ts'
import { incident, innocent } from './incidents.ts'
import { err, expectQuiet, judge, ok, play, rows, SERVER_IP, type Span, says, working } from './kit.ts'
import { PROXY_IP, tlsSession, together } from './stories.ts'

const RULE = 'handshake-timeout'

describe('the handshake stalled and the accepting side closed', () => {
  for (const wait of ['2s', '3s', '10s', '7.3s'] as Span[]) {
    it(`greeting, then ${wait} of silence`, () => {
      const p = play().connect().as('greeting').greet().wait(wait).as('rst')
      p.server.rst()
      const j = judge(p)
      const f = j.only(RULE)
      expect(j.accusations).toEqual([f])
      expect(f).toMatchObject({
        severity: 'error',
        confidence: 'likely',
        culprit: { role: 'server', address: SERVER_IP },
        detail: { waitingFor: 'login', answeredBy: 'server', errorCode: null },
      })
      expect(f.detail['silenceSeconds']).toBeCloseTo(Number.parseFloat(wait), 1)
      expect(says(j, f.occurrences[0]!, 'greeting')).toContain('greeting')
      expect(says(j, f.occurrences[0]!, 'rst')).toContain('RST')
    })
  }

  it('MySQL says 1159 before it closes: certain', () => {
    const p = play()
      .connect()
      .greet()
      .wait('10s')
      .answer(err(1159, '08S01', 'Got timeout reading communication packets'), 1)
      .close('server')
    expect(judge(p).only(RULE)).toMatchObject({ confidence: 'certain', detail: { errorCode: 1159 } })
  })

  it('in the middle of the TLS handshake', () => {
    const p = play().connect().greet().sslRequest().wait('5s').close('server')
    expect(judge(p).only(RULE).detail).toMatchObject({ waitingFor: 'tls' })
    const q = play().connect().greet().sslRequest()
    q.client.data(record(22, clientHello({ versions: [0x0304] }), 0x0301).subarray(0, 100))
    expect(judge(q.wait('10s').close('server')).only(RULE).detail).toMatchObject({ waitingFor: 'tls' })
  })

  it('a proxy whose timer runs out closes both legs: it is the culprit of both', () => {
    const front = play({ server: `${PROXY_IP}:3306` }).connect()
    const back = play({ client: `${PROXY_IP}:50000` })
    together(front, back)
    back.connect().greet({ connectionId: 9 })
    together(front, back)
    front.greet({ connectionId: 9 }).wait('5s').close('server')
    together(front, back)
    const f = judge([front, back.close('client')]).only(RULE)
    expect(f.occurrences).toHaveLength(2)
    expect(f.culprit).toMatchObject({ role: 'proxy', address: PROXY_IP })
  })

  it('a server behind a proxy closes, the proxy passes it on: the server is named', () => {
    const front = play({ server: `${PROXY_IP}:3306` }).connect()
    const back = play({ client: `${PROXY_IP}:50000` })
    together(front, back)
    back.connect().greet({ connectionId: 9 })
    together(front, back)
    front.greet({ connectionId: 9 })
    together(front.wait('10s'), back)
    back.close('server')
    together(front, back)
    const f = judge([front.close('server'), back]).only(RULE)
    expect(f.occurrences).toHaveLength(2)
    expect(f.culprit).toMatchObject({ role: 'server', address: SERVER_IP })
  })
})

describe('stays quiet', () => {
  it('the client closed first', () => expectQuiet(judge(play().connect().greet().wait('10s').close('client')), RULE))

  it('an ERR that refuses the login', () => {
    const p = play()
      .connect()
      .greet()
      .wait('5s')
      .answer(err(1045, '28000', 'Access denied'), 2)
      .close('server')
    expect(judge(p).of(RULE)).toEqual([])
  })

  it('a TLS alert, and a close much later', () => {
    const p = play().connect().greet().sslRequest()
    p.client.data(record(22, clientHello({ versions: [0x0304] }), 0x0301))
    p.server.data(record(21, Uint8Array.of(2, 70)))
    expect(judge(p.wait('5s').close('server')).of(RULE)).toEqual([])
  })

  it('a login that was retransmitted and never acknowledged', () => {
    const p = play().connect().greet().mute('server')
    p.client.data(Uint8Array.of(32, 0, 0, 1))
    p.retransmit('client', { times: 4 }).wait('5s')
    p.server.fin({ ackOffset: -4 })
    expect(judge(p).of(RULE)).toEqual([])
  })

  it('a login that went through, and an idle timeout later', () => {
    expect(judge(working().query('SELECT 1', rows(1)).wait('10s').close('server')).of(RULE)).toEqual([])
    expect(judge(play().connect().login({ reply: ok() }).wait('10s').close('server')).of(RULE)).toEqual([])
    expect(judge(tlsSession().wait('10s').close('server')).of(RULE)).toEqual([])
  })

  it('half of the connection was not captured', () => {
    const p = play().connect().greet().wait('10s').close('server')
    expectQuiet(judge(p, { keep: (f) => f.from === 'server' }), RULE)
  })
})

incident('connect-timeout-no-login-mariadb', RULE)
innocent('D-frontend-handshake-kinds', RULE)
innocent('router-server-wait-timeout', RULE)
