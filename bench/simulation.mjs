/**
 * Many MySQL connections at once, each a small state machine; the Schedule says whose turn it is. Hosts acknowledge as Linux
 * does: a reply carries the ACK, a lone segment is acknowledged after 40 ms, a burst every second segment.
 */
import { CLIENT, Connection, SERVER, Turn } from './connection.mjs'
import { Dialogue } from './dialogue.mjs'
import { ACK, FIN, PcapWriter, PSH, RST, SYN } from './pcap-writer.mjs'
import { MSS, OFFLOAD_SEGMENTS, PROFILES, REORDERED, RETRANSMITTED } from './profiles.mjs'
import { Random } from './random.mjs'
import { Schedule } from './schedule.mjs'

const SERVER_IP = 0x0a090001
const SERVER_PORT = 3306
const RTT = 300
const RTO = 200_000
const DELAYED_ACK = 40_000
/** Stays below the advertised window (2048 << 7). */
const BURST_BYTES = 190_000
const WINDOW = 2048
const START = Date.UTC(2026, 0, 1) * 1000
const UNIT = 4294967296

export class Simulation {
  truth = { connections: 0, reset: [], retransmitted: 0, reordered: 0 }
  #opened = 0
  #random
  #profile
  #dialogue
  #out
  #schedule
  #connections

  constructor({ path, seed, profile, tls, connections }) {
    this.#random = new Random(seed)
    this.#profile = PROFILES[profile]
    this.#dialogue = new Dialogue(this.#random, this.#profile, tls)
    this.#out = new PcapWriter(path)
    this.#schedule = new Schedule(connections)
    this.#connections = Array.from({ length: connections }, () => this.#reopen(new Connection()))
    // Doomed sessions begin early, so that even a short capture holds their end.
    this.#schedule.start((i) => START + this.#random.below(this.#connections[i].doomed ? 10_000 : 1_000_000))
  }

  /** Runs until the file has so many bytes or packets. */
  run(bytes, packets = Infinity) {
    const schedule = this.#schedule
    const out = this.#out
    while (out.bytes < bytes && out.frames < packets)
      schedule.again(this.#turn(this.#connections[schedule.first], schedule.time))
    out.close()
    return { bytes: out.bytes, packets: out.frames, seconds: (out.now - START) / 1e6, ...this.truth }
  }

  #reopen(c) {
    c.open(this.#opened++, this.#random, this.#profile)
    return c
  }

  /** Lets the connection act at `at`; returns when it acts again. */
  #turn(c, at) {
    const random = this.#random
    switch (c.turn) {
      case Turn.Syn:
        this.truth.connections++
        this.#segment(c, CLIENT, at, SYN, c.seq[CLIENT]++, 0)
        return this.#next(c, Turn.SynAck, RTT)
      case Turn.SynAck:
        this.#segment(c, SERVER, at, SYN | ACK, c.seq[SERVER]++, 0)
        return this.#next(c, Turn.Established, 10)
      case Turn.Established:
        this.#segment(c, CLIENT, at, ACK, c.seq[CLIENT], 0)
        return this.#next(c, Turn.Opening, RTT + 80)
      case Turn.Opening: {
        const from = c.step % 2 === 0 ? SERVER : CLIENT
        if (!this.#dialogue.opening(c, c.step++)) return this.#next(c, Turn.Think, 10)
        if (c.sending.left > 0) this.#burst(c, from, at, false)
        return this.#next(c, Turn.Opening, from === CLIENT ? RTT : 60)
      }
      case Turn.Think:
        return this.#think(c)
      case Turn.DelayedAck:
        this.#segment(c, CLIENT, at, ACK, c.seq[CLIENT], 0)
        return this.#next(c, Turn.Command, c.think)
      case Turn.Command:
        return this.#command(c, at)
      case Turn.Resend:
        this.#sendAgain(c, CLIENT, at)
        return this.#next(c, c.after, RTT + random.exponential(400))
      case Turn.Reply:
        this.#dialogue.reply(c)
        return this.#serverBurst(c, at)
      case Turn.Burst:
        return this.#serverBurst(c, at)
      case Turn.Acks:
        this.#acks(c, at)
        return this.#next(c, c.sending.left > 0 ? Turn.Burst : Turn.Think, 20)
      case Turn.Reset:
        this.#segment(c, SERVER, at, RST | ACK, c.seq[SERVER], 0)
        this.truth.reset.push({ client: c.client, frame: this.#out.frames })
        this.#reopen(c)
        return at + random.exponential(200_000)
      default: // Turn.ServerFin
        this.#segment(c, SERVER, at, FIN | ACK, c.seq[SERVER]++, 0)
        this.#segment(c, CLIENT, at + 15, ACK, c.seq[CLIENT], 0)
        this.#reopen(c)
        return at + random.exponential(50_000)
    }
  }

  #next(c, turn, delay) {
    c.turn = turn
    return this.#out.now + Math.ceil(delay)
  }

  #serverBurst(c, at) {
    this.#burst(c, SERVER, at, true)
    c.unacked = true
    if (c.resend !== null) return this.#next(c, Turn.Acks, c.segments > 3 ? RTT : RTO)
    return this.#next(c, c.sending.left > 0 || c.segments > 1 ? Turn.Acks : Turn.Think, RTT)
  }

  #think(c) {
    // A doomed session does not wait long: its reset must come within the capture. EXECUTE follows PREPARE at once.
    const mean = c.statement === 'prepared' ? 100 : c.doomed ? 20_000 : this.#profile.think
    const time = this.#random.exponential(mean)
    if (!c.unacked || time < DELAYED_ACK) return this.#next(c, Turn.Command, time)
    c.think = time - DELAYED_ACK
    return this.#next(c, Turn.DelayedAck, DELAYED_ACK)
  }

