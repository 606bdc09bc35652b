/**
 * How far a handshake has come, told without keys.
 *
 * TLS <= 1.2 (RFC 5246 7.3): ChangeCipherSpec, then an encrypted handshake record (Finished), from both sides: seen exactly.
 *
 * TLS 1.3 (RFC 8446 2): all after ServerHello travels in application_data records. The server's flight ends with Finished; the
 * client answers [Certificate [CertificateVerify]] Finished; only then does MySQL's client speak. Finished alone in a record has
 * one size, 4 + hash + 1 + tag bytes, so the handshake is done
 *  - at the client's first record of that size after the server's flight, or
 *  - where the client put its flight into one record (or its Finished is in a gap): when the server answers after it.
 * A record of 2 + 1 + tag bytes is an alert (no MySQL packet, and no handshake message, is that short); see `splitTail`.
 *
 * hot path: no allocation per record
 */
import { CLIENT, type Direction, SERVER } from '../core/direction.ts'

/** What an application_data record is. */
export const Opaque = {
  handshake: 0,
  /** The client's Finished: the handshake is done. */
  finished: 1,
  data: 2,
  /** Data which shows that the handshake was done before it. */
  firstData: 3,
  alert: 4,
  /** A client Certificate message that holds none. */
  emptyCertificate: 5,
} as const
export type Opaque = (typeof Opaque)[keyof typeof Opaque]

export const TLS_1_3 = 0x0304

const TLS_AES_256_GCM_SHA384 = 0x1302
const TLS_AES_128_CCM_8_SHA256 = 0x1305
/** TLSInnerPlaintext.type, RFC 8446 5.2. */
const INNER_TYPE_BYTES = 1
const ALERT_BYTES = 2
/** Handshake header, empty certificate_request_context, empty certificate_list (RFC 8446 4.4.2). */
const EMPTY_CERTIFICATE_BYTES = 4 + 1 + 3
/** A write larger than a record leaves a tail of any size; records shorter than this are not the head of one. */
const SPLIT_WRITE_BYTES = 1024

export class HandshakeProgress {
  /** Selected by the server; 0 while unknown. */
  version = 0
  cipher = 0
  /** The handshake was seen to its end. */
  done = false

  private clientHello = false
  private offers13 = false
  private earlyData = false
  private clientKeyExchange = false
  /** Application data flows: `done`, or the beginning was not seen. */
  private open = false
  /** ChangeCipherSpec was seen (TLS <= 1.2): that side's handshake records and alerts are encrypted. */
  private readonly ciphered: [boolean, boolean] = [false, false]
  private readonly finished: [boolean, boolean] = [false, false]
  /** TLS 1.3: encrypted handshake records by side; the client's count only after the server's flight began. */
  private serverFlight = 0
  private clientFlight = 0
  private serverFinished = false
  private lastDir: Direction = CLIENT
  private lastLength = 0

  onClientHello(maxVersion: number, earlyDataOffered: boolean): void {
    this.clientHello = true
    this.offers13 = maxVersion >= TLS_1_3
    this.earlyData = earlyDataOffered
  }

  onServerHello(version: number, cipher: number, retryRequest: boolean): void {
    this.version = version
    this.cipher = cipher
    if (version < TLS_1_3) return
    // The ChangeCipherSpec of TLS 1.3 is for middleboxes only (RFC 8446 D.4).
    this.ciphered.fill(false)
    if (!retryRequest) this.serverFlight = 0
  }

  onClientKeyExchange(): void {
    this.clientKeyExchange = true
  }

  onChangeCipherSpec(dir: Direction): void {
    if (this.version < TLS_1_3) this.ciphered[dir] = true
  }

  /** Whether handshake records and alerts of this side are encrypted. */
  isCiphered(dir: Direction): boolean {
    return this.ciphered[dir] || this.done
  }

  /** An encrypted handshake record (TLS <= 1.2); true when it completes the handshake. */
  onEncryptedHandshake(dir: Direction): boolean {
    this.finished[dir] = true
    return this.bothFinished()
  }

  /** Bytes were missed: they may have held the server's flight, or the client's Finished. */
  onGap(dir: Direction): void {
    if (dir === SERVER) this.serverFlight++
    else if (this.serverFlight > 0) this.clientFlight++
  }

  /** The client's Finished was decrypted: TLS 1.3 is done. True when that is news. */
  onFinished(): boolean {
    if (this.done) return false
    this.complete()
    return true
  }

  /** Judges an application_data record. */
  onOpaque(dir: Direction, length: number): Opaque {
    const tail = this.splitTail(dir)
    this.lastDir = dir
    this.lastLength = length
    if (this.open) return length === this.sealed(ALERT_BYTES) && !tail && this.mayBe13() ? Opaque.alert : Opaque.data
    if (this.version === 0 && !this.clientHello) {
      this.open = true // begun before the capture
      return length === this.sealed(ALERT_BYTES) ? Opaque.alert : Opaque.data
    }
    if (this.version >= TLS_1_3 || (this.version === 0 && this.offers13 && !this.clientKeyExchange)) {
      return this.onOpaque13(dir, length)
    }
    // TLS <= 1.2 sends no data before its Finished: a gap hid it. False start (RFC 7918) has data before the peer's.
    this.finished[dir] = true
    return this.bothFinished() ? Opaque.firstData : Opaque.data
  }

  private onOpaque13(dir: Direction, length: number): Opaque {
    if (length === this.sealed(ALERT_BYTES)) return Opaque.alert
    if (dir === SERVER) {
      // Second case: only the server's direction is in the capture, and this follows its Finished.
      if (this.clientFlight > 0 || (this.serverFinished && !this.clientHello)) {
        this.complete()
        return Opaque.firstData
      }
      this.serverFlight++
      if (this.isFinished(length)) this.serverFinished = true
      return Opaque.handshake
    }
    // Before the server's flight: 0-RTT data. Where none was offered, the server's direction was not captured.
    if (this.serverFlight === 0 && (this.version !== 0 || this.earlyData)) return Opaque.handshake
    if (this.isFinished(length)) {
      this.complete()
      return Opaque.finished
    }
    if (length === this.sealed(EMPTY_CERTIFICATE_BYTES)) return Opaque.emptyCertificate
    this.clientFlight++
    return Opaque.handshake
  }

  /** Record length of so many plain bytes in TLS 1.3. */
  private sealed(bytes: number): number {
    return bytes + INNER_TYPE_BYTES + (this.cipher === TLS_AES_128_CCM_8_SHA256 ? 8 : 16)
  }

  /** Finished: header and verify_data as long as the hash of the cipher suite (RFC 8446 4.4.4), unknown with the suite. */
  private isFinished(length: number): boolean {
    const sha256 = length === this.sealed(4 + 32)
    const sha384 = length === this.sealed(4 + 48)
    return this.cipher === 0 ? sha256 || sha384 : this.cipher === TLS_AES_256_GCM_SHA384 ? sha384 : sha256
  }

  /** The record before, of the same side, was long: this one may be the end of the same write. */
  private splitTail(dir: Direction): boolean {
    return this.lastDir === dir && this.lastLength >= SPLIT_WRITE_BYTES
  }

  private mayBe13(): boolean {
    return this.version === 0 || this.version >= TLS_1_3
  }

  private bothFinished(): boolean {
    if (this.done || !this.finished[CLIENT] || !this.finished[SERVER]) return false
    this.complete()
    return true
  }

  private complete(): void {
    this.done = true
    this.open = true
  }
}
