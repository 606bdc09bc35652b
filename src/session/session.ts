/**
 * One session: the whole story of one TCP connection that spoke (or should have spoken) MySQL, as facts. Made once when
 * the connection is finished; plain data, small, shared by rules and reports. Nothing in it is a verdict.
 */
import type { Direction } from '../core/direction.ts'
import type { Duration, Instant } from '../core/time.ts'
import type { Flavor, Greeting, Login, ProxyHeader, RecognisedBy } from '../mysql/listener.ts'
import type { Outcome } from '../report/model.ts'
import type { StateFacts } from '../state/step.ts'
import type { IcmpFact, ResetFact, RoleBy } from '../tcp/connection.ts'
import type { Unread } from '../tls/listener.ts'
import type { Plaintext } from '../tls/plaintext.ts'
import type { CommandCounts } from './command-counts.ts'
import type { Exchanges } from './exchanges.ts'
import type { ProxyNote } from './proxy-note.ts'
import type { TimelineEvent } from './timeline.ts'

export type { IcmpFact, ResetFact }

/** Facts of one direction, taken from tcp/half.ts when the connection was finished. */
export interface SideFacts {
  bytes: number
  segments: number
  retransmissions: number
  /** Retransmissions after the peer's last acknowledgment of new bytes: the peer, or the path to it, has gone silent. */
  retransmissionsUnanswered: number
  outOfOrder: number
  keepAlives: number
  duplicates: number
  zeroWindows: number
  longestZeroWindow: Duration
  /** The side was refusing data (window 0) when the connection ended: since when, -1 if not. */
  zeroWindowSince: Instant
  lostBytes: number
  snaplenBytes: number
  /** Bytes sent and never acknowledged. */
  unacknowledged: number
  /** First of the unanswered retransmissions, 0 if none, and their payload sizes. */
  firstUnansweredAt: Instant
  firstUnansweredFrame: number
  lastRetransmissionAt: Instant
  lastRetransmissionFrame: number
  largestUnanswered: number
  smallestUnanswered: number
  maxSegmentSize: number
  lastKeepAliveAt: Instant
  zeroWindowFrame: number
  lostFrame: number
  /** SACK blocks sent by the other side: it has bytes beyond a hole, or had some twice. */
  sackBlocks: number
  /** Largest payload of this side that is known to have arrived (acknowledged): a lower bound. */
  largestDelivered: number
  /** First hole that was never filled nor acknowledged: lost by the network. Its bytes, when something came beyond it, and the largest such segment. */
  missingBytes: number
  missingAt: Instant
  missingFrame: number
  largestBeyond: number
  finAt: Instant
  finFrame: number
  lastAt: Instant
  lastFrame: number
  lastDataAt: Instant
  lastDataFrame: number
  ttl: number
  seen: boolean
}

/** A command with what became of it. */
export interface CommandFact {
  op: number
  /** COM_ name, or 'TLS record' for a request that could not be read. */
  name: string
  at: Instant
  frame: number
  /** Statement text or other argument in hand, cut at LIMITS.sqlPreviewBytes; null when it cannot be read. */
  text: string | null
  /** It arrived whole in the capture. */
  complete: boolean
  /** Payload length that its header declares, bytes (of the first packet when split over several of 16 MiB). */
  length: number
  outcome: Outcome
  /** First and last frame of the answer, 0 if none. */
  replyFrame: number
  replyAt: Instant
  /** Idle time before it, 0 if others were in flight or the time is not known. */
  idleBefore: Duration
}

/** Requests that only ask whether the connection lives: COM_PING, and queries like SELECT 1. */
export interface ValidationFact {
  count: number
  firstAt: Instant
  firstFrame: number
  lastAt: Instant
  lastFrame: number
}

/** What the first FIN or accepted RST met. */
export interface FirstClose {
  by: Direction
  how: 'fin' | 'rst'
  at: Instant
  frame: number
  /** Command outstanding at that moment (sent, not wholly answered), or null. */
  outstanding: CommandFact | null
  /** Payload before it: the last of each side. */
  lastClientDataAt: Instant
  lastServerDataAt: Instant
  lastClientDataFrame: number
  lastServerDataFrame: number
  /** Time without payload in either direction before it. */
  silence: Duration
  /** Time without requests and answers before it: as `silence`, but the server's farewell (ERR 4031, TLS alert) does not count. */
  idle: Duration
  inTransaction: boolean
  /** Bytes that the client had sent behind the oldest unanswered request (in TLS: behind its first record). */
  sentBehind: number
  /**
   * The capture lacks what decides it: bytes in which the answer to the last command may lie (then `outstanding` is null because nobody
   * knows), the client's last words, or one of the two directions.
   */
  unsure: boolean
}

