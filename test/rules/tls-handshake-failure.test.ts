/** tls-handshake-failure: who ended a TLS handshake, at which step, and for what reason where one is readable. */
import { describe, expect, it } from 'vitest'
import { bytes, record, sealed } from '../tls/kit.ts'
import { incident, innocent } from './incidents.ts'
import { CLIENT_IP, err, expectQuiet, judge, type Play, play, SERVER_IP, says, working } from './kit.ts'
import { legs, PROXY_IP, together } from './stories.ts'
import { alert, asked, established, finished13, flight13, hello, inUse, SEALED_ALERT, TLS12 } from './tls-stories.ts'

const RULE = 'tls-handshake-failure'
const client = { role: 'client', address: CLIENT_IP }
const server = { role: 'server', address: SERVER_IP }

const only = (p: Play) => {
  const j = judge(p)
  const f = j.only(RULE)
  expect(j.accusations).toEqual([f])
  return { j, f }
}

describe('an alert names the reason and the one who refused', () => {
  for (const [number, reason] of [
    [48, 'unknown-ca'],
    [45, 'certificate-expired'],
    [42, 'other'],
    [46, 'other'],
  ] as const) {
    it(`alert ${number} of the client: ${reason}`, () => {
      const p = flight13(hello(asked().as('request'))).as('alert')
      p.client.data(alert(2, number))
      const { j, f } = only(p.close('client'))
      expect(f).toMatchObject({ severity: 'error', confidence: 'certain', culprit: client })
      expect(f.detail).toMatchObject({ reason, refusedBy: 'client', after: 'ServerHello', selectedVersion: 'TLSv1.3' })
      expect(says(j, f.occurrences[0]!, 'alert')).toContain('alert')
    })
  }

  for (const [number, reason] of [
    [70, 'protocol-version'],
    [86, 'protocol-version'],
    [40, 'no-shared-cipher'],
    [71, 'no-shared-cipher'],
    [80, 'other'],
  ] as const) {
    it(`alert ${number} of the server to the ClientHello: ${reason}`, () => {
      const p = hello(asked(), { versions: [TLS12] })
      p.server.data(alert(2, number))
      p.answer(err(1043, '08S01', 'Bad handshake'), 2)
      const { f } = only(p.close('server'))
      expect(f).toMatchObject({ confidence: 'certain', culprit: server })
      expect(f.detail).toMatchObject({
        reason,
        refusedBy: 'server',
        after: 'ClientHello',
        offeredVersions: ['TLSv1.2'],
      })
    })
  }

  it('an encrypted alert of the server to a client without certificate', () => {
    const p = flight13(hello(asked()))
    p.client.data(bytes(record(20, Uint8Array.of(1)), sealed(8 + 1 + 16), sealed(69)))
    p.client.data(sealed(200))
    p.server.data(SEALED_ALERT)
    const { f } = only(p.close('server'))
    expect(f.detail).toMatchObject({ reason: 'client-certificate-required', refusedBy: 'server', after: 'complete' })
    expect(f.confidence).toBe('likely')
  })
})

describe('bare closes', () => {
  it('right after SSLRequest, after the ClientHello, after the flight: aborted', () => {
    for (const [p, after] of [
      [asked(), 'none'],
      [hello(asked()), 'ClientHello'],
      [flight13(hello(asked())), 'ServerHello'],
    ] as const) {
      const { f } = only(p.wait('20ms').close('client'))
      expect(f).toMatchObject({ confidence: 'likely', culprit: client })
      expect(f.detail).toMatchObject({ reason: 'aborted', refusedBy: 'client', alert: null, after })
    }
  })

  it('RST of the client', () => {
    const p = flight13(hello(asked())).wait('20ms')
    p.client.rst()
    expect(only(p).f.detail).toMatchObject({ reason: 'aborted', refusedBy: 'client' })
  })

  it('the server closes upon the ClientHello', () => {
    const { f } = only(hello(asked()).wait('1ms').close('server'))
    expect(f).toMatchObject({ culprit: server, detail: { reason: 'aborted', refusedBy: 'server' } })
  })

  it('finished, and the client leaves before its login: it did not like something', () => {
    const { f } = only(established().wait('1ms').close('client'))
    expect(f).toMatchObject({
      confidence: 'possible',
      detail: { reason: 'other', refusedBy: 'client', after: 'complete' },
    })
  })

  it('the server’s alert behind the client’s FIN is a reaction', () => {
    const p = flight13(hello(asked())).wait('2ms')
    p.client.fin()
    p.server.data(SEALED_ALERT)
    expect(only(p).f.detail).toMatchObject({ reason: 'aborted', refusedBy: 'client', alert: null })
  })
})

