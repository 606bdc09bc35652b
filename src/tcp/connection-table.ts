/**
 * Finds the connection of a segment. Open addressing over typed arrays, keyed by three numbers: a map with string keys
 * costs more than all other work on a packet together. One entry per endpoint pair and family, whatever number of
 * connections use it one after the other; a finished connection leaves the entry but not its memory.
 */
import type { SegmentView } from '../packet/segment-view.ts'
import type { Connection } from './connection.ts'

// hot path: no allocation per packet
export class ConnectionTable {
  private low = new Int32Array(1024)
  private high = new Int32Array(1024)
  private ports = new Int32Array(1024)
  private family = new Uint8Array(1024)
  private readonly conns: (Connection | null | undefined)[] = []
  private slots = new Int32Array(4096).fill(-1)
  private count = 0
  private last = -1

  /** After find(): whether the segment's source is the lower endpoint of the pair. */
  sourceIsLow = false

  /** Entry of the segment's endpoint pair; a new, empty entry when there is none. */
  find(s: SegmentView): number {
    const src = s.srcIp | 0
    const dst = s.dstIp | 0
    const srcLow = src < dst || (src === dst && s.srcPort <= s.dstPort)
    this.sourceIsLow = srcLow
    const low = srcLow ? src : dst
    const high = srcLow ? dst : src
    const ports = srcLow ? (s.srcPort << 16) | s.dstPort : (s.dstPort << 16) | s.srcPort
    const family = s.family
    const last = this.last
    if (
      last >= 0 &&
      this.ports[last] === ports &&
      this.low[last] === low &&
      this.high[last] === high &&
      this.family[last] === family
    ) {
      return last
    }
    let h = Math.imul(low, 0x9e3779b1) ^ Math.imul(high, 0x85ebca6b) ^ Math.imul(ports, 0xc2b2ae35) ^ family
    h ^= h >>> 15
    const mask = this.slots.length - 1
    let slot = h & mask
    for (;;) {
      const e = this.slots[slot]!
      if (e < 0) break
      if (this.ports[e] === ports && this.low[e] === low && this.high[e] === high && this.family[e] === family) {
        this.last = e
        return e
      }
      slot = (slot + 1) & mask
    }
    return this.add(low, high, ports, family, slot)
  }

  /** The connection that now uses an entry; undefined when none ever did, null when the last one is finished and forgotten. */
  at(entry: number): Connection | null | undefined {
    return this.conns[entry]
  }

  set(entry: number, conn: Connection | null): void {
    this.conns[entry] = conn
  }

  private add(low: number, high: number, ports: number, family: number, slot: number): number {
    const e = this.count++
    if (e === this.low.length) this.grow()
    this.low[e] = low
    this.high[e] = high
    this.ports[e] = ports
    this.family[e] = family
    this.conns.push(undefined)
    this.slots[slot] = e
    if (this.count * 2 > this.slots.length) this.rehash()
    this.last = e
    return e
  }

  private grow(): void {
    const bigger = (a: Int32Array): Int32Array => {
      const b = new Int32Array(a.length * 2)
      b.set(a)
      return b
    }
    this.low = bigger(this.low) as typeof this.low
    this.high = bigger(this.high) as typeof this.high
    this.ports = bigger(this.ports) as typeof this.ports
    const family = new Uint8Array(this.family.length * 2)
    family.set(this.family)
    this.family = family
  }

  private rehash(): void {
    const slots = new Int32Array(this.slots.length * 2).fill(-1)
    const mask = slots.length - 1
    for (let e = 0; e < this.count; e++) {
      let h =
        Math.imul(this.low[e]!, 0x9e3779b1) ^
        Math.imul(this.high[e]!, 0x85ebca6b) ^
        Math.imul(this.ports[e]!, 0xc2b2ae35) ^
        this.family[e]!
      h ^= h >>> 15
      let slot = h & mask
      while (slots[slot]! >= 0) slot = (slot + 1) & mask
      slots[slot] = e
    }
    this.slots = slots
  }
}