/** How the connection ended: facts only. */
export interface Ending {
  /** The first FIN or accepted RST, null when none was seen. */
  first: FirstClose | null
  /** COM_QUIT was the client's last command. */
  quit: boolean
  quitFrame: number
  /** The command that never got its whole answer, sent before or after the first close; null when none was lost. */
  lost: CommandFact | null
  /** The command outstanding when the connection, or the capture, ended; lost or not. */
  unanswered: CommandFact | null
  /** `lost` was sent after the first close by the other side. */
  lostAfterClose: boolean
  /** The first RST that the receiver accepted, null when none. */
  reset: ResetFact | null
  resets: readonly ResetFact[]
  resetCount: number
  /** 'open': the capture ended first; 'port-reuse': a new connection took the endpoints. */
  how: 'fin' | 'rst' | 'open' | 'port-reuse'
  silence: Duration
}

export interface ErrorFact {
  phase: 'greeting' | 'auth' | 'reply' | 'unsolicited'
  code: number
  sqlState: string
  message: string
  sequenceId: number
  at: Instant
  frame: number
  /** Command it answers, -1 if none, and its statement where there is one. */
  op: number
  statement: string | null
  /** Payload length of that command, bytes; 0 if none. */
  commandLength: number
}

export interface KillFact {
  connectionId: number
  query: boolean
  at: Instant
  frame: number
}

/** A packet of the authentication exchange (manual: AuthSwitchRequest, AuthMoreData, AuthNextFactor, AuthSwitchResponse). */
export interface AuthFact {
  by: Direction
  what: string
  /** Plugin name, or what a plugin's byte means. */
  detail: string
  at: Instant
  frame: number
}

/** An answer that does not belong to its command, or that nobody reads. */
export interface DesyncFact {
  /** mismatch: rows for a statement that gives none, or the reverse; unread: the client went on without the answer. */
  kind: 'mismatch' | 'unread'
  /** Of a mismatch the answer, of an unread one the command that was sent instead of waiting. */
  at: Instant
  frame: number
  /** The command whose answer it is about. */
  commandFrame: number
  text: string | null
  /** What a mismatched answer was: OK or rows. */
  got: string
  /** How long the client had waited for the unread answer. */
  waited: Duration
}

export interface MysqlFacts {
  recognisedBy: RecognisedBy
  recognisedFrame: number
  proxyHeader: ProxyHeader | null
  proxyHeaderFrame: number
  greeting: Greeting | null
  greetingFrame: number
  greetingAt: Instant
  login: Login | null
  loginFrame: number
  /** Frame of the OK that ended the login, 0 if none was seen. */
  authenticatedFrame: number
  /** Of a login that did not succeed: the last packet that is neither login nor ERR; null when there was none. */
  lastAuth: AuthFact | null
  flavor: Flavor
  schema: string
  compression: 'none' | 'zlib' | 'zstd'
  commands: CommandCounts
  /** Errors counted by code, with the first message of each. */
  errors: readonly { code: number; count: number; message: string }[]
  /** The first and the last few errors in full. */
  errorFacts: readonly ErrorFact[]
  kills: readonly KillFact[]
  /** It told the server to shut down (SHUTDOWN, COM_SHUTDOWN) and was not refused; null if not. */
  shutdown: { at: Instant; frame: number } | null
  lastStatusFlags: number
  /** Packets whose sequence id was not the one expected: the first of them. */
  outOfOrder: { count: number; dir: Direction; at: Instant; frame: number; expected: number; got: number }
  /** Commands sent while an earlier one had no whole answer: the first of them, that earlier one, and when its answer was whole (-1 never). */
  overlaps: { count: number; at: Instant; frame: number; earlierFrame: number; answeredAt: Instant }
  resynced: number
  inferred: readonly string[]
  /** Longest idle time, from an answer to the next command, that the connection survived: that command was answered. */
  longestIdle: Duration
  validations: ValidationFact
  /** The first answer that does not belong to its command; null when all do. */
  desync: DesyncFact | null
  /** What changed its state and ran with it; null when nothing did. */
  state: StateFacts | null
}

/** ClientHello (RFC 8446 4.1.2): versions as the manual spells them, cipher suites by their IANA names, in the client's order. */
export interface TlsOffer {
  versions: readonly string[]
  ciphers: readonly string[]
  /** It asked to resume an earlier session. */
  resumption: boolean
  /** Only its first part came. */
  truncated: boolean
}

/** A Certificate message and its leaf (RFC 5280). */
export interface TlsCertificate {
  by: Direction
  /** 0: the side was asked for a certificate and has none. */
  chainLength: number
  subject: string
  issuer: string
  /** RFC 3339 in UTC, '' when unreadable. */
  notBefore: string
  notAfter: string
  selfSigned: boolean
  frame: number
  at: Instant
}

