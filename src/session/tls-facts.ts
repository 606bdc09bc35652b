/** TLS facts of a session, and what record sizes and directions tell about commands when nothing can be decrypted. */
import { CLIENT, type Direction, SERVER } from '../core/direction.ts'
import type { Instant } from '../core/time.ts'
import type { Connection } from '../tcp/connection.ts'
import { alertName } from '../tls/alerts.ts'
import type { CertificateFact, ClientHello, ServerHello, TlsListener } from '../tls/listener.ts'
import { cipherName, versionName } from '../tls/names.ts'
import { plaintextKind } from '../tls/plaintext.ts'
import { TlsTracker } from '../tls/tracker.ts'
import type { SessionRecorder } from './recorder.ts'
import type { PlaintextFact, TlsCertificate, TlsFacts, TlsOffer } from './session.ts'
import { EventKind } from './timeline.ts'

const ALERTS_KEPT = 8
const CERTIFICATES_KEPT = 4
const PLAINTEXT_KEPT = 8
/** Cipher suites named of an offer: OpenSSL's longest default list has about thirty. */
const CIPHERS_KEPT = 64
const NOTHING: readonly never[] = Object.freeze([])
/** Plaintext of COM_QUIT and COM_PING: a 4-byte header and the command byte. */
const SHORTEST_COMMAND = 5
/** COM_STMT_CLOSE: as above, with a statement id of four bytes. */
const STMT_CLOSE = 9
const CLOSE_NOTIFY = 0
const TLS12 = 0x0303
const TLS13 = 0x0304
/** ClientHello.random, RFC 8446 4.1.2. */
const RANDOM_BYTES = 32

export class TlsFactsRecorder implements TlsListener {
  private readonly recorder: SessionRecorder
  private readonly conn: Connection
  private readonly tracker: TlsTracker
  private version: number | null = null
  private cipher: number | null = null
  private sni: string | null = null
  private clientRandom: string | null = null
  private done = false
  private failed = false
  private readonly alerts: TlsFacts['alerts'][number][] = []
  /** Most handshakes have none of the first and third: one shared nothing until then. */
  private certificates: readonly TlsCertificate[] = NOTHING
  private plaintext: readonly PlaintextFact[] = NOTHING
  private offer: ClientHello | null = null
  private resumed = false
  private readonly requestFrame: number
  private readonly requestAt: Instant
  private helloFrame = 0
  private serverHelloFrame = 0
  private completeFrame = 0
  private completeAt: Instant = 0
  private readonly records: [number, number] = [0, 0]
  private readonly lastAt: [number, number] = [0, 0]
  private readonly lastLength: [number, number] = [0, 0]
  private helloSeen = false

  /** `requestFrame`, `requestAt`: MySQL's SSLRequest, 0 when there was none. `midstream`: TLS was under way when the capture began. */
  constructor(
    recorder: SessionRecorder,
    conn: Connection,
    requestFrame = 0,
    requestAt: Instant = 0,
    midstream = false,
  ) {
    this.requestFrame = requestFrame
    this.requestAt = requestAt
    this.recorder = recorder
    this.conn = conn
    this.tracker = new TlsTracker(this, midstream)
  }

  data(dir: Direction, buf: Uint8Array, start: number, end: number, at: Instant, frame: number): void {
    this.tracker.data(dir, buf, start, end, at, frame)
  }

  gap(dir: Direction, bytes: number, at: Instant, frame: number): void {
    this.tracker.gap(dir, bytes, at, frame)
  }

  clientHello(h: ClientHello, at: Instant, frame: number): void {
    this.helloSeen = true
    this.helloFrame = frame
    this.offer = h
    this.sni = h.sni
    // After a HelloRetryRequest the client keeps its random (RFC 8446 4.1.2).
    if (h.random.length === 2 * RANDOM_BYTES) this.clientRandom = h.random
    this.recorder.trace?.add('tls', CLIENT, at, frame, 'ClientHello', h.sni === null ? '' : `server name ${h.sni}`)
  }

  serverHello(h: ServerHello, at: Instant, frame: number): void {
    this.helloSeen = true
    if (!h.retryRequest) this.serverHelloFrame = frame
    this.resumed = h.resumed
    // TLS 1.3 calls itself 1.2 and says so in an extension (RFC 8446 4.2.1), which the snapshot length may have cut off.
    this.version = h.truncated && h.version === TLS12 ? null : h.version
    this.cipher = h.truncated && h.cipher === 0 ? null : h.cipher
    const says = `${this.version === null ? 'TLSv1.2 or later' : versionName(h.version)}, ${cipherName(h.cipher)}`
    this.recorder.trace?.add('tls', SERVER, at, frame, h.retryRequest ? 'HelloRetryRequest' : 'ServerHello', says)
  }

  certificate(c: CertificateFact, at: Instant, frame: number): void {
    if (this.certificates.length < CERTIFICATES_KEPT) {
      const { dir, inferred, altNames, ...rest } = c
      this.certificates = [...this.certificates, { by: dir, ...rest, frame, at }]
    }
    const says = c.chainLength === 0 ? 'none' : `${c.subject}, valid ${c.notBefore} to ${c.notAfter}`
    this.recorder.trace?.add('tls', c.dir, at, frame, 'Certificate', says)
  }