  #command(c, at) {
    if (c.commandsLeft-- <= 0 && !c.doomed && c.statement !== 'prepared') {
      this.#dialogue.quit(c)
      this.#burst(c, CLIENT, at, false)
      this.#segment(c, CLIENT, at, FIN | ACK, c.seq[CLIENT]++, 0)
      return this.#next(c, Turn.ServerFin, RTT)
    }
    this.#dialogue.command(c)
    this.#burst(c, CLIENT, at, true)
    const statement = c.statement === 'select' || c.statement === 'update' || c.statement === 'export'
    const then = c.doomed && statement ? Turn.Reset : Turn.Reply
    if (c.resend === null) return this.#next(c, then, RTT + this.#random.exponential(400))
    c.after = then
    return this.#next(c, Turn.Resend, RTO)
  }

  /** Sends what fits into one burst; now and then a segment is lost, doubled or overtaken. */
  #burst(c, from, at, mayFail) {
    const random = this.#random
    const out = this.#out
    const full = c.offload && from === SERVER
    c.segments = 0
    let room = full ? BURST_BYTES : MSS * random.between(10, 40)
    while (c.sending.left > 0 && room > 0) {
      const segment = full && c.sending.left > MSS ? MSS * random.between(8, OFFLOAD_SEGMENTS) : MSS
      const length = Math.min(segment, c.sending.left)
      const seq = c.seq[from]
      const fate = mayFail ? random.u32() / UNIT : 1
      c.seq[from] = (seq + length) >>> 0
      c.marks[c.segments++] = c.seq[from]
      room -= length
      if (fate >= RETRANSMITTED + REORDERED) {
        this.#put(c, from, at, seq, length, null)
        continue
      }
      const bytes = Buffer.allocUnsafe(length)
      c.sending.take(bytes, 0, length)
      if (fate < RETRANSMITTED) {
        if (c.resend !== null || fate > RETRANSMITTED / 2) this.#put(c, from, at, seq, length, bytes)
        c.resend ??= { seq, bytes }
      } else if (c.sending.left > 0) {
        const next = Math.min(MSS, c.sending.left)
        this.#put(c, from, at, c.seq[from], next, null)
        c.seq[from] = (c.seq[from] + next) >>> 0
        c.marks[c.segments++] = c.seq[from]
        this.#put(c, from, out.now + 5, seq, length, bytes)
        this.truth.reordered++
      } else {
        this.#put(c, from, at, seq, length, bytes)
      }
    }
  }

  /** The receiver's ACKs for a burst; a lost segment shows as duplicate ACKs, then comes again. */
  #acks(c, at) {
    const marks = c.marks
    if (c.resend !== null) {
      const duplicates = Math.min(3, c.segments - 1)
      for (let i = 0; i < duplicates; i++) this.#segment(c, CLIENT, at, ACK, c.seq[CLIENT], 0, c.resend.seq)
      this.#sendAgain(c, SERVER, at)
      this.#segment(c, CLIENT, this.#out.now + 20, ACK, c.seq[CLIENT], 0)
    } else {
      const every = c.offload ? 1 : 2
      for (let i = every - 1; i < c.segments; i += every) this.#segment(c, CLIENT, at, ACK, c.seq[CLIENT], 0, marks[i])
      if (c.segments % every !== 0) this.#segment(c, CLIENT, at, ACK, c.seq[CLIENT], 0)
    }
    c.unacked = false
  }

  #sendAgain(c, from, at) {
    const { seq, bytes } = c.resend
    c.resend = null
    this.#put(c, from, at, seq, bytes.length, bytes)
    this.truth.retransmitted++
  }

  /** One data segment, from `bytes` or else from what the connection is sending. */
  #put(c, from, at, seq, length, bytes) {
    const last = bytes === null && c.sending.left === length
    const p = this.#header(c, from, at, last ? ACK | PSH : ACK, seq, length, c.seq[1 - from])
    if (bytes === null) c.sending.take(this.#out.buf, p, length)
    else bytes.copy(this.#out.buf, p)
    this.#out.seal()
  }

  /** A segment without payload. */
  #segment(c, from, at, flags, seq, length, ack = c.seq[1 - from]) {
    this.#header(c, from, at, flags, seq, length, flags & ACK ? ack : 0)
    this.#out.seal()
  }

  #header(c, from, at, flags, seq, length, ack) {
    const peer = 1 - from
    if (from === CLIENT) c.unacked = false
    c.ts[from] = (Math.floor(at / 1000) + from * 77_777) >>> 0
    const ipId = c.ipId[from]++ & 0xffff
    const echo = flags === SYN ? 0 : c.ts[peer]
    const window = flags & SYN ? 64240 : flags & RST ? 0 : WINDOW
    if (from === CLIENT)
      return this.#out.begin(
        at,
        c.ip,
        c.port,
        SERVER_IP,
        SERVER_PORT,
        seq,
        ack,
        flags,
        window,
        64,
        ipId,
        c.ts[0],
        echo,
        length,
      )
    return this.#out.begin(
      at,
      SERVER_IP,
      SERVER_PORT,
      c.ip,
      c.port,
      seq,
      ack,
      flags,
      window,
      63,
      ipId,
      c.ts[1],
      echo,
      length,
    )
  }
}
