/**
 * One TLS connection: what the handshake shows, the alerts, and the sizes and directions of the records; with keys, what the
 * records hold. Fed with the bytes that follow MySQL's SSLRequest, or with a whole connection that speaks TLS from the first byte.
 *
 *   RecordReader (both directions) -> HandshakeReader -> hello.ts, certificate.ts
 *                                  -> HandshakeProgress: what application_data records are
 *                                  -> SealedRecord -> Decryptor -> what they hold, read as if it had been in the clear
 *
 * A record that does not open is judged as if there were no keys.
 *
 * hot path: without keys application_data records are judged by their length and skipped
 */
import { CLIENT, type Direction, SERVER } from '../core/direction.ts'
import type { Instant } from '../core/time.ts'
import { decodeCertificate, noCertificate } from './certificate.ts'
import { Decryptor } from './decryptor.ts'
import { HandshakeReader, type HandshakeSink, HandshakeType } from './handshake-reader.ts'
import { decodeClientHello, decodeServerHello, ticketName } from './hello.ts'
import type { KeyStore } from './key-store.ts'
import type { TlsListener } from './listener.ts'
import { HandshakeProgress, Opaque, TLS_1_3 } from './progress.ts'
import { TlsReader } from './reader.ts'
import { ContentType } from './recognise.ts'
import { RecordReader, type RecordSink } from './record.ts'
import type { RecordBuffers } from './record-buffers.ts'
import { forgetOpened, opened } from './record-cipher.ts'
import { SealedRecord } from './sealed-record.ts'

/** A plain alert record is one alert; TLS <= 1.2 allows more in one record, nobody sends them. */
const ALERT_BYTES = 2
const ALERT_BYTES_READ = 8
/** Messages decoded per direction: a handshake has three at most, a hostile stream any number. */
const MESSAGES_DECODED = 16
const UNKNOWN = -1

const CHANGES_KEYS: ReadonlySet<number> = new Set([
  HandshakeType.newSessionTicket,
  HandshakeType.endOfEarlyData,
  HandshakeType.clientKeyExchange,
  HandshakeType.finished,
  HandshakeType.keyUpdate,
])

/** What all connections share that may be decrypted. */
export interface Decryption {
  keys: KeyStore
  buffers: RecordBuffers
}

export class TlsTracker implements RecordSink, HandshakeSink {
  private readonly listener: TlsListener
  private readonly records: readonly [RecordReader, RecordReader]
  private readonly handshakes: readonly [HandshakeReader, HandshakeReader]
  private readonly progress = new HandshakeProgress()
  /** The wanted record in hand is an alert, not handshake. */
  private readonly inAlert: [boolean, boolean] = [false, false]
  private readonly alertLevel: [number, number] = [UNKNOWN, UNKNOWN]
  private readonly decoded: [number, number] = [0, 0]
  private retried = false
  private offeredSessionId = ''
  /** Null when nothing is to be decrypted, or no more: then records are only counted. */
  private decryptor: Decryptor | null
  private readonly sealed: readonly [SealedRecord, SealedRecord] | null
  private openedSoFar = 0
  private renegotiating = false

  /**
   * `midstream`: the first bytes may lie anywhere inside a TLS record (the connection began before the capture).
   * `decryption` null: nothing is to be decrypted.
   */
  constructor(listener: TlsListener, midstream = false, decryption: Decryption | null = null) {
    this.listener = listener
    this.decryptor = decryption === null ? null : new Decryptor(decryption.keys)
    this.sealed =
      decryption === null ? null : [new SealedRecord(decryption.buffers), new SealedRecord(decryption.buffers)]
    this.records = [new RecordReader(CLIENT, this, midstream), new RecordReader(SERVER, this, midstream)]
    this.handshakes = [new HandshakeReader(CLIENT, this), new HandshakeReader(SERVER, this)]
  }

  data(dir: Direction, buf: Uint8Array, start: number, end: number, at: Instant, frame: number): void {
    this.records[dir].feed(buf, start, end, at, frame)
  }