/** Plain text in a TLS stream (tls/plaintext.ts). */
export interface PlaintextFact {
  by: Direction
  kind: Plaintext['kind']
  /** Of an ERR_Packet: code and message; 0 and '' otherwise. */
  code: number
  message: string
  frame: number
  at: Instant
}

export interface TlsFacts {
  version: string | null
  cipher: string | null
  sni: string | null
  /** ClientHello.random in hex: equal on both legs where a proxy passes TLS through; null when it was not seen. */
  clientRandom: string | null
  /** `number`: AlertDescription as sent (RFC 8446 6), -1 when it was encrypted or cut. */
  alerts: readonly { by: Direction; level: string; description: string; number: number; frame: number; at: Instant }[]
  handshake: 'complete' | 'failed' | 'unseen'
  /** Frame and time of MySQL's SSLRequest, 0 where the connection spoke TLS from its first byte or its begin was not seen. */
  requestFrame: number
  requestAt: Instant
  /** How far the handshake came. */
  step: 'none' | 'ClientHello' | 'ServerHello' | 'complete'
  /** Frames of ClientHello, ServerHello and what completed the handshake, 0 where not seen. */
  helloFrame: number
  serverHelloFrame: number
  completeFrame: number
  completeAt: Instant
  /** An earlier TLS session was resumed (RFC 8446 2.2; RFC 5246 7.4.1.3). */
  resumed: boolean
  /** What the client offered; null when it was not seen, and once the handshake is complete. */
  offered: TlsOffer | null
  /** Leaf certificates that were in the clear; empty once the client has sent data after the handshake. */
  certificates: readonly TlsCertificate[]
  /** Plain text where a TLS record belongs: the first few. */
  plaintext: readonly PlaintextFact[]
  /** Application data records seen after the handshake, by side. */
  records: [number, number]
  /** Time, and length without header (RFC 8446 5.2), of the last of them, by side; 0 if none. */
  lastRecordAt: [Instant, Instant]
  lastRecordLength: [number, number]
  /** What TLS hides was read with keys: the session is known as one without TLS. */
  decrypted: boolean
  /** Why it was not (or not to its end); null when it was, or when there was nothing to decrypt. */
  unread: Unread | null
  /** Seen only where decrypted: handshakes after the first (TLS <= 1.2), KeyUpdates (TLS 1.3). */
  renegotiations: number
  keyUpdates: number
}

export interface Session {
  /** input name : tcp.stream. */
  id: string
  input: string
  stream: number
  client: string
  server: string
  clientIp: string
  serverIp: string
  serverPort: number
  roleBy: RoleBy
  startAt: Instant
  endAt: Instant
  firstFrame: number
  lastFrame: number
  /** Frames of SYN, SYN-ACK; 0 when not seen. */
  synFrame: number
  synAckFrame: number
  synRetransmissions: number
  /** Initial sequence numbers (RFC 9293 3.4.1) of client and server as int32; null when the SYN, or SYN-ACK, was not seen. */
  isns: [number | null, number | null]
  synAckAt: Instant
  /** From the capture point to the server and back (SYN to SYN-ACK), and to the client and back (SYN-ACK to ACK); -1 unknown. */
  handshakeTimes: { toServer: Duration; toClient: Duration }
  /** Frame and time of an ACK that answered the SYN instead of SYN-ACK; 0 if none. */
  challengeFrame: number
  challengeAt: Instant
  icmpErrors: readonly IcmpFact[]
  /** Other endpoints that the client address tried without a word being said: what a port scan leaves behind. */
  otherEndpointsTried: number
  /** What was said that is not MySQL, on a connection that is or should be: 'http', 'tls-client-hello', 'ssh' … */
  foreign: readonly { dir: Direction; what: string; frame: number }[]
  connState: string
  history: string
  sides: [SideFacts, SideFacts]
  mysql: MysqlFacts | null
  tls: TlsFacts | null
  ending: Ending
  /** First and last events; kept for sessions that lost something, met an error or a KILL, and empty for the others. */
  timeline: readonly TimelineEvent[]
  /** What a recording proxy noted of this leg; null in captures of the network. */
  proxyNote: ProxyNote | null
  /** Its last commands, by which they are found again on another leg. */
  exchanges: Exchanges
  /** File and frame for frames of a series that spans several files: see CaptureGroup. */
  files: FrameMap
}

/** Frame numbers of a ring-buffer series run on over its files; this leads back to the file and its own number. */
export interface FrameMap {
  /** Input name and frame number within it, of a running frame number. */
  locate(frame: number): { input: string; frame: number }
}
