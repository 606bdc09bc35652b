/**
 * Statement text as evidence: the last statement of a session, and the text behind its prepared statements. Bytes are
 * copied into the session's row; text is made only when somebody asks.
 */
import { decodeText } from '../core/bytes.ts'
import { NUMBERS, type SessionRows, TEXT, TEXT_LENGTH, TEXT_TOTAL } from './hot.ts'

// hot path: no allocation per packet
export class StatementStore {
  private readonly rows: SessionRows
  private readonly row: number
  private readonly limit: number
  private readonly maxPrepared: number
  /** A last statement longer than the row holds. */
  private long: Buffer | null = null
  private readonly prepared = new Map<number, string>()
  private preparing: string | null = null

  constructor(rows: SessionRows, row: number, limit: number, maxPrepared: number) {
    this.rows = rows
    this.row = row
    this.limit = limit
    this.maxPrepared = maxPrepared
  }

  /** Remembers the argument of the command just seen. `total` is its true length. */
  remember(buf: Uint8Array, start: number, end: number, total: number): void {
    let n = end - start
    if (n > this.limit) n = this.limit
    const { numbers, text } = this.rows
    const base = this.row * NUMBERS
    numbers[base + TEXT_LENGTH] = n
    numbers[base + TEXT_TOTAL] = total
    if (n <= TEXT) {
      const to = this.row * TEXT
      // A native copy costs more than it saves below this length.
      if (n <= 96) for (let i = 0; i < n; i++) text[to + i] = buf[start + i]!
      else text.set(buf.subarray(start, start + n), to)
      return
    }
    if (this.long === null) this.long = Buffer.allocUnsafeSlow(this.limit)
    this.long.set(buf.subarray(start, start + n))
  }

  /** Text of the last statement, '…' when it was longer than what is kept; null when there was none. */
  text(): string | null {
    const base = this.row * NUMBERS
    const length = this.rows.numbers[base + TEXT_LENGTH]!
    const total = this.rows.numbers[base + TEXT_TOTAL]!
    if (total === 0) return null
    const from = this.row * TEXT
    const s = length <= TEXT ? decodeText(this.rows.text, from, from + length) : decodeText(this.long!, 0, length)
    return total > length ? `${s}…` : s
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
