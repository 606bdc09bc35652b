/**
 * An answer that lies whole in one segment, read in one pass (manual: OK_Packet, Text and Binary Protocol Resultset, EOF_Packet):
 * what most answers are. Nothing is reported while reading, so that whatever is unusual (an ERR, a sequence id that does not
 * fit, further results, session trackers, an answer that goes on in the next segment) is left to the careful path unread.
 *
 * Hot path: numbers only, no calls per packet.
 */
import { ReplyKind } from './listener.ts'
import { okStatus } from './messages/ok.ts'
import { Status } from './status.ts'

/** What the last scan found. Reused. */
export const scanned: { kind: ReplyKind; status: number; rows: number; columns: number } = {
  kind: ReplyKind.OK,
  status: 0,
  rows: 0,
  columns: 0,
}

/** Packet header and first byte of the payload: the least that is looked at. */
const LEAST = 5
const EOF_LENGTH = 5
/** Status flags that say more than that the answer is over. */
const MORE_TO_SAY = Status.SERVER_MORE_RESULTS_EXISTS | Status.SERVER_SESSION_STATE_CHANGED

/**
 * Reads the answer to a command other than COM_STMT_PREPARE and its like (Answer.any). It begins at buf[start] with sequence
 * id `id`; `eof` tells whether CLIENT_DEPRECATE_EOF is on. The end of the answer, or -1 when it is not a usual one.
 */
export function scanAnswer(buf: Uint8Array, start: number, end: number, id: number, eof: boolean): number {
  if (end - start < LEAST || buf[start + 3] !== id) return -1
  let length = buf[start]! | (buf[start + 1]! << 8) | (buf[start + 2]! << 16)
  let p = start + 4 + length
  const first = buf[start + 4]!
  if (first === 0x00) return length >= 5 && p <= end ? ends(ReplyKind.OK, 0, 0, okStatus(buf, start + 4, p), p) : -1
  if (length !== 1 || first > 0xfa) return -1

  for (let left = first; left > 0; left--) {
    id = (id + 1) & 255
    if (end - p < LEAST || buf[p + 3] !== id || buf[p + 4] === 0xff) return -1
    length = buf[p]! | (buf[p + 1]! << 8) | (buf[p + 2]! << 16)
    if (length === 0) return -1
    p += 4 + length
  }
  if (eof) {
    id = (id + 1) & 255
    if (end - p < 4 + EOF_LENGTH || buf[p + 3] !== id || buf[p + 4] !== 0xfe) return -1
    if (buf[p] !== EOF_LENGTH || buf[p + 1] !== 0 || buf[p + 2] !== 0) return -1
    // COM_STMT_EXECUTE opened a cursor: no rows follow.
    if (((buf[p + 7]! | (buf[p + 8]! << 8)) & Status.SERVER_STATUS_CURSOR_EXISTS) !== 0) return -1
    p += 4 + EOF_LENGTH
  }
  for (let rows = 0; ; rows++) {
    id = (id + 1) & 255
    if (end - p < LEAST || buf[p + 3] !== id) return -1
    length = buf[p]! | (buf[p + 1]! << 8) | (buf[p + 2]! << 16)
    const header = buf[p + 4]!
    if (length === 0 || header === 0xff) return -1
    const at = p + 4
    p = at + length
    // No row that lies in one segment begins with 0xFE: that is a value of 16 MiB or more.
    if (header !== 0xfe) continue
    if (p > end || length < EOF_LENGTH) return -1
    const status = length < 7 ? buf[at + 3]! | (buf[at + 4]! << 8) : okStatus(buf, at, p)
    return ends(ReplyKind.ResultSet, rows, first, status, p)
  }
}

function ends(kind: ReplyKind, rows: number, columns: number, status: number, p: number): number {
  if (status < 0 || (status & MORE_TO_SAY) !== 0) return -1
  scanned.kind = kind
  scanned.status = status
  scanned.rows = rows
  scanned.columns = columns
  return p
}
