/** Recognition, compression, gaps and finding the place again. */
import { describe, expect, it } from 'vitest'
import * as b from '../kit/mysql-bytes.ts'
import { Dialogue } from './recorder.ts'

const greet = (capabilities = b.MYSQL_8_CAPABILITIES): b.Bytes =>
  b.packets(b.greeting({ version: '8.4.3', connectionId: 42, capabilities, plugin: 'caching_sha2_password' }), 0)
const login = (more = 0): b.Bytes =>
  b.packets(
    b.handshakeResponse({
      capabilities: b.CLIENT_CAPABILITIES | more,
      user: 'app',
      schema: '',
      password: new Uint8Array(0),
      plugin: 'caching_sha2_password',
      attributes: {},
    }),
    1,
  )
function open(more = 0): Dialogue {
  const d = new Dialogue()
    .s(greet())
    .c(login(more))
    .s(b.packets(b.okPacket(2), 2))
  expect(d.take()).toContain('authenticated')
  return d
}
const ok = b.answer([b.okPacket(2)])
const rows = (n: number): b.Bytes[] => Array.from({ length: n }, (_, i) => b.textRow(`${i}`, 'x'.repeat(96)))
const select = (n: number, deprecateEof = true): b.Bytes =>
  b.answer(b.resultSet(['id', 'v'], rows(n), { deprecateEof }))

describe('recognition', () => {
  it.each([
    ['GET / HTTP/1.1', 'http'],
    ['SSH-2.0-OpenSSH_9', 'ssh'],
  ])('%s on a MySQL port is told, and the server still heard', (said, name) => {
    const d = new Dialogue({ assumeMysql: true }).c(b.join(said))
    expect(d.take()).toEqual([`unreadable client ${name}`])
    d.s(greet(), b.packets(b.errPacket(1156, '08S01', 'Got packets out of order'), 1))
    expect(d.take().slice(2)).toEqual(['error auth 1156 08S01 Got packets out of order seq 1'])
  })
  it('another protocol elsewhere costs nothing more once the server has answered', () => {
    const d = new Dialogue().c(b.join('GET / HTTP/1.1\r\n'))
    expect([d.conversation.done, d.conversation.looksLike]).toEqual([false, 'http'])
    d.s(b.join('HTTP/1.1 200 OK\r\n'))
    expect([d.conversation.done, d.conversation.state]).toEqual([true, 'not-mysql'])
    expect(d.take()).toEqual([])
  })
  it('unknown bytes are given up after a while', () => {
    const d = new Dialogue()
    for (let i = 0; i < 70 && !d.conversation.done; i++) d.c(new Uint8Array(1000).fill(200))
    expect([d.conversation.done, d.conversation.state]).toEqual([true, 'not-mysql'])
  })
  it('X Protocol is named', () => {
    const d = new Dialogue().s(b.hexBytes('050000000b08051a00'))
    expect([d.take(), d.conversation.done]).toEqual([['unreadable server x-protocol'], true])
  })
  it('in the middle: a command with its answer, on any port', () => {
    const d = new Dialogue().c(b.command(0x0e))
    expect([d.take(), d.conversation.state]).toEqual([[], 'undecided'])
    d.s(ok)
    expect(d.take()).toEqual([
      'recognised by command',
      'begin COM_PING 1',
      'COM_PING [0]',
      'reply OK',
      'end status 2 rows 0 columns 0',
    ])
  })
  it('a command that is not answered like one is none', () => {
    expect(new Dialogue().c(b.command(0x0e)).s(b.join('+PONG\r\nxxxxxxxx')).take()).toEqual([])
  })
  it('turns the sides round when the greeting comes from the "client"', () => {
    const d = new Dialogue()
    d.c(greet())
    expect(d.flips).toBe(1)
    d.c(login()).s(b.packets(b.okPacket(2), 2))
    expect(d.take()).toContain('authenticated')
  })
  it('turns a command and its answer round', () => {
    const d = new Dialogue()
    d.s(b.command(0x0e)).c(ok)
    expect(d.flips).toBe(1)
    expect(d.take().slice(1)).toEqual(['begin COM_PING 1', 'COM_PING [0]', 'reply OK', 'end status 2 rows 0 columns 0'])
    d.c(b.command(0x0e)).s(ok)
    expect(d.take().length).toBe(4)
  })
  it.each([true, false])('infers how results end (deprecate EOF: %s)', (deprecateEof) => {
    const d = new Dialogue({ assumeMysql: true }).c(b.query('SELECT 1')).s(select(2, deprecateEof))
    expect(d.take().slice(3)).toEqual([
      'reply ResultSet',
      `inferred ${deprecateEof ? 'CLIENT_DEPRECATE_EOF' : 'EOF packets'}`,
      'end status 2 rows 2 columns 2',
    ])
    d.c(b.prepare('SELECT ?')).s(b.answer(b.prepareOk(1, 1, 1, deprecateEof)))
    expect(d.take().at(-1)).toMatch(/^end status/)
  })
  it.each([true, false])(
    'a prepared statement before anything told how definitions end (deprecate EOF: %s)',
    (deprecateEof) => {
      const d = new Dialogue({ assumeMysql: true })
        .c(b.prepare('SELECT ?'))
        .s(b.answer(b.prepareOk(1, 2, 3, deprecateEof)))
      d.c(b.execute(1)).s(b.answer(b.resultSet(['a'], [b.binaryRow('x')], { deprecateEof })))
      expect(d.take().filter((f) => /^(end|out)/.test(f))).toEqual([
        `end status ${deprecateEof ? -1 : 2} rows 0 columns 3`,
        'end status 2 rows 1 columns 1',
      ])
    },
  )
  it('a login whose greeting was not captured', () => {
    expect(new Dialogue().c(login()).take()).toEqual([
      'recognised by login',
      'login app@ caching_sha2_password response 0 attributes 0',
    ])
  })
})

