/**
 * Is it MySQL? Pure looks at the first bytes in hand; conversation.ts keeps them and decides. Three answers: yes, no, and
 * "more bytes are needed".
 */
import { decodeText } from '../core/bytes.ts'
import { Capability, has } from './capabilities.ts'
import { Command, plausibleCommand } from './commands.ts'
import { plausibleCompressed } from './compressed.ts'

export const Look = { no: 0, yes: 1, more: 2 } as const
export type Look = (typeof Look)[keyof typeof Look]

const VERSION_MOST = 128
/** ERR packets on a fresh connection are short. */
const ERR_MOST = 600
/** Errors that end a connection in use: seen first in a capture that began later, they are no greeting. */
const LATE_ERRORS = new Set([4031, 1053, 1927, 3169, 1080, 1159, 1161, 1153, 1156])

/** Protocol::HandshakeV10 or V9: sequence id 0, protocol version, printable text up to a NUL. */
export function looksLikeGreeting(b: Uint8Array, start: number, end: number): Look {
  const n = end - start
  if (n < 1) return Look.more
  if (n >= 2 && b[start + 1]! > 4) return Look.no
  if (n >= 3 && b[start + 2] !== 0) return Look.no
  if (n >= 4 && b[start + 3] !== 0) return Look.no
  if (n < 5) return Look.more
  if (b[start + 4] !== 10 && b[start + 4] !== 9) return Look.no
  const length = b[start]! | (b[start + 1]! << 8)
  if (length < 16) return Look.no
  const stop = Math.min(end, start + 5 + VERSION_MOST)
  for (let p = start + 5; p < stop; p++) {
    const c = b[p]!
    if (c === 0) return p > start + 6 ? Look.yes : Look.no
    if (c < 0x20 || c > 0x7e) return Look.no
    // A version begins with a digit, a product's name with a letter.
    if (p === start + 5 && !isWord(c)) return Look.no
  }
  return stop < end ? Look.no : Look.more
}

/** ERR_Packet with sequence id `0` (in place of a greeting), or any id for an answer: code and readable text. */
export function looksLikeErr(b: Uint8Array, start: number, end: number, greeting: boolean): Look {
  const n = end - start
  if (n < 1) return Look.more
  if (n >= 2 && b[start + 1]! > ERR_MOST >> 8) return Look.no
  if (n >= 3 && b[start + 2] !== 0) return Look.no
  if (n >= 4 && greeting && b[start + 3]! > 2) return Look.no
  if (n < 7) return n >= 5 && b[start + 4] !== 0xff ? Look.no : Look.more
  if (b[start + 4] !== 0xff) return Look.no
  const length = b[start]! | (b[start + 1]! << 8)
  const code = b[start + 5]! | (b[start + 6]! << 8)
  if (length < 4 || length > ERR_MOST || code < 1000) return Look.no
  const stop = Math.min(end, start + 4 + length, start + 7 + 12)
  for (let p = start + 7; p < stop; p++) if (b[p]! < 0x20) return Look.no
  return stop - start - 7 >= Math.min(8, length - 3) ? Look.yes : Look.more
}

/** Code of an ERR that looksLikeErr() took. */
export const errCode = (b: Uint8Array, start: number): number => b[start + 5]! | (b[start + 6]! << 8)
export const isLateError = (code: number): boolean => LATE_ERRORS.has(code)

/** HandshakeResponse41 or SSLRequest: sequence id 1, CLIENT_PROTOCOL_41, 19 zero bytes of filler. */
export function looksLikeLogin(b: Uint8Array, start: number, end: number): Look {
  const n = end - start
  if (n >= 3 && b[start + 2] !== 0) return Look.no
  if (n >= 4 && b[start + 3] !== 1) return Look.no
  if (n < 36)
    return n >= 8 && !has(b[start + 4]! | (b[start + 5]! << 8), Capability.CLIENT_PROTOCOL_41) ? Look.no : Look.more
  const length = b[start]! | (b[start + 1]! << 8)
  if (length < 32 || !has(b[start + 4]! | (b[start + 5]! << 8), Capability.CLIENT_PROTOCOL_41)) return Look.no
  for (let p = start + 13; p < start + 32; p++) if (b[p] !== 0) return Look.no
  return Look.yes
}

