/** Statements without names and literals, byte for byte as long: what they do stays, on what and with which values goes. */
import type { Pseudonyms } from './pseudonyms.ts'

// As in report/redact.ts: one alternative per token that hides or protects something. Text is latin1: a character is a byte.
const TOKEN = new RegExp(
  [
    /\/\*[\s\S]*?(?:\*\/|$)/,
    /(?:--[\s\x00-\x1f]|#)[^\n]*/,
    /`(?:[^`]|``)*(?:`|$)/,
    /\b[xX]'[0-9a-fA-F]*(?:'|$)/,
    /'(?:[^'\\]|\\[\s\S]|'')*(?:'|$)/,
    /"(?:[^"\\]|\\[\s\S]|"")*(?:"|$)/,
    /@{1,2}[\w.$\x80-\xff]+/,
    /[A-Za-z_$\x80-\xff][\w$\x80-\xff]*/,
    /\b0[xX][0-9a-fA-F]+|\b0[bB][01]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/,
  ]
    .map((r) => r.source)
    .join('|'),
  'g',
)

/** Statements whose numbers say what they do: an id to kill, a timeout, a switch. */
const PLAIN_NUMBERS =
  /^\s*(?:kill|set|show|begin|start|commit|rollback|use|xa|flush|lock|unlock|reset|call\s+mysql\.)\b/i
/** Setting system variables: their values are settings, not data. User variables and passwords are neither. */
const SETTING =
  /^\s*set\b(?![\s\S]*(?:(?<!@)@(?!@)|password|identified|init_connect|\brole\b|\bstatement\b|\bselect\b|;\s*\S|\/\*|--|#))/i
/** `SELECT 1`, `SELECT @@x`, `DO 1`: what pools ask to see whether a connection lives. */
const VALIDATION =
  /^\s*(?:\/\*[\s\S]*?\*\/\s*)*(?:select\s+(?:1|'x'|@@[\w.]+(?:\s+(?:as\s+)?\w+)?)(?:\s+(?:from\s+dual|limit\s+1))?|do\s+1)\s*;?\s*$/i
const HINT = /^\/\*\+?\s*(?:ping|max_execution_time\s*\(\s*\d+\s*\)|set_var\(\s*\w+\s*=\s*\w+\s*\))\s*\*\/$/i

export function maskSql(sql: string, names: Pseudonyms): string {
  if (SETTING.test(sql) || VALIDATION.test(sql)) return sql
  const numbers = PLAIN_NUMBERS.test(sql)
  return sql.replace(TOKEN, (token) => {
    const c = token[0]!
    if (token.startsWith('/*')) return comment(token, names)
    if (c === '#' || token.startsWith('--')) return token.slice(0, 2) + words(token.slice(2), names)
    const hex = /^([xX])'([0-9a-fA-F]*)('?)$/.exec(token)
    if (hex !== null) return `${hex[1]}'${hexDigits(hex[2]!, names)}${hex[3]}`
    if (c === '`') return quoted(token, '`', (inner) => names.name(inner))
    if (c === "'" || c === '"') return quoted(token, c, (inner) => names.value(inner))
    if (token.startsWith('@@')) return token
    if (c === '@') return `@${names.name(token.slice(1))}`
    if (/[0-9.]/.test(c)) return numbers ? token : number(token, names)
    return names.name(token)
  })
}

const ADDRESS = /\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){3,7}/gi

/**
 * Prose of servers and proxies: what stands in quotes, and addresses, go; the words stay, since rules read them. An address is the
 * one that the frames have where that is as long; with `fit` always, and the end of the text gives way.
 */
export function maskMessage(text: string, names: Pseudonyms, fit = false): string {
  const masked = text
    .replace(/(?<![\w])(['"`])((?:(?!\1)[\s\S])*)\1?/g, (all: string, q: string, inner: string) => {
      const end = all.length > inner.length + 1 ? q : ''
      return `${q}${/^[\d.]{7,15}$/.test(inner) ? inner : words(inner, names)}${end}`
    })
    .replace(ADDRESS, (a) => {
      const other = names.address(a)
      return other !== null && (fit || other.length === a.length) ? other : a.replace(/[0-9a-f]/gi, '1')
    })
  return masked.slice(0, text.length).padEnd(text.length, ' ')
}

/** Every word that is not the server's own becomes a pseudonym, every number another one. */
export function words(text: string, names: Pseudonyms): string {
  return text.replace(/[A-Za-z_$\x80-\xff][\w$\x80-\xff]*|\d+/g, (w) =>
    /^\d/.test(w) ? names.value(w) : names.name(w),
  )
}

/** Executable comments hold SQL; hints that rules read stay. */
function comment(token: string, names: Pseudonyms): string {
  if (HINT.test(token)) return token
  const version = /^\/\*M?!\d*/.exec(token)?.[0]
  const head = version ?? '/*'
  const end = token.length > head.length + 1 && token.endsWith('*/') ? '*/' : ''
  const inner = token.slice(head.length, token.length - end.length)
  return head + (version === undefined ? words(inner, names) : maskSql(inner, names)) + end
}

/** The quotes, and escapes inside, stay where they are, so that the token ends where it did. */
function quoted(token: string, quote: string, mask: (inner: string) => string): string {
  const end = token.length > 1 && token.endsWith(quote) ? quote : ''
  const inner = token.slice(1, token.length - end.length)
  const out = mask(inner).split('')
  for (let i = 0; i < inner.length; i++) {
    if (inner[i] === '\\' && quote !== '`') {
      out[i] = '\\'
      if (i + 1 < inner.length) out[i + 1] = /[nrt0bZ]/.test(inner[i + 1]!) ? inner[i + 1]! : 'x'
      i++
    } else if (inner[i] === quote) {
      out[i] = quote
      if (inner[i + 1] === quote) out[++i] = quote
    }
  }
  return quote + out.join('') + end
}

function number(token: string, names: Pseudonyms): string {
  const prefix = /^0[xXbB]/.exec(token)?.[0] ?? ''
  if (/b/i.test(prefix)) return prefix + token.slice(2).replace(/[01]/g, '1')
  if (prefix !== '') return prefix + hexDigits(token.slice(2), names)
  const [whole, power] = token.split(/(?=[eE])/) as [string, string | undefined]
  return names.value(whole) + (power ?? '')
}

const hexDigits = (text: string, names: Pseudonyms): string => names.value(text).replace(/[g-z]/g, 'a')
