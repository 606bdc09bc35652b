/** Big-endian reads and TLS vectors (RFC 8446 3.3, 3.4) over the sticky-failure reader: a lie runs to the end and clears `ok`. */
import { ByteReader, decodeText, hex } from '../core/bytes.ts'

export class TlsReader extends ByteReader {
  be16(): number {
    const high = this.u8()
    return (high << 8) | this.u8()
  }
  be24(): number {
    const high = this.u8()
    return (high << 16) | this.be16()
  }
  /** A vector with a length of `lengthBytes` (1, 2 or 3) in front, as a reader of its own; the rest if it claims more. */
  vector(lengthBytes: 1 | 2 | 3): TlsReader {
    const length = lengthBytes === 1 ? this.u8() : lengthBytes === 2 ? this.be16() : this.be24()
    const from = this.pos
    const inner = new TlsReader(this.buf, from, Math.min(from + length, this.end))
    this.skip(length)
    return inner
  }
  hex(n: number): string {
    const from = this.pos
    this.skip(n)
    return hex(this.buf, from, this.pos, n)
  }
  restText(most: number): string {
    return decodeText(this.buf, this.pos, Math.min(this.end, this.pos + most))
  }
}
