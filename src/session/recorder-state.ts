/**
 * What is known of one connection while it lives: the fields of a recorder and the questions about them (what is
 * outstanding, what the first close met). recorder.ts fills them in.
 */
import { CLIENT, type Direction, SERVER } from '../core/direction.ts'
import type { Limits } from '../core/limits.ts'
import type { Duration, Instant } from '../core/time.ts'
import { Answer, answerOf, Command, commandName } from '../mysql/commands.ts'
import type { MysqlConversation } from '../mysql/conversation.ts'
import type { Greeting, Login, ProxyHeader, RecognisedBy } from '../mysql/listener.ts'
import { Status } from '../mysql/status.ts'
import type { Connection } from '../tcp/connection.ts'
import type { CloseHow } from '../tcp/stream-sink.ts'
import type { Decryption } from '../tls/tracker.ts'
import { CommandCounts } from './command-counts.ts'
import { type Exchanges, exchangesOf } from './exchanges.ts'
import {
  ARRIVING_AT,
  ARRIVING_FRAME,
  ARRIVING_LENGTH,
  ARRIVING_OP,
  AT,
  CLIENT_OFFSET,
  END_OFFSET,
  FRAME,
  IN_FLIGHT,
  LAST_REPLY_AT,
  LONGEST_IDLE,
  NUMBERS,
  OP,
  PUSHED,
  REPLY_AT,
  REPLY_FRAME,
  type SessionRows,
} from './hot.ts'
import { idleBefore, NO_VALIDATIONS, type RecordBurst, spoke } from './idle-times.ts'
import type { ProxyNote } from './proxy-note.ts'
import type { SessionRecorder } from './recorder.ts'
import type {
  AuthFact,
  CommandFact,
  DesyncFact,
  ErrorFact,
  FirstClose,
  KillFact,
  MysqlFacts,
  ValidationFact,
} from './session.ts'
import type { StateLog } from './state-log.ts'
import { StatementStore } from './statement-store.ts'
import { addEvent, type EventKind, eventsOf, type TimelineEvent } from './timeline.ts'
import type { TlsFactsRecorder } from './tls-facts.ts'
import type { Trace } from './trace.ts'

const KILLS_KEPT = 64
export const NOTHING: readonly never[] = Object.freeze([])
export const IN_ORDER: MysqlFacts['outOfOrder'] = Object.freeze({
  count: 0,
  dir: CLIENT,
  at: 0,
  frame: 0,
  expected: 0,
  got: 0,
})
export const NO_OVERLAPS: MysqlFacts['overlaps'] = Object.freeze({
  count: 0,
  at: 0,
  frame: 0,
  earlierFrame: 0,
  answeredAt: -1,
})

/** What a recorder's row held when its connection was finished. */
export interface RowFacts {
  commands: CommandCounts
  events: TimelineEvent[]
  longestIdle: Duration
  exchanges: Exchanges
}

/** Who is told when the connection is finished. */
export interface RecorderOwner {
  finished(recorder: SessionRecorder, how: CloseHow, at: Instant): void
  /** Keys and buffers for TLS. */
  readonly decryption: Decryption
  /** A decoder for MySQL inside TLS that began without MySQL's SSLRequest. */
  converse(recorder: SessionRecorder): MysqlConversation
  /** The bytes are not MySQL's: nobody needs this recorder any more. */
  notMysql(recorder: SessionRecorder): void
}

export abstract class RecorderState {
  readonly conn: Connection
  protected readonly owner: RecorderOwner
  /** Decodes the bytes; set right after construction, since each needs the other. */
  conversation!: MysqlConversation
  /** TLS after SSLRequest, or from the first byte. */
  tls: TlsFactsRecorder | null = null
  trace: Trace | null = null
  /** Its row in hot.ts, -1 until the connection is recognised and after it is finished. */
  protected row = -1
  protected readonly rows: SessionRows
  // What every command or answer touches comes first, so that it lies in few cache lines.
  statusFlags = -1
  /** What changed the session's state and ran with it; null while nothing did. */
  stateLog: StateLog | null = null
  /** Frame at which bytes were last found missing that may have changed the state; 0 if none. */
  lastHole = 0
  /** Four letters of the last COM_QUERY, see leadingWord(). */
  protected leading = 0
  /** A text may hold several statements (CLIENT_MULTI_STATEMENTS); also where the login was not seen. */
  protected severalStatements = true
  /** So far the session has only been set up: see aboutSession(). */
  protected settingUp = true
  /** The capture lost server bytes while commands were in flight, or they came to light late: which of them
   *  is answered is unknown until all are. */
  protected answerHidden = false
  /** The command that was outstanding at the first close, while it waits for a late answer. */
  protected awaiting: CommandFact | null = null

