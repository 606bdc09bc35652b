/** What must hold for any input: segmentation does not matter, no bytes throw or hang, encoders and decoders agree. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteReader, decodeText } from '../../src/core/bytes.ts'
import { skipQueryAttributes } from '../../src/mysql/messages/com-query.ts'
import { decodeErr } from '../../src/mysql/messages/err.ts'
import { decodeLogin, isSslRequest } from '../../src/mysql/messages/handshake-response-41.ts'
import { decodeHandshake } from '../../src/mysql/messages/handshake-v10.ts'
import { eofStatus, okStatus } from '../../src/mysql/messages/ok.ts'
import * as b from '../kit/mysql-bytes.ts'
import { Dialogue } from './recorder.ts'

const word = fc.string({
  minLength: 1,
  maxLength: 40,
  unit: fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz0123456789_-.é'),
})
const u32 = fc.integer({ min: 0, max: 0xffffffff })
const u16 = fc.integer({ min: 0, max: 0xffff })

describe('decode after encode', () => {
  it('greeting', () => {
    fc.assert(
      fc.property(word, u32, word, (version, connectionId, plugin) => {
        fc.pre(!version.startsWith('5.5.5-'))
        const g = decodeHandshake(
          new ByteReader(b.greeting({ version, connectionId, capabilities: 0xdfffffff, plugin })),
        )
        expect(g).toMatchObject({
          protocol: 10,
          serverVersion: version,
          connectionId,
          capabilities: 0xdfffffff,
          authPlugin: plugin,
        })
      }),
    )
  })
  it('login', () => {
    const attributes = fc.dictionary(word, word, { maxKeys: 8 })
    fc.assert(
      fc.property(
        word,
        fc.string({ maxLength: 10, unit: fc.constantFrom('a', 'b') }),
        fc.uint8Array({ maxLength: 250 }),
        word,
        attributes,
        (user, schema, password, plugin, a) => {
          const bytes = b.handshakeResponse({
            capabilities: b.CLIENT_CAPABILITIES,
            user,
            schema,
            password,
            plugin,
            attributes: a,
          })
          const r = new ByteReader(bytes)
          expect(isSslRequest(r, bytes.length)).toBe(false)
          const login = decodeLogin(r, 0xffffffff)
          expect(login).toMatchObject({ user, schema, authPlugin: plugin, authResponseLength: password.length })
          expect({ ...login.attributes }).toEqual({ ...a })
          expect([r.ok, r.left]).toEqual([true, 0])
        },
      ),
    )
  })
  it('ERR, OK and EOF', () => {
    fc.assert(
      fc.property(u16, word, u16, u32, (code, message, status, affected) => {
        expect(decodeErr(new ByteReader(b.errPacket(code, '42S02', message)))).toEqual({
          code,
          sqlState: '42S02',
          message,
        })
        const ok = b.okPacket(status, { affected, insertId: affected })
        expect(okStatus(ok, 0, ok.length)).toBe(status)
        expect(eofStatus(b.eofPacket(status), 0, 5)).toBe(status)
      }),
    )
  })
  it('text, said once or again, is what the bytes say', () => {
    const some = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      word.map((w) => new TextEncoder().encode(w)),
    )
    fc.assert(
      fc.property(some, (bytes) => {
        const text = new TextDecoder().decode(bytes)
        expect(decodeText(bytes, 0, bytes.length)).toBe(text)
        expect(decodeText(b.join(1, bytes, 2), 1, 1 + bytes.length)).toBe(text)
      }),
    )
  })
  it('query attributes', () => {
    fc.assert(
      fc.property(fc.dictionary(word, fc.option(word), { maxKeys: 20 }), word, (attributes, sql) => {
        const bytes = b.queryWithAttributes(sql, attributes)
        const at = skipQueryAttributes(bytes, 5, bytes.length)
        expect(new TextDecoder().decode(bytes.subarray(at))).toBe(sql)
      }),
    )
  })
})

/** A connection's life, as turns of one side each. */
function life(compressed: boolean, deprecateEof: boolean): [0 | 1, b.Bytes][] {
  const capabilities =
    (b.CLIENT_CAPABILITIES & ~(deprecateEof ? 0 : b.Cap.DEPRECATE_EOF)) |
    (compressed ? 0x20 : 0) |
    b.Cap.QUERY_ATTRIBUTES
  let id = 0
  const wrap = (bytes: b.Bytes): b.Bytes => {
    if (!compressed) return bytes
    const middle = bytes.length >> 1
    return b.join(
      b.compressed(bytes.subarray(0, middle), id++ & 255, middle > 50),
      b.compressed(bytes.subarray(middle), id++ & 255),
    )
  }
  const rows = (n: number): b.Bytes[] =>
    Array.from({ length: n }, (_, i) => b.textRow(`${i}`, 'v'.repeat(i % 40), null))
  return [
    [
      1,
      b.packets(
        b.greeting({ version: '8.0.35', connectionId: 7, capabilities: 0xdfffffff, plugin: 'caching_sha2_password' }),
        0,
      ),
    ],
    [
      0,
      b.packets(
        b.handshakeResponse({
          capabilities,
          user: 'u',
          schema: 's',
          password: new Uint8Array(32),
          plugin: 'caching_sha2_password',
          attributes: { a: 'b' },
        }),
        1,
      ),
    ],
    [1, b.join(b.packets(b.bytes(1, 3), 2), b.packets(b.okPacket(2), 3))],
    [0, wrap(b.queryWithAttributes('SELECT * FROM t', { k: 'v' }))],
    [1, wrap(b.answer(b.resultSet(['a', 'b', 'c'], rows(30), { deprecateEof })))],
    [0, wrap(b.prepare('SELECT ?, ?'))],
    [1, wrap(b.answer(b.prepareOk(1, 2, 2, deprecateEof)))],
    [0, wrap(b.execute(1))],
    [1, wrap(b.answer(b.resultSet(['a', 'b'], [b.binaryRow('x', 'y'), b.binaryRow('', '')], { deprecateEof })))],
    [0, wrap(b.query(`\0\u0001INSERT INTO t VALUES ('${'x'.repeat(3000)}')`))],
    [1, wrap(b.answer([b.okPacket(2, { affected: 1 })]))],
    [0, wrap(b.query('\0\u0001LOAD DATA LOCAL INFILE "x" INTO TABLE t'))],
    [1, wrap(b.answer([b.join(0xfb, 'x')]))],
    [0, wrap(b.join(b.packets(b.join('1\n2\n'), 2), b.packets(new Uint8Array(0), 3)))],
    [1, wrap(b.packets(b.okPacket(2), 4))],
    [0, wrap(b.query('\0\u0001nonsense'))],
    [1, wrap(b.answer([b.errPacket(1064, '42000', 'You have an error')]))],
    [0, wrap(b.command(1))],
  ]
}

