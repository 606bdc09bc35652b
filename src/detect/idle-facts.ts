/**
 * What one session says about a close after silence: whether it is one, how long the silence was, what was lost to it. Facts
 * of the session alone; idle-close.ts puts them together.
 */
import { CLIENT, SERVER } from '../core/direction.ts'
import { type Duration, NS_PER_MS, NS_PER_SECOND } from '../core/time.ts'
import type { CommandFact, ErrorFact, Session } from '../session/session.ts'
import type { IdleDeath } from './idle-clusters.ts'
import { hiddenByTls } from './tls-hidden.ts'

/** ER_CLIENT_INTERACTION_TIMEOUT, sent by MySQL since 8.0.24 before it closes an idle connection. */
export const INTERACTION_TIMEOUT = 4031

/** No timer is set shorter. */
export const SHORTEST = 0.9 * NS_PER_SECOND
/** From ERR 4031 to the close. */
const FAREWELL = 1 * NS_PER_SECOND
/** Round trips below this are no measure of what crossed on the way. */
const MEASURABLE = 1 * NS_PER_MS

/** A close by the accepting side after a silence, with nothing outstanding that it can have known of; null when it is none. */
export function idleDeath(s: Session): IdleDeath | null {
  const first = s.ending.first
  if (first === null || s.mysql === null || s.ending.quit || !inUse(s)) return null
  const error = farewellError(s)
  if (error !== null) return { session: s, style: 'err-4031', at: first.at, idle: first.idle }
  if (first.by !== SERVER || otherFarewell(s)) return null
  // Bytes are missing from the capture: an answer had come at least in part, if the server spoke last.
  if (first.unsure && first.lastServerDataAt <= first.lastClientDataAt) return null
  // The server’s packets alone, or without the client’s last words: its FIN may answer the client’s, or COM_QUIT.
  const client = s.sides[CLIENT]
  if (client.segments === 0 || (client.lostBytes > 0 && client.lostFrame >= first.lastClientDataFrame)) return null
  // A reader that takes no more data is not idle: it hangs in the middle of a result.
  if (client.zeroWindowSince >= 0) return null
  if (first.outstanding !== null && !crossed(s)) return null
  const idle = idleOf(s)
  return idle < SHORTEST || first.lastServerDataFrame === 0
    ? null
    : { session: s, style: first.how, at: first.at, idle }
}

/** Silence before the close as the closer knew it: a request that crossed the close on the way did not end it. */
export function idleOf(s: Session): Duration {
  const first = s.ending.first!
  const c = first.outstanding
  return c === null ? first.idle : first.at - c.at + c.idleBefore
}

/**
 * The request and the close crossed on the way: the close arrived less than a round trip after the request left, so it was sent before the
 * request arrived, and the kernel answered the request with a bare RST: nobody was there to read it.
 */
export function crossed(s: Session): boolean {
  const first = s.ending.first!
  const c = first.outstanding
  const rtt = s.handshakeTimes.toServer
  if (c === null || c.replyFrame > 0 || c.outcome !== 'not-delivered' || rtt < MEASURABLE) return false
  return first.at - c.at < rtt && s.ending.resets.some((r) => r.dir === SERVER && !r.ackFlag)
}

/** ERR 4031 right before the end, whoever then closed first. */
export function farewellError(s: Session): ErrorFact | null {
  const first = s.ending.first
  if (first === null) return null
  return (
    s.mysql?.errorFacts.find(
      (e) => e.code === INTERACTION_TIMEOUT && e.at <= first.at && first.at - e.at <= FAREWELL,
    ) ?? null
  )
}

/** The server gave another reason. */
function otherFarewell(s: Session): boolean {
  const first = s.ending.first!
  return s.mysql!.errorFacts.some((e) => e.phase !== 'reply' && e.at <= first.at && first.at - e.at <= FAREWELL)
}

/** The login was finished, or the session was under way when the capture began. */
function inUse(s: Session): boolean {
  const m = s.mysql!
  if (m.authenticatedFrame > 0) return true
  if (hiddenByTls(s)) return s.tls!.handshake !== 'failed' && s.tls!.records[SERVER] > 1
  return m.greeting === null && (m.commands.total > 0 || s.synFrame === 0)
}

const VALIDATION = /^\s*(?:\/\*.*?\*\/)?\s*select\s+(?:1|'.'|".")\s*(?:from\s+dual)?\s*;?\s*$/is

/** A request that somebody misses: not a ping, not a validation query, not a farewell that found the door closed. */
export function lostRequest(s: Session): CommandFact | null {
  const c = s.ending.lost
  if (c === null || c.name === 'COM_PING' || (c.text !== null && VALIDATION.test(c.text))) return null
  // In TLS the shortest record is COM_QUIT or COM_PING.
  return c.text === null && c.frame === s.ending.quitFrame ? null : c
}

/** A validation that found the connection closed: it did its work, late or not. */
export function lostValidation(s: Session): CommandFact | null {
  const c = s.ending.lost
  return c !== null && lostRequest(s) === null ? c : null
}

/** The server is a MySQL that announces idle closes: 8.0.24 and later (release notes of 8.0.24). */
export function says4031(s: Session): boolean {
  const g = s.mysql?.greeting
  if (g == null || (s.mysql!.flavor !== 'mysql' && s.mysql!.flavor !== 'percona')) return false
  const m = /^(\d+)\.(\d+)\.(\d+)/.exec(g.serverVersion)
  if (m === null) return false
  const [major, minor, patch] = [Number(m[1]), Number(m[2]), Number(m[3])]
  return major > 8 || (major === 8 && (minor > 0 || patch >= 24))
}

/** The server is a MariaDB that resets idle connections: measured with 10.11.19; others are not known. */
export function resetsIdle(s: Session): boolean {
  const m = /^(?:5\.5\.5-)?10\.11\.(\d+)/.exec(
    s.mysql?.flavor === 'mariadb' ? (s.mysql.greeting?.serverVersion ?? '') : '',
  )
  return m !== null && Number(m[1]) >= 19
}
