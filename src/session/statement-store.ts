/**
 * Statement text as evidence: the last statement of a session, and the text behind its prepared statements. Bytes are
 * copied into the session's row; text is made only when somebody asks.
 */
import { decodeText } from '../core/bytes.ts'
import { type SessionRows, TEXT, TEXT_HEAD, TEXT_MOST } from './hot.ts'

// hot path: no allocation per packet

/** Remembers the argument of the command just seen in its session's row. False when it is too long for it. */
export function rememberText(
  rows: SessionRows,
  row: number,
  buf: Uint8Array,
  start: number,
  end: number,
  total: number,
): boolean {
  const n = end - start
  const info = (row * TEXT) >> 2
  rows.textInfo[info] = n
  rows.textInfo[info + 1] = total
  if (n > TEXT_MOST) return false
  rows.copyText(row * TEXT + TEXT_HEAD, buf, start, n)
  return true
}

/** What a session's row cannot hold: long statements, and the texts of prepared ones. Made on first need. */
export class StatementStore {
  private readonly rows: SessionRows
  private readonly row: number
  private readonly limit: number
  private readonly maxPrepared: number
  /** A last statement longer than the row holds. */
  private long: Buffer | null = null
  private longLength = 0
  private readonly prepared = new Map<number, string>()
  private preparing: string | null = null

  constructor(rows: SessionRows, row: number, limit: number, maxPrepared: number) {
    this.rows = rows
    this.row = row
    this.limit = limit
    this.maxPrepared = maxPrepared
  }

  /** The last statement, for which rememberText had no room. */
  rememberLong(buf: Uint8Array, start: number, end: number): void {
    this.longLength = Math.min(end - start, this.limit)
    if (this.long === null) this.long = Buffer.allocUnsafeSlow(this.limit)
    this.long.set(buf.subarray(start, start + this.longLength))
  }

  /** Text of the last statement, '…' when it was longer than what is kept; null when there was none. */
  text(): string | null {
    const info = (this.row * TEXT) >> 2
    const length = this.rows.textInfo[info]!
    const total = this.rows.textInfo[info + 1]!
    if (total === 0) return null
    const from = this.row * TEXT + TEXT_HEAD
    const inRow = length <= TEXT_MOST
    const s = inRow ? decodeText(this.rows.text, from, from + length) : decodeText(this.long!, 0, this.longLength)
    return total > (inRow ? length : this.longLength) ? `${s}…` : s
  }

  /** The statement just remembered is being prepared. */
  beginPrepare(): void {
    this.preparing = this.text()
  }

  /** The server gave it this id. */
  namePrepared(id: number): void {
    if (this.preparing === null) return
    if (this.prepared.size >= this.maxPrepared) this.prepared.delete(this.prepared.keys().next().value!)
    this.prepared.set(id, this.preparing)
    this.preparing = null
  }

  textOf(id: number): string | null {
    // MariaDB: 0xffffffff names the statement prepared last.
    if (id === 0xffffffff || id === -1) return this.preparing ?? [...this.prepared.values()].at(-1) ?? null
    return this.prepared.get(id) ?? null
  }

  close(id: number): void {
    this.prepared.delete(id)
  }

  /** COM_RESET_CONNECTION and COM_CHANGE_USER deallocate every prepared statement. */
  reset(): void {
    this.prepared.clear()
    this.preparing = null
  }
}
