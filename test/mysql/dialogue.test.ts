/** Whole dialogues: what each flavour says on the wire, and the facts that must come of it. */
import { describe, expect, it } from 'vitest'
import * as b from '../kit/mysql-bytes.ts'
import { Dialogue } from './recorder.ts'

const CLIENT_56 =
  b.CLIENT_CAPABILITIES &
  ~(b.Cap.DEPRECATE_EOF | b.Cap.SESSION_TRACK | b.Cap.CONNECT_ATTRS | b.Cap.PLUGIN_AUTH_LENENC_CLIENT_DATA)

interface Flavour {
  version?: string
  server?: number
  client?: number
  plugin?: string
}

const greet = (f: Flavour = {}): b.Bytes =>
  b.packets(
    b.greeting({
      version: f.version ?? '8.4.3',
      connectionId: 42,
      capabilities: f.server ?? b.MYSQL_8_CAPABILITIES,
      plugin: f.plugin ?? 'caching_sha2_password',
    }),
    0,
  )
const login = (f: Flavour = {}, id = 1): b.Bytes =>
  b.packets(
    b.handshakeResponse({
      capabilities: f.client ?? b.CLIENT_CAPABILITIES,
      user: 'app',
      schema: 'shop',
      password: new Uint8Array(20).fill(7),
      plugin: f.plugin ?? 'caching_sha2_password',
      attributes: { _client_name: 'libmysql', program_name: 'x' },
    }),
    id,
  )
/** A conversation past its login, its facts so far taken away. */
function open(f: Flavour = {}): Dialogue {
  const d = new Dialogue()
  d.s(greet(f))
    .c(login(f))
    .s(b.packets(b.okPacket(2), 2))
  expect(d.take()).toContain('authenticated')
  return d
}
const OLD: Flavour = { version: '5.6.51', client: CLIENT_56, plugin: 'mysql_native_password' }

