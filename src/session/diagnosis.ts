/** What a finished session says about the capture itself: a missing direction, bytes that were lost, a late start, TLS. */
import type { AnomalyLog } from '../core/anomaly.ts'
import { CLIENT, type Direction, SERVER, sideName } from '../core/direction.ts'
import type { Session } from './session.ts'

/** Notes what the capture kept from us about this session. `keysGiven`: there are keys for some TLS sessions. */
export function noteLimits(s: Session, log: AnomalyLog, keysGiven = false): void {
  const missing = missingDirection(s)
  if (missing !== null)
    log.note('capture.one-direction', s.firstFrame, () => `${s.id}: nothing from the ${sideName(missing)}`)
  if (missing === null) noteLost(s, log)
  if (begunBefore(s)) log.note('capture.midstream', s.firstFrame, () => s.id)
  if (isOpaque(s)) log.note('capture.tls-no-keys', s.firstFrame, () => s.id)
  const unread = s.tls?.unread ?? null
  if (unread === 'wrong-keys' || unread === 'place-lost' || unread === 'cipher')
    log.note(`tls.${unread}`, s.firstFrame, () => s.id)
  else if (unread === 'handshake-unseen' && keysGiven) log.note('tls.handshake-unseen', s.firstFrame, () => s.id)
}

function noteLost(s: Session, log: AnomalyLog): void {
  // What never arrived was lost by the network.
  const lost = ([CLIENT, SERVER] as const).filter((d) => s.sides[d].lostBytes > 0 && s.sides[d].missingBytes === 0)
  if (lost.length === 0) return
  const first = Math.min(...lost.map((d) => s.sides[d].lostFrame))
  const bytes = lost.map((d) => `${s.sides[d].lostBytes} bytes of the ${sideName(d)}`)
  log.note('capture.lost-segments', first, () => `${s.id}: ${bytes.join(', ')}`)
}

/** The side of which nothing was captured although it spoke; null when there is none. */
export function missingDirection(s: Session): Direction | null {
  const [c, v] = s.sides
  if (c.segments > 0 && v.segments > 0) return null
  if (v.segments === 0) {
    // SYNs alone may really have had no answer. Anything behind them shows that one came.
    const syns = s.synFrame > 0 ? 1 + s.synRetransmissions : 0
    return c.segments > syns && s.mysql !== null ? SERVER : null
  }
  return s.synAckFrame > 0 || v.bytes > 0 ? CLIENT : null
}

/** Login and settings lie before the capture. */
export const begunBefore = (s: Session): boolean => s.mysql !== null && s.synFrame === 0 && s.mysql.greeting === null

/** TLS hides what was said. */
export const isOpaque = (s: Session): boolean => s.tls !== null && s.tls.handshake !== 'failed' && !s.tls.decrypted
