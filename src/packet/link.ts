/**
 * Link types (https://www.tcpdump.org/linktypes.html): one row each, number -> name and decoder. A decoder finds what the
 * frame carries: it moves the cursor behind the link header and sets the EtherType of what follows (ethertype.ts goes on).
 */
import {
  BAD,
  CUT,
  type Cursor,
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  ETHERTYPE_LLC,
  ETHERTYPE_NONE,
  ETHERTYPE_PPP,
  ETHERTYPE_PPPOE_SESSION,
  ETHERTYPE_TEB,
  OK,
  OTHER,
  type Status,
  u16,
  u32,
} from './cursor.ts'

export interface LinkType {
  /** LINKTYPE_ name without the prefix. */
  name: string
  decode(c: Cursor): Status
}

/** LINKTYPE_ETHERNET: the fast path of packet-layer.ts knows it. */
export const EN10MB = 1

const RAW: LinkType = { name: 'RAW', decode: rawIp }

export const LINK_TYPES: Readonly<Record<number, LinkType>> = {
  0: { name: 'NULL', decode: nullFamily },
  [EN10MB]: { name: 'EN10MB', decode: as(ETHERTYPE_TEB) },
  9: { name: 'PPP', decode: as(ETHERTYPE_PPP) },
  10: { name: 'FDDI', decode: fddi },
  12: RAW,
  14: RAW,
  50: { name: 'PPP_SERIAL', decode: pppSerial },
  51: { name: 'PPP_ETHER', decode: as(ETHERTYPE_PPPOE_SESSION) },
  101: RAW,
  104: { name: 'C_HDLC', decode: pppSerial },
  107: { name: 'FRELAY', decode: frameRelay },
  108: { name: 'LOOP', decode: nullFamily },
  113: { name: 'LINUX_SLL', decode: linuxSll },
  228: { name: 'IPV4', decode: as(ETHERTYPE_IPV4) },
  229: { name: 'IPV6', decode: as(ETHERTYPE_IPV6) },
  239: { name: 'NFLOG', decode: nflog },
  242: { name: 'IPOIB', decode: ipoib },
  276: { name: 'LINUX_SLL2', decode: linuxSll2 },
}

/** No header of its own: the frame begins with what `etherType` names. */
function as(etherType: number): LinkType['decode'] {
  return (c) => {
    c.etherType = etherType
    return OK
  }
}

/** Raw IP: the version nibble tells the family. */
function rawIp(c: Cursor): Status {
  if (c.end <= c.at) return CUT
  const version = c.buf[c.at]! >> 4
  if (version !== 4 && version !== 6) return BAD
  c.etherType = version === 4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6
  return OK
}

/**
 * BSD loopback: 4 bytes of address family, NULL in the capturing host's order, LOOP in network order. AF_INET is 2 everywhere,
 * AF_INET6 differs: 10 Linux, 23 Windows, 24 NetBSD and OpenBSD, 28 FreeBSD, 30 Darwin. Families are small, so the order shows.
 */
function nullFamily(c: Cursor): Status {
  if (c.end - c.at < 4) return CUT
  let family = u32(c.buf, c.at)
  if (family === 0xff030021 || family === 0xff030057) {
    c.etherType = ETHERTYPE_PPP // PPP written as NULL by some BSDs
    return OK
  }
  if (family > 0xffff) family = (c.buf[c.at + 1]! << 8) | c.buf[c.at]!
  c.at += 4
  if (family === 2) c.etherType = ETHERTYPE_IPV4
  else if (family === 10 || family === 23 || family === 24 || family === 28 || family === 30)
    c.etherType = ETHERTYPE_IPV6
  else if (family >= 0x0600)
    c.etherType = family // some writers put an EtherType
  else return OTHER
  return OK
}

/** FDDI: frame control (0x50-0x57: LLC), destination[6], source[6]. */
function fddi(c: Cursor): Status {
  if (c.end - c.at < 13) return CUT
  if ((c.buf[c.at]! & 0xf8) !== 0x50) return OTHER
  c.at += 13
  c.etherType = ETHERTYPE_LLC
  return OK
}