/**
 * A command that a client could have sent: sequence id 0, known byte, a length that fits the command; text where text
 * belongs. `compressed` for the compressed protocol around it.
 */
export function looksLikeCommand(b: Uint8Array, start: number, end: number): Look {
  const n = end - start
  if (n >= 4 && b[start + 3] !== 0) return Look.no
  if (n < 5) return Look.more
  const length = b[start]! | (b[start + 1]! << 8) | (b[start + 2]! << 16)
  const op = b[start + 4]!
  if (!plausibleCommand(op, length)) return Look.no
  if (op === Command.COM_QUERY || op === Command.COM_STMT_PREPARE) {
    const most = Math.min(n - 5, length - 1)
    return looksLikeStatement(b, start + 5, start + 5 + most, length - 1, op === Command.COM_QUERY)
  }
  if (op === Command.COM_INIT_DB || op === Command.COM_CREATE_DB || op === Command.COM_DROP_DB) {
    for (let p = start + 5; p < Math.min(end, start + 4 + length); p++) if (b[p]! < 0x20) return Look.no
  }
  return Look.yes
}

/** Words that begin nearly every statement. */
const KEYWORDS =
  /^[\s(]*(?:\/\*|--\s|(?:SELECT|INSERT|UPDATE|DELETE|REPLACE|SET|SHOW|BEGIN|START|COMMIT|ROLLBACK|CREATE|ALTER|DROP|CALL|USE|WITH|TRUNCATE|LOCK|UNLOCK|EXPLAIN|KILL|LOAD|GRANT)\b)/i

/** A statement that is convincing without its answer: it fills its packet, and that the bytes in hand, and begins with a keyword. */
export function isStatementAlone(b: Uint8Array, start: number, end: number): boolean {
  const length = b[start]! | (b[start + 1]! << 8) | (b[start + 2]! << 16)
  const op = b[start + 4]
  if (length + 4 !== end - start || (op !== Command.COM_QUERY && op !== Command.COM_STMT_PREPARE)) return false
  const text = start + (b[start + 5] === 0 && b[start + 6] === 1 ? 7 : 5)
  return KEYWORDS.test(decodeText(b, text, Math.min(end, text + 64)))
}

/** First bytes of SQL: a word, a bracket or a comment, after white space; possibly query attributes ahead of it. */
function looksLikeStatement(b: Uint8Array, start: number, end: number, length: number, attributes: boolean): Look {
  let p = start
  if (attributes && p + 1 < end && b[p]! < 0x20 && b[p + 1] === 1) return Look.yes
  while (p < end && (b[p] === 0x20 || (b[p]! >= 9 && b[p]! <= 13))) p++
  const wanted = Math.min(4, length - (p - start))
  for (let i = 0; i < wanted; i++) {
    if (p + i >= end) return Look.more
    const c = b[p + i]!
    if (i === 0 ? !(isWord(c) || isSqlStart(c)) : c < 9 || (c > 13 && c < 0x20) || c === 0x7f) return Look.no
  }
  return Look.yes
}

const isWord = (c: number): boolean => (c >= 0x30 && c <= 0x39) || (c >= 0x41 && c <= 0x5a) || (c >= 0x61 && c <= 0x7a)
/** ( / # - ; { @ ` and the bytes of UTF-8. */
const isSqlStart = (c: number): boolean =>
  c === 0x28 ||
  c === 0x2f ||
  c === 0x23 ||
  c === 0x2d ||
  c === 0x3b ||
  c === 0x7b ||
  c === 0x40 ||
  c === 0x60 ||
  c >= 0x80

/** First bytes of a compressed command. */
export const looksLikeCompressedCommand = (b: Uint8Array, start: number, end: number): boolean =>
  plausibleCompressed(b, start, end, 0) && compressedCommand(b, start, end)

function compressedCommand(b: Uint8Array, start: number, end: number): boolean {
  const stored = b[start + 4] === 0 && b[start + 5] === 0 && b[start + 6] === 0
  return !stored || looksLikeCommand(b, start + 7, end) === Look.yes
}

/**
 * First packet of an answer: its sequence id is 1 (`id` -1: any but 0) and its first byte fits its length.
 */
export function looksLikeAnswer(b: Uint8Array, start: number, end: number, id: number): Look {
  const n = end - start
  if (n >= 4 && (id < 0 ? b[start + 3] === 0 : b[start + 3] !== id)) return Look.no
  if (n < 5) return Look.more
  const length = b[start]! | (b[start + 1]! << 8) | (b[start + 2]! << 16)
  const first = b[start + 4]!
  if (first === 0xff) return looksLikeErr(b, start, end, false)
  if (length === 0) return Look.no
  if (first === 0) return length >= 7 ? Look.yes : Look.no
  if (first === 0xfe) return length >= 7 || length === 5 || length === 1 ? Look.yes : Look.no
  if (first === 0xfb) return length > 1 && length < 4096 ? Look.yes : Look.no
  // COM_STATISTICS answers with text.
  if (first === 0x55 && length > 40 && length < 1024 && n >= 8 && b[start + 5] === 0x70) return Look.yes
  // Column count, perhaps with a flag behind it; then a definition, which begins with the catalog "def".
  const size = first < 0xfb ? 1 : first === 0xfc ? 3 : 9
  if (length !== size && length !== size + 1) return Look.no
  const p = start + 4 + length
  if (end - p >= 8 && b[p + 3] === ((b[start + 3]! + 1) & 255)) {
    return b[p + 4] === 3 && b[p + 5] === 0x64 && b[p + 6] === 0x65 && b[p + 7] === 0x66 ? Look.yes : Look.no
  }
  return end > p ? Look.no : Look.yes
}

/** X Protocol (port 33060): the server's hello notice, or the client's first capability messages. */
export function looksLikeXProtocol(b: Uint8Array, start: number, end: number): boolean {
  const n = end - start
  if (
    n >= 9 &&
    b[start + 4] === 0x0b &&
    b[start] === 5 &&
    b[start + 1] === 0 &&
    b[start + 2] === 0 &&
    b[start + 3] === 0
  ) {
    return b[start + 5] === 8 && b[start + 6] === 5 && b[start + 7] === 0x1a
  }
  if (n === 5 && b[start] === 1 && b[start + 1] === 0 && b[start + 2] === 0 && b[start + 3] === 0)
    return b[start + 4] === 1
  return false
}

const WORDS: readonly (readonly [string, string])[] = [
  ['GET ', 'http'],
  ['POST ', 'http'],
  ['HEAD ', 'http'],
  ['PUT ', 'http'],
  ['OPTIONS ', 'http'],
  ['CONNECT ', 'http'],
  ['DELETE ', 'http'],
  ['PATCH ', 'http'],
  ['PRI * HTTP', 'http'],
  ['HTTP/', 'http'],
  ['SSH-', 'ssh'],
  ['EHLO ', 'smtp'],
  ['HELO ', 'smtp'],
  ['220 ', 'smtp'],
  ['USER ', 'ftp'],
  ['NICK ', 'irc'],
  ['*1\r\n', 'redis'],
  ['PING\r\n', 'redis'],
]

/** Name of another protocol whose first bytes these are, '' when none is known. */
export function foreignProtocol(b: Uint8Array, start: number, end: number): string {
  const n = end - start
  if (n >= 3 && b[start]! >= 0x14 && b[start]! <= 0x17 && b[start + 1] === 3 && b[start + 2]! <= 4) {
    return b[start] === 0x16 && (n < 6 || b[start + 5] === 1) ? 'tls-client-hello' : 'tls'
  }
  for (const [word, name] of WORDS) {
    if (n < Math.min(4, word.length)) continue
    let i = 0
    while (i < word.length && i < n && b[start + i] === word.charCodeAt(i)) i++
    if (i === word.length || (i === n && n >= 4)) return name
  }
  return ''
}
