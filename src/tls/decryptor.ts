/**
 * Opens the protected records of one TLS connection with the secrets of the key store (RFC 8446 5 and 7, RFC 5246 6). Told of
 * the handshake by the tracker, which then hands it whole records.
 *
 * Record numbers are not on the wire. After bytes that the capture lost, the next numbers are tried until an integrity check
 * fits; how many records a hole can have held bounds the tries. The same way finds a later set of keys (a KeyUpdate inside the
 * hole, a key log without the handshake's secrets).
 */
import { CLIENT, type Direction, SERVER } from '../core/direction.ts'
import { LIMITS } from '../core/limits.ts'
import { type CipherSuite, cipherSuite } from './cipher-suite.ts'
import { HandshakeKeys, isSuite13 } from './handshake-keys.ts'
import { expandLabel } from './key-schedule.ts'
import { type KeyStore, Secret13, type Secrets } from './key-store.ts'
import type { ClientHello, ServerHello, Unread } from './listener.ts'
import { TLS_1_3 } from './progress.ts'
import { ContentType, RECORD_HEADER_BYTES } from './recognise.ts'
import { AeadCipher, type RecordCipher } from './record-cipher.ts'

/** Records in a row that do not open before we stop trying. */
const FAILURES = 3
/** While the keys of the handshake are missing, its records do not open: a server's flight, in small records. */
const HANDSHAKE_RECORDS = 24

const Epoch = { early: 0, handshake: 1, application: 2 } as const

/** One direction. */
class Lane {
  cipher: RecordCipher | null = null
  /** Number of the next record under these keys. */
  seq = 0
  /** Records that may have been lost before it. */
  mayMiss = 0
  /** Records in a row that did not open. */
  failures = 0
  /** TLS <= 1.2: ChangeCipherSpec was seen. */
  sealed = false
  /** TLS 1.3: which keys these are, and the secret that they come from. */
  epoch: number = Epoch.handshake
  secret: Uint8Array | null = null
  lastExplicit = -1
}

export class Decryptor {
  /** Why we stopped trying, null while we have not. */
  unread: Unread | null = null
  /** Records opened, records that did not open. */
  opened = 0
  hidden = 0
  private readonly keys: KeyStore
  private readonly lanes: readonly [Lane, Lane] = [new Lane(), new Lane()]
  private now = new HandshakeKeys()
  private secrets: Secrets | null = null
  private tls13 = false
  private started = false
  private triedVersion = -1
  private tries = 0

  constructor(keys: KeyStore) {
    this.keys = keys
  }

  // ---- told by the tracker

  clientHello(hello: ClientHello, renegotiation: boolean): void {
    if (renegotiation) this.now = new HandshakeKeys()
    this.now.clientHello(hello)
    this.triedVersion = -1
  }

  serverHello(hello: ServerHello): void {
    if (hello.retryRequest) return
    this.started = true
    this.now.serverHello(hello)
    this.tls13 = hello.version >= TLS_1_3
    if (this.now.suite === null) {
      this.unread = 'cipher'
      return
    }
    if (!this.tls13) return
    this.lanes[SERVER].epoch = Epoch.handshake
    if (this.lanes[CLIENT].cipher === null) this.lanes[CLIENT].epoch = Epoch.handshake
    this.triedVersion = -1
  }

  /** Whether whole messages are wanted: only a premaster secret needs them. */
  get wantsTranscript(): boolean {
    return this.keys.hasPremasters && !this.tls13 && this.now.clientKeyExchange === null
  }

  /** A handshake message in the clear, or decrypted (renegotiation). */
  message(dir: Direction, type: number, body: Uint8Array, whole: boolean): void {
    this.now.message(dir, type, body, whole)
  }

  clientKeyExchange(body: Uint8Array): void {
    this.now.clientKeyExchange = Uint8Array.from(body)
  }

  /** NewSessionTicket of TLS <= 1.2: what a later connection may offer. */
  newSessionTicket(name: string): void {
    this.now.ticket = name
    if (this.now.master !== null && name !== '') this.keys.remember(`ticket ${name}`, this.now.master)
  }

  /** TLS <= 1.2: what this side sends from here on is protected by the keys of the handshake in hand. */
  changeCipherSpec(dir: Direction): void {
    if (this.tls13 || this.now.suite === null) return
    const lane = this.lanes[dir]
    lane.sealed = true
    lane.seq = 0
    lane.cipher = null
    lane.lastExplicit = -1
    this.triedVersion = -1
    this.resolve()
    if (lane.cipher === null && this.now.master !== null) lane.cipher = this.now.cipher(dir)
  }

  /** TLS 1.3: this side's Finished, or the client's EndOfEarlyData: its next keys. */
  nextEpoch(dir: Direction): void {
    const lane = this.lanes[dir]
    if (this.tls13 && lane.epoch < Epoch.application) this.enter(dir, lane.epoch + 1)
  }

