/**
 * MySQL messages made once and sent many times: logins, statements, small answers, and the parts of which large result sets are
 * put together. The client takes CLIENT_DEPRECATE_EOF and CLIENT_QUERY_ATTRIBUTES, as MySQL 8.0.25 and later do.
 */
const DEPRECATE_EOF = 1 << 24
const QUERY_ATTRIBUTES = 1 << 27
const CONNECT_WITH_DB = 1 << 3
const CLIENT_SSL = 1 << 11
/** LONG_PASSWORD PROTOCOL_41 TRANSACTIONS SECURE_CONNECTION MULTI_* PLUGIN_AUTH CONNECT_ATTRS LENENC_CLIENT_DATA */
const CLIENT_CAPS = (0x003fa201 | DEPRECATE_EOF | QUERY_ATTRIBUTES | CONNECT_WITH_DB) >>> 0

const COLUMNS = 4
/** Sequence id of the first row: the column count is packet 1, the definitions follow, with CLIENT_DEPRECATE_EOF no EOF. */
const FIRST_ROW = COLUMNS + 2
/** Sequence ids repeat every 256 packets, so a block of 256 rows can be sent any number of times in a row. */
const BLOCK_ROWS = 256
const NAMES = ['id', 'customer', 'status', 'note']

/** A packet: 3-byte length, sequence id, payload. */
export function packet(sequenceId, ...parts) {
  const body = Buffer.concat(
    parts.map((p) => (typeof p === 'string' ? Buffer.from(p) : Buffer.isBuffer(p) ? p : Buffer.from([p]))),
  )
  const head = Buffer.alloc(4)
  head.writeUIntLE(body.length, 0, 3)
  head[3] = sequenceId & 255
  return Buffer.concat([head, body])
}

export const u32 = (v) => {
  const b = Buffer.alloc(4)
  b.writeUInt32LE(v >>> 0)
  return b
}
const u16 = (v) => Buffer.from([v & 255, v >>> 8])
const lenencText = (s) => Buffer.concat([Buffer.from([Buffer.byteLength(s)]), Buffer.from(s)])
const lenencLong = (b) =>
  b.length < 251 ? Buffer.from([b.length]) : Buffer.from([0xfc, b.length & 255, b.length >>> 8])

/** Protocol::HandshakeV10 of MySQL 8.4. */
export const greeting = (connectionId, random) =>
  packet(
    0,
    Buffer.from('\x0a8.4.3\0'),
    u32(connectionId),
    scramble(random, 8),
    Buffer.from([0, 0xff, 0xff, 0xff, 2, 0, 0xff, 0xdf, 21]),
    Buffer.alloc(10),
    scramble(random, 12),
    '\0caching_sha2_password\0',
  )

function scramble(random, n) {
  const b = random.bytes(n)
  for (let i = 0; i < n; i++) b[i] = 33 + (b[i] % 90)
  return b
}

export const sslRequest = () => packet(1, u32(CLIENT_CAPS | CLIENT_SSL), u32(1 << 24), 255, Buffer.alloc(23))

/** Protocol::HandshakeResponse41 with connection attributes. */
export function login(sequenceId, random) {
  const pairs = {
    _client_name: 'libmysql',
    _client_version: '8.4.3',
    _os: 'Linux',
    _pid: `${random.between(1000, 60000)}`,
    program_name: 'shop-api',
  }
  const attributes = Buffer.concat(Object.entries(pairs).flatMap(([k, v]) => [lenencText(k), lenencText(v)]))
  const head = Buffer.concat([u32(CLIENT_CAPS), u32(1 << 24), Buffer.from([255]), Buffer.alloc(23)])
  const auth = Buffer.concat([Buffer.from('app\0'), Buffer.from([32]), random.bytes(32)])
  return packet(sequenceId, head, auth, 'shop\0caching_sha2_password\0', lenencLong(attributes), attributes)
}

/** Fast authentication succeeded, then OK. */
export const loggedIn = (sequenceId) =>
  Buffer.concat([packet(sequenceId, 1, 3), packet(sequenceId + 1, Buffer.from([0, 0, 0, 2, 0, 0, 0]))])

