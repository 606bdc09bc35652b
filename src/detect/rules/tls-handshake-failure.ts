/** A TLS handshake inside MySQL did not finish, or one side refused the other's certificate right after it. */
import { CLIENT } from '../../core/direction.ts'
import { formatDuration } from '../../core/time.ts'
import type { Confidence } from '../../report/model.ts'
import type { Session } from '../../session/session.ts'
import { acceptingSide, closeEvidence, networkExcluded } from '../describe.ts'
import type { Fleet } from '../fleet.ts'
import { linesAbout, unnamedNear } from '../log-evidence.ts'
import { tlsReason } from '../log-readings/application.ts'
import { capital, clientsHit, culpritWords } from '../refusal.ts'
import { type Culprit, defineRule, type RuleEvidence, type Verdict } from '../rule.ts'
import { type HandshakeFailure, handshakeFailure, type Reason } from '../tls-handshake.ts'

export default defineRule({
  meta: {
    id: 'tls-handshake-failure',
    family: 'tls',
    title: 'A TLS handshake failed',
    severity: 'error',
    what:
      'The client asked for TLS (SSLRequest) and the handshake ended before Finished, by an alert or a bare close; or it was finished and one side went away before a word of MySQL was said, ' +
      'as node clients do that check the certificate afterwards, and TLS 1.3 servers that miss a client certificate.',
    why: 'The application cannot connect: error 2026 (SSL connection error), SSLHandshakeException, HANDSHAKE_SSL_ERROR. Broken handshakes also disturb other sessions of a process that leaves TLS errors lying about (tls-error-queue).',
    cannotTell:
      'Why a side closed without an alert: only the alert names a reason, and TLS 1.3 encrypts most of those, and the certificate. An alert certificate_unknown or bad_certificate may mean any distrust. ' +
      'A probe that speaks TLS and leaves looks like a client that breaks off.',
    fix: [
      {
        text: 'unknown-ca: give the client the CA that signed the certificate',
        config: 'ssl-ca=…; Connector/J trustCertificateKeyStoreUrl; mysql2 ssl: { ca }; Go tls.Config RootCAs',
      },
      {
        text: 'certificate-expired: renew the certificate, or correct the clock',
        config: 'MySQL: ALTER INSTANCE RELOAD TLS; MariaDB: FLUSH SSL; ProxySQL: PROXYSQL RELOAD TLS',
      },
      {
        text: 'client-certificate-required: give the client a certificate, or do not require one',
        config: 'ssl-cert=…, ssl-key=…; account: REQUIRE SSL instead of REQUIRE X509',
      },
      {
        text: 'protocol-version, no-shared-cipher: let both sides have a version and cipher in common; bring the older one up to date',
        config: 'tls_version=TLSv1.2,TLSv1.3; ssl_cipher; Connector/J tlsVersions; jdk.tls.disabledAlgorithms',
      },
      {
        text: 'plaintext: a client, proxy or probe announces TLS and does not speak it: turn TLS on in it or leave SSLRequest out',
        config: '',
      },
      {
        text: 'aborted, other: read what the side that closed says in its own log or exception',
        config: 'MySQL: log_error_verbosity=3',
      },
    ],
    needs: ['mysql'],
    quiet: [
      'a handshake that finished and a session in it',
      'a handshake that goes on when the capture ends, or of which the capture lost bytes',
      'a handshake that a timer of either side ended after a silence (handshake-timeout, connect-timeout)',
      'handshake packets that the network swallowed',
      'a health check or port scan that asked for no TLS',
      'a login refused inside TLS (auth-failed)',
      'a process that ended during the handshake (server-crash)',
    ],
    references: [
      { title: 'RFC 8446 6, Alert Protocol', url: 'https://www.rfc-editor.org/rfc/rfc8446#section-6' },
      {
        title: 'MySQL manual: Configuring MySQL to Use Encrypted Connections',
        url: 'https://dev.mysql.com/doc/refman/8.4/en/using-encrypted-connections.html',
      },
    ],
    detail: {
      reason:
        'unknown-ca, certificate-expired, client-certificate-required, protocol-version, no-shared-cipher, plaintext, aborted (closed without an alert) or other',
      refusedBy: 'client, server or proxy: who sent the alert, or closed first',
      alert: 'name of the alert (RFC 8446 6), null when there was none',
      after: 'the last step that was seen: none (SSLRequest only), ClientHello, ServerHello or complete',
      offeredVersions: 'TLS versions that the client offered, null when not seen or the handshake was complete',
      selectedVersion: 'TLS version that the server selected, null when it did not come to that',
      certificate: 'subject of the certificate that was judged, null when it was not in the clear',
      validUntil: 'end of its validity, RFC 3339; null likewise',
    },
    sample: 'tls-handshake-failure',
  },
  session(s, ctx) {
    if (ctx.explained(s)) return
    const seen = handshakeFailure(s, ctx.fleet, ctx.unixTime)
    if (seen === null) return
    const f = { ...seen, reason: loggedReason(s, seen, ctx.fleet) ?? seen.reason }
    const refuser = refuserOf(f, ctx.fleet)
    const culprit = culpritOf(f, refuser, ctx.fleet)
    const tls = f.session.tls!
    ctx.report({
      session: s,
      at: f.at,
      cause: `${f.reason} ${refuser.role} ${f.session.clientIp} ${f.session.server}`,
      severity: 'error',
      confidence: confidenceOf(f),
      culprit,
      title: (all) => title(all, f, refuser, acceptingSide(f.session, ctx.fleet)),
      detail: {
        reason: f.reason,
        refusedBy: refuser.role,
        alert: f.alert?.description ?? null,
        after: tls.step,
        offeredVersions: tls.offered?.versions ?? null,
        selectedVersion: tls.version,
        certificate: f.certificate?.subject ?? null,
        validUntil: f.certificate === null || f.certificate.notAfter === '' ? null : f.certificate.notAfter,
      },
      command: null,
      statement: null,
      outcome: 'none',
      evidence: evidenceOf(s, f),
      excluded: excludedOf(f),
      remedy: remedyOf(f.reason, this.meta.fix),
    })
  },
})

