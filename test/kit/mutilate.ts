/** What captures suffer in the field, done to a classic pcap file in memory: frames lost, cut, doubled, one direction missing. */

interface Frame {
  /** Its record, header and bytes. */
  record: Uint8Array
  /** TCP ports, 0 when it is no TCP over IPv4 in Ethernet or Linux cooked capture. */
  from: number
  to: number
}

export interface Mutilation {
  name: string
  /** Whether the frame stays; `i` of `n`, and a number in [0, 1) that is the same in every run. */
  keep?(f: Frame, i: number, n: number, chance: number): boolean
  snaplen?: number
  twice?: boolean
}

/** Ports from here on are clients' (Linux: net.ipv4.ip_local_port_range). */
const EPHEMERAL = 32768

export const MUTILATIONS: readonly Mutilation[] = [
  { name: 'begun late', keep: (_f, i, n) => i >= n * 0.15 },
  { name: 'ended early', keep: (_f, i, n) => i < n * 0.8 },
  { name: 'one frame in a hundred lost', keep: (_f, _i, _n, chance) => chance >= 0.01 },
  { name: 'one frame in twenty lost', keep: (_f, _i, _n, chance) => chance >= 0.05 },
  { name: 'cut at 100 bytes', snaplen: 100 },
  { name: 'every frame twice', twice: true },
  { name: 'only what clients sent', keep: (f) => f.from === 0 || f.from >= EPHEMERAL || f.to < EPHEMERAL },
  { name: 'only what servers sent', keep: (f) => f.to === 0 || f.to >= EPHEMERAL || f.from < EPHEMERAL },
]

/** The file after the mutilation; null when it is not a classic pcap file. */
export function mutilate(source: Uint8Array, m: Mutilation): Uint8Array | null {
  // Slices of a Buffer would share its memory.
  const file = new Uint8Array(source)
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const magic = file.length < 24 ? 0 : view.getUint32(0, true)
  const little = magic === 0xa1b2c3d4 || magic === 0xa1b23c4d
  if (!little && magic !== 0xd4c3b2a1 && magic !== 0x4d3cb2a1) return null
  const link = view.getUint32(20, little) & 0xffff
  const frames: Frame[] = []
  let at = 24
  while (at + 16 <= file.length) {
    const end = at + 16 + view.getUint32(at + 8, little)
    if (end > file.length) break
    frames.push({ record: file.slice(at, end), ...ports(file, at + 16, end, link) })
    at = end
  }
  const parts: Uint8Array[] = [file.slice(0, 24)]
  let seed = 42
  for (const [i, f] of frames.entries()) {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0
    if (m.keep !== undefined && !m.keep(f, i, frames.length, seed / 2 ** 32)) continue
    let record = f.record
    if (m.snaplen !== undefined && record.length - 16 > m.snaplen) {
      record = record.slice(0, 16 + m.snaplen)
      new DataView(record.buffer).setUint32(8, m.snaplen, little)
    }
    parts.push(record)
    if (m.twice === true) parts.push(record)
  }
  return new Uint8Array(Buffer.concat(parts))
}

function ports(b: Uint8Array, start: number, end: number, link: number): { from: number; to: number } {
  const ip = start + ({ 1: 14, 113: 16, 276: 20 }[link] ?? end)
  const tcp = ip < end ? ip + (b[ip]! & 15) * 4 : end
  if (tcp + 4 > end || b[ip]! >>> 4 !== 4 || b[ip + 9] !== 6) return { from: 0, to: 0 }
  return { from: (b[tcp]! << 8) | b[tcp + 1]!, to: (b[tcp + 2]! << 8) | b[tcp + 3]! }
}
