/**
 * Messages of the client: login, authentication, commands, the file of LOAD DATA LOCAL. A command is announced at its
 * first bytes and handed up when it is whole.
 *
 * Hot path: no allocation per command.
 */
import { ByteReader } from '../core/bytes.ts'
import { CLIENT } from '../core/direction.ts'
import { LIMITS } from '../core/limits.ts'
import { Capability, has } from './capabilities.ts'
import { Answer, answerOf, Command, plausibleCommand, takesStatementId } from './commands.ts'
import { clientAuthenticates, clientLogsIn, LOGIN_BYTES } from './connection-phase.ts'
import { type Context, Phase } from './context.ts'
import type { PacketSink } from './framing.ts'
import { looksLikeQueryAttributes, skipQueryAttributes } from './messages/com-query.ts'
import { decodeChangeUser } from './messages/handshake-response-41.ts'
import type { Recovery } from './recovery.ts'

/** Bytes of query attributes that may stand ahead of a statement whose text is still wanted. */
const ATTRIBUTE_BYTES = 4 << 10
/** Enough for every fixed head: statement id, flags, kill id. */
const HEAD_BYTES = 64

/** What a message is by its first bytes; it may have become something else by its end. */
const Began = {
  /** A message of the connection phase, or a part of a file. */
  other: 0,
  /** A command, announced. */
  command: 1,
  /** A replica's acknowledgment, passed over. */
  acknowledgment: 2,
} as const
type Began = (typeof Began)[keyof typeof Began]

const r = new ByteReader(new Uint8Array(0))

export class ClientSide implements PacketSink {
  private readonly c: Context
  private readonly recovery: Recovery
  /** What the message in hand was by its first bytes. */
  private began: Began = Began.other

  constructor(c: Context, recovery: Recovery) {
    this.c = c
    this.recovery = recovery
  }

  begin(first: number, length: number, id: number): number {
    const c = this.c
    this.began = Began.other
    if (c.phase !== Phase.command) {
      return id === 0 && c.phase === Phase.greeting && plausibleCommand(first, length)
        ? this.wants(first, length)
        : Math.min(length, LOGIN_BYTES)
    }
    if (c.sendingFile) return 0
    if (this.acknowledges(first)) {
      this.began = Began.acknowledgment
      return 0
    }
    if (this.isNoCommand(first, length)) return 0
    this.commandBegin(first, length)
    this.began = Began.command
    return this.wants(first, length)
  }

  message(buf: Uint8Array, start: number, end: number, length: number, id: number, begun: boolean): void {
    const c = this.c
    if (c.phase === Phase.command) {
      const began = begun ? this.began : Began.command
      if (c.sendingFile) this.fileData(length, id)
      else if (length === 0) c.unreadable(CLIENT, 'an empty command')
      else if (began === Began.acknowledgment) return
      // It began as a part of a file, and the server has ended that; or the capture has lost its first byte.
      else if (start >= end) c.unreadable(CLIENT, 'a command without its first byte')
      else if (this.acknowledges(buf[start]!)) return
      // It began in the connection phase, which has ended meanwhile: nothing announced it.
      else if (began === Began.other && (id !== 0 || !plausibleCommand(buf[start]!, length)))
        c.unreadable(CLIENT, 'a message of the connection phase')
      else this.command(buf, start, end, length, id, begun && began === Began.command)
      return
    }
    // Within a login the numbers go on: one that begins anew is a command, and the OK before it was not captured.
    const anew = id === 0 && end > start && plausibleCommand(buf[start]!, length)
    if (c.phase === Phase.auth && !anew) clientAuthenticates(c, buf, start, end, length, id)
    else if (anew) {
      // The connection phase is over and its end was not seen.
      c.phase = Phase.command
      c.changingUser = false
      c.server.expected = -1
      this.command(buf, start, end, length, id, false)
    } else if (length < 5) c.unreadable(CLIENT, 'no login')
    else clientLogsIn(c, buf, start, end, length, id)
  }

  skipped(): void {}

  outOfOrder(expected: number, got: number): void {
    const c = this.c
    if (!c.compressed) c.listener.outOfOrder(CLIENT, expected, got, c.at, c.frame)
  }

  /** Semisynchronous replicas acknowledge events (0xEF) on the connection whose COM_BINLOG_DUMP is being answered. */
  private acknowledges(first: number): boolean {
    return first >= 0xef && this.c.queue.length > 0 && answerOf(this.c.queue.op) === Answer.stream
  }