describe('connection phase', () => {
  it('MySQL 8: greeting, login, fast authentication', () => {
    const d = new Dialogue().s(greet()).c(login())
    d.s(b.packets(b.bytes(1, 3), 2), b.packets(b.okPacket(2), 3))
    expect(d.take()).toEqual([
      'recognised by greeting',
      'greeting 8.4.3 mysql id 42 caching_sha2_password 20',
      'login app@shop caching_sha2_password response 20 attributes 2',
      'auth server more-data: fast authentication succeeded',
      'authenticated',
    ])
    expect(d.conversation.state).toBe('mysql')
  })
  it('caching_sha2 full authentication with an RSA key, without TLS', () => {
    const d = new Dialogue()
      .s(greet())
      .c(login())
      .s(b.packets(b.bytes(1, 4), 2))
      .c(b.packets(b.bytes(2), 3))
    d.s(b.packets(b.join(1, '-----BEGIN PUBLIC KEY-----\nMIIB'), 4)).c(b.packets(new Uint8Array(256), 5))
    d.s(b.packets(b.okPacket(2), 6))
    expect(d.take().slice(3)).toEqual([
      'auth server more-data: full authentication required',
      'auth client response: public key request',
      'auth server more-data: public key',
      'auth client response: 256 bytes',
      'authenticated',
    ])
  })
  it('auth switch, then refused', () => {
    const d = new Dialogue()
      .s(greet())
      .c(login())
      .s(b.packets(b.authSwitch('mysql_native_password'), 2))
    d.c(b.packets(new Uint8Array(20), 3)).s(b.packets(b.errPacket(1045, '28000', 'Access denied'), 4))
    expect(d.take().slice(3)).toEqual([
      'auth server switch: mysql_native_password',
      'auth client response: 20 bytes',
      'error auth 1045 28000 Access denied seq 4',
    ])
  })
  it('a second factor, where both sides know of it', () => {
    const f = { client: b.CLIENT_CAPABILITIES | (1 << 28) }
    const d = new Dialogue()
      .s(greet(f))
      .c(login(f))
      .s(b.packets(b.join(2, 'webauthn', 0, 'x'), 2))
    expect(d.take().at(-1)).toBe('auth server next-factor: webauthn')
  })
  it('ERR in place of the greeting, without a sqlstate', () => {
    const d = new Dialogue().s(b.packets(b.errPacket(1040, '', 'Too many connections'), 0))
    expect(d.take()).toEqual(['recognised by error-greeting', 'error greeting 1040  Too many connections seq 0'])
  })
  it('SSLRequest hands over to TLS and says where', () => {
    const d = new Dialogue().s(greet())
    d.c(b.join(b.packets(b.sslRequest(b.CLIENT_CAPABILITIES), 1), b.hexBytes('160301')))
    expect(d.take().at(-1)).toBe('SSLRequest')
    // Dialogue puts bytes at offset 3.
    expect([d.conversation.tls, d.conversation.tlsFrom]).toEqual([true, 3 + 36])
    d.s(b.hexBytes('1603030001')).c(b.hexBytes('1403030001'))
    expect(d.take()).toEqual([])
    d.conversation.tlsActive = true
    d.c(login({}, 2))
      .s(b.packets(b.okPacket(2), 3))
      .c(b.command(0x0e))
      .s(b.answer([b.okPacket(2)]))
    expect(d.take()).toEqual([
      'login app@shop caching_sha2_password response 20 attributes 2',
      'authenticated',
      'begin COM_PING 1',
      'COM_PING [0]',
      'reply OK',
      'end status 2 rows 0 columns 0',
    ])
  })
  it('PROXY headers, ahead of the greeting or in one segment with the login', () => {
    const v1 = b.join('PROXY TCP4 10.0.0.1 10.0.0.2 4711 3306\r\n')
    expect(new Dialogue().c(v1).s(greet()).take()).toEqual([
      'recognised by greeting',
      'PROXY v1 PROXY 10.0.0.1:4711 10.0.0.2:3306',
      'greeting 8.4.3 mysql id 42 caching_sha2_password 20',
    ])
    const v2 = b.proxyV2([10, 0, 0, 1], 4711, [10, 0, 0, 2], 3306)
    const d = new Dialogue().s(greet()).c(b.join(v2, login()))
    expect(d.take().slice(2)).toEqual([
      'PROXY v2 PROXY 10.0.0.1:4711 10.0.0.2:3306',
      'login app@shop caching_sha2_password response 20 attributes 2',
    ])
  })
  it('COM_CHANGE_USER authenticates again, with the ids going on', () => {
    const d = open({ plugin: 'mysql_native_password' })
    d.c(
      b.command(0x11, b.join('eve', 0, 20, new Uint8Array(20), 'test', 0, b.int(45, 2), 'mysql_native_password', 0, 0)),
    )
    d.s(b.packets(b.authSwitch('caching_sha2_password'), 1)).c(b.packets(new Uint8Array(32), 2))
    d.s(b.packets(b.bytes(1, 3), 3), b.packets(b.okPacket(2), 4)).c(b.command(0x0e))
    expect(d.take()).toEqual([
      'begin COM_CHANGE_USER 56',
      'COM_CHANGE_USER eve [55]',
      'login eve@test mysql_native_password response 20 attributes 0',
      'reply Auth',
      'auth server switch: caching_sha2_password',
      'auth client response: 32 bytes',
      'auth server more-data: fast authentication succeeded',
      'authenticated',
      'end status 2 rows 0 columns 0',
      'begin COM_PING 1',
      'COM_PING [0]',
    ])
  })
})

