/**
 * MySQL messages as bytes, for the tests of src/mysql: what mysql-encode.ts has not. Written from the manual, sharing
 * nothing with the decoders.
 */
import { deflateSync } from 'node:zlib'
import {
  type Bytes,
  columnDefinition,
  eofPacket,
  int,
  join,
  lenenc,
  lenencText,
  okPacket,
  packets,
} from './mysql-encode.ts'

export * from './mysql-encode.ts'

const text = (s: string): Bytes => new TextEncoder().encode(s)
export const bytes = (...values: number[]): Bytes => Uint8Array.from(values)
export const hexBytes = (s: string): Bytes => Uint8Array.from(Buffer.from(s.replaceAll(/\s/g, ''), 'hex'))

/** A command: byte and argument, in one packet with sequence id 0. */
export const command = (op: number, ...argument: (Bytes | string)[]): Bytes =>
  packets(join(op, ...argument.map((a) => (typeof a === 'string' ? text(a) : a))), 0)
export const query = (sql: string): Bytes => command(3, sql)
export const prepare = (sql: string): Bytes => command(0x16, sql)
export const execute = (id: number): Bytes => command(0x17, int(id, 4), bytes(0), int(1, 4))
/** COM_QUERY under CLIENT_QUERY_ATTRIBUTES: names to string values. */
export function queryWithAttributes(sql: string, attributes: Record<string, string | null>): Bytes {
  const all = Object.entries(attributes)
  if (all.length === 0) return command(3, bytes(0, 1), sql)
  const bitmap = new Uint8Array((all.length + 7) >> 3)
  all.forEach(([, v], i) => {
    if (v === null) bitmap[i >> 3]! |= 1 << (i & 7)
  })
  const types = all.map(([name, v]) => join(v === null ? 6 : 0xfe, 0, lenencText(name)))
  const values = all.flatMap(([, v]) => (v === null ? [] : [lenencText(v)]))
  return command(3, join(lenenc(all.length), lenenc(1), bitmap, 1, ...types, ...values), sql)
}

/** Payloads as consecutive packets from `first` on. */
export function answer(payloads: readonly Bytes[], first = 1): Bytes {
  const parts: Bytes[] = []
  let id = first
  for (const p of payloads) {
    parts.push(packets(p, id))
    id = (id + 1 + Math.floor(p.length / 0xffffff)) & 255
  }
  return join(...parts)
}

export const textRow = (...cells: (string | null)[]): Bytes =>
  join(...cells.map((c) => (c === null ? 0xfb : lenencText(c))))
/** A binary row: header 0x00, NULL bitmap, string values. */
export const binaryRow = (...cells: string[]): Bytes =>
  join(0, new Uint8Array((cells.length + 9) >> 3), ...cells.map(lenencText))

/** The payloads of a result set. */
export function resultSet(columns: string[], rows: Bytes[], o: { deprecateEof: boolean; status?: number }): Bytes[] {
  const status = o.status ?? 2
  const end = o.deprecateEof ? okPacket(status, { header: 0xfe }) : eofPacket(status)
  const definitions = columns.map((c) => columnDefinition(c))
  return [lenenc(columns.length), ...definitions, ...(o.deprecateEof ? [] : [eofPacket(status)]), ...rows, end]
}

/** COM_STMT_PREPARE_OK and its definitions. */
export function prepareOk(id: number, parameters: number, columns: number, deprecateEof: boolean): Bytes[] {
  const eof = deprecateEof ? [] : [eofPacket(2)]
  const group = (n: number): Bytes[] =>
    n === 0 ? [] : [...Array.from({ length: n }, (_, i) => columnDefinition(`c${i}`)), ...eof]
  return [
    join(0, int(id, 4), int(columns, 2), int(parameters, 2), 0, int(0, 2)),
    ...group(parameters),
    ...group(columns),
  ]
}

export const authSwitch = (plugin: string, data = 'saltsaltsaltsaltsalt'): Bytes =>
  join(0xfe, text(plugin), 0, text(data), 0)

/** A packet of the compressed protocol; `pack` deflates, otherwise the payload is stored. */
export function compressed(inner: Bytes, id: number, pack = false): Bytes {
  const body = pack ? new Uint8Array(deflateSync(inner)) : inner
  return join(int(body.length, 3), id, int(pack ? inner.length : 0, 3), body)
}

/** PROXY protocol version 2, TCP over IPv4. */
export function proxyV2(source: number[], sourcePort: number, destination: number[], destinationPort: number): Bytes {
  const be = (n: number): Bytes => bytes(n >> 8, n & 255)
  const signature = hexBytes('0d0a0d0a000d0a515549540a')
  return join(
    signature,
    0x21,
    0x11,
    be(12),
    bytes(...source),
    bytes(...destination),
    be(sourcePort),
    be(destinationPort),
  )
}
