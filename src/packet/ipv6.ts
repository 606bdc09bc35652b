/** IPv6 header and extension headers, RFC 8200 3 and 4; jumbo payload, RFC 2675; authentication header, RFC 4302. */
import { IPV6, type Ipv6Table } from '../core/address.ts'
import { BAD, CUT, type Cursor, FRAGMENT, type IpHeader, OK, type Status, u16, u32 } from './cursor.ts'
import { skipAuthentication } from './ipv4.ts'

const HOP_BY_HOP = 0
const ROUTING = 43
const FRAGMENT_HEADER = 44
const AUTHENTICATION = 51
const DESTINATION_OPTIONS = 60
const MOBILITY = 135
const HIP = 139
const SHIM6 = 140

/** Extension headers in one packet: more than any real chain. */
const MAX_EXTENSIONS = 16
/** RFC 2675 2: hop-by-hop option type of the jumbo payload length. */
const JUMBO_PAYLOAD = 0xc2

/** Reads the fixed header at the cursor; `skipExtensions` goes on from there. */
export function decodeIpv6(c: Cursor, h: IpHeader, addresses: Ipv6Table): Status {
  const { buf, at } = c
  if (c.end - at < 40) return c.wireEnd - at < 40 ? BAD : CUT
  if (buf[at]! >> 4 !== 6) return BAD
  const payloadLength = u16(buf, at + 4)
  h.family = IPV6
  h.ipId = -1
  h.protocol = buf[at + 6]!
  h.ttl = buf[at + 7]!
  h.srcIp = addresses.intern(buf, at + 8)
  h.dstIp = addresses.intern(buf, at + 24)
  h.addressBuf = buf
  h.addressAt = at + 8
  // Length 0: a jumbo payload (the option tells the length), or captured above segmentation offload: the frame's length counts.
  h.offload = payloadLength === 0
  c.at = at + 40
  if (payloadLength !== 0) c.limit(c.at, payloadLength)
  return OK
}

/** Steps over extension headers until a transport protocol (`h.protocol`), or stops behind a fragment header. */
export function skipExtensions(c: Cursor, h: IpHeader): Status {
  for (let count = 0; count < MAX_EXTENSIONS; count++) {
    let status: Status = OK
    switch (h.protocol) {
      case HOP_BY_HOP:
        if (h.offload) jumboPayload(c)
        status = skipOptions(c, h)
        break
      case ROUTING:
      case DESTINATION_OPTIONS:
      case MOBILITY:
      case HIP:
      case SHIM6:
        status = skipOptions(c, h)
        break
      case AUTHENTICATION:
        status = skipAuthentication(c, h)
        break
      case FRAGMENT_HEADER:
        status = fragmentHeader(c, h)
        break
      default:
        return OK
    }
    if (status !== OK) return status
  }
  return BAD
}

/** The common shape: next header, length in 8-byte units not counting the first. */
function skipOptions(c: Cursor, h: IpHeader): Status {
  if (c.end - c.at < 8) return c.wireEnd - c.at < 8 ? BAD : CUT
  const length = (c.buf[c.at + 1]! + 1) << 3
  if (c.at + length > c.wireEnd) return BAD
  if (c.at + length > c.end) return CUT
  h.protocol = c.buf[c.at]!
  c.at += length
  return OK
}

/** Limits the cursor by a jumbo payload option, whose length counts from the end of the fixed header. */
function jumboPayload(c: Cursor): void {
  if (c.end - c.at < 8) return
  const end = Math.min(c.end, c.at + ((c.buf[c.at + 1]! + 1) << 3))
  let at = c.at + 2
  while (at + 2 <= end) {
    const type = c.buf[at]!
    if (type === 0) {
      at++ // Pad1 has no length
      continue
    }
    if (type === JUMBO_PAYLOAD && c.buf[at + 1] === 4 && at + 6 <= end) {
      c.limit(c.at, u32(c.buf, at + 2))
      return
    }
    at += 2 + c.buf[at + 1]!
  }
}

/** RFC 8200 4.5. An atomic fragment (RFC 6946: offset 0, no more) is a whole packet. */
function fragmentHeader(c: Cursor, h: IpHeader): Status {
  if (c.end - c.at < 8) return c.wireEnd - c.at < 8 ? BAD : CUT
  const offset = u16(c.buf, c.at + 2)
  h.protocol = c.buf[c.at]!
  h.fragmentOffset = offset & 0xfff8
  h.moreFragments = (offset & 1) !== 0
  h.fragmentId = u32(c.buf, c.at + 4)
  c.at += 8
  return h.fragmentOffset === 0 && !h.moreFragments ? OK : FRAGMENT
}
