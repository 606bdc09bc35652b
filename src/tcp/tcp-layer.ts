/**
 * Segments in, connections and ordered bytes out. In-order payload goes straight from the capture's buffer to the
 * connection's sink; everything unusual takes the careful path (handshake.ts, reassembly.ts). Stream numbers equal
 * Wireshark's tcp.stream: a SYN with another initial sequence number on a known endpoint pair begins a new connection
 * (packet-tcp.c, "reused ports"), nothing else does. Nothing ages out while a file is read.
 */

import type { AnomalyLog } from '../core/anomaly.ts'
import { CLIENT, type Direction, otherSide, SERVER } from '../core/direction.ts'
import type { Limits } from '../core/limits.ts'
import type { Instant } from '../core/time.ts'
import { ACK, FIN, type IcmpErrorView, RST, type SegmentSink, type SegmentView, SYN } from '../packet/segment-view.ts'
import { Connection, type ResetFact, type RoleBy, Seen, TcpFact } from './connection.ts'
import { ConnectionTable, FORGOTTEN } from './connection-table.ts'
import type { Half } from './half.ts'
import { beginHalf, completeHandshake, seeSyn } from './handshake.ts'
import {
  ACKED,
  ACKED_FRAME,
  BYTES,
  CAREFUL,
  HALF_DOUBLES,
  HALF_INTS,
  HotRows,
  IP_ID,
  LARGEST,
  LAST_AT,
  LAST_DATA_AT,
  LAST_DATA_FRAME,
  LAST_FRAME,
  MAX,
  NEXT,
  OFFSET,
  SEEN,
  SEGMENTS,
  STARTED,
  TTL,
  UNANSWERED,
  WINDOW,
  ZERO_WINDOW,
} from './hot.ts'
import { sackBlocks } from './options.ts'
import { type Budget, keepAlive, Reassembly } from './reassembly.ts'
import { judgeReset } from './reset.ts'
import { seqDiff } from './seq.ts'
import type { CloseHow, StreamSinkFactory } from './stream-sink.ts'

/** Finished connections that stay reachable for late segments (echoes, late answers) before they are closed for good. */
const LINGERING = 1024

export interface TcpOptions {
  /** Whether a port is known or configured as MySQL's: decides who is the server when the SYN was not seen. */
  isServerPort(port: number): boolean
}

// hot path: no allocation per packet
export class TcpLayer implements SegmentSink {
  /** Connections seen: the next stream number. */
  connections = 0
  /** RST segments seen, duplicates aside. */
  resets = 0
  private readonly table = new ConnectionTable()
  private readonly rows = new HotRows()
  /** Connections by row. */
  private readonly conns: (Connection | null)[] = []
  private readonly open = new Set<Connection>()
  private readonly lingering: Connection[] = []
  private lingeringFrom = 0
  private readonly reassembly: Reassembly
  private readonly factory: StreamSinkFactory
  private readonly options: TcpOptions
  /** Time of the latest segment. */
  private now: Instant = Number.NEGATIVE_INFINITY

  constructor(factory: StreamSinkFactory, anomalies: AnomalyLog, limits: Limits, options: TcpOptions) {
    this.factory = factory
    this.options = options
    const budget: Budget = { bytes: 0 }
    this.reassembly = new Reassembly(limits, budget, (frame) =>
      anomalies.note('us.limit', frame, () => `frame ${frame}: reordering buffer full, a hole was given up`),
    )
  }

