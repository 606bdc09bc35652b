/**
 * Query attributes ahead of the statement text (manual: COM_QUERY with CLIENT_QUERY_ATTRIBUTES): lenenc parameter count,
 * lenenc parameter set count (always 1); with parameters also a NULL bitmap, 0x01, types with names, and binary values.
 * Without parameters the payload is 03 00 01 and the text.
 */
import { ByteReader } from '../../core/bytes.ts'

const r = new ByteReader(new Uint8Array(0))

/**
 * Where the statement text begins. buf[start, end) is what follows the command byte, as far as it is in hand. -1 when the
 * attributes do not end there.
 */
export function skipQueryAttributes(buf: Uint8Array, start: number, end: number): number {
  if (end - start >= 2 && buf[start] === 0 && buf[start + 1] === 1) return start + 2
  r.reset(buf, start, end)
  const count = r.lenenc()
  r.lenenc()
  // The server takes at most 65535 parameters.
  if (!r.ok || count < 0 || count > 0xffff) return -1
  if (count === 0) return r.pos
  const bitmap = r.pos
  r.skip((count + 7) >> 3)
  if (r.u8() !== 1) return -1
  const types = r.pos
  for (let i = 0; i < count && r.ok; i++) skipType()
  const values = r.pos
  let type = types
  for (let i = 0; i < count && r.ok; i++) {
    const code = buf[type]!
    r.pos = type
    skipType()
    type = r.pos
    if (i === 0) r.pos = values
    else r.pos = value
    if ((buf[bitmap + (i >> 3)]! & (1 << (i & 7))) === 0) skipValue(code)
    value = r.pos
  }
  return r.ok ? r.pos : -1
}

let value = 0

function skipType(): void {
  r.skip(2)
  r.skip(Math.max(0, r.lenenc()))
}

/** Binary Protocol Value: how long a value of this column type is. */
function skipValue(type: number): void {
  switch (type) {
    case 0x01: // TINY
    case 0xf4: // BOOL
      r.skip(1)
      return
    case 0x02: // SHORT
    case 0x0d: // YEAR
      r.skip(2)
      return
    case 0x03: // LONG
    case 0x09: // INT24
    case 0x04: // FLOAT
      r.skip(4)
      return
    case 0x05: // DOUBLE
    case 0x08: // LONGLONG
      r.skip(8)
      return
    case 0x06: // NULL
      return
    case 0x07: // TIMESTAMP
    case 0x0a: // DATE
    case 0x0b: // TIME
    case 0x0c: // DATETIME
      r.skip(r.u8())
      return
    default:
      r.skip(Math.max(0, r.lenenc()))
  }
}

/** Whether the first bytes after 0x03 are attributes rather than text: for connections whose login was not seen. */
export function looksLikeQueryAttributes(buf: Uint8Array, start: number, end: number): boolean {
  if (end - start < 3 || buf[start + 1] !== 1) return false
  if (buf[start] === 0) return true
  // Text never begins with a control character followed by 0x01.
  return buf[start]! < 0x20 && skipQueryAttributes(buf, start, end) > 0
}
