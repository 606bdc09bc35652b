/** The tracker: what handshakes, alerts and record sizes tell without keys. */
import { describe, expect, it } from 'vitest'
import { CLIENT, type Direction, SERVER } from '../../src/core/direction.ts'
import { TlsTracker } from '../../src/tls/tracker.ts'
import { bytes, clientHello, fromHex, handshake, Recorder, record, sealed, serverHello } from './kit.ts'

type Step = { dir: Direction; segment?: Uint8Array; gap?: number; end?: true }
const c = (...parts: Uint8Array[]): Step => ({ dir: CLIENT, segment: bytes(...parts) })
const s = (...parts: Uint8Array[]): Step => ({ dir: SERVER, segment: bytes(...parts) })
const lost = (dir: Direction, gap: number): Step => ({ dir, gap })

function play(steps: Step[], midstream = false): Recorder {
  const recorder = new Recorder()
  const tracker = new TlsTracker(recorder, midstream)
  steps.forEach((step, i) => {
    if (step.segment !== undefined) tracker.data(step.dir, step.segment, 0, step.segment.length, 0, i + 1)
    if (step.gap !== undefined) tracker.gap(step.dir, step.gap, 0, i + 1)
    if (step.end === true) tracker.end(step.dir, 0, i + 1)
  })
  return recorder
}

/** Events in short: who and what. */
const told = (r: Recorder): string[] =>
  r.events.map((e) => {
    const who = 'dir' in e ? (e.dir === CLIENT ? 'C ' : 'S ') : ''
    if (e.type === 'data') return `${who}data ${e.length}`
    if (e.type === 'alert') return `${who}alert ${e.encrypted ? 'encrypted' : `${e.level},${e.description}`}`
    if (e.type === 'notTls') return `${who}notTls ${e.hex}`
    if (e.type === 'certificate')
      return `${e.certificate.dir === CLIENT ? 'C' : 'S'} certificate ${e.certificate.chainLength}`
    if (e.type === 'serverHello' && e.hello.retryRequest) return 'helloRetryRequest'
    return `${who}${e.type}`
  })

const ccs = record(20, bytes(1))
const hello13 = record(22, clientHello({ versions: [0x0304, 0x0303] }), 0x0301)
const hello12 = record(22, clientHello({ ciphers: [0xc02f] }), 0x0301)
const serverHello13 = record(22, serverHello())
const serverHello12 = record(22, serverHello({ version: 0x0303, cipher: 0xc02f, sessionId: bytes() }))
/** EncryptedExtensions, Certificate, CertificateVerify, Finished as OpenSSL sends them: SHA-384 suite. */
const flight13 = bytes(sealed(23), sealed(1602), sealed(281), sealed(69))
const finished13 = sealed(69)
const tickets = bytes(sealed(250), sealed(250))
const keyExchange = record(22, handshake(16, new Uint8Array(33)))
const finished12 = record(22, new Uint8Array(40).fill(0x5a))