  segment(s: SegmentView): void {
    const entry = this.table.find(s)
    const lowSends = this.table.sourceIsLow
    const flags = s.flags
    let row = this.table.row(entry)
    if (row < 0 || (flags & (SYN | ACK)) === SYN) {
      row = this.rowFor(row, entry, s, lowSends)
      if (row < 0) return
    }
    const { ints, doubles } = this.rows
    const base = row * 2 * HALF_INTS
    const me = lowSends ? base : base + HALF_INTS
    if (s.duplicate) {
      const conn = this.conns[row]!
      conn.halves[lowSends ? conn.lowIs : otherSide(conn.lowIs)].duplicates++
      return
    }
    const d = (row * 2 + (lowSends ? 0 : 1)) * HALF_DOUBLES
    const at = s.at
    const frame = s.frame
    this.now = at
    ints[me + SEGMENTS]!++
    ints[me + LAST_FRAME] = frame
    doubles[d + LAST_AT] = at
    if (ints[base + CAREFUL] !== 0 || (flags & (SYN | FIN | RST)) !== 0 || ints[me + STARTED] === 0) {
      const conn = this.conns[row]!
      const dir = lowSends ? conn.lowIs : otherSide(conn.lowIs)
      this.careful(conn, dir, conn.halves[dir], conn.halves[otherSide(dir)], s)
      return
    }
    if ((flags & ACK) !== 0) {
      const peer = lowSends ? base + HALF_INTS : base
      const ack = s.ack | 0
      if (((ack - ints[peer + ACKED]!) | 0) > 0) {
        ints[peer + ACKED] = ack
        ints[peer + ACKED_FRAME] = frame
        ints[peer + UNANSWERED] = 0
        if (((ack - ints[peer + MAX]!) | 0) > 0) ints[base + CAREFUL] = 1
      }
    }
    const window = s.window
    ints[me + WINDOW] = window
    ints[me + TTL] = s.ttl
    ints[me + IP_ID] = s.ipId
    const length = s.dataLength
    const seq = s.seq | 0
    const next = ints[me + NEXT]!
    const seen = ints[me + SEEN]!
    if (
      seq === next &&
      s.dataEnd - s.dataStart === length &&
      window !== 0 &&
      ints[me + ZERO_WINDOW] === 0 &&
      (seen & (length === 0 ? Seen.a : Seen.d)) !== 0
    ) {
      // The usual packet: in order, nothing new to say about it but its bytes.
      if (length === 0) {
        const options = s.optionsEnd - s.optionsStart
        // SACK beside timestamps, or alone where those would stand (NOP NOP kind).
        if (options > 12 || (options === 12 && s.buf[s.optionsStart + 2] === 5)) this.sack(row, lowSends, s)
        return
      }
      const after = (next + length) | 0
      if (length > doubles[d + LARGEST]!) this.larger(row, lowSends, length, after)
      ints[me + NEXT] = after
      if (((after - ints[me + MAX]!) | 0) > 0) ints[me + MAX] = after
      ints[me + LAST_DATA_FRAME] = frame
      doubles[d + LAST_DATA_AT] = at
      doubles[d + BYTES]! += length
      const conn = this.conns[row]!
      const sink = conn.sink
      if (sink !== null) {
        sink.data(lowSends ? conn.lowIs : otherSide(conn.lowIs), s.buf, s.dataStart, s.dataEnd, at, frame)
        doubles[d + OFFSET]! += length
      }
      return
    }
    this.unusual(this.conns[row]!, lowSends, s, seq)
  }

  private sack(row: number, lowSends: boolean, s: SegmentView): void {
    const conn = this.conns[row]!
    conn.halves[lowSends ? otherSide(conn.lowIs) : conn.lowIs].sackBlocks += sackBlocks(s)
  }

  private larger(row: number, lowSends: boolean, length: number, end: number): void {
    const conn = this.conns[row]!
    conn.halves[lowSends ? conn.lowIs : otherSide(conn.lowIs)].larger(length, end)
  }

  /** Out of order, repeated, cut, a probe, a closed window, or the first of its kind: still no SYN, FIN or RST. */
  private unusual(conn: Connection, lowSends: boolean, s: SegmentView, seq: number): void {
    const dir = lowSends ? conn.lowIs : otherSide(conn.lowIs)
    const me = conn.halves[dir]
    if (s.window === 0 || me.zeroWindowSince >= 0) this.zeroWindow(conn, dir, me, s)
    if (s.dataLength === 0) {
      conn.letter(Seen.a, 'a', dir)
      if (seqDiff(seq, me.next) === 1) keepAlive(conn, dir, me, s.at, s.frame)
      return
    }
    conn.letter(Seen.d, 'd', dir)
    this.reassembly.accept(conn, dir, me, s, seq)
  }

