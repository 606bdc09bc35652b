/**
 * Writes down one connection while it lives: sits between the tcp layer (whose sink it is) and the mysql and tls decoders
 * (whose listener it is), and keeps the facts that a Session is made of. Concludes nothing.
 */
import { CLIENT, type Direction, SERVER } from '../core/direction.ts'
import type { Instant } from '../core/time.ts'
import { Capability } from '../mysql/capabilities.ts'
import { Answer, answerOf, Command } from '../mysql/commands.ts'
import type {
  Greeting,
  Login,
  MysqlListener,
  ProxyHeader,
  RecognisedBy,
  ReplyKind,
  TrackedChange,
} from '../mysql/listener.ts'
import { Status } from '../mysql/status.ts'
import { TcpFact, type TcpObserver } from '../tcp/connection.ts'
import type { CloseHow, GapReason, StreamSink } from '../tcp/stream-sink.ts'
import { countCommand } from './command-counts.ts'
import { clearCommands, popCommand, pushCommand, replyBegins } from './commands-in-flight.ts'
import { answerExchange, beginExchange, textHash } from './exchanges.ts'
import {
  ARRIVING_AT,
  ARRIVING_FRAME,
  ARRIVING_LENGTH,
  ARRIVING_OP,
  CLIENT_OFFSET,
  FRAME,
  IN_FLIGHT,
  LAST_REPLY_AT,
  NUMBERS,
} from './hot.ts'
import { RecordBurst, replied, spoke, validated } from './idle-times.ts'
import { isShutdown, readKill } from './kill-statement.ts'
import { readProxyNote } from './proxy-note.ts'
import { hasText, IN_ORDER, NO_OVERLAPS, namesStatement, OPAQUE } from './recorder-state.ts'
import type { ErrorFact } from './session.ts'
import { StateRecorder } from './state-recorder.ts'
import { rememberText } from './statement-store.ts'
import { EventKind } from './timeline.ts'
import { TlsFactsRecorder } from './tls-facts.ts'
import { isValidationQuery } from './validation-query.ts'

const ERRORS_KEPT = 16
const UNREADABLE_KEPT = 4
const NOTES_KEPT = 8
const CODES_KEPT = 256

/** Timeline kind of each TcpFact; -1 for those that only counters keep. */
const TIMELINE_OF: readonly number[] = (() => {
  const t = [-1, -1, -1, -1, -1, -1, -1, -1]
  t[TcpFact.retransmission] = EventKind.retransmission
  t[TcpFact.zeroWindow] = EventKind.zeroWindow
  t[TcpFact.windowOpen] = EventKind.windowOpen
  t[TcpFact.keepAlive] = EventKind.keepAlive
  t[TcpFact.rst] = EventKind.rst
  t[TcpFact.fin] = EventKind.fin
  t[TcpFact.gap] = EventKind.gap
  return t
})()

// hot path: no allocation per packet
export class SessionRecorder extends StateRecorder implements StreamSink, MysqlListener, TcpObserver {
  // ---- StreamSink

  data(dir: Direction, buf: Uint8Array, start: number, end: number, at: Instant, frame: number): void {
    if (this.row < 0) this.clientBytesNow = dir === CLIENT ? end - start : 0
    else if (dir === CLIENT) this.rows.numbers[this.row * NUMBERS + CLIENT_OFFSET]! += end - start
    const tls = this.tls
    if (tls !== null) {
      tls.data(dir, buf, start, end, at, frame)
      return
    }
    const conversation = this.conversation
    conversation.data(dir, buf, start, end, at, frame)
    if (this.tls !== null) this.toTls(dir, buf, start, end, at, frame)
    else if (conversation.done) this.owner.notMysql(this)
  }

  /** The call in which TLS began: what follows the SSLRequest is TLS already, and a ClientHello on a bare port wholly so. */
  private toTls(dir: Direction, buf: Uint8Array, start: number, end: number, at: Instant, frame: number): void {
    const from = this.conversation.tls ? this.conversation.tlsFrom : start
    if (from < end) this.tls!.data(dir, buf, from, end, at, frame)
  }

