/**
 * An answer that lies whole in one segment, read in one pass (manual: OK_Packet, Text and Binary Protocol Resultset,
 * COM_STMT_PREPARE_OK, EOF_Packet): what most answers are. Nothing is reported while reading, so that whatever is unusual (an
 * ERR, a sequence id that does not fit, further results, session trackers, an answer that goes on in the next segment) is
 * left to the careful path unread.
 *
 * Hot path: numbers only, no calls per packet.
 */
import { ReplyKind } from './listener.ts'
import { decodePrepareOk, PREPARE_OK_LEAST, prepareOk } from './messages/com-stmt-prepare-ok.ts'
import { okStatus } from './messages/ok.ts'
import { Status } from './status.ts'

/** What the last scan found. Of COM_STMT_PREPARE_OK the rest is in `prepareOk`. Reused. */
export const scanned: { kind: ReplyKind; status: number; rows: number; columns: number } = {
  kind: ReplyKind.OK,
  status: 0,
  rows: 0,
  columns: 0,
}

/** Packet header and first byte of the payload: the least that is looked at. */
const LEAST = 5
/** EOF_Packet: header[4] 0xFE warnings[2] status[2]. */
const EOF_LENGTH = 5
const EOF_PACKET = 4 + EOF_LENGTH
/** Status flags that say more than that the answer is over. */
const MORE_TO_SAY = Status.SERVER_MORE_RESULTS_EXISTS | Status.SERVER_SESSION_STATE_CHANGED

/**
 * Reads the answer to a command whose answers are Answer.any (commands.ts). It begins at buf[start] with sequence id `id`;
 * `eof` tells that CLIENT_DEPRECATE_EOF is off. Returns the end of the answer, or -1 when it is not a usual one.
 */
export function scanAnswer(buf: Uint8Array, start: number, end: number, id: number, eof: boolean): number {
  if (end - start < LEAST || buf[start + 3] !== id) return -1
  let length = buf[start]! | (buf[start + 1]! << 8) | (buf[start + 2]! << 16)
  let p = start + 4 + length
  const first = buf[start + 4]!
  if (first === 0x00) {
    if (length < 5 || p > end) return -1
    const status = okStatus(buf, start + 4, p)
    return status < 0 ? -1 : ends(ReplyKind.OK, 0, 0, status, p)
  }
  if (length !== 1 || first > 0xfa) return -1

  p = definitions(buf, p, end, id, first)
  id += first
  if (eof) {
    const status = eofPacket(buf, p, end, ++id & 255)
    // COM_STMT_EXECUTE opened a cursor: no rows follow.
    if (status < 0 || (status & Status.SERVER_STATUS_CURSOR_EXISTS) !== 0) return -1
    p += EOF_PACKET
  }
  if (p < 0) return -1
  for (let rows = 0; ; rows++) {
    if (end - p < LEAST || buf[p + 3] !== (++id & 255)) return -1
    length = buf[p]! | (buf[p + 1]! << 8) | (buf[p + 2]! << 16)
    const header = buf[p + 4]!
    if (length === 0 || header === 0xff) return -1
    const at = p + 4
    p = at + length
    // No row that lies in one segment begins with 0xFE: that is a value of 16 MiB or more.
    if (header !== 0xfe) continue
    if (p > end || length < EOF_LENGTH) return -1
    const status = length < 7 ? buf[at + 3]! | (buf[at + 4]! << 8) : okStatus(buf, at, p)
    return status < 0 ? -1 : ends(ReplyKind.ResultSet, rows, first, status, p)
  }
}

/** As scanAnswer(), for COM_STMT_PREPARE. */
export function scanPrepared(buf: Uint8Array, start: number, end: number, id: number, eof: boolean): number {
  if (end - start < 4 + PREPARE_OK_LEAST || buf[start + 3] !== id || buf[start + 4] !== 0) return -1
  // One more byte may tell that the definitions are left out, where that was agreed on.
  if (buf[start] !== PREPARE_OK_LEAST || buf[start + 1] !== 0 || buf[start + 2] !== 0) return -1
  let p = start + 4 + PREPARE_OK_LEAST
  decodePrepareOk(buf, start + 4, p, false)
  const { parameters, columns } = prepareOk
  let status = -1
  if (!eof) {
    p = definitions(buf, p, end, id, parameters + columns)
  } else {
    for (let group = 0; group < 2; group++) {
      const count = group === 0 ? parameters : columns
      if (count === 0) continue
      p = definitions(buf, p, end, id, count)
      id += count + 1
      status = eofPacket(buf, p, end, id & 255)
      if (status < 0) return -1
      p += EOF_PACKET
    }
  }
  if (p < 0 || p > end) return -1
  return ends(ReplyKind.PrepareOk, 0, columns, status, p)
}

/** Passes over `count` definitions, whose sequence ids follow `id`. Where the last ends (it may lie beyond `end`), or -1. */
function definitions(buf: Uint8Array, p: number, end: number, id: number, count: number): number {
  for (let left = count; left > 0; left--) {
    if (end - p < LEAST || buf[p + 3] !== (++id & 255) || buf[p + 4] === 0xff) return -1
    const length = buf[p]! | (buf[p + 1]! << 8) | (buf[p + 2]! << 16)
    if (length === 0) return -1
    p += 4 + length
  }
  return p
}

/** Status flags of the EOF_Packet at buf[p] with this sequence id; -1 when there is none. */
function eofPacket(buf: Uint8Array, p: number, end: number, id: number): number {
  if (p < 0 || end - p < EOF_PACKET || buf[p + 3] !== id || buf[p + 4] !== 0xfe) return -1
  if (buf[p] !== EOF_LENGTH || buf[p + 1] !== 0 || buf[p + 2] !== 0) return -1
  return buf[p + 7]! | (buf[p + 8]! << 8)
}

function ends(kind: ReplyKind, rows: number, columns: number, status: number, p: number): number {
  if (status >= 0 && (status & MORE_TO_SAY) !== 0) return -1
  scanned.kind = kind
  scanned.status = status
  scanned.rows = rows
  scanned.columns = columns
  return p
}
