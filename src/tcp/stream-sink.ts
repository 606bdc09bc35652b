/** What the tcp layer hands up: ordered bytes, gaps and the facts of one connection. */
import type { Direction } from '../core/direction.ts'
import type { Instant } from '../core/time.ts'
import type { Connection } from './connection.ts'

/** Why bytes of the stream were never seen. */
export type GapReason =
  | 'lost-in-capture' // the receiver acknowledged them, so they arrived; the capture missed them
  | 'snaplen' // the frame was cut by the snapshot length
  | 'limit' // our reordering buffer was full
  | 'end' // the connection or the capture ended before the hole was filled

export type CloseHow = 'fin' | 'rst' | 'open' | 'port-reuse'

/**
 * Ordered promise per connection: (data | gap)* per direction in stream order, `finished` at most once per direction,
 * `reset` at most once, `close` exactly once and last. `at` and `frame` name the packet that made the bytes available.
 * Bytes are borrowed: buf[start, end) is valid only during the call. During `data` and `gap`, `conn.halves[dir].offset` is
 * the stream offset of the first byte of the call (0 = first byte after the SYN, or the first byte seen).
 * Directions are from the connection's point of view (client = the side that opened it) and follow `conn.flip()`.
 */
export interface StreamSink {
  data(dir: Direction, buf: Uint8Array, start: number, end: number, at: Instant, frame: number): void
  gap(dir: Direction, bytes: number, why: GapReason, at: Instant, frame: number): void
  /** A FIN arrived in sequence: that side will send no more. */
  finished(dir: Direction, at: Instant, frame: number): void
  /** A RST that the receiver will have accepted (RFC 9293 3.10.7.4), the first of the connection. */
  reset(dir: Direction, at: Instant, frame: number): void
  close(how: CloseHow, at: Instant): void
}

/** Makes the sink of a new connection; `null` when nobody cares for its bytes. */
export interface StreamSinkFactory {
  open(conn: Connection): StreamSink | null
}