  gap(dir: Direction, bytes: number, why: GapReason, at: Instant, frame: number): void {
    if (dir === CLIENT && this.row >= 0) this.rows.numbers[this.row * NUMBERS + CLIENT_OFFSET]! += bytes
    if (this.tls !== null) this.tls.gap(dir, bytes, at, frame)
    else this.conversation.gap(dir, bytes, why, at, frame)
    // Rows that a snapshot length cut off change no state.
    if (dir === CLIENT || why !== 'snaplen') this.lastHole = frame
    // What the receiver never acknowledged was not lost by the capture: then the answer is missing indeed.
    if (
      this.row >= 0 &&
      dir === SERVER &&
      why !== 'end' &&
      this.inFlight > 0 &&
      (this.sealed || this.conversation.answersUnknown)
    ) {
      this.answerHidden = true
    }
    this.trace?.add('tcp', dir, at, frame, 'gap', `${bytes} bytes missing (${why})`, true)
  }

  finished(dir: Direction, at: Instant, frame: number): void {
    if (this.tls === null) this.conversation.finished(dir, at, frame)
    this.closing(dir, 'fin', at, frame)
  }

  reset(dir: Direction, at: Instant, frame: number): void {
    this.closing(dir, 'rst', at, frame)
  }

  close(how: CloseHow, at: Instant): void {
    this.tls?.end(at)
    this.conversation.close()
    this.owner.finished(this, how, at)
  }

  // ---- TcpObserver

  tcp(fact: TcpFact, dir: Direction, at: Instant, frame: number, value: number): void {
    const kind = TIMELINE_OF[fact]!
    if (kind >= 0) this.event(kind as EventKind, dir, at, frame, value)
    this.trace?.tcp(fact, dir, at, frame, value)
  }

  comment(text: string, frame: number): void {
    this.proxyNote = readProxyNote(text, frame, this.proxyNote)
  }

  // ---- MysqlListener

  recognised(by: RecognisedBy, _at: Instant, frame: number): void {
    // It is MySQL after all, inside a TLS that it did not ask for.
    if (this.tls?.reading === true) this.unreadables = this.unreadables.filter((u) => u.what !== 'tls-client-hello')
    this.recognisedBy = by
    this.recognisedFrame = frame
    this.begin()
  }

  proxyHeader(header: ProxyHeader, at: Instant, frame: number): void {
    this.proxy = header
    this.proxyFrame = frame
    this.trace?.add('mysql', CLIENT, at, frame, 'PROXY', `v${header.version} ${header.command} ${header.source}`)
  }

  greeting(greeting: Greeting, at: Instant, frame: number): void {
    this.hello = greeting
    this.greetingFrame = frame
    this.greetingAt = at
    this.event(EventKind.greeting, SERVER, at, frame, greeting.connectionId)
    this.trace?.add(
      'mysql',
      SERVER,
      at,
      frame,
      'greeting',
      `${greeting.serverVersion}, connection id ${greeting.connectionId}`,
    )
  }

  sslRequest(_capabilities: number, at: Instant, frame: number): void {
    this.event(EventKind.sslRequest, CLIENT, at, frame, 0)
    this.trace?.add('mysql', CLIENT, at, frame, 'SSLRequest', 'asks for TLS')
    this.tls = new TlsFactsRecorder(this, this.conn, frame, at)
  }

  login(login: Login, at: Instant, frame: number): void {
    this.loggedIn = login
    this.loginFrame = frame
    this.severalStatements = (login.capabilities & Capability.CLIENT_MULTI_STATEMENTS) !== 0
    if (login.schema !== '') this.schema = login.schema
    this.event(EventKind.login, CLIENT, at, frame, 0)
    this.trace?.add(
      'mysql',
      CLIENT,
      at,
      frame,
      'login',
      `user ${login.user}${login.schema ? `, schema ${login.schema}` : ''}`,
    )
  }

  auth(dir: Direction, what: string, detail: string, at: Instant, frame: number): void {
    this.lastAuth = { by: dir, what, detail, at, frame }
    this.trace?.add('mysql', dir, at, frame, 'auth', `${what} ${detail}`.trim())
  }

  authenticated(at: Instant, frame: number): void {
    if (this.authenticatedFrame === 0) this.authenticatedFrame = frame
    replied(this.rows, this.row, at)
    this.event(EventKind.authenticated, SERVER, at, frame, 0)
    this.trace?.add('mysql', SERVER, at, frame, 'OK', 'logged in')
  }

  commandBegin(op: number, length: number, at: Instant, frame: number): void {
    const n = this.rows.numbers
    const b = this.row * NUMBERS
    n[b + ARRIVING_OP] = op
    n[b + ARRIVING_AT] = at
    n[b + ARRIVING_FRAME] = frame
    n[b + ARRIVING_LENGTH] = length
  }