  alert(dir: Direction, level: number, description: number, encrypted: boolean, at: Instant, frame: number): void {
    const name = encrypted ? this.encryptedAlert() : description < 0 ? 'cut' : alertName(description)
    const levelName = level === 2 ? 'fatal' : level === 1 ? 'warning' : 'unknown'
    if (this.alerts.length < ALERTS_KEPT)
      this.alerts.push({
        by: dir,
        level: levelName,
        description: name,
        number: encrypted ? -1 : description,
        frame,
        at,
      })
    if (!encrypted && !this.done && description !== CLOSE_NOTIFY) this.failed = true
    this.recorder.event(EventKind.tlsAlert, dir, at, frame, description)
    this.recorder.trace?.add('tls', dir, at, frame, 'Alert', `${levelName} ${name}`, true)
  }

  handshakeDone(at: Instant, frame: number): void {
    this.done = true
    this.completeFrame = frame
    this.completeAt = at
    this.offer = null
    this.recorder.trace?.add('tls', SERVER, at, frame, 'handshake', 'complete')
  }

  applicationData(dir: Direction, length: number, at: Instant, frame: number): void {
    this.records[dir]++
    this.lastAt[dir] = at
    this.lastLength[dir] = length
    const fromClient = dir === CLIENT
    const mayBeQuit = fromClient && (this.holds(length, SHORTEST_COMMAND) || this.isPadded(length))
    // Of COM_PING there is nothing to lose: what may be one is not waited for either.
    this.recorder.opaque(dir, length, at, frame, mayBeQuit, mayBeQuit || (fromClient && this.holds(length, STMT_CLOSE)))
    this.recorder.trace?.add('tls', dir, at, frame, 'application data', `${length} bytes, encrypted`)
  }

  notTls(dir: Direction, firstBytes: string, at: Instant, frame: number): void {
    const text = plaintextKind(firstBytes)
    if (text.kind === 'COM_QUIT' && dir === CLIENT) this.recorder.plainQuit(at, frame)
    if (this.plaintext.length < PLAINTEXT_KEPT) {
      const error = text.kind === 'ERR_Packet' ? text : { code: 0, message: '' }
      this.plaintext = [
        ...this.plaintext,
        { by: dir, kind: text.kind, code: error.code, message: error.message, frame, at },
      ]
    }
    this.recorder.unreadable(dir, `not TLS: ${firstBytes}`, at, frame)
  }

  resynced(_dir: Direction, _at: Instant, _frame: number): void {
    this.recorder.resyncs++
  }

  /** The connection is over: hands up a ClientHello of which only part ever came. */
  end(at: Instant): void {
    this.tracker.end(CLIENT, at, this.conn.halves[CLIENT].lastFrame)
    this.tracker.end(SERVER, at, this.conn.halves[SERVER].lastFrame)
  }

  /** TLS 1.2 says by record type that it is an alert; in TLS 1.3 only its size speaks. */
  private encryptedAlert(): string {
    return this.version === TLS13 ? 'encrypted (suspected by its size)' : 'encrypted'
  }

  facts(): TlsFacts {
    return {
      version: this.version === null ? null : versionName(this.version),
      cipher: this.cipher === null ? null : cipherName(this.cipher),
      sni: this.sni,
      clientRandom: this.clientRandom,
      alerts: this.alerts,
      requestFrame: this.requestFrame,
      requestAt: this.requestAt,
      step: this.done
        ? 'complete'
        : this.serverHelloFrame > 0
          ? 'ServerHello'
          : this.helloFrame > 0
            ? 'ClientHello'
            : 'none',
      helloFrame: this.helloFrame,
      serverHelloFrame: this.serverHelloFrame,
      completeFrame: this.completeFrame,
      completeAt: this.completeAt,
      resumed: this.resumed,
      offered: this.offer === null ? null : offerOf(this.offer),
      // After the handshake nobody asks for them any more: many sessions, and the same few certificates.
      certificates: this.done && this.records[CLIENT] > 1 ? NOTHING : this.certificates,
      plaintext: this.plaintext,
      handshake: this.done ? 'complete' : this.helloSeen || this.failed ? this.openOrFailed() : 'unseen',
      records: this.records,
      lastRecordAt: this.lastAt,
      lastRecordLength: this.lastLength,
    }
  }

  /** A handshake that did not finish failed only if the connection ended; a capture that ended first has not seen it. */
  private openOrFailed(): 'failed' | 'unseen' {
    return this.failed || this.conn.closed || this.conn.halves[0].finSeen || this.conn.halves[1].finSeen
      ? 'failed'
      : 'unseen'
  }

  /** Whether a record holds exactly so many bytes: RFC 8446 5.2, RFC 5288 3 (GCM: nonce and tag), RFC 7905 2 (ChaCha20: tag). */
  private holds(length: number, bytes: number): boolean {
    if (this.version === TLS13) return length === bytes + 1 + 16
    if (this.version === null && length === bytes + 1 + 16) return true
    return length === bytes + 8 + 16 || length === bytes + 16
  }

  /** TLS 1.2 CBC pads to blocks with IV and MAC (RFC 5246 6.2.3.2): short commands look alike. */
  private isPadded(length: number): boolean {
    return this.version !== TLS13 && length <= 96 && length % 16 === 0
  }
}

function offerOf(h: ClientHello): TlsOffer {
  return {
    versions: (h.versions.length > 0 ? h.versions : [h.legacyVersion]).map(versionName),
    ciphers: h.ciphers.slice(0, CIPHERS_KEPT).map(cipherName),
    resumption: h.pskOffered || h.ticketOffered,
    truncated: h.truncated,
  }
}
