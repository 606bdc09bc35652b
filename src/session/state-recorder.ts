/**
 * The part of a recorder that notices what changes the session's state (state-log.ts): which commands are worth a look, from
 * their first bytes, and what is known around them.
 */
import { type Instant, NS_PER_MS } from '../core/time.ts'
import { Command } from '../mysql/commands.ts'
import { ReplyKind, type TrackedChange } from '../mysql/listener.ts'
import { Status } from '../mysql/status.ts'
import { assigns, Matter, mayMatter } from '../state/may-matter.ts'
import { AT, FRAME, IN_FLIGHT, LAST_REPLY_AT, NUMBERS, OP, REPLY_FRAME, TEXT_MOST } from './hot.ts'
import { hasText, namesStatement, RecorderState } from './recorder-state.ts'
import { aboutSession, type CommandNow, resets, StateLog } from './state-log.ts'

/** A transaction that waits this long for its next statement may have been left open by whoever began it. */
const PAUSE = 20 * NS_PER_MS

/** After such a pause it is no longer being set up. */
const SET_UP_PAUSE = 100 * NS_PER_MS

/** BEGIN or START TRANSACTION, by its first bytes. */
function opensTransaction(op: number, buf: Uint8Array, start: number, end: number): boolean {
  if (op !== Command.COM_QUERY || end - start < 5) return false
  const c = buf[start]! | 0x20
  const d = buf[start + 1]! | 0x20
  return (c === 0x62 && d === 0x65) || (c === 0x73 && d === 0x74)
}

/** 8.4.3 -> 80403, 10.11.19-MariaDB -> 101119: as in versioned comments. 0 when it is not a version. */
function versionNumber(version: string): number {
  const m = /^(?:5\.5\.5-)?(\d+)\.(\d+)\.(\d+)/.exec(version)
  return m === null ? 0 : Number(m[1]) * 10_000 + Number(m[2]) * 100 + Number(m[3])
}

/** A command sent this long after one that has no answer yet: whoever sent that one has given up on it. */
const GIVEN_UP = 300 * NS_PER_MS

/** The first four letters of a statement in lower case, as a number; 0 when it does not begin with letters. */
export function leadingWord(buf: Uint8Array, start: number, end: number): number {
  return end - start < 4
    ? 0
    : buf[start]! | (buf[start + 1]! << 8) | (buf[start + 2]! << 16) | (buf[start + 3]! << 24) | 0x20202020
}
const word = (letters: string): number => leadingWord(new TextEncoder().encode(letters), 0, 4)
/** Statements that give rows, and that do not (manual: which statements return result sets). */
const SELECT = word('sele')
const NO_ROWS: readonly number[] = [
  word('inse'),
  word('upda'),
  word('dele'),
  word('comm'),
  word('begi'),
  word('roll'),
  word('set '),
]

/** SELECT … INTO gives OK; INSERT … RETURNING, SET STATEMENT … FOR and BEGIN NOT ATOMIC (MariaDB) may give rows; several statements give several answers. */
const HAS_ITS_OWN_ANSWER = /\breturning\b|^\s*set\s+statement\b|^\s*begin\s+not\b|^\s*select\b.*\binto\b|;\s*\S|…$/is

// hot path: no allocation per packet
export abstract class StateRecorder extends RecorderState {
  /** A command that waits for an answer has gone out. One call, so that the caller stays small enough for the compiler to inline the rest of it. */
  protected noteState(
    op: number,
    hash: number,
    buf: Uint8Array,
    start: number,
    end: number,
    total: number,
    statementId: number,
    at: Instant,
    frame: number,
  ): void {
    if (this.rows.echoes.open > 0 && hasText(op)) this.rows.echoes.heard(hash, this.conn.stream, at, frame)
    if (op === Command.COM_QUERY) this.leading = leadingWord(buf, start, end)
    if (this.settingUp) this.setUp(op, hash, buf, start, end, at)
    if (this.stateLog?.watching === true || this.touchesState(op, buf, start, end, statementId, at))
      this.stepsBy(op, hash, buf, start, end, total, statementId, at, frame)
  }

