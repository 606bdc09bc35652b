/** TCP options of a SYN (RFC 9293 3.2, RFC 7323, RFC 2018): read once per direction, never on the hot path. */
import type { SegmentView } from '../packet/segment-view.ts'
import type { Half } from './half.ts'

export function readSynOptions(s: SegmentView, half: Half): void {
  walk(s, (kind, at, length) => {
    const b = s.buf
    if (kind === 2 && length === 4) half.maxSegmentSize = (b[at + 2]! << 8) | b[at + 3]!
    // RFC 7323 2.3: a shift above 14 counts as 14.
    else if (kind === 3 && length === 3) half.windowShift = Math.min(b[at + 2]!, 14)
    else if (kind === 4 && length === 2) half.sackPermitted = true
    else if (kind === 8 && length === 10) half.timestamps = true
  })
  if (half.windowShift < 0) half.windowShift = 0
}

/** SACK blocks of a segment (RFC 2018 3): their number. */
export function sackBlocks(s: SegmentView): number {
  let blocks = 0
  walk(s, (kind, _at, length) => {
    if (kind === 5 && length >= 10) blocks += (length - 2) >> 3
  })
  return blocks
}

function walk(s: SegmentView, see: (kind: number, at: number, length: number) => void): void {
  const b = s.buf
  let p = s.optionsStart
  const end = s.optionsEnd
  while (p < end) {
    const kind = b[p]!
    if (kind === 0) return
    if (kind === 1) {
      p++
      continue
    }
    if (p + 1 >= end) return
    const length = b[p + 1]!
    if (length < 2 || p + length > end) return
    see(kind, p, length)
    p += length
  }
}
