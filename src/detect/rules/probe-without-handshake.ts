/** A knock: a health check or a scanner that connects and goes away without saying anything. */
import { formatDuration } from '../../core/time.ts'
import type { Session } from '../../session/session.ts'
import { attemptOf } from '../attempt.ts'
import { acceptingSide, closeEvidence } from '../describe.ts'
import type { Fleet } from '../fleet.ts'
import { neighbours } from '../neighbours.ts'
import { count } from '../refusal.ts'
import { defineRule, type RuleEvidence } from '../rule.ts'

export default defineRule({
  meta: {
    id: 'probe-without-handshake',
    family: 'handshake',
    title: 'Connections that never log in: health checks, scanners',
    severity: 'info',
    what: 'The client connected and closed without a byte: before the greeting (plain TCP check), after having read it, or, from an address that knocks at many endpoints and logs in nowhere, being refused.',
    why: 'Nothing was lost. But servers log and count each as an aborted connect, and MySQL with name resolution on blocks the host after max_connect_errors of those that ended after the greeting (host-blocked).',
    cannotTell: 'A health check from a client that crashed right after connecting.',
    fix: [{ text: 'Let the check log in and quit', config: 'HAProxy: option mysql-check user haproxy' }],
    needs: ['tcp'],
    quiet: [
      'a client that waited for a greeting in vain (connect-timeout)',
      'a client that said anything (login, another protocol)',
      'the server closed first',
    ],
    references: [
      {
        title: 'HAProxy: option mysql-check',
        url: 'https://docs.haproxy.org/2.8/configuration.html#4.2-option%20mysql-check',
      },
      {
        title: 'MySQL manual: Communication Errors and Aborted Connections',
        url: 'https://dev.mysql.com/doc/refman/8.4/en/communication-errors.html',
      },
    ],
    detail: {
      kind: 'connect: closed before the greeting; greeting: read it first; scan: one of many endpoints tried',
      everySeconds: 'median time between the knocks of this address at this endpoint, null for fewer than three',
    },
    sample: 'probe-without-handshake',
  },
  session(s, ctx) {
    if (ctx.explained(s)) return
    const attempt = attemptOf(s, ctx.fleet)
    const near = neighbours(ctx.fleet)
    const scanner = near.isScanner(s.clientIp)
    if (attempt === null || (attempt !== 'probe' && !(scanner && s.mysql?.loginFrame === undefined))) return
    const kind = scanner ? 'scan' : s.mysql?.greeting != null ? 'greeting' : 'connect'
    const role = ctx.fleet.isProxy(s.clientIp) ? 'proxy' : 'client'
    const evidence: RuleEvidence[] = [
      {
        kind: 'frames',
        frames: [s.synFrame, s.synAckFrame, s.mysql?.greetingFrame ?? 0],
        says: `${s.client} connects and says nothing`,
      },
    ]
    const first = s.ending.first
    if (first !== null)
      evidence.push(closeEvidence(s, first), {
        kind: 'measure',
        name: 'from the SYN to the close',
        value: (first.at - s.startAt) / 1e9,
        unit: 's',
        compared: formatDuration(first.at - s.startAt),
      })
    const every = period(s, ctx.fleet)
    ctx.report({
      session: s,
      at: s.startAt,
      cause: `${kind} ${s.clientIp} ${scanner ? '' : s.server}`,
      severity: 'info',
      confidence: 'likely',
      culprit: { role, address: s.clientIp, product: null },
      title: (all) =>
        scanner
          ? `${s.clientIp} knocks at many endpoints and logs in nowhere: a scanner`
          : `${s.clientIp} probed ${s.server} ${count(all.length, 'once', 'times')} without logging in${every === null ? '' : `, every ${formatDuration(every)}`}`,
      detail: { kind, everySeconds: every === null ? null : Math.round(every / 1e6) / 1e3 },
      command: null,
      statement: null,
      outcome: 'none',
      evidence,
      excluded: ['a lost request: none was sent', `${acceptingSide(s, ctx.fleet).role}: it did not close first`],
      remedy: kind === 'greeting' ? this.meta.fix : [],
    })
  },
})

const periods = new WeakMap<Fleet, Map<string, number | null>>()

/** Median time between the knocks of one address at one endpoint, null for fewer than three. */
function period(s: Session, fleet: Fleet): number | null {
  const known = periods.get(fleet) ?? new Map<string, number | null>()
  periods.set(fleet, known)
  const key = `${s.clientIp} ${s.server}`
  let every = known.get(key)
  if (every === undefined) {
    const knocks = neighbours(fleet)
      .acceptedBy(s.server)
      .filter((t) => t.clientIp === s.clientIp && attemptOf(t, fleet) === 'probe')
    every = median(knocks.map((t) => t.startAt))
    known.set(key, every)
  }
  return every
}

function median(times: readonly number[]): number | null {
  if (times.length < 3) return null
  const sorted = [...times].sort((a, b) => a - b)
  const gaps = sorted
    .slice(1)
    .map((t, i) => t - sorted[i]!)
    .sort((a, b) => a - b)
  return gaps[gaps.length >> 1]!
}
