/** Commands of one session, counted by command byte in a few dozen ints: a map per session costs more than the session. */
import { Command } from '../mysql/commands.ts'

/** Bytes 0x00-0x21 have their own place, MariaDB's bulk execute the next; the rest share the last. */
const BULK = 0x22
const OTHER = 0x23
const PLACES = 0x24

export class CommandCounts {
  private readonly counts = new Int32Array(PLACES)
  /** Commands in all. */
  total = 0

  add(op: number): void {
    this.total++
    this.counts[place(op)]!++
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
