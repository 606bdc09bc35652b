/** A NAT, firewall or load balancer had forgotten an idle flow and answered the next packet with RST in the other side's name. */
import { SERVER } from '../../core/direction.ts'
import { formatDuration, toSeconds } from '../../core/time.ts'
import type { Confidence } from '../../report/model.ts'
import type { Session } from '../../session/session.ts'
import { commandEvidence, commandWords, networkExcluded, seconds } from '../describe.ts'
import { lostRequest } from '../idle-facts.ts'
import { defineRule, type RuleEvidence, type Verdict } from '../rule.ts'
import { survivors } from '../same-path.ts'
import { type ForgottenFlow, forgottenFlow } from '../stale-flow.ts'
import { fits } from '../timers.ts'

export default defineRule({
  meta: {
    id: 'middlebox-reset',
    family: 'idle',
    title: 'A device on the way had forgotten an idle connection and reset it',
    severity: 'error',
    what:
      'The first request after a long silence was answered at once with RST, although the server had never closed: no FIN, no earlier RST, no restart. ' +
      'The RST often betrays its sender: another time to live than the server’s packets, an answer faster than the round trip, or a capture near the server that does not have it.',
    why:
      'NAT gateways, firewalls and load balancers forget flows that are silent longer than their timer. Neither end is told: the pool believes in the connection, the server keeps its thread in Sleep. ' +
      'The request never reached the server, so it is safe to retry.',
    cannotTell:
      'Which device on the way it was, and its timer exactly: only that it is longer than the silences that survived and at most the one that failed. Without a second capture or an odd RST, ' +
      'a server host that lost the connection (failover of its address, a FIN that the network swallowed) looks the same.',
    fix: [
      {
        text: 'Let TCP keep-alive speak more often than the timer',
        config:
          'Linux: net.ipv4.tcp_keepalive_time below it, and SO_KEEPALIVE on (Connector/J tcpKeepAlive=true, mysql2 enableKeepAlive); MariaDB server: tcp_keepalive_time',
      },
      { text: 'Or retire pooled connections before it', config: 'pool idle timeout / maxLifetime below the timer' },
      { text: 'Or raise the device’s idle timer', config: 'AWS NLB: tcp.idle_timeout.seconds (60-6000)' },
    ],
    needs: ['mysql'],
    quiet: [
      'the server closed with FIN or RST before the request (idle-timeout-server, idle-timeout-proxy)',
      'RST with ACK from the server’s own socket',
      'RST in the middle of work, without a silence before',
      'RST after COM_QUIT',
      'the server was restarted meanwhile: connection ids start again',
    ],
    references: [
      {
        title: 'AWS: TCP idle timeout of a Network Load Balancer',
        url: 'https://docs.aws.amazon.com/elasticloadbalancing/latest/network/update-idle-timeout.html',
      },
      {
        title: 'RFC 5382: NAT behavioral requirements for TCP, REQ-5',
        url: 'https://www.rfc-editor.org/rfc/rfc5382#section-5',
      },
    ],
    detail: {
      idleSeconds: 'silence before the request that was refused',
      timerAboveSeconds: 'longest silence between the same addresses that was survived: the timer is longer',
      timerAtMostSeconds: 'shortest silence that failed',
      ttl: 'time to live of the RST and of the server’s packets',
      fits: 'known timers between the two',
    },
    sample: 'middlebox-reset',
  },
  session(s, ctx) {
    if (ctx.explained(s)) return
    const f = forgottenFlow(s, ctx.fleet)
    if (f === null) return
    const alive = survivors(s, ctx.fleet, f.idle)
    const confidence: Confidence =
      f.elsewhere !== null ? 'certain' : f.odd.length > 0 && alive.outlived === 0 ? 'likely' : 'possible'
    // Longer silences on the same way survived and nothing about the RST is odd: then it was not forgotten for being idle.
    if (f.elsewhere === null && f.odd.length === 0 && alive.outlived > 0) return
    const front = ctx.fleet.frontLeg(s)
    ctx.report({
      session: s,
      at: f.reset.at,
      cause: `forgotten ${s.clientIp} ${s.serverIp}`,
      severity: lostRequest(s) === null ? 'warning' : 'error',
      confidence,
      culprit: { role: 'middlebox', address: null, product: null },
      title: (all) => title(all, s),
      detail: {
        idleSeconds: Math.round(toSeconds(f.idle) * 1000) / 1000,
        timerAboveSeconds: Math.round(toSeconds(alive.longest) * 1000) / 1000,
        timerAtMostSeconds: Math.round(toSeconds(f.idle) * 1000) / 1000,
        ttl: { rst: f.reset.ttl, server: f.reset.ttlBefore },
        fits: fits('rst-next', { above: toSeconds(alive.longest), below: toSeconds(f.idle) }, ['middlebox'])
          .filter((x) => x.byDefault)
          .map((x) => `${x.timer.product} ${x.timer.setting}`),
      },
      command: f.command.name,
      statement: f.command.text,
      outcome: f.command.outcome,
      evidence: evidence(s, f, alive),
      excluded: [
        `a close by the server: no FIN and no earlier RST from ${s.server}${f.elsewhere === null ? '' : `, and none in ${f.elsewhere.input}`}`,
        ...(f.serverWentOn === null ? [] : [`a restart of the server: it went on serving ${f.serverWentOn.client}`]),
        ...(front === null ? [] : ['the application: it was waiting for its answer']),
        ...networkExcluded(s),
      ],
      remedy: this.meta.fix,
    })
  },
})

