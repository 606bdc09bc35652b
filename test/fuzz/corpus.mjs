/** Captures to start from, and where their records and blocks lie. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'

const MOST_BYTES = 60 << 10
const PCAP_MAGICS = [0xa1b2c3d4, 0xd4c3b2a1, 0xa1b23c4d, 0x4d3cb2a1]

/** Every capture below the folder, recognised by content, cut at a record near 60 KB, smallest first. */
export function corpus(folder) {
  const captures = []
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const bytes = captureBytes(join(entry.parentPath, entry.name))
    if (bytes === null) continue
    const records = recordsOf(bytes)
    const last = records.findLastIndex((start) => start <= MOST_BYTES)
    const end = bytes.length <= MOST_BYTES ? bytes.length : last > 0 ? records[last] : MOST_BYTES
    captures.push({ bytes: Buffer.from(bytes.subarray(0, end)), records: records.filter((start) => start < end) })
  }
  // Ties by content, so that the order does not depend on the file system.
  return captures.sort((a, b) => a.bytes.length - b.bytes.length || Buffer.compare(a.bytes, b.bytes))
}

function captureBytes(path) {
  let bytes = readFileSync(path)
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) {
    try {
      bytes = gunzipSync(bytes)
    } catch {
      return null // a damaged .gz is no seed for the analysis of buffers
    }
  }
  if (bytes.length < 8) return null
  const magic = bytes.readUInt32LE(0)
  return magic === 0x0a0d0d0a || PCAP_MAGICS.includes(magic) ? bytes : null
}

/** Offsets of pcap records or pcapng blocks as far as their lengths lead. */
export function recordsOf(b) {
  const starts = []
  const block = b.readUInt32LE(0) === 0x0a0d0d0a
  const big = block ? b.length > 12 && b.readUInt32BE(8) === 0x1a2b3c4d : b[0] === 0xa1
  const u32 = (at) => (big ? b.readUInt32BE(at) : b.readUInt32LE(at))
  for (let at = block ? 0 : 24; at + 16 <= b.length; ) {
    starts.push(at)
    const size = block ? u32(at + 4) : 16 + u32(at + 8)
    if (size < 12) break
    at += size
  }
  return starts
}
