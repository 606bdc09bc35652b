/** Record layer: boundaries over any segmentation, gaps, plain text, and finding the way again. */
import { describe, expect, it } from 'vitest'
import { CLIENT } from '../../src/core/direction.ts'
import { looksLikeClientHello, looksLikeRecord, looksLikeRecordChain } from '../../src/tls/recognise.ts'
import { RecordReader, type RecordSink } from '../../src/tls/record.ts'
import { bytes, clientHello, fromHex, record, sealed } from './kit.ts'

class Sink implements RecordSink {
  readonly said: string[] = []
  want = false
  body: number[] = []
  record(_dir: number, type: number, version: number, length: number, _at: number, frame: number): boolean {
    this.said.push(`${type} ${version.toString(16)} ${length} @${frame}`)
    return this.want
  }
  fragment(_dir: number, buf: Uint8Array, start: number, end: number): void {
    this.body.push(...buf.subarray(start, end))
  }
  fragmentGap(_dir: number, n: number): void {
    this.said.push(`gap ${n}`)
  }
  recordEnd(): void {
    this.said.push('end')
  }
  notRecord(_dir: number, hex: string, _at: number, frame: number): void {
    this.said.push(`not ${hex} @${frame}`)
  }
  resynced(_dir: number, _at: number, frame: number): void {
    this.said.push(`resynced @${frame}`)
  }
}

const play = (segments: (Uint8Array | number)[], midstream = false, want = false) => {
  const sink = new Sink()
  sink.want = want
  const reader = new RecordReader(CLIENT, sink, midstream)
  segments.forEach((s, i) => {
    if (typeof s === 'number') reader.gap(s, 0, i + 1)
    else reader.feed(s, 0, s.length, 0, i + 1)
  })
  return { said: sink.said, body: sink.body, missing: reader.missing }
}

describe('records', () => {
  it('several in one segment, and one over several', () => {
    expect(play([bytes(sealed(30), sealed(40)), sealed(500).subarray(0, 100), sealed(500).subarray(100)]).said).toEqual(
      [...['23 303 30 @1', '23 303 40 @1', '23 303 500 @2']],
    )
  })

  it('a header in five pieces names the frame that completes it', () => {
    const r = sealed(7)
    const pieces = [0, 1, 2, 3, 4].map((i) => r.subarray(i, i + 1))
    expect(play([...pieces, r.subarray(5), sealed(9)]).said).toEqual(['23 303 7 @5', '23 303 9 @7'])
  })

  it('hands up the fragment that was asked for, whole and once', () => {
    const r = record(
      22,
      Uint8Array.from({ length: 40 }, (_, i) => i),
    )
    const { said, body } = play([r.subarray(0, 3), r.subarray(3, 20), r.subarray(20)], false, true)
    expect(said).toEqual(['22 303 40 @2', 'end'])
    expect(body).toEqual(Array.from({ length: 40 }, (_, i) => i))
  })

  it('an empty record is a record', () => {
    expect(play([bytes(record(23, bytes()), sealed(20))], false, true).said).toEqual([
      '23 303 0 @1',
      'end',
      '23 303 20 @1',
      'end',
    ])
  })

  it('tells how much the record in hand lacks', () => {
    expect(play([sealed(100).subarray(0, 65)]).missing).toBe(40)
    expect(play([sealed(100).subarray(0, 2)]).missing).toBe(3)
    expect(play([sealed(100)]).missing).toBe(0)
  })
})

describe('gaps', () => {
  it('inside a fragment the next boundary stays known', () => {
    const r = sealed(1000)
    expect(play([r.subarray(0, 105), 600, bytes(r.subarray(705), sealed(50))]).said).toEqual([
      '23 303 1000 @1',
      '23 303 50 @3',
    ])
    expect(play([r.subarray(0, 105), 900, sealed(50)]).said).toEqual(['23 303 1000 @1', '23 303 50 @3'])
  })

  it('inside a wanted fragment is told, so that a decoder can stop', () => {
    expect(play([sealed(10).subarray(0, 9), 6], false, true).said).toEqual(['23 303 10 @1', 'gap 6', 'end'])
  })

  it('past a boundary: waits for a segment that starts like records', () => {
    const inside = new Uint8Array(200).fill(0x17)
    expect(play([sealed(100).subarray(0, 50), 70, inside, bytes(sealed(60), sealed(61))]).said).toEqual([
      ...['23 303 100 @1', 'resynced @4', '23 303 60 @4', '23 303 61 @4'],
    ])
  })

  it('a wrong guess after a gap is not taken for plain text', () => {
    // The first bytes pass for a header by chance; what follows them is no record.
    const chance = bytes(23, 3, 3, 0, 20, new Uint8Array(10))
    const said = play([sealed(10).subarray(0, 6), 500, chance, new Uint8Array(40).fill(0xee), sealed(33)]).said
    expect(said.filter((s) => s.startsWith('not'))).toEqual([])
    expect(said.at(-1)).toBe('23 303 33 @5')
  })
})