  /** RFC 8446 4.6.3: from the next record on this side uses keys derived from the ones before. */
  keyUpdate(dir: Direction): void {
    const lane = this.lanes[dir]
    if (lane.secret === null || lane.epoch !== Epoch.application) return
    this.use(lane, expandLabel(this.now.suite!.hash, lane.secret, 'traffic upd', lane.secret.length), lane.epoch)
  }

  /** What the client sends now is no early data: its own Finished is behind it. */
  get past0rtt(): boolean {
    return this.lanes[CLIENT].epoch === Epoch.application
  }

  // ---- gaps

  /** A record of which part is missing. */
  lostRecord(dir: Direction): void {
    this.lanes[dir].seq++
    this.hidden++
  }

  /** `bytes` of this side's stream in which no record was seen. */
  lostBytes(dir: Direction, bytes: number): void {
    const lane = this.lanes[dir]
    const least = RECORD_HEADER_BYTES + (lane.cipher?.leastBytes ?? 16)
    lane.mayMiss = Math.min(LIMITS.tlsResyncRecords, lane.mayMiss + Math.ceil(bytes / least))
  }

  /** Application data went by unread. Without keys nothing that comes later can be read in its order. */
  passed(): void {
    if (this.unread !== null || this.opened > 0) return
    if (!this.started) this.unread = 'handshake-unseen'
    else if (this.secrets === null && this.now.master === null) this.noKeys()
  }

  // ---- records

  /** Whether such a record is protected and there are keys to open it with. */
  protects(dir: Direction, type: number): boolean {
    if (this.unread !== null) return false
    if (!this.started) {
      if (dir !== CLIENT || type !== ContentType.applicationData || this.now.offered === null) return false
      return (this.keys.find(this.now.clientRandom)?.traffic[Secret13.clientEarly] ?? null) !== null
    }
    const lane = this.lanes[dir]
    if (this.tls13 ? type !== ContentType.applicationData : !lane.sealed) return false
    if (lane.cipher !== null || this.resolve()) return true
    this.without(lane)
    return false
  }

  /** Plaintext bytes of a record of this length, -1 when unknown. */
  plainLength(dir: Direction, length: number): number {
    return this.lanes[dir].cipher?.plainLength(length) ?? -1
  }

  /** Opens a whole record into record-cipher's `opened`; false when it stays closed. */
  open(dir: Direction, type: number, version: number, buf: Uint8Array, start: number, end: number): boolean {
    const lane = this.lanes[dir]
    if (!this.started && !this.openEarly(type, version, buf, start, end)) return false
    const found = lane.cipher !== null && this.attempt(lane, lane.cipher, lane.seq, type, version, buf, start, end)
    if (found || this.search(dir, lane, type, version, buf, start, end)) {
      lane.mayMiss = 0
      lane.failures = 0
      this.opened++
      return true
    }
    lane.cipher?.passed(buf, end)
    lane.seq++
    lane.failures++
    this.hidden++
    const patience = this.tls13 && lane.cipher === null ? HANDSHAKE_RECORDS : FAILURES
    if (lane.failures >= patience || this.tries > LIMITS.tlsResyncTries)
      this.unread = this.opened > 0 ? 'place-lost' : 'wrong-keys'
    return false
  }

  /** A record for whose direction there are no keys (yet). */
  private without(lane: Lane): void {
    this.hidden++
    if (this.tls13) lane.mayMiss++
    else lane.seq++
    // Keys for the first handshake, none for the renegotiation.
    if (this.opened > 0) this.noKeys()
  }

  private noKeys(): void {
    this.unread = 'no-keys'
    this.keys.miss(this.now.clientRandom)
  }

  private attempt(
    lane: Lane,
    cipher: RecordCipher,
    seq: number,
    type: number,
    version: number,
    buf: Uint8Array,
    start: number,
    end: number,
  ): boolean {
    if (!cipher.open(seq, type, version, buf, start, end)) return false
    lane.seq = seq + 1
    lane.lastExplicit = cipher.explicitNumber(buf, start)
    return true
  }

  /** The record is not the next one: looks for its number, and in TLS 1.3 for its keys. */
  private search(
    dir: Direction,
    lane: Lane,
    type: number,
    version: number,
    buf: Uint8Array,
    start: number,
    end: number,
  ): boolean {
    const { cipher } = lane
    const from = lane.seq
    if (cipher !== null && lane.mayMiss > 0) {
      const explicit = cipher.explicitNumber(buf, start)
      const ahead = explicit - lane.lastExplicit - 1
      if (explicit >= 0 && lane.lastExplicit >= 0 && ahead > 0 && ahead <= lane.mayMiss) {
        this.tries++
        if (this.attempt(lane, cipher, from + ahead, type, version, buf, start, end)) return true
      }
    }
    if (this.tls13 && this.laterKeys(dir, lane, type, version, buf, start, end)) return true
    if (cipher === null) return false
    for (let i = 1; i <= lane.mayMiss && this.tries <= LIMITS.tlsResyncTries; i++) {
      this.tries++
      if (this.attempt(lane, cipher, from + i, type, version, buf, start, end)) return true
    }
    return false
  }