  /** An ICMP error belongs to the connection that it quotes, if that is known; it opens none. */
  icmpError(e: IcmpErrorView): void {
    const row = this.table.row(this.table.find(e))
    if (row < 0) return
    const conn = this.conns[row]!
    const about = this.table.sourceIsLow ? conn.lowIs : otherSide(conn.lowIs)
    conn.keepIcmp({ at: e.at, frame: e.frame, type: e.type, code: e.code, mtu: e.mtu, about, reporterIp: e.reporterIp })
  }

  /** For an input without end: connections that were closed at `until` or before are finished now, not when they make room. */
  settle(until: Instant): void {
    const { lingering } = this
    while (this.lingeringFrom < lingering.length && lingering[this.lingeringFrom]!.closedAt <= until) {
      const conn = lingering[this.lingeringFrom++]!
      if (this.open.has(conn)) this.finish(conn, conn.killer ? 'rst' : 'fin')
    }
    if (this.lingeringFrom === lingering.length) {
      lingering.length = 0
      this.lingeringFrom = 0
    }
  }

  /** Connections that are open or linger; for memory figures. */
  get held(): number {
    return this.open.size
  }

  /** The input has ended: closes what is left, in stream order. */
  end(): void {
    for (const conn of [...this.open].sort((a, b) => a.stream - b.stream)) {
      this.finish(conn, conn.closed ? (conn.killer ? 'rst' : 'fin') : 'open')
    }
    this.lingering.length = 0
  }

  /** Row of a new connection, of the old one (a repeated SYN), or FORGOTTEN for a straggler of one long finished. */
  private rowFor(row: number, entry: number, s: SegmentView, lowSends: boolean): number {
    const synOnly = (s.flags & (SYN | ACK)) === SYN
    if (row === FORGOTTEN && !synOnly) return FORGOTTEN
    if (row >= 0) {
      const known = this.conns[row]!
      const dir = lowSends ? known.lowIs : otherSide(known.lowIs)
      const half = known.halves[dir]
      // Same initial sequence number: a retransmitted SYN. Sender unknown so far: the SYN was captured late.
      if (!half.started || half.isn === (s.seq | 0) || s.duplicate) return row
      this.finish(known, known.closed ? (known.killer ? 'rst' : 'fin') : 'port-reuse')
    }
    return this.begin(entry, s, lowSends)
  }

  private begin(entry: number, s: SegmentView, lowSends: boolean): number {
    const flags = s.flags
    let senderIsClient = true
    let roleBy: RoleBy = 'first-packet'
    if ((flags & SYN) !== 0) {
      senderIsClient = (flags & ACK) === 0
      roleBy = 'syn'
    } else {
      const src = this.options.isServerPort(s.srcPort)
      const dst = this.options.isServerPort(s.dstPort)
      if (src !== dst) {
        senderIsClient = dst
        roleBy = 'port'
      } else if (
        s.srcPort !== s.dstPort &&
        Math.min(s.srcPort, s.dstPort) < 32768 !== Math.max(s.srcPort, s.dstPort) < 32768
      ) {
        // One port in the ephemeral range, the other below it: the lower one listens.
        senderIsClient = s.dstPort < s.srcPort
        roleBy = 'port'
      }
    }
    const conn = new Connection(
      this.connections++,
      s.family,
      senderIsClient ? [s.srcIp, s.dstIp] : [s.dstIp, s.srcIp],
      senderIsClient ? [s.srcPort, s.dstPort] : [s.dstPort, s.srcPort],
      roleBy,
      lowSends === senderIsClient ? CLIENT : SERVER,
      this.rows,
    )
    this.conns[conn.row] = conn
    conn.startAt = s.at
    conn.firstFrame = s.frame
    this.table.setRow(entry, conn.row)
    conn.entry = entry
    this.open.add(conn)
    conn.sink = this.factory.open(conn)
    return conn.row
  }

