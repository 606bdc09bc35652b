/**
 * What one handshake has agreed on, and the keys that follow from it in TLS 1.0 to 1.2: from the master secret of a key log,
 * from a premaster secret (logged, or decrypted with the server's RSA key), or from the session that is resumed.
 */
import { createHash } from 'node:crypto'
import type { Direction } from '../core/direction.ts'
import { type CipherSuite, cipherSuite } from './cipher-suite.ts'
import { keyBlock, masterSecret } from './key-schedule.ts'
import type { KeyStore, Secrets } from './key-store.ts'
import type { ClientHello, ServerHello } from './listener.ts'
import { TLS_1_3 } from './progress.ts'
import { AeadCipher, CbcCipher, type RecordCipher } from './record-cipher.ts'
import { decryptPremaster, encryptedPremaster } from './rsa.ts'

const TLS_1_0 = 0x0301
const TLS_1_2 = 0x0303
/** Handshake messages kept for the extended master secret, bytes. */
const TRANSCRIPT_BYTES = 128 << 10

/** The first handshake of a connection, or a renegotiation, so far. */
export class HandshakeKeys {
  clientRandom = ''
  serverRandom = ''
  version = 0
  suite: CipherSuite | null = null
  encryptThenMac = false
  extendedMasterSecret = false
  /** Ids under which the server may resume this session, and by which it resumes an earlier one. */
  sessionId = ''
  offeredTicket = ''
  ticket = ''
  resumed = false
  /** The ClientHello, where it announces 0-RTT data. */
  offered: ClientHello | null = null
  master: Uint8Array | null = null
  clientKeyExchange: Uint8Array | null = null
  /** Messages of both sides up to ClientKeyExchange, with their headers; null when too long or incomplete. */
  private messages: [Uint8Array[], Uint8Array[]] | null = [[], []]
  private messageBytes = 0

  clientHello(hello: ClientHello): void {
    this.clientRandom = hello.random
    this.offeredTicket = hello.ticket
    this.offered = hello.earlyDataOffered ? hello : null
  }

  serverHello(hello: ServerHello): void {
    this.serverRandom = hello.random
    this.version = hello.version
    this.suite = readableSuite(hello)
    this.encryptThenMac = hello.encryptThenMac
    this.extendedMasterSecret = hello.extendedMasterSecret
    this.resumed = hello.resumed
    this.sessionId = hello.sessionId
  }

  /** A message of the handshake, for the hash over them. */
  message(dir: Direction, type: number, body: Uint8Array, whole: boolean): void {
    if (this.clientKeyExchange !== null || this.messages === null) return
    this.messageBytes += body.length
    if (!whole || this.messageBytes > TRANSCRIPT_BYTES) {
      this.messages = null
      return
    }
    const n = body.length
    this.messages[dir].push(Buffer.concat([Uint8Array.of(type, n >> 16, n >> 8, n), body]))
  }

  /** TLS <= 1.2: looks for the master secret; false while there is none. */
  findMaster(secrets: Secrets | null, keys: KeyStore): boolean {
    if (this.suite === null) return false
    if (this.master !== null) return true
    const master = secrets?.master ?? this.fromPremaster(secrets, keys) ?? this.fromEarlier(keys)
    if (master === null) return false
    this.master = master
    if (this.sessionId !== '') keys.remember(`id ${this.sessionId}`, master)
    if (this.ticket !== '') keys.remember(`ticket ${this.ticket}`, master)
    return true
  }

  /** TLS <= 1.2: what opens the records of one side (RFC 5246 6.3). Only after `findMaster`. */
  cipher(dir: Direction): RecordCipher {
    const s = this.suite!
    const macBytes = s.kind === 'aead' ? 0 : s.macBytes
    const ivBytes = s.mode === 'cbc' ? s.tagBytes : s.mode === 'chacha20' ? 12 : 4
    const randoms = Buffer.from(this.serverRandom + this.clientRandom, 'hex')
    const block = keyBlock(this.version, s, this.master!, randoms, 2 * (macBytes + s.keyBytes + ivBytes))
    const part = (at: number, n: number): Uint8Array => block.subarray(at + dir * n, at + dir * n + n)
    const macKey = part(0, macBytes)
    const key = part(2 * macBytes, s.keyBytes)
    const iv = part(2 * (macBytes + s.keyBytes), ivBytes)
    return s.kind === 'aead'
      ? new AeadCipher(s, key, iv, false)
      : new CbcCipher(s, this.version, key, macKey, iv, this.encryptThenMac)
  }

  private fromEarlier(keys: KeyStore): Uint8Array | null {
    if (!this.resumed) return null
    const byTicket = this.offeredTicket === '' ? null : keys.resume(`ticket ${this.offeredTicket}`)
    return keys.resume(`id ${this.sessionId}`) ?? byTicket
  }

  private fromPremaster(secrets: Secrets | null, keys: KeyStore): Uint8Array | null {
    const premaster = secrets?.premaster ?? this.decryptedPremaster(keys)
    if (premaster === null) return null
    const randoms = Buffer.from(this.clientRandom + this.serverRandom, 'hex')
    if (!this.extendedMasterSecret) return masterSecret(this.version, this.suite!, premaster, randoms, null)
    if (this.messages === null) return null
    // RFC 7627 3: the client's hello, the server's flight, the client's up to ClientKeyExchange.
    const [client, server] = this.messages
    const all = Buffer.concat([...client.slice(0, 1), ...server, ...client.slice(1)])
    const hash = (name: string): Uint8Array => createHash(name).update(all).digest()
    const sessionHash = this.version >= TLS_1_2 ? hash(this.suite!.hash) : Buffer.concat([hash('md5'), hash('sha1')])
    return masterSecret(this.version, this.suite!, premaster, randoms, sessionHash)
  }

  private decryptedPremaster(keys: KeyStore): Uint8Array | null {
    if (this.clientKeyExchange === null || !this.suite!.rsaKeyExchange) return null
    const encrypted = encryptedPremaster(this.clientKeyExchange)
    const logged = keys.premaster(encrypted)
    if (logged !== null) return logged
    for (const key of keys.rsaKeys) {
      const premaster = decryptPremaster(key, encrypted)
      if (premaster !== null) return premaster
    }
    return null
  }
}

/** Cipher suites of TLS 1.3, and of no other version, begin with this byte (RFC 8446 B.4). */
export const isSuite13 = (number: number): boolean => number >> 8 === 0x13

/** The suite that was chosen, null when it, the version or a compression is not ours to read. */
function readableSuite(hello: ServerHello): CipherSuite | null {
  if (hello.compression !== 0 || hello.version < TLS_1_0 || hello.version > TLS_1_3) return null
  return isSuite13(hello.cipher) === (hello.version === TLS_1_3) ? cipherSuite(hello.cipher) : null
}
