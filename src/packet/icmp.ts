/**
 * ICMP errors that quote a TCP segment: RFC 792 (types 3, 11), RFC 1191 (MTU), RFC 4443 (ICMPv6 types 1, 2, 3). They tell of
 * path MTU black holes and unreachable hosts. The quotation is cut by design, so only its first 8 TCP bytes are asked for.
 */
import { IPV4, IPV6, type Ipv6Table } from '../core/address.ts'
import {
  type Cursor,
  FRAGMENT,
  IpHeader,
  OK,
  PROTOCOL_AH,
  PROTOCOL_ICMP,
  PROTOCOL_ICMPV6,
  PROTOCOL_TCP,
  type Status,
  u16,
  u32,
} from './cursor.ts'
import { decodeIpv4, skipAuthentication } from './ipv4.ts'
import { decodeIpv6, skipExtensions } from './ipv6.ts'
import type { IcmpErrorView } from './segment-view.ts'

const quoted = new IpHeader()

/** Fills `e` (all but frame and time) from the ICMP message at the cursor; false when it is no error about a TCP segment. */
export function decodeIcmpError(c: Cursor, h: IpHeader, e: IcmpErrorView, addresses: Ipv6Table): boolean {
  const { buf, at } = c
  if (c.end - at < 8) return false
  const type = buf[at]!
  const code = buf[at + 1]!
  let mtu = 0
  if (h.protocol === PROTOCOL_ICMP) {
    if (type !== 3 && type !== 11) return false
    if (type === 3 && code === 4) mtu = u16(buf, at + 6)
  } else {
    if (h.protocol !== PROTOCOL_ICMPV6 || type < 1 || type > 3) return false
    if (type === 2) mtu = u32(buf, at + 4)
  }
  c.at = at + 8
  if (quotedHeader(c, h, addresses) !== OK || quoted.protocol !== PROTOCOL_TCP || c.end - c.at < 8) return false
  e.family = h.family
  e.type = type
  e.code = code
  e.mtu = mtu
  e.reporterIp = h.srcIp
  e.srcIp = quoted.srcIp
  e.dstIp = quoted.dstIp
  e.srcPort = u16(c.buf, c.at)
  e.dstPort = u16(c.buf, c.at + 2)
  e.seq = u32(c.buf, c.at + 4)
  return true
}

function quotedHeader(c: Cursor, h: IpHeader, addresses: Ipv6Table): Status {
  let status: Status
  if (h.family === IPV4) {
    status = decodeIpv4(c, quoted)
    if (status === OK && quoted.protocol === PROTOCOL_AH) status = skipAuthentication(c, quoted)
  } else {
    status = decodeIpv6(c, quoted, addresses)
    if (status === OK) status = skipExtensions(c, quoted)
  }
  // A quoted first fragment still shows its ports.
  return status === FRAGMENT && quoted.fragmentOffset === 0 ? OK : status
}

export function newIcmpErrorView(): IcmpErrorView {
  return {
    frame: 0,
    at: 0,
    family: IPV6,
    type: 0,
    code: 0,
    mtu: 0,
    reporterIp: 0,
    srcIp: 0,
    dstIp: 0,
    srcPort: 0,
    dstPort: 0,
    seq: 0,
  }
}
