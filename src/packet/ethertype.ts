/**
 * Between the link and the IP header: Ethernet II and 802.3 frames (IEEE 802.3 3.2.6), VLAN tags (802.1Q, several), Cisco
 * VN-tags, LLC/SNAP (802.2, RFC 1042), PPPoE sessions (RFC 2516), PPP (RFC 1661/1662) and MPLS label stacks (RFC 3032, pseudo-wires
 * RFC 4448). Each step moves the cursor and sets its EtherType; `toNetwork` repeats them until IP or something that is not ours.
 */
import {
  BAD,
  CUT,
  type Cursor,
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  ETHERTYPE_LLC,
  ETHERTYPE_MPLS,
  ETHERTYPE_NONE,
  ETHERTYPE_PPP,
  ETHERTYPE_PPPOE_SESSION,
  ETHERTYPE_TEB,
  OK,
  OTHER,
  type Status,
  u16,
} from './cursor.ts'

/** Steps below IP in one frame: more than any real nesting of tags, and the bound for hostile ones. */
const MAX_STEPS = 16
/** Labels in one MPLS stack. */
const MAX_LABELS = 16

/** Moves the cursor to an IPv4 or IPv6 header (its `etherType` says which). */
export function toNetwork(c: Cursor): Status {
  for (let steps = 0; steps < MAX_STEPS; steps++) {
    const status = step(c)
    if (status !== OK) return status
    if (c.etherType === ETHERTYPE_IPV4 || c.etherType === ETHERTYPE_IPV6) return OK
  }
  return BAD
}

function step(c: Cursor): Status {
  switch (c.etherType) {
    case ETHERTYPE_IPV4:
    case ETHERTYPE_IPV6:
      return OK
    case ETHERTYPE_TEB:
      return ethernet(c)
    case 0x8100: // 802.1Q
    case 0x88a8: // 802.1ad
    case 0x9100: // QinQ before 802.1ad
      return tag(c, 2)
    case 0x8926: // Cisco VN-tag
      return tag(c, 4)
    case ETHERTYPE_LLC:
      return llc(c)
    case ETHERTYPE_PPPOE_SESSION:
      return pppoe(c)
    case ETHERTYPE_PPP:
      return ppp(c)
    case ETHERTYPE_MPLS:
    case 0x8848: // MPLS multicast
      return mpls(c)
    default:
      return OTHER
  }
}

function ethernet(c: Cursor): Status {
  if (c.end - c.at < 14) return CUT
  const type = u16(c.buf, c.at + 12)
  c.at += 14
  typeOrLength(c, type)
  return OK
}

/** Tag control information of `length` bytes, then the next EtherType or length. */
function tag(c: Cursor, length: number): Status {
  if (c.end - c.at < length + 2) return CUT
  const type = u16(c.buf, c.at + length)
  c.at += length + 2
  typeOrLength(c, type)
  return OK
}

/** IEEE 802.3 3.2.6: up to 1500 it is a length and LLC follows, from 1536 on an EtherType. */
function typeOrLength(c: Cursor, value: number): void {
  if (value <= 1500) {
    c.limit(c.at, value)
    c.etherType = ETHERTYPE_LLC
  } else {
    c.etherType = value >= 0x0600 ? value : ETHERTYPE_NONE
  }
}

function llc(c: Cursor): Status {
  const { buf, at } = c
  if (c.end - at < 3) return CUT
  const saps = u16(buf, at)
  // 0xaaaa: SNAP, unnumbered information. Its organisation is 0 (RFC 1042) or 0000f8 (802.1H) when an EtherType follows.
  if (saps === 0xaaaa && buf[at + 2] === 0x03) {
    if (c.end - at < 8) return CUT
    const organisation = (buf[at + 3]! << 16) | u16(buf, at + 4)
    if (organisation !== 0 && organisation !== 0x0000f8) return OTHER
    c.etherType = u16(buf, at + 6)
    c.at = at + 8
    return OK
  }
  if (saps === 0x0606 && buf[at + 2] === 0x03) {
    c.etherType = ETHERTYPE_IPV4
    c.at = at + 3
    return OK
  }
  return OTHER
}

function pppoe(c: Cursor): Status {
  const { buf, at } = c
  if (c.end - at < 6) return CUT
  if (buf[at] !== 0x11) return BAD
  if (buf[at + 1] !== 0) return OTHER // discovery codes carry no packets
  c.at = at + 6
  c.limit(c.at, u16(buf, at + 4))
  return ppp(c)
}

function ppp(c: Cursor): Status {
  const buf = c.buf
  let at = c.at
  if (c.end - at < 2) return CUT
  if (buf[at] === 0xff && buf[at + 1] === 0x03) at += 2 // RFC 1662 3.1 address and control, often compressed away
  if (c.end - at < 2) return CUT
  let protocol = buf[at++]!
  if ((protocol & 1) === 0) protocol = (protocol << 8) | buf[at++]! // RFC 1661 2: an odd first octet is the whole field
  c.at = at
  if (protocol === 0x21) c.etherType = ETHERTYPE_IPV4
  else if (protocol === 0x57) c.etherType = ETHERTYPE_IPV6
  else if (protocol === 0x0281) c.etherType = ETHERTYPE_MPLS
  else return OTHER
  return OK
}

function mpls(c: Cursor): Status {
  const buf = c.buf
  for (let labels = 0; labels < MAX_LABELS; labels++) {
    if (c.end - c.at < 5) return CUT
    const bottom = (buf[c.at + 2]! & 1) === 1
    c.at += 4
    if (!bottom) continue
    // The stack names no payload type: RFC 4928 tells IP by its version nibble, 0 begins a pseudo-wire's control word.
    const nibble = buf[c.at]! >> 4
    if (nibble === 4) c.etherType = ETHERTYPE_IPV4
    else if (nibble === 6) c.etherType = ETHERTYPE_IPV6
    else if (nibble === 0 && looksLikeEthernet(c, c.at + 4)) {
      c.at += 4
      c.etherType = ETHERTYPE_TEB
    } else if (looksLikeEthernet(c, c.at)) c.etherType = ETHERTYPE_TEB
    else return OTHER
    return OK
  }
  return BAD
}

/** Whether an Ethernet header at `at` has an EtherType that leads on to IP. */
function looksLikeEthernet(c: Cursor, at: number): boolean {
  if (c.end - at < 14) return false
  const type = u16(c.buf, at + 12)
  return type === ETHERTYPE_IPV4 || type === ETHERTYPE_IPV6 || type === 0x8100 || type === 0x88a8 || type === 0x9100
}
