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

/** What was counted, taken out of the row when the session is finished. */
export class CommandCounts {
  private readonly counts: Int32Array
  /** Commands in all. */
  readonly total: number

  constructor(rows: SessionRows, row: number) {
    this.counts = rows.counts.slice(row * COUNTS, (row + 1) * COUNTS)
    this.total = this.counts.reduce((sum, n) => sum + n, 0)
  }

  of(op: number): number {
    return this.counts[place(op)]!
  }

  /** [command byte, count] of those seen, in order of command byte; unknown commands together as 0xff. */
  entries(): [number, number][] {
    const out: [number, number][] = []
    this.counts.forEach((n, p) => {
      if (n > 0) out.push([p === BULK ? Command.COM_STMT_BULK_EXECUTE : p === OTHER ? 0xff : p, n])
    })
    return out
  }
}

function place(op: number): number {
  return op < BULK ? op : op === Command.COM_STMT_BULK_EXECUTE ? BULK : OTHER
}