/** The reason by the words of whoever's TLS library failed, where the packets have none. */
function loggedReason(s: Session, f: HandshakeFailure, fleet: Fleet): Reason | null {
  if (f.reason !== 'aborted' && f.reason !== 'other') return null
  const lines = [
    ...linesAbout(s, fleet),
    ...unnamedNear(f.at, fleet)
      .filter((x) => x.reading.rules.includes('tls-handshake-failure'))
      .map((x) => x.event),
  ]
  const reasons = new Set(lines.map((e) => tlsReason(e.text)).filter((r) => r !== 'other'))
  return reasons.size === 1 ? ([...reasons][0] as Reason) : null
}

/** What to do about this reason: the fixes name theirs in front. */
function remedyOf(
  reason: Reason,
  fix: readonly { text: string; config: string }[],
): { text: string; config: string }[] {
  const mine = fix.filter((x) => x.text.split(': ')[0]!.includes(reason))
  return mine.map((x) => ({ text: capital(x.text.slice(x.text.indexOf(': ') + 2)), config: x.config }))
}

function refuserOf(f: HandshakeFailure, fleet: Fleet): Culprit {
  if (f.by !== CLIENT) return acceptingSide(f.session, fleet)
  const role = fleet.isProxy(f.session.clientIp) ? 'proxy' : 'client'
  return { role, address: f.session.clientIp, product: null }
}

/** Who refused or broke off, unless the other side is at fault by what can be read. */
function culpritOf(f: HandshakeFailure, refuser: Culprit, fleet: Fleet): Culprit {
  if (f.reason === 'plaintext') return { role: 'client', address: f.session.clientIp, product: null }
  const byClient = f.certificate !== null && f.certificate.by === CLIENT
  if (f.reason === 'certificate-expired' && f.outdated)
    return byClient ? { role: 'client', address: f.session.clientIp, product: null } : acceptingSide(f.session, fleet)
  return refuser
}

function confidenceOf(f: HandshakeFailure): Confidence {
  if (f.plaintext !== null || (f.alert !== null && f.alert.number >= 0)) return 'certain'
  if (!f.afterwards || f.reason === 'certificate-expired' || f.alert !== null) return 'likely'
  return 'possible'
}

function title(all: readonly Verdict[], f: HandshakeFailure, refuser: Culprit, accepting: Culprit): string {
  const n = clientsHit(all)
  const times = n === 1 ? '' : `; ${n} handshakes failed`
  const client = f.session.clientIp
  const server = culpritWords(accepting)
  const who = capital(culpritWords(refuser))
  return `${says(f, who, server, client)}${times}`
}

