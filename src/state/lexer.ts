/**
 * The words of SQL text, over bytes: comments, quotes, versioned comments, user variables (manual: Lexical Structure and
 * Comment Syntax; MariaDB: Comment Syntax). Total: any bytes are some sequence of tokens. One pass, no allocation per token.
 */
import { decodeText } from '../core/bytes.ts'

export const Token = {
  end: 0,
  /** Keyword, identifier, or number. */
  word: 1,
  /** 'text', or "text" unless ANSI_QUOTES is on; x'41' and b'1' come as a word and a string. */
  string: 2,
  /** `identifier`, or "identifier" with ANSI_QUOTES. */
  quoted: 3,
  /** @name, @'name', @`name`: the bounds are those of the name. */
  userVariable: 4,
  /** @@ in front of a system variable. */
  systemVariable: 5,
  /** := */
  assign: 6,
  /** Any other single byte. */
  other: 7,
} as const
export type Token = (typeof Token)[keyof typeof Token]

/** How a server reads text. */
export interface Dialect {
  /** Versioned comments differ: MariaDB runs its own, and leaves out those for MySQL 5.7 and later. */
  mariadb: boolean
  /** As in versioned comments: 80041, 101119; 0 when unknown: then every versioned comment is run. */
  version: number
  noBackslashEscapes: boolean
  ansiQuotes: boolean
}

export const PLAIN: Dialect = { mariadb: false, version: 0, noBackslashEscapes: false, ansiQuotes: false }

const isWord = (c: number): boolean =>
  (c >= 0x61 && c <= 0x7a) ||
  (c >= 0x41 && c <= 0x5a) ||
  (c >= 0x30 && c <= 0x39) ||
  c === 0x5f ||
  c === 0x24 ||
  c > 0x7f

export class Lexer {
  kind: Token = Token.end
  /** Bounds of the token; of quoted ones without the quotes. */
  from = 0
  to = 0
  /** Of Token.other: its byte. */
  byte = 0
  /** Where the token begins, quotes and '@' included; where the one before it ended. */
  begin = 0
  last = 0
  private p = 0
  private end = 0
  private buf: Uint8Array = new Uint8Array(0)
  private dialect: Dialect = PLAIN
  /** Inside a versioned comment whose text counts. */
  private versioned = false
  /** The quoted token in hand holds quotes doubled or escaped. */
  private escaped = false

  reset(buf: Uint8Array, start: number, end: number, dialect: Dialect): this {
    this.buf = buf
    this.p = start
    this.end = end
    this.dialect = dialect
    this.versioned = false
    this.kind = Token.end
    this.last = start
    return this
  }

  next(): Token {
    this.last = this.p
    this.skipBlanks()
    const { buf, end } = this
    const p = this.p
    this.begin = p
    this.from = p
    if (p >= end) {
      this.to = p
      this.kind = Token.end
      return this.kind
    }
    const c = buf[p]!
    if (isWord(c)) {
      let q = p + 1
      while (q < end && isWord(buf[q]!)) q++
      return this.take(Token.word, p, q, q)
    }
    if (c === 0x27 || (c === 0x22 && !this.dialect.ansiQuotes)) return this.quote(Token.string, c, p, true)
    if (c === 0x60 || c === 0x22) return this.quote(Token.quoted, c, p, false)
    if (c === 0x40) return this.variable(p)
    if (c === 0x3a && buf[p + 1] === 0x3d && p + 1 < end) return this.take(Token.assign, p, p + 2, p + 2)
    this.byte = c
    return this.take(Token.other, p, p + 1, p + 1)
  }

  has(kind: Token): boolean {
    return this.kind === kind
  }

  /** The token is this word, in any case. `word` in lower case. */
  is(word: string): boolean {
    if (this.kind !== Token.word || this.to - this.from !== word.length) return false
    for (let i = 0; i < word.length; i++)
      if ((this.buf[this.from + i]! | 0x20) !== (word.charCodeAt(i) | 0x20)) return false
    return true
  }

  /** The token is this single character. */
  isChar(c: string): boolean {
    return this.kind === Token.other && this.byte === c.charCodeAt(0)
  }

  /** The token is an identifier: a word or a quoted one. */
  get isName(): boolean {
    return this.kind === Token.word || this.kind === Token.quoted
  }