function evidence(s: Session, f: ForgottenFlow, alive: { count: number; longest: number }): RuleEvidence[] {
  const survived =
    alive.count === 0
      ? 'no other silence to compare with'
      : `${alive.count} sessions on the same way survived silences of up to ${toSeconds(alive.longest).toFixed(3)} s`
  const out: RuleEvidence[] = [
    {
      kind: 'silence',
      from: f.command.at - f.idle,
      to: f.command.at,
      says: `nothing on this connection for ${toSeconds(f.idle).toFixed(3)} s before the request; ${survived}`,
    },
    ...commandEvidence(f.command),
    {
      kind: 'frames',
      frames: [f.reset.frame],
      says: `RST in the name of ${s.server}, ${formatDuration(f.reset.at - f.command.at)} after the request${f.odd.length === 0 ? '' : `: ${f.odd.join('; ')}`}`,
    },
    seconds('idle gap', f.idle, 'at least the timer'),
  ]
  if (f.reset.ttl !== f.reset.ttlBefore && f.reset.ttlBefore >= 0)
    out.push({
      kind: 'measure',
      name: 'time to live of the RST',
      value: f.reset.ttl,
      unit: '',
      compared: `server’s packets: ${f.reset.ttlBefore}`,
    })
  if (f.elsewhere !== null) {
    out.push({
      kind: 'frames',
      frames: [f.elsewhere.sides[SERVER].lastFrame],
      says: `the same connection in ${f.elsewhere.input}: the server’s last packet there; neither the request nor a RST follows`,
      of: f.elsewhere,
    })
  }
  return out
}

function title(all: readonly Verdict[], s: Session): string {
  const idles = all.map((v) => Number(v.detail['idleSeconds']) * 1e9)
  const least = formatDuration(Math.min(...idles))
  const n = all.length
  const lost =
    n === 1
      ? `1 ${commandWords({ name: all[0]!.command ?? '', text: all[0]!.statement } as Parameters<typeof commandWords>[0])} was`
      : `${n} requests were`
  return `A device between ${s.clientIp} and ${s.serverIp} had forgotten ${n === 1 ? 'a connection' : 'connections'} idle for ${n === 1 ? '' : 'at least '}${least} and reset ${n === 1 ? 'it' : 'them'}; ${lost} lost`
}
