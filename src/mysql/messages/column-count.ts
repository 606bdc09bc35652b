/**
 * First packet of a result set (manual: Text Resultset): lenenc column count. Where the definitions may be left out
 * (CLIENT_OPTIONAL_RESULTSET_METADATA, MARIADB_CLIENT_CACHE_METADATA) one more byte tells whether they follow.
 */
import { ByteReader } from '../../core/bytes.ts'

/** Longest packet: a lenenc integer and the byte behind it. */
export const COLUMN_COUNT_MOST = 10
/** MySQL's limit (MAX_FIELDS) is 4096; a join view of MariaDB's comes no further. */
const MOST_COLUMNS = 65_535

/** Reused: valid until the next decode. */
export const columnCount = { metadataFollows: true }
const r = new ByteReader(new Uint8Array(0))

/** The number of columns, -1 when buf[start, end) is no such packet. */
export function decodeColumnCount(buf: Uint8Array, start: number, end: number): number {
  r.reset(buf, start, end)
  const columns = r.lenenc()
  const flag = r.left === 1 ? r.u8() : 1
  columnCount.metadataFollows = flag === 1
  return r.ok && r.left === 0 && flag <= 1 && columns <= MOST_COLUMNS ? columns : -1
}