describe('TLS 1.3', () => {
  it('done at the client’s Finished, by its size; only then records are data', () => {
    const r = play([
      c(hello13),
      s(serverHello13, ccs, flight13),
      c(ccs, finished13),
      s(tickets),
      c(sealed(160)),
      s(sealed(28)),
    ])
    expect(told(r)).toEqual([
      ...['clientHello', 'serverHello', 'handshakeDone'],
      ...['S data 250', 'S data 250', 'C data 160', 'S data 28'],
    ])
    expect(r.of('handshakeDone')[0]!.frame).toBe(3)
  })

  it('Finished and login in one segment', () => {
    const r = play([c(hello13), s(serverHello13, ccs, flight13), c(ccs, finished13, sealed(160))])
    expect(told(r).slice(2)).toEqual(['handshakeDone', 'C data 160'])
  })

  it('Finished has the size of the suite’s hash', () => {
    const sha256 = record(22, serverHello({ cipher: 0x1301 }))
    const flight = bytes(sealed(23), sealed(800), sealed(281), sealed(53))
    expect(told(play([c(hello13), s(sha256, flight), c(sealed(53)), c(sealed(22))])).slice(2)).toEqual([
      'handshakeDone',
      'C data 22',
    ])
    const ccm8 = record(22, serverHello({ cipher: 0x1305 }))
    expect(told(play([c(hello13), s(ccm8, sealed(900)), c(sealed(45)), c(sealed(11))])).slice(2)).toEqual([
      ...['handshakeDone', 'C alert encrypted'],
    ])
  })

  it('a client flight in one record: done when the server answers', () => {
    const r = play([
      c(hello13),
      s(serverHello13, ccs, sealed(2000)),
      c(ccs, sealed(1200)),
      s(sealed(250)),
      c(sealed(160)),
    ])
    expect(told(r).slice(2)).toEqual(['handshakeDone', 'S data 250', 'C data 160'])
    expect(r.of('handshakeDone')[0]!.frame).toBe(4)
  })

  it('client certificate: the sizes before Finished are not data', () => {
    const r = play([
      c(hello13),
      s(serverHello13, flight13),
      c(ccs, sealed(1100), sealed(281), finished13),
      c(sealed(160)),
    ])
    expect(told(r).slice(2)).toEqual(['handshakeDone', 'C data 160'])
  })

  it('a client that was asked for a certificate and has none', () => {
    const r = play([c(hello13), s(serverHello13, flight13), c(ccs, sealed(25), finished13), s(sealed(19))])
    expect(told(r).slice(2)).toEqual(['C certificate 0', 'handshakeDone', 'S alert encrypted'])
    expect(r.of('certificate')[0]!.certificate.inferred).toBe(true)
  })

  it('0-RTT data before the server has spoken does not finish anything', () => {
    const early = record(22, clientHello({ versions: [0x0304], extensions: [[42, bytes()]] }))
    const r = play([
      c(early, ccs, sealed(400)),
      s(serverHello13, ccs, flight13),
      c(sealed(21), finished13),
      c(sealed(41)),
    ])
    expect(told(r)).toEqual(['clientHello', 'serverHello', 'handshakeDone', 'C data 41'])
  })

  it('HelloRetryRequest and the second ClientHello', () => {
    const random = fromHex('cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c')
    const retry = record(22, serverHello({ random }))
    const r = play([
      c(hello13),
      s(retry, ccs),
      c(ccs, hello13),
      s(serverHello13, flight13),
      c(finished13),
      c(sealed(50)),
    ])
    expect(told(r)).toEqual([
      ...['clientHello', 'helloRetryRequest', 'clientHello', 'serverHello', 'handshakeDone', 'C data 50'],
    ])
    expect(r.of('clientHello').map((e) => e.hello.afterRetry)).toEqual([false, true])
  })

  it('an aborted handshake is never done: server alert after the client went away', () => {
    expect(told(play([c(hello13), s(serverHello13, ccs, flight13), s(sealed(19))]))).toEqual([
      ...['clientHello', 'serverHello', 'S alert encrypted'],
    ])
  })

  it('a client that rejects the certificate before it encrypts', () => {
    const unknownCa = record(21, bytes(2, 48))
    expect(told(play([c(hello13), s(serverHello13, ccs, flight13), c(unknownCa)])).at(-1)).toBe('C alert 2,48')
  })

  it('close_notify after data is suspected by its size, the tail of a long write is not', () => {
    const open = [c(hello13), s(serverHello13, flight13), c(finished13)]
    expect(told(play([...open, c(sealed(22), sealed(19))])).slice(3)).toEqual(['C data 22', 'C alert encrypted'])
    expect(told(play([...open, s(sealed(16401), sealed(19))])).slice(3)).toEqual(['S data 16401', 'S data 19'])
  })
})

describe('TLS 1.2', () => {
  const begin = [
    c(hello12),
    s(serverHello12, record(22, bytes(handshake(12, new Uint8Array(300)), handshake(14, bytes())))),
    c(keyExchange, ccs, finished12),
  ]

  it('done when both sides’ Finished were seen', () => {
    const r = play([...begin, s(ccs, finished12), c(sealed(166)), s(sealed(35))])
    expect(told(r)).toEqual(['clientHello', 'serverHello', 'handshakeDone', 'C data 166', 'S data 35'])
    expect(r.of('handshakeDone')[0]!.frame).toBe(4)
    expect(told(play(begin))).not.toContain('handshakeDone')
  })

  it('resumed: the server’s Finished comes first and the session id is echoed', () => {
    const id = new Uint8Array(32).fill(9)
    const again = record(22, clientHello({ sessionId: id }))
    const echo = record(22, serverHello({ version: 0x0303, cipher: 0xc02f, sessionId: id }))
    const r = play([c(again), s(echo, ccs, finished12), c(ccs, finished12, sealed(60))])
    expect(told(r)).toEqual(['clientHello', 'serverHello', 'handshakeDone', 'C data 60'])
    expect(r.of('serverHello')[0]!.hello.resumed).toBe(true)
    expect(play(begin).of('serverHello')[0]!.hello.resumed).toBe(false)
  })

  it('alerts: in the clear before the keys, encrypted after, and 19-byte data is data', () => {
    const plain = play([c(hello12), s(record(21, bytes(2, 70)))])
    expect(told(plain)).toEqual(['clientHello', 'S alert 2,70'])
    const after = play([...begin, s(ccs, finished12), c(sealed(19)), s(record(21, new Uint8Array(26)))])
    expect(told(after).slice(3)).toEqual(['C data 19', 'S alert encrypted'])
  })

  it('false start: the client’s data before the server’s Finished', () => {
    const r = play([...begin, c(sealed(80)), s(ccs, finished12, sealed(40))])
    expect(told(r).slice(2)).toEqual(['C data 80', 'handshakeDone', 'S data 40'])
  })

  it('a Finished in a gap: data of both sides proves it', () => {
    const r = play([...begin, lost(SERVER, 51), s(sealed(200)), c(sealed(60))])
    expect(told(r).slice(2)).toEqual(['S resynced', 'handshakeDone', 'S data 200', 'C data 60'])
  })
})