  private wants(op: number, length: number): number {
    let most = HEAD_BYTES
    switch (op) {
      case Command.COM_QUERY:
        most = 1 + LIMITS.sqlPreviewBytes + (this.c.queryAttributes === 0 ? 0 : ATTRIBUTE_BYTES)
        break
      case Command.COM_STMT_PREPARE:
      case Command.COM_INIT_DB:
      case Command.COM_FIELD_LIST:
        most = 1 + LIMITS.sqlPreviewBytes
        break
      case Command.COM_CHANGE_USER:
        most = LOGIN_BYTES
        break
    }
    return Math.min(length, most)
  }

  private commandBegin(op: number, length: number): void {
    const c = this.c
    this.recovery.newCommand()
    c.listener.commandBegin(op, length, c.at, c.frame)
    if (answerOf(op) !== Answer.none && !c.queue.push(op, -1)) {
      c.anomalies.note('us.limit', c.frame, 'more outstanding commands than are followed')
    }
  }

  /** Begun before the capture, and no command: compressed, perhaps. Nothing is invented; a later command may be found. */
  private isNoCommand(first: number, length: number): boolean {
    const c = this.c
    if (c.known || plausibleCommand(first, length)) return false
    c.client.lost = true
    c.client.halt = true
    c.clientUnsure = true
    return true
  }

  private command(buf: Uint8Array, start: number, end: number, length: number, id: number, begun: boolean): void {
    const c = this.c
    const op = buf[start]!
    if (!begun) {
      if (this.isNoCommand(op, length)) return
      this.commandBegin(op, length)
    }
    const expected = (id + 1) & 255
    if (answerOf(op) !== Answer.none) {
      // The server may have answered already, having read enough (ER_NET_PACKET_TOO_LARGE).
      if (c.queue.length === 1 && c.queue.expected < 0 && c.server.expected < 0) {
        c.server.expected = expected
        c.server.complained = false
      }
      c.queue.complete(expected)
    }
    c.client.expected = 0
    c.client.complained = false
    c.clientUnsure = false
    this.report(op, buf, start + 1, end, length - 1)
  }

  private report(op: number, buf: Uint8Array, start: number, end: number, length: number): void {
    const c = this.c
    let from = start
    let to = end
    let id = -1
    if (op === Command.COM_QUERY) {
      from = this.text(buf, start, end)
      length -= from - start
      if (to - from > LIMITS.sqlPreviewBytes && to - from < length) to = from + LIMITS.sqlPreviewBytes
    } else if (takesStatementId(op)) {
      if (end - start >= 4) {
        id = (buf[start]! | (buf[start + 1]! << 8) | (buf[start + 2]! << 16) | (buf[start + 3]! << 24)) >>> 0
      }
    } else if (op === Command.COM_CHANGE_USER) {
      // Only the user name: what follows is the authentication response.
      const nul = buf.indexOf(0, start)
      to = nul < 0 || nul >= end ? start : nul
      c.listener.command(op, buf, from, to, length, -1, c.at, c.frame)
      this.changeUser(buf, start, end)
      return
    } else if (op === Command.COM_PROCESS_KILL && end - start >= 4) {
      id = (buf[start]! | (buf[start + 1]! << 8) | (buf[start + 2]! << 16) | (buf[start + 3]! << 24)) >>> 0
    }
    c.listener.command(op, buf, from, to, length, id, c.at, c.frame)
  }

  /** Where the statement text begins behind possible query attributes. */
  private text(buf: Uint8Array, start: number, end: number): number {
    const c = this.c
    if (c.queryAttributes === 0) return start
    if (c.queryAttributes < 0) {
      if (!looksLikeQueryAttributes(buf, start, end)) return start
      c.queryAttributes = 1
      c.infer('query attributes')
    }
    const text = skipQueryAttributes(buf, start, end)
    return text < 0 ? end : text
  }

  private changeUser(buf: Uint8Array, start: number, end: number): void {
    const c = this.c
    r.reset(buf, start, end)
    const both = c.known
      ? c.capabilities
      : c.capabilities | Capability.CLIENT_SECURE_CONNECTION | Capability.CLIENT_PLUGIN_AUTH
    const login = decodeChangeUser(r, both, c.mariadb, c.maxPacketSize)
    if (!r.ok && has(both, Capability.CLIENT_PLUGIN_AUTH)) c.truncated('COM_CHANGE_USER')
    if (login.authPlugin !== '') c.authPlugin = login.authPlugin
    c.listener.login(login, c.at, c.frame)
  }

  private fileData(length: number, id: number): void {
    const c = this.c
    c.client.expected = (id + 1) & 255
    c.client.complained = false
    if (length > 0) return
    c.sendingFile = false
    c.client.expected = 0
    c.server.expected = (id + 1) & 255
    c.server.complained = false
  }
}
