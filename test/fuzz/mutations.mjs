/** Ways to damage a capture, from single bits to whole records. Each takes and gives bytes; the input is never changed. */
import { recordsOf } from './corpus.mjs'

/** Values at which lengths and counts go wrong. */
const EXTREMES = [
  0, 1, 2, 3, 4, 7, 8, 15, 19, 20, 0x7f, 0x80, 0xfb, 0xfc, 0xfd, 0xfe, 0xff, 0x7fff, 0xffff, 0xffffff, 0x1000000,
  0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff,
]
const IPV4_LENGTH = 14 + 2
const TCP_OFFSET = 14 + 20 + 12
const USUAL_PAYLOADS = [54, 66, 74, 86]

/** Where packets begin inside a record: pcap 16, pcapng's enhanced packet block 28. */
const packetAt = (b, record) => record + (b[0] === 0x0a ? 28 : 16)

export const MUTATIONS = [
  function flipBits(b, r) {
    const out = Buffer.from(b)
    for (let n = r.between(1, 16); n > 0; n--) out[r.below(out.length)] ^= 1 << r.below(8)
    return out
  },
  function overwriteHeaders(b, r) {
    const out = Buffer.from(b)
    const record = r.chance(0.15) ? 0 : (r.pick(recordsOf(b)) ?? 0)
    for (let n = r.between(1, 6); n > 0; n--)
      out[record + r.below(100)] = r.chance(0.5) ? r.below(256) : r.pick(EXTREMES)
    return out
  },
  function overwritePayload(b, r) {
    const out = Buffer.from(b)
    const start = packetAt(b, r.pick(recordsOf(b)) ?? 0) + r.pick(USUAL_PAYLOADS)
    for (let n = r.between(1, 8); n > 0; n--) out[start + r.below(24)] = r.chance(0.3) ? r.below(256) : r.pick(EXTREMES)
    return out
  },
  function extremeLength(b, r) {
    const out = Buffer.from(b)
    const record = r.pick(recordsOf(b)) ?? 0
    const packet = packetAt(b, record)
    const [at, width] = r.pick([
      [record + 4, 4],
      [record + 8, 4],
      [record + 12, 4],
      [record + 20, 4],
      [packet + IPV4_LENGTH, 2],
      [packet + TCP_OFFSET, 1],
      [packet + r.pick(USUAL_PAYLOADS), 3],
    ])
    return poke(out, at, width, r.pick(EXTREMES), r.chance(0.5))
  },
  function nudgeLength(b, r) {
    const out = Buffer.from(b)
    const at = (r.pick(recordsOf(b)) ?? 0) + r.pick([4, 8, 12, 16 + IPV4_LENGTH + 1, 28 + IPV4_LENGTH + 1])
    if (at < out.length) out[at] += r.pick([-8, -4, -1, 1, 4, 8])
    return out
  },
  function truncate(b, r) {
    return Buffer.from(b.subarray(0, r.below(b.length + 1)))
  },
  function insertBytes(b, r) {
    const at = r.below(b.length + 1)
    return Buffer.concat([b.subarray(0, at), r.bytes(r.logUniform(1, 200)), b.subarray(at)])
  },
  function removeBytes(b, r) {
    const at = r.below(b.length + 1)
    return Buffer.concat([b.subarray(0, at), b.subarray(at + r.logUniform(1, 200))])
  },
  function removeRecords(b, r) {
    const [from, to] = recordRange(b, r)
    return Buffer.concat([b.subarray(0, from), b.subarray(to)])
  },
  function repeatRecords(b, r) {
    const [from, to] = recordRange(b, r)
    const copies = Array.from({ length: r.between(2, 4) }, () => b.subarray(from, to))
    return Buffer.concat([b.subarray(0, from), ...copies, b.subarray(to)])
  },
  function swapRecords(b, r) {
    const [a0, a1] = recordRange(b, r)
    const [b0, b1] = recordRange(b, r)
    if (b0 < a1) return Buffer.from(b)
    return Buffer.concat([
      b.subarray(0, a0),
      b.subarray(b0, b1),
      b.subarray(a1, b0),
      b.subarray(a0, a1),
      b.subarray(b1),
    ])
  },
  function splice(b, r, other) {
    const [from] = recordRange(b, r)
    const [start, end] = recordRange(other, r)
    const tail = r.chance(0.5) ? b.subarray(from) : Buffer.alloc(0)
    return Buffer.concat([b.subarray(0, from), other.subarray(start, r.chance(0.5) ? end : other.length), tail])
  },
  function snaplen(b, r) {
    // Lowers captured lengths of a pcap to one limit, as tcpdump -s does, and drops the bytes.
    if (b[0] === 0x0a) return Buffer.from(b)
    const limit = r.between(14, 120)
    const big = b[0] === 0xa1
    const parts = [b.subarray(0, 24)]
    for (const at of recordsOf(b)) {
      const head = Buffer.from(b.subarray(at, at + 16))
      const kept = Math.min(limit, big ? head.readUInt32BE(8) : head.readUInt32LE(8))
      poke(head, 8, 4, kept, big)
      parts.push(head, b.subarray(at + 16, at + 16 + kept))
    }
    return Buffer.concat(parts)
  },
]

/** The start of a record and the end of a later one. */
function recordRange(b, r) {
  const records = recordsOf(b)
  if (records.length === 0) return [Math.min(24, b.length), b.length]
  const first = r.below(records.length)
  return [records[first], records[Math.min(records.length - 1, first + r.logUniform(1, 8))] ?? b.length]
}

function poke(out, at, width, value, big) {
  for (let i = 0; i < width; i++) {
    const shift = 8 * (big ? width - 1 - i : i)
    if (at + i < out.length) out[at + i] = value >>> shift
  }
  return out
}

/** Recent mutants stay below this, however often records were repeated. */
const MOST_BYTES = 256 << 10

/** The capture of this iteration: always the same for the same seed and corpus. */
export function mutant(captures, random) {
  const pick = () => captures[Math.floor(captures.length * random.unit() ** 2)].bytes
  let bytes = pick()
  const steps = []
  for (let n = random.between(1, 4); n > 0; n--) {
    if (bytes.length < 8) break
    const mutate = random.pick(MUTATIONS)
    bytes = mutate(bytes, random, pick()).subarray(0, MOST_BYTES)
    steps.push(mutate.name)
  }
  return { bytes: Buffer.from(bytes), steps }
}
