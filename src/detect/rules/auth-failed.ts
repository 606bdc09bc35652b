/** A login was refused, in words (1045 and its kin), behind TLS by a close right after the login, or by the client itself. */
import { CLIENT, SERVER } from '../../core/direction.ts'
import { formatDuration, NS_PER_MS, NS_PER_SECOND } from '../../core/time.ts'
import type { ErrorFact, Session } from '../../session/session.ts'
import { acceptingSide, closeEvidence, productOf } from '../describe.ts'
import type { Fleet } from '../fleet.ts'
import { capital, count, culpritWords, type Refusal, refusal, refusalEvidence, trace } from '../refusal.ts'
import { type Culprit, defineRule, type RuleEvidence, type Verdict } from '../rule.ts'

/** Errors that refuse a login because of who asks or how (Server Error Message Reference; MariaDB Error Codes). */
const REASONS: ReadonlyMap<number, string> = new Map([
  [1044, 'schema-denied'],
  [1045, 'access-denied'],
  [1049, 'unknown-schema'],
  [1130, 'host-not-allowed'],
  [1251, 'plugin-not-supported'],
  [1275, 'plugin-not-supported'],
  [1524, 'plugin-not-loaded'],
  [1698, 'access-denied'],
  [1820, 'password-expired'],
  [1862, 'password-expired'],
  [3118, 'account-locked'],
  [3955, 'account-locked'],
  [4150, 'account-locked'],
  [4151, 'account-locked'],
])
const CODES: ReadonlySet<number> = new Set(REASONS.keys())
/** A server hangs up at once after refusing. */
const HANGS_UP = 500 * NS_PER_MS
/** Login, answer to an auth switch, password after "full authentication", one more factor. */
const LOGIN_RECORDS = 4
/** TLS record of an ERR for a login: header, code, state and a sentence, sealed. A bare OK is shorter, a session ticket longer. */
const ERR_RECORD_LEAST = 60
const ERR_RECORD_MOST = 200
/** A driver that cannot answer an authentication request closes at once. */
const DECLINES = NS_PER_SECOND

