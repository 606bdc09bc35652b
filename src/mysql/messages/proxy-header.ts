/**
 * PROXY protocol header that HAProxy and others send ahead of everything (haproxy doc/proxy-protocol.txt 2.1, 2.2): version
 * 1 is a line of ASCII, at most 107 bytes with its CRLF; version 2 is binary with a 12-byte signature.
 */

import { endpointText, Ipv6Table, ipv4Text } from '../../core/address.ts'
import { decodeText } from '../../core/bytes.ts'
import type { ProxyHeader } from '../listener.ts'

const V1 = [0x50, 0x52, 0x4f, 0x58, 0x59, 0x20] // "PROXY "
const V2 = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]
const V1_MOST = 107
/** Bytes of a version 2 header that we are ready to wait for: TLVs with certificates may be long. */
const V2_MOST = 16 + 4096

/** Length of the header at buf[start]: 0 when there is none, -1 when more bytes are needed to tell. */
export function proxyHeaderLength(buf: Uint8Array, start: number, end: number): number {
  if (matches(V1, buf, start, end)) {
    if (end - start < V1.length) return -1
    const stop = Math.min(end, start + V1_MOST)
    for (let p = start + V1.length; p + 1 < stop; p++) if (buf[p] === 13 && buf[p + 1] === 10) return p + 2 - start
    return end - start >= V1_MOST ? 0 : -1
  }
  if (matches(V2, buf, start, end)) {
    if (end - start < 16) return -1
    const version = buf[start + 12]! >> 4
    const length = 16 + ((buf[start + 14]! << 8) | buf[start + 15]!)
    if (version !== 2 || length > V2_MOST) return 0
    return end - start >= length ? length : -1
  }
  return 0
}

/** Reads the header whose length proxyHeaderLength() gave. */
export function decodeProxyHeader(buf: Uint8Array, start: number, length: number): ProxyHeader {
  if (buf[start] === V1[0]) {
    const words = decodeText(buf, start + V1.length, start + length - 2).split(' ')
    const known = words[0] === 'TCP4' || words[0] === 'TCP6'
    if (!known || words.length < 5) return { version: 1, command: 'UNKNOWN', source: '', destination: '' }
    return {
      version: 1,
      command: 'PROXY',
      source: endpointText(words[1]!, Number(words[3])),
      destination: endpointText(words[2]!, Number(words[4])),
    }
  }
  const command = buf[start + 12]! & 15
  const family = buf[start + 13]! >> 4
  const p = start + 16
  if (command !== 1) return { version: 2, command: command === 0 ? 'LOCAL' : 'UNKNOWN', source: '', destination: '' }
  if (family === 1 && length >= 28) {
    return {
      version: 2,
      command: 'PROXY',
      source: endpointText(ipv4Text(u32be(buf, p)), u16be(buf, p + 8)),
      destination: endpointText(ipv4Text(u32be(buf, p + 4)), u16be(buf, p + 10)),
    }
  }
  if (family === 2 && length >= 52) {
    const table = new Ipv6Table()
    return {
      version: 2,
      command: 'PROXY',
      source: endpointText(table.text(table.intern(buf, p)), u16be(buf, p + 32)),
      destination: endpointText(table.text(table.intern(buf, p + 16)), u16be(buf, p + 34)),
    }
  }
  return { version: 2, command: 'PROXY', source: '', destination: '' }
}

/** Whether the bytes in hand are a prefix of the signature, or begin with it. */
function matches(signature: readonly number[], buf: Uint8Array, start: number, end: number): boolean {
  const n = Math.min(signature.length, end - start)
  if (n <= 0) return false
  for (let i = 0; i < n; i++) if (buf[start + i] !== signature[i]) return false
  return true
}

const u16be = (b: Uint8Array, p: number): number => (b[p]! << 8) | b[p + 1]!
const u32be = (b: Uint8Array, p: number): number =>
  ((b[p]! << 24) | (b[p + 1]! << 16) | (b[p + 2]! << 8) | b[p + 3]!) >>> 0
