/** A session recorded in full, event by event and frame by frame, for `sessions show`. Bounded: then it keeps the tail. */

import { decodeText } from '../core/bytes.ts'
import { CLIENT, type Direction, SERVER } from '../core/direction.ts'
import type { Instant } from '../core/time.ts'
import { Command, commandName } from '../mysql/commands.ts'
import type { TrackedChange } from '../mysql/listener.ts'
import { statusNames } from '../mysql/status.ts'
import { type Connection, TcpFact } from '../tcp/connection.ts'

export interface TraceEvent {
  at: Instant
  frame: number
  dir: Direction | null
  layer: 'tcp' | 'tls' | 'mysql'
  what: string
  says: string
  emphasis: boolean
}

const TCP_NAMES: Record<number, string> = {
  [TcpFact.retransmission]: 'retransmission',
  [TcpFact.zeroWindow]: 'zero window',
  [TcpFact.windowOpen]: 'window open',
  [TcpFact.keepAlive]: 'keep-alive',
  [TcpFact.rst]: 'RST',
  [TcpFact.fin]: 'FIN',
  [TcpFact.outOfOrder]: 'out of order',
}
const TRACKERS = [
  'system variable',
  'schema',
  'state change',
  'GTIDs',
  'transaction characteristics',
  'transaction state',
]

export class Trace {
  private readonly limit: number
  private readonly kept: TraceEvent[] = []
  private oldest = 0
  dropped = 0

  constructor(limit: number) {
    this.limit = limit
  }

  /** Events in order; when there were too many, the newest. */
  get events(): readonly TraceEvent[] {
    return [...this.kept.slice(this.oldest), ...this.kept.slice(0, this.oldest)]
  }

  add(
    layer: TraceEvent['layer'],
    dir: Direction | null,
    at: Instant,
    frame: number,
    what: string,
    says: string,
    emphasis = false,
  ): void {
    const event: TraceEvent = { at, frame, dir, layer, what, says, emphasis }
    if (this.kept.length < this.limit) {
      this.kept.push(event)
      return
    }
    this.kept[this.oldest] = event
    this.oldest = (this.oldest + 1) % this.limit
    this.dropped++
  }

  /** The handshake, known only once the connection is: goes before everything else. */
  handshake(conn: Connection): void {
    if (this.dropped > 0) return
    const before: TraceEvent[] = []
    const put = (dir: Direction, at: Instant, frame: number, what: string, says: string): void => {
      if (frame > 0) before.push({ at, frame, dir, layer: 'tcp', what, says, emphasis: false })
    }
    const again = conn.synRetransmissions === 0 ? '' : `sent ${conn.synRetransmissions + 1} times`
    put(CLIENT, conn.synAt, conn.synFrame, 'SYN', again)
    put(SERVER, conn.synAckAt, conn.synAckFrame, 'SYN-ACK', '')
    put(CLIENT, conn.establishedAt, conn.establishedFrame, 'ACK', 'connected')
    this.kept.unshift(...before.sort((a, b) => a.frame - b.frame))
  }

  tcp(fact: TcpFact, dir: Direction, at: Instant, frame: number, value: number): void {
    const name = TCP_NAMES[fact]
    if (name === undefined) return
    const says =
      fact === TcpFact.retransmission
        ? `${value} bytes sent again`
        : fact === TcpFact.rst && value === 0
          ? 'after the end, or not acceptable: an echo'
          : fact === TcpFact.windowOpen
            ? `takes data again, window ${value}`
            : ''
    this.add('tcp', dir, at, frame, name, says, fact === TcpFact.rst || fact === TcpFact.fin)
  }

  command(
    op: number,
    buf: Uint8Array,
    start: number,
    end: number,
    length: number,
    text: string | null,
    at: Instant,
    frame: number,
  ): void {
    let says = text ?? ''
    if (op === Command.COM_FIELD_LIST) says = decodeText(buf, start, end)
    else if (says === '' && length > 0) says = `${length} bytes`
    this.add('mysql', CLIENT, at, frame, commandName(op), says)
  }

  reply(statusFlags: number, rows: number, columns: number, more: boolean, at: Instant, frame: number): void {
    const flags =
      statusFlags > 0
        ? statusNames(statusFlags)
            .map((n) => n.replace(/^SERVER_(STATUS_)?/, ''))
            .join(' ')
        : ''
    const says =
      columns > 0 ? `${rows} row${rows === 1 ? '' : 's'}, ${columns} column${columns === 1 ? '' : 's'}` : 'OK'
    this.add(
      'mysql',
      SERVER,
      at,
      frame,
      more ? 'result (more follow)' : 'answer',
      flags === '' ? says : `${says}; ${flags}`,
    )
  }

  tracked(changes: readonly TrackedChange[], at: Instant, frame: number): void {
    const says = changes
      .map((c) => `${TRACKERS[c.type] ?? 'tracker'} ${c.name ? `${c.name}=` : ''}${c.value}`)
      .join(', ')
    this.add('mysql', SERVER, at, frame, 'session state', says)
  }
}