describe('segmentation', () => {
  it.each([
    [false, true],
    [false, false],
    [true, true],
  ])('does not change the facts (compressed %s, deprecate EOF %s)', (compressed, deprecateEof) => {
    const turns = life(compressed, deprecateEof)
    const whole = new Dialogue()
    for (const [dir, bytes] of turns) whole.push(dir, bytes)
    const facts = whole.take()
    expect(facts.filter((f) => /^(unreadable|out|answer lost|resynced)/.test(f))).toEqual([])
    expect(facts.length).toBeGreaterThan(25)
    // Segmented, the preview of a long statement is shorter than the statement in hand.
    const cut = (f: string): string => f.slice(0, 200)
    fc.assert(
      fc.property(
        fc.infiniteStream(fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 1500 }))),
        (sizes) => {
          const d = new Dialogue()
          for (const [dir, bytes] of turns) {
            for (let at = 0; at < bytes.length; ) {
              const n = sizes.next().value as number
              d.push(dir, bytes.subarray(at, at + n))
              at += n
            }
          }
          expect(d.take().map(cut)).toEqual(facts.map(cut))
        },
      ),
      { numRuns: 60 },
    )
  })
  it('a capture that ends early tells a prefix of the facts', () => {
    const turns = life(false, true)
    const whole = new Dialogue()
    for (const [dir, bytes] of turns) whole.push(dir, bytes)
    const facts = whole.take()
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: turns.length - 1 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (last, part) => {
          const d = new Dialogue()
          for (const [dir, bytes] of turns.slice(0, last)) d.push(dir, bytes)
          const [dir, bytes] = turns[last]!
          d.push(dir, bytes.subarray(0, Math.floor(bytes.length * part)))
          const some = d.take()
          expect(facts.slice(0, some.length)).toEqual(some)
        },
      ),
    )
  })
})

describe('any bytes', () => {
  const chunk = fc.oneof(
    fc.uint8Array({ maxLength: 80 }),
    fc
      .tuple(fc.nat(40), fc.nat(255), fc.uint8Array({ maxLength: 40 }))
      .map(([n, id, payload]) => b.join(b.int(n, 3), id, payload)),
    fc.constantFrom(...life(false, true).map(([, bytes]) => bytes)),
  )
  const step = fc.tuple(fc.constantFrom(0 as const, 1 as const), chunk, fc.integer({ min: 0, max: 9 }))
  it.each([
    ['from nothing', false],
    ['after a login', true],
  ])('neither throw nor hang nor pile up, %s', (_, begun) => {
    for (const compressed of [false, true]) {
      fc.assert(
        fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
          const d = new Dialogue({ assumeMysql: steps.length % 2 === 0 })
          if (begun) for (const [dir, bytes] of life(compressed, true).slice(0, 3)) d.push(dir, bytes)
          for (const [dir, bytes, gap] of steps) {
            if (gap === 0) d.gap(dir, 1 + bytes.length)
            else d.push(dir, bytes)
          }
          d.conversation.close()
          // A byte can begin at most one fact.
          expect(d.take().length).toBeLessThan(2000)
        }),
        { numRuns: 400 },
      )
    }
  })
  it('damage in a real dialogue', () => {
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.array(fc.tuple(fc.nat(17), fc.nat(5000), fc.nat(255)), { maxLength: 6 }),
        (compressed, damage) => {
          const turns = life(compressed, true).map(([dir, bytes]) => [dir, bytes.slice()] as const)
          for (const [turn, at, value] of damage) turns[turn]![1][at % turns[turn]![1].length] = value
          const d = new Dialogue({ assumeMysql: true })
          for (const [dir, bytes] of turns) d.push(dir, bytes)
          expect(d.take().length).toBeLessThan(2000)
        },
      ),
      { numRuns: 500 },
    )
  })
})
