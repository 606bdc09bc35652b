/** Packets vanish: a request, or its answer, is sent again and again and nothing comes back. */
import { CLIENT, SERVER } from '../../core/direction.ts'
import { formatDuration, toSeconds } from '../../core/time.ts'
import type { Confidence } from '../../report/model.ts'
import type { Session } from '../../session/session.ts'
import { commandEvidence, commandWords, seconds } from '../describe.ts'
import { defineRule, type RuleContext, type RuleEvidence, type Verdict } from '../rule.ts'
import { survivors } from '../same-path.ts'
import { LONG_SILENCE, type SilentLoss, silentLoss } from '../stale-flow.ts'
import { fits } from '../timers.ts'

export default defineRule({
  meta: {
    id: 'silent-drop',
    family: 'idle',
    title: 'Packets vanished on the way: retransmissions and no answer',
    severity: 'error',
    what:
      'A request was retransmitted, at growing intervals, and nothing at all came back; or the server’s answer was, and the client never acknowledged it. After a long silence this is a NAT, firewall or load balancer ' +
      'that had forgotten the flow and drops what it does not know; in the middle of work it is a path or host that failed.',
    why: 'The application hangs until its own timeout, or for a quarter of an hour (Linux tcp_retries2) without one. Its later close does not reach the server, which keeps the session, its locks and its open transaction until wait_timeout.',
    cannotTell:
      'Where on the way the packets vanish, and, from the sender’s side alone, whether the path or the other host died. A capture at the other end says whether they arrived.',
    fix: [
      {
        text: 'Let TCP keep-alive speak more often than the device’s idle timer',
        config: 'Linux: net.ipv4.tcp_keepalive_time below it, and SO_KEEPALIVE on; MariaDB server: tcp_keepalive_time',
      },
      {
        text: 'Fail sooner than the kernel does',
        config: 'TCP_USER_TIMEOUT, net.ipv4.tcp_retries2=8; Connector/J socketTimeout',
      },
      {
        text: 'Let the device reset unknown flows rather than drop them',
        config: 'firewall: reject with tcp-reset; Azure Load Balancer: TCP reset on idle',
      },
    ],
    needs: ['tcp', 'mysql'],
    quiet: [
      'retransmissions that were acknowledged in the end',
      'fewer than three without an answer: the capture’s edge',
      'only full-size segments vanish while small ones pass (pmtu-black-hole)',
      'a client that refuses data (zero window)',
      'the answer of a server to a client that has closed',
      'a capture that holds one direction only',
    ],
    references: [
      { title: 'RFC 9293 3.8.3, TCP connection failures', url: 'https://www.rfc-editor.org/rfc/rfc9293#section-3.8.3' },
      { title: 'Linux: ip-sysctl, tcp_retries2', url: 'https://docs.kernel.org/networking/ip-sysctl.html' },
    ],
    detail: {
      vanished: 'request or answer: whose packets had no answer',
      idleSeconds: 'silence before the first packet that was lost; 0 in the middle of work',
      retransmissions: 'times that it was sent again',
      triedSeconds: 'for so long',
      timerAboveSeconds: 'longest silence between the same addresses that was survived',
      fits: 'known timers between that and idleSeconds',
    },
    sample: 'silent-drop',
  },
  session(s, ctx) {
    if (ctx.explained(s)) return
    const loss = silentLoss(s, ctx.fleet)
    if (loss === null) return
    const v = verdict(s, loss, ctx, this.meta.fix)
    ctx.report(v)
    // Behind a proxy the client's leg waits for the same answer.
    const front = ctx.fleet.frontLeg(s)
    const waiting = front?.ending.lost ?? front?.ending.unanswered ?? null
    if (
      front !== null &&
      waiting !== null &&
      !ctx.explained(front) &&
      loss.command !== null &&
      Math.abs(waiting.at - loss.command.at) < 1e9
    ) {
      ctx.report({
        ...v,
        session: front,
        command: waiting.name,
        statement: waiting.text,
        outcome: waiting.outcome,
        evidence: [...commandEvidence(waiting), ...v.evidence.map((e) => ({ ...e, of: e.of ?? s }))],
      })
    }
  },
})