export const ok = (sequenceId, affected = 0) => packet(sequenceId, Buffer.from([0, affected, 0, 2, 0, 0, 0]))
const endOfRows = (sequenceId) => packet(sequenceId, Buffer.from([0xfe, 0, 0, 2, 0, 0, 0]))

export const ping = packet(0, 0x0e)
export const quit = packet(0, 0x01)
/** No query attributes, one parameter set. */
export const query = (sql) => packet(0, 3, 0, 1, sql)
export const prepare = (sql) => packet(0, 0x16, sql)
/** One parameter of type LONGLONG. */
export const execute = (id, value) =>
  packet(0, 0x17, u32(id), 8, u32(1), Buffer.from([1, 0, 1, 1, 8, 0, 0]), u32(value), u32(0))
export const closeStatement = (id) => packet(0, 0x19, u32(id))
export const prepareOk = (id) =>
  Buffer.concat([
    packet(1, 0, u32(id), u16(COLUMNS), u16(1), 0, u16(0)),
    packet(2, columnDefinition('?')),
    ...NAMES.map((name, i) => packet(3 + i, columnDefinition(name))),
  ])

function columnDefinition(name) {
  const names = [
    lenencText('def'),
    lenencText('shop'),
    lenencText('o'),
    lenencText('orders'),
    lenencText(name),
    lenencText(name),
  ]
  return Buffer.concat([...names, Buffer.from([0x0c, 255, 0, 0, 4, 0, 0, 0xfd, 0, 0, 0, 0, 0])])
}

function rowCells(random, noteBytes) {
  const note = Array.from({ length: noteBytes }, () => 'abcdefgh ijklmno pqrst uvwxyz'[random.below(29)]).join('')
  return [`${random.below(1e9)}`, `C-${random.below(1e6)}`, random.pick(['open', 'paid', 'shipped']), note]
}
const textRow = (cells) => Buffer.concat(cells.map(lenencText))
const binaryRow = (cells) => Buffer.concat([Buffer.from([0, 0]), ...cells.map(lenencText)])

const head = (names) =>
  Buffer.concat([packet(1, names.length), ...names.map((name, i) => packet(2 + i, columnDefinition(name)))])

/** A whole small answer: one column in clear-text rows, all of them in binary ones. */
export function smallResult(random, rows, binary) {
  const names = binary ? NAMES : NAMES.slice(2, 3)
  const first = names.length + 2
  const packets = Array.from({ length: rows }, (_, i) => {
    const cells = rowCells(random, random.between(4, 20))
    return packet(first + i, binary ? binaryRow(cells) : textRow(cells.slice(2, 3)))
  })
  return Buffer.concat([head(names), ...packets, endOfRows(first + rows)])
}

/** Parts of large answers. `ends[i]` is where row i of the block ends. */
export function largeParts(random, variants = 8) {
  const blocks = Array.from({ length: variants }, () => {
    const rows = Array.from({ length: BLOCK_ROWS }, (_, i) =>
      packet(FIRST_ROW + i, textRow(rowCells(random, random.between(20, 240)))),
    )
    const ends = []
    let at = 0
    for (const r of rows) {
      at += r.length
      ends.push(at)
    }
    return { bytes: Buffer.concat(rows), ends }
  })
  return { head: head(NAMES), blocks, ends: Array.from({ length: 256 }, (_, i) => endOfRows(i)), firstRow: FIRST_ROW }
}

const STATEMENTS = [
  (r) => `SELECT status FROM orders WHERE id = ${r.below(1e8)}`,
  (r) => `SELECT status FROM orders WHERE customer = 'C-${r.below(1e6)}' LIMIT 10`,
  (r) => `SELECT status FROM orders WHERE id IN (${r.below(1e8)}, ${r.below(1e8)})`,
]
export const selectStatement = (random) => query(random.pick(STATEMENTS)(random))
export const updateStatement = (random) => query(`UPDATE orders SET status = 'paid' WHERE id = ${random.below(1e8)}`)
export const exportStatement = (random) => query(`SELECT * FROM orders WHERE day = '2026-01-${random.between(10, 28)}'`)
