/**
 * Both directions of one MySQL connection without names, literals and credentials: every byte is either part of the protocol's
 * frame, or replaced. Commands are read together with their answers, since only the answer says what a prepared statement takes.
 * What cannot be understood is masked blindly: then the verdict may suffer, never the secret.
 */
import { MysqlconnError } from '../../core/errors.ts'
import { blind, Cursor, latin1, put, Short, type Stream } from './bytes.ts'
import { COMPRESS, maskChangeUser, maskLogin, noise, QUERY_ATTRIBUTES, SSL, ZSTD } from './login.ts'
import type { Pseudonyms } from './pseudonyms.ts'
import { maskBinaryRow, maskBinaryValue, maskColumn, maskError, maskOk, maskTextRow } from './results.ts'
import { maskSql } from './sql.ts'
import { maskTls } from './tls.ts'

interface Packet {
  start: number
  end: number
  seq: number
  /** All of it is in hand. */
  complete: boolean
}

const MORE_RESULTS = 8
const SILENT: ReadonlySet<number> = new Set([0x01, 0x18, 0x19])
/** Commands whose argument is a statement, a name, or nothing but numbers. */
const STATEMENTS: ReadonlySet<number> = new Set([0x03, 0x16])
const NAMES: ReadonlySet<number> = new Set([0x02, 0x05, 0x06])
const NUMBERS: ReadonlySet<number> = new Set([
  0x00, 0x01, 0x07, 0x08, 0x09, 0x0a, 0x0c, 0x0d, 0x0e, 0x19, 0x1a, 0x1b, 0x1c, 0x1f,
])

export class MysqlMask {
  private readonly client: Stream
  private readonly server: Stream
  private readonly names: Pseudonyms
  private readonly session: string
  private commands: Packet[] = []
  private answers: Packet[] = []
  private next = 0
  private queryAttributes = false
  /** Types of the parameters of prepared statements, by id. */
  private readonly prepared = new Map<number, { count: number; types: number[] }>()

  constructor(client: Stream, server: Stream, names: Pseudonyms, session: string) {
    this.client = client
    this.server = server
    this.names = names
    this.session = session
  }

  /** Masks both streams in place. Throws E_USAGE for a compressed connection, whose lengths cannot be kept. */
  run(): void {
    const { client, server, names } = this
    const begin = this.proxyHeader()
    if (client.buf[begin] === 22 && client.buf[begin + 1] === 3) {
      maskTls(client, begin, names)
      this.foreignOrTls(server, 0)
      return
    }
    const greeted = server.buf[3] === 0 && (server.buf[4] === 10 || server.buf[4] === 9 || server.buf[4] === 0xff)
    const login = greeted && client.buf[begin + 3] === 1
    const fits =
      client.whole - begin < 4 ||
      login ||
      (client.buf[begin + 3] === 0 && client.buf[begin + 4]! <= 0xff && this.plausible(client, begin))
    const answersFit = server.whole < 4 || greeted || this.plausible(server, 0)
    // One side may speak another protocol while the other one is MySQL: each is taken for what it is.
    if (fits) this.commands = packets(client, begin)
    else foreign(client.buf, begin)
    if (answersFit) this.answers = packets(server, 0)
    else foreign(server.buf, 0)
    let at = 0
    if (greeted) {
      if (server.buf[4] === 0xff) this.guard(this.answers[0], (c) => maskError(c, names), 1)
      this.next = 1
      const first = this.commands[0]
      if (
        login &&
        first !== undefined &&
        first.end - first.start === 32 &&
        (client.buf[first.start + 1]! & (SSL >> 8)) !== 0
      ) {
        maskTls(client, first.end, names)
        if (this.answers[0] !== undefined) maskTls(server, this.answers[0].end, names)
        return
      }
      if (login) at = this.logIn()
    }
    for (; at < this.commands.length; at++) this.command(this.commands[at]!)
    while (this.next < this.answers.length) this.unasked(this.answers[this.next++]!)
    if (fits) this.behind(client, this.commands, begin)
    if (answersFit) this.behind(server, this.answers, 0)
  }

  /** A stream that begins with a packet whose header could be true. */
  private plausible(s: Stream, at: number): boolean {
    const length = s.buf[at]! | (s.buf[at + 1]! << 8) | (s.buf[at + 2]! << 16)
    return length > 0 && (at + 4 + length <= s.buf.length || s.buf[at + 2] === 0)
  }

