/**
 * Writes Ethernet/IPv4/TCP frames into a classic pcap file (microseconds, little-endian), through one reused buffer.
 * Every segment carries the timestamps option (RFC 7323), so headers are 66 bytes as between two Linux hosts; SYNs carry the
 * usual options as well. Checksums are right.
 */
import { closeSync, openSync, writeSync } from 'node:fs'

const FLUSH_AT = 4 << 20
const ROOM = 128 << 10
const RECORD_HEADER = 16
const ETHERNET = 14
const IP = 20

export const FIN = 1
export const SYN = 2
export const RST = 4
export const PSH = 8
export const ACK = 16

export class PcapWriter {
  /** Bytes and frames written so far; `now` is the time of the last frame in microseconds. */
  bytes = 24
  frames = 0
  now = 0
  buf = Buffer.alloc(FLUSH_AT + ROOM)

  #fd
  #pos = 24
  #frame = 0
  #sum = 0
  #tcpEnd = 0
  #length = 0

  constructor(path) {
    this.#fd = openSync(path, 'w')
    const b = this.buf
    b.writeUInt32LE(0xa1b2c3d4, 0)
    b.writeUInt16LE(2, 4)
    b.writeUInt16LE(4, 6)
    b.writeUInt32LE(262144, 16)
    b.writeUInt32LE(1, 20)
  }

  /**
   * Begins a segment and returns where its `length` payload bytes go in `buf`; `seal` ends it. Frames never go back in
   * time: one that would be too early leaves as soon as the link (10 Gbit/s) is free.
   */
  begin(at, srcIp, srcPort, dstIp, dstPort, seq, ack, flags, window, ttl, ipId, tsVal, tsEcr, length) {
    if (this.#pos > FLUSH_AT) this.#flush()
    if (at < this.now) at = this.now
    const options = flags & SYN ? 20 : 12
    const tcpBytes = 20 + options + length
    const total = ETHERNET + IP + tcpBytes
    this.now = at + ((total * 0.0008) | 0) + 1
    const b = this.buf
    let p = this.#pos
    this.#frame = p
    const seconds = Math.floor(at / 1e6)
    p = le32(b, p, seconds)
    p = le32(b, p, at - seconds * 1e6)
    p = le32(b, p, total)
    p = le32(b, p, total)

    p = be32(b, be16(b, p, 0x0200), dstIp)
    p = be32(b, be16(b, p, 0x0200), srcIp)
    p = be16(b, p, 0x0800)

    const ip = p
    p = be16(b, p, 0x4500)
    p = be16(b, p, IP + tcpBytes)
    p = be16(b, p, ipId)
    p = be16(b, p, 0x4000)
    p = be16(b, p, (ttl << 8) | 6)
    p = be16(b, p, 0)
    p = be32(b, p, srcIp)
    p = be32(b, p, dstIp)
    be16(b, ip + 10, ~fold(sum16(b, ip, p, 0)) & 0xffff)
    this.#sum = sum16(b, ip + 12, p, 6 + tcpBytes)

    p = be16(b, p, srcPort)
    p = be16(b, p, dstPort)
    p = be32(b, p, seq)
    p = be32(b, p, ack)
    p = be16(b, p, ((20 + options) << 10) | flags)
    p = be16(b, p, window)
    p = be32(b, p, 0)
    if (flags & SYN) {
      p = be32(b, p, 0x020405b4) // MSS 1460
      p = be16(b, p, 0x0402) // SACK permitted
    } else {
      p = be16(b, p, 0x0101)
    }
    p = be16(b, p, 0x080a)
    p = be32(b, p, tsVal)
    p = be32(b, p, tsEcr)
    if (flags & SYN) p = be32(b, p, 0x01030307) // window scale 7
    this.#tcpEnd = p
    this.#length = length
    return p
  }

  /** Ends the segment begun last, whose payload is in place. */
  seal() {
    const b = this.buf
    const tcp = this.#frame + RECORD_HEADER + ETHERNET + IP
    const end = this.#tcpEnd + this.#length
    be16(b, tcp + 16, ~fold(sum16(b, tcp, end, this.#sum)) & 0xffff)
    this.bytes += end - this.#frame
    this.frames++
    this.#pos = end
  }

  close() {
    this.#flush()
    closeSync(this.#fd)
  }

  #flush() {
    writeSync(this.#fd, this.buf, 0, this.#pos)
    this.#pos = 0
  }
}

function le32(b, p, v) {
  b[p] = v
  b[p + 1] = v >>> 8
  b[p + 2] = v >>> 16
  b[p + 3] = v >>> 24
  return p + 4
}
function be32(b, p, v) {
  b[p] = v >>> 24
  b[p + 1] = v >>> 16
  b[p + 2] = v >>> 8
  b[p + 3] = v
  return p + 4
}
function be16(b, p, v) {
  b[p] = v >>> 8
  b[p + 1] = v
  return p + 2
}
/** Sum of big-endian 16-bit words; at most 65,535 bytes at a time, so it stays far below 2^53. */
function sum16(b, start, end, sum) {
  const even = end - ((end - start) & 1)
  for (let i = start; i < even; i += 2) sum += (b[i] << 8) | b[i + 1]
  return even < end ? sum + (b[even] << 8) : sum
}
function fold(sum) {
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return sum
}