function verdict(s: Session, loss: SilentLoss, ctx: RuleContext, fix: { text: string; config: string }[]): Verdict {
  const forgotten = loss.idle >= LONG_SILENCE
  const alive = survivors(s, ctx.fleet, loss.idle)
  const confidence: Confidence = loss.elsewhere !== null ? 'certain' : 'likely'
  const sender = loss.by === CLIENT ? s.client : s.server
  return {
    session: s,
    at: loss.firstAt,
    cause: forgotten ? `dropped idle ${s.clientIp} ${s.serverIp}` : `dropped ${s.clientIp} ${s.serverIp}`,
    severity: 'error',
    confidence,
    culprit: {
      role: forgotten && (loss.others !== null || loss.elsewhere !== null) ? 'middlebox' : 'network',
      address: null,
      product: null,
    },
    title: (all) => title(all, s, loss, forgotten),
    detail: {
      vanished: loss.by === CLIENT ? 'request' : 'answer',
      idleSeconds: Math.round(toSeconds(loss.idle) * 1000) / 1000,
      retransmissions: loss.retransmissions,
      triedSeconds: Math.round(toSeconds(loss.until - loss.firstAt) * 1000) / 1000,
      timerAboveSeconds: Math.round(toSeconds(alive.longest) * 1000) / 1000,
      fits: forgotten
        ? fits('silent', { above: toSeconds(alive.longest), below: toSeconds(loss.idle) }, ['middlebox'])
            .filter((x) => x.byDefault)
            .map((x) => `${x.timer.product} ${x.timer.setting}`)
        : [],
    },
    command: loss.command?.name ?? null,
    statement: loss.command?.text ?? null,
    outcome: loss.by === SERVER ? 'delivered-unknown' : (loss.command?.outcome ?? 'delivered-unknown'),
    evidence: evidence(s, loss, sender, alive),
    excluded: [
      s.ending.first === null
        ? 'a close by the server or a proxy: neither FIN nor RST came'
        : 'a close: FIN or RST came only after packets had gone unanswered',
      ...(loss.others === null ? [] : [`a dead server: it went on answering ${loss.others.client}`]),
      'a path MTU that is too small: the lost segments are not full-size ones',
    ],
    remedy: fix,
  }
}

function evidence(
  s: Session,
  loss: SilentLoss,
  sender: string,
  alive: { count: number; longest: number; outlived: number },
): RuleEvidence[] {
  const out: RuleEvidence[] = []
  if (loss.idle >= LONG_SILENCE) {
    const survived =
      alive.count === 0
        ? ''
        : `; ${alive.count} sessions on the same way survived silences of up to ${toSeconds(alive.longest).toFixed(3)} s`
    const longer = alive.outlived === 0 ? '' : `; ${alive.outlived} survived a longer one`
    out.push({
      kind: 'silence',
      from: loss.firstAt - loss.idle,
      to: loss.firstAt,
      says: `nothing on this connection for ${toSeconds(loss.idle).toFixed(3)} s before${survived}${longer}`,
    })
  }
  if (loss.command !== null && loss.by === CLIENT) out.push(...commandEvidence(loss.command))
  out.push({
    kind: 'frames',
    frames: [loss.frame, s.sides[loss.by].firstUnansweredFrame, loss.lastFrame].filter(
      (f, i, all) => all.indexOf(f) === i,
    ),
    says: `sent by ${sender}, then ${loss.retransmissions} more times; nothing came back`,
  })
  out.push(seconds('sent again for', loss.until - loss.firstAt, `${loss.retransmissions} retransmissions`))
  if (loss.elsewhere !== null) {
    const last = loss.elsewhere.sides[loss.by]
    out.push({
      kind: 'frames',
      frames: [last.lastDataFrame || last.lastFrame],
      says: `the same connection in ${loss.elsewhere.input}: the last that arrived from ${sender}; these packets never did`,
      of: loss.elsewhere,
    })
  }
  const first = s.ending.first
  if (first !== null && first.at > loss.firstAt) {
    const who = first.by === CLIENT ? s.client : s.server
    out.push({
      kind: 'frames',
      frames: [first.frame],
      says: `${first.how.toUpperCase()} from ${who}, ${formatDuration(first.at - loss.firstAt)} after the first loss: a consequence`,
    })
  }
  return out
}

function title(all: readonly Verdict[], s: Session, loss: SilentLoss, forgotten: boolean): string {
  const n = new Set(all.map((v) => v.session)).size
  if (forgotten) {
    const idles = all.map((v) => Number(v.detail['idleSeconds']) * 1e9)
    const lost = n === 1 && loss.command !== null ? `1 ${commandWords(loss.command)}` : `${n} requests`
    return `Packets of ${n === 1 ? 'a connection' : `${n} connections`} idle for ${n === 1 ? '' : 'at least '}${formatDuration(Math.min(...idles))} vanish between ${s.clientIp} and ${s.serverIp}; ${lost} lost`
  }
  return `The path between ${s.clientIp} and ${s.serverIp} swallowed ${loss.by === CLIENT ? 'a request' : 'an answer'} for ${formatDuration(loss.until - loss.firstAt)}${n === 1 ? '' : `; ${n} connections`}`
}
