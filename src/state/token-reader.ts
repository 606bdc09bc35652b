/** Reading a statement token by token: what all parts of statement.ts need. */
import { type Effect, VALUE_BYTES } from './effect.ts'
import { type Dialect, type Lexer, Token } from './lexer.ts'

/** Effects kept of one text. */
const EFFECTS_KEPT = 64

export abstract class TokenReader {
  protected readonly lex: Lexer
  protected readonly dialect: Dialect
  protected readonly effects: Effect[] = []
  protected statement = 0

  constructor(lex: Lexer, dialect: Dialect) {
    this.lex = lex
    this.dialect = dialect
  }

  protected add(does: Effect['does'], key: string, value = '', nested?: readonly Effect[]): void {
    if (this.effects.length >= EFFECTS_KEPT) return
    const effect: Effect = { statement: this.statement, does, key, value }
    if (nested !== undefined) effect.nested = nested
    this.effects.push(effect)
  }

  protected name(): string {
    const text = this.lex.text(VALUE_BYTES)
    this.lex.next()
    return text
  }

  protected accept(word: string): boolean {
    if (!this.lex.is(word)) return false
    this.lex.next()
    return true
  }

  protected acceptChar(c: string): boolean {
    if (!this.lex.isChar(c)) return false
    this.lex.next()
    return true
  }

  protected get atEnd(): boolean {
    return this.lex.has(Token.end) || this.lex.isChar(';')
  }

  /** What is left of the statement: expressions. */
  protected rest(): void {
    while (!this.atEnd) this.term()
  }

  /**
   * One token of an expression, with what it may do: assign a user variable, take or release a user lock. True when it took an
   * opening parenthesis with it.
   */
  protected term(): boolean {
    const { lex } = this
    if (lex.has(Token.userVariable)) {
      const name = lex.text(VALUE_BYTES).toLowerCase()
      lex.next()
      if (lex.has(Token.assign)) this.add('set', `user:${name}`)
      return false
    }
    if (!lex.has(Token.word)) {
      lex.next()
      return false
    }
    if (lex.is('into')) {
      lex.next()
      this.into()
      return false
    }
    const lock = lex.is('get_lock')
      ? 'set'
      : lex.is('release_lock')
        ? 'clear'
        : lex.is('release_all_locks')
          ? 'all'
          : ''
    lex.next()
    if (lock === '' || !this.acceptChar('(')) return false
    if (lock === 'all') this.add('clear', 'userlock:*')
    else {
      const named = lex.has(Token.string)
      const name = named ? lex.text(VALUE_BYTES).toLowerCase() : '?'
      this.add(lock === 'set' ? 'set' : 'clear', lock === 'clear' && !named ? 'userlock:*' : `userlock:${name}`)
    }
    return true
  }

  /** SELECT … INTO @a, @b; INTO OUTFILE and INSERT INTO name nothing of the session. */
  protected into(): void {
    const { lex } = this
    while (lex.has(Token.userVariable)) {
      this.add('set', `user:${this.name().toLowerCase()}`)
      if (!this.acceptChar(',')) return
    }
  }
}