describe('messages over records and segments', () => {
  const big = clientHello({ versions: [0x0304], sni: 'db.example.com', padding: 1500 })

  it('a ClientHello byte by byte', () => {
    const wire = record(22, big, 0x0301)
    const r = play([...wire].map((b) => c(bytes(b))))
    expect(r.of('clientHello')).toHaveLength(1)
    expect(r.of('clientHello')[0]!.hello).toMatchObject({ sni: 'db.example.com', versions: [0x0304], truncated: false })
    expect(r.of('clientHello')[0]!.frame).toBe(wire.length)
  })

  it('a ClientHello split over records, its header too', () => {
    const r = play([c(record(22, big.subarray(0, 2)), record(22, big.subarray(2, 700)), record(22, big.subarray(700)))])
    expect(r.of('clientHello')[0]!.hello).toMatchObject({ sni: 'db.example.com', truncated: false })
  })

  it('several messages in one record', () => {
    const all = bytes(serverHello({ version: 0x0303 }), handshake(11, bytes(0, 0, 0)), handshake(14, bytes()))
    expect(told(play([c(hello12), s(record(22, all))]))).toEqual(['clientHello', 'serverHello', 'S certificate 0'])
  })

  it('a ClientHello cut by a gap or by the end is handed up as far as it goes', () => {
    const wire = record(22, big, 0x0301)
    const cut = play([c(wire.subarray(0, 200)), lost(CLIENT, 1000), c(wire.subarray(1200)), s(serverHello13)])
    expect(cut.of('clientHello').map((e) => [e.hello.truncated, e.hello.ciphers])).toEqual([[true, [0x1302, 0x1301]]])
    expect(cut.of('serverHello')).toHaveLength(1)
    const ended = play([c(wire.subarray(0, 1400)), { dir: CLIENT, end: true }])
    expect(ended.of('clientHello')[0]!.hello).toMatchObject({ truncated: true, sni: 'db.example.com' })
  })

  it('a length that lies up to 16 MiB keeps nothing that has not come', () => {
    const liar = record(22, bytes(1, 0x0f, 0xff, 0xff, new Uint8Array(100)))
    const r = play([c(liar), c(record(22, new Uint8Array(100))), { dir: CLIENT, end: true }])
    expect(r.of('clientHello').map((e) => e.hello.truncated)).toEqual([true])
  })
})

describe('gaps in the handshake', () => {
  it('the client’s Finished was lost: done when the server answers', () => {
    const r = play([c(hello13), s(serverHello13, flight13), lost(CLIENT, 80), s(tickets), c(sealed(160))])
    expect(told(r).slice(2)).toEqual(['handshakeDone', 'S data 250', 'S data 250', 'C resynced', 'C data 160'])
  })

  it('the server’s hello was lost: TLS 1.3 by what the client does', () => {
    const r = play([c(hello13), lost(SERVER, 2195), c(ccs, finished13), c(sealed(160)), s(sealed(28))])
    expect(told(r)).toEqual(['clientHello', 'handshakeDone', 'C data 160', 'S resynced', 'S data 28'])
  })

  it('a half alert or a half message before a gap does not swallow what comes after', () => {
    const half = play([c(hello13), s(record(21, bytes(2, 40)).subarray(0, 6)), lost(SERVER, 500), s(serverHello13)])
    expect(told(half)).toEqual(['clientHello', 'S alert 2,-1', 'S resynced', 'serverHello'])
    const split = play([s(record(22, serverHello().subarray(0, 40))), lost(SERVER, 500), s(serverHello13)])
    expect(told(split)).toEqual(['serverHello', 'S resynced', 'serverHello'])
    expect(split.of('serverHello').map((e) => e.hello.truncated)).toEqual([true, false])
  })
})

describe('what does not belong', () => {
  it('COM_QUIT in the clear after encrypted records', () => {
    const r = play([c(hello13), s(serverHello13, flight13), c(finished13, sealed(60)), c(fromHex('0100000001'))])
    expect(told(r).at(-1)).toBe('C notTls 0100000001')
  })

  it('a login in the clear after SSLRequest, and the server’s ERR_Packet', () => {
    const r = play([c(fromHex('540000020da2ae00')), s(fromHex('16000002ff1304'))])
    expect(told(r)).toEqual(['C notTls 540000020da2ae00', 'S notTls 16000002ff1304'])
  })
})

describe('begun before the capture', () => {
  it('records are data at once, no handshake is claimed', () => {
    const r = play([s(sealed(3000).subarray(1000)), c(sealed(60)), s(sealed(80)), s(sealed(19))], true)
    expect(told(r)).toEqual(['C data 60', 'S resynced', 'S data 80', 'S alert encrypted'])
  })

  it('only the client’s direction was captured', () => {
    const r = play([c(hello13), c(ccs, finished13), c(sealed(160))])
    expect(told(r)).toEqual(['clientHello', 'handshakeDone', 'C data 160'])
  })

  it('only the server’s direction was captured', () => {
    const r = play([s(serverHello13, ccs, flight13), s(tickets), s(sealed(28))])
    expect(told(r)).toEqual(['serverHello', 'handshakeDone', 'S data 250', 'S data 250', 'S data 28'])
  })
})
