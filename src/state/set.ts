/** SET in all its forms (manual: SET Syntax for Variable Assignment, SET NAMES, SET CHARACTER SET, SET TRANSACTION, SET ROLE; MariaDB: SET STATEMENT). */
import { VALUE_BYTES, variableKey } from './effect.ts'
import { Token } from './lexer.ts'
import { TokenReader } from './token-reader.ts'

type Scope = 'session' | 'global' | 'none'

export abstract class SetReader extends TokenReader {
  /** Reads one statement from its first word on. */
  protected abstract one(): void

  protected set(): void {
    const { lex } = this
    if (lex.is('statement') && this.setStatement()) return
    if (lex.is('password') || lex.is('default')) {
      this.ignore()
      return
    }
    if (lex.is('role') && this.setRole()) return
    if (lex.is('resource')) {
      this.ignore()
      return
    }
    let scope: Scope = 'none'
    do {
      scope = this.assignment(scope)
    } while (this.acceptChar(','))
  }

  /** One assignment of a SET; returns the scope that the next one inherits. */
  private assignment(inherited: Scope): Scope {
    const { lex } = this
    if (lex.has(Token.userVariable)) {
      const key = `user:${this.name().toLowerCase()}`
      if (this.assigns()) this.add('set', key, this.expression())
      return inherited
    }
    if (lex.has(Token.systemVariable)) {
      this.systemVariable()
      return inherited
    }
    let scope: Scope = inherited
    const keyword = this.scopeWord()
    if (keyword !== null) scope = keyword
    if (lex.is('transaction')) {
      lex.next()
      this.transaction(keyword ?? 'none')
      return scope
    }
    if (keyword === null && lex.is('names')) {
      lex.next()
      if (!lex.isChar('=')) this.names()
      return scope
    }
    if (keyword === null && (lex.is('charset') || lex.is('character')) && this.characterSet()) return scope
    if (!lex.isName) return scope
    const name = this.variableName()
    if (this.assigns()) this.assign(name, scope === 'none' ? 'session' : scope)
    return scope
  }

  /** GLOBAL, SESSION, LOCAL, PERSIST, PERSIST_ONLY in front of a name. */
  private scopeWord(): Scope | null {
    const { lex } = this
    const scope =
      lex.is('session') || lex.is('local')
        ? 'session'
        : lex.is('global') || lex.is('persist') || lex.is('persist_only')
          ? 'global'
          : null
    if (scope === null) return null
    lex.next()
    return scope
  }

  /** name, or structured.name (MyISAM key caches, MariaDB's default connections): the last part counts. */
  private variableName(): string {
    let name = this.name()
    while (this.acceptChar('.')) if (this.lex.isName) name = `${name}.${this.name()}`
    return name
  }

  /** @@name, @@session.name, @@global.name = value. Without a scope, what belongs to transactions is set for the next one only. */
  private systemVariable(): void {
    const { lex } = this
    lex.next()
    let scope: Scope = 'none'
    let name = lex.isName ? this.name() : ''
    if (lex.isChar('.')) {
      const word = name.toLowerCase()
      if (word === 'session' || word === 'local') scope = 'session'
      else if (word === 'global' || word === 'persist' || word === 'persist_only') scope = 'global'
      lex.next()
      const rest = lex.isName ? this.variableName() : ''
      name = scope === 'none' ? `${name}.${rest}` : rest
    }
    if (name !== '' && this.assigns()) this.assign(name, scope)
  }

  private assigns(): boolean {
    if (!this.lex.has(Token.assign) && !this.lex.isChar('=')) return false
    this.lex.next()
    return true
  }

  private assign(name: string, scope: Scope): void {
    const key = variableKey(name)
    const value = this.expression()
    if (scope === 'global' || /^var:(new|old)\./.test(key)) return
    const ofTransactions = key === 'var:transaction_isolation' || key === 'var:transaction_read_only'
    if (ofTransactions && scope === 'none') this.add('next', key, value)
    else if (this.wasDefault) this.add('default', key)
    else this.add('set', key, value)
    this.follows(key, value)
    if (key === 'var:autocommit' && /^(1|on|true)$/i.test(value)) this.add('clear', 'transaction')
  }

  /** Character set and collation of the connection change each other. */
  private follows(key: string, value: string): void {
    if (key === 'var:collation_connection') {
      const charset = /^[a-z0-9]+_/i.test(value) ? value.slice(0, value.indexOf('_')).toLowerCase() : 'of the collation'
      this.add(this.wasDefault ? 'default' : 'set', 'var:character_set_connection', this.wasDefault ? '' : charset)
    } else if (key === 'var:character_set_connection') {
      const collation = this.wasDefault ? '' : `${value} (its default)`
      this.add(this.wasDefault ? 'default' : 'set', 'var:collation_connection', collation)
    }
  }