  /** Text of the token without its quotes, at most `most` bytes of it. */
  text(most: number): string {
    const s = decodeText(this.buf, this.from, Math.min(this.to, this.from + most))
    if (!this.escaped || (this.kind !== Token.string && this.kind !== Token.quoted)) return s
    return s.replace(
      /\\(.)|(['"`])\2/gs,
      (_, escaped: string | undefined, quote: string | undefined) => escaped ?? quote!,
    )
  }

  /** Source text of [from, to), blanks made one. */
  source(from: number, to: number, most: number): string {
    return decodeText(this.buf, from, Math.min(to, from + most))
      .replace(/\s+/g, ' ')
      .trim()
  }

  /** Goes back to a token seen before: what `begin` was then. Only outside comments. */
  back(begin: number): void {
    this.p = begin
  }

  private take(kind: Token, from: number, to: number, next: number): Token {
    this.from = from
    this.to = to
    this.p = next
    this.escaped = false
    this.kind = kind
    return kind
  }

  private quote(kind: Token, quote: number, open: number, backslash: boolean): Token {
    const { buf, end } = this
    const escapes = backslash && !this.dialect.noBackslashEscapes
    let q = open + 1
    let escaped = false
    for (; q < end; q++) {
      const c = buf[q]!
      if (c === 0x5c && escapes) {
        escaped = true
        q++
      } else if (c === quote) {
        if (q + 1 >= end || buf[q + 1] !== quote) break
        escaped = true
        q++
      }
    }
    this.take(kind, open + 1, Math.min(q, end), Math.min(q + 1, end))
    this.escaped = escaped
    return kind
  }

  private variable(at: number): Token {
    const { buf, end } = this
    let p = at + 1
    if (p < end && buf[p] === 0x40) return this.take(Token.systemVariable, at, p + 1, p + 1)
    const c = p < end ? buf[p]! : 0
    if (c === 0x27 || c === 0x22 || c === 0x60) {
      this.quote(Token.string, c, p, c !== 0x60)
      this.kind = Token.userVariable
      this.begin = at
      return this.kind
    }
    while (p < end && (isWord(buf[p]!) || buf[p] === 0x2e)) p++
    if (p === at + 1) {
      this.byte = 0x40
      return this.take(Token.other, at, p, p)
    }
    return this.take(Token.userVariable, at + 1, p, p)
  }

  private skipBlanks(): void {
    const { buf, end } = this
    let p = this.p
    while (p < end) {
      const c = buf[p]!
      if (c <= 0x20) p++
      else if (c === 0x23) p = this.line(p)
      else if (c === 0x2d && buf[p + 1] === 0x2d && p + 1 < end && (p + 2 >= end || buf[p + 2]! <= 0x20))
        p = this.line(p)
      else if (c === 0x2f && buf[p + 1] === 0x2a && p + 1 < end) p = this.comment(p)
      else if (this.versioned && c === 0x2a && buf[p + 1] === 0x2f && p + 1 < end) {
        this.versioned = false
        p += 2
      } else break
    }
    this.p = p
  }

  private line(p: number): number {
    while (p < this.end && this.buf[p] !== 0x0a) p++
    return p
  }

  /** Where reading goes on: inside a versioned comment that counts, behind any other. */
  private comment(open: number): number {
    const { buf, end } = this
    let p = open + 2
    const mariadbOnly = p < end && buf[p] === 0x4d && buf[p + 1] === 0x21
    if (p < end && (buf[p] === 0x21 || mariadbOnly)) {
      p += mariadbOnly ? 2 : 1
      let version = 0
      let digits = 0
      while (p < end && digits < 6 && buf[p]! >= 0x30 && buf[p]! <= 0x39) {
        version = version * 10 + buf[p]! - 0x30
        digits++
        p++
      }
      // A sixth digit belongs to the version only where there are six (8.0.34 and MariaDB); fewer than five are text.
      if (digits > 0 && digits < 5) {
        p -= digits
        version = 0
      }
      if (this.runs(version, mariadbOnly)) {
        this.versioned = true
        return p
      }
      return this.skipNested(p)
    }
    while (p < end && !(buf[p] === 0x2a && buf[p + 1] === 0x2f && p + 1 < end)) p++
    return Math.min(p + 2, end)
  }

  private runs(version: number, mariadbOnly: boolean): boolean {
    const d = this.dialect
    if (mariadbOnly && !d.mariadb) return false
    // MariaDB: Comment Syntax, "versions 50700..99999 are not executed".
    if (d.mariadb && !mariadbOnly && version >= 50700 && version <= 99999) return false
    return version === 0 || d.version === 0 || version <= d.version
  }

  /** Behind a versioned comment that does not count; comments inside it nest once. */
  private skipNested(from: number): number {
    const { buf, end } = this
    let p = from
    let depth = 1
    for (; p < end; p++) {
      if (buf[p] === 0x2a && buf[p + 1] === 0x2f && p + 1 < end) {
        p++
        if (--depth === 0) return p + 1
      } else if (buf[p] === 0x2f && buf[p + 1] === 0x2a && p + 1 < end && depth === 1) {
        p++
        depth++
      }
    }
    return end
  }
}
