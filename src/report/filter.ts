/**
 * The --filter language: `field op value`, joined by and, or, not and parentheses, over the sessions of a report:
 * `user ~ "^app" and silence > 5m and not ending.by == client`. An expression becomes one function; nothing is evaluated
 * but comparisons. docs: `mysqlconn analyze --help`.
 */
import { FILTER_FIELDS, type FilterField, type FilterValue } from './filter-fields.ts'
import { filterError, lexFilter, type Operator, type Token } from './filter-lexer.ts'
import type { SessionReport } from './model.ts'

export type SessionFilter = (s: SessionReport) => boolean

/** Deeper nesting is no honest expression. */
const MAX_DEPTH = 100

/** Throws MysqlconnError E_FILTER that points at the column. */
export function parseFilter(source: string): SessionFilter {
  const parser = new Parser(source)
  const filter = parser.either(0)
  parser.expectEnd()
  return filter
}

class Parser {
  private readonly source: string
  private readonly tokens: Token[]
  private at = 0

  constructor(source: string) {
    this.source = source
    this.tokens = lexFilter(source)
  }

  either(depth: number): SessionFilter {
    const parts = [this.all(depth)]
    while (this.take('or')) parts.push(this.all(depth))
    return parts.length === 1 ? parts[0]! : (s) => parts.some((p) => p(s))
  }

  private all(depth: number): SessionFilter {
    const parts = [this.one(depth)]
    while (this.take('and')) parts.push(this.one(depth))
    return parts.length === 1 ? parts[0]! : (s) => parts.every((p) => p(s))
  }

  private one(depth: number): SessionFilter {
    if (depth > MAX_DEPTH) throw this.error(this.peek(), 'too many brackets')
    if (this.take('not')) {
      const inner = this.one(depth + 1)
      return (s) => !inner(s)
    }
    if (this.take('open')) {
      const inner = this.either(depth + 1)
      if (!this.take('close')) throw this.error(this.peek(), 'a closing bracket is missing')
      return inner
    }
    return this.comparison()
  }

  private comparison(): SessionFilter {
    const name = this.next()
    if (name.kind !== 'word')
      throw this.error(name, name.kind === 'end' ? 'a field is missing' : 'a field is expected here')
    const field = Object.hasOwn(FILTER_FIELDS, name.text) ? FILTER_FIELDS[name.text] : undefined
    if (field === undefined) {
      throw this.error(name, `no field '${name.text}'`, `fields: ${Object.keys(FILTER_FIELDS).join(', ')}`)
    }
    const op = this.peek()
    if (op.kind !== 'op') throw this.error(op, `one of == != < <= > >= ~ is expected after ${name.text}`)
    this.at++
    const value = this.next()
    if (value.kind !== 'word' && value.kind !== 'string') throw this.error(value, 'a value is missing')
    return this.compile(field, op.text, value)
  }

  private compile(field: FilterField, op: Operator, value: Token & { text: string }): SessionFilter {
    if (op === '~') {
      let regex: RegExp
      try {
        regex = new RegExp(value.text, 'iu')
      } catch (e) {
        throw this.error(value, `not a regular expression: ${(e as Error).message.replace(/^.*: /, '')}`)
      }
      return (s) => list(field.of(s)).some((v) => regex.test(String(v)))
    }
    if (field.type === 'text') {
      if (op !== '==' && op !== '!=') throw this.error(value, 'this field is text: it takes == != and ~')
      const wanted = value.text.toLowerCase()
      const equal: SessionFilter = (s) => list(field.of(s)).some((v) => String(v).toLowerCase() === wanted)
      return op === '==' ? equal : (s) => !equal(s)
    }
    const wanted = field.type === 'duration' ? durationSeconds(value.text) : number(value.text)
    if (wanted === null) {
      const like = field.type === 'duration' ? 'a duration, like 300s, 5m or 250ms' : 'a number'
      throw this.error(value, `${like}, is expected here`)
    }
    const compare = COMPARE[op]
    if (op === '!=') return (s) => list(field.of(s)).every((v) => v !== wanted)
    return (s) => list(field.of(s)).some((v) => typeof v === 'number' && compare(v, wanted))
  }

  expectEnd(): void {
    const token = this.peek()
    if (token.kind !== 'end')
      throw this.error(token, token.kind === 'close' ? 'a bracket too many' : "'and' or 'or' is expected here")
  }

  private peek(): Token {
    return this.tokens[this.at]!
  }
  private next(): Token {
    const token = this.tokens[this.at]!
    if (token.kind !== 'end') this.at++
    return token
  }
  private take(kind: Token['kind']): boolean {
    if (this.peek().kind !== kind) return false
    this.at++
    return true
  }
  private error(token: Token, what: string, hint?: string): Error {
    return filterError(this.source, token.column, what, hint)
  }
}

const COMPARE: Record<Exclude<Operator, '~' | '!='>, (a: number, b: number) => boolean> &
  Record<'!=', (a: number, b: number) => boolean> = {
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
}

/** A field that a session does not have matches nothing but !=. */
function list(value: FilterValue): readonly (string | number)[] {
  return value === null ? [] : Array.isArray(value) ? value : [value as string | number]
}

/** Seconds per unit, or units per second where that is the whole number. */
const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, min: 60, h: 3600, d: 86_400 }
const PER_SECOND: Readonly<Record<string, number>> = { us: 1e6, µs: 1e6, ms: 1e3 }

/** `300s`, `5m`, `250ms`, `1.5h`; a bare number is seconds. Null when it is none. */
export function durationSeconds(text: string): number | null {
  const m = /^(\d+(?:\.\d+)?)(us|µs|ms|s|m|min|h|d)?$/.exec(text)
  if (m === null) return null
  const unit = m[2] ?? 's'
  const parts = PER_SECOND[unit]
  return parts === undefined ? Number(m[1]) * UNIT_SECONDS[unit]! : Number(m[1]) / parts
}

const number = (text: string): number | null => (/^-?\d+(?:\.\d+)?$/.test(text) ? Number(text) : null)