  /** Right after the login: which statements open the session, and whether it is still being set up. */
  protected setUp(op: number, hash: number, buf: Uint8Array, start: number, end: number, at: Instant): void {
    if (op === Command.COM_QUERY) {
      if (this.opener1 === 0) this.opener1 = hash
      else if (this.opener2 === 0) this.opener2 = hash
      else if (this.opener3 === 0) this.opener3 = hash
    }
    if (this.loginFrame === 0 || this.paused(at) || !aboutSession(op, buf, start, end)) this.settingUp = false
  }

  /** What drivers and pools say to set a connection up comes without pauses, round trips aside. */
  private paused(at: Instant): boolean {
    const { synAt, establishedAt } = this.conn
    const roundTrip = establishedAt > synAt ? establishedAt - synAt : 0
    return at - this.rows.numbers[this.row * NUMBERS + LAST_REPLY_AT]! > SET_UP_PAUSE + 2 * roundTrip
  }

  /** Whether a command may change the session's state, or ran with a transaction that somebody left open: what every command pays. */
  protected touchesState(
    op: number,
    buf: Uint8Array,
    start: number,
    end: number,
    statementId: number,
    at: Instant,
  ): boolean {
    if (this.inTransaction) {
      const idle = at - this.rows.numbers[this.row * NUMBERS + LAST_REPLY_AT]!
      if (idle > PAUSE || op === Command.COM_PING || resets(op) || opensTransaction(op, buf, start, end)) return true
    }
    if (op === Command.COM_QUERY || op === Command.COM_STMT_PREPARE) {
      const matter = mayMatter(buf, start, end)
      if (matter !== Matter.perhaps) return matter === Matter.yes
      const n = end - start
      const several = this.severalStatements
      if (n <= TEXT_MOST && !this.rows.textAssigns(this.row, n, several)) return false
      return assigns(buf, start, end, several)
    }
    if (op === Command.COM_STMT_EXECUTE) return this.stateLog?.knows(statementId) === true
    return op === Command.COM_INIT_DB || op === Command.COM_SET_OPTION || resets(op)
  }

  protected stepsBy(
    op: number,
    hash: number,
    buf: Uint8Array,
    start: number,
    end: number,
    total: number,
    statementId: number,
    at: Instant,
    frame: number,
  ): void {
    this.stateLog ??= new StateLog(this.statusFlags, this.conn.stream, this.rows.echoes)
    const now = this.commandNow(op, hash, this.pushed - 1, statementId, at, frame)
    if (this.inTransaction) {
      if (now.idle > PAUSE || op === Command.COM_PING || resets(op) || opensTransaction(op, buf, start, end)) {
        const explicit = (this.statusFlags & Status.SERVER_STATUS_AUTOCOMMIT) !== 0
        this.stateLog.openTransaction(this.transactionAt, this.transactionFrame, explicit, this.statusFlags)
      }
    }
    this.stateLog.command(now, buf, start, end, total, statementId)
  }

  protected commandNow(
    op: number,
    hash: number,
    number: number,
    statementId: number,
    at: Instant,
    frame: number,
  ): CommandNow {
    const lastReplyAt = this.rows.numbers[this.row * NUMBERS + LAST_REPLY_AT]!
    const hello = this.hello
    const mariadb = hello?.flavor === 'mariadb'
    return {
      op,
      at,
      frame,
      hash,
      number,
      text:
        statementId >= 0 && namesStatement(op) && this.stateLog?.watching === true
          ? this.statementText(op, statementId)
          : null,
      idle: lastReplyAt > Number.NEGATIVE_INFINITY && this.inFlight <= 1 ? Math.max(0, at - lastReplyAt) : 0,
      initial: this.settingUp,
      dialect: {
        mariadb,
        version: versionNumber(hello?.serverVersion ?? ''),
        noBackslashEscapes:
          this.statusFlags > 0 && (this.statusFlags & Status.SERVER_STATUS_NO_BACKSLASH_ESCAPES) !== 0,
        ansiQuotes: false,
      },
    }
  }

