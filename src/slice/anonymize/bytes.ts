/** One direction of a connection, put together from its segments, and a reader that never leaves its bounds. */

export interface Stream {
  buf: Uint8Array
  /** Bytes from the beginning without a hole; behind it nothing is certain. */
  whole: number
}

/** A part of a stream with a place in it. Reads beyond the end throw `Short`: what cannot be read is masked blindly. */
export class Cursor {
  readonly buf: Uint8Array
  at: number
  readonly end: number

  constructor(buf: Uint8Array, at: number, end: number) {
    this.buf = buf
    this.at = at
    this.end = end
  }

  get left(): number {
    return this.end - this.at
  }

  byte(): number {
    if (this.at >= this.end) throw new Short()
    return this.buf[this.at++]!
  }

  /** Little-endian, at most 6 bytes. */
  int(bytes: number): number {
    let value = 0
    for (let i = 0; i < bytes; i++) value += this.byte() * 2 ** (8 * i)
    return value
  }

  skip(bytes: number): void {
    if (bytes > this.left) throw new Short()
    this.at += bytes
  }

  /** Length-encoded integer; -1 for NULL (0xfb). */
  lenenc(): number {
    const first = this.byte()
    if (first < 0xfb) return first
    if (first === 0xfb) return -1
    if (first === 0xff) throw new Short()
    if (first === 0xfe) {
      const low = this.int(6)
      this.skip(2)
      return low
    }
    return this.int(first === 0xfc ? 2 : 3)
  }

  text(length: number): string {
    if (length > this.left) throw new Short()
    this.at += length
    return latin1(this.buf, this.at - length, this.at)
  }

  /** Replaces the next `length` bytes by as many others; fewer when the stream ends before. */
  replace(length: number, mask: (text: string) => string): void {
    const end = Math.min(this.end, this.at + Math.max(0, length))
    put(this.buf, this.at, mask(latin1(this.buf, this.at, end)), end)
    const short = end < this.at + length
    this.at = end
    if (short) throw new Short()
  }

  /** Up to the next zero byte, which stays. */
  zeroTerminated(mask: (text: string) => string): void {
    let end = this.at
    while (end < this.end && this.buf[end] !== 0) end++
    this.replace(end - this.at, mask)
    if (this.at < this.end) this.at++
  }

  lenencText(mask: (text: string) => string): void {
    const length = this.lenenc()
    if (length > 0) this.replace(length, mask)
  }

  rest(mask: (text: string) => string): void {
    this.replace(this.left, mask)
  }
}

export class Short extends Error {}

export const latin1 = (buf: Uint8Array, start: number, end: number): string =>
  Buffer.from(buf.buffer, buf.byteOffset + start, Math.max(0, end - start)).toString('latin1')

/** Writes text over [at, end); a mask that changed the length would be a bug of ours, so the rest is blanked. */
export function put(buf: Uint8Array, at: number, text: string, end: number): void {
  for (let i = at; i < end; i++) buf[i] = i - at < text.length ? text.charCodeAt(i - at) & 0xff : 0x78
}

/** What nobody understands: no letter, digit or byte of other scripts stays. */
export function blind(buf: Uint8Array, start: number, end: number): void {
  for (let i = start; i < end; i++) {
    const c = buf[i]!
    if (c >= 0x30 && c <= 0x39) buf[i] = 0x31
    else if ((c >= 0x41 && c <= 0x5a) || (c >= 0x61 && c <= 0x7a) || c >= 0x80) buf[i] = 0x78
  }
}
