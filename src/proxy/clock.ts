/**
 * Wall-clock time in nanoseconds that never goes back: the monotonic clock, led back to the wall clock when that was set.
 * A moment is a number of nanoseconds since the start of the clock (exact for 104 days); `high` and `low` make of it the
 * 64-bit Unix time that pcapng wants, without a BigInt per frame.
 */
const TWO_32 = 4294967296
/** Wall-clock steps below it are noise of the millisecond clock or slow slewing. */
const STEP_NS = 5e6

export class Clock {
  private readonly startedMs = performance.now()
  private readonly baseHigh: number
  private readonly baseLow: number
  private readonly baseMs: number
  private readonly wallMs: () => number
  /** What was added since the start because the wall clock was set forward. */
  private ahead = 0
  private last = 0

  constructor(wallMs: () => number = Date.now) {
    this.wallMs = wallMs
    this.baseMs = wallMs()
    const ns = BigInt(Math.round(this.baseMs * 1000)) * 1000n
    this.baseHigh = Number(ns >> 32n)
    this.baseLow = Number(ns & 0xffffffffn)
  }

  /** Nanoseconds since the clock was made; never less than before. */
  now(): number {
    const t = Math.round((performance.now() - this.startedMs) * 1e6) + this.ahead
    if (t > this.last) this.last = t
    return this.last
  }

  /** Called now and then: follows a wall clock that was set forward. One set back is caught up with as time goes by. */
  adjust(): void {
    const mine = (performance.now() - this.startedMs) * 1e6 + this.ahead
    const off = Math.round((this.wallMs() - this.baseMs) * 1e6 - mine)
    if (Math.abs(off) > STEP_NS) this.ahead += off
  }

  /** Upper and lower 32 bits of the Unix time in nanoseconds. */
  high(t: number): number {
    return this.baseHigh + Math.floor((this.baseLow + t) / TWO_32)
  }
  low(t: number): number {
    const sum = this.baseLow + t
    return sum - Math.floor(sum / TWO_32) * TWO_32
  }

  /** Unix milliseconds. */
  unixMs(t: number): number {
    return this.baseMs + t / 1e6
  }
}
