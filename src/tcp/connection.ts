/** One TCP connection (Zeek's conn, Wireshark's tcp.stream): two halves, its resets, and its history in Zeek's letters. */

import type { Family } from '../core/address.ts'
import { CLIENT, type Direction, SERVER } from '../core/direction.ts'
import type { Duration, Instant } from '../core/time.ts'
import { Half, Seen } from './half.ts'
import { CAREFUL, HALF_INTS, type HotRows } from './hot.ts'
import type { StreamSink } from './stream-sink.ts'

export type RoleBy = 'syn' | 'content' | 'port' | 'first-packet'

/** A RST as it stood in the capture, with what is needed to judge it (RFC 9293 3.10.7.4, RFC 5961 3). */
export interface ResetFact {
  dir: Direction
  at: Instant
  frame: number
  /** Distance of its sequence number from the next one expected of that side: 0 is exact. */
  seqDelta: number
  /** The receiver will have accepted it: in its window, or acknowledging its SYN. */
  accepted: boolean
  /** It came after both sides' FIN, or after an earlier accepted RST: an echo, not a cause. */
  late: boolean
  ackFlag: boolean
  window: number
  ttl: number
  /** Time to live of that side's segments before it, -1 if none. */
  ttlBefore: number
  ipId: number
  ipIdBefore: number
  dataLength: number
  /** Time since the other side's last segment: how fast it answered, if it was an answer. */
  afterPeer: Duration
  /** What bears the same address and came after it, RSTs aside: a host that has reset sends nothing more. 0 if nothing. */
  followed: number
  followedAt: Instant
  followedFrame: number
  followedBytes: number
}

/** An ICMP error (RFC 792, RFC 4443) that quotes a segment of this connection. */
export interface IcmpFact {
  at: Instant
  frame: number
  type: number
  code: number
  /** Next-hop MTU (RFC 1191), 0 when not given. */
  mtu: number
  /** Whose segment was refused. */
  about: Direction
  reporterIp: number
}

const ICMP_KEPT = 4
const NONE: readonly IcmpFact[] = Object.freeze([])

/** Facts that the timeline of a session wants to know of; all of them rare. */
export const TcpFact = {
  retransmission: 0,
  zeroWindow: 1,
  windowOpen: 2,
  keepAlive: 3,
  rst: 4,
  fin: 5,
  gap: 6,
  outOfOrder: 7,
} as const
export type TcpFact = (typeof TcpFact)[keyof typeof TcpFact]

export interface TcpObserver {
  tcp(fact: TcpFact, dir: Direction, at: Instant, frame: number, value: number): void
  /** A comment of a frame with SYN, FIN or RST. */
  comment(text: string, frame: number): void
}

export { Seen }

/** RSTs kept with their facts; later ones are only counted. */
const RESETS_KEPT = 8

export class Connection {
  /** Wireshark's tcp.stream. */
  readonly stream: number
  /** Its endpoint pair in the table. */
  entry = -1
  readonly family: Family
  /** [client, server] addresses as numbers (core/address.ts) and ports; swapped by flip(). */
  readonly ips: [number, number]
  readonly ports: [number, number]
  readonly halves: [Half, Half]
  roleBy: RoleBy
  /** Which side has the lower endpoint: rows and the table know endpoints only. */
  lowIs: Direction
  /** Its row in hot.ts. */
  readonly row: number
  private readonly rows: HotRows

  sink: StreamSink | null = null
  observer: TcpObserver | null = null

  startAt: Instant = 0
  firstFrame = 0
  /** SYN, SYN-ACK and the ACK that completes the handshake: frame numbers, 0 when not seen. */
  synFrame = 0
  synAt: Instant = 0
  synRetransmissions = 0
  synAckFrame = 0
  synAckAt: Instant = 0
  establishedFrame = 0
  establishedAt: Instant = 0

