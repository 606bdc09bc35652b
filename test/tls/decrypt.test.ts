/** Decryption against OpenSSL: whatever was agreed on, the bytes that come out are those that were put in. */
import * as crypto from 'node:crypto'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { CLIENT, type Direction, SERVER } from '../../src/core/direction.ts'
import { KeyStore } from '../../src/tls/key-store.ts'
import { RecordBuffers } from '../../src/tls/record-buffers.ts'
import { TlsTracker } from '../../src/tls/tracker.ts'
import { needs } from '../kit/require.ts'
import { Recorder } from './kit.ts'
import { MESSAGES, NO_EXTENDED_MASTER_SECRET, OLD, SUITES } from './suites.ts'
import { type Flow, type Pem, selfSigned, serverContext, tlsFlow } from './tls-pair.ts'

type Chunks = readonly { dir: Direction; bytes: Uint8Array }[]

function store(keyLog: string, ...rsaKeys: string[]): KeyStore {
  const keys = new KeyStore(1000)
  keys.addText(keys.begin(), keyLog)
  for (const pem of rsaKeys) expect(keys.addRsaKey(Buffer.from(pem))).toBe(true)
  return keys
}

/** Reads the chunks; an array in place of bytes is a gap of so many. */
function read(chunks: Chunks, keys: KeyStore, gaps: ReadonlySet<number> = new Set()): Recorder {
  const recorder = new Recorder()
  const tracker = new TlsTracker(recorder, false, { keys, buffers: new RecordBuffers() })
  chunks.forEach(({ dir, bytes }, i) => {
    if (gaps.has(i)) tracker.gap(dir, bytes.length, i, i)
    else tracker.data(dir, bytes, 0, bytes.length, i, i)
  })
  tracker.end(CLIENT, chunks.length, 0)
  tracker.end(SERVER, chunks.length, 0)
  return recorder
}

const heard = (r: Recorder, dir: Direction): Buffer =>
  Buffer.concat(
    r
      .of('plaintext')
      .filter((e) => e.dir === dir)
      .map((e) => e.bytes),
  )

function expectAll(flow: Flow, r: Recorder): void {
  expect(r.of('unreadable')).toEqual([])
  for (const dir of [CLIENT, SERVER]) expect(heard(r, dir).equals(flow.said[dir])).toBe(true)
  expect(r.of('data')).toEqual([])
  expect(r.of('handshakeDone')).toHaveLength(1)
}

/** The same bytes in pieces of these lengths. */
function split(chunks: Chunks, lengths: readonly number[]): Chunks {
  let turn = 0
  return chunks.flatMap(({ dir, bytes }) => {
    const pieces: { dir: Direction; bytes: Uint8Array }[] = []
    for (let p = 0; p < bytes.length; ) {
      const n = lengths.length === 0 ? bytes.length : 1 + lengths[turn++ % lengths.length]!
      pieces.push({ dir, bytes: bytes.subarray(p, p + n) })
      p += n
    }
    return pieces
  })
}