  /** Session trackers in an answer: system variables and schema count whatever the statement was. */
  protected stepTracked(changes: readonly TrackedChange[]): void {
    if (this.inFlight === 0 || (this.stateLog === null && !changes.some((c) => c.type <= 1))) return
    this.stateLog ??= new StateLog(this.statusFlags, this.conn.stream, this.rows.echoes)
    const told = this.stateLog.watching ? changes : changes.filter((c) => c.type <= 1)
    if (told.length === 0) return
    const n = this.rows.numbers
    const b = this.row * NUMBERS
    const op = this.oldestOp
    const now = this.commandNow(op, 0, this.oldestNumber, -1, n[b + AT]!, n[b + FRAME]!)
    this.stateLog.tracked(now, this.outstandingText(op), told)
  }

  /** Whether the first packet of an answer can belong to the oldest command: a statement that gives no rows gets none. */
  protected fits(kind: ReplyKind, at: Instant, frame: number): void {
    if (kind !== ReplyKind.ResultSet && kind !== ReplyKind.OK) return
    const n = this.rows.numbers
    const b = this.row * NUMBERS
    if (n[b + IN_FLIGHT] !== 1 || n[b + REPLY_FRAME] !== 0) return
    const op = n[b + OP]!
    if (op === Command.COM_QUERY) {
      if ((kind === ReplyKind.OK) !== (this.leading === SELECT)) return
      if (kind !== ReplyKind.OK && !NO_ROWS.includes(this.leading)) return
    } else if (op !== Command.COM_PING || kind === ReplyKind.OK) return
    this.mismatch(op, kind, at, frame)
  }

  private mismatch(op: number, kind: ReplyKind, at: Instant, frame: number): void {
    if (this.desync !== null || this.answerHidden || this.conversation.answersUnknown || this.loginFrame === 0) return
    const text = this.outstandingText(op)
    if (op === Command.COM_QUERY && (text === null || HAS_ITS_OWN_ANSWER.test(text))) return
    const got = kind === ReplyKind.OK ? 'OK' : 'rows'
    this.desync = {
      kind: 'mismatch',
      at,
      frame,
      commandFrame: this.rows.numbers[this.row * NUMBERS + FRAME]!,
      text,
      got,
      waited: 0,
    }
  }

  /** A command goes out while one waits for its answer, of which nothing has come for long: nobody reads that answer any more. */
  protected unreadAnswer(at: Instant, frame: number): void {
    const n = this.rows.numbers
    const b = this.row * NUMBERS
    const waited = at - n[b + AT]!
    if (this.desync !== null || n[b + IN_FLIGHT] !== 1 || n[b + REPLY_FRAME] !== 0 || waited < GIVEN_UP) return
    if (this.loginFrame === 0 || this.answerHidden) return
    this.desync = { kind: 'unread', at, frame, commandFrame: n[b + FRAME]!, text: null, got: '', waited }
  }

  /** Status flags in the answer to the oldest command. */
  protected flagsNow(flags: number): void {
    if ((flags & Status.SERVER_STATUS_IN_TRANS & ~Math.max(this.statusFlags, 0)) !== 0) {
      this.transactionAt = this.rows.numbers[this.row * NUMBERS + AT]!
      this.transactionFrame = this.rows.numbers[this.row * NUMBERS + FRAME]!
    }
    this.statusFlags = flags
  }

  private get inTransaction(): boolean {
    return this.statusFlags > 0 && (this.statusFlags & Status.SERVER_STATUS_IN_TRANS) !== 0
  }
}
