/**
 * Writes frames straight into a stage: enhanced packet block (draft-ietf-opsawg-pcapng 4.3), IP (RFC 791, RFC 8200), TCP (RFC
 * 9293 3.1) with right checksums. Link type raw IP: there was no link layer, so none is made up.
 * // hot path: no allocation per frame without a comment
 */
import type { Direction } from '../core/direction.ts'
import type { Clock } from './clock.ts'
import type { Leg } from './leg.ts'
import type { Stage } from './stage.ts'

export const FIN = 0x01
export const SYN = 0x02
export const RST = 0x04
export const PSH = 0x08
export const ACK = 0x10

/** LINKTYPE_RAW: the frame begins with the IP header. */
export const LINKTYPE_RAW = 101
const EPB = 6
const EPB_HEADER = 28
const OPT_COMMENT = 1
/** Window field and scale: 1 GiB, so that no reader takes bytes in flight for a full window. The true one is not known here. */
const WINDOW = 0xffff
const WINDOW_SHIFT = 14
/** SYN options: maximum segment size 65,495, no-operation, window scale. */
const SYN_OPTIONS = Uint8Array.of(2, 4, 0xff, 0xd7, 1, 3, 3, WINDOW_SHIFT)
const HOP_LIMIT = 64

const encoder = new TextEncoder()
const padded = (n: number): number => (n + 3) & ~3

/** The longest comment that is written, bytes. */
const COMMENT_MOST = 2048

/** Bytes that a frame with n bytes of payload takes at most, comment included when there is one. */
export function frameRoom(n: number, comment: boolean): number {
  return EPB_HEADER + 60 + SYN_OPTIONS.length + n + 8 + (comment ? COMMENT_MOST + 16 : 0)
}

/** Where in the stage the payload of the next frame of this leg will stand. */
export function payloadAt(stage: Stage, leg: Leg): number {
  return stage.used + EPB_HEADER + leg.headerBytes
}

/**
 * Completes the frame whose payload of n bytes stands at `payloadAt`. The leg's numbers move on. `keep`
 * is the snapshot length, 0 for no limit.
 */
export function writeFrame(
  stage: Stage,
  leg: Leg,
  dir: Direction,
  flags: number,
  n: number,
  t: number,
  clock: Clock,
  keep: number,
  comment: string,
  window = WINDOW,
): void {
  const { view, bytes } = stage
  const other = (1 - dir) as Direction
  const start = stage.used
  const ip = start + EPB_HEADER
  const syn = (flags & SYN) !== 0
  const options = syn ? SYN_OPTIONS.length : 0
  const tcp = ip + leg.headerBytes - 20
  const whole = leg.headerBytes + options + n
  const tcpLength = 20 + options + n
  const addresses = leg.addresses[dir]
  if (leg.ipv6) {
    view.setUint32(ip, 0x60000000)
    view.setUint16(ip + 4, tcpLength)
    view.setUint16(ip + 6, 0x0600 | HOP_LIMIT)
    bytes.set(addresses, ip + 8)
  } else {
    const id = leg.identification(dir)
    view.setUint32(ip, 0x45000000 | whole)
    // Don't fragment.
    view.setUint32(ip + 4, ((id << 16) | 0x4000) >>> 0)
    view.setUint32(ip + 8, (HOP_LIMIT << 24) | 0x060000)
    for (let i = 0; i < 8; i++) bytes[ip + 12 + i] = addresses[i]!
    let sum = leg.pseudoSum - 6 + 0x4500 + whole + id + 0x4000 + ((HOP_LIMIT << 8) | 6)
    sum = (sum & 0xffff) + (sum >>> 16)
    sum = (sum & 0xffff) + (sum >>> 16)
    view.setUint16(ip + 10, ~sum & 0xffff)
  }
  view.setUint16(tcp, leg.ports[dir])
  view.setUint16(tcp + 2, leg.ports[other])
  const seq = leg.next[dir]
  const ack = (flags & ACK) !== 0 ? leg.next[other] : 0
  view.setInt32(tcp + 4, seq)
  view.setInt32(tcp + 8, ack)
  view.setUint32(tcp + 12, (((5 + (options >> 2)) << 28) | (flags << 16) | (syn ? WINDOW : window)) >>> 0)
  view.setUint32(tcp + 16, 0)
  if (syn) bytes.set(SYN_OPTIONS, tcp + 20)
  view.setUint16(tcp + 16, checksum(stage, tcp, tcpLength, leg))
  leg.next[dir] = (seq + n + ((flags & (SYN | FIN)) !== 0 ? 1 : 0)) | 0
  if ((flags & ACK) !== 0) leg.acked[dir] = ack

  const captured = keep > 0 && whole > keep ? keep : whole
  let end = ip + captured
  while ((end & 3) !== 0) bytes[end++] = 0
  if (comment !== '') {
    const { written } = encoder.encodeInto(comment, bytes.subarray(end + 4, end + 4 + COMMENT_MOST))
    view.setUint16(end, OPT_COMMENT, true)
    view.setUint16(end + 2, written, true)
    bytes.fill(0, end + 4 + written, end + 4 + padded(written))
    end += 4 + padded(written)
    view.setUint32(end, 0, true)
    end += 4
  }
  const length = end + 4 - start
  view.setUint32(start, EPB, true)
  view.setUint32(start + 4, length, true)
  view.setUint32(start + 8, leg.interfaceId, true)
  view.setUint32(start + 12, clock.high(t), true)
  view.setUint32(start + 16, clock.low(t), true)
  view.setUint32(start + 20, captured, true)
  view.setUint32(start + 24, whole, true)
  view.setUint32(end, length, true)
  if (stage.frames === 0) stage.firstAt = t
  stage.lastAt = t
  stage.used += length
  stage.frames++
}

/** The sum does not hang on the byte order (RFC 1071 2 B), so it is taken over whole words as they lie in memory. */
function checksum(stage: Stage, tcp: number, length: number, leg: Leg): number {
  const { words, bytes } = stage
  let sum = 0
  let i = tcp >> 1
  const last = i + (length >> 1)
  // 32,768 words fit into 31 bits; a frame has no more.
  for (; i + 3 < last; i += 4) sum = (sum + words[i]! + words[i + 1]! + words[i + 2]! + words[i + 3]!) | 0
  for (; i < last; i++) sum = (sum + words[i]!) | 0
  sum = (sum & 0xffff) + (sum >>> 16)
  sum = (sum & 0xffff) + (sum >>> 16)
  if (LITTLE) sum = ((sum & 0xff) << 8) | (sum >>> 8)
  if ((length & 1) !== 0) sum += bytes[tcp + length - 1]! << 8
  sum += leg.pseudoSum + length
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}

const LITTLE = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1