/** PPP in HDLC framing, or Cisco HDLC, which begins 0x0f (unicast) or 0x8f (broadcast), 0x00, EtherType. */
function pppSerial(c: Cursor): Status {
  if (c.end - c.at < 4) return CUT
  const address = c.buf[c.at]!
  if (address === 0x0f || address === 0x8f) {
    c.etherType = u16(c.buf, c.at + 2)
    c.at += 4
  } else {
    c.etherType = ETHERTYPE_PPP
  }
  return OK
}

/** Frame Relay, RFC 2427: address (the last octet has its low bit set), control 3, optional padding, NLPID. */
function frameRelay(c: Cursor): Status {
  const buf = c.buf
  let at = c.at
  while (at < c.end && at - c.at < 4 && (buf[at]! & 1) === 0) at++
  at++
  if (c.end - at < 2) return CUT
  if (buf[at] !== 0x03) {
    // Cisco encapsulation: an EtherType directly after the address.
    c.etherType = u16(buf, at)
    c.at = at + 2
    return OK
  }
  at++
  if (buf[at] === 0) at++
  if (at >= c.end) return CUT
  const nlpid = buf[at]!
  c.at = at + 1
  if (nlpid === 0xcc) c.etherType = ETHERTYPE_IPV4
  else if (nlpid === 0x8e) c.etherType = ETHERTYPE_IPV6
  else if (nlpid === 0x80) {
    if (c.end - c.at < 5) return CUT
    const organisation = (buf[c.at]! << 16) | u16(buf, c.at + 1)
    if (organisation !== 0) return OTHER
    c.etherType = u16(buf, c.at + 3)
    c.at += 5
  } else return OTHER
  return OK
}

/** Linux cooked capture: packet type, ARPHRD_, address length, address[8], protocol. */
function linuxSll(c: Cursor): Status {
  if (c.end - c.at < 16) return CUT
  c.etherType = cookedProtocol(u16(c.buf, c.at + 14))
  c.at += 16
  return OK
}

/** Linux cooked capture v2: protocol, reserved, interface index, ARPHRD_, packet type, address length, address[8]. */
function linuxSll2(c: Cursor): Status {
  if (c.end - c.at < 20) return CUT
  c.etherType = cookedProtocol(u16(c.buf, c.at))
  c.at += 20
  return OK
}

/** An EtherType, or a small Linux ETH_P_ number, of which only 4 (LLC) leads to IP. */
function cookedProtocol(protocol: number): number {
  return protocol >= 0x0600 || protocol === ETHERTYPE_LLC ? protocol : ETHERTYPE_NONE
}

/** Type of the NFLOG TLV that holds the packet, which begins with its IP header. */
const NFULA_PAYLOAD = 9

/**
 * Linux netfilter log: family, version 0, resource id, then TLVs (length including its 4-byte header, padded to 4) in the order
 * of the capturing host, which the file does not tell. The first TLV is short, so the byte that is 0 is its high one.
 */
function nflog(c: Cursor): Status {
  const buf = c.buf
  let at = c.at
  if (c.end - at < 8) return CUT
  if (buf[at + 1] !== 0) return BAD
  const family = buf[at]!
  at += 4
  const bigEndian = buf[at] === 0 && buf[at + 1]! >= 4
  while (c.end - at >= 4) {
    const length = bigEndian ? u16(buf, at) : (buf[at + 1]! << 8) | buf[at]!
    const type = bigEndian ? u16(buf, at + 2) : (buf[at + 3]! << 8) | buf[at + 2]!
    if (length < 4) return BAD
    if ((type & 0x7fff) === NFULA_PAYLOAD) {
      c.at = at + 4
      c.limit(at, length)
      if (family === 2) c.etherType = ETHERTYPE_IPV4
      else if (family === 10) c.etherType = ETHERTYPE_IPV6
      else return OTHER
      return OK
    }
    at += (length + 3) & ~3
  }
  return at > c.end ? CUT : OTHER
}

/** IP over InfiniBand, RFC 4391 6: two 20-byte hardware addresses from the capture, then EtherType and 2 reserved bytes. */
function ipoib(c: Cursor): Status {
  if (c.end - c.at < 44) return CUT
  c.etherType = u16(c.buf, c.at + 40)
  c.at += 44
  return OK
}
