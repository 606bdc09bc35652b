/**
 * Recognises the statements with which pools ask whether a connection lives: SELECT 1, SELECT 'x', SELECT 1 FROM DUAL, with
 * or without a leading comment (Connector/J sends a real ping for the exact prefix "/* ping *\/"). Works on bytes: only short
 * statements cost anything.
 */

/** Longest statement looked at, bytes. */
const LONGEST = 64
const SELECT = [0x73, 0x65, 0x6c, 0x65, 0x63, 0x74]
const FROM_DUAL = [0x66, 0x72, 0x6f, 0x6d, 0x20, 0x64, 0x75, 0x61, 0x6c]

// hot path: no allocation per packet
export function isValidationQuery(buf: Uint8Array, start: number, end: number, length: number): boolean {
  if (length > LONGEST || end - start !== length) return false
  let p = skipBlanks(buf, start, end)
  if (p + 1 < end && buf[p] === 0x2f && buf[p + 1] === 0x2a) {
    p += 2
    while (p + 1 < end && !(buf[p] === 0x2a && buf[p + 1] === 0x2f)) p++
    p = skipBlanks(buf, p + 2, end)
  }
  if (!reads(buf, p, end, SELECT)) return false
  const value = skipBlanks(buf, p + SELECT.length, end)
  if (value === p + SELECT.length) return false
  p = skipConstant(buf, value, end)
  if (p === value) return false
  p = skipBlanks(buf, p, end)
  if (reads(buf, p, end, FROM_DUAL)) p = skipBlanks(buf, p + FROM_DUAL.length, end)
  if (p < end && buf[p] === 0x3b) p = skipBlanks(buf, p + 1, end)
  return p === end
}

function skipBlanks(buf: Uint8Array, from: number, end: number): number {
  let p = from
  while (p < end && buf[p]! <= 0x20) p++
  return p
}

/** The digit 1, or one quoted character. */
function skipConstant(buf: Uint8Array, from: number, end: number): number {
  if (from < end && buf[from] === 0x31) return from + 1
  const quote = buf[from]
  return from + 2 < end && (quote === 0x27 || quote === 0x22) && buf[from + 2] === quote ? from + 3 : from
}

/** The word stands at `from`, in any case. */
function reads(buf: Uint8Array, from: number, end: number, word: readonly number[]): boolean {
  if (from + word.length > end) return false
  for (let i = 0; i < word.length; i++) if ((buf[from + i]! | 0x20) !== word[i]) return false
  return true
}