  private careful(conn: Connection, dir: Direction, me: Half, peer: Half, s: SegmentView): void {
    const flags = s.flags
    if (s.comment !== '') conn.observer?.comment(s.comment, s.frame)
    if ((flags & RST) !== 0) {
      this.reset(conn, dir, me, peer, s)
      return
    }
    const syn = (flags & SYN) !== 0
    let seq = s.seq | 0
    if (conn.killer !== null && conn.killer.dir === dir && !syn) followed(conn.killer, s)
    if (!me.started) beginHalf(conn, dir, me, s, syn, seq)
    if (syn) {
      seeSyn(conn, dir, me, s, seq)
      seq = (seq + 1) | 0
    }
    if ((flags & ACK) !== 0) {
      if (!syn && dir === SERVER && challenges(conn, peer, s)) {
        conn.challengeFrame = s.frame
        conn.challengeAt = s.at
      } else this.acknowledge(conn, dir, peer, s)
    }
    if (!syn && (s.window === 0 || me.zeroWindowSince >= 0)) this.zeroWindow(conn, dir, me, s)
    me.window = s.window
    me.ttl = s.ttl
    me.ipId = s.ipId
    if (s.dataLength > 0) {
      conn.letter(Seen.d, 'd', dir)
      this.reassembly.accept(conn, dir, me, s, seq)
    } else if (!syn && (flags & FIN) === 0) {
      conn.letter(Seen.a, 'a', dir)
      if (seqDiff(seq, me.next) === 1 && !me.finDelivered) keepAlive(conn, dir, me, s.at, s.frame)
      if (s.optionsEnd - s.optionsStart >= 12) peer.sackBlocks += sackBlocks(s)
    }
    if ((flags & FIN) !== 0) this.fin(conn, dir, me, s, seq)
    if (conn.halves[CLIENT].finSeen || conn.halves[SERVER].finSeen) {
      this.reassembly.settle(conn, CLIENT, conn.halves[CLIENT])
      this.reassembly.settle(conn, SERVER, conn.halves[SERVER])
    }
    this.reassembly.patience(conn, CLIENT, conn.halves[CLIENT], dir === CLIENT)
    this.reassembly.patience(conn, SERVER, conn.halves[SERVER], dir === SERVER)
    this.deliverFin(conn, CLIENT)
    this.deliverFin(conn, SERVER)
    conn.careful = this.needsCare(conn)
  }

  /** Whether anything is unsettled: holes, acknowledged bytes not seen, a FIN, or the handshake. */
  private needsCare(conn: Connection): boolean {
    const [c, s] = conn.halves
    if (!c.started || !s.started || c.pending !== null || s.pending !== null || c.finSeen || s.finSeen || conn.closed)
      return true
    if (!c.hasAck || !s.hasAck || (conn.synAckFrame > 0 && conn.establishedFrame === 0)) return true
    return seqDiff(c.max, c.acked) > 0 || seqDiff(s.max, s.acked) > 0
  }

  private acknowledge(conn: Connection, dir: Direction, peer: Half, s: SegmentView): void {
    const ack = s.ack | 0
    if (!peer.hasAck) {
      peer.hasAck = true
      peer.acked = ack
      peer.firstAcked = ack
      peer.ackedFrame = s.frame
      // What the receiver has before anything of the sender was seen was sent before the capture began.
      if (!peer.started) {
        completeHandshake(conn, dir, s)
        return
      }
      if (!peer.synSeen && seqDiff(peer.max, ack) > 0 && peer.bytes === 0) {
        peer.next = ack
        peer.max = ack
      }
    } else if (seqDiff(peer.acked, ack) > 0) {
      peer.acked = ack
      peer.ackedFrame = s.frame
      peer.retransmissionsUnanswered = 0
    }
    if (peer.finSeen && !peer.finAcked && seqDiff(peer.finSeq, ack) > 0) {
      peer.finAcked = true
      this.maybeClosed(conn, s.at)
    }
    completeHandshake(conn, dir, s)
  }

  private fin(conn: Connection, dir: Direction, me: Half, s: SegmentView, seq: number): void {
    if (me.finSeen) return
    me.finSeen = true
    me.finSeq = (seq + s.dataLength) | 0
    me.finAt = s.at
    me.finFrame = s.frame
    const top = (me.finSeq + 1) | 0
    if (seqDiff(me.max, top) > 0) me.max = top
    conn.letter(Seen.f, 'f', dir)
    conn.observer?.tcp(TcpFact.fin, dir, s.at, s.frame, 0)
  }

  private deliverFin(conn: Connection, dir: Direction): void {
    const half = conn.halves[dir]
    if (!half.finSeen || half.finDelivered || half.next !== half.finSeq) return
    half.finDelivered = true
    half.next = (half.finSeq + 1) | 0
    conn.sink?.finished(dir, half.finAt, half.finFrame)
  }

