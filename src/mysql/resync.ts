/**
 * Finding the place again after a gap or unreadable bytes. Senders nearly always begin a segment with the begin of a
 * packet, so only the first byte of a segment is tried: as a command of the client, as an answer of the server, or as a
 * chain of packets inside a result. Pure functions; silence is preferred to invention.
 */
import { Command } from './commands.ts'
import { Look, looksLikeAnswer, looksLikeCommand, looksLikeErr } from './recognise.ts'

/** A command longer than its segment must fill it: with less than this in hand it is not believed. */
const FULL_SEGMENT = 500

/** Whether a command begins at buf[start] that ends with the segment, goes on beyond a full one, or is followed by another. */
export function commandBegins(b: Uint8Array, start: number, end: number): boolean {
  if (looksLikeCommand(b, start, end) !== Look.yes) return false
  const length = b[start]! | (b[start + 1]! << 8) | (b[start + 2]! << 16)
  const left = end - start - 4 - length
  if (left === 0) return true
  if (left < 0) {
    const op = b[start + 4]
    const open = op === Command.COM_QUERY || op === Command.COM_STMT_PREPARE
    // Bytes that a snapshot length cut off are missing as well: then text alone must convince.
    return open
      ? end - start >= 32
      : end - start >= FULL_SEGMENT || (op === Command.COM_STMT_EXECUTE && end - start >= 14)
  }
  return looksLikeCommand(b, start + 4 + length, end) === Look.yes
}

/** Whether the answer to a command begins at buf[start]: `id` is the sequence id it must have (-1: unknown, 1 is taken). */
export function answerBegins(b: Uint8Array, start: number, end: number, id: number): boolean {
  return looksLikeAnswer(b, start, end, id < 0 ? 1 : id) === Look.yes
}

/** Whether an ERR that nobody asked for is all of buf[start, end). */
export function errAlone(b: Uint8Array, start: number, end: number): boolean {
  if (looksLikeErr(b, start, end, false) !== Look.yes) return false
  const whole = (b[start]! | (b[start + 1]! << 8) | (b[start + 2]! << 16)) + 4
  // Cut by a snapshot length: code and SQLSTATE are there (manual: ERR_Packet), the message is not.
  return (
    whole === end - start ||
    (whole > end - start && whole < ERR_AT_MOST && end - start >= ERR_HEAD && b[start + 7] === 0x23)
  )
}

/** Header, 0xff, code, '#', SQLSTATE: what an ERR must show when its message is cut; and the longest one (MYSQL_ERRMSG_SIZE 512). */
const ERR_HEAD = 13
const ERR_AT_MOST = 600

/** Packets that must follow each other before a chain is believed when it does not end with the segment. */
const CHAIN = 4

/**
 * Whether packets of a running result begin at buf[start]: headers whose sequence ids count up by one and whose lengths
 * lead from one to the next, until the segment ends. Two are enough when the last ends exactly there; one when it is EOF or
 * OK that fills the segment.
 */
export function resultGoesOn(b: Uint8Array, start: number, end: number): boolean {
  let p = start
  let packets = 0
  let id = -1
  while (end - p >= 4) {
    const length = b[p]! | (b[p + 1]! << 8) | (b[p + 2]! << 16)
    if (length === 0 || (id >= 0 && b[p + 3] !== ((id + 1) & 255))) return false
    id = b[p + 3]!
    packets++
    if (packets === 1 && length + 4 === end - start)
      return b[p + 4] === 0xfe && (length === 5 || (length >= 7 && length < 64))
    p += 4 + length
  }
  return p === end ? packets >= 2 : packets >= CHAIN
}
