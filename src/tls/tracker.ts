/**
 * One TLS connection without its keys: what the handshake shows, the alerts, and the sizes and directions of the records.
 * Fed with the bytes that follow MySQL's SSLRequest, or with a whole connection that speaks TLS from the first byte.
 *
 *   RecordReader (both directions) -> HandshakeReader -> hello.ts, certificate.ts
 *                                  -> HandshakeProgress: what application_data records are
 *
 * Decryption fits in at `record`: asking for application_data fragments too is all that a decryptor needs from here.
 *
 * hot path: application_data records are judged by their length and skipped
 */
import { CLIENT, type Direction, SERVER } from '../core/direction.ts'
import type { Instant } from '../core/time.ts'
import { decodeCertificate, noCertificate } from './certificate.ts'
import { HandshakeReader, type HandshakeSink, HandshakeType } from './handshake-reader.ts'
import { decodeClientHello, decodeServerHello } from './hello.ts'
import type { TlsListener } from './listener.ts'
import { HandshakeProgress, Opaque, TLS_1_3 } from './progress.ts'
import { ContentType } from './recognise.ts'
import { RecordReader, type RecordSink } from './record.ts'

/** A plain alert record is one alert; TLS <= 1.2 allows more in one record, nobody sends them. */
const ALERT_BYTES = 2
const ALERT_BYTES_READ = 8
/** Messages decoded per direction: a handshake has three at most, a hostile stream any number. */
const MESSAGES_DECODED = 16
const UNKNOWN = -1

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

  /** `midstream`: the first bytes may lie anywhere inside a TLS record (the connection began before the capture). */
  constructor(listener: TlsListener, midstream = false) {
    this.listener = listener
    this.records = [new RecordReader(CLIENT, this, midstream), new RecordReader(SERVER, this, midstream)]
    this.handshakes = [new HandshakeReader(CLIENT, this), new HandshakeReader(SERVER, this)]
  }

  data(dir: Direction, buf: Uint8Array, start: number, end: number, at: Instant, frame: number): void {
    this.records[dir].feed(buf, start, end, at, frame)
  }

  gap(dir: Direction, bytes: number, at: Instant, frame: number): void {
    if (!this.progress.done) this.progress.onGap(dir)
    this.records[dir].gap(bytes, at, frame)
  }

  /** No more bytes will come from this side: a hello of which only the beginning arrived is handed up as it is. */
  end(dir: Direction, at: Instant, frame: number): void {
    this.handshakes[dir].end(at, frame)
  }

  /** Bytes that the record in hand still lacks: > 0 at the end means that the stream was cut inside a record. */
  missing(dir: Direction): number {
    return this.records[dir].missing
  }

  // ---- RecordSink

  record(dir: Direction, type: number, _version: number, length: number, at: Instant, frame: number): boolean {
    return type === ContentType.applicationData
      ? this.opaque(dir, length, at, frame)
      : this.plain(dir, type, length, at, frame)
  }

  fragment(dir: Direction, buf: Uint8Array, start: number, end: number, at: Instant, frame: number): void {
    if (this.inAlert[dir]) this.alertBytes(dir, buf, start, end, at, frame)
    else this.handshakes[dir].feed(buf, start, end, at, frame)
  }

  fragmentGap(dir: Direction, bytes: number, at: Instant, frame: number): void {
    if (!this.inAlert[dir]) this.handshakes[dir].gap(bytes, at, frame)
    else if (bytes >= ALERT_BYTES || this.alertLevel[dir] !== UNKNOWN) {
      // The level came, its description did not: an alert all the same.
      this.listener.alert(dir, this.alertLevel[dir], UNKNOWN, false, at, frame)
      this.alertLevel[dir] = UNKNOWN
    }
  }

  recordEnd(dir: Direction, _at: Instant, _frame: number): void {
    if (!this.inAlert[dir]) this.handshakes[dir].recordEnd()
    this.inAlert[dir] = false
    this.alertLevel[dir] = UNKNOWN
  }

  notRecord(dir: Direction, firstBytesHex: string, at: Instant, frame: number): void {
    this.listener.notTls(dir, firstBytesHex, at, frame)
  }

  resynced(dir: Direction, at: Instant, frame: number): void {
    this.handshakes[dir].restart(at, frame)
    this.inAlert[dir] = false
    this.alertLevel[dir] = UNKNOWN
    this.listener.resynced(dir, at, frame)
  }

  private opaque(dir: Direction, length: number, at: Instant, frame: number): boolean {
    switch (this.progress.onOpaque(dir, length)) {
      case Opaque.data:
        this.listener.applicationData(dir, length, at, frame)
        break
      case Opaque.firstData:
        this.listener.handshakeDone(at, frame)
        this.listener.applicationData(dir, length, at, frame)
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
    if (type === ContentType.changeCipherSpec) progress.onChangeCipherSpec(dir)
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
    const told =
      type === HandshakeType.certificate ||
      type === (dir === CLIENT ? HandshakeType.clientHello : HandshakeType.serverHello)
    return told && this.decoded[dir]++ < MESSAGES_DECODED
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
    if (type === HandshakeType.certificate) {
      this.listener.certificate(decodeCertificate(dir, buf, end, this.progress.version >= TLS_1_3), at, frame)
    } else if (type === HandshakeType.clientHello) {
      const hello = decodeClientHello(buf, end, whole, this.retried)
      this.progress.onClientHello(hello.maxVersion, hello.earlyDataOffered)
      this.offeredSessionId = hello.sessionId
      this.listener.clientHello(hello, at, frame)
    } else {
      const hello = decodeServerHello(buf, end, whole, this.offeredSessionId)
      if (hello.retryRequest) this.retried = true
      this.progress.onServerHello(hello.version, hello.cipher, hello.retryRequest)
      this.listener.serverHello(hello, at, frame)
    }
  }
}
