/**
 * Statement text as evidence: the last statement of a session, and the text behind its prepared statements. Bytes are
 * copied into a buffer that is reused; text is made only when somebody asks.
 */
import { decodeText } from '../core/bytes.ts'

const FIRST_SIZE = 256

// hot path: no allocation per packet
export class StatementStore {
  private readonly limit: number
  private readonly maxPrepared: number
  private last: Buffer | null = null
  private lastLength = 0
  private lastTotal = 0
  private readonly prepared = new Map<number, string>()
  private preparing: string | null = null

  constructor(limit: number, maxPrepared: number) {
    this.limit = limit
    this.maxPrepared = maxPrepared
  }

  /** Remembers the argument of the command just seen. `total` is its true length. */
  remember(buf: Uint8Array, start: number, end: number, total: number): void {
    let n = end - start
    if (n > this.limit) n = this.limit
    let b = this.last
    if (b === null || b.length < n) {
      b = Buffer.allocUnsafeSlow(n <= FIRST_SIZE ? FIRST_SIZE : this.limit)
      this.last = b
    }
    // A native copy costs more than it saves below this length.
    if (n <= 48) for (let i = 0; i < n; i++) b[i] = buf[start + i]!
    else b.set(buf.subarray(start, start + n))
    this.lastLength = n
    this.lastTotal = total
  }

  forget(): void {
    this.lastLength = 0
    this.lastTotal = 0
  }

  /** Text of the last statement, '…' when it was longer than what is kept; null when there was none. */
  text(): string | null {
    if (this.last === null || this.lastTotal === 0) return null
    const s = decodeText(this.last, 0, this.lastLength)
    return this.lastTotal > this.lastLength ? `${s}…` : s
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
