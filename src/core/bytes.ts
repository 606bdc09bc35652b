/**
 * Reading bytes that may lie. ByteReader has sticky failure: a read past the end returns 0 or empty and sets `ok` to false,
 * so a decoder reads a whole message straight through and checks once. It never throws (a throw costs ~100 times a read,
 * and captures cut by a snapshot length fail all the time).
 */
export class ByteReader {
  buf: Uint8Array
  pos: number
  end: number
  ok = true

  constructor(buf: Uint8Array, start = 0, end = buf.length) {
    this.buf = buf
    this.pos = start
    this.end = end
  }

  /** Points the reader at other bytes, for decoders that keep one reader. */
  reset(buf: Uint8Array, start: number, end: number): this {
    this.buf = buf
    this.pos = start
    this.end = end
    this.ok = true
    return this
  }

  get left(): number {
    return this.end - this.pos
  }

  private need(n: number): boolean {
    if (n >= 0 && this.pos + n <= this.end) return true
    this.ok = false
    this.pos = this.end
    return false
  }

  u8(): number {
    return this.need(1) ? this.buf[this.pos++]! : 0
  }
  u16(): number {
    if (!this.need(2)) return 0
    const v = this.buf[this.pos]! | (this.buf[this.pos + 1]! << 8)
    this.pos += 2
    return v
  }
  u24(): number {
    if (!this.need(3)) return 0
    const v = this.buf[this.pos]! | (this.buf[this.pos + 1]! << 8) | (this.buf[this.pos + 2]! << 16)
    this.pos += 3
    return v
  }
  u32(): number {
    if (!this.need(4)) return 0
    const b = this.buf
    const p = this.pos
    this.pos = p + 4
    return (b[p]! | (b[p + 1]! << 8) | (b[p + 2]! << 16) | (b[p + 3]! << 24)) >>> 0
  }
  /** Unsigned 64-bit little-endian as a number: exact below 2^53. */
  u64(): number {
    const low = this.u32()
    return this.u32() * 4294967296 + low
  }
  /** MySQL length-encoded integer (manual: Protocol::LengthEncodedInteger). 0xFB (NULL) reads as -1. */
  lenenc(): number {
    const first = this.u8()
    if (first < 0xfb) return first
    if (first === 0xfc) return this.u16()
    if (first === 0xfd) return this.u24()
    if (first === 0xfe) return this.u64()
    if (first === 0xfb) return -1
    this.ok = false
    return 0
  }
  skip(n: number): void {
    if (this.need(n)) this.pos += n
  }
  /** n bytes as UTF-8 text. */
  text(n: number): string {
    if (!this.need(n)) return ''
    const s = decodeText(this.buf, this.pos, this.pos + n)
    this.pos += n
    return s
  }
  /** Text up to a NUL, which is consumed; without a NUL the rest, and `ok` turns false. */
  textNul(): string {
    let nul = this.pos
    while (nul < this.end && this.buf[nul] !== 0) nul++
    if (nul >= this.end) {
      const s = decodeText(this.buf, this.pos, this.end)
      this.pos = this.end
      this.ok = false
      return s
    }
    const s = decodeText(this.buf, this.pos, nul)
    this.pos = nul + 1
    return s
  }
  /** Length-encoded string as text; NULL as ''. */
  textLenenc(): string {
    const n = this.lenenc()
    return n <= 0 ? '' : this.text(n)
  }
  rest(): string {
    const s = decodeText(this.buf, this.pos, this.end)
    this.pos = this.end
    return s
  }
}

const decoder = new TextDecoder('utf-8', { fatal: false })

/** Names recur on every connection (versions, plugins, users, attributes): recent ones are handed out again, not made anew. */
const WORD_MOST = 48
const WORDS = 512
const words: string[] = new Array(WORDS).fill('')

/** UTF-8 with U+FFFD for what is not; the returned string does not keep the buffer alive. */
export function decodeText(buf: Uint8Array, start: number, end: number): string {
  if (end <= start) return ''
  if (end - start > WORD_MOST) return decoder.decode(buf.subarray(start, end))
  let hash = 0
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ buf[i]!, 0x01000193)
  const slot = (hash ^ (hash >>> 16)) & (WORDS - 1)
  const known = words[slot]!
  if (isText(known, buf, start, end)) return known
  const text = decoder.decode(buf.subarray(start, end))
  words[slot] = text
  return text
}

/** Whether these bytes are `text`, which is told of ASCII only. */
function isText(text: string, buf: Uint8Array, start: number, end: number): boolean {
  if (text.length !== end - start) return false
  for (let i = start; i < end; i++) if (buf[i]! > 0x7f || text.charCodeAt(i - start) !== buf[i]) return false
  return true
}

const HEX = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'))

/** Lower-case hex of at most `most` bytes. */
export function hex(buf: Uint8Array, start: number, end: number, most = 32): string {
  // Joined: V8 keeps every step of a sum.
  const out: string[] = []
  const stop = Math.min(end, start + most)
  for (let i = start; i < stop; i++) out.push(HEX[buf[i]!]!)
  if (stop < end) out.push('…')
  return out.join('')
}
