/**
 * Prefix-preserving pseudonyms of addresses (Xu, Fan, Ammar, Moon: Crypto-PAn, 2002; with HMAC-SHA-256 as the function): two
 * addresses that share n bits share n bits afterwards. The bits that say what kind of address it is (private, loopback, link-local,
 * multicast) stay.
 */
import { createHmac } from 'node:crypto'

export class AddressMap {
  private readonly key: Uint8Array
  private readonly flips = new Map<string, number>()

  constructor(key: Uint8Array) {
    this.key = key
  }

  /** 4 or 16 bytes to as many. */
  map(address: Uint8Array): Uint8Array {
    const v4In6 = address.length === 16 && address.subarray(0, 12).every((b, i) => b === (i < 10 ? 0 : 0xff))
    if (v4In6) return Uint8Array.of(...address.subarray(0, 12), ...this.map(address.subarray(12)))
    const out = Uint8Array.from(address)
    const family = address.length === 4 ? '4' : '6'
    let bits = ''
    for (let i = 0; i < address.length * 8; i++) {
      const bit = (address[i >> 3]! >> (7 - (i & 7))) & 1
      if (i >= kept(address) && this.flip(family + bits) === 1) out[i >> 3]! ^= 1 << (7 - (i & 7))
      bits += bit
    }
    return out
  }

  private flip(prefix: string): number {
    let flip = this.flips.get(prefix)
    if (flip === undefined) {
      flip = createHmac('sha256', this.key).update(`address ${prefix}`).digest()[0]! & 1
      this.flips.set(prefix, flip)
    }
    return flip
  }
}

/** Leading bits that stay. */
function kept(a: Uint8Array): number {
  if (a.length === 4) {
    if (a[0] === 127) return 32
    if (a[0] === 10) return 8
    if (a[0] === 172 && (a[1]! & 0xf0) === 16) return 12
    if ((a[0] === 192 && a[1] === 168) || (a[0] === 169 && a[1] === 254)) return 16
    if (a[0] === 100 && (a[1]! & 0xc0) === 64) return 10
    return a[0]! >= 224 ? 8 : 1
  }
  // ::1 and :: say nothing about anybody, nor does 127.0.0.1.
  if (a.subarray(0, 15).every((b) => b === 0)) return 128
  if (a[0] === 0xfe && (a[1]! & 0xc0) === 0x80) return 64
  if ((a[0]! & 0xfe) === 0xfc) return 8
  return 3
}
