/** The next event of every connection, earliest first: a binary heap in which each connection stands exactly once. */
export class Schedule {
  #times
  #heap

  constructor(count) {
    this.#times = new Float64Array(count)
    this.#heap = Int32Array.from({ length: count }, (_, i) => i)
  }

  /** The connection whose turn it is. */
  get first() {
    return this.#heap[0]
  }
  get time() {
    return this.#times[this.#heap[0]]
  }

  /** The first connection comes again at `time`. */
  again(time) {
    const heap = this.#heap
    const times = this.#times
    const moved = heap[0]
    times[moved] = time
    let i = 0
    for (;;) {
      let child = 2 * i + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && times[heap[child + 1]] < times[heap[child]]) child++
      if (times[heap[child]] >= time) break
      heap[i] = heap[child]
      i = child
    }
    heap[i] = moved
  }

  /** Sets the starting time of every connection; to be called once, before anything else. */
  start(timeOf) {
    const order = Array.from(this.#times, (_, i) => i).map((i) => ({ i, at: timeOf(i) }))
    order.sort((a, b) => a.at - b.at)
    order.forEach(({ i, at }, position) => {
      this.#heap[position] = i
      this.#times[i] = at
    })
  }
}