describe('answers', () => {
  it.each([
    ['5.6, EOF packets', OLD, false],
    ['8.0, CLIENT_DEPRECATE_EOF', {}, true],
  ] as const)('result sets of %s', (_, f, deprecateEof) => {
    const d = open(f)
    const rows = [b.textRow('1', 'x'), b.textRow(null, ''), b.textRow('', 'y')]
    d.c(b.query('SELECT id, name FROM t')).s(b.answer(b.resultSet(['id', 'name'], rows, { deprecateEof })))
    expect(d.take()).toEqual([
      'begin COM_QUERY 23',
      'COM_QUERY SELECT id, name FROM t [22]',
      'reply ResultSet',
      'end status 2 rows 3 columns 2',
    ])
  })
  it.each([false, true])('binary rows begin with 0x00 and are no OK (deprecate EOF: %s)', (deprecateEof) => {
    const d = open(deprecateEof ? {} : OLD)
    d.c(b.prepare('SELECT ?')).s(b.answer(b.prepareOk(7, 1, 2, deprecateEof)))
    const rows = [b.binaryRow('a', 'b'), b.binaryRow('', '')]
    d.c(b.execute(7)).s(b.answer(b.resultSet(['a', 'b'], rows, { deprecateEof })))
    d.c(b.command(0x19, b.int(7, 4)))
    expect(d.take()).toEqual([
      'begin COM_STMT_PREPARE 9',
      'COM_STMT_PREPARE SELECT ? [8]',
      'reply PrepareOk',
      'prepared #7 parameters 1 columns 2',
      `end status ${deprecateEof ? -1 : 2} rows 0 columns 2`,
      'begin COM_STMT_EXECUTE 10',
      'COM_STMT_EXECUTE [9] #7',
      'reply ResultSet',
      'end status 2 rows 2 columns 2',
      'begin COM_STMT_CLOSE 5',
      'COM_STMT_CLOSE [4] #7',
    ])
  })
  it('several results, the last an OK', () => {
    const d = open()
    const first = b.resultSet(['a'], [b.textRow('1')], { deprecateEof: true, status: 10 })
    d.c(b.query('CALL p()')).s(b.answer([...first, b.okPacket(2)]))
    expect(d.take().slice(2)).toEqual([
      'reply ResultSet',
      'end status 10 rows 1 columns 1 more',
      'reply OK',
      'end status 2 rows 0 columns 0',
    ])
  })
  it('a cursor: no rows behind the definitions, then COM_STMT_FETCH', () => {
    const d = open(OLD)
    d.c(b.execute(3)).s(b.answer([b.lenenc(1), b.columnDefinition('a'), b.eofPacket(0x42)]))
    d.c(b.command(0x1c, b.int(3, 4), b.int(10, 4))).s(b.answer([b.binaryRow('x'), b.binaryRow('y'), b.eofPacket(0x82)]))
    expect(d.take().filter((f) => f.startsWith('end'))).toEqual([
      'end status 66 rows 0 columns 1',
      'end status 130 rows 2 columns 0',
    ])
  })
  it('LOAD DATA LOCAL: the file is no command', () => {
    const d = open()
    d.c(b.query('LOAD DATA LOCAL INFILE "f" INTO TABLE t')).s(b.answer([b.join(0xfb, 'f')]))
    d.c(b.packets(b.join('1,2\n'), 2), b.packets(b.join(3, 'SELECT'), 3), b.packets(new Uint8Array(0), 4))
    d.s(b.packets(b.okPacket(2, { affected: 2 }), 5)).c(b.command(0x0e))
    expect(d.take().slice(2)).toEqual([
      'reply LocalInfile',
      'end status 2 rows 0 columns 0',
      'begin COM_PING 1',
      'COM_PING [0]',
    ])
  })
  it('COM_STATISTICS, COM_FIELD_LIST, COM_SET_OPTION, COM_STMT_SEND_LONG_DATA', () => {
    const d = open(OLD)
    d.c(b.command(9)).s(b.answer([b.join('Uptime: 12  Threads: 2  Questions: 80')]))
    d.c(b.command(4, b.join('t', 0))).s(b.answer([b.columnDefinition('a'), b.columnDefinition('b'), b.eofPacket(2)]))
    d.c(b.command(0x1b, b.int(0, 2))).s(b.answer([b.eofPacket(2)]))
    d.c(b.command(0x18, b.int(7, 4), b.int(0, 2), 'blob'))
    expect(d.take().filter((f) => !f.startsWith('begin'))).toEqual([
      'COM_STATISTICS [0]',
      'reply Text',
      'end status -1 rows 0 columns 0',
      'COM_FIELD_LIST [2]',
      'reply ResultSet',
      'end status 2 rows 2 columns 0',
      'COM_SET_OPTION [2]',
      'reply EOF',
      'end status 2 rows 0 columns 0',
      'COM_STMT_SEND_LONG_DATA [10] #7',
    ])
  })
  it('an error in the middle of rows ends the answer; a progress report does not', () => {
    const d = open()
    const [count, a, ...rest] = b.resultSet(['a'], [b.textRow('1')], { deprecateEof: true })
    const progress = b.join(0xff, b.int(0xffff, 2), 1, 1, 2, b.int(500, 3), 'stage')
    d.c(b.query('SELECT a')).s(b.answer([progress, count!, a!, rest[0]!, b.errPacket(1317, '70100', 'interrupted')]))
    expect(d.take().slice(2)).toEqual(['reply ResultSet', 'error reply 1317 70100 interrupted seq 5'])
  })
  it('session trackers', () => {
    const d = open({ client: b.CLIENT_CAPABILITIES | b.Cap.SESSION_TRACK })
    const state = b.join(
      b.trackedVariable('autocommit', 'OFF'),
      [1, b.lenencText(b.lenencText('shop'))],
      [2, b.lenencText('1')],
      [3, b.lenencText(b.join(0, b.lenencText('a-b:1-3')))],
      [5, b.lenencText(b.lenencText('T_______'))],
    )
    d.c(b.query('SET autocommit=0')).s(b.answer([b.okPacket(0x4002, { state })]))
    expect(d.take().slice(3)).toEqual([
      'tracked 0 autocommit=OFF',
      'tracked 1 =shop',
      'tracked 2 =1',
      'tracked 3 =a-b:1-3',
      'tracked 5 =T_______',
      'end status 16386 rows 0 columns 0',
    ])
  })
  it('MariaDB leaves out definitions that the client has cached', () => {
    const server = (b.MYSQL_8_CAPABILITIES & ~b.Cap.LONG_PASSWORD) >>> 0
    const greeting = b.greeting({
      version: '5.5.5-10.11.6-MariaDB',
      connectionId: 9,
      capabilities: server,
      plugin: 'x',
    })
    greeting.set([0x10, 0, 0, 0], greeting.length - 13 - 2 - 4)
    const f = { client: b.CLIENT_CAPABILITIES & ~b.Cap.LONG_PASSWORD }
    const response = login(f)
    response.set([0x10, 0, 0, 0], 4 + 28)
    const d = new Dialogue()
      .s(b.packets(greeting, 0))
      .c(response)
      .s(b.packets(b.okPacket(2), 2))
    expect(d.take()[1]).toBe('greeting 10.11.6-MariaDB mariadb id 9 x 20')
    d.c(b.execute(0xffffffff)).s(b.answer([b.bytes(1, 0), b.binaryRow('x'), b.okPacket(2, { header: 0xfe })]))
    expect(d.take().slice(1)).toEqual([
      'COM_STMT_EXECUTE [9] #4294967295',
      'reply ResultSet',
      'end status 2 rows 1 columns 1',
    ])
  })
  it('pipelined commands are answered in order', () => {
    const d = open()
    d.c(b.join(b.prepare('SELECT ?'), b.execute(0xffffffff), b.command(0x1f), b.query('SET NAMES utf8mb4')))
    d.s(b.answer(b.prepareOk(1, 1, 1, true)), b.answer(b.resultSet(['a'], [b.binaryRow('1')], { deprecateEof: true })))
    d.s(b.join(b.answer([b.okPacket(2)]), b.answer([b.errPacket(1115, '42000', 'no')])))
    expect(d.take().slice(8)).toEqual([
      'reply PrepareOk',
      'prepared #1 parameters 1 columns 1',
      'end status -1 rows 0 columns 1',
      'reply ResultSet',
      'end status 2 rows 1 columns 1',
      'reply OK',
      'end status 2 rows 0 columns 0',
      'reply ERR',
      'error reply 1115 42000 no seq 1',
    ])
  })
  it('an ERR that nobody asked for', () => {
    const d = open().s(b.packets(b.errPacket(4031, 'HY000', 'inactivity'), 0))
    expect(d.take()).toEqual(['error unsolicited 4031 HY000 inactivity seq 0'])
    const crossing = open()
      .c(b.query('SELECT 1'))
      .s(b.packets(b.errPacket(4031, 'HY000', 'inactivity'), 0))
    expect(crossing.take().at(-1)).toBe('error unsolicited 4031 HY000 inactivity seq 0')
  })
  it('a message of more than 16 MiB, refused before it was whole', () => {
    const sql = `SELECT '${'x'.repeat(0xffffff + 100)}'`
    const all = b.query(sql)
    const d = open().c(all.subarray(0, 20_000_000 - 5_000_000), all.subarray(15_000_000))
    d.s(b.answer([b.okPacket(2)], 2))
    const facts = d.take()
    expect(facts[0]).toBe(`begin COM_QUERY ${0xffffff}`)
    expect(facts[1]).toMatch(new RegExp(`^COM_QUERY SELECT 'x{1016} \\[${sql.length}\\]$`))
    expect(facts.slice(2)).toEqual(['reply OK', 'end status 2 rows 0 columns 0'])
    const early = open()
      .c(all.subarray(0, 1_000_000))
      .s(b.answer([b.errPacket(1153, '08S01', 'too large')]))
    expect(early.take().slice(1)).toEqual(['reply ERR', 'error reply 1153 08S01 too large seq 1'])
  })
  it('COM_CLONE and binlog streams are kept apart', () => {
    const d = open()
      .c(b.command(0x20))
      .s(b.answer([b.okPacket(2)]))
      .c(b.command(1))
      .s(b.command(7))
    expect(d.take()).toEqual(['begin COM_CLONE 1', 'COM_CLONE [0]', 'reply OK', 'end status 2 rows 0 columns 0'])
    expect(d.conversation.done).toBe(false)
    const e = open().c(b.command(0x12, b.int(4, 4), b.int(0, 2), b.int(9, 4), 'binlog.000001'))
    e.s(b.answer([b.join(0, 'event'), b.join(0, 'heartbeat')])).c(b.packets(b.join(0xef, 'position'), 0))
    e.s(b.answer([b.errPacket(1236, 'HY000', 'Could not find first log')], 3))
    expect(e.take().slice(2)).toEqual(['reply Stream', 'error reply 1236 HY000 Could not find first log seq 3'])
  })
  it('sequence ids that do not fit are told once', () => {
    const d = open().c(b.query('SELECT 1'))
    d.s(b.answer(b.resultSet(['a'], [b.textRow('1'), b.textRow('2')], { deprecateEof: true }), 7))
    expect(d.take().filter((f) => f.startsWith('out'))).toEqual(['out of order server expected 1 got 7'])
    d.c(b.packets(b.join(3, 'SELECT 2'), 4))
    expect(d.take()[0]).toBe('out of order client expected 0 got 4')
  })
})

describe('query attributes', () => {
  const f = { client: b.CLIENT_CAPABILITIES | b.Cap.QUERY_ATTRIBUTES }
  it.each<Record<string, string | null>>([{}, { trace: 'abc', none: null, span: 'x'.repeat(300) }])(
    'are left out of the statement %#',
    (attributes) => {
      const d = open(f).c(b.queryWithAttributes('SELECT 1+1', attributes))
      expect(d.take()[1]).toBe('COM_QUERY SELECT 1+1 [10]')
    },
  )
  it('are noticed where the login was not seen', () => {
    const d = new Dialogue({ assumeMysql: true }).c(b.queryWithAttributes('SELECT 1', {})).s(b.answer([b.okPacket(2)]))
    expect(d.take()).toEqual([
      'recognised by port',
      'begin COM_QUERY 11',
      'inferred query attributes',
      'COM_QUERY SELECT 1 [8]',
      'reply OK',
      'end status 2 rows 0 columns 0',
    ])
  })
})