  command(
    op: number,
    buf: Uint8Array,
    start: number,
    end: number,
    argumentLength: number,
    statementId: number,
    at: Instant,
    frame: number,
  ): void {
    const n = this.rows.numbers
    const b = this.row * NUMBERS
    const begun = n[b + ARRIVING_OP]! >= 0 ? n[b + ARRIVING_FRAME]! : frame
    n[b + ARRIVING_OP] = -1
    countCommand(this.rows, this.row, op)
    this.event(EventKind.command, CLIENT, at, frame, op)
    switch (op) {
      case Command.COM_PING:
        this.validations = validated(this.validations, at, frame)
        break
      case Command.COM_QUERY: {
        if (isValidationQuery(buf, start, end, argumentLength))
          this.validations = validated(this.validations, at, frame)
        if (!rememberText(this.rows, this.row, buf, start, end, argumentLength))
          this.statements.rememberLong(buf, start, end)
        this.textOf = this.pushed
        const kill = readKill(buf, start, end)
        if (kill !== null) this.kill(kill.connectionId, kill.query, at, frame)
        else if (isShutdown(buf, start, end)) this.shutdown = { at, frame }
        break
      }
      case Command.COM_SHUTDOWN:
        this.shutdown = { at, frame }
        break
      case Command.COM_STMT_PREPARE:
        if (!rememberText(this.rows, this.row, buf, start, end, argumentLength))
          this.statements.rememberLong(buf, start, end)
        this.textOf = this.pushed
        this.statements.beginPrepare()
        break
      case Command.COM_INIT_DB:
        if (!rememberText(this.rows, this.row, buf, start, end, argumentLength))
          this.statements.rememberLong(buf, start, end)
        this.textOf = this.pushed
        this.schema = this.statements.text() ?? ''
        break
      case Command.COM_PROCESS_KILL:
        if (end - start >= 4) {
          const id = (buf[start]! | (buf[start + 1]! << 8) | (buf[start + 2]! << 16) | (buf[start + 3]! << 24)) >>> 0
          this.kill(id, false, at, frame)
        }
        break
      case Command.COM_STMT_CLOSE:
        this.statements.close(statementId)
        break
      case Command.COM_RESET_CONNECTION:
      case Command.COM_CHANGE_USER:
        this.statements.reset()
        break
      case Command.COM_QUIT:
        this.quitFrame = frame
        this.quitAt = at
        break
      default:
        break
    }
    this.trace?.command(op, buf, start, end, argumentLength, this.statementText(op, statementId), at, frame)
    if (answerOf(op) === Answer.none) {
      if (op !== Command.COM_QUIT && this.first === null) spoke(this.rows, this.row, at)
      return
    }
    if (n[b + IN_FLIGHT] !== 0) this.overlap(at, frame)
    // Whether the one before is answered is a guess where the login was not seen: see outstanding().
    this.answerHidden = n[b + IN_FLIGHT] !== 0 && (this.answerHidden || this.loginFrame === 0)
    // It waited behind a hole, and the server has spoken since: perhaps to answer it.
    if (this.conn.halves[SERVER].lastDataFrame > frame) this.answerHidden = true
    if (namesStatement(op)) {
      this.statementId = statementId
      this.idOf = this.pushed
    }
    pushCommand(this.rows, this.row, op, at, begun, n[b + CLIENT_OFFSET]!)
    // Statement ids and binary parameters differ between the legs of a proxy: of these only the command byte counts.
    const hash = hasText(op) ? textHash(op, buf, start, end, argumentLength) : textHash(op, buf, start, start, 0)
    beginExchange(this.rows, this.row, at, begun, hash, argumentLength + 1)
    this.noteState(op, hash, buf, start, end, argumentLength, statementId, at, begun)
  }

  private overlap(at: Instant, frame: number): void {
    this.unreadAnswer(at, frame)
    if (this.overlaps === NO_OVERLAPS) {
      this.overlaps = {
        count: 1,
        at,
        frame,
        earlierFrame: this.rows.numbers[this.row * NUMBERS + FRAME]!,
        answeredAt: -1,
      }
    } else this.overlaps.count++
  }

  replyBegin(kind: ReplyKind, at: Instant, frame: number): void {
    this.fits(kind, at, frame)
    replyBegins(this.rows, this.row, at, frame)
    const waiting = this.awaiting
    if (waiting !== null && waiting.replyFrame === 0) {
      waiting.replyFrame = frame
      waiting.replyAt = at
      waiting.outcome = 'response-begun'
    }
  }