describe('compression', () => {
  it.each([true, false])('after the login, packed: %s; messages span compressed packets', (pack) => {
    const d = open(0x20)
    d.c(b.compressed(b.query('SELECT 1'), 0, pack))
    const all = select(40)
    d.s(b.join(b.compressed(all.subarray(0, 777), 1, pack), b.compressed(all.subarray(777), 2, pack)))
    d.c(b.compressed(b.command(1), 0))
    expect(d.take()).toEqual([
      'begin COM_QUERY 9',
      'COM_QUERY SELECT 1 [8]',
      'reply ResultSet',
      'end status 2 rows 40 columns 2',
      'begin COM_QUIT 1',
      'COM_QUIT [0]',
    ])
  })
  it('starts in the segment that ends the login', () => {
    const d = new Dialogue().s(greet()).c(login(0x20))
    d.s(b.join(b.packets(b.okPacket(2), 2), b.compressed(b.packets(b.errPacket(1053, '08S01', 'Shutdown'), 0), 0)))
    expect(d.take().at(-1)).toBe('error unsolicited 1053 08S01 Shutdown seq 0')
  })
  it('a damaged packet is noted, and what follows read on', () => {
    const d = open(0x20)
    d.c(b.compressed(b.query('SELECT 1'), 0))
    const bad = b.compressed(select(40), 1, true)
    bad.fill(0x55, 40, 60)
    d.s(bad)
    expect(d.anomalies.has('mysql.compressed-unreadable')).toBe(true)
    d.c(b.compressed(b.query('SELECT 2'), 0)).s(b.compressed(ok, 1))
    expect(d.take().slice(2)).toEqual([
      'answer lost',
      'begin COM_QUERY 9',
      'COM_QUERY SELECT 2 [8]',
      'resynced server',
      'reply OK',
      'end status 2 rows 0 columns 0',
    ])
  })
  it('is inferred where the login was not seen', () => {
    const d = new Dialogue({ assumeMysql: true })
      .c(b.compressed(b.query('SELECT 1'), 0))
      .s(b.compressed(select(40), 1, true))
    expect(d.take().slice(0, 2)).toEqual(['recognised by port', 'inferred compression'])
  })
  it('a gap inside a compressed packet loses its messages, not the place', () => {
    const d = open(0x20)
    d.c(b.compressed(b.query('SELECT 1'), 0))
    const first = b.compressed(select(60), 1, true)
    d.s(first.subarray(0, 50))
      .gap(1, first.length - 50 - 10)
      .s(first.subarray(first.length - 10))
    d.c(b.compressed(b.command(0x0e), 0)).s(b.compressed(ok, 1))
    expect(d.take().slice(2)).toContain('end status 2 rows 0 columns 0')
  })
})

