/**
 * How TLS handshakes inside MySQL connections broke, as the packets show without keys: how far they came, who ended them,
 * and for what reason where one is readable (RFC 8446 6.2, RFC 5246 7.2.2). Facts for the tls rules; words are theirs.
 */
import { CLIENT, type Direction, SERVER } from '../core/direction.ts'
import { type Instant, NS_PER_SECOND } from '../core/time.ts'
import type { PlaintextFact, Session, TlsCertificate, TlsFacts } from '../session/session.ts'
import { attemptOf } from './attempt.ts'
import type { Fleet } from './fleet.ts'
import { neighbours } from './neighbours.ts'
import { processEndOf } from './process-end.ts'

export type Alert = TlsFacts['alerts'][number]

/** A TLS connection of which the handshake did not finish, and what ended it. */
export interface BrokenHandshake {
  session: Session
  at: Instant
  frame: number
  by: Direction
  /** The alert that ended it, null when it was a bare close. */
  alert: Alert | null
}

export type Reason =
  | 'unknown-ca'
  | 'certificate-expired'
  | 'client-certificate-required'
  | 'protocol-version'
  | 'no-shared-cipher'
  | 'plaintext'
  | 'aborted'
  | 'other'

export interface HandshakeFailure extends BrokenHandshake {
  reason: Reason
  /** The handshake was finished, and one side went away before a word of MySQL was said. */
  afterwards: boolean
  /** Plain text that the client sent in place of TLS. */
  plaintext: PlaintextFact | null
  /** A certificate in the clear, and whether it was out of date by the capture's own time. */
  certificate: TlsCertificate | null
  outdated: boolean
  /** The side that was asked for a certificate and had none. */
  noClientCertificate: boolean
}

/** AlertDescription, RFC 8446 6. */
const ALERT_REASONS: ReadonlyMap<number, Reason> = new Map([
  [45, 'certificate-expired'],
  [48, 'unknown-ca'],
  [70, 'protocol-version'],
  [71, 'no-shared-cipher'],
  [86, 'protocol-version'],
  [116, 'client-certificate-required'],
])
const CLOSE_NOTIFY = 0
const HANDSHAKE_FAILURE = 40
/** bad_certificate, certificate_unknown: what Go and Java say for any distrust. */
const DISTRUST = new Set([42, 46])
/** Who refuses a certificate after the handshake does so at once. */
const AT_ONCE = NS_PER_SECOND
/** MySQL 5.7 and later make such a CA for themselves when they have no other (manual: auto_generate_certs). */
const HOME_MADE_CA = /Auto_Generated_CA/

/** The handshake after SSLRequest ended before Finished; null when it did not, goes on, or the capture hides it. */
export function brokenHandshake(s: Session): BrokenHandshake | null {
  const { tls } = s
  if (tls === null || tls.requestFrame === 0 || tls.step === 'complete') return null
  const first = s.ending.first
  const alert = tls.alerts.find((a) => isRefusal(a) && (first === null || a.at <= first.at)) ?? null
  if (alert !== null && alert.number >= 0) return { session: s, at: alert.at, frame: alert.frame, by: alert.by, alert }
  if (first === null || hidden(s)) return null
  if (alert !== null) return { session: s, at: alert.at, frame: alert.frame, by: alert.by, alert }
  return { session: s, at: first.at, frame: first.frame, by: first.by, alert: null }
}

/** Encrypted ones (-1) may be anything; in a handshake nobody says good-bye but to end it. */
const isRefusal = (a: Alert): boolean => a.number !== CLOSE_NOTIFY && a.level !== 'warning'

/** Bytes or a direction are missing: the handshake may have gone on where the capture does not show it. */
function hidden(s: Session): boolean {
  const [c, v] = s.sides
  return c.segments === 0 || v.segments === 0 || c.lostBytes + v.lostBytes + c.snaplenBytes + v.snaplenBytes > 0
}

/** A proxy that passes TLS through: the same handshake on its other leg. Null where the session's ends are those of TLS. */
export function sameHandshake(s: Session, fleet: Fleet): Session | null {
  const other = fleet.otherLeg(s)
  if (other === null || other.tls === null || s.tls === null) return null
  if (s.tls.clientRandom !== null && other.tls.clientRandom !== null)
    return s.tls.clientRandom === other.tls.clientRandom ? other : null
  const scramble = s.mysql?.greeting?.scramble ?? ''
  return scramble !== '' && other.mysql?.greeting?.scramble === scramble ? other : null
}

/** What broke the handshake of this session, or what one side did not like about it; null when nothing did. */
export function handshakeFailure(s: Session, fleet: Fleet, unixTime: (at: Instant) => number): HandshakeFailure | null {
  const own = broken(s)
  if (own === null) return null
  // Through a proxy that passes TLS on: the leg where it began tells; both legs tell the same.
  const other = sameHandshake(s, fleet)
  const there = other === null ? null : broken(other)
  const root = there !== null && there.at < own.at ? there : own
  if (root.alert === null && root.plaintext === null && hasOtherCause(root, fleet)) return null
  return { ...root, ...reasonOf(root, unixTime) }
}

