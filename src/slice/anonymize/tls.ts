/**
 * TLS without names: server name and certificate text become pseudonyms, what is encrypted becomes other noise. Record and message
 * headers, versions, cipher suites, lengths, alerts and plain text between the records stay.
 */
import { blind, Cursor, latin1, put, Short, type Stream } from './bytes.ts'
import type { Pseudonyms } from './pseudonyms.ts'

const CHANGE_CIPHER_SPEC = 20
const ALERT = 21
const HANDSHAKE = 22
const APPLICATION_DATA = 23
const CLIENT_HELLO = 1
const CERTIFICATE = 11

/** From `at` on. */
export function maskTls(stream: Stream, start: number, names: Pseudonyms): void {
  const { buf } = stream
  let at = start
  let encrypted = false
  /** Handshake messages may span records: the first header tells how far the message goes. */
  while (at + 5 <= stream.whole) {
    const type = buf[at]!
    const length = (buf[at + 3]! << 8) | buf[at + 4]!
    if (type < CHANGE_CIPHER_SPEC || type > 24 || buf[at + 1] !== 3 || length > 18_432) break
    const end = Math.min(stream.whole, at + 5 + length)
    if (type === CHANGE_CIPHER_SPEC) encrypted = true
    else if (type === HANDSHAKE && !encrypted) handshake(buf, at + 5, end, names)
    else if (type === APPLICATION_DATA || encrypted || length > 2) noise(buf, at + 5, end, names)
    else if (type !== ALERT) noise(buf, at + 5, end, names)
    at = end
  }
  // Plain text in a TLS stream is evidence: a short MySQL packet (COM_QUIT is five bytes) says nothing else.
  if (stream.buf.length - at > 5) blind(buf, at, stream.buf.length)
}

function noise(buf: Uint8Array, start: number, end: number, names: Pseudonyms): void {
  buf.set(names.bytes('tls', latin1(buf, start, end), end - start).subarray(0, end - start), start)
}

function handshake(buf: Uint8Array, start: number, end: number, names: Pseudonyms): void {
  let at = start
  while (at + 4 <= end) {
    const type = buf[at]!
    const next = at + 4 + ((buf[at + 1]! << 16) | (buf[at + 2]! << 8) | buf[at + 3]!)
    const stop = Math.min(end, next)
    try {
      if (type === CLIENT_HELLO) clientHello(new Cursor(buf, at + 4, stop), names)
      else if (type === CERTIFICATE) derText(buf, at + 4, stop, names)
    } catch (e) {
      if (!(e instanceof Short)) throw e
    }
    at = next
  }
  // A certificate that began in the record before goes on here.
  if (at > end || at === start) derText(buf, start, end, names)
}

/** RFC 8446 4.1.2; server_name is extension 0 (RFC 6066 3). */
function clientHello(c: Cursor, names: Pseudonyms): void {
  const big = (n: number): number => {
    let value = 0
    for (let i = 0; i < n; i++) value = value * 256 + c.byte()
    return value
  }
  c.skip(34)
  c.skip(big(1))
  c.skip(big(2))
  c.skip(big(1))
  big(2)
  while (c.left >= 4) {
    const type = big(2)
    const length = big(2)
    if (type === 0) {
      c.skip(5)
      c.replace(length - 5, (text) => names.name(text))
    } else if (type === 35 || type === 41)
      c.replace(length, (t) => latin1(names.bytes('ticket', t, t.length), 0, t.length))
    else c.skip(length)
  }
}

/** Strings of a DER structure (UTF8String, PrintableString, IA5String; names and addresses in it), one and two byte lengths. */
function derText(buf: Uint8Array, start: number, end: number, names: Pseudonyms): void {
  for (let i = start; i + 2 < end; i++) {
    const tag = buf[i]!
    if (tag !== 0x0c && tag !== 0x13 && tag !== 0x16 && tag !== 0x82 && tag !== 0x14) continue
    const length = buf[i + 1]!
    if (length === 0 || length > 127 || i + 2 + length > end) continue
    const text = latin1(buf, i + 2, i + 2 + length)
    // A country is two letters everywhere; text that is none is no string.
    if (!/^[\x20-\x7e\x80-\xff]+$/.test(text) || (length < 4 && tag !== 0x0c)) continue
    if (!/[A-Za-z0-9]{2}/.test(text)) continue
    put(
      buf,
      i + 2,
      text.replace(/[A-Za-z0-9\x80-\xff]+/g, (w) => names.name(w)),
      i + 2 + length,
    )
    i += 1 + length
  }
}
