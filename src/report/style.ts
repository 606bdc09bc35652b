/**
 * How text looks on this terminal: colour, glyphs, width; and how text from outside is made safe for it. The only importer
 * of chalk. No colour, no Unicode and 80 columns lose no fact (contract.md section 1: NO_COLOR, FORCE_COLOR, --color).
 */
import { Chalk } from 'chalk'

export type ColorChoice = 'auto' | 'always' | 'never'
type Paint = (text: string) => string

export interface Style {
  readonly color: boolean
  readonly unicode: boolean
  /** Columns that a line may fill. */
  readonly width: number
  readonly bold: Paint
  readonly dim: Paint
  readonly red: Paint
  readonly yellow: Paint
  readonly green: Paint
  readonly cyan: Paint
  readonly glyph: Glyphs
  /** Text from outside, on one line: control characters and terminal escapes made visible, ASCII if it must be. */
  clean(text: string): string
  /** A finished line, colour and all, in what the terminal can show. */
  line(text: string): string
}

export interface Glyphs {
  error: string
  warning: string
  info: string
  ok: string
  cut: string
  line: string
  right: string
  left: string
  lane: string
  branch: string
  dot: string
  ellipsis: string
  times: string
}

const UNICODE: Glyphs = {
  error: '✖',
  warning: '▲',
  info: '○',
  ok: '✔',
  cut: '╳',
  line: '─',
  right: '▶',
  left: '◀',
  lane: '│',
  branch: '├',
  dot: '·',
  ellipsis: '…',
  times: '×',
}

const ASCII: Glyphs = {
  error: 'x',
  warning: '!',
  info: 'o',
  ok: 'ok',
  cut: 'X',
  line: '-',
  right: '>',
  left: '<',
  lane: '|',
  branch: '+',
  dot: '-',
  ellipsis: '...',
  times: 'x',
}

export interface StyleRequest {
  color?: ColorChoice
  /** Whether the output goes to a terminal. */
  isTTY?: boolean
  /** Columns of that terminal; only used when it is one. */
  columns?: number | undefined
  env?: Readonly<Record<string, string | undefined>>
}

/** What is not a terminal gets this many columns. */
export const DEFAULT_WIDTH = 80
const NARROWEST = 40
const WIDEST = 160

/** The style for an output, from the flag, the environment and the terminal, in this order. */
export function makeStyle(request: StyleRequest = {}): Style {
  const env = request.env ?? {}
  const color = wantsColor(request.color ?? 'auto', request.isTTY === true, env)
  const unicode = isUtf8(env)
  const columns = request.isTTY === true && request.columns ? request.columns : DEFAULT_WIDTH
  // Chalk ignores NO_COLOR, so the level is always ours to set. 16 colours follow the user's own palette.
  const chalk = new Chalk({ level: color ? 1 : 0 })
  return {
    color,
    unicode,
    width: Math.min(WIDEST, Math.max(NARROWEST, columns)),
    bold: (s) => chalk.bold(s),
    dim: (s) => chalk.dim(s),
    red: (s) => chalk.red(s),
    yellow: (s) => chalk.yellow(s),
    green: (s) => chalk.green(s),
    cyan: (s) => chalk.cyan(s),
    glyph: unicode ? UNICODE : ASCII,
    clean: unicode ? escapeControls : (s) => toAscii(escapeControls(s)),
    line: unicode ? (s) => s : toAscii,
  }
}

function wantsColor(choice: ColorChoice, isTTY: boolean, env: Readonly<Record<string, string | undefined>>): boolean {
  if (choice !== 'auto') return choice === 'always'
  // no-color.org: present and not empty. FORCE_COLOR=0 and =false mean no, anything else yes.
  if (env['NO_COLOR'] !== undefined && env['NO_COLOR'] !== '') return false
  const force = env['FORCE_COLOR']
  if (force !== undefined) return force !== '0' && force !== 'false'
  return isTTY && env['TERM'] !== 'dumb'
}

/** POSIX: LC_ALL beats LC_CTYPE beats LANG; none set means the C locale. */
function isUtf8(env: Readonly<Record<string, string | undefined>>): boolean {
  return /utf-?8/i.test(env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || '')
}

/**
 * White space of any kind becomes one space; other C0 and C1 controls, DEL, bidirectional overrides and invisible characters
 * become \x1b or \u202e: nothing in a capture or a log can move the reader's cursor or reorder a line.
 */
export function escapeControls(text: string): string {
  return text
    .replace(/[\s\u0085]+/g, ' ')
    .replace(/[\u0000-\u001f\u007f-\u009f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`)
    .replace(/[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]/gu, (c) => {
      return `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`
    })
}

const ASCII_FOR: Record<string, string> = {
  '→': '->',
  '←': '<-',
  '↔': '<->',
  '…': '...',
  µ: 'u',
  μ: 'u',
  '’': "'",
  '‘': "'",
  '“': '"',
  '”': '"',
  '–': '-',
  '—': '-',
  '·': '-',
  '×': 'x',
  '±': '+-',
  '≥': '>=',
  '≤': '<=',
}

function toAscii(text: string): string {
  return text.replace(/[^\x00-\x7f]/gu, (c) => ASCII_FOR[c] ?? `\\u{${c.codePointAt(0)!.toString(16)}}`)
}
