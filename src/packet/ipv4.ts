/** IPv4 header, RFC 791 3.1, and the authentication header that may follow it, RFC 4302 2. */
import { IPV4 } from '../core/address.ts'
import { BAD, CUT, type Cursor, FRAGMENT, type IpHeader, OK, type Status, u16, u32 } from './cursor.ts'

/**
 * Reads the header at the cursor into `h` and moves the cursor to its payload, cut to the datagram's own length: what the frame
 * holds beyond it is Ethernet padding or a frame check sequence.
 *
 *   0  version (4 bits), header length (words)   6  flags (DF, MF), fragment offset (8-byte units)
 *   2  total length                              8  time to live, protocol
 *   4  identification                           12  source, destination address, options
 */
export function decodeIpv4(c: Cursor, h: IpHeader): Status {
  const { buf, at } = c
  if (c.end - at < 20) return c.wireEnd - at < 20 ? BAD : CUT
  const first = buf[at]!
  const headerLength = (first & 15) << 2
  if (first >> 4 !== 4 || headerLength < 20) return BAD
  const totalLength = u16(buf, at + 2)
  h.family = IPV4
  h.ipId = u16(buf, at + 4)
  h.ttl = buf[at + 8]!
  h.protocol = buf[at + 9]!
  h.srcIp = u32(buf, at + 12)
  h.dstIp = u32(buf, at + 16)
  h.addressBuf = buf
  h.addressAt = at + 12
  // Length 0: captured above segmentation offload, where the field does not hold more than 65535; the frame's length counts.
  h.offload = totalLength === 0
  if (totalLength !== 0) {
    if (totalLength < headerLength) return BAD
    c.limit(at, totalLength)
  }
  if (at + headerLength > c.end) return at + headerLength > c.wireEnd ? BAD : CUT
  c.at = at + headerLength
  const fragment = u16(buf, at + 6)
  if ((fragment & 0x3fff) === 0) return OK
  h.fragmentId = h.ipId
  h.fragmentOffset = (fragment & 0x1fff) << 3
  h.moreFragments = (fragment & 0x2000) !== 0
  return FRAGMENT
}

/** Steps over an authentication header: next header, length in words minus 2, reserved, SPI, sequence number, check value. */
export function skipAuthentication(c: Cursor, h: IpHeader): Status {
  if (c.end - c.at < 12) return CUT
  const length = (c.buf[c.at + 1]! + 2) << 2
  h.protocol = c.buf[c.at]!
  if (length < 12 || c.at + length > c.wireEnd) return BAD
  if (c.at + length > c.end) return CUT
  c.at += length
  return OK
}