describe('what a message began as, and is no more when it ends', () => {
  const load = (): Dialogue =>
    open()
      .c(b.query('LOAD DATA LOCAL INFILE "x" INTO TABLE t'))
      .s(b.answer([b.join(0xfb, 'x')]))
  const err = b.answer([b.errPacket(1114, 'HY000', 'The table is full')], 3)
  const file = b.packets(new Uint8Array(100).fill(0x41), 2)
  it.each(['captured', 'lost'])('a file whose loading failed: the rest of its packet is %s', (rest) => {
    const d = load().c(file.subarray(0, 20)).s(err)
    d.take()
    if (rest === 'lost') d.gap(0, file.length - 20)
    else d.c(file.subarray(20))
    expect(d.take()).toEqual(['unreadable client a command without its first byte'])
    d.c(b.query('SELECT 1')).s(ok)
    expect(d.take().slice(-4)).toEqual([
      'begin COM_QUERY 9',
      'COM_QUERY SELECT 1 [8]',
      'reply OK',
      'end status 2 rows 0 columns 0',
    ])
  })
  it('a command sent ahead of the end of the login is announced all the same', () => {
    const d = new Dialogue().s(greet()).c(login())
    const all = b.query('SELECT 1')
    d.c(all.subarray(0, 7))
      .s(b.packets(b.okPacket(2), 2))
      .c(all.subarray(7))
      .s(ok)
    expect(d.take().slice(-4)).toEqual([
      'begin COM_QUERY 9',
      'COM_QUERY SELECT 1 [8]',
      'reply OK',
      'end status 2 rows 0 columns 0',
    ])
  })
  it('a login that is longer than it can be makes no command', () => {
    const d = new Dialogue().s(greet())
    const all = login()
    d.c(b.join(b.int(all.length - 4 + 9, 3), 1, all.subarray(4))).s(b.packets(b.okPacket(2), 2))
    d.take()
    d.c(b.query('XYZW'))
    expect(d.take()).toEqual(['unreadable client a message of the connection phase'])
  })
  it('a semisynchronous acknowledgment in two segments is passed over', () => {
    const event = (id: number): b.Bytes => b.packets(b.join(0, 'event'), id)
    const d = open()
      .c(b.command(0x12, new Uint8Array(12)))
      .s(event(1))
    d.take()
    const acknowledgment = b.packets(b.join(0xef, b.int(4, 4), 'binlog.000001'), 0)
    d.c(acknowledgment.subarray(0, 9), acknowledgment.subarray(9)).s(event(2))
    expect(d.take()).toEqual([])
  })
  it('an SSLRequest cut by the capture: the bytes behind it are TLS', () => {
    const d = new Dialogue().s(greet())
    const request = b.packets(b.sslRequest(b.CLIENT_CAPABILITIES), 1)
    d.c(request.subarray(0, 20)).gap(0, request.length - 20)
    expect([d.take().at(-1), d.conversation.tls]).toEqual(['SSLRequest', true])
    expect(d.c(b.hexBytes('1603010005010000010000')).take()).toEqual([])
  })
  it('the final OK of the login cut by the capture: the bytes behind it are compressed', () => {
    const d = new Dialogue().s(greet()).c(login(0x20))
    const last = b.packets(b.okPacket(2), 2)
    d.s(last.subarray(0, 9)).gap(1, last.length - 9)
    d.take()
    d.c(b.compressed(b.query('SELECT 1'), 0)).s(b.compressed(ok, 1))
    expect(d.take()).toEqual([
      'begin COM_QUERY 9',
      'COM_QUERY SELECT 1 [8]',
      'reply OK',
      'end status 2 rows 0 columns 0',
    ])
  })
})

