/** wrong-protocol: other protocols on MySQL connections. */
import { describe, expect, it } from 'vitest'
import { clientHello, record } from '../tls/kit.ts'
import { incident, innocent } from './incidents.ts'
import { CLIENT_IP, err, expectQuiet, judge, play, SERVER_IP, says, working } from './kit.ts'
import { legs, PROXY_IP, tlsSession, together } from './stories.ts'

const RULE = 'wrong-protocol'
const HELLO = record(22, clientHello({ versions: [0x0304] }), 0x0301)

describe('the client speaks something else', () => {
  for (const [protocol, first] of [
    ['http', 'GET / HTTP/1.1\r\nHost: db\r\n\r\n'],
    ['ssh', 'SSH-2.0-OpenSSH_9.6\r\n'],
    ['tls-client-hello', HELLO],
    ['redis', '*1\r\n$4\r\nPING\r\n'],
    ['smtp', 'EHLO mail\r\n'],
  ] as const) {
    it(protocol, () => {
      const p = play().connect().greet().as('strange')
      p.client.data(first)
      p.as('err')
        .answer(err(1043, '08S01', 'Bad handshake'), 1)
        .close('server')
      const j = judge(p)
      const f = j.only(RULE)
      expect(j.accusations).toEqual([f])
      expect(f).toMatchObject({
        family: 'protocol',
        severity: 'error',
        confidence: 'certain',
        culprit: { role: 'client', address: CLIENT_IP },
        detail: { protocol, spokenBy: 'client', errorCode: 1043 },
      })
      expect(says(j, f.occurrences[0]!, 'strange')).toContain('speaks')
      expect(says(j, f.occurrences[0]!, 'err')).toContain('1043')
    })
  }

  it('before the greeting came', () => {
    const p = play().connect()
    p.client.data('GET / HTTP/1.0\r\n\r\n')
    p.greet().close('server')
    expect(judge(p).only(RULE).detail).toMatchObject({ protocol: 'http' })
  })

  it('through a proxy: both legs, and the client is named', () => {
    const front = play({ server: `${PROXY_IP}:3306` }).connect()
    const back = play({ client: `${PROXY_IP}:50000` })
    together(front, back)
    back.connect().greet({ connectionId: 5 })
    together(front, back)
    front.greet({ connectionId: 5 })
    front.client.data(HELLO)
    together(front, back)
    back.client.data(HELLO)
    back.close('server')
    together(front, back)
    const f = judge([front.close('server'), back]).only(RULE)
    expect(f.occurrences).toHaveLength(2)
    expect(f.culprit).toMatchObject({ role: 'client', address: CLIENT_IP })
  })
})

describe('the server speaks something else', () => {
  it('SSH on the MySQL port', () => {
    const p = play().connect()
    p.server.data('SSH-2.0-OpenSSH_9.6\r\n')
    const f = judge(p.close('client')).only(RULE)
    expect(f).toMatchObject({
      culprit: { role: 'server', address: SERVER_IP },
      detail: { protocol: 'ssh', spokenBy: 'server' },
    })
    expect(f.title).toContain('is no MySQL server')
  })
})

describe('stays quiet', () => {
  it('TLS after SSLRequest', () => expectQuiet(judge(tlsSession().close('client')), RULE))

  it('a PROXY header', () => {
    const p = play().connect()
    p.client.data('PROXY TCP4 10.0.0.9 10.0.0.2 4000 3306\r\n')
    expect(judge(p.login().quit()).of(RULE)).toEqual([])
  })

  it('plain text inside a TLS stream', () => {
    const p = tlsSession()
    p.client.data(Uint8Array.of(1, 0, 0, 0, 1))
    expect(judge(p.close('client')).of(RULE)).toEqual([])
    const q = play().connect().greet().sslRequest()
    q.client.data('GET / HTTP/1.1\r\n\r\n')
    expect(judge(q.close('server')).of(RULE)).toEqual([])
  })

  it('X Protocol on a port of its own', () => {
    const p = play({ server: '10.0.0.2:33060' }).connect()
    p.server.data(Uint8Array.of(5, 0, 0, 0, 0x0b, 8, 5, 0x1a, 0))
    p.client.data(Uint8Array.of(1, 0, 0, 0, 1))
    expectQuiet(judge(p.close('client')), RULE)
  })

  it('another service on a port that MySQL is expected on, with clients of its own', () => {
    const p = play().connect()
    p.server.data('SSH-2.0-OpenSSH_9.6\r\n')
    p.client.data('SSH-2.0-PuTTY\r\n')
    expectQuiet(judge(p.close('client')), RULE)
    const q = play().connect()
    q.client.data('GET / HTTP/1.1\r\n\r\n')
    q.server.data('HTTP/1.1 200 OK\r\n\r\n')
    expectQuiet(judge(q.close('server')), RULE)
  })

  it('sessions in use, on one leg or two', () => {
    const { front, back } = legs()
    front.query('SELECT 1')
    expect(judge([front, back, working({ client: '10.0.0.7:40000' }).quit()]).of(RULE)).toEqual([])
  })
})

incident('wrong-protocol-tls-hello-to-mysql-port', RULE)
innocent('D-frontend-handshake-kinds', RULE)
innocent('tls-plaintext-after-sslrequest', RULE)
innocent('proto-zlib-mariadb', RULE)
