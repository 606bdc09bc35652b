/**
 * tshark's view of the streams of a capture, and the plainest reassembly there is: every payload byte at its sequence number, the
 * first one there stays. Slow, unbounded and blind to acknowledgments, so it shares no mistake with src/tcp.
 */
import { createHash } from 'node:crypto'
import type { Row } from '../kit/tshark.ts'

/** Ask for them with `-E occurrence=l`: of nested headers the innermost counts. */
export const FIELDS = [
  'frame.number',
  'frame.protocols',
  'tcp.stream',
  'ip.src',
  'ipv6.src',
  'tcp.srcport',
  'tcp.seq_raw',
  'tcp.flags',
  'tcp.len',
  'tcp.payload',
  'tcp.hdr_len',
  'tcp.analysis.keep_alive',
]

const FIN = 0x01
const SYN = 0x02
const RST = 0x04
/** A byte that was on the wire and that the snapshot length cut off. */
const CUT = -1

export interface OracleSide {
  bytes: number
  /** Digest of the stream, null when bytes are missing in it. */
  sha1: string | null
  /** Segments with payload that hold bytes seen before, keep-alives aside. */
  repeats: number
}

export interface OracleStream {
  stream: number
  sides: Map<string, OracleSide>
  firstToEnd: { who: string; frame: number } | null
}

interface Assembly {
  base: number
  /** Offset in the stream -> byte. */
  bytes: Map<number, number>
  repeats: number
}

export interface Segment {
  frame: number
  stream: number
  src: string
  seq: number
  flags: number
  length: number
  payload: string
  keepAlive: boolean
}

/** Rows of FIELDS as segments; `first` is the number of the capture's first stream (a joined file counts on). */
export function segmentsOf(rows: readonly Row[]): Segment[] {
  const segments: Segment[] = []
  for (const r of rows) {
    // A segment quoted by an ICMP error, or sampled by sFlow, is not one of this link; a header below 20 bytes is none.
    if (/icmp(v6)?:|sflow/.test(r[1]!) || r[6] === '' || r[8] === '' || Number(r[10]) < 20) continue
    const isIpv6 = r[1]!.lastIndexOf(':ipv6') > r[1]!.lastIndexOf(':ip:')
    segments.push({
      frame: Number(r[0]),
      stream: Number(r[2]),
      src: `${isIpv6 ? r[4] : r[3]}:${r[5]}`,
      seq: Number(r[6]),
      flags: Number(r[7]),
      length: Number(r[8]),
      payload: r[9] ?? '',
      keepAlive: r[11] !== '',
    })
  }
  const first = segments.reduce((least, s) => Math.min(least, s.stream), Number.POSITIVE_INFINITY)
  for (const s of segments) s.stream -= first
  return segments
}

/** `ignore`: frames that carry nothing new because the same packet was captured twice. */
export function reassemble(segments: readonly Segment[], ignore: ReadonlySet<number>): OracleStream[] {
  const streams = new Map<number, { sides: Map<string, Assembly>; firstToEnd: OracleStream['firstToEnd'] }>()
  for (const s of segments) {
    let stream = streams.get(s.stream)
    if (stream === undefined) {
      stream = { sides: new Map(), firstToEnd: null }
      streams.set(s.stream, stream)
    }
    if (ignore.has(s.frame)) continue
    if ((s.flags & (FIN | RST)) !== 0) stream.firstToEnd ??= { who: s.src, frame: s.frame }
    // RFC 9293 3.5.3: what a RST carries is no part of the stream.
    if ((s.flags & RST) !== 0) continue
    const seq = (s.flags & SYN) !== 0 ? s.seq + 1 : s.seq
    let side = stream.sides.get(s.src)
    if (side === undefined) {
      side = { base: seq, bytes: new Map(), repeats: 0 }
      stream.sides.set(s.src, side)
    }
    place(side, seq, s)
  }
  return [...streams].map(([stream, { sides, firstToEnd }]) => ({
    stream,
    firstToEnd,
    sides: new Map([...sides].map(([who, side]) => [who, result(side)])),
  }))
}

function place(side: Assembly, seq: number, s: Segment): void {
  const at = (seq - side.base) | 0
  const captured = s.payload.length / 2
  let seen = false
  for (let i = 0; i < s.length; i++) {
    if (at + i < 0 || side.bytes.has(at + i)) seen = true
    else side.bytes.set(at + i, i < captured ? Number.parseInt(s.payload.slice(2 * i, 2 * i + 2), 16) : CUT)
  }
  if (seen && !s.keepAlive) side.repeats++
}

function result(side: Assembly): OracleSide {
  const content = Buffer.alloc(side.bytes.size)
  let whole = true
  let captured = 0
  for (const [at, byte] of side.bytes) {
    if (byte !== CUT) captured++
    if (at >= content.length || byte === CUT) whole = false
    else content[at] = byte
  }
  return {
    bytes: captured,
    sha1: whole ? createHash('sha1').update(content).digest('hex') : null,
    repeats: side.repeats,
  }
}
