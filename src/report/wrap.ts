/** Breaking text at words to a width in terminal columns, with a hanging indent. Paint afterwards: `paint` parameters do. */

/** Columns that a text fills: East Asian wide characters and emoji two, combining marks and colours none (UAX #11, roughly). */
export function displayWidth(text: string): number {
  let width = 0
  for (const c of text.replace(/\x1b\[[0-9;]*m/g, '')) width += charWidth(c.codePointAt(0)!)
  return width
}

function charWidth(c: number): number {
  if (c < 0x300) return 1
  if (c <= 0x36f || (c >= 0xfe00 && c <= 0xfe0f) || (c >= 0x20d0 && c <= 0x20ff)) return 0
  for (const [first, last] of WIDE) if (c >= first && c <= last) return 2
  return 1
}

const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0xa4cf],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f300, 0x1faff],
  [0x20000, 0x3fffd],
]

/** Lines of at most `width` columns, broken at spaces; a longer word is broken, but a link, which is there to be copied. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  let used = 0
  for (const word of text.split(' ').flatMap((w) => pieces(w, width))) {
    if (word === '') continue
    const w = displayWidth(word)
    if (used > 0 && used + 1 + w > width) {
      lines.push(line)
      line = word
      used = w
    } else {
      line = used === 0 ? word : `${line} ${word}`
      used += used === 0 ? w : w + 1
    }
  }
  if (line !== '' || lines.length === 0) lines.push(line)
  return lines
}

function pieces(word: string, width: number): string[] {
  if (displayWidth(word) <= width || /^https?:/.test(word)) return [word]
  const out: string[] = []
  let piece = ''
  let used = 0
  for (const c of word) {
    const w = charWidth(c.codePointAt(0)!)
    if (used + w > width && piece !== '') {
      out.push(piece)
      piece = ''
      used = 0
    }
    piece += c
    used += w
  }
  out.push(piece)
  return out
}

/** `first` stands before the first line, as many spaces before the others; `paint` colours the text only. */
export function hang(first: string, text: string, width: number, paint: (s: string) => string = (s) => s): string[] {
  const indent = displayWidth(first)
  const lines = wrap(text, Math.max(20, width - indent))
  return lines.map((line, i) => (i === 0 ? first : ' '.repeat(indent)) + paint(line))
}

/** The text if it fits, else its beginning and an ellipsis. */
export function cut(text: string, width: number, ellipsis: string): string {
  if (displayWidth(text) <= width) return text
  const room = Math.max(1, width - displayWidth(ellipsis))
  let out = ''
  let used = 0
  for (const c of text) {
    const w = charWidth(c.codePointAt(0)!)
    if (used + w > room) break
    out += c
    used += w
  }
  return out.trimEnd() + ellipsis
}

export function padEnd(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - displayWidth(text)))
}

export function padStart(text: string, width: number): string {
  return ' '.repeat(Math.max(0, width - displayWidth(text))) + text
}