  private wasDefault = false

  /** Reads an expression up to the comma or end behind it. Its text: of one constant its value, else as written. */
  private expression(): string {
    const { lex } = this
    const from = lex.begin
    let tokens = 0
    let depth = 0
    let single = ''
    let sign = ''
    let to = from
    this.wasDefault = false
    while (!this.atEnd && !(depth === 0 && lex.isChar(','))) {
      if (lex.isChar('(')) depth++
      else if (lex.isChar(')')) depth--
      if (tokens === 0 && (lex.isChar('-') || lex.isChar('+'))) sign = lex.isChar('-') ? '-' : ''
      else {
        tokens++
        if (tokens === 1) {
          single = lex.has(Token.userVariable) ? `@${lex.text(VALUE_BYTES)}` : lex.text(VALUE_BYTES)
          this.wasDefault = lex.is('default')
        }
      }
      if (this.term()) depth++
      to = lex.last
    }
    if (tokens !== 1) this.wasDefault = false
    return tokens === 1 ? sign + single : lex.source(from, to, VALUE_BYTES)
  }

  private transaction(scope: Scope): void {
    const { lex } = this
    const does = scope === 'none' ? 'next' : 'set'
    do {
      if (this.accept('isolation')) {
        this.accept('level')
        let level = this.lex.has(Token.word) ? this.name().toUpperCase() : ''
        if (level !== 'SERIALIZABLE' && lex.has(Token.word)) level += `-${this.name().toUpperCase()}`
        if (scope !== 'global') this.add(does, 'var:transaction_isolation', level)
      } else if (this.accept('read')) {
        const only = lex.is('only')
        if (!this.atEnd) lex.next()
        if (scope !== 'global') this.add(does, 'var:transaction_read_only', only ? '1' : '0')
      } else return
    } while (this.acceptChar(','))
  }

  private names(): void {
    const { lex } = this
    const toDefault = lex.is('default')
    const charset = this.atEnd ? '' : this.name().toLowerCase()
    let collation = ''
    if (this.accept('collate') && !this.atEnd) collation = this.name().toLowerCase()
    for (const v of ['character_set_client', 'character_set_connection', 'character_set_results'])
      this.add(toDefault ? 'default' : 'set', `var:${v}`, toDefault ? '' : charset)
    this.add(
      toDefault && collation === '' ? 'default' : 'set',
      'var:collation_connection',
      collation || (toDefault ? '' : `${charset} (its default)`),
    )
  }

  /** SET CHARACTER SET x, SET CHARSET x: the connection's own follows the schema's. */
  private characterSet(): boolean {
    const { lex } = this
    const begin = lex.begin
    const short = lex.is('charset')
    lex.next()
    if (!short && !this.accept('set')) {
      lex.back(begin)
      lex.next()
      return false
    }
    const toDefault = lex.is('default')
    const charset = this.atEnd ? '' : this.name().toLowerCase()
    for (const v of ['character_set_client', 'character_set_results'])
      this.add(toDefault ? 'default' : 'set', `var:${v}`, toDefault ? '' : charset)
    this.add('set', 'var:character_set_connection', 'of the schema')
    this.add('set', 'var:collation_connection', 'of the schema')
    return true
  }

  private setRole(): boolean {
    const { lex } = this
    const begin = lex.begin
    lex.next()
    if (lex.isChar('=') || lex.has(Token.assign)) {
      lex.back(begin)
      lex.next()
      return false
    }
    if (lex.is('default')) this.add('default', 'role')
    else if (lex.is('none')) this.add('clear', 'role')
    else this.add('set', 'role', lex.text(VALUE_BYTES))
    this.ignore()
    return true
  }

  /** MariaDB: SET STATEMENT a = b, … FOR statement: the values last as long as the statement. */
  private setStatement(): boolean {
    const { lex } = this
    const begin = lex.begin
    lex.next()
    if (lex.isChar('=') || lex.has(Token.assign)) {
      lex.back(begin)
      lex.next()
      return false
    }
    while (!this.atEnd && !lex.is('for')) lex.next()
    if (this.accept('for')) this.one()
    return true
  }

  protected ignore(): void {
    while (!this.atEnd) this.lex.next()
  }
}
