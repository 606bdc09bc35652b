/**
 * Commands that await an answer, oldest first. Usually one; clients that pipeline (MariaDB Connector/J, MySqlConnector)
 * have several. A ring of small numbers: no allocation per command.
 */

/** More outstanding commands than any client sends ahead. */
const MOST = 4096

export class CommandQueue {
  length = 0
  private head = 0
  /** A plain array of small integers: a typed one costs three times the memory, for every connection. */
  private ring: number[] = [0, 0, 0, 0]

  /** Adds a command whose answer begins with sequence id `expected`, -1 when not known yet. False when it is full. */
  push(op: number, expected: number): boolean {
    if (this.length === this.ring.length && !this.grow()) return false
    this.ring[(this.head + this.length) & (this.ring.length - 1)] = op | ((expected + 1) << 8)
    this.length++
    return true
  }

  /** The newest command arrived whole: its answer begins with this sequence id. */
  complete(expected: number): void {
    if (this.length === 0) return
    const i = (this.head + this.length - 1) & (this.ring.length - 1)
    this.ring[i] = (this.ring[i]! & 255) | ((expected + 1) << 8)
  }

  /** Command byte of the oldest, -1 when there is none. */
  get op(): number {
    return this.length === 0 ? -1 : this.ring[this.head]! & 255
  }

  /** First sequence id of the answer to the oldest, -1 when unknown. */
  get expected(): number {
    return this.length === 0 ? -1 : (this.ring[this.head]! >> 8) - 1
  }

  shift(): void {
    if (this.length === 0) return
    this.head = (this.head + 1) & (this.ring.length - 1)
    this.length--
  }

  private grow(): boolean {
    const old = this.ring
    if (old.length >= MOST) return false
    const ring: number[] = new Array(old.length * 2).fill(0)
    for (let i = 0; i < this.length; i++) ring[i] = old[(this.head + i) & (old.length - 1)]!
    this.ring = ring
    this.head = 0
    return true
  }
}