  recognisedBy: RecognisedBy | null = null
  recognisedFrame = 0
  proxy: ProxyHeader | null = null
  proxyFrame = 0
  hello: Greeting | null = null
  greetingFrame = 0
  greetingAt: Instant = 0
  loggedIn: Login | null = null
  loginFrame = 0
  authenticatedFrame = 0
  lastAuth: AuthFact | null = null
  schema = ''
  compression: 'none' | 'zlib' | 'zstd' = 'none'
  /** Empty for most sessions: one shared nothing until the first entry comes. */
  errorCounts: readonly { code: number; count: number; message: string }[] = NOTHING
  errorFacts: readonly ErrorFact[] = NOTHING
  kills: readonly KillFact[] = NOTHING
  shutdown: MysqlFacts['shutdown'] = null
  unreadables: readonly { dir: Direction; what: string; frame: number }[] = NOTHING
  notes: readonly string[] = NOTHING
  outOfOrders: MysqlFacts['outOfOrder'] = IN_ORDER
  overlaps: MysqlFacts['overlaps'] = NO_OVERLAPS
  resyncs = 0
  /** What a recording proxy noted of this leg, null where none did. */
  proxyNote: ProxyNote | null = null

  protected statementStore: StatementStore | null = null
  quitFrame = 0
  quitAt: Instant = 0
  /** Prepared statement of the last command that named one. */
  protected statementId = -1
  /** Number (CommandsInFlight.pushed) of the command that `statements` remembers, and of the one with `statementId`: of
   *  several commands in flight only these have a text. */
  protected textOf = -1
  protected idOf = -1

  /** Hashes of the first statements after the login, 0 until there are so many: a pool may say them at every checkout. */
  protected opener1 = 0
  protected opener2 = 0
  protected opener3 = 0
  /** The first answer that does not belong to its command; null while all do. */
  desync: DesyncFact | null = null
  /** When and where the open transaction began. */
  protected transactionAt: Instant = 0
  protected transactionFrame = 0

  /** Requests that only ask whether the connection lives; the shared nothing until the first. */
  validations: ValidationFact = NO_VALIDATIONS
  /** The server's latest burst of TLS records; null without TLS. */
  protected burst: RecordBurst | null = null

  first: FirstClose | null = null
  protected readonly limits: Limits
  /** Client bytes of the call in which the connection may be recognised. */
  protected clientBytesNow = 0

  constructor(conn: Connection, owner: RecorderOwner, rows: SessionRows, limits: Limits) {
    this.conn = conn
    this.owner = owner
    this.rows = rows
    this.limits = limits
  }

  /** TLS hides what is said. */
  protected get sealed(): boolean {
    return this.tls !== null && !this.tls.reading
  }

  get decryption(): Decryption {
    return this.owner.decryption
  }

  /** The connection is worth a row: it is MySQL's, or TLS on a port of MySQL. */
  protected begin(): void {
    if (this.row >= 0) return
    this.row = this.rows.allocate()
    this.rows.numbers[this.row * NUMBERS + CLIENT_OFFSET] = this.conn.halves[CLIENT].offset + this.clientBytesNow
  }

  /** Texts that the row cannot hold. */
  protected get statements(): StatementStore {
    this.statementStore ??= new StatementStore(
      this.rows,
      this.row,
      this.limits.sqlPreviewBytes,
      this.limits.preparedStatements,
    )
    return this.statementStore
  }

  /** Stream offset (client side) behind the oldest outstanding command, 0 when nothing is outstanding. */
  get outstandingEnd(): number {
    if (this.row < 0 || this.rows.numbers[this.row * NUMBERS + IN_FLIGHT] === 0) return 0
    return this.rows.numbers[this.row * NUMBERS + END_OFFSET]!
  }

