/**
 * The first bytes of a client, ahead of its login: a PROXY protocol header, a MySQL packet, or another protocol that has no
 * business on this port. Keeps at most one header's worth of bytes.
 */
import { CLIENT } from '../core/direction.ts'
import type { Context } from './context.ts'
import { decodeProxyHeader, proxyHeaderLength } from './messages/proxy-header.ts'
import { foreignProtocol } from './recognise.ts'

const EMPTY = new Uint8Array(0)

export class LoginBytes {
  /** Bytes of earlier segments that belong to MySQL packets, once offer() has answered. */
  kept: Uint8Array = EMPTY
  /** It is another protocol: nothing will be read of it. */
  foreign = false
  private readonly c: Context
  private pending: Uint8Array = EMPTY

  constructor(c: Context) {
    this.c = c
  }

  /** Where in buf[start, end) MySQL packets begin (after `kept`); -1 while that is not known or never will be. */
  offer(buf: Uint8Array, start: number, end: number): number {
    const old = this.pending.length
    if (old === 0) {
      const n = this.look(buf, start, end)
      if (n >= 0) return start + n
      if (!this.foreign) this.pending = buf.slice(start, end)
      return -1
    }
    const all = new Uint8Array(old + end - start)
    all.set(this.pending)
    all.set(buf.subarray(start, end), old)
    this.pending = all
    const n = this.look(all, 0, all.length)
    if (n < 0) return -1
    this.pending = EMPTY
    if (n >= old) return start + n - old
    this.kept = all.subarray(n, old)
    return start
  }

  /** Bytes to leave out in front; -1 when more are needed or it is foreign. */
  private look(b: Uint8Array, start: number, end: number): number {
    const c = this.c
    const n = end - start
    const header = proxyHeaderLength(b, start, end)
    if (header < 0) return -1
    if (header > 0) {
      c.listener.proxyHeader(decodeProxyHeader(b, start, header), c.at, c.frame)
      return header
    }
    if (n < 4) return -1
    if (b[start + 2] === 0 && b[start + 3]! <= 1) return 0
    const name = foreignProtocol(b, start, end)
    if (name === '') return 0
    c.unreadable(CLIENT, name)
    this.foreign = true
    return -1
  }
}
