/**
 * Messages of the server: greeting, authentication, and the answers to commands, told apart by what the oldest outstanding
 * command expects (manual: Command Phase; Text Protocol Resultset, Binary Protocol Resultset). Rows and definitions are
 * passed over by the packet reader; only what begins and ends an answer comes here.
 *
 * Hot path: no allocation per answer.
 */
import { ByteReader } from '../core/bytes.ts'
import { SERVER } from '../core/direction.ts'
import { Capability, has } from './capabilities.ts'
import { Answer, answerOf } from './commands.ts'
import { LOGIN_BYTES, serverAuthenticates, serverGreets, track } from './connection-phase.ts'
import { type Context, Phase } from './context.ts'
import { Mode, type PacketSink } from './framing.ts'
import { ReplyKind } from './listener.ts'
import { COLUMN_COUNT_MOST, columnCount, decodeColumnCount } from './messages/column-count.ts'
import { decodePrepareOk, PREPARE_OK_LEAST, prepareOk } from './messages/com-stmt-prepare-ok.ts'
import { decodeErr, PROGRESS_CODE } from './messages/err.ts'
import { eofStatus, okStatus } from './messages/ok.ts'
import { Status } from './status.ts'

/** Where the answer stands. */
const State = {
  /** The next packet is the first of an answer, or unasked for. */
  first: 0,
  /** Column definitions are passing or have passed; EOF follows unless CLIENT_DEPRECATE_EOF. */
  columns: 1,
  rows: 2,
  /** Definitions of COM_STMT_PREPARE_OK. */
  prepareParameters: 3,
  prepareColumns: 4,
  /** LOCAL INFILE was asked for: the client sends, then OK or ERR. */
  file: 5,
} as const

const ERR_BYTES = 1024
const HEAD_BYTES = 64

const r = new ByteReader(new Uint8Array(0))

export class ServerSide implements PacketSink {
  private readonly c: Context
  private state: number = State.first
  private columns = 0
  /** A sequence id that did not fit, not told yet; -1 when there is none. */
  private oddExpected = -1
  private oddGot = 0

  constructor(c: Context) {
    this.c = c
  }

  /** Inside an answer: rows, definitions or a file are under way. */
  get answering(): boolean {
    return this.state !== State.first
  }

  /** Something of an answer is kept here. */
  get busy(): boolean {
    return this.state !== State.first || this.oddExpected >= 0
  }

  /** Forgets the answer in hand. */
  reset(): void {
    this.state = State.first
    this.columns = 0
    this.c.server.rows = 0
    this.c.server.mode = Mode.messages
    this.c.server.complained = false
    this.c.sendingFile = false
  }

  /** Takes up a result in its middle, after a gap. */
  resumeRows(): void {
    this.state = State.rows
    this.c.server.mode = Mode.rows
  }

  begin(first: number, length: number): number {
    // OK may carry session trackers of any length.
    const long = this.c.phase !== Phase.command || first === 0x00 || first === 0xfe
    return Math.min(length, long ? LOGIN_BYTES : first === 0xff ? ERR_BYTES : HEAD_BYTES)
  }

  message(buf: Uint8Array, start: number, end: number, length: number, id: number): void {
    const c = this.c
    const first = start < end ? buf[start]! : -1
    if (this.oddExpected >= 0) this.tellOdd(first)
    if (c.phase !== Phase.command) {
      if (c.phase === Phase.greeting) serverGreets(c, buf, start, end, length, id)
      else serverAuthenticates(c, buf, start, end, length, id)
      return
    }
    if (first === 0xff) {
      this.err(buf, start, end, id)
      return
    }
    switch (this.state) {
      case State.first:
        this.first(first, buf, start, end, length, id)
        return
      case State.columns:
        this.afterColumns(first, buf, start, end, length)
        return
      case State.rows:
        if (first === 0xfe) this.end(length < 7 ? eofStatus(buf, start, end) : this.okEnd(buf, start, end))
        return
      case State.file:
        this.end(this.okEnd(buf, start, end))
        return
      default:
        this.afterDefinitions(first, buf, start, end, length, id)
    }
  }

  skipped(): void {
    const server = this.c.server
    const eof = this.c.deprecateEof
    server.mode = Mode.messages
    if (this.state === State.columns) {
      if (eof !== 1) return
      this.state = State.rows
      server.mode = Mode.rows
    } else if (eof === 1) this.end(-1)
    // Whether EOF or the next answer comes is not known: any sequence id will do.
    else if (eof < 0) server.expected = -1
  }