  gap(dir: Direction, bytes: number, at: Instant, frame: number): void {
    if (!this.progress.done) this.progress.onGap(dir)
    const wasLost = this.records[dir].isLost
    this.records[dir].gap(bytes, at, frame)
    if (!wasLost && this.records[dir].isLost && this.opened > 0) this.listener.plaintextLost(dir, UNKNOWN, at, frame)
  }

  /** No more bytes will come from this side: a hello of which only the beginning arrived is handed up as it is. */
  end(dir: Direction, at: Instant, frame: number): void {
    this.handshakes[dir].end(at, frame)
    this.sealed?.[dir].release()
  }

  /** Records that were decrypted. */
  get opened(): number {
    return this.decryptor?.opened ?? this.openedSoFar
  }

  /** The protected record of this side of which only a part has come, null when there is none. */
  partial(dir: Direction): { at: Instant; frame: number } | null {
    const sealed = this.sealed?.[dir]
    return sealed?.open === true && sealed.type === ContentType.applicationData ? sealed : null
  }

  /** No record boundary is known of this side. */
  isLost(dir: Direction): boolean {
    return this.records[dir].isLost
  }

  /** Bytes that the record in hand still lacks: > 0 at the end means that the stream was cut inside a record. */
  missing(dir: Direction): number {
    return this.records[dir].missing
  }

  // ---- RecordSink

  record(dir: Direction, type: number, version: number, length: number, at: Instant, frame: number): boolean {
    // No cipher makes two bytes of two bytes: such an alert is in the clear.
    const clear = type === ContentType.alert && length === ALERT_BYTES
    if (!clear && this.decryptor?.protects(dir, type) === true) {
      this.sealed![dir].begin(type, version, length, at, frame)
      return true
    }
    return type === ContentType.applicationData
      ? this.opaque(dir, length, at, frame)
      : this.plain(dir, type, length, at, frame)
  }

  fragment(dir: Direction, buf: Uint8Array, start: number, end: number, at: Instant, frame: number): void {
    if (this.sealed?.[dir].open === true) this.sealed[dir].add(buf, start, end)
    else if (this.inAlert[dir]) this.alertBytes(dir, buf, start, end, at, frame)
    else this.handshakes[dir].feed(buf, start, end, at, frame)
  }

  fragmentGap(dir: Direction, bytes: number, at: Instant, frame: number): void {
    if (this.sealed?.[dir].open === true) this.sealed[dir].spoil()
    else if (!this.inAlert[dir]) this.handshakes[dir].gap(bytes, at, frame)
    else if (bytes >= ALERT_BYTES || this.alertLevel[dir] !== UNKNOWN) {
      // The level came, its description did not: an alert all the same.
      this.listener.alert(dir, this.alertLevel[dir], UNKNOWN, false, at, frame)
      this.alertLevel[dir] = UNKNOWN
    }
  }

  recordEnd(dir: Direction, at: Instant, frame: number): void {
    if (this.sealed?.[dir].open === true) {
      this.sealedEnd(dir, this.sealed[dir], at, frame)
      return
    }
    if (!this.inAlert[dir]) this.handshakes[dir].recordEnd()
    this.inAlert[dir] = false
    this.alertLevel[dir] = UNKNOWN
  }

  notRecord(dir: Direction, firstBytesHex: string, at: Instant, frame: number): void {
    this.listener.notTls(dir, firstBytesHex, at, frame)
  }

  resynced(dir: Direction, at: Instant, frame: number, bytes: number): void {
    this.handshakes[dir].restart(at, frame)
    this.decryptor?.lostBytes(dir, bytes)
    this.inAlert[dir] = false
    this.alertLevel[dir] = UNKNOWN
    this.listener.resynced(dir, at, frame)
  }

  // ---- protected records

  private sealedEnd(dir: Direction, sealed: SealedRecord, at: Instant, frame: number): void {
    const { decryptor } = this
    const { type, version, length, buf, start } = sealed
    let open = false
    // Given up meanwhile, over the other side's records.
    if (decryptor === null) sealed.spoil()
    else if (sealed.whole) open = decryptor.open(dir, type, version, buf, start, start + length)
    else decryptor.lostRecord(dir)
    sealed.end()
    if (open) this.content(dir, length, at, frame)
    else this.concealed(dir, type, length, sealed.at, sealed.frame)
    forgetOpened()
  }