  private foreignOrTls(s: Stream, at: number): void {
    if (s.buf[at]! >= 20 && s.buf[at]! <= 24 && s.buf[at + 1] === 3) maskTls(s, at, this.names)
    else foreign(s.buf, at)
  }

  /** PROXY protocol ahead of the login: where the header ends. Its addresses keep their lengths. */
  private proxyHeader(): number {
    const { buf, whole } = this.client
    const head = latin1(buf, 0, Math.min(whole, 108))
    if (head.startsWith('PROXY ')) {
      const end = head.indexOf('\r\n')
      if (end < 0) return 0
      const masked = head
        .slice(0, end)
        .replace(/ [0-9a-f.:]{7,}(?= )/gi, (a) => a.replace(/[0-9a-f]+/gi, (part) => '1'.repeat(part.length)))
      put(buf, 0, masked, end)
      return end + 2
    }
    if (!head.startsWith('\r\n\r\n\0\r\nQUIT\n')) return 0
    const length = (buf[14]! << 8) | buf[15]!
    const addresses = buf[13]! >> 4 === 1 ? 8 : buf[13]! >> 4 === 2 ? 32 : 0
    const end = Math.min(whole, 16 + length)
    put(buf, 16, noise('proxy', latin1(buf, 16, 16 + addresses), this.names), Math.min(end, 16 + addresses))
    return end
  }

  /** Client packets up to the first command; server packets up to the end of the login. Returns the index of the first command. */
  private logIn(): number {
    let i = 0
    for (; i < this.commands.length && this.commands[i]!.seq !== 0; i++) {
      const p = this.commands[i]!
      if (i === 0) {
        this.guardClient(p, (c) => {
          const flags = maskLogin(c, this.names)
          const offered = this.offered()
          this.queryAttributes = (flags & offered & QUERY_ATTRIBUTES) !== 0
          if ((flags & offered & (COMPRESS | ZSTD)) !== 0 && this.commands.length > 1)
            throw new MysqlconnError(
              'E_USAGE',
              `${this.session} is compressed and cannot be anonymised: lengths would change`,
              'slice it without --anonymize, or record without compression',
            )
        })
      } else this.guardClient(p, (c) => c.rest((t) => noise('auth', t, this.names)))
    }
    this.authentication()
    return i
  }

  /** Capability flags of the greeting: an option holds when both sides have it. */
  private offered(): number {
    const p = this.answers[0]
    if (p === undefined) return 0
    const c = new Cursor(this.server.buf, p.start, p.end)
    try {
      c.skip(1)
      c.zeroTerminated((t) => t)
      c.skip(13)
      const low = c.int(2)
      c.skip(3)
      return low | (c.int(2) << 16)
    } catch (e) {
      if (!(e instanceof Short)) throw e
      return 0
    }
  }

  /** Server packets of an authentication exchange, up to its OK or ERR. */
  private authentication(): void {
    while (this.next < this.answers.length) {
      const p = this.answers[this.next++]!
      const first = this.server.buf[p.start]
      if (first === 0xff) {
        this.guard(p, (c) => maskError(c, this.names), 1)
        return
      }
      if (first === 0) {
        this.guard(p, (c) => maskOk(c, this.names), 1)
        return
      }
      // Switch requests carry a plugin and a challenge; more data a public key, which names the server.
      if (first === 1 && p.end - p.start > 3) this.guard(p, (c) => c.rest((t) => noise('key', t, this.names)), 1)
    }
  }

  private command(p: Packet): void {
    const op = this.client.buf[p.start] ?? -1
    // Data of LOAD DATA LOCAL, and what did not fit in 16 MiB, belong to the command before.
    if (p.seq !== 0) {
      this.guardClient(p, (c) => c.rest((t) => this.names.value(t)))
      return
    }
    this.guardClient(p, (c) => {
      c.skip(1)
      if (STATEMENTS.has(op)) {
        if (op === 0x03 && this.queryAttributes) this.attributes(c)
        c.rest((t) => maskSql(t, this.names))
      } else if (NAMES.has(op)) c.rest((t) => this.names.name(t))
      else if (op === 0x04) c.zeroTerminated((t) => this.names.name(t))
      else if (op === 0x11) maskChangeUser(c, this.names)
      else if (op === 0x17) this.execute(c)
      else if (op === 0x18) this.longData(c)
      else if (!NUMBERS.has(op)) blind(c.buf, c.at, c.end)
    })
    if (!SILENT.has(op)) this.answer(op)
  }

