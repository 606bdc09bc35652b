/** Words of the --filter language: every token with its column, so that an error can point at it. */
import { MysqlconnError } from '../core/errors.ts'

export type Operator = '==' | '!=' | '<' | '<=' | '>' | '>=' | '~'

export type Token = { column: number } & (
  | { kind: 'word'; text: string }
  | { kind: 'string'; text: string }
  | { kind: 'op'; text: Operator }
  | { kind: 'open' | 'close' | 'and' | 'or' | 'not' | 'end' }
)

const KEYWORDS: ReadonlyMap<string, 'and' | 'or' | 'not'> = new Map([
  ['and', 'and'],
  ['&&', 'and'],
  ['or', 'or'],
  ['||', 'or'],
  ['not', 'not'],
  ['!', 'not'],
])

// Longest operators first; a word is anything up to space, quote, bracket or operator, so that 10.0.0.1:3306 and a.pcap:12 are one.
const LEX =
  /\s+|(&&|\|\|)|(==|!=|<=|>=|=|<|>|~)|([()])|(!)|"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^\s()"'=!<>~&|]+)/y

export function lexFilter(source: string): Token[] {
  const tokens: Token[] = []
  let at = 0
  while (at < source.length) {
    LEX.lastIndex = at
    const m = LEX.exec(source)
    if (m === null) {
      const open = source[at] === '"' || source[at] === "'"
      throw filterError(source, at, open ? 'a quote that never closes' : `'${source[at]}' means nothing here`)
    }
    const column = at
    at = LEX.lastIndex
    const sign = m[1] ?? m[4]
    if (sign !== undefined) tokens.push({ kind: KEYWORDS.get(sign)!, column })
    else if (m[2] !== undefined) tokens.push({ kind: 'op', text: (m[2] === '=' ? '==' : m[2]) as Operator, column })
    else if (m[3] !== undefined) tokens.push({ kind: m[3] === '(' ? 'open' : 'close', column })
    else if (m[5] !== undefined || m[6] !== undefined) {
      tokens.push({ kind: 'string', text: (m[5] ?? m[6])!.replace(/\\(["'\\])/g, '$1'), column })
    } else if (m[7] !== undefined) {
      const keyword = KEYWORDS.get(m[7].toLowerCase())
      tokens.push(keyword === undefined ? { kind: 'word', text: m[7], column } : { kind: keyword, column })
    }
  }
  tokens.push({ kind: 'end', column: source.length })
  return tokens
}

/** The error with the expression and a mark under the place. Columns count from 1. */
export function filterError(source: string, column: number, what: string, hint?: string): MysqlconnError {
  const shown = source.replace(/\s/g, ' ')
  return new MysqlconnError(
    'E_FILTER',
    `--filter, column ${column + 1}: ${what}\n  ${shown}\n  ${' '.repeat(column)}^`,
    hint,
  )
}