  /** What an opened record holds. */
  private content(dir: Direction, length: number, at: Instant, frame: number): void {
    const { type, buf, end } = opened
    if (type === ContentType.applicationData) {
      // Where the client's Finished lies in a hole. 0-RTT data comes before it.
      const { version } = this.progress
      const behind = version >= TLS_1_3 ? dir === CLIENT && this.decryptor!.past0rtt : version > 0
      if (behind && this.progress.onFinished()) this.listener.handshakeDone(at, frame)
      this.listener.plaintext(dir, length, buf, 0, end, at, frame)
    } else if (type === ContentType.handshake) {
      if (this.progress.version < TLS_1_3 && !this.progress.done && this.progress.onEncryptedHandshake(dir))
        this.listener.handshakeDone(at, frame)
      this.handshakes[dir].feed(buf, 0, end, at, frame)
      this.handshakes[dir].recordEnd()
    } else if (type === ContentType.alert) {
      this.alertBytes(dir, buf, 0, end, at, frame)
      this.alertLevel[dir] = UNKNOWN
    } else if (type === ContentType.changeCipherSpec) this.decryptor!.changeCipherSpec(dir)
  }

  /** A record that stays closed: its size speaks. */
  private concealed(dir: Direction, type: number, length: number, at: Instant, frame: number): void {
    const { decryptor } = this
    if (decryptor !== null && decryptor.opened > 0 && type === ContentType.applicationData)
      this.listener.plaintextLost(dir, decryptor.plainLength(dir, length), at, frame)
    this.tellUnread(at, frame)
    if (type === ContentType.applicationData) this.opaque(dir, length, at, frame)
    else this.plain(dir, type, length, at, frame)
    this.inAlert[dir] = false
  }

  private tellUnread(at: Instant, frame: number): void {
    const why = this.decryptor?.unread ?? null
    if (why === null) return
    this.openedSoFar = this.decryptor!.opened
    this.decryptor = null
    this.listener.unreadable(why, at, frame)
  }

  /** Application data that was not decrypted. */
  private hidden(dir: Direction, length: number, at: Instant, frame: number): void {
    if (this.decryptor !== null) {
      this.decryptor.passed()
      this.tellUnread(at, frame)
    }
    this.listener.applicationData(dir, length, at, frame)
  }

  private opaque(dir: Direction, length: number, at: Instant, frame: number): boolean {
    switch (this.progress.onOpaque(dir, length)) {
      case Opaque.data:
        this.hidden(dir, length, at, frame)
        break
      case Opaque.firstData:
        this.listener.handshakeDone(at, frame)
        this.hidden(dir, length, at, frame)
        break
      case Opaque.finished:
        this.listener.handshakeDone(at, frame)
        break
      case Opaque.alert:
        this.listener.alert(dir, UNKNOWN, UNKNOWN, true, at, frame)
        break
      case Opaque.emptyCertificate:
        this.listener.certificate(noCertificate(dir, true), at, frame)
        break
      case Opaque.handshake:
        break
    }
    return false
  }

  private plain(dir: Direction, type: number, length: number, at: Instant, frame: number): boolean {
    const progress = this.progress
    if (type === ContentType.handshake) {
      if (!progress.isCiphered(dir)) return true
      if (!progress.done && progress.onEncryptedHandshake(dir)) this.listener.handshakeDone(at, frame)
      return false
    }
    if (type === ContentType.alert) {
      // No cipher makes two bytes of two bytes, so this one is in the clear whatever came before.
      if (length === ALERT_BYTES || (!progress.isCiphered(dir) && length <= ALERT_BYTES_READ && length % 2 === 0)) {
        this.inAlert[dir] = true
        return true
      }
      this.listener.alert(dir, UNKNOWN, UNKNOWN, true, at, frame)
      return false
    }
    if (type === ContentType.changeCipherSpec) {
      progress.onChangeCipherSpec(dir)
      this.decryptor?.changeCipherSpec(dir)
    }
    return false
  }

