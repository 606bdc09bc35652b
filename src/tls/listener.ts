/**
 * What the tls layer hands up: the facts of one TLS connection, in order. Implemented by the session layer. Facts come from
 * what TLS shows in the clear (RFC 8446, RFC 5246), or with keys also from what it hides; where something is inferred from
 * record sizes the method says so.
 */
import type { Direction } from '../core/direction.ts'
import type { Instant } from '../core/time.ts'

/** ClientHello, RFC 8446 4.1.2 and RFC 5246 7.4.1.2. GREASE values (RFC 8701) are left out of every list. */
export interface ClientHello {
  /** client_version field; TLS 1.3 freezes it at 0x0303. */
  legacyVersion: number
  /** supported_versions extension in the client's order, empty when absent. */
  versions: readonly number[]
  /** The highest version offered, by the extension or else by the legacy field. */
  maxVersion: number
  /** Cipher suite numbers in the client's order, with the signalling ones (0x00ff, 0x5600). */
  ciphers: readonly number[]
  /** server_name (RFC 6066 3), null when absent. */
  sni: string | null
  /** application_layer_protocol_negotiation (RFC 7301). */
  alpn: readonly string[]
  /** Client random in hex: names the session in a key log, and is equal on both legs where a proxy passes TLS through. */
  random: string
  sessionId: string
  sessionIdLength: number
  /** A session_ticket extension that carries a ticket (RFC 5077). */
  ticketOffered: boolean
  /** The beginning of that ticket in hex, '' without one. */
  ticket: string
  /** pre_shared_key: TLS 1.3 resumption. */
  pskOffered: boolean
  /** early_data: the client sends 0-RTT records before the server has spoken. */
  earlyDataOffered: boolean
  /** The second ClientHello, after a HelloRetryRequest. */
  afterRetry: boolean
  /** Only the first part was seen (snapshot length, gap, end of stream); lists may be short. */
  truncated: boolean
}

/** ServerHello, RFC 8446 4.1.3 and RFC 5246 7.4.1.3. */
export interface ServerHello {
  /** The version selected: supported_versions extension or else the legacy field. */
  version: number
  legacyVersion: number
  cipher: number
  random: string
  sessionId: string
  sessionIdLength: number
  /** compression_method: 0 is none, and nobody uses another. */
  compression: number
  /** RFC 7366 and RFC 7627: TLS <= 1.2. */
  encryptThenMac: boolean
  extendedMasterSecret: boolean
  /** HelloRetryRequest: a ServerHello with a fixed random (RFC 8446 4.1.3); another ClientHello follows. */
  retryRequest: boolean
  /** TLS 1.3: a pre-shared key was selected. TLS <= 1.2: the client's session id was echoed (RFC 5246 7.4.1.3, RFC 5077 3.4). */
  resumed: boolean
  alpn: string | null
  truncated: boolean
}

/** The leaf of a Certificate message (TLS <= 1.2, where it is in the clear), RFC 5280. */
export interface CertificateFact {
  /** Whose certificate. */
  dir: Direction
  /** Certificates in the message; 0 = the side was asked for one and has none. */
  chainLength: number
  /** Common names, or the whole name on one line when it has none; '' when unreadable. */
  subject: string
  issuer: string
  /** RFC 3339, UTC; '' when unreadable. */
  notBefore: string
  notAfter: string
  selfSigned: boolean
  /** subjectAltName as text, '' if none. */
  altNames: string
  /** True for a TLS 1.3 client's empty Certificate, recognised by the only size it can have. */
  inferred: boolean
}

/** Why application data could not be read. */
export type Unread =
  /** No key log has this session, and no RSA key opens it. */
  | 'no-keys'
  /** ClientHello or ServerHello are not in the capture: which session it is, and its cipher suite, are unknown. */
  | 'handshake-unseen'
  /** A cipher suite, or compression, that we cannot undo. */
  | 'cipher'
  /** There are keys for this session, and they open none of its records. */
  | 'wrong-keys'
  /** Read up to a place behind which no record would open: bytes were lost or changed. */
  | 'place-lost'

export interface TlsListener {
  clientHello(hello: ClientHello, at: Instant, frame: number): void
  serverHello(hello: ServerHello, at: Instant, frame: number): void
  certificate(certificate: CertificateFact, at: Instant, frame: number): void
  /**
   * RFC 8446 6. In the clear: level (1 warning, 2 fatal) and description as sent. `encrypted`: both are -1; certain in TLS <= 1.2
   * (the record type says alert), suspected by record size in TLS 1.3 (2 + 1 + tag bytes, which no MySQL packet fits).
   */
  alert(dir: Direction, level: number, description: number, encrypted: boolean, at: Instant, frame: number): void
  /**
   * The handshake is complete as far as visible, at most once; progress.ts has the inference. Not called when the
   * connection began before the capture.
   */
  handshakeDone(at: Instant, frame: number): void
  /**
   * A record of application data begins: `length` = TLSCiphertext.length (RFC 8446 5.2), without the 5 header bytes; `frame` holds
   * its header. In TLS 1.3 NewSessionTicket and KeyUpdate look the same and are counted (MySQL servers send one or two
   * tickets, ~250 bytes each, before their first answer). Called for every record: keep it cheap.
   */
  applicationData(dir: Direction, length: number, at: Instant, frame: number): void
  /**
   * The content of a record of application data, decrypted and verified: buf[start, end), borrowed. `length` as in
   * `applicationData`, which is not called for it.
   */
  plaintext(
    dir: Direction,
    length: number,
    buf: Uint8Array,
    start: number,
    end: number,
    at: Instant,
    frame: number,
  ): void
  /** After some plaintext: content that the capture lost or that does not decrypt; `bytes` is -1 when unknown. */
  plaintextLost(dir: Direction, bytes: number, at: Instant, frame: number): void
  /** Nothing will be decrypted from here on; records are told by size again. At most once. */
  unreadable(why: Unread, at: Instant, frame: number): void
  /** Seen only in what was decrypted: another handshake on this connection (TLS <= 1.2), new keys of one side (TLS 1.3). */
  rekeyed(what: 'renegotiation' | 'KeyUpdate', dir: Direction, at: Instant, frame: number): void
  /**
   * Bytes at a record boundary that are no TLS record: plain text in the stream. `firstBytesHex`: up to 64 bytes of that
   * segment, plaintext.ts tells what they are. The direction is then resynchronised.
   */
  notTls(dir: Direction, firstBytesHex: string, at: Instant, frame: number): void
  /** Records are followed again after a gap, plain text, or a start in the middle of a record. */
  resynced(dir: Direction, at: Instant, frame: number): void
}
