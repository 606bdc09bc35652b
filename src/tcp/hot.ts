/**
 * The numbers that every packet touches, kept in rows of two flat arrays: with thousands of connections open the time goes
 * into cache misses, not into instructions, and a row costs one line per direction where objects (and boxed doubles) cost a
 * dozen. A connection owns a row while it is held; `low` and `high` name the directions by endpoint, not by role.
 *
 *   ints     [low: 16][high: 16]      doubles  [low: 8][high: 8]
 */

/** Ints of one direction: one cache line. */
export const NEXT = 0
export const MAX = 1
export const ACKED = 2
export const STARTED = 3
export const HAS_ACK = 4
export const WINDOW = 5
export const TTL = 6
export const IP_ID = 7
export const SEEN = 8
export const SEGMENTS = 9
export const LAST_FRAME = 10
export const LAST_DATA_FRAME = 11
export const ACKED_FRAME = 12
export const UNANSWERED = 13
export const ZERO_WINDOW = 14
/** Of the connection, in the low direction's line: segments take the careful path. */
export const CAREFUL = 15

/** Doubles of one direction: one cache line. */
export const LAST_AT = 0
export const LAST_DATA_AT = 1
export const BYTES = 2
export const OFFSET = 3
/** Largest payload sent, and the sequence number behind the first segment that was so large (as int32). */
export const LARGEST = 4
export const LARGEST_END = 5

export const HALF_INTS = 16
export const HALF_DOUBLES = 8

const FIRST_ROWS = 256

export class HotRows {
  ints = new Int32Array(FIRST_ROWS * 2 * HALF_INTS)
  doubles = new Float64Array(FIRST_ROWS * 2 * HALF_DOUBLES)
  private readonly free: number[] = []
  private used = 0

  /** A row of zeros. */
  allocate(): number {
    const row = this.free.pop() ?? this.used++
    if (row * 2 * HALF_INTS >= this.ints.length) this.grow()
    this.ints.fill(0, row * 2 * HALF_INTS, (row + 1) * 2 * HALF_INTS)
    this.doubles.fill(0, row * 2 * HALF_DOUBLES, (row + 1) * 2 * HALF_DOUBLES)
    return row
  }

  release(row: number): void {
    this.free.push(row)
  }

  private grow(): void {
    const ints = new Int32Array(this.ints.length * 2)
    ints.set(this.ints)
    this.ints = ints
    const doubles = new Float64Array(this.doubles.length * 2)
    doubles.set(this.doubles)
    this.doubles = doubles
  }
}
