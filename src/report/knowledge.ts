/**
 * What the error numbers, HAProxy states and messages of broken connections mean: `mysqlconn explain 4031`,
 * `explain HAProxy:sD`, `explain "server has gone away"`. Facts from the MySQL manual's error reference, MariaDB Connector/C,
 * ProxySQL's and HAProxy's sources. Tables live in knowledge-errors.ts and knowledge-haproxy.ts.
 */
import { CLIENT_ERRORS, PROXYSQL_ERRORS, SERVER_ERRORS } from './knowledge-errors.ts'
import { HAPROXY_STATES } from './knowledge-haproxy.ts'

export interface Knowledge {
  /** What the user may type, besides the text. */
  key: string
  /** MySQL server, MySQL client library, ProxySQL, HAProxy. */
  source: string
  /** Symbol or state, as its manual writes it. */
  symbol: string
  /** The message as users see it; %s for what varies. */
  text: string
  /** What it says of the connection. */
  means: string
  /** What to look at next, and what it can be mistaken for. */
  next: string
  /** Rules that find it in a capture. */
  rules: readonly string[]
}

export const KNOWLEDGE: readonly Knowledge[] = [
  ...SERVER_ERRORS,
  ...CLIENT_ERRORS,
  ...PROXYSQL_ERRORS,
  ...HAPROXY_STATES,
]

/** At least this share of the words asked for must be found in a text. */
const ENOUGH = 0.6

/**
 * Entries for what the user typed: a number, `MY-010914`, `ERROR 2013 (HY000)`, `HAProxy:sD`, a bare `sD`, a symbol, or an
 * error's text (best match first, at most three).
 */
export function lookUp(asked: string): Knowledge[] {
  const query = asked.trim()
  const state = /^(?:haproxy[:\s]+)?([A-Za-z-][A-Za-z-])$/i.exec(query)
  if (state) {
    const exact = HAPROXY_STATES.filter((k) => k.symbol === state[1])
    if (exact.length > 0) return exact
  }
  const symbol = KNOWLEDGE.filter((k) => k.symbol.toLowerCase() === query.toLowerCase())
  if (symbol.length > 0) return symbol
  const code = /^(?:MY-0*|ERROR\s+|ERR\s+|error[:=]?\s*)?(\d{4,6})\b/i.exec(query)
  if (code) {
    const exact = KNOWLEDGE.filter((k) => k.key === code[1])
    if (exact.length > 0) return exact
  }
  return byText(query)
}

/** Entries whose text shares most words with the query, those with rarer words first. */
function byText(query: string): Knowledge[] {
  const asked = new Set(words(query))
  if (asked.size === 0) return []
  const inHow = new Map<string, number>()
  const own = KNOWLEDGE.map((k) => new Set(words(`${k.text} ${k.symbol}`)))
  for (const set of own) for (const w of set) inHow.set(w, (inHow.get(w) ?? 0) + 1)
  const weight = (w: string): number => 1 / (inHow.get(w) ?? KNOWLEDGE.length)
  const scored = KNOWLEDGE.map((entry, i) => {
    const shared = [...own[i]!].filter((w) => asked.has(w))
    const covered = shared.length / Math.min(asked.size, own[i]!.size)
    return { entry, covered, score: shared.reduce((sum, w) => sum + weight(w), 0) }
  })
  return scored
    .filter((s) => s.covered >= ENOUGH && s.score > 0)
    .sort((a, b) => b.score - a.score || b.covered - a.covered || (a.entry.key < b.entry.key ? -1 : 1))
    .slice(0, 3)
    .map((s) => s.entry)
}

const IGNORED = new Set([
  'the',
  'a',
  'an',
  'of',
  'to',
  'at',
  'in',
  'on',
  'is',
  'was',
  'by',
  'and',
  'or',
  'for',
  'mysql',
  'error',
  's',
  'd',
  'u',
])

function words(text: string): string[] {
  return (text.toLowerCase().match(/[a-z_][a-z0-9_]*/g) ?? []).filter((w) => !IGNORED.has(w))
}