interface Refused {
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

export default defineRule({
  meta: {
    id: 'auth-failed',
    family: 'handshake',
    title: 'A login was refused',
    severity: 'error',
    what:
      'The server or a proxy answered the login with an ERR (1045, 1044, 1049, 1130, 1251, 1698, 1862, 3118 …); or, in TLS that cannot be read, closed the connection right after its answer to the login; ' +
      'or the client closed when it was asked for an authentication that it cannot do.',
    why: 'The application cannot connect. Repeated refusals lock accounts and fill Aborted_connects.',
    cannotTell:
      'Which of user, host and password was wrong: the server does not say. In TLS without keys the error itself: only the order of records and the close speak. ' +
      'Behind MySQL Router or ProxySQL a correct password may be refused when the leg to the server has no TLS or the proxy’s own user table differs.',
    fix: [
      {
        text: 'Compare user, host part and plugin of the account with what the login shows',
        config: 'SELECT user, host, plugin, account_locked, password_expired FROM mysql.user WHERE user = …',
      },
      {
        text: 'When a proxy answered: keep its user table in step with the server',
        config: 'ProxySQL: mysql_users, LOAD MYSQL USERS TO RUNTIME',
      },
      {
        text: 'caching_sha2_password needs TLS, or the server’s public key',
        config: 'ssl-mode=REQUIRED, or allowPublicKeyRetrieval / get-server-public-key',
      },
    ],
    needs: ['mysql'],
    quiet: [
      'a login that succeeds after an auth switch or full authentication',
      'an access error of a statement on a session that is logged in',
      'a TLS handshake that failed',
      'a session that ends with COM_QUIT right after its login',
    ],
    references: [
      {
        title: 'MySQL manual: Troubleshooting Problems Connecting',
        url: 'https://dev.mysql.com/doc/refman/8.4/en/problems-connecting.html',
      },
      {
        title: 'MySQL manual: Caching SHA-2 Pluggable Authentication',
        url: 'https://dev.mysql.com/doc/refman/8.4/en/caching-sha2-pluggable-authentication.html',
      },
    ],
    detail: {
      code: 'error code, null when it could not be read',
      reason:
        'access-denied, schema-denied, unknown-schema, host-not-allowed, plugin-not-supported, plugin-not-loaded, password-expired, account-locked, unreadable (in TLS) or declined-by-client',
      user: 'user name of the login, null when it could not be read',
      answeredBy: 'server, proxy or client: who ended the login',
    },
    sample: 'auth-failed',
  },
  session(s, ctx) {
    if (ctx.explained(s)) return
    const r = inWords(s, ctx.fleet) ?? passedOn(s, ctx.fleet) ?? behindTls(s, ctx.fleet) ?? declined(s)
    if (r === null) return
    const user = s.mysql?.login?.user ?? r.root.mysql?.login?.user ?? null
    const { culprit } = r
    ctx.report({
      session: s,
      at: r.at,
      cause: `${r.code ?? r.reason} ${culprit.role} ${culprit.address} ${user ?? ''}`,
      severity: 'error',
      confidence: r.confidence,
      culprit,
      title: (all) => title(all, r, user),
      detail: { code: r.code, reason: r.reason, user, answeredBy: culprit.role },
      command: null,
      statement: null,
      outcome: 'none',
      evidence: r.evidence,
      excluded: r.excluded,
      remedy: this.meta.fix,
    })
  },
})

function title(all: readonly Verdict[], r: Refused, user: string | null): string {
  const logins = count(all.length, 'a login', 'logins')
  const who = user === null || user === '' ? '' : ` of user ${user}`
  if (r.reason === 'declined-by-client')
    return `${capital(culpritWords(r.culprit))} broke off ${logins}${who}: ${r.message}`
  return `${capital(culpritWords(r.culprit))} refused ${logins}${who}: ${r.code === null ? r.message : `${r.code} ${r.message}`}`
}

function inWords(s: Session, fleet: Fleet): Refused | null {
  const r = refusal(s, fleet, CODES)
  return r === null ? null : fromError(s, r)
}

function fromError(s: Session, r: Refusal): Refused {
  return {
    at: r.error.at,
    reason: REASONS.get(r.error.code)!,
    code: r.error.code,
    message: r.error.message,
    culprit: r.culprit,
    root: r.root,
    confidence: 'certain',
    evidence: [
      { kind: 'frames', frames: [s.mysql?.loginFrame ?? 0], says: `login of user ${s.mysql?.login?.user ?? ''}` },
      ...refusalEvidence(s, r),
    ],
    excluded: ['a network fault: the refusal is in words', 'a limit on connections: another error says that'],
  }
}

/** A proxy that logs in to the server by itself hands the refusal to its client as the answer to a statement. */
function passedOn(s: Session, fleet: Fleet): Refused | null {
  const error: ErrorFact | undefined = s.mysql?.errorFacts.find((e) => CODES.has(e.code) && e.phase === 'reply')
  if (error === undefined || !fleet.isProxy(s.serverIp)) return null
  const r = trace(s, error, fleet)
  return r.root !== s && r.rootError.phase === 'auth' ? fromError(s, r) : null
}

/** After a finished TLS handshake: login, one more record of the server, and it hangs up. */
function behindTls(s: Session, fleet: Fleet): Refused | null {
  const tls = s.tls
  const first = s.ending.first
  if (
    tls === null ||
    first === null ||
    s.mysql === null ||
    tls.handshake !== 'complete' ||
    first.by !== SERVER ||
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
  if (tls.alerts.some((a) => a.by === CLIENT || a.at < answer)) return null
  const culprit = acceptingSide(s, fleet)
  return {
    at: first.at,
    reason: 'unreadable',
    code: null,
    message: 'it hung up right after its answer to the login, in TLS that was not decrypted',
    culprit,
    root: s,
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
function declined(s: Session): Refused | null {
  const first = s.ending.first
  const auth = s.mysql?.lastAuth ?? null
  if (
    first === null ||
    auth === null ||
    first.by !== CLIENT ||
    auth.by !== SERVER ||
    s.ending.quit ||
    s.mysql!.authenticatedFrame > 0
  )
    return null
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
