/**
 * Finds the connection of a segment. Open addressing over one typed array, keyed by three numbers: a map with string keys
 * costs more than all other work on a packet together. One entry per endpoint pair and family, whatever number of
 * connections use it one after the other; a finished connection leaves the entry but not its memory.
 */

/** What identifies the endpoints of a packet. */
export interface Endpoints {
  family: number
  srcIp: number
  dstIp: number
  srcPort: number
  dstPort: number
}

/** An entry: low address, high address, ports, family, and the row of its connection. */
const STRIDE = 8
const LOW = 0
const HIGH = 1
const PORTS = 2
const FAMILY = 3
const ROW = 4

/** No connection has used this entry yet. */
export const NEVER = -1
/** The connection that used it last is finished and forgotten. */
export const FORGOTTEN = -2

// hot path: no allocation per packet
export class ConnectionTable {
  private cells = new Int32Array(1024 * STRIDE)
  private slots = new Int32Array(4096).fill(-1)
  private count = 0
  private last = -1

  /** After find(): whether the segment's source is the lower endpoint of the pair. */
  sourceIsLow = false

  /** Entry of the segment's endpoint pair; a new one when there is none. */
  find(s: Endpoints): number {
    const src = s.srcIp | 0
    const dst = s.dstIp | 0
    const srcLow = src < dst || (src === dst && s.srcPort <= s.dstPort)
    this.sourceIsLow = srcLow
    const low = srcLow ? src : dst
    const high = srcLow ? dst : src
    const ports = srcLow ? (s.srcPort << 16) | s.dstPort : (s.dstPort << 16) | s.srcPort
    const family = s.family
    const cells = this.cells
    const last = this.last
    if (
      last >= 0 &&
      cells[last + PORTS] === ports &&
      cells[last + LOW] === low &&
      cells[last + HIGH] === high &&
      cells[last + FAMILY] === family
    ) {
      return last
    }
    const mask = this.slots.length - 1
    let slot = hash(low, high, ports, family) & mask
    for (;;) {
      const e = this.slots[slot]!
      if (e < 0) return this.add(low, high, ports, family, slot)
      if (
        cells[e + PORTS] === ports &&
        cells[e + LOW] === low &&
        cells[e + HIGH] === high &&
        cells[e + FAMILY] === family
      ) {
        this.last = e
        return e
      }
      slot = (slot + 1) & mask
    }
  }

  /** Row of the connection that now uses an entry, NEVER or FORGOTTEN. */
  row(entry: number): number {
    return this.cells[entry + ROW]!
  }

  setRow(entry: number, row: number): void {
    this.cells[entry + ROW] = row
  }

  private add(low: number, high: number, ports: number, family: number, slot: number): number {
    const e = this.count++ * STRIDE
    if (e === this.cells.length) {
      const bigger = new Int32Array(this.cells.length * 2)
      bigger.set(this.cells)
      this.cells = bigger
    }
    const cells = this.cells
    cells[e + LOW] = low
    cells[e + HIGH] = high
    cells[e + PORTS] = ports
    cells[e + FAMILY] = family
    cells[e + ROW] = NEVER
    this.slots[slot] = e
    if (this.count * 2 > this.slots.length) this.rehash()
    this.last = e
    return e
  }

  private rehash(): void {
    const slots = new Int32Array(this.slots.length * 2).fill(-1)
    const mask = slots.length - 1
    const cells = this.cells
    for (let e = 0; e < this.count * STRIDE; e += STRIDE) {
      let slot = hash(cells[e + LOW]!, cells[e + HIGH]!, cells[e + PORTS]!, cells[e + FAMILY]!) & mask
      while (slots[slot]! >= 0) slot = (slot + 1) & mask
      slots[slot] = e
    }
    this.slots = slots
  }
}

function hash(low: number, high: number, ports: number, family: number): number {
  const h = Math.imul(low, 0x9e3779b1) ^ Math.imul(high, 0x85ebca6b) ^ Math.imul(ports, 0xc2b2ae35) ^ family
  return h ^ (h >>> 15)
}
