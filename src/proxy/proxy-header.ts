/**
 * PROXY protocol (https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt): the line (v1) or the block (v2) ahead of a connection
 * that names the client in front of a proxy.
 */
import { ipBytes } from './address.ts'
import type { Endpoint } from './leg.ts'

/** Who connected to whom, in front of the proxy that says so; null for LOCAL (a health check) and UNKNOWN. */
export interface ProxiedClient {
  source: Endpoint
  destination: Endpoint
}

const SIGNATURE = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a)
/** 2.1: the longest line with its end. */
const V1_MOST = 107
/** Longer v2 blocks than this carry nothing that matters here. */
const V2_MOST = 16 + 2048

export type HeaderRead = { length: number; client: ProxiedClient | null } | 'more' | 'none'

/** Reads a header from the first bytes of a connection: 'more' while they may still become one, 'none' when they cannot. */
export function readProxyHeader(bytes: Uint8Array): HeaderRead {
  if (bytes.length === 0) return 'more'
  if (bytes[0] === 0x50) return readV1(bytes)
  for (let i = 0; i < Math.min(bytes.length, 12); i++) if (bytes[i] !== SIGNATURE[i]) return 'none'
  return bytes.length < 16 ? 'more' : readV2(bytes)
}

function readV1(bytes: Uint8Array): HeaderRead {
  const text = Buffer.from(bytes.subarray(0, V1_MOST)).toString('latin1')
  if (!'PROXY '.startsWith(text.slice(0, 6))) return 'none'
  const end = text.indexOf('\r\n')
  if (end < 0) return bytes.length >= V1_MOST ? 'none' : 'more'
  const line = text.slice(0, end)
  if (/^PROXY UNKNOWN( |$)/.test(line)) return { length: end + 2, client: null }
  const m = /^PROXY TCP([46]) (\S+) (\S+) (\d{1,5}) (\d{1,5})$/.exec(line)
  if (m === null) return 'none'
  const [source, destination] = [endpoint(m[2]!, m[4]!), endpoint(m[3]!, m[5]!)]
  return source === null || destination === null ? 'none' : { length: end + 2, client: { source, destination } }
}

function endpoint(ip: string, port: string): Endpoint | null {
  return ipBytes(ip) === null || Number(port) > 65_535 ? null : { ip, port: Number(port) }
}

function readV2(bytes: Uint8Array): HeaderRead {
  const b = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (b[12]! >> 4 !== 2) return 'none'
  const length = 16 + b.readUInt16BE(14)
  if (length > V2_MOST) return 'none'
  if (b.length < length) return 'more'
  const command = b[12]! & 15
  const family = b[13]!
  if (command === 0) return { length, client: null }
  if (command !== 1) return 'none'
  if (family === 0x11 && length >= 28) {
    const ip = (at: number): string => [...b.subarray(at, at + 4)].join('.')
    return { length, client: pair(ip(16), ip(20), b.readUInt16BE(24), b.readUInt16BE(26)) }
  }
  if (family === 0x21 && length >= 52) {
    const ip = (at: number): string =>
      [0, 2, 4, 6, 8, 10, 12, 14].map((i) => b.readUInt16BE(at + i).toString(16)).join(':')
    return { length, client: pair(ip(16), ip(32), b.readUInt16BE(48), b.readUInt16BE(50)) }
  }
  return { length, client: null }
}

const pair = (from: string, to: string, fromPort: number, toPort: number): ProxiedClient => ({
  source: { ip: from, port: fromPort },
  destination: { ip: to, port: toPort },
})

/** The header that names `client`; UNKNOWN or LOCAL for null. */
export function proxyHeader(version: 1 | 2, client: ProxiedClient | null): Uint8Array {
  const from = client === null ? null : ipBytes(client.source.ip)
  const to = client === null ? null : ipBytes(client.destination.ip)
  const known = from !== null && to !== null && from.length === to.length
  if (version === 1) {
    if (!known) return Buffer.from('PROXY UNKNOWN\r\n', 'latin1')
    const { source, destination } = client!
    const plain = (ip: string): string => ip.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '')
    const words = [plain(source.ip), plain(destination.ip), source.port, destination.port]
    return Buffer.from(`PROXY TCP${from.length === 4 ? 4 : 6} ${words.join(' ')}\r\n`, 'latin1')
  }
  const size = known ? from.length : 0
  const out = Buffer.alloc(16 + (known ? size * 2 + 4 : 0))
  out.set(SIGNATURE)
  out[12] = known ? 0x21 : 0x20
  out[13] = known ? (size === 4 ? 0x11 : 0x21) : 0
  out.writeUInt16BE(out.length - 16, 14)
  if (known) {
    out.set(from, 16)
    out.set(to, 16 + size)
    out.writeUInt16BE(client!.source.port, 16 + size * 2)
    out.writeUInt16BE(client!.destination.port, 18 + size * 2)
  }
  return out
}
