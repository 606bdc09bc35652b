/**
 * What a server answers, as values for `p.query(sql, reply)`: ok(), err(), rows(), prepared(), several(), raw().
 * A reply becomes payloads only when the dialogue knows what was negotiated.
 */
import {
  type Bytes,
  columnDefinition,
  eofPacket,
  errPacket,
  int,
  join,
  lenenc,
  lenencText,
  okPacket,
  Status,
  trackedVariable,
} from './mysql-encode.ts'

export interface Negotiated {
  deprecateEof: boolean
  /** Rows of COM_STMT_EXECUTE are binary. */
  binary: boolean
}

/** The payloads of one answer, in order; `more` when another result follows. */
export type Reply = (n: Negotiated, more: boolean) => Bytes[]

export interface OkOptions {
  status?: number
  affected?: number
  insertId?: number
  /** Session trackers for system variables; only for sessions that negotiated SESSION_TRACK. */
  tracked?: Record<string, string>
}

/** OK_Packet. The default status is autocommit on, no transaction. */
export function ok(o: OkOptions = {}): Reply {
  return (_, more) => {
    const status = withMore(o.status, more) | (o.tracked === undefined ? 0 : Status.SESSION_STATE_CHANGED)
    if (o.tracked === undefined) return [okPacket(status, o)]
    const state = join(...Object.entries(o.tracked).map(([name, value]) => trackedVariable(name, value)))
    return [okPacket(status, { ...o, state })]
  }
}

export function err(code: number, sqlState: string, message: string): Reply {
  return () => [errPacket(code, sqlState, message)]
}

export interface RowsOptions {
  columns?: readonly string[]
  /** Text of a cell, null for NULL. */
  cell?: (row: number, column: number) => string | null
  status?: number
}

/** A result set of `count` rows. */
export function rows(count: number, o: RowsOptions = {}): Reply {
  const columns = o.columns ?? ['id', 'name']
  const cell = o.cell ?? ((row, column) => `${columns[column]} ${row}`)
  return (n, more) => {
    const status = withMore(o.status, more)
    const row = n.binary ? binaryRow : textRow
    const payloads = [lenenc(columns.length), ...columns.map((name) => columnDefinition(name))]
    if (!n.deprecateEof) payloads.push(eofPacket(status))
    for (let r = 0; r < count; r++) payloads.push(row(columns.map((_, c) => cell(r, c))))
    payloads.push(n.deprecateEof ? okPacket(status, { header: 0xfe }) : eofPacket(status))
    return payloads
  }
}

/** COM_STMT_PREPARE_OK with the definitions of its parameters and columns. */
export function prepared(statementId: number, parameters = 0, columns = 0): Reply {
  return (n) => {
    const eof = n.deprecateEof ? [] : [eofPacket(Status.AUTOCOMMIT)]
    const definitions = (count: number, name: string) =>
      count === 0 ? [] : [...Array.from({ length: count }, (_, i) => columnDefinition(`${name}${i}`)), ...eof]
    return [
      join(0, int(statementId, 4), int(columns, 2), int(parameters, 2), 0, int(0, 2)),
      ...definitions(parameters, '?'),
      ...definitions(columns, 'c'),
    ]
  }
}

/** Several results of one command: all but the last announce more. */
export function several(...replies: readonly Reply[]): Reply {
  return (n, more) => replies.flatMap((reply, i) => reply(n, more || i < replies.length - 1))
}

/** Payloads as given. */
export const raw =
  (...payloads: readonly Bytes[]): Reply =>
  () => [...payloads]

function withMore(status: number = Status.AUTOCOMMIT, more: boolean): number {
  return more ? status | Status.MORE_RESULTS : status
}

function textRow(cells: readonly (string | null)[]): Bytes {
  return join(...cells.map((c) => (c === null ? join(0xfb) : lenencText(c))))
}

/** Manual: ProtocolBinary::ResultsetRow; the NULL bitmap starts at bit 2. */
function binaryRow(cells: readonly (string | null)[]): Bytes {
  const nulls = new Uint8Array((cells.length + 9) >> 3)
  cells.forEach((c, i) => {
    if (c === null) nulls[(i + 2) >> 3]! |= 1 << ((i + 2) & 7)
  })
  return join(0, nulls, ...cells.filter((c) => c !== null).map((c) => lenencText(c)))
}
