/**
 * The quick path reads whole commands and answers without the state of the careful path. It must tell the same facts. Bytes
 * that come in two pieces take the careful path, so the same dialogue cut otherwise is the oracle.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { scanAnswer, scanned, scanPrepared } from '../../src/mysql/answer-scan.ts'
import { ReplyKind } from '../../src/mysql/listener.ts'
import { prepareOk } from '../../src/mysql/messages/com-stmt-prepare-ok.ts'
import * as b from '../kit/mysql-bytes.ts'
import { Dialogue } from './recorder.ts'

const CURSOR_EXISTS = 0x40
const rows = (n: number): b.Bytes[] => Array.from({ length: n }, (_, i) => b.textRow(`${i}`, 'x'))
const select = (n: number, deprecateEof: boolean, status = 2): b.Bytes =>
  b.answer(b.resultSet(['id', 'v'], rows(n), { deprecateEof, status }))

function open(deprecateEof: boolean): Dialogue {
  const without = deprecateEof ? 0 : b.Cap.DEPRECATE_EOF
  const capabilities = (b.CLIENT_CAPABILITIES & ~without) | b.Cap.QUERY_ATTRIBUTES
  const d = new Dialogue()
  const hello = { version: '8.4.3', connectionId: 42, capabilities: 0xdfffffff, plugin: 'caching_sha2_password' }
  const login = { capabilities, user: 'u', schema: '', password: new Uint8Array(0), plugin: 'p', attributes: {} }
  d.s(b.packets(b.greeting(hello), 0)).c(b.packets(b.handshakeResponse(login), 1))
  d.s(b.packets(b.okPacket(2), 2))
  d.take()
  return d
}

/** Reads buf[3, 3 + bytes.length) of a larger buffer full of what would be misread. */
function scan(scanner: typeof scanAnswer, bytes: b.Bytes, eof: boolean, id = 1): number {
  const buf = new Uint8Array(bytes.length + 600).fill(0xfe)
  buf.set(bytes, 3)
  const end = scanner(buf, 3, 3 + bytes.length, id, eof)
  return end < 0 ? -1 : end - 3
}

describe('scanAnswer', () => {
  it.each([true, false])('result sets of any number of rows (EOF packets: %s)', (eof) => {
    for (const n of [0, 1, 250, 251, 252, 253, 600]) {
      const bytes = select(n, !eof)
      expect(scan(scanAnswer, bytes, eof)).toBe(bytes.length)
      expect(scanned).toEqual({ kind: ReplyKind.ResultSet, status: 2, rows: n, columns: 2 })
    }
  })
  it('OK, whatever it counts', () => {
    for (const affected of [0, 250, 251, 70_000, 2 ** 31]) {
      const bytes = b.answer([b.okPacket(0x2003, { affected, insertId: affected })])
      expect(scan(scanAnswer, bytes, false)).toBe(bytes.length)
      expect(scanned).toEqual({ kind: ReplyKind.OK, status: 0x2003, rows: 0, columns: 0 })
    }
  })
  it('tells where the answer ends when more bytes follow', () => {
    const one = select(3, true)
    expect(scan(scanAnswer, b.join(one, b.packets(b.errPacket(4031, 'HY000', 'idle'), 0)), false)).toBe(one.length)
  })
  it.each([
    ['an ERR', b.answer([b.errPacket(1064, '42000', 'no')]), false],
    [
      'an ERR instead of a row',
      b.answer([...b.resultSet(['a'], [], { deprecateEof: true }).slice(0, 2), b.errPacket(1, 'HY000', 'x')]),
      false,
    ],
    ['more results', select(1, true, 2 | b.Status.MORE_RESULTS), false],
    ['session trackers', b.answer([b.okPacket(b.Status.SESSION_STATE_CHANGED)]), false],
    ['a cursor', select(0, false, CURSOR_EXISTS), true],
    ['a sequence id that does not fit', b.answer([b.okPacket(2)], 2), false],
    ['LOCAL INFILE', b.answer([b.join(0xfb, 'file')]), false],
    ['a column count of 0', b.answer([b.bytes(0)]), false],
    ['an empty packet', b.answer([new Uint8Array(0)]), false],
    ['an OK cut by its length', b.answer([b.bytes(0, 0, 0, 2)]), false],
    ['an OK whose count is cut', b.answer([b.bytes(0, 0xfe, 0, 2, 0, 0, 0)]), false],
  ])('leaves %s alone', (_, bytes, eof) => {
    expect(scan(scanAnswer, bytes, eof)).toBe(-1)
  })
  it('leaves any answer alone that is not whole', () => {
    for (const eof of [true, false]) {
      const bytes = select(4, !eof)
      for (let n = 0; n < bytes.length; n++) expect(scan(scanAnswer, bytes.subarray(0, n), eof)).toBe(-1)
      const prepared = b.answer(b.prepareOk(7, 2, 3, !eof))
      for (let n = 0; n < prepared.length; n++) expect(scan(scanPrepared, prepared.subarray(0, n), eof)).toBe(-1)
    }
  })
  it('stays inside any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (tail, eof) => {
        for (const head of [b.bytes(), b.bytes(1, 0, 0, 1), b.bytes(1, 0, 0, 1, 2), b.bytes(12, 0, 0, 1, 0)]) {
          const bytes = b.join(head, tail)
          expect(scan(scanAnswer, bytes, eof)).toBeLessThanOrEqual(bytes.length)
          expect(scan(scanPrepared, bytes, eof)).toBeLessThanOrEqual(bytes.length)
        }
      }),
    )
  })
})

