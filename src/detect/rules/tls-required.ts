/** A login without TLS was refused because TLS is required: 3159, words to that effect, or 1045 for a user who gets in by TLS. */
import type { ErrorFact, Session } from '../../session/session.ts'
import type { Fleet } from '../fleet.ts'
import { capital, clientsHit, count, culpritWords, type Refusal, refusalEvidence, trace } from '../refusal.ts'
import { defineRule, type RuleEvidence } from '../rule.ts'

/** ER_SECURE_TRANSPORT_REQUIRED (Server Error Message Reference). */
const SECURE_TRANSPORT_REQUIRED = 3159
const ACCESS_DENIED = 1045
/** MySQL and MariaDB, ProxySQL, Azure, Vitess: each says it in its own words, some with a general error code. */
const WORDS = /insecure (transport|connection)|(SSL|TLS)( connection)? is required|(requires?|must use) (SSL|TLS)/i
/** Capability flag of the greeting (manual: Capabilities Flags). */
const CLIENT_SSL = 0x800

export default defineRule({
  meta: {
    id: 'tls-required',
    family: 'tls',
    title: 'A login without TLS was refused: TLS is required',
    severity: 'error',
    what: 'A login that did not ask for TLS was refused with 3159 or with words that say that TLS is required; or with 1045, while the same user gets in to the same server with TLS.',
    why: 'The application cannot connect until its driver uses TLS. With 1045 ("Access denied … using password: YES", for accounts with REQUIRE SSL) people look for a wrong password for a long time.',
    cannotTell:
      'With 1045 alone, whether the password was wrong as well: the server does not say. Users of logins inside TLS can only be read with a key log.',
    fix: [
      {
        text: 'Turn TLS on in the client',
        config: 'ssl-mode=REQUIRED; Connector/J sslMode=REQUIRED; mysql2 ssl: {}; Go tls=true; PHP MYSQLI_CLIENT_SSL',
      },
      {
        text: 'Or no longer require it, where the network is trusted',
        config: 'require_secure_transport=OFF; ALTER USER … REQUIRE NONE; ProxySQL mysql_users.use_ssl=0',
      },
    ],
    needs: ['mysql'],
    quiet: [
      'a login refused inside TLS',
      '1045 without TLS for a user who is not seen to get in with TLS (auth-failed)',
      'a server that offers no TLS',
      'a login without TLS that succeeds',
    ],
    references: [
      {
        title: 'MySQL manual: require_secure_transport',
        url: 'https://dev.mysql.com/doc/refman/8.4/en/server-system-variables.html#sysvar_require_secure_transport',
      },
      {
        title: 'MySQL manual: CREATE USER SSL/TLS options',
        url: 'https://dev.mysql.com/doc/refman/8.4/en/create-user.html#create-user-tls',
      },
    ],
    detail: {
      code: 'error code',
      user: 'user name of the login',
      answeredBy: 'server or proxy: who wrote the error',
      offersTls: 'whether the greeting offered TLS (CLIENT_SSL)',
      inWords: 'false when only a login of the same user with TLS, which succeeded, tells',
    },
    sample: 'tls-required',
  },
  session(s, ctx) {
    if (ctx.explained(s) || s.tls !== null) return
    const error = s.mysql?.errorFacts.find((e) => e.phase === 'auth' || e.phase === 'greeting')
    if (error === undefined || s.mysql!.loginFrame === 0) return
    const inWords = error.code === SECURE_TRANSPORT_REQUIRED || WORDS.test(error.message)
    const withTls = inWords ? null : sameUserWithTls(s, error, ctx.fleet)
    if (!inWords && withTls === null) return
    const r: Refusal = trace(s, error, ctx.fleet)
    const user = s.mysql!.login?.user ?? ''
    const evidence: RuleEvidence[] = [
      { kind: 'frames', frames: [s.mysql!.greetingFrame], says: offersTls(s) ? 'the greeting offers TLS' : 'greeting' },
      { kind: 'frames', frames: [s.mysql!.loginFrame], says: `login of user ${user} without TLS: no SSLRequest` },
      ...refusalEvidence(s, r),
    ]
    if (withTls !== null)
      evidence.push({
        kind: 'frames',
        frames: [withTls.mysql!.authenticatedFrame],
        says: 'the same user gets in with TLS',
        of: withTls,
      })
    ctx.report({
      session: s,
      at: error.at,
      cause: `${error.code} ${r.culprit.role} ${r.culprit.address} ${user}`,
      severity: 'error',
      confidence: inWords ? 'certain' : 'likely',
      culprit: r.culprit,
      title: (all) =>
        `${capital(culpritWords(r.culprit))} refused ${count(clientsHit(all), 'a login', 'logins')} of user ${user} without TLS: ${error.code} ${error.message}`,
      detail: { code: error.code, user, answeredBy: r.culprit.role, offersTls: offersTls(s), inWords },
      command: null,
      statement: null,
      outcome: 'none',
      evidence,
      excluded: [
        'a failed TLS handshake: the client asked for none',
        ...(inWords ? ['a wrong password: it was not what the server objected to'] : []),
      ],
      remedy: this.meta.fix,
    })
  },
})

const offersTls = (s: Session): boolean => ((s.mysql?.greeting?.capabilities ?? 0) & CLIENT_SSL) !== 0

/** A session of the same user with the same server that did ask for TLS, and got in. */
function sameUserWithTls(s: Session, error: ErrorFact, fleet: Fleet): Session | null {
  if (error.code !== ACCESS_DENIED || !offersTls(s)) return null
  const user = s.mysql!.login?.user
  if (user === undefined || user === '') return null
  return (
    fleet.sessions.find(
      (t) => t.server === s.server && t.tls !== null && t.mysql?.login?.user === user && t.mysql.authenticatedFrame > 0,
    ) ?? null
  )
}
