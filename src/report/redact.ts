/**
 * --redact: literals of SQL become `?` everywhere in a report, so that it can be passed on. Keywords, identifiers, addresses,
 * times and our own numbers stay: the verdict stays checkable. Done twice it changes nothing more.
 */
import type { Evidence, Finding, Report, TraceEventReport } from './model.ts'

// One alternative per token that hides or protects a literal (manual: Literal Values, Comments, Identifiers). Quoted text may
// be cut off by the preview's limit, so its end is optional. Backticks and words protect the digits inside identifiers.
const TOKEN = new RegExp(
  [
    /\/\*[\s\S]*?(?:\*\/|$)/, // comment
    /(?:--[\s\u0000-\u001f]|#)[^\n]*/, // comment to the end of the line
    /`(?:[^`]|``)*(?:`|$)/, // identifier
    /(?:\b[xXbBnN]|_[A-Za-z0-9]+\s*)?'(?:[^'\\]|\\[\s\S]|'')*(?:'|$)/, // string, hex, bit, national, introducer
    /(?:\b[xXbBnN])?"(?:[^"\\]|\\[\s\S]|"")*(?:"|$)/, // string (an identifier under ANSI_QUOTES, hidden as well)
    /@{1,2}[\w.$]+/, // variable
    /[A-Za-z_$\u0080-\uffff][\w$\u0080-\uffff]*/, // word
    /\b0[xX][0-9a-fA-F]+|\b0[bB][01]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/, // number
  ]
    .map((r) => r.source)
    .join('|'),
  'g',
)

/** The statement with `?` for every literal and without the text of its comments. */
export function redactSql(sql: string): string {
  return sql.replace(TOKEN, (token) => {
    const c = token[0]!
    if (token.startsWith('/*')) return '/* ? */'
    if (c === '#' || token.startsWith('--')) return '-- ?'
    if (c === '`' || c === '@') return token
    if (token.includes("'") || token.includes('"')) return '?'
    return /[0-9.]/.test(c) ? '?' : token
  })
}

/** Prose that may quote a server's or a statement's text: what stands in quotes goes, the rest stays. */
export function redactProse(text: string): string {
  return text.replace(QUOTED, '?')
}
// An apostrophe inside a word (the client's) is no quote.
const QUOTED = /(?<![\w?])'(?:[^'\\]|\\.|'')*(?:'|$)|"(?:[^"\\]|\\.)*(?:"|$)/g

/** A log line: quotations go, and from the first word of a statement on its literals as well. */
function redactLine(text: string): string {
  const at = text.search(SQL_WITHIN)
  return at < 0 ? redactProse(text) : redactProse(text.slice(0, at)) + redactSql(text.slice(at))
}
/** A keyword with what must follow it, so that words of prose are none. */
const SQL_WITHIN =
  /\b(?:select\s+\S|insert\s+(?:ignore\s+)?into\s|update\s+\S+\s+set\s|delete\s+from\s|replace\s+into\s|set\s+[@\w.]+\s*=|call\s+\w+\s*\()/i

/** A copy of the report without literals. Everything else is shared with the original. */
export function redactReport(report: Report): Report {
  const out: Report = {
    ...report,
    sessions: report.sessions.map((s) =>
      s.mysql === null
        ? s
        : {
            ...s,
            mysql: { ...s.mysql, errors: s.mysql.errors.map((e) => ({ ...e, message: redactProse(e.message) })) },
          },
    ),
    findings: report.findings.map(redactFinding),
  }
  if (report.trace !== undefined) out.trace = { ...report.trace, events: report.trace.events.map(redactEvent) }
  if (report.ladders !== undefined)
    out.ladders = report.ladders.map((l) => ({ ...l, events: l.events.map(redactEvent) }))
  if (report.around !== undefined) {
    const events = report.around.events.map((e) => ({ ...e, says: redactLine(e.says) }))
    out.around = { ...report.around, events }
  }
  if (report.pollution !== undefined) out.pollution = redactDetail(report.pollution)
  return out
}

/** What the client says in a command is a statement; all else is prose about it. */
function redactEvent<E extends TraceEventReport>(e: E): E {
  const isStatement = e.layer === 'mysql' && e.dir === 'client' && e.what.startsWith('COM_')
  const says = e.layer === 'log' ? redactLine(e.says) : isStatement ? redactSql(e.says) : redactProse(e.says)
  return e.state === undefined ? { ...e, says } : { ...e, says, state: redactProse(e.state) }
}

function redactFinding(f: Finding): Finding {
  return {
    ...f,
    title: redactProse(f.title),
    detail: redactDetail(f.detail),
    excluded: f.excluded.map(redactProse),
    occurrences: f.occurrences.map((o) => ({
      ...o,
      statement: o.statement === null ? null : redactSql(o.statement),
      evidence: o.evidence.map(redactEvidence),
    })),
  }
}

function redactEvidence(e: Evidence): Evidence {
  if (e.kind === 'log') return { ...e, text: redactLine(e.text), says: redactProse(e.says) }
  return e.kind === 'measure' ? e : { ...e, says: redactProse(e.says) }
}

/** Strings at any depth that look like a statement lose their literals; other strings their quotations. */
function redactDetail<T>(value: T): T {
  if (typeof value === 'string') return (STATEMENT.test(value) ? redactSql(value) : redactProse(value)) as T
  if (Array.isArray(value)) return value.map(redactDetail) as T
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, redactDetail(v)])) as T
  }
  return value
}
const STATEMENT =
  /^\s*(?:select|insert|update|delete|replace|set|call|with|load|create|alter|drop|grant|kill|do|prepare|execute)\b/i