describe('scanPrepared', () => {
  it.each([true, false])('with and without parameters and columns (EOF packets: %s)', (eof) => {
    for (const [parameters, columns] of [
      [0, 0],
      [1, 0],
      [0, 2],
      [2, 3],
      [300, 1],
    ] as const) {
      const bytes = b.answer(b.prepareOk(77, parameters, columns, !eof))
      expect(scan(scanPrepared, bytes, eof)).toBe(bytes.length)
      expect(prepareOk).toMatchObject({ statementId: 77, parameters, columns })
      expect(scanned).toEqual({
        kind: ReplyKind.PrepareOk,
        status: eof && parameters + columns > 0 ? 2 : -1,
        rows: 0,
        columns,
      })
    }
  })
})

describe('the quick path tells the facts of the careful path', () => {
  /** [client's bytes, server's bytes], by what the connection agreed on. */
  const turn = (deprecateEof: boolean): fc.Arbitrary<[b.Bytes, b.Bytes]> => {
    const ok = b.answer([b.okPacket(2, { affected: 3 })])
    const none = new Uint8Array(0)
    return fc.constantFrom<[b.Bytes, b.Bytes]>(
      [b.query('\0\u0001UPDATE t SET a = 1'), ok],
      [b.query('\0\u0001SELECT 1'), select(3, deprecateEof)],
      [b.query('\0\u0001SELECT 300'), select(300, deprecateEof)],
      [b.queryWithAttributes('SELECT 1', { k: 'v' }), select(0, deprecateEof)],
      [
        b.query('\0\u0001CALL p()'),
        b.join(select(1, deprecateEof, 10), b.answer([b.okPacket(2)], deprecateEof ? 6 : 7)),
      ],
      [b.query('\0\u0001nonsense'), b.answer([b.errPacket(1064, '42000', 'no')])],
      [b.prepare('SELECT ?'), b.answer(b.prepareOk(5, 1, 2, deprecateEof))],
      [b.execute(5), b.answer(b.resultSet(['a'], [b.binaryRow('x')], { deprecateEof }))],
      [b.join(b.command(0x19, b.int(5, 4)), b.command(0x0e)), ok],
      [b.join(b.command(0x0e), b.command(0x0e)), b.join(ok, ok)],
      [b.command(0x19, b.int(5, 4)), none],
      [b.command(0x0c, b.int(9, 4)), ok],
      [b.command(0x09), b.answer([b.join('Uptime: 1')])],
      [b.command(0x04, 't\0'), b.answer([b.columnDefinition('a'), b.eofPacket(2)])],
      [b.command(0x0e), b.join(ok, b.packets(b.errPacket(4031, 'HY000', 'idle'), 0))],
      [b.command(0x0e), b.answer([b.okPacket(2)], 5)],
      [b.command(0x1f), ok],
    )
  }
  it.each([true, false])('whatever is said, however it is cut (deprecate EOF: %s)', (deprecateEof) => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(turn(deprecateEof), fc.nat(60), fc.boolean()), { minLength: 1, maxLength: 12 }),
        (turns) => {
          const whole = open(deprecateEof)
          const cut = open(deprecateEof)
          for (const [[said, answered], at, early] of turns) {
            whole.c(said)
            const c = Math.min(said.length - 1, early ? 1 : at + 1)
            cut.c(said.subarray(0, c)).c(said.subarray(c))
            if (answered.length === 0) continue
            whole.s(answered)
            const s = Math.min(answered.length - 1, at + 1)
            cut.s(answered.subarray(0, s)).s(answered.subarray(s))
          }
          expect(whole.take()).toEqual(cut.take())
        },
      ),
      { numRuns: 300 },
    )
  })
  it('a gap after a quick command belongs to its answer', () => {
    const d = open(true).c(b.query('\0\u0001SELECT 1')).gap(1, 50)
    expect(d.conversation.answersUnknown).toBe(true)
    d.c(b.command(0x0e)).s(b.answer([b.okPacket(2)]))
    expect(d.take().slice(2)).toEqual([
      'answer lost',
      'begin COM_PING 1',
      'COM_PING [0]',
      'resynced server',
      'reply OK',
      'end status 2 rows 0 columns 0',
    ])
  })
  it('says nothing more once closed', () => {
    const d = open(true)
    d.conversation.close()
    expect(d.c(b.command(0x0e)).take()).toEqual([])
  })
})
