/**
 * Reads what statements do to session state (manual: SET Syntax, SET TRANSACTION, SET NAMES, USE, LOCK TABLES, Locking
 * Functions, CREATE TEMPORARY TABLE, HANDLER, PREPARE, XA, User-Defined Variables; MariaDB: SET STATEMENT, BACKUP STAGE).
 * Total and linear; it knows no grammar beyond what changes state, and takes what it does not know for harmless.
 */
import { type Effect, VALUE_BYTES } from './effect.ts'
import { type Dialect, Lexer, Token } from './lexer.ts'
import { SetReader } from './set.ts'

const lexer = new Lexer()

/** Effects of the statements in buf[start, end), in order. */
export function effectsOf(buf: Uint8Array, start: number, end: number, dialect: Dialect): readonly Effect[] {
  return new StatementReader(lexer.reset(buf, start, end, dialect), dialect).read()
}

class StatementReader extends SetReader {
  read(): readonly Effect[] {
    const { lex } = this
    lex.next()
    while (!lex.has(Token.end)) {
      if (lex.isChar(';')) {
        lex.next()
        continue
      }
      const before = this.effects.length
      this.one()
      this.rest()
      if (this.effects.length > before || !lex.has(Token.end)) this.statement++
    }
    return this.effects
  }

  protected one(): void {
    const { lex } = this
    while (lex.isChar('(')) lex.next()
    if (!lex.has(Token.word)) return
    if (this.accept('set')) this.set()
    else if (this.accept('use')) {
      if (lex.isName) this.add('set', 'schema', this.name())
    } else if (this.accept('begin')) {
      // BEGIN NOT ATOMIC opens a block of statements, no transaction.
      if (!lex.is('not')) this.add('set', 'transaction', 'BEGIN')
    } else if (this.accept('start')) {
      if (this.accept('transaction')) {
        this.add('clear', 'lock:tables')
        this.add('set', 'transaction', 'START TRANSACTION')
      }
    } else if (this.accept('commit')) this.endTransaction('COMMIT')
    else if (this.accept('rollback')) {
      this.accept('work')
      if (!lex.is('to')) this.endTransaction('ROLLBACK')
    } else if (this.accept('xa')) this.xa()
    else if (this.accept('lock')) this.lock()
    else if (this.accept('unlock')) {
      if (this.accept('tables') || this.accept('table')) {
        this.add('clear', 'lock:tables')
        this.add('clear', 'lock:global')
      } else if (this.accept('instance')) this.add('clear', 'lock:backup')
    } else if (this.accept('backup')) this.backup()
    else if (this.accept('flush')) this.flush()
    else if (this.accept('create')) this.create()
    else if (this.accept('drop')) this.drop()
    else if (this.accept('handler')) this.handler()
    else if (this.accept('prepare')) this.prepare()
    else if (this.accept('execute')) {
      if (lex.is('immediate')) this.executeImmediate()
      else if (lex.isName) this.add('execute', `prepare:${this.name().toLowerCase()}`)
    } else if (this.accept('deallocate')) {
      if (this.accept('prepare') && lex.isName) this.add('clear', `prepare:${this.name().toLowerCase()}`)
    } else if (this.accept('call')) this.call()
    else if (this.accept('load')) this.load()
  }

  private endTransaction(word: 'COMMIT' | 'ROLLBACK'): void {
    this.accept('work')
    this.add('clear', 'transaction', word)
    if (this.accept('and')) {
      if (this.accept('no')) this.accept('chain')
      else if (this.accept('chain')) this.add('set', 'transaction', `${word} AND CHAIN`)
    }
  }

  private xa(): void {
    const { lex } = this
    if (lex.is('start') || lex.is('begin')) {
      lex.next()
      this.add('set', 'xa', lex.has(Token.string) ? lex.text(VALUE_BYTES) : '')
    } else if (lex.is('commit') || lex.is('rollback') || lex.is('prepare')) {
      // Once prepared the branch belongs to nobody (MySQL 8.0.29, MariaDB 10.5), before that only to its end.
      if (!lex.is('prepare')) this.add('clear', 'xa')
    }
    this.ignore()
  }

  private lock(): void {
    const { lex } = this
    if (lex.is('instance')) this.add('set', 'lock:backup', 'LOCK INSTANCE FOR BACKUP')
    else if (lex.is('tables') || lex.is('table')) {
      lex.next()
      const from = lex.begin
      let to = from
      while (!this.atEnd) {
        lex.next()
        to = lex.last
      }
      this.add('set', 'lock:tables', lex.source(from, to, VALUE_BYTES))
    }
    this.ignore()
  }