describe('what is not TLS', () => {
  it('COM_QUIT in the clear at a boundary', () => {
    expect(play([sealed(40), fromHex('0100000001')]).said).toEqual(['23 303 40 @1', 'not 0100000001 @2'])
  })

  it('an ERR_Packet whose length byte looks like a handshake record', () => {
    const err = fromHex('16000002ff13042330385330314261642068616e647368616b65')
    expect(play([record(21, bytes(2, 70)), err]).said[1]).toBe(`not ${Buffer.from(err).toString('hex')} @2`)
  })

  it('is known by the first byte that cannot be, with the bytes of earlier segments', () => {
    expect(play([fromHex('16'), fromHex('0300ff'), fromHex('ff00')]).said).toEqual(['not 160300ff @2'])
    expect(play([fromHex('17030348'), fromHex('01ff00')]).said).toEqual(['not 1703034801ff00 @2'])
    expect(play([fromHex('47')]).said).toEqual(['not 47 @1'])
  })

  it('is shown once per episode, and records afterwards are found', () => {
    const text = fromHex('4745542f')
    expect(play([text, text, sealed(20), text]).said).toEqual(['not 4745542f @1', 'resynced @3', '23 303 20 @3'])
  })

  it('a record longer than TLS allows', () => {
    expect(play([fromHex('1703034801')]).said).toEqual(['not 1703034801 @1'])
    expect(play([fromHex('1703034800')]).said).toEqual(['23 303 18432 @1'])
  })

  it('shows at most 64 bytes', () => {
    expect(play([new Uint8Array(5000).fill(0x41)]).said).toEqual([`not ${'41'.repeat(64)} @1`])
  })
})

describe('begun before the capture', () => {
  it('skips to the first segment that starts with a record, accusing nobody', () => {
    const r = sealed(3000)
    expect(play([r.subarray(1500), sealed(25), sealed(26)], true).said).toEqual([
      'resynced @2',
      '23 303 25 @2',
      '23 303 26 @3',
    ])
  })

  it('at a boundary by luck: nothing to find again', () => {
    expect(play([sealed(25)], true).said).toEqual(['23 303 25 @1'])
  })
})

describe('recognise', () => {
  const hello = record(22, clientHello({ sni: 'db' }), 0x0301)

  it('a ClientHello, whole or by its first six bytes', () => {
    expect(looksLikeClientHello(hello, 0, hello.length)).toBe(true)
    expect(looksLikeClientHello(hello, 0, 6)).toBe(true)
    expect(looksLikeClientHello(hello, 0, 5)).toBe(false)
  })

  it('not a ServerHello, a MySQL packet, HTTP or SSH', () => {
    for (const text of ['GET / HTTP/1.1\r\n', 'SSH-2.0-OpenSSH_9.2\r\n']) {
      const b = new TextEncoder().encode(text)
      expect(looksLikeClientHello(b, 0, b.length)).toBe(false)
    }
    const login = fromHex('200000010daaae00000000012d0000000000000000000000')
    expect(looksLikeClientHello(login, 0, login.length)).toBe(false)
    const server = record(22, bytes(2, 0, 0, 2, 3, 3))
    expect(looksLikeClientHello(server, 0, server.length)).toBe(false)
  })

  it('respects the range given, not the buffer', () => {
    const within = bytes(0, 0, 0, sealed(4), 0xff)
    expect(looksLikeRecord(within, 3, within.length)).toBe(true)
    expect(looksLikeRecord(within, 3, 7)).toBe(false)
    expect(looksLikeRecordChain(within, 3, within.length - 1)).toBe(true)
    expect(looksLikeRecordChain(within, 3, within.length)).toBe(false)
  })

  it('a chain continues from record to record', () => {
    const chain = bytes(sealed(10), record(21, bytes(1, 0)), sealed(900).subarray(0, 100))
    expect(looksLikeRecordChain(chain, 0, chain.length)).toBe(true)
    chain[15] = 9
    expect(looksLikeRecordChain(chain, 0, chain.length)).toBe(false)
    expect(looksLikeRecordChain(chain, 0, 0)).toBe(false)
  })
})
