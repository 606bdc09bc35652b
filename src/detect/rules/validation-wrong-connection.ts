/** The pool's checks go to one connection (the source), its queries to another (the replica), which dies unwatched. */
import { formatDuration, toSeconds } from '../../core/time.ts'
import { commandEvidence, commandWords, seconds } from '../describe.ts'
import { idleCloses } from '../idle-close.ts'
import { defineRule, type RuleEvidence, type Verdict } from '../rule.ts'
import { checkedInstead, checkPeriod, checksOf, idleVictim, sessionsOf } from '../validation.ts'

export default defineRule({
  meta: {
    id: 'validation-wrong-connection',
    family: 'idle',
    title: 'The pool’s checks go to another connection than its queries',
    severity: 'error',
    what: 'One client holds two connections that it opened together, to two servers: one is checked (COM_PING, SELECT 1) more often than the timer that killed the other, which was never checked and lost a request when it was used again.',
    why: 'A driver that splits reads and writes is one connection to the pool and two on the wire. Druid before 1.2.22 pings only the active one, usually the source; the replica’s socket is silent until a read needs it.',
    cannotTell:
      'Whether both belong to one logical connection: they were opened in the same second by the same user of the same host, no more. Two independent pools of which only one checks would look alike, and need the same cure.',
    fix: [
      {
        text: 'Use a check that reaches every physical connection',
        config:
          'Druid 1.2.22 or later; or druid.mysql.usePingMethod=false and validationQuery "/* ping */ SELECT 1" (Connector/J pings all of them for that exact prefix); keepAlive=true',
      },
      { text: 'Or retire connections before the shortest timer on either way', config: '' },
    ],
    needs: ['mysql'],
    quiet: [
      'checks that reach the victim’s server, on this or another connection of the client',
      'checks rarer than the timer (validation-too-late)',
      'another client’s or another user’s checks',
      'connections opened at different times',
      'nothing lost',
    ],
    references: [
      {
        title: 'Druid issue 3991: keep-alive and ReplicationConnection',
        url: 'https://github.com/alibaba/druid/issues/3991',
      },
      {
        title: 'MySQL Connector/J: source/replica replication',
        url: 'https://dev.mysql.com/doc/connector-j/en/connector-j-source-replica-replication-connection.html',
      },
    ],
    detail: {
      checked: 'endpoint of the connection that was checked',
      checks: 'number of checks on it',
      periodSeconds: 'mean time between them',
      timerSeconds: 'the timer, or the silence, that the other did not survive',
    },
    sample: 'validation-wrong-connection',
  },
  session(s, ctx) {
    if (s.mysql === null || checksOf(s, ctx.fleet).count > 1 || ctx.fleet.clientIsProxy(s)) return
    const closes = idleCloses(ctx.fleet, ctx.explained)
    const victim = idleVictim(s, ctx.fleet, closes)
    if (victim === null) return
    const checked = checkedInstead(s, victim, sessionsOf(s.clientIp, ctx.fleet), ctx.fleet)
    if (checked === null) return
    const { count, shown } = checksOf(checked, ctx.fleet)
    const period = checkPeriod(checked, ctx.fleet)
    const evidence: RuleEvidence[] = [
      ...shown(`the first and the last of ${count} checks on ${checked.client} → ${checked.server}`),
      {
        kind: 'silence',
        from: victim.quietFrom,
        to: victim.deadFrom,
        says: `meanwhile no check and no request on ${s.client} → ${s.server}`,
      },
      seconds('between the checks', period, `shorter than the timer: ${formatDuration(victim.timer)}`),
      ...commandEvidence(victim.command),
    ]
    const verdict: Verdict = {
      session: s,
      at: victim.command.at,
      cause: `unwatched ${s.clientIp} ${s.server} ${checked.server}`,
      severity: 'error',
      confidence: 'likely',
      culprit: { role: 'client', address: s.clientIp, product: s.mysql.login?.attributes['_client_name'] ?? null },
      title: (all) =>
        `Client ${s.clientIp} checks its connection to ${checked.server} every ${formatDuration(period)} and never the one to ${s.server}; ${lostOn(all) === 1 ? `1 ${commandWords(victim.command)} was` : `${lostOn(all)} requests were`} lost there`,
      detail: {
        checked: checked.server,
        checks: count,
        periodSeconds: Math.round(toSeconds(period) * 1000) / 1000,
        timerSeconds: Math.round(toSeconds(victim.timer) * 1000) / 1000,
      },
      command: victim.command.name,
      statement: victim.command.text,
      outcome: victim.command.outcome,
      evidence,
      excluded: [
        `checks to ${s.server}: none from this client on any connection`,
        'checks too rare: they were more frequent than the timer',
      ],
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

/** Requests lost: one per connection of the client; a proxy’s own legs carry the same ones. */
const lostOn = (all: readonly Verdict[]): number =>
  new Set(all.filter((v) => v.session.clientIp === v.culprit.address).map((v) => v.session.id)).size