  private backup(): void {
    if (this.accept('stage')) this.add(this.lex.is('end') ? 'clear' : 'set', 'lock:backup', 'BACKUP STAGE')
    else if (this.accept('lock')) this.add('set', 'lock:backup', 'BACKUP LOCK')
    else if (this.accept('unlock')) this.add('clear', 'lock:backup')
    this.ignore()
  }

  /** FLUSH TABLES WITH READ LOCK locks all, FLUSH TABLES a, b WITH READ LOCK and … FOR EXPORT lock those. */
  private flush(): void {
    const { lex } = this
    if (lex.is('local') || lex.is('no_write_to_binlog')) lex.next()
    if (!lex.is('tables') && !lex.is('table')) return
    lex.next()
    const from = lex.begin
    let names = 0
    while (!this.atEnd && !lex.is('with') && !lex.is('for')) {
      if (lex.isName) names++
      lex.next()
    }
    const to = lex.begin
    const withLock = this.accept('with') && this.accept('read') && this.accept('lock')
    if (!withLock && !(this.accept('for') && this.accept('export'))) return
    this.add('set', names === 0 ? 'lock:global' : 'lock:tables', names === 0 ? '' : lex.source(from, to, VALUE_BYTES))
  }

  /** CREATE [OR REPLACE] TEMPORARY TABLE [IF NOT EXISTS] [schema.]name */
  private create(): void {
    if (this.accept('or')) this.accept('replace')
    if (!this.accept('temporary')) return
    if (!this.accept('table') && !this.accept('sequence')) return
    if (this.accept('if')) {
      this.accept('not')
      this.accept('exists')
    }
    if (this.lex.isName) this.add('set', `temp:${this.tableName()}`)
  }

  private tableName(): string {
    let name = this.name()
    while (this.acceptChar('.')) if (this.lex.isName) name = this.name()
    return name.toLowerCase()
  }

  private drop(): void {
    const { lex } = this
    if (this.accept('prepare')) {
      if (lex.isName) this.add('clear', `prepare:${this.name().toLowerCase()}`)
      return
    }
    this.accept('temporary')
    if (!this.accept('table') && !this.accept('tables') && !this.accept('sequence')) return
    if (this.accept('if')) this.accept('exists')
    while (lex.isName && !lex.is('restrict') && !lex.is('cascade')) {
      this.add('clear', `temp:${this.tableName()}`)
      if (!this.acceptChar(',')) return
    }
  }

  /** HANDLER table OPEN [AS alias]; HANDLER name CLOSE. */
  private handler(): void {
    const { lex } = this
    if (!lex.isName) return
    const table = this.tableName()
    if (this.accept('close')) this.add('clear', `handler:${table}`)
    else if (this.accept('open')) {
      this.accept('as')
      this.add('set', `handler:${lex.isName ? this.name().toLowerCase() : table}`)
    }
  }

  /** PREPARE name FROM 'text' | @variable; the text of a variable is not known. */
  private prepare(): void {
    const { lex } = this
    if (!lex.isName) return
    const key = `prepare:${this.name().toLowerCase()}`
    if (!this.accept('from')) return
    this.add('set', key, '', lex.has(Token.string) ? this.nested() : undefined)
  }

  private executeImmediate(): void {
    this.lex.next()
    if (!this.lex.has(Token.string)) return
    for (const e of this.nested()) this.add(e.does, e.key, e.value)
  }

  /** Effects of the statement inside the string in hand. */
  private nested(): readonly Effect[] {
    const text = new TextEncoder().encode(this.lex.text(1024))
    return new StatementReader(new Lexer().reset(text, 0, text.length, this.dialect), this.dialect).read()
  }

  /** CALL p(@a): an OUT parameter may set it. */
  private call(): void {
    const { lex } = this
    while (!this.atEnd) {
      if (lex.has(Token.userVariable)) this.add('set', `user:${lex.text(VALUE_BYTES).toLowerCase()}`)
      this.term()
    }
  }

  /** LOAD DATA … (column, @variable): assigned row by row. */
  private load(): void {
    const { lex } = this
    let inList = false
    while (!this.atEnd && !lex.is('set')) {
      if (lex.isChar('(')) inList = true
      else if (lex.isChar(')')) inList = false
      else if (inList && lex.has(Token.userVariable)) {
        this.add('set', `user:${this.name().toLowerCase()}`)
        continue
      }
      lex.next()
    }
  }
}
