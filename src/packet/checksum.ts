/** TCP checksum over the pseudo-header (RFC 9293 3.1, RFC 8200 8.1). Sampled at the start of a capture, never on every packet. */
import { type Family, IPV4 } from '../core/address.ts'
import { PROTOCOL_TCP, u16 } from './cursor.ts'

/** Whether the checksum of the whole segment buf[at, end) is right. The two addresses stand one after the other at `addressAt`. */
export function tcpChecksumOk(
  buf: Uint8Array,
  at: number,
  end: number,
  family: Family,
  addressBuf: Uint8Array,
  addressAt: number,
): boolean {
  let sum = PROTOCOL_TCP + end - at
  const addressEnd = addressAt + (family === IPV4 ? 8 : 32)
  for (let i = addressAt; i < addressEnd; i += 2) sum += u16(addressBuf, i)
  let i = at
  for (; i + 1 < end; i += 2) sum += u16(buf, i)
  if (i < end) sum += buf[i]! << 8
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000)
  return sum === 0xffff
}