  prepared(statementId: number, _parameters: number, _columns: number): void {
    this.statements.namePrepared(statementId)
    this.stateLog?.named(this.oldestNumber, statementId)
  }

  replyEnd(statusFlags: number, rows: number, columns: number, more: boolean, at: Instant, frame: number): void {
    if (statusFlags >= 0) this.flagsNow(statusFlags)
    this.stateLog?.answered(this.oldestNumber, statusFlags, rows, columns, more, at, frame)
    this.trace?.reply(statusFlags, rows, columns, more, at, frame)
    if (more) return
    if (this.overlaps !== NO_OVERLAPS && this.overlaps.answeredAt < 0) this.overlaps.answeredAt = at
    this.event(EventKind.reply, SERVER, at, frame, statusFlags)
    replied(this.rows, this.row, at)
    if (this.awaiting !== null) {
      // The server finished it after the close: it ran; whether it is durable hangs on the transaction.
      this.awaiting.outcome =
        statusFlags >= 0 && (statusFlags & Status.SERVER_STATUS_IN_TRANS) === 0 ? 'committed' : 'answered'
      this.awaiting = null
    }
    answerExchange(this.rows, this.row, at)
    popCommand(this.rows, this.row)
  }

  error(
    phase: ErrorFact['phase'],
    code: number,
    sqlState: string,
    message: string,
    sequenceId: number,
    at: Instant,
    frame: number,
  ): void {
    const counted = this.errorCounts.find((e) => e.code === code)
    if (counted !== undefined) counted.count++
    else if (this.errorCounts.length < CODES_KEPT) this.errorCounts = [...this.errorCounts, { code, count: 1, message }]
    const op = phase === 'reply' && this.inFlight > 0 ? this.oldestOp : -1
    const facts =
      this.errorFacts.length < ERRORS_KEPT ? this.errorFacts : this.errorFacts.filter((_, i) => i !== ERRORS_KEPT / 2)
    const statement = op < 0 ? null : this.outstandingText(op)
    const commandLength = op < 0 ? 0 : this.rows.numbers[this.row * NUMBERS + ARRIVING_LENGTH]!
    this.errorFacts = [
      ...facts,
      { phase, code, sqlState, message, sequenceId, at, frame, op, statement, commandLength },
    ]
    this.event(EventKind.error, SERVER, at, frame, code)
    this.trace?.add('mysql', SERVER, at, frame, 'ERR', `${code} (${sqlState || 'no SQLSTATE'}) ${message}`, true)
    // COM_CHANGE_USER is answered in the words of a login.
    if (phase !== 'reply' && !(phase === 'auth' && this.inFlight > 0 && this.oldestOp === Command.COM_CHANGE_USER))
      return
    if (this.kills.length > 0 || this.shutdown !== null) this.killRefused(code)
    this.stateLog?.failed(this.oldestNumber, code, at, frame)
    replied(this.rows, this.row, at)
    if (this.awaiting !== null) {
      this.awaiting.outcome = 'answered'
      this.awaiting.replyFrame = frame
      this.awaiting.replyAt = at
      this.awaiting = null
    }
    answerExchange(this.rows, this.row, at)
    popCommand(this.rows, this.row)
  }

  answerLost(_at: Instant, _frame: number): void {
    this.stateLog?.lost(this.oldestNumber)
    popCommand(this.rows, this.row)
  }

  tracked(changes: readonly TrackedChange[], at: Instant, frame: number): void {
    for (const c of changes) if (c.type === 1) this.schema = c.value
    this.stepTracked(changes)
    this.trace?.tracked(changes, at, frame)
  }

  outOfOrder(dir: Direction, expected: number, got: number, at: Instant, frame: number): void {
    if (this.outOfOrders === IN_ORDER) this.outOfOrders = { count: 1, dir, at, frame, expected, got }
    else this.outOfOrders.count++
    this.trace?.add('mysql', dir, at, frame, 'sequence', `packet number ${got}, expected ${expected}`, true)
  }

