/**
 * IP fragment reassembly, RFC 791 3.2 and RFC 8200 4.5, for both families. Overlaps: the first bytes seen win. Memory is bounded
 * by LIMITS.fragmentBytes over all datagrams, the oldest making room. Fragments are rare, so this is not a hot path.
 */
import type { AnomalyLog } from '../core/anomaly.ts'
import type { Instant } from '../core/time.ts'
import type { Cursor, IpHeader } from './cursor.ts'

/** Linux net.ipv4.ipfrag_time: how long siblings are waited for, in capture time. */
const TIMEOUT: Instant = 30e9
/** A fragment that comes this soon after its datagram was completed is a copy of one of its own (any interface, SPAN port). */
const COPY_WINDOW: Instant = 5e6
/** Largest datagram, RFC 791; fragments reaching beyond it are lies ("ping of death"). */
const MAX_DATAGRAM = 65535
/** Counted against the bound for each datagram beside its bytes: the bitmap and the entry. */
const OVERHEAD = 1280

/** One datagram being put together, in units of 8 bytes, the granularity of fragment offsets. */
class Datagram {
  bytes = new Uint8Array(2048)
  readonly have = new Uint8Array(1024)
  units = 0
  /** First unit beyond everything received. */
  highestUnit = 0
  /** Payload length, -1 until the last fragment came. */
  length = -1
  /** Transport protocol, from the first fragment. */
  protocol = -1
  readonly key: string
  readonly frame: number
  /** Time of the first fragment, then of the completion. */
  at: Instant
  complete = false

  constructor(key: string, frame: number, at: Instant) {
    this.key = key
    this.frame = frame
    this.at = at
  }

  get size(): number {
    return this.complete ? 0 : this.bytes.length + OVERHEAD
  }
}

export class Fragments {
  /** Oldest first: insertion order. Completed ones stay as markers for a while, without bytes. */
  private readonly datagrams = new Map<string, Datagram>()
  private bytes = 0
  private readonly anomalies: AnomalyLog
  private readonly maxBytes: number

  constructor(anomalies: AnomalyLog, maxBytes: number) {
    this.anomalies = anomalies
    this.maxBytes = maxBytes
  }

  /**
   * Takes the fragment at the cursor. True when it completed its datagram: cursor and header then stand on the whole payload.
   * The bytes handed out belong to the caller.
   */
  add(c: Cursor, h: IpHeader, frame: number, at: Instant): boolean {
    const length = c.end - c.at
    const offset = h.fragmentOffset
    // Bytes the capture cut can never be filled in; a middle fragment must be whole units (RFC 791), none may pass 65535.
    const cut = c.end < c.wireEnd
    if (cut || length === 0 || (h.moreFragments && length % 8 !== 0) || offset + length > MAX_DATAGRAM) {
      if (!cut) this.anomalies.note('packet.malformed', frame, () => `frame ${frame}: impossible IP fragment`)
      return false
    }
    const key = `${h.srcIp}/${h.dstIp}/${h.fragmentId}/${h.family === 4 ? h.protocol : 'v6'}`
    let d = this.datagrams.get(key)
    if (d !== undefined) {
      const age = Math.abs(at - d.at)
      if (d.complete && age <= COPY_WINDOW) return false
      if (d.complete || age > TIMEOUT) {
        this.drop(d)
        d = undefined
      }
    }
    if (d === undefined) {
      d = new Datagram(key, frame, at)
      this.datagrams.set(key, d)
      this.bytes += d.size
    }
    this.store(d, c, h, length, frame)
    if (d.length >= 0 && d.protocol >= 0 && d.units === (d.length + 7) >> 3) {
      this.finish(d, c, h, at)
      return true
    }
    this.makeRoom(d)
    return false
  }

  /** Notes what never became whole. */
  end(): void {
    for (const d of [...this.datagrams.values()]) this.drop(d)
  }

  private store(d: Datagram, c: Cursor, h: IpHeader, length: number, frame: number): void {
    const offset = h.fragmentOffset
    const from = offset >> 3
    const to = (offset + length + 7) >> 3
    if ((d.length >= 0 && offset + length > d.length) || (!h.moreFragments && d.highestUnit > to)) {
      this.anomalies.note('packet.fragment-overlap', frame, () => `frame ${frame}: fragments disagree about the length`)
      return
    }
    if (!h.moreFragments) d.length = offset + length
    if (offset === 0) d.protocol = h.protocol
    if (to > d.highestUnit) d.highestUnit = to
    this.grow(d, offset + length)
    let overlaps = false
    let differs = false
    for (let unit = from; unit < to; unit++) {
      const target = unit << 3
      const source = c.at + target - offset
      const stop = Math.min(source + 8, c.end)
      if (d.have[unit >> 3]! & (1 << (unit & 7))) {
        overlaps = true
        for (let i = source; i < stop; i++) if (d.bytes[target + i - source] !== c.buf[i]) differs = true
        continue
      }
      for (let i = source; i < stop; i++) d.bytes[target + i - source] = c.buf[i]!
      d.have[unit >> 3]! |= 1 << (unit & 7)
      d.units++
    }
    if (overlaps && differs) this.anomalies.note('packet.fragment-overlap', frame, () => `frame ${frame}`)
  }

  private grow(d: Datagram, length: number): void {
    if (length <= d.bytes.length) return
    const bigger = new Uint8Array(Math.max(length, Math.min(d.bytes.length * 2, MAX_DATAGRAM)))
    bigger.set(d.bytes)
    this.bytes += bigger.length - d.bytes.length
    d.bytes = bigger
  }

  private finish(d: Datagram, c: Cursor, h: IpHeader, at: Instant): void {
    c.buf = d.bytes
    c.at = 0
    c.end = d.length
    c.wireEnd = d.length
    h.protocol = d.protocol
    this.bytes -= d.size
    d.complete = true
    d.at = at
    d.bytes = NO_BYTES
    // Stands for its last fragment now, so it goes to the young end of the map.
    this.datagrams.delete(d.key)
    this.datagrams.set(d.key, d)
    if (this.datagrams.size > MAX_ENTRIES) this.drop(this.datagrams.values().next().value!)
  }

  /** Lets the oldest datagrams go until the bounds hold; `keep` is the one just added to. */
  private makeRoom(keep: Datagram): void {
    if (this.bytes <= this.maxBytes && this.datagrams.size <= MAX_ENTRIES) return
    for (const d of this.datagrams.values()) {
      if (d !== keep) this.drop(d)
      if (this.bytes <= this.maxBytes && this.datagrams.size <= MAX_ENTRIES) return
    }
  }

  private drop(d: Datagram): void {
    this.datagrams.delete(d.key)
    this.bytes -= d.size
    if (d.complete) return
    this.anomalies.note('packet.fragment-incomplete', d.frame, () => `first fragment in frame ${d.frame}`)
  }
}

const NO_BYTES = new Uint8Array(0)
/** Datagrams remembered at once, completed markers included. */
const MAX_ENTRIES = 4096