  /** CLIENT_QUERY_ATTRIBUTES: parameters ahead of the statement. */
  private attributes(c: Cursor): void {
    const count = c.lenenc()
    c.lenenc()
    if (count <= 0) return
    const nulls = c.at
    c.skip((count + 7) >> 3)
    if (c.byte() !== 1) return
    const types: number[] = []
    for (let i = 0; i < count; i++) {
      types.push(c.int(2) & 0xff)
      c.lenencText((t) => this.names.name(t))
    }
    types.forEach((type, i) => {
      if (((c.buf[nulls + (i >> 3)]! >> (i & 7)) & 1) === 0) maskBinaryValue(c, type, this.names)
    })
  }

  private execute(c: Cursor): void {
    const id = c.int(4)
    const flags = c.byte()
    c.skip(4)
    const known = this.prepared.get(id)
    // Parameters beyond those of the statement are query attributes; without the answer to the prepare nobody knows any.
    if (known === undefined || (flags & 8) !== 0) {
      blind(c.buf, c.at, c.end)
      return
    }
    if (known.count === 0) return
    const nulls = c.at
    c.skip((known.count + 7) >> 3)
    if (c.byte() === 1) known.types = Array.from({ length: known.count }, () => c.int(2) & 0xff)
    known.types.forEach((type, i) => {
      if (((c.buf[nulls + (i >> 3)]! >> (i & 7)) & 1) === 0) maskBinaryValue(c, type, this.names)
    })
    blind(c.buf, c.at, c.end)
  }

  private longData(c: Cursor): void {
    c.skip(6)
    c.rest((t) => this.names.value(t))
  }

  private peek(): Packet | undefined {
    return this.answers[this.next]
  }

  private answer(op: number): void {
    const p = this.peek()
    // A packet that begins a new exchange was not asked for: the server's farewell.
    if (p === undefined || p.seq === 0) return
    if (op === 0x11) this.authentication()
    else if (op === 0x16) this.prepareAnswer()
    else if (op === 0x09) this.next++
    else if (op === 0x04) this.definitions(Number.POSITIVE_INFINITY)
    else if (op === 0x1c) this.rows([], true)
    else if (op === 0x12 || op === 0x1e) {
      for (; this.next < this.answers.length; this.next++) this.blindly(this.answers[this.next]!)
    } else {
      let more = true
      while (more) more = this.resultSet(op === 0x17)
    }
  }

  /** One result. True when the server announced another. */
  private resultSet(binary: boolean): boolean {
    const p = this.peek()
    if (p === undefined || p.seq === 0) return false
    this.next++
    const first = this.server.buf[p.start]
    if (first === 0xff) {
      // MariaDB's progress reports are errors by form only.
      const progress = this.server.buf[p.start + 1] === 0xff && this.server.buf[p.start + 2] === 0xff
      this.guard(p, (c) => (progress ? blind(c.buf, c.at, c.end) : maskError(c, this.names)), 1)
      return progress
    }
    if (first === 0) return ((this.guard(p, (c) => maskOk(c, this.names), 1) ?? 0) & MORE_RESULTS) !== 0
    if (first === 0xfe && p.end - p.start < 9) return false
    if (first === 0xfb) {
      this.guard(p, (c) => c.rest((t) => this.names.name(t)), 1)
      return true
    }
    const columns = this.guard(p, (c) => c.lenenc()) ?? 0
    const types = this.definitions(columns)
    return this.rows(types, binary)
  }

  /** Column definitions, and the EOF behind them where there is one. */
  private definitions(count: number): number[] {
    const types: number[] = []
    while (types.length < count) {
      const p = this.peek()
      if (p === undefined || isEof(this.server.buf, p) || this.server.buf[p.start] === 0xff) break
      this.next++
      types.push(this.guard(p, (c) => maskColumn(c, this.names)) ?? 0xfd)
    }
    const p = this.peek()
    if (p !== undefined && isEof(this.server.buf, p)) this.next++
    return types
  }

