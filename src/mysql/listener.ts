/**
 * What the mysql layer hands up: the facts of one MySQL connection, in order. Implemented by the session layer.
 * Everything is a fact that stood in the bytes; nothing is concluded here. Hot methods take numbers and borrowed bytes only.
 */
import type { Direction } from '../core/direction.ts'
import type { Instant } from '../core/time.ts'

/** How the bytes were recognised as MySQL. */
export type RecognisedBy = 'greeting' | 'error-greeting' | 'login' | 'command' | 'response' | 'port'

export type Flavor =
  | 'mysql'
  | 'mariadb'
  | 'percona'
  | 'proxysql'
  | 'router'
  | 'maxscale'
  | 'tidb'
  | 'vitess'
  | 'unknown'

/** Manual: Protocol::HandshakeV10 (or V9). */
export interface Greeting {
  protocol: number
  serverVersion: string
  flavor: Flavor
  connectionId: number
  /** Capability bits 0-31. */
  capabilities: number
  /** MariaDB extended capability bits (32-63), 0 elsewhere. */
  mariadbCapabilities: number
  charset: number
  statusFlags: number
  authPlugin: string
  /** The scramble in hex: equal on both legs where a proxy passes it through. It is a public challenge, not a secret. */
  scramble: string
}

/** Manual: Protocol::HandshakeResponse41 (or 320). Credentials are never kept. */
export interface Login {
  user: string
  schema: string
  capabilities: number
  mariadbCapabilities: number
  charset: number
  authPlugin: string
  /** Bytes of the authentication response: 0 means no password was sent. */
  authResponseLength: number
  /** Connection attributes (_client_name, _client_version, program_name, _pid …), at most 32, values cut at 256 characters. */
  attributes: Record<string, string>
  maxPacketSize: number
}

/** PROXY protocol header ahead of the greeting. */
export interface ProxyHeader {
  version: 1 | 2
  command: 'PROXY' | 'LOCAL' | 'UNKNOWN'
  /** `ip:port` of the original client and destination, '' when the header does not carry them. */
  source: string
  destination: string
}

/** A session tracker item in an OK packet (manual: Protocol::OK_Packet, session state information). */
export interface TrackedChange {
  /** 0 system variables, 1 schema, 2 state change, 3 GTIDs, 4 transaction characteristics, 5 transaction state. */
  type: number
  name: string
  value: string
}

/** First packet that answers a command. */
export const ReplyKind = {
  OK: 0,
  ERR: 1,
  EOF: 2,
  ResultSet: 3,
  LocalInfile: 4,
  PrepareOk: 5,
  Text: 6,
  Stream: 7,
  Auth: 8,
} as const
export type ReplyKind = (typeof ReplyKind)[keyof typeof ReplyKind]

export interface MysqlListener {
  recognised(by: RecognisedBy, at: Instant, frame: number): void
  proxyHeader(header: ProxyHeader, at: Instant, frame: number): void
  greeting(greeting: Greeting, at: Instant, frame: number): void
  /** SSLRequest: from here on both directions belong to TLS; the mysql layer stops reading. */
  sslRequest(capabilities: number, at: Instant, frame: number): void
  login(login: Login, at: Instant, frame: number): void
  /** Auth switch, more data, next factor; `detail` e.g. "caching_sha2_password" or "fast authentication succeeded". */
  auth(
    dir: Direction,
    what: 'switch' | 'more-data' | 'next-factor' | 'response',
    detail: string,
    at: Instant,
    frame: number,
  ): void
  /** The login (or COM_CHANGE_USER) ended with OK. An ERR comes through `error` with phase 'auth' instead. */
  authenticated(at: Instant, frame: number): void
  /**
   * The first bytes of a command are here: `op` = command byte, `length` = payload length incl. the command byte (of a
   * message split over several 16 MiB packets: of the first one; it grows).
   */
  commandBegin(op: number, length: number, at: Instant, frame: number): void
  /**
   * A command has arrived whole. buf[start, end) = its argument in hand: statement text for COM_QUERY and
   * COM_STMT_PREPARE (query attributes already stripped), schema for COM_INIT_DB, otherwise the bytes after the command byte;
   * at most `LIMITS.sqlPreviewBytes` when it had to be assembled from several segments. `argumentLength` is its true length.
   * `statementId` is set for COM_STMT_* that name one (4294967295: MariaDB's "the last one prepared"); for
   * COM_PROCESS_KILL it is the connection id to kill; -1 otherwise. Of COM_CHANGE_USER the argument is the user name only;
   * a `login` with the new user follows at once.
   */
  command(
    op: number,
    buf: Uint8Array,
    start: number,
    end: number,
    argumentLength: number,
    statementId: number,
    at: Instant,
    frame: number,
  ): void
  /** The first packet of the answer to the oldest outstanding command; with several results, of each result. */
  replyBegin(kind: ReplyKind, at: Instant, frame: number): void
  /** COM_STMT_PREPARE was answered: the text of the last prepared command now has this id. */
  prepared(statementId: number, parameters: number, columns: number): void
  /**
   * The answer is complete. `statusFlags` -1 when the final packet carries none. `rows` and `columns` of the last result
   * set; `more` when SERVER_MORE_RESULTS_EXISTS announces another result (then the command stays outstanding).
   */
  replyEnd(statusFlags: number, rows: number, columns: number, more: boolean, at: Instant, frame: number): void
  /**
   * ERR_Packet. It ends the answer: no replyEnd follows. `phase` 'greeting' instead of a greeting, 'auth' in the
   * connection phase or to COM_CHANGE_USER (which is then answered), 'reply' to a command (which is then answered; after a
   * gap it may be one never seen), 'unsolicited' with no command outstanding (sequence id 0: 4031, 1053 …).
   */
  error(
    phase: 'greeting' | 'auth' | 'reply' | 'unsolicited',
    code: number,
    sqlState: string,
    message: string,
    sequenceId: number,
    at: Instant,
    frame: number,
  ): void
  /**
   * The oldest outstanding command is no longer outstanding, and its answer (or the rest of it) will never be reported: it
   * fell into a gap. Comes when the next command or its answer shows that the client must have had it.
   */
  answerLost(at: Instant, frame: number): void
  /** Session trackers of an OK packet (CLIENT_SESSION_TRACK). */
  tracked(changes: readonly TrackedChange[], at: Instant, frame: number): void
  /** A sequence id that does not fit. `expected`/`got` as on the wire. */
  outOfOrder(dir: Direction, expected: number, got: number, at: Instant, frame: number): void
  /** Bytes that are not MySQL (wrong protocol, plain text in TLS …): `what` names them where known. */
  unreadable(dir: Direction, what: string, at: Instant, frame: number): void
  /** Decoding resumed after a gap or unreadable bytes. */
  resynced(dir: Direction, at: Instant, frame: number): void
  /** Protocol options were inferred since the login was not captured. */
  inferred(what: string): void
}
