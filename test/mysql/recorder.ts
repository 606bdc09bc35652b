/** A listener that writes every fact down as one line, and a conversation fed with it. */
import { AnomalyLog } from '../../src/core/anomaly.ts'
import { decodeText } from '../../src/core/bytes.ts'
import { type Direction, sideName } from '../../src/core/direction.ts'
import { commandName } from '../../src/mysql/commands.ts'
import { type ConversationOptions, MysqlConversation } from '../../src/mysql/conversation.ts'
import { type MysqlListener, ReplyKind } from '../../src/mysql/listener.ts'

const KIND = Object.fromEntries(Object.entries(ReplyKind).map(([k, v]) => [v, k]))

export class Recorder implements MysqlListener {
  facts: string[] = []
  readonly commands: Record<string, number> = {}
  readonly errors: number[] = []
  readonly statements: string[] = []
  begun = 0
  whole = 0
  replies = 0
  frames: number[] = []

  private say(fact: string): void {
    this.facts.push(fact)
  }
  recognised(by: string): void {
    this.say(`recognised by ${by}`)
  }
  proxyHeader(h: { version: number; command: string; source: string; destination: string }): void {
    this.say(`PROXY v${h.version} ${h.command} ${h.source} ${h.destination}`)
  }
  greeting(g: {
    serverVersion: string
    flavor: string
    connectionId: number
    authPlugin: string
    scramble: string
  }): void {
    this.say(`greeting ${g.serverVersion} ${g.flavor} id ${g.connectionId} ${g.authPlugin} ${g.scramble.length / 2}`)
  }
  sslRequest(): void {
    this.say('SSLRequest')
  }
  login(l: { user: string; schema: string; authPlugin: string; authResponseLength: number; attributes: object }): void {
    const attributes = Object.keys(l.attributes).length
    this.say(`login ${l.user}@${l.schema} ${l.authPlugin} response ${l.authResponseLength} attributes ${attributes}`)
  }
  auth(dir: Direction, what: string, detail: string): void {
    this.say(`auth ${sideName(dir)} ${what}: ${detail}`)
  }
  authenticated(): void {
    this.say('authenticated')
  }
  commandBegin(op: number, length: number): void {
    this.begun++
    this.say(`begin ${commandName(op)} ${length}`)
  }
  command(
    op: number,
    buf: Uint8Array,
    start: number,
    end: number,
    length: number,
    statementId: number,
    _at: number,
    frame: number,
  ): void {
    this.whole++
    this.frames.push(frame)
    const name = commandName(op)
    this.commands[name] = (this.commands[name] ?? 0) + 1
    const text =
      op === 3 || op === 0x16 || op === 2 || op === 0x11
        ? ` ${decodeText(buf, start, Math.min(end, start + 1024))}`
        : ''
    if (op === 3) this.statements.push(text.slice(1))
    this.say(`${name}${text} [${length}]${statementId < 0 ? '' : ` #${statementId}`}`)
  }
  replyBegin(kind: ReplyKind): void {
    this.say(`reply ${KIND[kind]}`)
  }
  prepared(id: number, parameters: number, columns: number): void {
    this.say(`prepared #${id} parameters ${parameters} columns ${columns}`)
  }
  replyEnd(status: number, rows: number, columns: number, more: boolean): void {
    this.replies++
    this.say(`end status ${status} rows ${rows} columns ${columns}${more ? ' more' : ''}`)
  }
  error(phase: string, code: number, sqlState: string, message: string, id: number): void {
    this.errors.push(code)
    this.say(`error ${phase} ${code} ${sqlState} ${message.slice(0, 40)} seq ${id}`)
  }
  answerLost(): void {
    this.say('answer lost')
  }
  tracked(changes: readonly { type: number; name: string; value: string }[]): void {
    for (const c of changes) this.say(`tracked ${c.type} ${c.name}=${c.value}`)
  }
  outOfOrder(dir: Direction, expected: number, got: number): void {
    this.say(`out of order ${sideName(dir)} expected ${expected} got ${got}`)
  }
  unreadable(dir: Direction, what: string): void {
    this.say(`unreadable ${sideName(dir)} ${what}`)
  }
  resynced(dir: Direction): void {
    this.say(`resynced ${sideName(dir)}`)
  }
  inferred(what: string): void {
    this.say(`inferred ${what}`)
  }
  /** The facts so far, and forgets them. */
  take(): string[] {
    const { facts } = this
    this.facts = []
    return facts
  }
}

/** A conversation and what it says. `c` and `s` push bytes of the client and the server, one call each. */
export class Dialogue {
  readonly heard = new Recorder()
  readonly anomalies = new AnomalyLog()
  readonly conversation: MysqlConversation
  flips = 0
  private frame = 0

  constructor(options: Partial<ConversationOptions> = {}) {
    this.conversation = new MysqlConversation(this.heard, this.anomalies, { assumeMysql: false, ...options }, () => {
      this.flips++
    })
  }
  push(dir: Direction, bytes: Uint8Array): this {
    this.frame++
    // Not at the begin of its buffer, so that offsets are honoured.
    const buf = new Uint8Array(bytes.length + 6)
    buf.fill(0xee)
    buf.set(bytes, 3)
    this.conversation.data(dir, buf, 3, 3 + bytes.length, this.frame * 1000, this.frame)
    buf.fill(0xdd)
    return this
  }
  c(...bytes: Uint8Array[]): this {
    for (const b of bytes) this.push(0, b)
    return this
  }
  s(...bytes: Uint8Array[]): this {
    for (const b of bytes) this.push(1, b)
    return this
  }
  gap(dir: Direction, bytes: number): this {
    this.conversation.gap(dir, bytes, 'lost-in-capture', this.frame * 1000, ++this.frame)
    return this
  }
  take(): string[] {
    return this.heard.take()
  }
}
