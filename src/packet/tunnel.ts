/**
 * Tunnels: what GRE (RFC 2784, 2890; PPTP's version 1, RFC 2637), ERSPAN (draft-foschiano-erspan), VXLAN (RFC 7348), GENEVE
 * (RFC 8926) and MPLS over UDP (RFC 7510) carry. IP in IP (RFC 2003) and 6in4 (RFC 4213) need no header of their own. Each
 * decoder moves the cursor to the inner frame or packet and sets its EtherType.
 */
import {
  CUT,
  type Cursor,
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  ETHERTYPE_MPLS,
  ETHERTYPE_TEB,
  type IpHeader,
  OK,
  OTHER,
  PROTOCOL_GRE,
  PROTOCOL_IPV4,
  PROTOCOL_IPV6,
  PROTOCOL_MPLS,
  PROTOCOL_UDP,
  type Status,
  u16,
} from './cursor.ts'

/** IANA port of VXLAN, and the one Linux and flannel used before it was assigned. */
const VXLAN_PORT = 4789
const VXLAN_PORT_LINUX = 8472
const GENEVE_PORT = 6081
const MPLS_UDP_PORT = 6635

const ERSPAN_I_II = 0x88be
const ERSPAN_III = 0x22eb

/** Enters the tunnel that an IP payload of protocol `h.protocol` is; OTHER when it is none. */
export function enterTunnel(c: Cursor, h: IpHeader): Status {
  switch (h.protocol) {
    case PROTOCOL_UDP:
      return udp(c)
    case PROTOCOL_GRE:
      return gre(c)
    case PROTOCOL_IPV4:
      c.etherType = ETHERTYPE_IPV4
      return OK
    case PROTOCOL_IPV6:
      c.etherType = ETHERTYPE_IPV6
      return OK
    case PROTOCOL_MPLS:
      c.etherType = ETHERTYPE_MPLS
      return OK
    default:
      return OTHER
  }
}

/** The source port of an encapsulated flow is a hash, so only the destination port tells. */
function udp(c: Cursor): Status {
  const { buf, at } = c
  if (c.end - at < 8) return c.wireEnd - at < 8 ? OTHER : CUT
  const port = u16(buf, at + 2)
  if (port !== VXLAN_PORT && port !== VXLAN_PORT_LINUX && port !== GENEVE_PORT && port !== MPLS_UDP_PORT) return OTHER
  c.at = at + 8
  const length = u16(buf, at + 4)
  if (length >= 8) c.limit(at, length)
  if (port === GENEVE_PORT) return geneve(c)
  if (port === MPLS_UDP_PORT) {
    c.etherType = ETHERTYPE_MPLS
    return OK
  }
  return vxlan(c)
}

/** flags (0x08: the network identifier is valid), reserved[3], network identifier[3], reserved. */
function vxlan(c: Cursor): Status {
  if (c.end - c.at < 8) return c.wireEnd - c.at < 8 ? OTHER : CUT
  if ((c.buf[c.at]! & 0x08) === 0) return OTHER
  c.at += 8
  c.etherType = ETHERTYPE_TEB
  return OK
}

/** version (2 bits) and option length in words, flags, protocol type, network identifier[3], reserved, options. */
function geneve(c: Cursor): Status {
  if (c.end - c.at < 8) return c.wireEnd - c.at < 8 ? OTHER : CUT
  const first = c.buf[c.at]!
  if (first >> 6 !== 0) return OTHER
  c.etherType = u16(c.buf, c.at + 2)
  const length = 8 + ((first & 0x3f) << 2)
  if (c.end - c.at < length) return c.wireEnd - c.at < length ? OTHER : CUT
  c.at += length
  return OK
}

const GRE_CHECKSUM = 0x8000
const GRE_ROUTING = 0x4000
const GRE_KEY = 0x2000
const GRE_SEQUENCE = 0x1000
const GRE_ACKNOWLEDGMENT = 0x0080

/** flags and version, protocol type, then checksum and reserved, key, sequence number, acknowledgment: each if its flag is set. */
function gre(c: Cursor): Status {
  const { buf, at } = c
  if (c.end - at < 4) return c.wireEnd - at < 4 ? OTHER : CUT
  const flags = u16(buf, at)
  const version = flags & 7
  if (version > 1 || (flags & GRE_ROUTING) !== 0) return OTHER
  let length = 4
  if ((flags & GRE_CHECKSUM) !== 0) length += 4
  if ((flags & GRE_KEY) !== 0) length += 4
  if ((flags & GRE_SEQUENCE) !== 0) length += 4
  if (version === 1 && (flags & GRE_ACKNOWLEDGMENT) !== 0) length += 4
  if (c.end - at < length) return c.wireEnd - at < length ? OTHER : CUT
  const protocol = u16(buf, at + 2)
  c.at = at + length
  c.etherType = protocol
  // Type I has no ERSPAN header and no GRE sequence number, which types II and III require.
  if (protocol === ERSPAN_I_II) return erspan(c, (flags & GRE_SEQUENCE) === 0 ? 0 : 8)
  if (protocol === ERSPAN_III) return erspan(c, 12)
  return OK
}

function erspan(c: Cursor, header: number): Status {
  if (c.end - c.at < header) return c.wireEnd - c.at < header ? OTHER : CUT
  // The last bit of a type III header says that 8 bytes specific to the platform follow.
  if (header === 12 && (c.buf[c.at + 11]! & 1) === 1) header += 8
  c.at += header
  c.etherType = ETHERTYPE_TEB
  return OK
}
