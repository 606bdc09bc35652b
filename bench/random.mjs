/** A small seeded generator (mulberry32): the same seed gives the same file on every machine. */
export class Random {
  #state

  constructor(seed) {
    this.#state = seed >>> 0
  }

  u32() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return (t ^ (t >>> 14)) >>> 0
  }
  /** [0, 1) */
  unit() {
    return this.u32() / 4294967296
  }
  /** [0, n) */
  below(n) {
    return Math.floor(this.unit() * n)
  }
  between(low, high) {
    return low + this.below(high - low + 1)
  }
  chance(p) {
    return this.unit() < p
  }
  /** Exponentially distributed, as times between independent events are. */
  exponential(mean) {
    return -Math.log(1 - this.unit()) * mean
  }
  /** Evenly distributed over the orders of magnitude between low and high. */
  logUniform(low, high) {
    return Math.floor(low * (high / low) ** this.unit())
  }
  pick(list) {
    return list[this.below(list.length)]
  }
  bytes(n) {
    const b = Buffer.allocUnsafe(n)
    for (let i = 0; i < n; i++) b[i] = this.u32()
    return b
  }
}
