/**
 * ERR_Packet (manual: Protocol::ERR_Packet): 0xFF code[2] ['#' sqlstate[5]] message. The sqlstate is missing before the
 * capabilities are known and for clients before 4.1. MariaDB's progress reports borrow the packet with code 0xFFFF.
 */
import type { ByteReader } from '../../core/bytes.ts'

/** MariaDB: not an error but a progress report (MARIADB_CLIENT_PROGRESS). */
export const PROGRESS_CODE = 0xffff

/** Characters kept of a message: the server's own limit is 512 (MYSQL_ERRMSG_SIZE). */
const MESSAGE_CHARACTERS = 512

export interface ErrPacket {
  code: number
  /** Five characters, '' when the packet has none. */
  sqlState: string
  message: string
}

export function decodeErr(r: ByteReader): ErrPacket {
  r.skip(1)
  const code = r.u16()
  let sqlState = ''
  if (r.left >= 6 && r.buf[r.pos] === 0x23) {
    r.skip(1)
    sqlState = r.text(5)
  }
  return { code, sqlState, message: r.rest().slice(0, MESSAGE_CHARACTERS) }
}
