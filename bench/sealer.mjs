/** TLS 1.3 records that a key log opens (RFC 8446 5.2, 7.1, 7.3): one direction under one traffic secret. */
import { createCipheriv, createHmac } from 'node:crypto'

export const SUITES = {
  'aes-128-gcm': { number: 0x1301, keyBytes: 16, hash: 'sha256' },
  'aes-256-gcm': { number: 0x1302, keyBytes: 32, hash: 'sha384' },
  'chacha20-poly1305': { number: 0x1303, keyBytes: 32, hash: 'sha256' },
}
const APPLICATION_DATA = 23
const HANDSHAKE = 22
const ALERT = 21
const RECORD_BYTES = 16384
const TAG = 16

/** HKDF-Expand-Label without context; no output here is longer than the hash. */
function expand(hash, secret, label, length) {
  const name = Buffer.from(`tls13 ${label}`)
  const info = Buffer.concat([Buffer.from([0, length, name.length]), name, Buffer.from([0, 1])])
  return createHmac(hash, secret).update(info).digest().subarray(0, length)
}

export class Sealer {
  #cipher
  #key
  #iv
  #seq = 0

  constructor(cipher, secret) {
    const { keyBytes, hash } = SUITES[cipher]
    this.#cipher = cipher
    this.#key = expand(hash, secret, 'key', keyBytes)
    this.#iv = expand(hash, secret, 'iv', 12)
  }

  /** Content as records of at most 16 KiB. */
  data(content) {
    const records = []
    for (let at = 0; at < content.length; at += RECORD_BYTES)
      records.push(this.#record(content.subarray(at, at + RECORD_BYTES), APPLICATION_DATA))
    return Buffer.concat(records)
  }

  /** Handshake messages in one record. */
  handshake(messages) {
    return this.#record(messages, HANDSHAKE)
  }

  alert(level, description) {
    return this.#record(Buffer.from([level, description]), ALERT)
  }

  #record(content, type) {
    const header = Buffer.from([APPLICATION_DATA, 3, 3, 0, 0])
    header.writeUInt16BE(content.length + 1 + TAG, 3)
    const nonce = Buffer.from(this.#iv)
    nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ this.#seq++) >>> 0, 8)
    const c = createCipheriv(this.#cipher, this.#key, nonce, { authTagLength: TAG }).setAAD(header)
    return Buffer.concat([header, c.update(content), c.update(Buffer.from([type])), c.final(), c.getAuthTag()])
  }
}
