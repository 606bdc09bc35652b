/** The accepting side's timer for logins ran out: it closed a connection whose handshake had stalled. */
import { CLIENT } from '../../core/direction.ts'
import { formatDuration } from '../../core/time.ts'
import type { FirstClose, Session } from '../../session/session.ts'
import { attemptOf, lastWord, stallBefore } from '../attempt.ts'
import { acceptingSide, closeEvidence, seconds } from '../describe.ts'
import type { Fleet } from '../fleet.ts'
import { capital, clientsHit, count, culpritWords } from '../refusal.ts'
import { defineRule, type RuleEvidence } from '../rule.ts'

export default defineRule({
  meta: {
    id: 'handshake-timeout',
    family: 'handshake',
    title: 'The login took too long for the server',
    severity: 'error',
    what: 'The accepting side had greeted, the login (or the TLS handshake in it) did not go on, and after a silence the accepting side closed, with or without error 1159: connect_timeout of the server, or the timer of a proxy.',
    why: 'The client gets "Lost connection to MySQL server at reading authorization packet" or a bare close, and the server counts an aborted connect.',
    cannotTell:
      'Why the client was silent: a program that hangs, one that connects ahead of need, a slow certificate check, or something that is no MySQL client at all.',
    fix: [
      { text: 'See what the client does between connecting and logging in', config: '' },
      {
        text: 'Give slow clients more time',
        config: 'MySQL, MariaDB: connect_timeout; ProxySQL: mysql-connect_timeout_client; HAProxy: timeout client',
      },
    ],
    needs: ['mysql'],
    quiet: [
      'the client closed first',
      'an ERR that refuses the login',
      'a TLS alert (tls-handshake-failure)',
      'handshake packets that were retransmitted and never acknowledged',
      'a login that went through, and a timeout later',
    ],
    references: [
      {
        title: 'MySQL manual: connect_timeout',
        url: 'https://dev.mysql.com/doc/refman/8.4/en/server-system-variables.html#sysvar_connect_timeout',
      },
      { title: 'MariaDB: connect_timeout', url: 'https://mariadb.com/kb/en/server-system-variables/#connect_timeout' },
    ],
    detail: {
      answeredBy: 'server or proxy: whose timer it was',
      waitingFor: 'login, tls or answer: what the accepting side waited for; answer: it was itself due',
      silenceSeconds: 'time without payload before the close',
      errorCode: 'error sent with the close, null if none',
    },
    sample: 'handshake-timeout',
  },
  session(s, ctx) {
    if (ctx.explained(s)) return
    const first = s.ending.first
    if (first === null || attemptOf(s, ctx.fleet) !== 'stalled') return
    const root = origin(s, first, ctx.fleet)
    const close = root.ending.first!
    const culprit = acceptingSide(root, ctx.fleet)
    const waitingFor = stage(root)
    const error = lastWord(root, close)
    const silence = stallBefore(root, close)
    const evidence: RuleEvidence[] = [
      { kind: 'frames', frames: [s.mysql?.greetingFrame ?? 0], says: `greeting of ${s.server}` },
    ]
    if (s.sides[CLIENT].bytes > 0)
      evidence.push({ kind: 'frames', frames: [first.lastClientDataFrame], says: 'the last that the client said' })
    evidence.push({
      kind: 'silence',
      from: close.at - silence,
      to: close.at,
      says: `the handshake did not go on for ${formatDuration(silence)}`,
    })
    if (error !== null)
      evidence.push({ kind: 'frames', frames: [error.frame], says: `ERR ${error.code} ${error.message}`, of: root })
    evidence.push(closeEvidence(s, first))
    if (root !== s) evidence.push({ ...closeEvidence(root, close), of: root })
    evidence.push(seconds('from the SYN to the close', close.at - root.startAt, 'connect_timeout'))
    ctx.report({
      session: s,
      at: first.at,
      cause: `${culprit.role} ${culprit.address} ${waitingFor}`,
      severity: 'error',
      confidence: error !== null ? 'certain' : 'likely',
      culprit,
      title: (all) =>
        `${capital(culpritWords(culprit))} closed ${count(clientsHit(all), 'a connection', 'connections')} whose ${waitingFor === 'tls' ? 'TLS handshake' : 'login'} did not ${waitingFor === 'answer' ? 'end' : 'come'} in time (${formatDuration(silence)})`,
      detail: { answeredBy: culprit.role, waitingFor, silenceSeconds: silence / 1e9, errorCode: error?.code ?? null },
      command: null,
      statement: null,
      outcome: 'none',
      evidence,
      excluded: [
        'a refused login: no error said so',
        'packet loss: nothing was left unacknowledged',
        'an idle timeout: the session was never logged in',
      ],
      remedy: this.meta.fix,
    })
  },
})

/** The leg whose accepting side closed first. */
function origin(s: Session, first: FirstClose, fleet: Fleet): Session {
  const other = first.by === CLIENT ? fleet.frontLeg(s) : fleet.backLeg(s)
  const there = other?.ending.first
  return other !== null && there != null && there.by !== CLIENT && (there.at < first.at || first.by === CLIENT)
    ? other
    : s
}

function stage(s: Session): 'login' | 'tls' | 'answer' {
  if (s.tls !== null && s.tls.handshake !== 'complete') return 'tls'
  const first = s.ending.first!
  return s.mysql!.loginFrame > 0 && first.lastClientDataAt > first.lastServerDataAt ? 'answer' : 'login'
}