describe('plain text in place of TLS', () => {
  it('the login', () => {
    const story = asked()
    story.as('plain').client.data(Buffer.from('540000020da2ae00000000012d'.padEnd(176, '0'), 'hex'))
    story.answer(err(1043, '08S01', 'Bad handshake'), 3)
    const { j, f } = only(story.close('server'))
    expect(f).toMatchObject({
      confidence: 'certain',
      culprit: client,
      detail: { reason: 'plaintext', refusedBy: 'server' },
    })
    expect(says(j, f.occurrences[0]!, 'plain')).toContain('login')
  })

  it('HTTP', () => {
    const p = asked()
    p.client.data('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    expect(only(p.close('server')).f.detail).toMatchObject({ reason: 'plaintext', after: 'none' })
  })
})

describe('through a proxy that passes TLS on', () => {
  it('both legs are one cause, and the client is named', () => {
    const front = play({ server: `${PROXY_IP}:3306` }).connect()
    const back = play({ client: `${PROXY_IP}:50000` })
    together(front, back)
    back.connect().greet({ connectionId: 5 })
    together(front, back)
    front.greet({ connectionId: 5 }).sslRequest()
    together(front, back)
    hello(front, { random: 7 })
    hello(back.sslRequest(), { random: 7 })
    together(front, back)
    flight13(back)
    flight13(front)
    together(front, back)
    front.client.data(alert(2, 48))
    front.client.fin()
    together(front, back)
    back.client.data(alert(2, 48))
    back.client.fin()
    const f = judge([front, back]).only(RULE)
    expect(f.occurrences).toHaveLength(2)
    expect(f).toMatchObject({ culprit: client, detail: { reason: 'unknown-ca', refusedBy: 'client' } })
  })
})

describe('stays quiet', () => {
  const quiet = (p: Play | readonly Play[]): void => expectQuiet(judge(p), RULE)

  it('a handshake that finished and a session in it', () => {
    const p = inUse()
    p.client.data(sealed(22))
    quiet(p.close('client'))
  })

  it('a handshake that goes on when the capture ends', () => {
    quiet(hello(asked()))
    quiet(flight13(hello(asked())))
  })

  it('a timer after a silence', () => {
    expect(judge(hello(asked()).wait('10s').close('server')).of(RULE)).toEqual([])
    expect(judge(asked().wait('10s').close('server')).of(RULE)).toEqual([])
  })

  it('packets that the network swallowed', () => {
    const p = hello(asked())
    for (const wait of ['300ms', '600ms', '1200ms']) {
      p.wait(wait)
      p.client.again()
    }
    expect(judge(p.wait('300ms').close('client')).of(RULE)).toEqual([])
  })

  it('a health check that asked for no TLS', () => {
    quiet(play().connect().greet().close('client'))
    quiet([play().connect().close('client'), working({ client: '10.0.0.7:40000' }).quit()])
  })

  it('a login refused inside TLS', () => {
    const p = established()
    p.client.data(sealed(200))
    p.server.data(bytes(sealed(250), sealed(250), sealed(110)))
    expect(judge(p.close('server')).of(RULE)).toEqual([])
  })

  it('a process that ended during the handshake', () => {
    const others = [1, 2, 3].map((n) => working({ client: `10.0.0.7:4000${n}` }).query(`SELECT ${n}`))
    const p = finished13(flight13(hello(asked({ client: '10.0.0.8:50000' }))))
    const half = hello(asked({ client: '10.0.0.9:50000' }))
    together(...others, p, half)
    for (const x of [...others, half]) x.server.fin()
    const refused = play({ client: '10.0.0.9:50001' })
    together(...others, half, refused)
    refused.wait('50ms').client.syn()
    refused.server.rst()
    expect(judge([...others, half, refused]).of(RULE)).toEqual([])
  })

  it('sessions without TLS, on one leg or two', () => {
    const { front, back } = legs()
    quiet([front.quit(), back.quit()])
  })
})

for (const name of [
  ...['tls-closed-mid-handshake-rst', 'tls-expired-cert-tls12', 'tls-plaintext-after-sslrequest', 'tls-unknown-ca'],
  ...['tls-version-mismatch', 'I-backend-plaintext', 'J-patched'],
])
  incident(name, RULE)
for (const name of [
  ...['tls-control-12-mariadb', 'tls-control-13', 'tls-client-cert-missing', 'tls-close-without-quit'],
  ...['tls-haproxy-idle-kill', 'port-scan-connect', 'healthcheck-noise-haproxy-mariadb', 'H-healthy', 'K8-client-dies'],
])
  innocent(name, RULE)