  /** A SYN answered by a mere ACK (RFC 5961 4.2 challenge ACK, RFC 9293 3.6.1 TIME-WAIT): the endpoints were still in use. */
  challengeFrame = 0
  challengeAt: Instant = 0
  /** ICMP errors about this connection, the first few. */
  icmpErrors: readonly IcmpFact[] = NONE

  resets: ResetFact[] = []
  resetCount = 0
  /** First accepted RST before both FINs, or null. */
  killer: ResetFact | null = null
  /** Both FINs delivered, or an accepted RST. */
  closed = false
  closedAt: Instant = 0
  history = ''

  constructor(
    stream: number,
    family: Family,
    ips: [number, number],
    ports: [number, number],
    roleBy: RoleBy,
    lowIs: Direction,
    rows: HotRows,
  ) {
    this.stream = stream
    this.family = family
    this.ips = ips
    this.ports = ports
    this.roleBy = roleBy
    this.lowIs = lowIs
    this.rows = rows
    this.row = rows.allocate()
    const low = new Half(rows, this.row, 0)
    const high = new Half(rows, this.row, 1)
    this.halves = lowIs === CLIENT ? [low, high] : [high, low]
    this.careful = true
  }

  /** Something is pending or odd: segments take the careful path. */
  set careful(v: boolean) {
    this.rows.ints[this.row * 2 * HALF_INTS + CAREFUL] = v ? 1 : 0
  }

  /** The sides were guessed wrong: swaps them. Zeek marks this with ^ in the history. */
  flip(): void {
    this.halves.reverse()
    this.ips.reverse()
    this.ports.reverse()
    this.lowIs = this.lowIs === CLIENT ? SERVER : CLIENT
    this.roleBy = 'content'
    for (const r of this.resets) r.dir = r.dir === CLIENT ? SERVER : CLIENT
    let flipped = '^'
    for (const c of this.history) flipped += c === c.toUpperCase() ? c.toLowerCase() : c.toUpperCase()
    this.history = flipped
  }

  /** Writes a history letter once per direction: upper case is the client's. */
  letter(bit: number, lower: string, dir: Direction): void {
    const half = this.halves[dir]
    if ((half.seen & bit) !== 0) return
    half.seen |= bit
    this.history += dir === CLIENT ? lower.toUpperCase() : lower
  }

  keepIcmp(fact: IcmpFact): void {
    if (this.icmpErrors.length < ICMP_KEPT) this.icmpErrors = [...this.icmpErrors, fact]
  }

  /** Keeps the facts of a RST, the first few of a connection. */
  keepReset(r: ResetFact): void {
    this.resetCount++
    if (this.resets.length < RESETS_KEPT) this.resets.push(r)
  }

  /** Zeek's conn_state (conn.log): S0 S1 SF REJ S2 S3 RSTO RSTR RSTOS0 RSTRH SH SHR OTH. */
  get connState(): string {
    const [c, s] = this.halves
    const rst = this.resets.find((r) => !r.late) ?? null
    if (c.synSeen && !s.synSeen && rst?.dir === SERVER && s.bytes === 0) return 'REJ'
    if (c.synSeen && !s.started) {
      if (rst?.dir === CLIENT) return 'RSTOS0'
      return c.finSeen ? 'SH' : 'S0'
    }
    if (s.synSeen && !c.started) return rst?.dir === SERVER ? 'RSTRH' : s.finSeen ? 'SHR' : 'OTH'
    if (!c.synSeen && !s.synSeen) {
      // Begun before the capture: Zeek says OTH, but an end that was seen is worth more than a beginning that was not.
      if (rst !== null) return rst.dir === CLIENT ? 'RSTO' : 'RSTR'
      return c.finSeen && s.finSeen ? 'SF' : 'OTH'
    }
    if (rst !== null) return rst.dir === CLIENT ? 'RSTO' : 'RSTR'
    if (c.finSeen && s.finSeen) return 'SF'
    if (c.finSeen) return 'S2'
    if (s.finSeen) return 'S3'
    return c.synSeen && s.synSeen ? 'S1' : 'OTH'
  }
}
