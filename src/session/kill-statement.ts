/**
 * Statements that end others' sessions: KILL and SHUTDOWN.
 *
 * Reads KILL statements (manual: KILL Statement; MariaDB: KILL [HARD|SOFT] [CONNECTION|QUERY [ID]] id): the one statement
 * that reaches from one session into another. Works on bytes, so that only statements that begin with K cost anything.
 */
import { decodeText } from '../core/bytes.ts'

const KILL = /^KILL\s+(?:(?:HARD|SOFT)\s+)?(?:(CONNECTION|QUERY)\s+)?(\d{1,20})\s*;?\s*$/i
const K_UPPER = 0x4b
const K_LOWER = 0x6b
/** Longest KILL worth parsing: keyword, options, a 20-digit id and some blanks. */
const LONGEST = 128

export function readKill(buf: Uint8Array, start: number, end: number): { connectionId: number; query: boolean } | null {
  const p = afterComments(buf, start, end)
  const first = buf[p]
  if (p >= end || (first !== K_UPPER && first !== K_LOWER) || end - p > LONGEST) return null
  const m = KILL.exec(decodeText(buf, p, end))
  return m === null ? null : { connectionId: Number(m[2]), query: m[1]?.toUpperCase() === 'QUERY' }
}

/** MySQL manual: SHUTDOWN Statement; MariaDB: SHUTDOWN [WAIT FOR ALL {SLAVES | REPLICAS}]. */
const SHUTDOWN = /^SHUTDOWN(?:\s+WAIT\s+FOR\s+ALL\s+(?:SLAVES|REPLICAS))?\s*;?\s*$/i

export function isShutdown(buf: Uint8Array, start: number, end: number): boolean {
  const p = afterComments(buf, start, end)
  // Most statements begin with SE: the second letter decides without a look at the text.
  if (end - p < 8 || end - p > LONGEST || (buf[p + 1]! | 0x20) !== 0x68 || (buf[p + 2]! | 0x20) !== 0x75) return false
  return SHUTDOWN.test(decodeText(buf, p, end))
}

/** Where the statement begins, behind blanks and comments: drivers and tools sign their statements. */
function afterComments(buf: Uint8Array, start: number, end: number): number {
  let p = start
  while (p < end && buf[p]! <= 0x20) p++
  while (p + 1 < end && buf[p] === 0x2f && buf[p + 1] === 0x2a) {
    let q = p + 2
    while (q + 1 < end && !(buf[q] === 0x2a && buf[q + 1] === 0x2f)) q++
    p = q + 2
    while (p < end && buf[p]! <= 0x20) p++
  }
  return p
}