  private alertBytes(dir: Direction, buf: Uint8Array, start: number, end: number, at: Instant, frame: number): void {
    for (let p = start; p < end; p++) {
      if (this.alertLevel[dir] === UNKNOWN) this.alertLevel[dir] = buf[p]!
      else {
        this.listener.alert(dir, this.alertLevel[dir], buf[p]!, false, at, frame)
        this.alertLevel[dir] = UNKNOWN
      }
    }
  }

  // ---- HandshakeSink

  messageBegin(dir: Direction, type: number, _length: number): boolean {
    if (type === HandshakeType.clientKeyExchange && dir === CLIENT) this.progress.onClientKeyExchange()
    if (
      type === HandshakeType.certificate ||
      type === (dir === CLIENT ? HandshakeType.clientHello : HandshakeType.serverHello)
    )
      return this.decoded[dir]++ < MESSAGES_DECODED
    return (
      this.decryptor !== null &&
      this.decryptor.unread === null &&
      (CHANGES_KEYS.has(type) || this.decryptor.wantsTranscript)
    )
  }

  message(
    dir: Direction,
    type: number,
    buf: Uint8Array,
    end: number,
    whole: boolean,
    at: Instant,
    frame: number,
  ): void {
    if (type === HandshakeType.clientHello && dir === CLIENT) this.clientHello(buf, end, whole, at, frame)
    else if (type === HandshakeType.serverHello && dir === SERVER) this.serverHello(buf, end, whole, at, frame)
    else if (type === HandshakeType.certificate && !this.renegotiating)
      this.listener.certificate(decodeCertificate(dir, buf, end, this.progress.version >= TLS_1_3), at, frame)
    if (this.decryptor === null) return
    // HelloRequest is no part of the handshake's hash (RFC 5246 7.4.1.1).
    if (this.decryptor.wantsTranscript && type !== HandshakeType.helloRequest)
      this.decryptor.message(dir, type, buf.subarray(0, end), whole)
    if (CHANGES_KEYS.has(type) && whole) this.keysChange(dir, type, buf, end, at, frame)
  }

  private clientHello(buf: Uint8Array, end: number, whole: boolean, at: Instant, frame: number): void {
    const hello = decodeClientHello(buf, end, whole, this.retried)
    this.renegotiating = this.progress.done
    this.decryptor?.clientHello(hello, this.renegotiating)
    this.offeredSessionId = hello.sessionId
    if (this.renegotiating) {
      this.listener.rekeyed('renegotiation', CLIENT, at, frame)
      return
    }
    this.progress.onClientHello(hello.truncated ? TLS_1_3 : hello.maxVersion, hello.earlyDataOffered)
    this.listener.clientHello(hello, at, frame)
  }

  private serverHello(buf: Uint8Array, end: number, whole: boolean, at: Instant, frame: number): void {
    const hello = decodeServerHello(buf, end, whole, this.offeredSessionId)
    this.decryptor?.serverHello(hello)
    if (this.renegotiating) return
    if (hello.retryRequest) this.retried = true
    this.progress.onServerHello(hello.version, hello.cipher, hello.retryRequest)
    this.listener.serverHello(hello, at, frame)
    this.tellUnread(at, frame)
  }

  /** Messages after which a side, or the next connection, uses other keys. */
  private keysChange(dir: Direction, type: number, buf: Uint8Array, end: number, at: Instant, frame: number): void {
    const decryptor = this.decryptor!
    const tls13 = this.progress.version >= TLS_1_3
    if (type === HandshakeType.finished) {
      decryptor.nextEpoch(dir)
      if (tls13 && dir === CLIENT && this.progress.onFinished()) this.listener.handshakeDone(at, frame)
    } else if (type === HandshakeType.endOfEarlyData) decryptor.nextEpoch(CLIENT)
    else if (type === HandshakeType.keyUpdate) {
      decryptor.keyUpdate(dir)
      this.listener.rekeyed('KeyUpdate', dir, at, frame)
    } else if (type === HandshakeType.clientKeyExchange && dir === CLIENT)
      decryptor.clientKeyExchange(buf.subarray(0, end))
    else if (type === HandshakeType.newSessionTicket && dir === SERVER && !tls13) {
      // RFC 5077 3.3: lifetime hint, then the ticket.
      decryptor.newSessionTicket(ticketName(new TlsReader(buf, 4, end).vector(2)))
    }
  }
}
