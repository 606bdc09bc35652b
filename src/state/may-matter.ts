/**
 * Whether a statement may change session state, told from its first bytes: what every statement pays. A yes only means that
 * it is worth reading (statement.ts). No for what a pool of web workers says all day: SELECT, INSERT, UPDATE without user
 * variables, COMMIT.
 */

/** Bytes behind the first word in which user variables and lock functions are looked for. */
const LOOKED_AT = 1024

// hot path: no allocation per packet

export const Matter = {
  no: 0,
  /** Only with a user variable or a lock function in it: see assigns(). */
  perhaps: 1,
  yes: 2,
} as const
export type Matter = (typeof Matter)[keyof typeof Matter]

/** By the first word. */
export function mayMatter(buf: Uint8Array, start: number, end: number): Matter {
  let p = start
  while (p < end && (buf[p]! <= 0x20 || buf[p] === 0x28)) p++
  if (end - p < 3) return Matter.no
  if (buf[p] === 0x2f || buf[p] === 0x23 || buf[p] === 0x2d) {
    p = pastComment(buf, p, end)
    if (p < 0) return Matter.yes
  }
  const second = buf[p + 1]! | 0x20
  switch (buf[p]! | 0x20) {
    case 0x73: // s: SET; SELECT; not START, SAVEPOINT, SHOW
      return second === 0x65 ? ((buf[p + 2]! | 0x20) === 0x74 ? Matter.yes : Matter.perhaps) : Matter.no
    case 0x75: // u: USE, UNLOCK; UPDATE
      return second === 0x70 ? Matter.perhaps : Matter.yes
    case 0x6c: // l: LOCK, LOAD
    case 0x66: // f: FLUSH
    case 0x68: // h: HANDLER
    case 0x70: // p: PREPARE
    case 0x78: // x: XA
    case 0x65: // e: EXECUTE
      return Matter.yes
    case 0x63: // c: CREATE, CALL; not COMMIT
      return second === 0x6f ? Matter.no : Matter.yes
    case 0x64: // d: DROP, DEALLOCATE, DO; DELETE perhaps
      return second === 0x65 && (buf[p + 2]! | 0x20) === 0x6c ? Matter.perhaps : Matter.yes
    case 0x62: // b: BACKUP; not BEGIN
      return second === 0x61 ? Matter.yes : Matter.no
    case 0x69: // i: INSERT
    case 0x72: // r: REPLACE; not ROLLBACK, RELEASE
    case 0x77: // w: WITH
      return Matter.perhaps
    default:
      return Matter.no
  }
}

/** A statement of Matter.perhaps: whether it holds an assignment to a user variable, a lock function, or (`several`) another statement. */
export function assigns(buf: Uint8Array, start: number, end: number, several: boolean): boolean {
  const stop = end - start > LOOKED_AT ? start + LOOKED_AT : end
  for (let p = start; p < stop; p++) {
    const c = buf[p]!
    if (c === 0x40) {
      // @name := or INTO @name; a mere reading of @@variables is the commonest '@'.
      if (buf[p + 1] === 0x40) p++
      else return true
    } else if (c === 0x5f) {
      // …T_LOCK(, …E_LOCK(, …ALL_LOCKS(
      if ((buf[p + 1]! | 0x20) === 0x6c && (buf[p + 2]! | 0x20) === 0x6f && p + 5 < stop && locks(buf, p, stop))
        return true
    } else if (c === 0x3b && several && p + 2 < stop) return true
  }
  return false
}

function locks(buf: Uint8Array, p: number, stop: number): boolean {
  if ((buf[p + 3]! | 0x20) !== 0x63 || (buf[p + 4]! | 0x20) !== 0x6b) return false
  let q = p + 5
  if (q < stop && (buf[q]! | 0x20) === 0x73) q++
  while (q < stop && buf[q]! <= 0x20) q++
  return buf[q] === 0x28
}

/** Behind leading comments; -1 at a versioned one, whose text counts. */
function pastComment(buf: Uint8Array, from: number, end: number): number {
  let p = from
  while (p < end) {
    const c = buf[p]!
    if (c <= 0x20 || c === 0x28) p++
    else if (c === 0x2f && buf[p + 1] === 0x2a) {
      if (buf[p + 2] === 0x21 || buf[p + 2] === 0x4d) return -1
      p += 2
      while (p < end && !(buf[p] === 0x2a && buf[p + 1] === 0x2f)) p++
      p += 2
    } else if (c === 0x23 || (c === 0x2d && buf[p + 1] === 0x2d)) {
      while (p < end && buf[p] !== 0x0a) p++
    } else return p
  }
  return end
}

const SET = [0x73, 0x65, 0x74]
const SHOW = [0x73, 0x68, 0x6f, 0x77]
const SELECT = [0x73, 0x65, 0x6c, 0x65, 0x63, 0x74]
const FUNCTIONS = ['connection_id', 'database', 'schema', 'user', 'current_user', 'version', 'current_role'].map((w) =>
  [...w].map((c) => c.charCodeAt(0)),
)

/**
 * A statement that is about the session and reads no table's rows for anybody: SET, SHOW VARIABLES, SELECT @@x,
 * SELECT CONNECTION_ID(), SELECT 1. What drivers and pools say at login and checkout.
 */
export function introducesItself(buf: Uint8Array, start: number, end: number): boolean {
  let p = pastComment(buf, start, end)
  if (p < 0) return true
  if (reads(buf, p, end, SET) || reads(buf, p, end, SHOW)) return true
  if (!reads(buf, p, end, SELECT)) return false
  p += SELECT.length
  while (p < end && buf[p]! <= 0x20) p++
  const c = buf[p]!
  if (c === 0x40 && buf[p + 1] === 0x40) return true
  if (c === 0x27 || c === 0x22 || (c >= 0x30 && c <= 0x39)) return isConstant(buf, p, end)
  for (const f of FUNCTIONS) if (reads(buf, p, end, f) && buf[p + f.length] === 0x28) return true
  return false
}

const FROM = [0x66, 0x72, 0x6f, 0x6d]

/** Nothing but a constant, or constants: no table is read. */
function isConstant(buf: Uint8Array, from: number, end: number): boolean {
  const stop = Math.min(end, from + 64)
  for (let p = from; p < stop; p++)
    if (buf[p]! <= 0x20 && reads(buf, p + 1, stop, FROM))
      return (buf[p + 6]! | 0x20) === 0x64 && (buf[p + 7]! | 0x20) === 0x75
  return stop === end
}

/** The word stands at `from`, in any case. */
function reads(buf: Uint8Array, from: number, end: number, word: readonly number[]): boolean {
  if (from + word.length > end) return false
  for (let i = 0; i < word.length; i++) if ((buf[from + i]! | 0x20) !== (word[i]! | 0x20)) return false
  return true
}
