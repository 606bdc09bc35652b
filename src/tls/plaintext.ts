/** What plain text in a TLS stream is: MySQL packets (manual: Protocol::Packet) sent past TLS, or another protocol. */
import { ByteReader } from '../core/bytes.ts'

export type Plaintext =
  /** `01 00 00 00 01`: ProxySQL up to 3.0.x closes TLS backends this way. */
  | { kind: 'COM_QUIT' }
  /** E.g. 1043 "Bad handshake", which mysqld writes in the clear after a failed TLS handshake. */
  | { kind: 'ERR_Packet'; code: number; sqlState: string; message: string }
  /** The login, sent in the clear after SSLRequest. */
  | { kind: 'HandshakeResponse41' }
  | { kind: 'SSLRequest' }
  /** RFC 5246 E.2: the hello of a client that still knows SSL 2.0; what follows is TLS. */
  | { kind: 'SSLv2 ClientHello' }
  | { kind: 'PROXY header' }
  | { kind: 'unknown' }

const CLIENT_PROTOCOL_41 = 0x200
const CLIENT_SSL = 0x800
const SSL_REQUEST_BYTES = 32

/** Names the bytes that `TlsListener.notTls` reports. */
export function plaintextKind(firstBytesHex: string): Plaintext {
  const buf = Uint8Array.from(firstBytesHex.match(/[0-9a-f]{2}/g) ?? [], (pair) => Number.parseInt(pair, 16))
  if (firstBytesHex === '0100000001') return { kind: 'COM_QUIT' }
  if (firstBytesHex.startsWith('0d0a0d0a000d0a515549540a') || firstBytesHex.startsWith('50524f585920'))
    return { kind: 'PROXY header' }
  // Two length bytes with the top bit set, msg_type 1, version 3.x.
  if (buf.length >= 5 && (buf[0]! & 0x80) !== 0 && buf[2] === 1 && buf[3] === 3 && buf[4]! <= 4)
    return { kind: 'SSLv2 ClientHello' }
  return mysqlPacket(new ByteReader(buf))
}

function mysqlPacket(r: ByteReader): Plaintext {
  const length = r.u24()
  const sequenceId = r.u8()
  if (!r.ok || r.left === 0) return { kind: 'unknown' }
  if (r.buf[r.pos] === 0xff && length >= 3 && length < 4096) return errPacket(r, length)
  const capabilities = r.u32()
  if (!r.ok || (capabilities & CLIENT_PROTOCOL_41) === 0 || sequenceId < 1 || sequenceId > 3) return { kind: 'unknown' }
  const ssl = (capabilities & CLIENT_SSL) !== 0
  if (length === SSL_REQUEST_BYTES) return ssl ? { kind: 'SSLRequest' } : { kind: 'unknown' }
  return length > SSL_REQUEST_BYTES && length < 1 << 16 ? { kind: 'HandshakeResponse41' } : { kind: 'unknown' }
}

function errPacket(r: ByteReader, length: number): Plaintext {
  const end = r.pos + length
  r.u8()
  const code = r.u16()
  r.end = Math.min(r.end, end)
  let sqlState = ''
  if (r.left >= 6 && r.buf[r.pos] === 0x23) sqlState = r.text(6).slice(1)
  return code >= 1000 && code < 10000 ? { kind: 'ERR_Packet', code, sqlState, message: r.rest() } : { kind: 'unknown' }
}
