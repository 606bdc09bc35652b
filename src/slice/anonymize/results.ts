/** Answers of the server: shapes, codes and flags stay, names and values go. Cursors stand behind the packet header. */
import { blind, type Cursor } from './bytes.ts'
import type { Pseudonyms } from './pseudonyms.ts'
import { maskMessage, maskSql, words } from './sql.ts'

/** Errors whose whole text is the application's own (SIGNAL). */
const SIGNALS: ReadonlySet<number> = new Set([1643, 1644, 1645])

/** Errors about a host that rules compare with those of the frames: blocked, not allowed. */
const HOSTS: ReadonlySet<number> = new Set([1129, 1130])

/** ERR_Packet behind 0xff. */
export function maskError(c: Cursor, names: Pseudonyms): void {
  const code = c.int(2)
  if (c.left >= 6 && c.buf[c.at] === 0x23) c.skip(6)
  c.rest((t) => (SIGNALS.has(code) ? words(t, names) : maskMessage(t, names, HOSTS.has(code))))
}

/** OK_Packet behind its header byte. Returns the status flags. */
export function maskOk(c: Cursor, names: Pseudonyms): number {
  c.lenenc()
  c.lenenc()
  const status = c.int(2)
  c.skip(2)
  if (c.left === 0) return status
  // With session tracking the text has a length; without, it goes to the end. Where the length does not fit, it is none.
  const at = c.at
  const length = c.lenenc()
  if (length < 0 || length > c.left) {
    c.at = at
    c.rest((t) => words(t, names))
    return status
  }
  c.replace(length, (t) => words(t, names))
  if (c.left > 0) tracked(c, names)
  return status
}

/** Session state changes: variables are settings, schema and GTIDs say where. */
function tracked(c: Cursor, names: Pseudonyms): void {
  const end = c.at + 1 + c.lenenc()
  while (c.left > 0 && c.at < end) {
    const type = c.byte()
    const length = c.lenenc()
    const next = c.at + Math.max(0, length)
    if (type === 1) c.lenencText((t) => names.name(t))
    else if (type === 3) c.replace(length, (t) => names.value(t))
    else if (type === 5 || type === 0 || type === 2) c.skip(length)
    else if (type === 4) c.lenencText((t) => maskSql(t, names))
    else c.replace(length, (t) => words(t, names))
    if (c.at < next) c.skip(next - c.at)
  }
  c.rest((t) => words(t, names))
}

/** ColumnDefinition41. Returns the column's type byte. */
export function maskColumn(c: Cursor, names: Pseudonyms): number {
  c.lenencText((t) => t)
  c.lenencText((t) => names.name(t))
  for (let i = 0; i < 2; i++) c.lenencText((t) => names.name(t))
  // A column without a name of its own is called by its expression.
  for (let i = 0; i < 2; i++) c.lenencText((t) => maskSql(t, names))
  // MariaDB's extended metadata (CLIENT_EXTENDED_METADATA) stands before the fixed part of 12 bytes.
  if (c.left > 13) c.lenencText((t) => words(t, names))
  c.lenenc()
  c.skip(6)
  const type = c.byte()
  return type
}

/** A row of the text protocol. */
export function maskTextRow(c: Cursor, columns: number, names: Pseudonyms): void {
  for (let i = 0; i < columns; i++) c.lenencText((t) => names.value(t))
  blind(c.buf, c.at, c.end)
}

/** A row of the binary protocol. */
export function maskBinaryRow(c: Cursor, types: readonly number[], names: Pseudonyms): void {
  c.skip(1)
  const nulls = c.at
  c.skip((types.length + 9) >> 3)
  types.forEach((type, i) => {
    const bit = i + 2
    if (((c.buf[nulls + (bit >> 3)]! >> (bit & 7)) & 1) === 0) maskBinaryValue(c, type, names)
  })
  blind(c.buf, c.at, c.end)
}

const FIXED: Readonly<Record<number, number>> = { 1: 1, 2: 2, 3: 4, 4: 4, 5: 8, 8: 8, 9: 4, 13: 2 }
/** Dates and times: a length, then fields that must stay in their ranges. */
const TIMES: ReadonlySet<number> = new Set([7, 10, 11, 12, 17, 18, 19])

/** A value of the binary protocol (manual: Binary Protocol Value), of a row or a parameter. */
export function maskBinaryValue(c: Cursor, type: number, names: Pseudonyms): void {
  const fixed = FIXED[type & 0x7f]
  if (fixed !== undefined) c.replace(fixed, () => '\x01'.repeat(fixed))
  else if (TIMES.has(type)) {
    const length = c.byte()
    c.replace(length, () =>
      length > 2 ? '\xea\x07\x01\x01'.padEnd(length, '\x00').slice(0, length) : '\x00'.repeat(length),
    )
  } else if (type !== 6) c.lenencText((t) => names.value(t))
}
