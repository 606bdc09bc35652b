/**
 * OK_Packet and its session state information (manual: Protocol::OK_Packet). The trackers follow the server's code where
 * the manual's examples differ from it: SESSION_TRACK_STATE_CHANGE is one lenenc byte '1' or '0' (wire: 02 01 31 inside).
 */
import { ByteReader } from '../../core/bytes.ts'
import type { TrackedChange } from '../listener.ts'
import { Status } from '../status.ts'

/** Session tracker types (enum_session_state_type). */
export const Tracker = {
  SESSION_TRACK_SYSTEM_VARIABLES: 0,
  SESSION_TRACK_SCHEMA: 1,
  SESSION_TRACK_STATE_CHANGE: 2,
  SESSION_TRACK_GTIDS: 3,
  SESSION_TRACK_TRANSACTION_CHARACTERISTICS: 4,
  SESSION_TRACK_TRANSACTION_STATE: 5,
} as const

/** Changes kept of one OK packet. */
const CHANGES_KEPT = 256
const VALUE_CHARACTERS = 1024

const scratch = new ByteReader(new Uint8Array(0))

/**
 * Server status flags of an OK packet (header 0x00 or 0xFE) in buf[start, end), -1 when it is too short to carry them.
 * Allocates nothing.
 */
export function okStatus(buf: Uint8Array, start: number, end: number): number {
  const r = scratch.reset(buf, start + 1, end)
  r.lenenc() // affected rows
  r.lenenc() // last insert id
  const status = r.u16()
  return r.ok ? status : -1
}

/** Status flags of EOF_Packet: 0xFE warnings[2] status[2]; -1 for the one-byte form before 4.1. */
export function eofStatus(buf: Uint8Array, start: number, end: number): number {
  return end - start >= 5 ? buf[start + 3]! | (buf[start + 4]! << 8) : -1
}

/**
 * Session trackers of an OK packet, for connections with CLIENT_SESSION_TRACK; [] when the status flags announce none.
 * `r.ok` turns false when the packet ends inside them.
 */
export function decodeTrackers(r: ByteReader): TrackedChange[] {
  r.skip(1)
  r.lenenc()
  r.lenenc()
  const status = r.u16()
  r.skip(2) // warnings
  if ((status & Status.SERVER_SESSION_STATE_CHANGED) === 0 || r.left === 0) return []
  r.skip(Math.max(0, r.lenenc())) // human readable status information
  const announced = r.lenenc()
  const changes: TrackedChange[] = []
  const end = Math.min(r.end, r.pos + Math.max(0, announced))
  if (r.pos + announced > r.end) r.ok = false
  const item = new ByteReader(r.buf)
  while (r.pos < end && changes.length < CHANGES_KEPT) {
    const type = r.u8()
    const length = Math.max(0, r.lenenc())
    const stop = Math.min(end, r.pos + length)
    decodeTracker(item.reset(r.buf, r.pos, stop), type, changes)
    r.pos = stop
  }
  return changes
}

function decodeTracker(r: ByteReader, type: number, into: TrackedChange[]): void {
  switch (type) {
    case Tracker.SESSION_TRACK_SYSTEM_VARIABLES:
      while (r.left > 0 && into.length < CHANGES_KEPT) {
        const name = r.textLenenc()
        const value = r.textLenenc()
        if (!r.ok) return
        into.push({ type, name: name.slice(0, 64), value: value.slice(0, VALUE_CHARACTERS) })
      }
      return
    case Tracker.SESSION_TRACK_STATE_CHANGE:
      // One raw byte in the server's code; connectors also accept it as a lenenc string of one byte.
      into.push({ type, name: '', value: r.left > 1 ? r.textLenenc() : r.rest() })
      return
    case Tracker.SESSION_TRACK_GTIDS:
      r.skip(1) // encoding specification, 0: the text form
      into.push({ type, name: '', value: r.textLenenc().slice(0, VALUE_CHARACTERS) })
      return
    default:
      into.push({ type, name: '', value: r.textLenenc().slice(0, VALUE_CHARACTERS) })
  }
}
