/** A login was refused, in words (1045 and its kin), behind TLS by a close right after the login, or by the client itself. */
import type { ErrorFact, Session } from '../../session/session.ts'
import type { Fleet } from '../fleet.ts'
import { behindTls, declined, type RefusedLogin } from '../login-end.ts'
import { capital, clientsHit, count, culpritWords, type Refusal, refusal, refusalEvidence, trace } from '../refusal.ts'
import { defineRule, type Verdict } from '../rule.ts'

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

function title(all: readonly Verdict[], r: RefusedLogin, user: string | null): string {
  const logins = count(clientsHit(all), 'a login', 'logins')
  const who = user === null || user === '' ? '' : ` of user ${user}`
  if (r.reason === 'declined-by-client')
    return `${capital(culpritWords(r.culprit))} broke off ${logins}${who}: ${r.message}`
  return `${capital(culpritWords(r.culprit))} refused ${logins}${who}: ${r.code === null ? r.message : `${r.code} ${r.message}`}`
}

function inWords(s: Session, fleet: Fleet): RefusedLogin | null {
  const r = refusal(s, fleet, CODES)
  return r === null ? null : fromError(s, r)
}

function fromError(s: Session, r: Refusal): RefusedLogin {
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
function passedOn(s: Session, fleet: Fleet): RefusedLogin | null {
  const error: ErrorFact | undefined = s.mysql?.errorFacts.find((e) => CODES.has(e.code) && e.phase === 'reply')
  if (error === undefined || !fleet.isProxy(s.serverIp)) return null
  const r = trace(s, error, fleet)
  return r.root !== s && r.rootError.phase === 'auth' ? fromError(s, r) : null
}