function says(f: HandshakeFailure, who: string, server: string, client: string): string {
  const peer = f.by === CLIENT ? server : `client ${client}`
  const dates = f.outdated ? ` (valid ${day(f.certificate!.notBefore)} to ${day(f.certificate!.notAfter)})` : ''
  const words: Record<Reason, string> = {
    'unknown-ca': `${who} does not trust the CA of the certificate of ${peer}`,
    'certificate-expired': `${who} refused the certificate of ${peer}: it is out of date${dates}`,
    'client-certificate-required': `${who} wants a certificate from client ${client}, which sent none`,
    'protocol-version': `${who} refused the TLS version of ${peer}${offered(f)}`,
    'no-shared-cipher': `${who} found no cipher suite in common with ${peer}`,
    plaintext: `Client ${client} asked ${server} for TLS and then sent plain text`,
    aborted: `${who} broke off the TLS handshake with ${peer} ${STEP[f.session.tls!.step]}, without an alert`,
    other: f.afterwards
      ? `${who} closed right after the TLS handshake with ${peer}, before ${f.by === CLIENT ? 'the login' : 'an answer to the login'}`
      : `${who} ended the TLS handshake with ${peer} by the alert ${f.alert?.description ?? ''}`,
  }
  return words[f.reason]
}

const STEP = {
  none: 'right after SSLRequest',
  ClientHello: 'after the ClientHello',
  ServerHello: 'after the ServerHello',
  complete: 'after Finished',
} as const

const day = (rfc3339: string): string => rfc3339.slice(0, 10)

function offered(f: HandshakeFailure): string {
  const versions = f.session.tls!.offered?.versions ?? []
  return versions.length === 0 ? '' : ` (the client offered ${versions.join(', ')})`
}

function evidenceOf(s: Session, f: HandshakeFailure): RuleEvidence[] {
  const root = f.session
  const tls = root.tls!
  const out: RuleEvidence[] = []
  const frames = (frame: number, words: string): void => {
    if (frame > 0) out.push({ kind: 'frames', frames: [frame], says: words, of: root })
  }
  frames(tls.requestFrame, 'SSLRequest: the client asks for TLS')
  const offer = tls.offered
  if (offer === null) frames(tls.helloFrame, 'ClientHello')
  else
    frames(
      tls.helloFrame,
      `ClientHello offers ${offer.versions.join(', ')} and ${offer.ciphers.length} cipher suites${offer.resumption ? ', and to resume an earlier TLS session' : ''}${offer.truncated ? '; only its beginning came' : ''}`,
    )
  frames(tls.serverHelloFrame, `ServerHello: ${tls.version}, ${tls.cipher}`)
  const c = f.certificate
  if (c !== null)
    frames(
      c.frame,
      `certificate of ${c.subject || 'an unnamed subject'}, issued by ${c.selfSigned ? 'itself' : c.issuer || 'an unnamed CA'}, valid ${c.notBefore} to ${c.notAfter}`,
    )
  if (f.noClientCertificate && f.by !== CLIENT)
    frames(
      tls.certificates.find((x) => x.chainLength === 0)!.frame,
      'the client was asked for a certificate and sent none',
    )
  if (tls.completeFrame > 0) frames(tls.completeFrame, 'the handshake is finished')
  if (f.plaintext !== null) frames(f.plaintext.frame, `no TLS: ${PLAIN[f.plaintext.kind] ?? 'plain text'}`)
  if (f.alert !== null)
    frames(f.alert.frame, `alert ${f.alert.description} from ${f.by === CLIENT ? root.client : root.server}`)
  const error = tls.plaintext.find((p) => p.kind === 'ERR_Packet' && p.by !== CLIENT)
  if (error !== undefined) frames(error.frame, `the server says in plain text: ${error.code} ${error.message}`)
  if (root.ending.first !== null) out.push({ ...closeEvidence(root, root.ending.first), of: root })
  if (s !== root && s.ending.first !== null) out.push(closeEvidence(s, s.ending.first))
  return out
}

const PLAIN: Partial<Record<string, string>> = {
  HandshakeResponse41: 'the login, in plain text',
  COM_QUIT: 'COM_QUIT in plain text',
  SSLRequest: 'another SSLRequest',
  'PROXY header': 'a PROXY protocol header',
}

function excludedOf(f: HandshakeFailure): string[] {
  const { session } = f
  const out = networkExcluded(session)
  const first = session.ending.first
  if (first !== null)
    out.push(`a timer: the close came ${formatDuration(first.silence)} after the last packet of the handshake`)
  if (!f.afterwards) out.push('a refused login: none was sent in TLS')
  return out
}
