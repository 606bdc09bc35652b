/**
 * TLS 1.3 as a capture without keys shows it (RFC 8446): hellos in clear, then application-data records of random bytes.
 */
const HANDSHAKE = 22
const APPLICATION_DATA = 23
/** Plaintext bytes of a full record, and what TLS 1.3 adds: the inner content type and a 16-byte tag. */
export const RECORD_BYTES = 16384
const OVERHEAD = 17
const CHANGE_CIPHER_SPEC = Buffer.from([20, 3, 3, 0, 1, 1])

const u16 = (v) => Buffer.from([v >>> 8, v & 255])
const with16 = (b) => Buffer.concat([u16(b.length), b])
const extension = (type, body) => Buffer.concat([u16(type), with16(body)])

function record(type, version, body) {
  return Buffer.concat([Buffer.from([type, 3, version]), with16(body)])
}
function handshake(type, body) {
  return Buffer.concat([Buffer.from([type, 0]), with16(body)])
}

/** The record that `plaintextBytes` become. */
export const appData = (random, plaintextBytes) => record(APPLICATION_DATA, 3, random.bytes(plaintextBytes + OVERHEAD))

/** A message of any length as records. */
export function sealed(random, message) {
  const records = []
  for (let at = 0; at < message.length; at += RECORD_BYTES) {
    records.push(appData(random, Math.min(RECORD_BYTES, message.length - at)))
  }
  return Buffer.concat(records)
}

export function clientHello(random) {
  const extensions = Buffer.concat([
    extension(43, Buffer.from([4, 3, 4, 3, 3])), // supported_versions: 1.3, 1.2
    extension(10, with16(Buffer.from([0, 29, 0, 23]))), // supported_groups: x25519, secp256r1
    extension(13, with16(Buffer.from([4, 3, 8, 4, 4, 1]))), // signature_algorithms
    extension(51, with16(Buffer.concat([u16(29), with16(random.bytes(32))]))), // key_share
  ])
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    random.bytes(32),
    Buffer.from([32]),
    random.bytes(32),
    with16(Buffer.from([0x13, 2, 0x13, 1, 0xc0, 0x30])),
    Buffer.from([1, 0]),
    with16(extensions),
  ])
  return record(HANDSHAKE, 1, handshake(1, body))
}

/** ServerHello, change_cipher_spec, then EncryptedExtensions to Finished, encrypted. */
export function serverFlight(random) {
  const extensions = Buffer.concat([
    extension(43, Buffer.from([3, 4])),
    extension(51, Buffer.concat([u16(29), with16(random.bytes(32))])),
  ])
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    random.bytes(32),
    Buffer.from([32]),
    random.bytes(32),
    Buffer.from([0x13, 2, 0]),
    with16(extensions),
  ])
  const rest = [10, 980, 264, 52].map((n) => appData(random, n))
  return Buffer.concat([record(HANDSHAKE, 3, handshake(2, body)), CHANGE_CIPHER_SPEC, ...rest])
}

/** change_cipher_spec and the client's Finished. */
export const clientFinished = (random) => Buffer.concat([CHANGE_CIPHER_SPEC, appData(random, 52)])