  /** What the row holds, taken out; null when there is none. The row is free for others afterwards. */
  takeRow(): RowFacts | null {
    if (this.row < 0) return null
    // COM_QUIT has no answer but the server's FIN.
    const fin = this.conn.halves[SERVER]
    if (this.quitFrame > 0 && fin.finSeen && fin.finAt >= this.quitAt) spoke(this.rows, this.row, this.quitAt)
    const facts: RowFacts = {
      commands: new CommandCounts(this.rows, this.row),
      events: eventsOf(this.rows, this.row),
      longestIdle: this.rows.numbers[this.row * NUMBERS + LONGEST_IDLE]!,
      exchanges: exchangesOf(this.rows, this.row),
    }
    this.rows.release(this.row)
    this.row = -1
    return facts
  }

  protected get pushed(): number {
    return this.rows.numbers[this.row * NUMBERS + PUSHED]!
  }
  protected get inFlight(): number {
    return this.rows.numbers[this.row * NUMBERS + IN_FLIGHT]!
  }
  protected get oldestOp(): number {
    return this.rows.numbers[this.row * NUMBERS + OP]!
  }

  /** Number of the oldest command in flight, see commands-in-flight.ts. */
  protected get oldestNumber(): number {
    return this.pushed - this.inFlight
  }
  get openers(): readonly number[] {
    return [this.opener1, this.opener2, this.opener3].filter((h) => h !== 0)
  }

  event(kind: EventKind, dir: Direction, at: Instant, frame: number, value: number): void {
    if (this.row >= 0) addEvent(this.rows, this.row, kind, dir, at, frame, value)
  }

  // ---- endings

  /** The command now outstanding as a fact; null when there is none. */
  outstanding(): CommandFact | null {
    if (this.row < 0) return null
    const n = this.rows.numbers
    const b = this.row * NUMBERS
    // Server bytes that could not be placed came after it: they may have been its answer.
    const unplaced = this.sealed ? this.tls!.answersUnknown : this.conversation.answersUnknown
    if (this.answerHidden && n[b + IN_FLIGHT]! > 0) return null
    // Begun before the capture, and the client has acknowledged server bytes of which none was ever captured.
    const server = this.conn.halves[SERVER]
    if (this.loginFrame === 0 && server.bytes === 0 && server.hasAck && ((server.acked - server.firstAcked) | 0) > 0)
      return null
    // Where an answer ends hangs on what the login agreed (CLIENT_DEPRECATE_EOF): unseen, one that has begun may be whole.
    if (this.loginFrame === 0 && !this.sealed && n[b + IN_FLIGHT]! > 0 && n[b + REPLY_FRAME]! > 0) return null
    if (unplaced && n[b + IN_FLIGHT]! > 0 && this.conn.halves[SERVER].lastDataFrame > n[b + FRAME]!) return null
    if (n[b + IN_FLIGHT] === 0) {
      const op = n[b + ARRIVING_OP]!
      // The client was cut off inside a TLS record: what it holds can never be read.
      const part = op < 0 ? (this.tls?.partial(CLIENT) ?? null) : null
      if (part !== null) return this.fact(OPAQUE, part.at, part.frame, false, 0, 0)
      if (op < 0 || answerOf(op) === Answer.none) return null
      // Unfinished in the capture is not unfinished on the wire where the capture lacks bytes of the client.
      const client = this.conn.halves[CLIENT]
      if (client.lostBytes + client.snaplenBytes > 0) return null
      return this.fact(op, n[b + ARRIVING_AT]!, n[b + ARRIVING_FRAME]!, false, 0, 0)
    }
    const begun = n[b + REPLY_FRAME] === 0 ? (this.tls?.partial(SERVER) ?? null) : null
    if (begun !== null) return this.fact(n[b + OP]!, n[b + AT]!, n[b + FRAME]!, true, begun.frame, begun.at)
    return this.fact(n[b + OP]!, n[b + AT]!, n[b + FRAME]!, true, n[b + REPLY_FRAME]!, n[b + REPLY_AT]!)
  }