describe('gaps', () => {
  it('inside a row: the count of rows stays exact', () => {
    const inRow = b.answer(b.resultSet(['id', 'v'], [b.textRow('1', 'y'.repeat(3000))], { deprecateEof: true }))
    const e = open().c(b.query('SELECT 1'))
    e.s(inRow.subarray(0, inRow.length - 2000))
      .gap(1, 1500)
      .s(inRow.subarray(inRow.length - 500))
    expect(e.take().slice(2)).toEqual(['reply ResultSet', 'end status 2 rows 1 columns 2'])
  })
  it('inside a statement: what was seen of it is told, its end is known', () => {
    const sql = `SELECT '${'x'.repeat(2000)}'`
    const all = b.query(sql)
    const d = open().c(all.subarray(0, 100)).gap(0, 1500).c(all.subarray(1600)).s(ok)
    expect(d.take()).toEqual([
      `begin COM_QUERY ${sql.length + 1}`,
      `COM_QUERY ${sql.slice(0, 95)} [${sql.length}]`,
      'reply OK',
      'end status 2 rows 0 columns 0',
    ])
  })
  it('over the end of an answer: the next command finds the place again', () => {
    const d = open().c(b.query('SELECT 1'))
    const all = select(50)
    d.s(all.subarray(0, 1000)).gap(1, all.length - 1000)
    d.c(b.query('SELECT 2')).s(select(1))
    expect(d.take().slice(2)).toEqual([
      'reply ResultSet',
      'answer lost',
      'begin COM_QUERY 9',
      'COM_QUERY SELECT 2 [8]',
      'resynced server',
      'reply ResultSet',
      'end status 2 rows 1 columns 2',
    ])
  })
  it('in the middle of a result: the rest is found by its chain of packets', () => {
    const d = open().c(b.query('SELECT 1'))
    const payloads = b.resultSet(['id', 'v'], rows(60), { deprecateEof: true })
    const head = b.answer(payloads.slice(0, 23))
    const tail = b.answer(payloads.slice(43), 44)
    d.s(head).gap(1, 2000).s(tail)
    const facts = d.take().slice(2)
    expect(facts.slice(0, 2)).toEqual(['reply ResultSet', 'resynced server'])
    expect(facts[2]).toBe('end status 2 rows 40 columns 2')
  })
  it('of the answer, noticed only after the next command', () => {
    const d = open().c(b.query('SELECT 1')).c(b.query('SELECT 2')).gap(1, 11).s(ok)
    expect(d.take().slice(4)).toEqual(['answer lost', 'resynced server', 'reply OK', 'end status 2 rows 0 columns 0'])
  })
  it('of commands: answers to unseen ones are passed over', () => {
    const d = open().gap(0, 30).s(ok, select(3)).c(b.query('SELECT 9')).s(ok)
    expect(d.take()).toEqual([
      'resynced client',
      'begin COM_QUERY 9',
      'COM_QUERY SELECT 9 [8]',
      'resynced server',
      'reply OK',
      'end status 2 rows 0 columns 0',
    ])
  })
  it('the login was lost: commands are still read', () => {
    const d = new Dialogue()
      .s(greet())
      .gap(0, 200)
      .s(b.packets(b.okPacket(2), 2))
      .c(b.query('SELECT 1'))
      .s(select(1))
    expect(d.take().slice(2)).toContain('end status 2 rows 1 columns 2')
  })
  it('an answer to nothing is unreadable, and not for ever', () => {
    const d = open().s(ok).c(b.command(0x0e)).s(ok)
    expect(d.take()).toEqual([
      'unreadable server an answer without a command',
      'begin COM_PING 1',
      'COM_PING [0]',
      'resynced server',
      'reply OK',
      'end status 2 rows 0 columns 0',
    ])
  })
})