  private maybeClosed(conn: Connection, at: Instant): void {
    if (conn.closed || !conn.halves[0].finAcked || !conn.halves[1].finAcked) return
    this.closed(conn, at)
  }

  private reset(conn: Connection, dir: Direction, me: Half, peer: Half, s: SegmentView): void {
    this.resets++
    const fact = judgeReset(conn, dir, me, peer, s)
    conn.letter((s.flags & SYN) !== 0 ? Seen.i : Seen.r, (s.flags & SYN) !== 0 ? 'i' : 'r', dir)
    conn.keepReset(fact)
    conn.observer?.tcp(TcpFact.rst, dir, s.at, s.frame, fact.accepted && !fact.late ? 1 : 0)
    if (!me.started) {
      me.firstAt = s.at
      me.firstFrame = s.frame
    }
    if (!fact.accepted || fact.late || conn.killer !== null) return
    conn.killer = fact
    this.reassembly.flush(conn, CLIENT)
    this.reassembly.flush(conn, SERVER)
    conn.sink?.reset(dir, s.at, s.frame)
    this.closed(conn, s.at)
  }

  private zeroWindow(conn: Connection, dir: Direction, me: Half, s: SegmentView): void {
    if (s.window === 0) {
      if (me.zeroWindowSince >= 0) return
      me.zeroWindowSince = s.at
      me.refusing = true
      me.zeroWindowFrame = s.frame
      me.zeroWindows++
      conn.letter(Seen.w, 'w', dir)
      conn.observer?.tcp(TcpFact.zeroWindow, dir, s.at, s.frame, 0)
      return
    }
    const lasted = s.at - me.zeroWindowSince
    if (lasted > me.longestZeroWindow) me.longestZeroWindow = lasted
    me.zeroWindowSince = -1
    me.refusing = false
    conn.observer?.tcp(TcpFact.windowOpen, dir, s.at, s.frame, s.window)
  }

  private closed(conn: Connection, at: Instant): void {
    if (conn.closed) return
    conn.closed = true
    conn.closedAt = at
    conn.careful = true
    this.lingering.push(conn)
    if (this.lingering.length - this.lingeringFrom <= LINGERING) return
    const oldest = this.lingering[this.lingeringFrom++]!
    if (this.open.has(oldest)) this.finish(oldest, oldest.killer ? 'rst' : 'fin')
    if (this.lingeringFrom > LINGERING) {
      this.lingering.splice(0, this.lingeringFrom)
      this.lingeringFrom = 0
    }
  }

  /** When a connection was over: an open one when the capture was. */
  private endOf(conn: Connection, how: CloseHow): Instant {
    if (conn.closed) return conn.closedAt
    return how === 'open' ? this.now : Math.max(conn.halves[0].lastAt, conn.halves[1].lastAt)
  }

  /** The last word on a connection: its sink is told, its memory is let go, its endpoints stay known. */
  private finish(conn: Connection, how: CloseHow): void {
    if (!this.open.delete(conn)) return
    this.reassembly.flush(conn, CLIENT)
    this.reassembly.flush(conn, SERVER)
    this.deliverFin(conn, CLIENT)
    this.deliverFin(conn, SERVER)
    conn.sink?.close(how, this.endOf(conn, how))
    if (this.table.row(conn.entry) === conn.row) this.table.setRow(conn.entry, FORGOTTEN)
    this.conns[conn.row] = null
    this.rows.release(conn.row)
    conn.sink = null
    conn.observer = null
  }
}

/** A SYN answered by an ACK that does not acknowledge it (RFC 5961 4.2, RFC 9293 3.6.1): it speaks of an older connection. */
function challenges(conn: Connection, client: Half, s: SegmentView): boolean {
  return (
    conn.synFrame > 0 && conn.synAckFrame === 0 && client.bytes === 0 && seqDiff((client.isn + 1) | 0, s.ack | 0) !== 0
  )
}

/** The side that has reset the connection goes on as if it had not. */
function followed(killer: ResetFact, s: SegmentView): void {
  killer.followed++
  killer.followedAt = s.at
  killer.followedFrame = s.frame
  killer.followedBytes += s.dataLength
}
