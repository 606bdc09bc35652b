/**
 * The usual traffic of the command phase, a command that fills its segment and then its whole answer in another, read without
 * touching what the careful path keeps. With thousands of connections open the time goes into cache misses, not into
 * instructions: this way a packet costs one or two lines of its conversation instead of those of its readers, sides and queue.
 *
 * How both stay one: the quick path is open only where the careful path's state says no more than "idle", or "idle, but for one
 * command". So that state need not be kept up to date meanwhile, only that command be handed over (conversation.ts). What the
 * quick path does not know is left unread.
 *
 * Hot path: no allocation. A base class, so that these fields are the first of the conversation: one cache line.
 */
import type { Instant } from '../core/time.ts'
import { scanAnswer, scanned, scanPrepared } from './answer-scan.ts'
import { Answer, answerOf, Command, takesStatementId } from './commands.ts'
import type { Maybe } from './context.ts'
import { MAX_PACKET } from './framing.ts'
import { type MysqlListener, ReplyKind } from './listener.ts'
import { looksLikeQueryAttributes, skipQueryAttributes } from './messages/com-query.ts'
import { prepareOk } from './messages/com-stmt-prepare-ok.ts'

/** No command is outstanding. */
export const IDLE = -1
/** The state is not that simple: everything takes the careful path. */
export const CAREFUL = -2

export abstract class QuickPath {
  /** IDLE, CAREFUL, or the one outstanding command: op | sequence id of its answer << 8. */
  protected outstanding: number = CAREFUL
  /** Nothing more will be read: further calls cost nothing and may be left out. */
  done = false
  /** Copies of what was agreed on, or inferred (context.ts). */
  protected queryAttributes: Maybe = -1
  protected deprecateEof: Maybe = -1
  protected readonly listener: MysqlListener

  constructor(listener: MysqlListener) {
    this.listener = listener
  }

  /** Reads whole commands. Answers how far it came: what is left takes the careful path. */
  protected quickCommands(buf: Uint8Array, start: number, end: number, at: Instant, frame: number): number {
    let p = start
    while (this.outstanding === IDLE && end - p > 4) {
      const length = buf[p]! | (buf[p + 1]! << 8) | (buf[p + 2]! << 16)
      const next = p + 4 + length
      if (buf[p + 3] !== 0 || next > end || length === 0 || length === MAX_PACKET) return p
      const op = buf[p + 4]!
      let argument = p + 5
      let id = -1
      if (op === Command.COM_QUERY) {
        if (this.queryAttributes > 0) {
          argument = skipQueryAttributes(buf, argument, next)
          if (argument < 0) argument = next
        } else if (this.queryAttributes < 0 && looksLikeQueryAttributes(buf, argument, next)) return p
      } else if (op === Command.COM_CHANGE_USER || op === Command.COM_SLEEP) {
        // No client sends COM_SLEEP: what reads like it is something else.
        return p
      } else if ((takesStatementId(op) || op === Command.COM_PROCESS_KILL) && length > 4) {
        id = (buf[p + 5]! | (buf[p + 6]! << 8) | (buf[p + 7]! << 16) | (buf[p + 8]! << 24)) >>> 0
      }
      if (answerOf(op) !== Answer.none) this.outstanding = op | (1 << 8)
      this.listener.commandBegin(op, length, at, frame)
      this.listener.command(op, buf, argument, next, next - argument, id, at, frame)
      p = next
    }
    return p
  }

  /** Reads a whole answer, if there is one. Answers how far it came. */
  protected quickAnswer(buf: Uint8Array, start: number, end: number, at: Instant, frame: number): number {
    const outstanding = this.outstanding
    if (outstanding < 0 || this.deprecateEof < 0) return start
    const answer = answerOf(outstanding)
    if (answer !== Answer.any && answer !== Answer.prepare) return start
    const id = outstanding >> 8
    const eof = this.deprecateEof === 0
    const next = answer === Answer.any ? scanAnswer(buf, start, end, id, eof) : scanPrepared(buf, start, end, id, eof)
    if (next < 0) return start
    this.outstanding = IDLE
    this.listener.replyBegin(scanned.kind, at, frame)
    if (scanned.kind === ReplyKind.PrepareOk) {
      this.listener.prepared(prepareOk.statementId, prepareOk.parameters, prepareOk.columns)
    }
    this.listener.replyEnd(scanned.status, scanned.rows, scanned.columns, false, at, frame)
    return next
  }
}