  unreadable(dir: Direction, what: string, at: Instant, frame: number): void {
    // A TLS record where the capture has not the begin of the connection: its handshake is over.
    if (what === 'tls' && this.tls === null && this.lacksBegin()) {
      this.begin()
      this.tls = new TlsFactsRecorder(this, this.conn, 0, 0, true)
      return
    }
    // A ClientHello where the capture lacks what came before it: the SSLRequest, most likely.
    if (what === 'tls-client-hello' && this.tls === null && this.lacksBegin()) {
      this.begin()
      this.tls = new TlsFactsRecorder(this, this.conn)
      return
    }
    if (this.unreadables.length < UNREADABLE_KEPT) this.unreadables = [...this.unreadables, { dir, what, frame }]
    this.event(EventKind.unreadable, dir, at, frame, 0)
    this.trace?.add('mysql', dir, at, frame, 'unreadable', what, true)
    if (what === 'tls-client-hello' && this.tls === null) {
      this.begin()
      this.tls = new TlsFactsRecorder(this, this.conn)
    }
  }

  resynced(dir: Direction, at: Instant, frame: number): void {
    this.resyncs++
    // What was outstanding before the hole may have been answered inside it.
    if (dir === CLIENT) {
      this.answerHidden = false
      clearCommands(this.rows, this.row)
    }
    this.trace?.add('mysql', dir, at, frame, 'resynchronised', 'decoding resumed')
  }

  inferred(what: string): void {
    if (this.notes.length < NOTES_KEPT && !this.notes.includes(what)) this.notes = [...this.notes, what]
  }

  // ---- shared with the tls facts

  /** Bytes that TLS hid, in order: MySQL's, as if they had come in the clear. */
  decrypted(dir: Direction, buf: Uint8Array, start: number, end: number, at: Instant, frame: number): void {
    if (!this.conversation.tlsActive) {
      if (!this.conversation.tls) this.conversation = this.owner.converse(this)
      this.conversation.tlsActive = true
    }
    this.conversation.data(dir, buf, start, end, at, frame)
  }

  /** `bytes` of them are missing, -1 when nobody knows how many. */
  decryptedLost(dir: Direction, bytes: number, at: Instant, frame: number): void {
    const missing = bytes < 0 ? Number.POSITIVE_INFINITY : bytes
    this.conversation.gap(dir, missing, 'capture', at, frame)
    if (dir === SERVER && this.inFlight > 0 && this.conversation.answersUnknown) this.answerHidden = true
  }

  /** From here on records are told by their size: an answer to what is outstanding will be seen, but not read. */
  decryptionEnds(): void {
    if (this.row >= 0 && this.inFlight > 0) this.answerHidden = true
  }

  /** COM_QUIT in plain text behind TLS records: an orderly close where nothing was waited for. */
  plainQuit(at: Instant, frame: number): void {
    if (this.inFlight > 0) return
    this.quitFrame = frame
    this.quitAt = at
  }

  /**
   * An opaque request (dir client) or answer in TLS: the only facts about commands that need no keys. By its size a request
   * may be COM_QUIT (or COM_PING: nothing to lose), or COM_STMT_CLOSE, which has no answer: nobody waits for these.
   */
  opaque(dir: Direction, length: number, at: Instant, frame: number, mayBeQuit: boolean, mayLackAnswer: boolean): void {
    this.event(EventKind.tlsRecord, dir, at, frame, 0)
    if (dir === CLIENT) {
      this.quitFrame = mayBeQuit ? frame : 0
      this.quitAt = at
      if (mayLackAnswer) {
        if (this.first === null) spoke(this.rows, this.row, at)
      } else if (this.inFlight === 0) {
        pushCommand(this.rows, this.row, OPAQUE, at, frame, this.rows.numbers[this.row * NUMBERS + CLIENT_OFFSET]!)
        beginExchange(this.rows, this.row, at, frame, 0, length)
        // As for a command in the clear that waited behind a hole: its answer may have gone by.
        if (this.conn.halves[SERVER].lastDataFrame > frame) this.answerHidden = true
      }
      return
    }
    // Answered: it was COM_PING.
    if (this.first === null) this.quitFrame = 0
    if (this.burst === null) this.burst = new RecordBurst()
    this.burst.record(this.rows.numbers[this.row * NUMBERS + LAST_REPLY_AT]!, at, this.conn.halves[SERVER].bytes)
    replied(this.rows, this.row, at)
    this.answerHidden = false
    if (this.awaiting !== null) {
      this.awaiting.outcome = 'response-begun'
      this.awaiting.replyFrame = frame
      this.awaiting.replyAt = at
      this.awaiting = null
    }
    answerExchange(this.rows, this.row, at)
    clearCommands(this.rows, this.row)
  }
}