  protected fact(
    op: number,
    at: Instant,
    frame: number,
    complete: boolean,
    replyFrame: number,
    replyAt: Instant,
  ): CommandFact {
    const idle = at - this.rows.numbers[this.row * NUMBERS + LAST_REPLY_AT]!
    return {
      op,
      name: op === OPAQUE ? 'TLS record' : commandName(op),
      at,
      frame,
      text: complete ? this.outstandingText(op) : null,
      complete,
      length: this.rows.numbers[this.row * NUMBERS + ARRIVING_LENGTH]!,
      outcome: replyFrame > 0 ? 'response-begun' : 'delivered-unknown',
      replyFrame,
      replyAt,
      idleBefore: idle > 0 && idle < Number.POSITIVE_INFINITY ? idle : 0,
    }
  }

  protected closing(by: Direction, how: 'fin' | 'rst', at: Instant, frame: number): void {
    if (this.first !== null) return
    const [c, s] = this.conn.halves
    const outstanding = this.outstanding()
    const silence =
      at - Math.max(c.bytes > 0 ? c.lastDataAt : -Infinity, s.bytes > 0 ? s.lastDataAt : -Infinity, this.conn.startAt)
    this.first = {
      by,
      how,
      at,
      frame,
      outstanding,
      lastClientDataAt: c.lastDataAt,
      lastServerDataAt: s.lastDataAt,
      lastClientDataFrame: c.lastDataFrame,
      lastServerDataFrame: s.lastDataFrame,
      silence,
      idle:
        outstanding === null && this.row >= 0
          ? idleBefore(this.rows.numbers[this.row * NUMBERS + LAST_REPLY_AT]!, this.burst, c, s, at, silence)
          : silence,
      inTransaction: this.statusFlags >= 0 && (this.statusFlags & Status.SERVER_STATUS_IN_TRANS) !== 0,
      sentBehind:
        this.row < 0 || this.inFlight === 0
          ? 0
          : this.rows.numbers[this.row * NUMBERS + CLIENT_OFFSET]! - this.outstandingEnd,
      unsure: this.answerHidden,
    }
    this.awaiting = outstanding
  }

  /** Text of the oldest outstanding command; null when a later, pipelined one has taken its place in memory. */
  protected outstandingText(op: number): string | null {
    const number = this.pushed - this.inFlight
    return number === (namesStatement(op) ? this.idOf : this.textOf) ? this.statementText(op, this.statementId) : null
  }

  protected statementText(op: number, statementId: number): string | null {
    if (op === Command.COM_QUERY || op === Command.COM_STMT_PREPARE || op === Command.COM_INIT_DB)
      return this.statements.text()
    return namesStatement(op) ? this.statements.textOf(statementId) : null
  }

  /** The capture has not the begin of the connection, or lost bytes of the client since. */
  protected lacksBegin(): boolean {
    return this.conn.synFrame === 0 || this.conn.halves[CLIENT].lostBytes > 0
  }

  protected kill(connectionId: number, query: boolean, at: Instant, frame: number): void {
    if (this.kills.length < KILLS_KEPT) this.kills = [...this.kills, { connectionId, query, at, frame }]
  }

  /** The command in flight was answered by an error: a KILL or SHUTDOWN that the server refused has ended nobody. */
  protected killRefused(code: number): void {
    if (this.inFlight === 0 || KILLED_ITSELF.has(code)) return
    const sentAt = this.rows.numbers[this.row * NUMBERS + AT]!
    if (this.shutdown?.at === sentAt) this.shutdown = null
    if (this.kills.some((k) => k.at === sentAt)) this.kills = this.kills.filter((k) => k.at !== sentAt)
  }
}

/** Errors that answer a KILL of the own connection: ER_QUERY_INTERRUPTED, ER_CONNECTION_KILLED, ER_SESSION_WAS_KILLED. */
const KILLED_ITSELF: ReadonlySet<number> = new Set([1317, 1927, 3169])

export const hasText = (op: number): boolean =>
  op === Command.COM_QUERY || op === Command.COM_STMT_PREPARE || op === Command.COM_INIT_DB

export const namesStatement = (op: number): boolean =>
  op === Command.COM_STMT_EXECUTE || op === Command.COM_STMT_FETCH || op === Command.COM_STMT_BULK_EXECUTE

/** Command byte of a request that could not be read. */
export const OPAQUE = -2
