/** Commands of one session, counted by command byte in a few dozen ints: a map per session costs more than the session. */
import { Command } from '../mysql/commands.ts'
import { COUNTS, type SessionRows } from './hot.ts'

/** Bytes 0x00-0x21 have their own place, MariaDB's bulk execute the next; the rest share the last. */
const BULK = 0x22
const OTHER = 0x23

/** Counts one command in a session's row. */
export function countCommand(rows: SessionRows, row: number, op: number): void {
  rows.counts[row * COUNTS + place(op)]!++
}

/** What was counted, taken out of the row when the session is finished: as pairs, since most sessions use few commands. */
export class CommandCounts {
  /** Command byte and count by turns, in order of command byte; unknown commands together as 0xff. */
  private readonly pairs: readonly number[]
  /** Commands in all. */
  readonly total: number

  constructor(rows: SessionRows, row: number) {
    let total = 0
    const pairs: number[] = []
    for (let p = 0; p < COUNTS; p++) {
      const n = rows.counts[row * COUNTS + p]!
      if (n === 0) continue
      total += n
      pairs.push(p === BULK ? Command.COM_STMT_BULK_EXECUTE : p === OTHER ? 0xff : p, n)
    }
    // A copy has no room to grow.
    this.pairs = pairs.slice()
    this.total = total
  }

  of(op: number): number {
    for (let i = 0; i < this.pairs.length; i += 2) if (this.pairs[i] === op) return this.pairs[i + 1]!
    return 0
  }

  /** [command byte, count] of those seen, in order of command byte. */
  entries(): [number, number][] {
    const out: [number, number][] = []
    for (let i = 0; i < this.pairs.length; i += 2) out.push([this.pairs[i]!, this.pairs[i + 1]!])
    return out
  }
}

function place(op: number): number {
  return op < BULK ? op : op === Command.COM_STMT_BULK_EXECUTE ? BULK : OTHER
}
