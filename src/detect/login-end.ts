/**
 * Logins that ended without a readable refusal: behind TLS that was not decrypted, by a close right after the answer; or by
 * the client, which could not do the authentication that it was asked for.
 */
import { CLIENT, SERVER } from '../core/direction.ts'
import { formatDuration, NS_PER_MS, NS_PER_SECOND } from '../core/time.ts'
import type { Session } from '../session/session.ts'
import { acceptingSide, closeEvidence, productOf } from './describe.ts'
import type { Fleet } from './fleet.ts'
import type { Culprit, RuleEvidence, Verdict } from './rule.ts'

/** A server hangs up at once after refusing. */
const HANGS_UP = 500 * NS_PER_MS
/** Login, answer to an auth switch, password after "full authentication", one more factor. */
const LOGIN_RECORDS = 4
/** TLS record of an ERR for a login: header, code, state and a sentence, sealed. A bare OK is shorter, a session ticket longer. */
const ERR_RECORD_LEAST = 60
const ERR_RECORD_MOST = 200
/** A driver that cannot answer an authentication request closes at once. */
const DECLINES = NS_PER_SECOND

export interface RefusedLogin {
  at: number
  reason: string
  code: number | null
  message: string
  culprit: Culprit
  root: Session
  confidence: Verdict['confidence']
  evidence: RuleEvidence[]
  excluded: string[]
}

/** After a finished TLS handshake: login, one more record of the server, and it hangs up. */
export function behindTls(s: Session, fleet: Fleet): RefusedLogin | null {
  const tls = s.tls
  const first = s.ending.first
  if (
    tls === null ||
    first === null ||
    s.mysql === null ||
    tls.handshake !== 'complete' ||
    first.by !== SERVER ||
    first.unsure ||
    s.ending.quit
  )
    return null
  if (s.mysql.authenticatedFrame > 0 || s.mysql.loginFrame > 0) return null
  const [login, answer] = tls.lastRecordAt
  const [sent, heard] = tls.records
  const length = tls.lastRecordLength[SERVER]
  if (
    sent === 0 ||
    sent > LOGIN_RECORDS ||
    heard === 0 ||
    answer <= login ||
    first.at - answer > HANGS_UP ||
    length < ERR_RECORD_LEAST ||
    length > ERR_RECORD_MOST
  )
    return null
  // An alert ahead of the answer is about TLS; the server's close_notify comes with its close.
  if (tls.alerts.some((a) => a.at < (a.by === CLIENT ? first.at : answer))) return null
  // A proxy that passes TLS through passes the close on, too.
  const back = fleet.backLeg(s)
  const backFirst = back?.ending.first
  const root = back !== null && backFirst?.by === SERVER && backFirst.at <= first.at ? back : s
  const culprit = acceptingSide(root, fleet)
  return {
    at: first.at,
    reason: 'unreadable',
    code: null,
    message: 'it hung up right after its answer to the login, in TLS that was not decrypted',
    culprit,
    root,
    confidence: sent === 1 ? 'likely' : 'possible',
    evidence: [
      {
        kind: 'frames',
        frames: [first.lastClientDataFrame],
        says: `the client’s ${sent === 1 ? 'only' : 'last'} encrypted record after the handshake: a login`,
      },
      {
        kind: 'frames',
        frames: [first.lastServerDataFrame],
        says: `the server’s last answer: a record of ${length} bytes, as long as an ERR, long for an OK`,
      },
      closeEvidence(s, first),
      {
        kind: 'measure',
        name: 'from the answer to the close',
        value: (first.at - answer) / NS_PER_SECOND,
        unit: 's',
        compared: formatDuration(first.at - answer),
      },
    ],
    excluded: [
      'the TLS handshake: it was complete, without an alert',
      'a refused certificate: the client sent its login and the server answered it',
    ],
  }
}

/** The server asked for another authentication or for more, and the client went away instead. */
export function declined(s: Session): RefusedLogin | null {
  const first = s.ending.first
  const auth = s.mysql?.lastAuth ?? null
  if (
    first === null ||
    auth === null ||
    first.by !== CLIENT ||
    auth.by !== SERVER ||
    s.ending.quit ||
    s.mysql!.authenticatedFrame > 0 ||
    s.mysql!.commands.total > 0 ||
    s.mysql!.resynced > 0
  )
    return null
  // The answer, or the client’s next word, may be among what the capture lost.
  if (s.sides[CLIENT].lostBytes + s.sides[SERVER].lostBytes > 0) return null
  if (
    first.lastServerDataAt > auth.at ||
    first.lastClientDataAt > auth.at ||
    first.at - auth.at > DECLINES + 2 * Math.max(0, s.handshakeTimes.toClient)
  )
    return null
  const asked =
    auth.what === 'switch'
      ? `asked to use ${auth.detail}`
      : auth.what === 'next-factor'
        ? `asked for a further factor, ${auth.detail}`
        : auth.detail
  return {
    at: first.at,
    reason: 'declined-by-client',
    code: null,
    message: asked,
    culprit: { role: 'client', address: s.clientIp, product: s.mysql!.login?.attributes['_client_name'] ?? null },
    root: s,
    confidence: 'likely',
    evidence: [
      { kind: 'frames', frames: [s.mysql!.loginFrame], says: `login of user ${s.mysql!.login?.user ?? ''}` },
      {
        kind: 'frames',
        frames: [auth.frame],
        says: `${productOf(s) ?? 'the server'}: ${asked}${s.tls === null ? ', on a connection without TLS' : ''}`,
      },
      closeEvidence(s, first),
    ],
    excluded: ['the server: it had not refused anything', 'a timeout: the client closed at once'],
  }
}