  outOfOrder(expected: number, got: number): void {
    if (this.c.compressed) return
    this.oddExpected = expected
    this.oddGot = got
  }

  /** Tells of a sequence id that did not fit. An ERR may come unasked or early, and tells its id itself. */
  private tellOdd(first: number): void {
    const c = this.c
    if (first !== 0xff) c.listener.outOfOrder(SERVER, this.oddExpected, this.oddGot, c.at, c.frame)
    this.oddExpected = -1
  }

  private first(first: number, buf: Uint8Array, start: number, end: number, length: number, id: number): void {
    const c = this.c
    if (c.queue.length === 0) {
      // The answer to a command that was lost is not worth a word; anything else is.
      if (!c.clientUnsure) c.unreadable(SERVER, 'an answer without a command')
      c.server.lost = true
      c.server.halt = true
      return
    }
    const op = c.queue.op
    const answer = answerOf(op)
    if (answer === Answer.auth) {
      const ok = first === 0 && length >= 7
      c.listener.replyBegin(ok ? ReplyKind.OK : ReplyKind.Auth, c.at, c.frame)
      c.phase = Phase.auth
      c.changingUser = true
      serverAuthenticates(c, buf, start, end, length, id)
    } else if (answer === Answer.stream && first === 0) {
      this.rows(ReplyKind.Stream)
    } else if (answer === Answer.rows && first === 0) {
      this.rows(ReplyKind.ResultSet)
    } else if (answer === Answer.text && first !== 0) {
      c.listener.replyBegin(ReplyKind.Text, c.at, c.frame)
      this.end(-1)
    } else if (first === 0x00 && length >= 5) {
      if (answer === Answer.prepare && length >= PREPARE_OK_LEAST) this.prepared(buf, start, end)
      else this.ok(op, buf, start, end)
    } else if (first === 0xfe) {
      c.listener.replyBegin(ReplyKind.EOF, c.at, c.frame)
      this.end(length < 7 ? eofStatus(buf, start, end) : this.okEnd(buf, start, end))
    } else if (first === 0xfb) {
      c.listener.replyBegin(ReplyKind.LocalInfile, c.at, c.frame)
      this.state = State.file
      c.sendingFile = true
      c.client.expected = (id + 1) & 255
    } else if (answer === Answer.fields && length > 4) {
      this.rows(ReplyKind.ResultSet)
    } else this.columnCount(buf, start, end, length)
  }

  private ok(op: number, buf: Uint8Array, start: number, end: number): void {
    const c = this.c
    c.listener.replyBegin(ReplyKind.OK, c.at, c.frame)
    this.end(this.okEnd(buf, start, end))
    if (answerOf(op) === Answer.handover) {
      c.handedOver = true
      c.server.halt = true
    }
  }

  /** Rows without definitions in front; the packet in hand is the first of them. */
  private rows(kind: ReplyKind): void {
    const c = this.c
    c.listener.replyBegin(kind, c.at, c.frame)
    this.columns = 0
    this.state = State.rows
    c.server.rows = 1
    c.server.mode = Mode.rows
  }

  private columnCount(buf: Uint8Array, start: number, end: number, length: number): void {
    const c = this.c
    const columns = length > COLUMN_COUNT_MOST ? -1 : decodeColumnCount(buf, start, end)
    if (columns < 1) {
      c.unreadable(SERVER, 'not an answer')
      c.server.lost = true
      c.server.halt = true
      return
    }
    c.listener.replyBegin(ReplyKind.ResultSet, c.at, c.frame)
    this.columns = columns
    this.state = State.columns
    c.server.rows = 0
    if (!columnCount.metadataFollows && c.metadataIsOptional) {
      if (c.deprecateEof === 1) this.resumeRows()
      return
    }
    this.skip(columns)
  }

  /** The packet behind the column definitions where CLIENT_DEPRECATE_EOF is off or unknown. */
  private afterColumns(first: number, buf: Uint8Array, start: number, end: number, length: number): void {
    const c = this.c
    if (first === 0xfe && length < 7) {
      c.inferEof(0)
      const status = eofStatus(buf, start, end)
      // COM_STMT_EXECUTE opened a cursor: rows come with COM_STMT_FETCH.
      if (status >= 0 && (status & Status.SERVER_STATUS_CURSOR_EXISTS) !== 0) this.end(status)
      else this.resumeRows()
      return
    }
    c.inferEof(1)
    if (first === 0xfe) this.end(this.okEnd(buf, start, end))
    else {
      c.server.rows = 1
      this.resumeRows()
    }
  }

