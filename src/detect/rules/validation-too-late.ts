/** The pool checks its connections, but less often than the shortest timer on the path. */
import { formatDuration, toSeconds } from '../../core/time.ts'
import type { Session } from '../../session/session.ts'
import { commandEvidence, commandWords, seconds } from '../describe.ts'
import type { Fleet } from '../fleet.ts'
import { idleCloses } from '../idle-close.ts'
import { defineRule, type RuleEvidence, type Verdict } from '../rule.ts'
import { checkPeriod, checksOf, idleVictim, sessionsOf } from '../validation.ts'

/** The period must pass the timer by this part before it is called too long. */
const LONGER = 1.05

export default defineRule({
  meta: {
    id: 'validation-too-late',
    family: 'idle',
    title: 'The pool checks its connections less often than the shortest timer on the path',
    severity: 'error',
    what: 'The client checks its connections to this server regularly (three or more COM_PING or SELECT 1 on one of them), at a period longer than the idle timer that killed one of them between two checks; a request was lost on it.',
    why: 'A check that comes after the timer finds nothing but dead connections, or comes too late for whoever borrowed one before it.',
    cannotTell:
      'What the pool is set to: the period is measured on the wire. Checks made when a connection is borrowed follow the application’s rhythm, not a timer of the pool’s.',
    fix: [
      {
        text: 'Check more often than the shortest timer on the path, with some room',
        config:
          'Druid timeBetweenEvictionRunsMillis=60000 or less, keepAlive=true and keepAliveBetweenTimeMillis below the timer; HikariCP keepaliveTime; DBCP2 durationBetweenEvictionRuns',
      },
      { text: 'Or check at borrow', config: 'testOnBorrow=true' },
    ],
    needs: ['mysql'],
    quiet: [
      'checks more frequent than the timer',
      'fewer than three checks: no habit to speak of',
      'a check was the first to meet the closed connection: it did its work',
      'nothing lost',
    ],
    references: [
      {
        title: 'Druid issue 2636: testWhileIdle and timeBetweenEvictionRunsMillis',
        url: 'https://github.com/alibaba/druid/issues/2636',
      },
    ],
    detail: {
      periodSeconds: 'mean time between checks, the shortest of any connection of the client to this server',
      timerSeconds: 'the timer, or the silence, that was too long',
    },
    sample: 'validation-too-late',
  },
  session(s, ctx) {
    if (s.mysql === null || ctx.fleet.clientIsProxy(s)) return
    const closes = idleCloses(ctx.fleet, ctx.explained)
    const victim = idleVictim(s, ctx.fleet, closes)
    if (victim === null) return
    const checked = mostChecked(s, sessionsOf(s.clientIp, ctx.fleet), ctx.fleet)
    if (checked === null || checkPeriod(checked, ctx.fleet) < victim.timer * LONGER) return
    const period = checkPeriod(checked, ctx.fleet)
    const { count, shown } = checksOf(checked, ctx.fleet)
    const evidence: RuleEvidence[] = [
      ...shown(`the first and the last of ${count} checks on ${checked.client} → ${checked.server}`),
      seconds('between the checks', period, `longer than the timer: ${formatDuration(victim.timer)}`),
      {
        kind: 'silence',
        from: victim.quietFrom,
        to: victim.deadFrom,
        says: `no check came in the silence that ended ${s.client} → ${s.server}`,
      },
      ...commandEvidence(victim.command),
    ]
    const verdict: Verdict = {
      session: s,
      at: victim.command.at,
      cause: `too late ${s.clientIp} ${s.server}`,
      severity: 'error',
      confidence: 'likely',
      culprit: { role: 'client', address: s.clientIp, product: s.mysql.login?.attributes['_client_name'] ?? null },
      title: (all) =>
        `Client ${s.clientIp} checks its connections to ${s.server} every ${formatDuration(period)}, too late for a timer of ${formatDuration(victim.timer)}; ${lostOn(all) === 1 ? `1 ${commandWords(victim.command)} was` : `${lostOn(all)} requests were`} lost`,
      detail: {
        periodSeconds: Math.round(toSeconds(period) * 1000) / 1000,
        timerSeconds: Math.round(toSeconds(victim.timer) * 1000) / 1000,
      },
      command: victim.command.name,
      statement: victim.command.text,
      outcome: victim.command.outcome,
      evidence,
      excluded: ['no checks at all: they are on the wire'],
      remedy: this.meta.fix,
    }
    // Both legs behind a proxy died of it.
    const shared = evidence.map((e) => ({ ...e, of: e.of ?? s }))
    for (const leg of closes.of(s)?.legs ?? [s]) {
      const own = leg === s ? {} : ({ command: null, statement: null, outcome: 'none' } as const)
      ctx.report({ ...verdict, ...own, session: leg, evidence: shared })
    }
  },
})

/** The most frequently checked connection of the client to the same server: if that is too rare, all are. */
function mostChecked(s: Session, ofClient: readonly Session[], fleet: Fleet): Session | null {
  let found: Session | null = null
  for (const t of ofClient) {
    if (t.server !== s.server || t.input !== s.input || checkPeriod(t, fleet) === 0) continue
    if (found === null || checkPeriod(t, fleet) < checkPeriod(found, fleet)) found = t
  }
  return found
}

/** Requests lost: one per connection of the client; a proxy’s own legs carry the same ones. */
const lostOn = (all: readonly Verdict[]): number =>
  new Set(all.filter((v) => v.session.clientIp === v.culprit.address).map((v) => v.session.id)).size