  private laterKeys(
    dir: Direction,
    lane: Lane,
    type: number,
    version: number,
    buf: Uint8Array,
    start: number,
    end: number,
  ): boolean {
    const most = Math.min(lane.mayMiss, FEW)
    for (const { secret, epoch } of this.laterSecrets(dir, lane)) {
      const cipher = this.cipher13(secret)
      for (let seq = 0; seq <= most; seq++) {
        this.tries++
        if (!this.attempt(lane, cipher, seq, type, version, buf, start, end)) continue
        lane.cipher = cipher
        lane.secret = secret
        lane.epoch = epoch
        return true
      }
    }
    return false
  }

  private laterSecrets(dir: Direction, lane: Lane): { secret: Uint8Array; epoch: number }[] {
    if (lane.epoch === Epoch.application) {
      // Only a hole can have swallowed a KeyUpdate.
      if (lane.secret === null || lane.mayMiss === 0) return []
      return [
        {
          secret: expandLabel(this.now.suite!.hash, lane.secret, 'traffic upd', lane.secret.length),
          epoch: lane.epoch,
        },
      ]
    }
    const out: { secret: Uint8Array; epoch: number }[] = []
    for (let epoch = lane.epoch + 1; epoch <= Epoch.application; epoch++) {
      const secret = this.secretOf(dir, epoch)
      if (secret !== null) out.push({ secret, epoch })
    }
    return out
  }

  /** 0-RTT (RFC 8446 2.3): before the server has spoken the suite is the resumed session's: the one that fits. */
  private openEarly(type: number, version: number, buf: Uint8Array, start: number, end: number): boolean {
    const lane = this.lanes[CLIENT]
    if (lane.cipher !== null) return true
    const secret = this.keys.find(this.now.clientRandom)?.traffic[Secret13.clientEarly] ?? null
    if (secret === null) return false
    for (const number of this.now.offered!.ciphers) {
      const suite = isSuite13(number) ? cipherSuite(number) : null
      if (suite === null || (suite.hash === 'sha256' ? 32 : 48) !== secret.length) continue
      const cipher = trafficCipher(suite, secret)
      if (!cipher.open(lane.seq, type, version, buf, start, end)) continue
      lane.cipher = cipher
      lane.secret = secret
      lane.epoch = Epoch.early
      return true
    }
    return false
  }

  // ---- keys

  /** Finds the secrets of the handshake in hand and makes its keys; false while there are none. */
  private resolve(): boolean {
    if (this.now.suite === null) return false
    if (this.triedVersion === this.keys.version) return this.secrets !== null || this.now.master !== null
    this.triedVersion = this.keys.version
    this.secrets = this.keys.find(this.now.clientRandom)
    if (this.tls13) {
      const t = this.secrets?.traffic
      if (t === undefined || t[Secret13.client] === null || t[Secret13.server] === null) this.secrets = null
      if (this.secrets === null) return false
      for (const dir of [CLIENT, SERVER] as const)
        if (this.lanes[dir].cipher === null) this.enter(dir, this.lanes[dir].epoch)
      return true
    }
    if (!this.now.findMaster(this.secrets, this.keys)) return false
    for (const dir of [CLIENT, SERVER] as const) {
      const lane = this.lanes[dir]
      if (lane.sealed && lane.cipher === null) lane.cipher = this.now.cipher(dir)
    }
    return true
  }

  private enter(dir: Direction, epoch: number): void {
    const lane = this.lanes[dir]
    const secret = this.secretOf(dir, epoch)
    if (secret !== null) this.use(lane, secret, epoch)
    else {
      lane.cipher = null
      lane.secret = null
      lane.epoch = epoch
    }
  }

  private use(lane: Lane, secret: Uint8Array, epoch: number): void {
    lane.cipher = this.cipher13(secret)
    lane.secret = secret
    lane.epoch = epoch
    lane.seq = 0
  }

  private secretOf(dir: Direction, epoch: number): Uint8Array | null {
    const traffic = this.secrets?.traffic
    if (traffic === undefined) return null
    if (epoch === Epoch.early) return dir === CLIENT ? traffic[Secret13.clientEarly]! : null
    if (epoch === Epoch.handshake) return traffic[dir === CLIENT ? Secret13.clientHandshake : Secret13.serverHandshake]!
    return traffic[dir === CLIENT ? Secret13.client : Secret13.server]!
  }

  private cipher13(secret: Uint8Array): RecordCipher {
    return trafficCipher(this.now.suite!, secret)
  }
}

/** Record numbers tried under keys that we did not see coming. */
const FEW = 16

function trafficCipher(suite: CipherSuite, secret: Uint8Array): RecordCipher {
  const key = expandLabel(suite.hash, secret, 'key', suite.keyBytes)
  return new AeadCipher(suite, key, expandLabel(suite.hash, secret, 'iv', 12), true)
}
