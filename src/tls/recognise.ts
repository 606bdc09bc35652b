/**
 * Is this TLS? Record headers (RFC 8446 5.1):
 *
 *   0        1        2        3        4        5
 *   | type   | 3      | 0..4   | length          | fragment ...
 */

/** ContentType, RFC 8446 B.1 (24 is RFC 6520). */
export const ContentType = {
  changeCipherSpec: 20,
  alert: 21,
  handshake: 22,
  applicationData: 23,
  heartbeat: 24,
} as const

export const RECORD_HEADER_BYTES = 5
/** RFC 5246 6.2.3: a fragment grows by at most 2048 bytes (TLS 1.3: 256). */
export const MAX_RECORD_BYTES = 16384 + 2048

/** Whether buf[at, end) starts with a whole, valid record header. */
export function looksLikeRecord(buf: Uint8Array, at: number, end: number): boolean {
  if (end - at < RECORD_HEADER_BYTES) return false
  const type = buf[at]!
  if (type < 20 || type > 24 || buf[at + 1] !== 3 || buf[at + 2]! > 4) return false
  return ((buf[at + 3]! << 8) | buf[at + 4]!) <= MAX_RECORD_BYTES
}

/** Whether the bytes, fewer than a header, can be the beginning of one. */
export function mayBeginRecord(buf: Uint8Array, at: number, end: number): boolean {
  const n = end - at
  if (n > 0 && (buf[at]! < 20 || buf[at]! > 24)) return false
  if (n > 1 && buf[at + 1] !== 3) return false
  if (n > 2 && buf[at + 2]! > 4) return false
  return !(n > 3 && buf[at + 3]! > MAX_RECORD_BYTES >> 8)
}

/**
 * Whether a segment looks like whole records from its first byte on: each header follows the record before it, up to
 * where the last one runs past the end. Empty records do not count: runs of zeroes would pass.
 */
export function looksLikeRecordChain(buf: Uint8Array, start: number, end: number): boolean {
  let p = start
  while (p < end) {
    if (end - p < RECORD_HEADER_BYTES) return p > start && mayBeginRecord(buf, p, end)
    const length = (buf[p + 3]! << 8) | buf[p + 4]!
    if (length === 0 || !looksLikeRecord(buf, p, end)) return false
    p += RECORD_HEADER_BYTES + length
  }
  return p > start
}

/**
 * Whether a stream begins with a ClientHello: a handshake record holding message type 1 with a plausible length and, where
 * the bytes reach that far, a client_version of 3.x. Needs 6 bytes.
 */
export function looksLikeClientHello(buf: Uint8Array, start: number, end: number): boolean {
  if (end - start < 6 || buf[start] !== ContentType.handshake || !looksLikeRecord(buf, start, end)) return false
  if (((buf[start + 3]! << 8) | buf[start + 4]!) < 4 || buf[start + 5] !== 1) return false
  if (end - start >= 7 && buf[start + 6] !== 0) return false // 64 KiB and more: nobody's ClientHello
  return end - start < 11 || (buf[start + 9] === 3 && buf[start + 10]! <= 4)
}
