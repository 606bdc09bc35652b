/** proxy-protocol-mismatch: a header that is not expected, or none where one is. */
import { describe, expect, it } from 'vitest'
import { proxyV2 } from '../kit/mysql-bytes.ts'
import { incident, innocent } from './incidents.ts'
import { CLIENT_IP, err, expectQuiet, judge, play, rows, SERVER_IP, says, working } from './kit.ts'
import { PROXY_IP, together } from './stories.ts'

const RULE = 'proxy-protocol-mismatch'
const V1 = `PROXY TCP4 ${CLIENT_IP} ${PROXY_IP} 40000 3306\r\n`
const V2 = proxyV2([10, 0, 0, 1], 40000, [10, 0, 0, 5], 3306)
const backLeg = () => play({ client: `${PROXY_IP}:50000` }).connect()

describe('a header that the server does not take', () => {
  for (const [version, header] of [
    [1, V1],
    [2, V2],
  ] as const) {
    it(`version ${version}, ahead of the greeting: 1156`, () => {
      const p = backLeg().as('header')
      p.client.data(header)
      p.greet()
        .as('err')
        .answer(err(1156, '08S01', 'Got packets out of order'), 1)
        .close('server')
      const j = judge(p)
      const f = j.only(RULE)
      expect(j.accusations).toEqual([f])
      expect(f).toMatchObject({
        family: 'protocol',
        severity: 'error',
        confidence: 'certain',
        culprit: { role: 'proxy', address: PROXY_IP },
        detail: { how: 'header-not-accepted', version, errorCode: 1156 },
      })
      expect(says(j, f.occurrences[0]!, 'header')).toContain('PROXY header')
      expect(says(j, f.occurrences[0]!, 'err')).toContain('1156')
    })
  }

  it('MariaDB: 1130 for the proxy’s own address', () => {
    const p = backLeg()
    p.client.data(V1)
    p.greet({ serverVersion: '10.11.19-MariaDB' }).answer(
      err(1130, 'HY000', `Host '${PROXY_IP}' is not allowed to connect to this MariaDB server`),
      2,
    )
    p.server.rst()
    expect(judge(p).only(RULE).detail).toMatchObject({ errorCode: 1130 })
  })

  it('MariaDB 10.11: 1130 in words that say so, before or after the login, on either leg', () => {
    const refusal = err(1130, 'HY000', `Proxy header is not accepted from ${PROXY_IP}`)
    const p = backLeg()
    p.client.data(V2)
    p.login({ serverVersion: '10.11.19-MariaDB', reply: refusal })
    p.server.rst()
    const front = play({ server: `${PROXY_IP}:3306` })
      .connect()
      .login({ serverVersion: '10.11.19-MariaDB', reply: refusal })
    for (const story of [p, front.close('server')])
      expect(judge(story).only(RULE)).toMatchObject({
        confidence: 'certain',
        culprit: { role: 'proxy', address: PROXY_IP },
        detail: { errorCode: 1130 },
      })
  })

  it('closed without a word: possible', () => {
    const p = backLeg()
    p.client.data(V2)
    p.greet().wait('10s')
    p.server.rst()
    expect(judge(p).only(RULE).confidence).toBe('possible')
  })

  it('both legs are one finding', () => {
    const front = play({ server: `${PROXY_IP}:3306` }).connect()
    const back = play({ client: `${PROXY_IP}:50000` })
    together(front, back)
    back.connect().client.data(V1)
    back.greet({ connectionId: 9 })
    together(front, back)
    front.greet({ connectionId: 9 })
    together(front, back)
    back.answer(err(1156, '08S01', 'Got packets out of order'), 1).close('server')
    together(front, back)
    front.answer(err(1156, '08S01', 'Got packets out of order'), 1).close('server')
    const f = judge([front, back]).only(RULE)
    expect(f.occurrences).toHaveLength(2)
    expect(f.culprit).toEqual({ role: 'proxy', address: PROXY_IP, product: null })
  })

  it('on the client’s leg alone: an error about packets that it has not sent', () => {
    const p = play()
      .connect()
      .greet()
      .wait('1ms')
      .answer(err(1156, '08S01', 'Got packets out of order'), 1)
      .close('server')
    expect(judge(p).only(RULE)).toMatchObject({
      confidence: 'likely',
      culprit: { role: 'proxy', address: SERVER_IP },
      detail: { version: null },
    })
    const q = play()
      .connect()
      .greet()
      .answer(err(1130, 'HY000', "Host '10.9.9.9' is not allowed to connect to this MariaDB server"), 2)
      .close('server')
    expect(judge(q).only(RULE).detail).toMatchObject({ errorCode: 1130 })
  })
})

describe('no header where one is awaited', () => {
  it('others bring it and are served', () => {
    const served = play({ client: '10.0.0.9:50001' }).connect()
    served.client.data('PROXY TCP4 10.7.0.1 10.0.0.2 4000 3306\r\n')
    served.login().query('SELECT 1', rows(1)).quit()
    const mute = play({ client: `${CLIENT_IP}:41000` })
      .connect()
      .wait('10s')
      .close('client')
    expect(judge([served, mute]).only(RULE)).toMatchObject({
      confidence: 'likely',
      culprit: { role: 'client', address: CLIENT_IP },
      detail: { how: 'header-missing' },
    })
  })
})

describe('stays quiet', () => {
  it('a header followed by a login that succeeds', () => {
    for (const header of [V1, V2]) {
      const p = backLeg()
      p.client.data(header)
      expectQuiet(judge(p.login().query('SELECT 1', rows(1)).quit()), RULE)
    }
  })

  it('a header, and then a refused password', () => {
    const p = backLeg()
    p.client.data(V1)
    p.login({ plugin: 'mysql_native_password', reply: err(1045, '28000', 'Access denied') }).close('server')
    const j = judge(p)
    expect(j.of(RULE)).toEqual([])
    expect(j.only('auth-failed').detail).toMatchObject({ code: 1045 })
  })

  it('a header, and an error that names the address of the header (it was accepted)', () => {
    const p = backLeg()
    p.client.data(V1)
    p.greetError(1130, `Host '${CLIENT_IP}' is not allowed to connect to this MariaDB server`).close('server')
    expect(judge(p).of(RULE)).toEqual([])
  })

  it('a capture of the server’s packets alone', () => {
    const p = play().connect().greet()
    p.client.data('GET / HTTP/1.1\r\n\r\n')
    p.answer(err(1156, '08S01', 'Got packets out of order'), 1).close('server')
    expect(judge(p, { keep: (f) => f.from === 'server' }).of(RULE)).toEqual([])
  })

  it('packets that are really out of order', () => {
    const p = play().connect().greet()
    p.client.data(Uint8Array.of(40, 0, 0, 7, ...new Uint8Array(40).fill(1)))
    expect(judge(p.answer(err(1156, '08S01', 'Got packets out of order'), 2).close('server')).of(RULE)).toEqual([])
  })

  it('a session without any header', () => expectQuiet(judge(working().quit()), RULE))
})

incident('proxy-protocol-v1-to-mysql97', RULE)
innocent('proxy-protocol-v2-control', RULE)
innocent('proxy-protocol-v2-idle-kill', RULE)
