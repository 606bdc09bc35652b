/**
 * The server's and the client's words as bytes, for dialogues in tests (MySQL manual, "Client/Server Protocol").
 * Independent of the decoders under test: no offsets are shared with src/.
 */
export const Cap = {
  LONG_PASSWORD: 0x1,
  CONNECT_WITH_DB: 0x8,
  PROTOCOL_41: 0x200,
  SSL: 0x800,
  TRANSACTIONS: 0x2000,
  SECURE_CONNECTION: 0x8000,
  MULTI_STATEMENTS: 0x10000,
  MULTI_RESULTS: 0x20000,
  PS_MULTI_RESULTS: 0x40000,
  PLUGIN_AUTH: 0x80000,
  CONNECT_ATTRS: 0x100000,
  PLUGIN_AUTH_LENENC_CLIENT_DATA: 0x200000,
  SESSION_TRACK: 0x800000,
  DEPRECATE_EOF: 0x1000000,
  QUERY_ATTRIBUTES: 0x8000000,
} as const

/** What a MySQL 8.4 server offers, and a usual client takes. */
export const MYSQL_8_CAPABILITIES = 0xdfffffff
export const CLIENT_CAPABILITIES =
  Cap.LONG_PASSWORD |
  Cap.PROTOCOL_41 |
  Cap.TRANSACTIONS |
  Cap.SECURE_CONNECTION |
  Cap.MULTI_STATEMENTS |
  Cap.MULTI_RESULTS |
  Cap.PS_MULTI_RESULTS |
  Cap.PLUGIN_AUTH |
  Cap.CONNECT_ATTRS |
  Cap.PLUGIN_AUTH_LENENC_CLIENT_DATA |
  Cap.DEPRECATE_EOF

export const Status = { IN_TRANS: 0x1, AUTOCOMMIT: 0x2, MORE_RESULTS: 0x8, SESSION_STATE_CHANGED: 0x4000 } as const

export type Bytes = Uint8Array
type Part = Bytes | string | number | readonly Part[]

/** Joins bytes, UTF-8 text and single byte values. */
export function join(...parts: readonly Part[]): Bytes {
  const flat: Bytes[] = parts.map((p) =>
    typeof p === 'number'
      ? Uint8Array.of(p)
      : typeof p === 'string'
        ? new TextEncoder().encode(p)
        : p instanceof Uint8Array
          ? p
          : join(...(p as readonly Part[])),
  )
  const all = new Uint8Array(flat.reduce((n, b) => n + b.length, 0))
  let at = 0
  for (const b of flat) {
    all.set(b, at)
    at += b.length
  }
  return all
}

/** `width` bytes, little-endian. */
export function int(value: number, width: 1 | 2 | 3 | 4): Bytes {
  return Uint8Array.from({ length: width }, (_, i) => (value >>> (8 * i)) & 255)
}

/** Length-encoded integer, up to 32 bits. */
export function lenenc(n: number): Bytes {
  if (n < 251) return int(n, 1)
  if (n < 0x10000) return join(0xfc, int(n, 2))
  if (n < 0x1000000) return join(0xfd, int(n, 3))
  return join(0xfe, int(n, 4), int(0, 4))
}

export const lenencText = (s: string | Bytes): Bytes => {
  const b = join(s)
  return join(lenenc(b.length), b)
}

/** A message as MySQL packets: split at 16 MiB - 1, an exact multiple closed by an empty packet. */
export function packets(payload: Bytes, sequenceId: number): Bytes {
  const MOST = 0xffffff
  const parts: Bytes[] = []
  for (let at = 0; ; at += MOST) {
    const part = payload.subarray(at, at + MOST)
    parts.push(int(part.length, 3), int(sequenceId++ & 255, 1), part)
    if (part.length < MOST) return join(...parts)
  }
}

/** Protocol::HandshakeV10. */
export function greeting(o: { version: string; connectionId: number; capabilities: number; plugin: string }): Bytes {
  return join(
    [10, o.version, 0, int(o.connectionId, 4), 'saltsalt', 0],
    [int(o.capabilities & 0xffff, 2), 255, int(Status.AUTOCOMMIT, 2), int(o.capabilities >>> 16, 2), 21],
    [new Uint8Array(10), 'moresaltmore', 0, o.plugin, 0],
  )
}

/** Protocol::HandshakeResponse41. */
export function handshakeResponse(o: {
  capabilities: number
  user: string
  schema: string
  password: Bytes
  plugin: string
  attributes: Record<string, string>
}): Bytes {
  const caps = o.schema === '' ? o.capabilities : o.capabilities | Cap.CONNECT_WITH_DB
  const attributes = join(...Object.entries(o.attributes).flatMap(([k, v]) => [lenencText(k), lenencText(v)]))
  return join(
    [int(caps, 4), int(0x1000000, 4), 255, new Uint8Array(23), o.user, 0, lenencText(o.password)],
    o.schema === '' ? [] : [o.schema, 0],
    caps & Cap.PLUGIN_AUTH ? [o.plugin, 0] : [],
    caps & Cap.CONNECT_ATTRS ? lenencText(attributes) : [],
  )
}

/** Protocol::SSLRequest: the head of the handshake response alone. */
export function sslRequest(capabilities: number): Bytes {
  return join(int(capabilities | Cap.SSL, 4), int(0x1000000, 4), 255, new Uint8Array(23))
}

/** OK_Packet; `header` 0xfe where it ends a result set under CLIENT_DEPRECATE_EOF. */
export function okPacket(
  status: number,
  o: { affected?: number; insertId?: number; header?: 0 | 0xfe; state?: Bytes } = {},
): Bytes {
  const tail = o.state === undefined ? [] : [lenencText(''), lenencText(o.state)]
  return join(o.header ?? 0, lenenc(o.affected ?? 0), lenenc(o.insertId ?? 0), int(status, 2), int(0, 2), tail)
}

/** EOF_Packet, for clients without CLIENT_DEPRECATE_EOF. */
export const eofPacket = (status: number): Bytes => join(0xfe, int(0, 2), int(status, 2))

/** ERR_Packet; without a SQLSTATE as before the login. */
export function errPacket(code: number, sqlState: string, message: string): Bytes {
  return join(0xff, int(code, 2), sqlState === '' ? '' : `#${sqlState}`, message)
}

/** Protocol::ColumnDefinition41; type 0xfd VAR_STRING or 0x03 LONG. */
export function columnDefinition(name: string, type = 0xfd): Bytes {
  return join(
    [lenencText('def'), lenencText('shop'), lenencText('t'), lenencText('t'), lenencText(name), lenencText(name)],
    [0x0c, int(255, 2), int(1024, 4), type, int(0, 2), 0, int(0, 2)],
  )
}

/** Session tracker of a system variable (in OK_Packet, status SESSION_STATE_CHANGED). */
export function trackedVariable(name: string, value: string): Bytes {
  return join(0, lenencText(join(lenencText(name), lenencText(value))))
}