  private prepared(buf: Uint8Array, start: number, end: number): void {
    const c = this.c
    const optional = has(c.capabilities, Capability.CLIENT_OPTIONAL_RESULTSET_METADATA)
    if (!decodePrepareOk(buf, start, end, optional)) c.truncated('COM_STMT_PREPARE_OK')
    c.listener.replyBegin(ReplyKind.PrepareOk, c.at, c.frame)
    c.listener.prepared(prepareOk.statementId, prepareOk.parameters, prepareOk.columns)
    this.columns = prepareOk.columns
    c.server.rows = 0
    const parameters = prepareOk.metadataFollows ? prepareOk.parameters : 0
    const columns = prepareOk.metadataFollows ? prepareOk.columns : 0
    if (c.deprecateEof === 1 && parameters + columns > 0) {
      this.state = State.prepareColumns
      this.skip(parameters + columns)
    } else if (parameters > 0) {
      this.state = State.prepareParameters
      this.skip(parameters)
    } else if (columns > 0) {
      this.state = State.prepareColumns
      this.skip(columns)
    } else this.end(-1)
  }

  /** The packet behind parameter or column definitions of a prepared statement: EOF, if CLIENT_DEPRECATE_EOF is off. */
  private afterDefinitions(
    first: number,
    buf: Uint8Array,
    start: number,
    end: number,
    length: number,
    id: number,
  ): void {
    const c = this.c
    const columnsLeft = this.state === State.prepareParameters ? this.columns : 0
    if (first === 0xfe && length < 7) {
      c.inferEof(0)
      if (columnsLeft === 0) {
        this.end(eofStatus(buf, start, end))
        return
      }
      this.state = State.prepareColumns
      this.skip(columnsLeft)
      return
    }
    c.inferEof(1)
    if (columnsLeft > 0) {
      // This was the first of the column definitions.
      this.state = State.prepareColumns
      if (columnsLeft === 1) this.end(-1)
      else this.skip(columnsLeft - 1)
      return
    }
    this.end(-1)
    this.first(first, buf, start, end, length, id)
  }

  private skip(packets: number): void {
    this.c.server.left = packets
    this.c.server.mode = Mode.skip
  }

  /** Status flags of the OK packet that ends an answer, and its session trackers. */
  private okEnd(buf: Uint8Array, start: number, end: number): number {
    const status = okStatus(buf, start, end)
    if (status >= 0 && (status & Status.SERVER_SESSION_STATE_CHANGED) !== 0) track(this.c, buf, start, end)
    return status
  }

  private end(status: number): void {
    const c = this.c
    const more = status >= 0 && (status & Status.SERVER_MORE_RESULTS_EXISTS) !== 0
    const { rows } = c.server
    const columns = this.columns
    this.reset()
    if (!more) this.answered()
    c.listener.replyEnd(status, rows, columns, more, c.at, c.frame)
  }

  private answered(): void {
    const c = this.c
    if (c.queue.length > 1) c.pipelined = true
    c.queue.shift()
    c.server.expected = c.queue.expected
  }

  private err(buf: Uint8Array, start: number, end: number, id: number): void {
    const c = this.c
    const err = decodeErr(r.reset(buf, start, end))
    if (!r.ok) c.truncated('ERR')
    if (err.code === PROGRESS_CODE) return
    if (c.queue.length === 0 || this.unasked(id)) {
      const phase = c.queue.length === 0 && c.clientUnsure && id !== 0 ? 'reply' : 'unsolicited'
      c.server.expected = c.queue.length === 0 ? -1 : c.queue.expected
      c.listener.error(phase, err.code, err.sqlState, err.message, id, c.at, c.frame)
      return
    }
    const auth = answerOf(c.queue.op) === Answer.auth
    if (this.state === State.first) c.listener.replyBegin(ReplyKind.ERR, c.at, c.frame)
    this.reset()
    this.answered()
    c.listener.error(auth ? 'auth' : 'reply', err.code, err.sqlState, err.message, id, c.at, c.frame)
  }

  /** Sequence id 0 cannot answer a command: the server had something to say while the command was on its way. */
  private unasked(id: number): boolean {
    const c = this.c
    return id === 0 && !c.compressed && this.state === State.first && c.queue.expected > 0
  }
}