  /** Rows up to EOF, the OK that stands for it, or an error. True when another result follows. */
  private rows(types: readonly number[], binary: boolean): boolean {
    for (;;) {
      const p = this.peek()
      if (p === undefined) return false
      this.next++
      const first = this.server.buf[p.start]
      if (first === 0xff) {
        this.guard(p, (c) => maskError(c, this.names), 1)
        return false
      }
      if (isEof(this.server.buf, p)) return ((this.server.buf[p.start + 3] ?? 0) & MORE_RESULTS) !== 0
      if (first === 0xfe && p.end - p.start < 0xffffff)
        return ((this.guard(p, (c) => maskOk(c, this.names), 1) ?? 0) & MORE_RESULTS) !== 0
      this.guard(p, (c) => {
        if (binary && types.length > 0) maskBinaryRow(c, types, this.names)
        else if (types.length > 0) maskTextRow(c, types.length, this.names)
        else blind(c.buf, c.at, c.end)
      })
    }
  }

  private prepareAnswer(): void {
    const p = this.answers[this.next++]!
    if (this.server.buf[p.start] === 0xff) {
      this.guard(p, (c) => maskError(c, this.names), 1)
      return
    }
    const numbers = this.guard(p, (c) => [c.int(4), c.int(2), c.int(2)], 1)
    if (!Array.isArray(numbers)) return
    const [id, columns, parameters] = numbers as [number, number, number]
    this.prepared.set(id, { count: parameters, types: [] })
    if (parameters > 0) this.definitions(parameters)
    if (columns > 0) this.definitions(columns)
  }

  /** A server packet that answers nothing: an error on its way out, or what a gap left over. */
  private unasked(p: Packet): void {
    if (this.server.buf[p.start] === 0xff) this.guard(p, (c) => maskError(c, this.names), 1)
    else this.blindly(p)
  }

  private blindly(p: Packet): void {
    blind(this.server.buf, p.start + 1, p.end)
  }

  /** What lies behind the last whole packet: a hole, or the end of the capture. */
  private behind(s: Stream, list: readonly Packet[], begin: number): void {
    blind(s.buf, list.at(-1)?.end ?? begin, s.buf.length)
  }

  /** `skip`: bytes ahead that say what it is. */
  private guard<T>(p: Packet | undefined, mask: (c: Cursor) => T, skip = 0): T | undefined {
    return p === undefined ? undefined : guarded(this.server, p, mask, skip)
  }
  private guardClient(p: Packet, mask: (c: Cursor) => void): void {
    guarded(this.client, p, mask, 0)
  }
}

/** Where the packet does not hold what its kind promises, the rest of it is masked blindly. */
function guarded<T>(s: Stream, p: Packet, mask: (c: Cursor) => T, skip: number): T | undefined {
  const c = new Cursor(s.buf, Math.min(p.end, p.start + skip), p.end)
  try {
    return mask(c)
  } catch (e) {
    if (!(e instanceof Short)) throw e
    blind(s.buf, c.at, p.end)
    return undefined
  }
}

/** EOF_Packet: 0xfe, warnings, status. */
const isEof = (buf: Uint8Array, p: Packet): boolean => buf[p.start] === 0xfe && p.end - p.start === 5

/** MySQL packets from `at` on, as far as the stream has no hole; the last one may be cut. */
function packets(s: Stream, at: number): Packet[] {
  const out: Packet[] = []
  while (at + 4 <= s.whole) {
    const length = s.buf[at]! | (s.buf[at + 1]! << 8) | (s.buf[at + 2]! << 16)
    const end = at + 4 + length
    out.push({ start: at + 4, end: Math.min(end, s.whole), seq: s.buf[at + 3]!, complete: end <= s.whole })
    at = end
  }
  return out
}

/** Another protocol: its first word says which, and is all that stays. */
function foreign(buf: Uint8Array, at: number): void {
  const head = /^(?:[A-Z]{3,7} \/|HTTP\/[\d.]+ \d+|SSH-[\d.]+-|\*\d|EHLO|HELO)/.exec(
    latin1(buf, at, Math.min(buf.length, at + 24)),
  )
  const from = at + (head?.[0].length ?? 0)
  blind(buf, from, buf.length)
}
