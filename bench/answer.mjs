/** What is being sent, as a list of slices of shared buffers: nothing is copied until a segment leaves. */
export class Answer {
  left = 0
  #sources = []
  #ends = []
  #count = 0
  #index = 0
  #offset = 0

  clear() {
    this.#count = 0
    this.#index = 0
    this.#offset = 0
    this.left = 0
    return this
  }

  add(source, end = source.length) {
    this.#sources[this.#count] = source
    this.#ends[this.#count++] = end
    this.left += end
    return this
  }

  /** Copies the next `n` bytes to `to`. */
  take(to, at, n) {
    this.left -= n
    while (n > 0) {
      const source = this.#sources[this.#index]
      const end = this.#ends[this.#index]
      const part = Math.min(n, end - this.#offset)
      const from = this.#offset
      // A loop beats the call below some 200 bytes, and most messages are that small.
      if (part > 200) source.copy(to, at, from, from + part)
      else for (let i = 0; i < part; i++) to[at + i] = source[from + i]
      this.#offset += part
      at += part
      n -= part
      if (this.#offset === end) {
        this.#index++
        this.#offset = 0
      }
    }
  }
}
