/**
 * Addresses as numbers. An IPv4 address is its 32-bit value; an IPv6 address is interned and gets a small index. Together
 * with the family this makes every connection key three numbers, whatever the family (strings per packet cost four times
 * the rest of the scan).
 */
export const IPV4 = 4
export const IPV6 = 6
export type Family = typeof IPV4 | typeof IPV6

/** Gives each distinct IPv6 address a small stable number, in order of first appearance. */
export class Ipv6Table {
  private words = new Uint32Array(4 * 64)
  private slots = new Int32Array(256).fill(-1)
  private count = 0

  /** Index of the 16 bytes at `buf[at]`. Allocates only when an address is new. */
  intern(buf: Uint8Array, at: number): number {
    const w0 = word(buf, at)
    const w1 = word(buf, at + 4)
    const w2 = word(buf, at + 8)
    const w3 = word(buf, at + 12)
    const mask = this.slots.length - 1
    let h = Math.imul(w3 ^ Math.imul(w2, 0x9e3779b1), 0x85ebca6b) ^ Math.imul(w1, 0xc2b2ae35) ^ w0
    h ^= h >>> 15
    let slot = h & mask
    const words = this.words
    for (;;) {
      const index = this.slots[slot]!
      if (index < 0) break
      const p = index * 4
      if (words[p + 3] === w3 && words[p + 2] === w2 && words[p + 1] === w1 && words[p] === w0) return index
      slot = (slot + 1) & mask
    }
    return this.add(w0, w1, w2, w3, slot)
  }

  private add(w0: number, w1: number, w2: number, w3: number, slot: number): number {
    const index = this.count++
    if (index * 4 === this.words.length) {
      const bigger = new Uint32Array(this.words.length * 2)
      bigger.set(this.words)
      this.words = bigger
    }
    this.words.set([w0, w1, w2, w3], index * 4)
    this.slots[slot] = index
    if (this.count * 2 > this.slots.length) this.rehash()
    return index
  }

  private rehash(): void {
    const slots = new Int32Array(this.slots.length * 2).fill(-1)
    const mask = slots.length - 1
    for (let i = 0; i < this.count; i++) {
      const p = i * 4
      const w = this.words
      let h =
        Math.imul(w[p + 3]! ^ Math.imul(w[p + 2]!, 0x9e3779b1), 0x85ebca6b) ^ Math.imul(w[p + 1]!, 0xc2b2ae35) ^ w[p]!
      h ^= h >>> 15
      let slot = h & mask
      while (slots[slot]! >= 0) slot = (slot + 1) & mask
      slots[slot] = i
    }
    this.slots = slots
  }

  /** RFC 5952 text of an interned address. */
  text(index: number): string {
    const groups: number[] = []
    for (let i = 0; i < 4; i++) {
      const w = this.words[index * 4 + i]!
      groups.push(w >>> 16, w & 0xffff)
    }
    // RFC 5952 4.2.2, 4.2.3: the longest run of two or more zero groups becomes ::, the first one wins a tie.
    let bestAt = -1
    let bestLength = 1
    for (let i = 0; i < 8; i++) {
      let j = i
      while (j < 8 && groups[j] === 0) j++
      if (j - i > bestLength) {
        bestAt = i
        bestLength = j - i
      }
      if (j > i) i = j
    }
    const hexGroups = groups.map((g) => g.toString(16))
    if (bestAt < 0) return hexGroups.join(':')
    return `${hexGroups.slice(0, bestAt).join(':')}::${hexGroups.slice(bestAt + bestLength).join(':')}`
  }
}

function word(b: Uint8Array, p: number): number {
  return ((b[p]! << 24) | (b[p + 1]! << 16) | (b[p + 2]! << 8) | b[p + 3]!) >>> 0
}

/** Dotted quad of a 32-bit address. */
export function ipv4Text(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`
}

/** `ip:port`, with brackets around IPv6. Joined rather than added up: V8 keeps the pieces of a sum, and sessions are many. */
export function endpointText(ip: string, port: number): string {
  return ip.includes(':') ? ['[', ip, ']:', port].join('') : [ip, port].join(':')
}