type Found = BrokenHandshake & { afterwards: boolean; plaintext: PlaintextFact | null }

function broken(s: Session): Found | null {
  const found = brokenHandshake(s)
  if (found !== null) {
    const plaintext = s.tls!.plaintext.find((p) => p.by === CLIENT && p.kind !== 'SSLv2 ClientHello') ?? null
    // Clear text behind a ClientHello is what a client writes that has given TLS up already.
    const instead = plaintext !== null && (s.tls!.step === 'none' || plaintext.kind === 'HandshakeResponse41')
    return { ...found, afterwards: false, plaintext: instead ? plaintext : null }
  }
  const left = goneAfterwards(s)
  return left === null ? null : { ...left, afterwards: true, plaintext: null }
}

/**
 * The handshake was finished and nobody said anything of MySQL in it: the client looked at the certificate afterwards and
 * left (node does so), or the server refused the client's, of which a TLS 1.3 client learns only then (RFC 8446 4.4.2.4).
 */
function goneAfterwards(s: Session): BrokenHandshake | null {
  const { tls } = s
  const first = s.ending.first
  if (tls === null || tls.requestFrame === 0 || tls.step !== 'complete' || first === null) return null
  const [sent, heard] = tls.records
  // A login that was decrypted says nothing as long as nobody answered it.
  const begun = s.mysql === null || (s.mysql.loginFrame > 0 && heard > 0) || s.mysql.authenticatedFrame > 0
  if (begun || hidden(s)) return null
  if (first.by === CLIENT) {
    if (sent > 0 || s.ending.quit || tls.plaintext.length > 0) return null
    return { session: s, at: first.at, frame: first.frame, by: CLIENT, alert: null }
  }
  // The login, sent with Finished, and never answered; a server that accepts the client sends tickets first.
  if (
    tls.version !== 'TLSv1.3' ||
    heard > 0 ||
    sent > 1 ||
    first.at - Math.max(tls.completeAt, tls.lastRecordAt[CLIENT]) > AT_ONCE
  )
    return null
  const alert = tls.alerts.find((a) => a.by === SERVER && a.number !== CLOSE_NOTIFY && a.at <= first.at) ?? null
  return { session: s, at: alert?.at ?? first.at, frame: alert?.frame ?? first.frame, by: SERVER, alert }
}

/** A bare close that a timer, the network or the end of a process explains is no refusal. */
function hasOtherCause(f: Found, fleet: Fleet): boolean {
  const s = f.session
  const attempt = attemptOf(s, fleet)
  if (attempt === 'stalled' || attempt === 'given-up-on-login') return true
  const [c, v] = s.sides
  if (c.retransmissionsUnanswered + v.retransmissionsUnanswered + c.missingBytes + v.missingBytes > 0) return true
  if (f.by === CLIENT) return false
  return neighbours(fleet)
    .acceptedBy(s.server)
    .some((t) => {
      const end = t.ending.first === null ? null : processEndOf(t, fleet)
      return end !== null && f.at >= end.from - AT_ONCE && f.at <= end.until + AT_ONCE
    })
}

function reasonOf(
  f: Found,
  unixTime: (at: Instant) => number,
): Pick<HandshakeFailure, 'reason' | 'certificate' | 'outdated' | 'noClientCertificate'> {
  const tls = f.session.tls!
  // The certificate that the side which ended it had to judge.
  const certificate = tls.certificates.find((c) => c.by !== f.by && c.chainLength > 0) ?? null
  const outdated = certificate !== null && isOutdated(certificate, unixTime(f.at))
  const noClientCertificate = tls.certificates.some((c) => c.by === CLIENT && c.chainLength === 0)
  return { reason: reason(f, certificate, outdated, noClientCertificate), certificate, outdated, noClientCertificate }
}

function reason(f: Found, certificate: TlsCertificate | null, outdated: boolean, noClientCertificate: boolean): Reason {
  if (f.plaintext !== null) return 'plaintext'
  const number = f.alert?.number ?? -1
  const named = ALERT_REASONS.get(number)
  if (named !== undefined) return named
  const serverEnded = f.by === SERVER
  if (serverEnded && noClientCertificate && f.alert !== null) return 'client-certificate-required'
  if (number === HANDSHAKE_FAILURE && serverEnded)
    return f.session.tls!.step === 'ClientHello' ? 'no-shared-cipher' : 'other'
  const judged = certificate !== null && !serverEnded
  if (judged && outdated) return 'certificate-expired'
  const distrusts = DISTRUST.has(number) || (f.alert === null && f.afterwards)
  if (judged && distrusts && (certificate.selfSigned || HOME_MADE_CA.test(certificate.issuer))) return 'unknown-ca'
  if (serverEnded && f.afterwards && noClientCertificate) return 'client-certificate-required'
  return f.alert === null && !f.afterwards ? 'aborted' : 'other'
}

function isOutdated(c: TlsCertificate, unixSeconds: number): boolean {
  const from = Date.parse(c.notBefore)
  const until = Date.parse(c.notAfter)
  return (!Number.isNaN(until) && unixSeconds * 1000 > until) || (!Number.isNaN(from) && unixSeconds * 1000 < from)
}