needs('openssl')('with a key log', () => {
  let rsa: Pem
  let ec: Pem
  beforeAll(() => {
    rsa = selfSigned()
    ec = selfSigned('ec')
  })
  const flowOf = (s: (typeof SUITES)[number], messages = MESSAGES) =>
    tlsFlow({
      ...{ pem: s.ec === true ? ec : rsa, version: s.version, ciphers: s.ciphers, messages },
      server: { secureOptions: s.off ?? 0 },
    })

  for (const suite of SUITES) {
    it(suite.name, async () => {
      const flow = await flowOf(suite)
      expect(flow.protocol).toBe(suite.version)
      if (suite.name.startsWith('TLS_')) expect(flow.cipher).toBe(suite.name)
      expectAll(flow, read(flow.chunks, store(flow.keyLog)))
      // Byte by byte, and in segments as they travel.
      expectAll(flow, read(split(flow.chunks, [0]), store(flow.keyLog)))
      expectAll(flow, read(split(flow.chunks, [1447]), store(flow.keyLog)))
    })
  }

  it('alerts are read: close_notify has its name', async () => {
    for (const i of [1, 6]) {
      const flow = await flowOf(SUITES[i]!)
      const alerts = read(flow.chunks, store(flow.keyLog)).of('alert')
      expect(alerts.length).toBeGreaterThan(0)
      for (const a of alerts) expect(a).toMatchObject({ level: 1, description: 0, encrypted: false })
    }
  })

  it('TLS 1.3 shows its certificate', async () => {
    const flow = await flowOf(SUITES[0]!)
    expect(read(flow.chunks, store(flow.keyLog)).of('certificate')[0]?.certificate).toMatchObject({
      ...{ subject: 'db.test', dir: SERVER, selfSigned: true },
    })
  })

  it('any segmentation gives the same bytes', async () => {
    const flows = await Promise.all([0, 6, 8].map((i) => flowOf(SUITES[i]!)))
    fc.assert(
      fc.property(
        fc.constantFrom(...flows),
        fc.array(fc.oneof(fc.nat(20), fc.nat(3000)), { minLength: 1, maxLength: 20 }),
        (flow, lengths) => expectAll(flow, read(split(flow.chunks, lengths), store(flow.keyLog))),
      ),
      { numRuns: 40 },
    )
  })

  it('the key log may be in capitals, have comments, foreign lines and damage', async () => {
    const flow = await flowOf(SUITES[1]!)
    const keys = new KeyStore(10)
    const source = keys.begin()
    const lines = flow.keyLog.replace(/ [0-9a-f]+ /g, (m) => m.toUpperCase())
    keys.addText(
      source,
      `# a comment\r\n\nnonsense here\n${lines.replaceAll('\n', '\r\n')}QUIC_CLIENT_X 00 11\nCLIENT_RANDOM 00`,
    )
    expectAll(flow, read(flow.chunks, keys))
    expect(keys.sources[source]).toMatchObject({ damaged: 2, sessions: 1, used: 1 })
  })

  it('TLS 1.3 without the secrets of the handshake: what follows it is read all the same', async () => {
    const flow = await flowOf(SUITES[1]!)
    const keyLog = flow.keyLog.replace(/^.*HANDSHAKE.*\n/gm, '')
    const r = read(flow.chunks, store(keyLog))
    for (const dir of [CLIENT, SERVER]) expect(heard(r, dir).equals(flow.said[dir])).toBe(true)
    expect(r.of('handshakeDone')).toHaveLength(1)
  })

  describe('resumption', () => {
    it('TLS 1.3', async () => {
      const o = { pem: rsa, version: 'TLSv1.3' as const, messages: MESSAGES }
      const context = serverContext(o)
      const first = await tlsFlow({ ...o, context })
      const again = await tlsFlow({ ...o, context, session: first.session })
      const r = read(again.chunks, store(again.keyLog))
      expect(r.of('serverHello').at(-1)?.hello.resumed).toBe(true)
      expectAll(again, r)
    })

    it('TLS 1.2 by ticket, with the secret of the first session only', async () => {
      const o = { pem: rsa, version: 'TLSv1.2' as const, messages: MESSAGES, ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' }
      const context = serverContext(o)
      const first = await tlsFlow({ ...o, context })
      const again = await tlsFlow({ ...o, context, session: first.session })
      const keys = store(first.keyLog)
      expectAll(first, read(first.chunks, keys))
      const r = read(again.chunks, keys)
      expect(r.of('serverHello')[0]?.hello.resumed).toBe(true)
      expectAll(again, r)
      expectAll(again, read(again.chunks, store(again.keyLog)))
    })
  })

  it('renegotiation in TLS 1.2: the new keys, and no second handshake for the listener', async () => {
    for (const ciphers of ['ECDHE-RSA-AES256-GCM-SHA384', `AES128-SHA:${OLD}`]) {
      const flow = await tlsFlow({ pem: rsa, version: 'TLSv1.2', ciphers, messages: MESSAGES, renegotiateAfter: 2 })
      const r = read(split(flow.chunks, [700]), store(flow.keyLog))
      expectAll(flow, r)
      expect(r.of('rekeyed')).toMatchObject([{ what: 'renegotiation', dir: CLIENT }])
      expect(r.of('clientHello')).toHaveLength(1)
      // Static RSA: the server's key opens both handshakes.
      if (ciphers.startsWith('AES')) expectAll(flow, read(flow.chunks, store('', rsa.key)))
    }
  })

  describe('with the server’s RSA key', () => {
    for (const [name, version, off] of [
      ['TLS 1.2', 'TLSv1.2', 0],
      ['TLS 1.2 without extended master secret', 'TLSv1.2', NO_EXTENDED_MASTER_SECRET],
      ['TLS 1.0', 'TLSv1', 0],
    ] as const) {
      it(`static RSA key exchange in ${name}`, async () => {
        const flow = await tlsFlow({
          ...{ pem: rsa, version, ciphers: `AES128-SHA:${OLD}`, messages: MESSAGES },
          server: { secureOptions: off },
        })
        const ems = read(flow.chunks, store('')).of('serverHello')[0]!.hello.extendedMasterSecret
        expect(ems).toBe(off === 0)
        expectAll(flow, read(split(flow.chunks, [100]), store('', selfSigned().key, rsa.key)))
      })
    }

    it('does not open an ephemeral key exchange, and says that keys are missing', async () => {
      const flow = await flowOf(SUITES[5]!)
      expect(read(flow.chunks, store('', rsa.key)).of('unreadable')).toMatchObject([{ why: 'no-keys' }])
    })

    it('another server’s key: keys are missing', async () => {
      const flow = await tlsFlow({ pem: rsa, version: 'TLSv1.2', ciphers: `AES128-SHA:${OLD}`, messages: MESSAGES })
      const r = read(flow.chunks, store('', selfSigned().key))
      expect(r.of('unreadable')).toMatchObject([{ why: 'no-keys' }])
      expect(r.of('data').length).toBeGreaterThan(0)
    })
  })

  describe('keys that do not fit', () => {
    it('the key log of another session: as without keys', async () => {
      for (const i of [1, 6]) {
        const flow = await flowOf(SUITES[i]!)
        const other = await flowOf(SUITES[i]!)
        const without = read(flow.chunks, new KeyStore(1))
        const r = read(flow.chunks, store(other.keyLog))
        expect(r.events).toEqual(without.events)
        expect(r.of('unreadable')).toMatchObject([{ why: 'no-keys' }])
      }
    })

    it('wrong secrets for this session: said once, and judged by sizes', async () => {
      for (const i of [1, 6, 8]) {
        const flow = await flowOf(SUITES[i]!)
        const wrong = flow.keyLog.replace(/[0-9a-f]{8}$/gm, '00000000')
        const r = read(flow.chunks, store(wrong))
        expect(r.of('unreadable')).toMatchObject([{ why: 'wrong-keys' }])
        expect(r.of('plaintext')).toEqual([])
        const without = read(flow.chunks, new KeyStore(1))
        expect(r.of('data').length).toBe(without.of('data').length)
        expect(r.of('handshakeDone')).toHaveLength(1)
      }
    })

    it('a changed record is never handed out, and what follows is read', async () => {
      for (const i of [1, 2, 6, 8]) {
        const flow = await flowOf(SUITES[i]!)
        const chunks = flow.chunks.map((c) => ({ ...c, bytes: Uint8Array.from(c.bytes) }))
        const at = chunks.findIndex((c) => c.bytes.length > 17_000)
        chunks[at]!.bytes[300]! ^= 1
        const r = read(chunks, store(flow.keyLog))
        expect(r.of('plaintextLost')).toHaveLength(1)
        expect(r.of('unreadable')).toEqual([])
        for (const dir of [CLIENT, SERVER]) {
          const lost = r.of('plaintextLost')[0]!
          const missing = flow.said[dir].length - heard(r, dir).length
          expect(missing).toBe(lost.dir === dir ? (i === 8 ? 16384 : lost.bytes) : 0)
        }
      }
    })
  })

  describe('a place that cannot be found again', () => {
    it('changed bytes in record after record: said once, then judged by size', async () => {
      const flow = await flowOf(SUITES[1]!, [Buffer.alloc(9), Buffer.alloc(9), ...MESSAGES, Buffer.alloc(9)])
      const chunks = flow.chunks.map((c) => ({ ...c, bytes: Uint8Array.from(c.bytes) }))
      for (const c of chunks.filter((x) => x.bytes.length > 15_000))
        for (let i = 100; i < c.bytes.length; i += 9000) c.bytes[i]! ^= 1
      const r = read(chunks, store(flow.keyLog))
      expect(r.of('unreadable')).toMatchObject([{ why: 'place-lost' }])
      expect(r.of('plaintext').length).toBeGreaterThan(0)
      expect(r.of('data').length).toBeGreaterThan(0)
      const after = r.events.findIndex((e) => e.type === 'unreadable')
      expect(r.events.slice(after).some((e) => e.type === 'plaintext')).toBe(false)
    })

    it('more records lost than are tried', async () => {
      const messages = Array.from({ length: 2600 }, () => crypto.randomBytes(5))
      const flow = await flowOf(SUITES[0]!, messages)
      const gaps = new Set(Array.from({ length: 2400 }, (_, i) => 100 + i))
      const r = read(flow.chunks, store(flow.keyLog), gaps)
      expect(r.of('unreadable')).toMatchObject([{ why: 'place-lost' }])
      // Fewer are found again.
      const few = new Set(Array.from({ length: 1200 }, (_, i) => 100 + i))
      expect(read(flow.chunks, store(flow.keyLog), few).of('unreadable')).toEqual([])
    }, 20_000)
  })

  describe('bytes that the capture lost', () => {
    /** Segments of 1000 bytes; those of one side's large message from the `from`th on are lost. */
    const lossy = (flow: Flow, from: number, n: number): [Chunks, Set<number>] => {
      const chunks = split(flow.chunks, [999])
      const first = chunks.findIndex((_, i) => chunks.slice(i, i + 60).every((c) => c.dir === SERVER))
      return [chunks, new Set(Array.from({ length: n }, (_, i) => first + from + i))]
    }

    for (const i of [0, 1, 2, 5, 7, 8, 9]) {
      for (const [what, from, n] of [
        ['inside a record', 3, 2],
        ['over a record boundary', 14, 5],
        ['several records', 10, 30],
      ] as const) {
        it(`${SUITES[i]!.name}: ${what}`, async () => {
          const messages = [
            ...MESSAGES.slice(0, 5),
            crypto.randomBytes(100_000),
            ...Array.from({ length: 20 }, () => crypto.randomBytes(50)),
          ]
          const flow = await flowOf(SUITES[i]!, messages)
          const [chunks, gaps] = lossy(flow, from, n)
          const r = read(chunks, store(flow.keyLog), gaps)
          expect(r.of('unreadable')).toEqual([])
          // All the small messages behind the hole.
          for (const m of messages.slice(6))
            expect(Buffer.concat([heard(r, CLIENT), heard(r, SERVER)]).includes(m)).toBe(true)
          expect(heard(r, CLIENT).equals(flow.said[CLIENT])).toBe(true)
          expect(r.of('plaintextLost').length).toBeGreaterThan(0)
          expect(heard(r, SERVER).length).toBeLessThan(flow.said[SERVER].length)
        })
      }
    }
  })

  it('any bytes after a handshake with keys, in any split, with any gaps, never throw', async () => {
    const flows = await Promise.all([1, 2, 6, 8, 20].map((i) => flowOf(SUITES[i]!, MESSAGES.slice(0, 2))))
    const mutation = fc.record({ at: fc.nat(20_000), value: fc.nat(255), run: fc.nat(30) })
    fc.assert(
      fc.property(
        fc.constantFrom(...flows),
        fc.array(mutation, { maxLength: 8 }),
        fc.array(fc.nat(2000), { minLength: 1, maxLength: 8 }),
        fc.array(fc.nat(60), { maxLength: 6 }),
        fc.boolean(),
        (flow, mutations, lengths, gaps, withRsa) => {
          const chunks = flow.chunks.map((c) => ({ ...c, bytes: Uint8Array.from(c.bytes) }))
          for (const m of mutations) {
            const c = chunks[m.at % chunks.length]!
            c.bytes.fill(m.value, m.at % c.bytes.length, (m.at % c.bytes.length) + m.run)
          }
          const r = read(split(chunks, lengths), store(flow.keyLog, ...(withRsa ? [rsa.key] : [])), new Set(gaps))
          expect(r.of('unreadable').length).toBeLessThanOrEqual(1)
          expect(r.of('handshakeDone').length).toBeLessThanOrEqual(1)
          // What comes out was put in.
          const said = Buffer.concat(flow.said)
          for (const p of r.of('plaintext')) expect(said.includes(p.bytes)).toBe(true)
        },
      ),
      { numRuns: 150 },
    )
  })
})
