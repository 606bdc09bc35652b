/** Evidence of tls-error-queue: what set it off, the request and the close, the answer that came all the same. */
import { CLIENT } from '../core/direction.ts'
import { formatDuration } from '../core/time.ts'
import type { CommandFact, Session } from '../session/session.ts'
import { closeEvidence, commandEvidence, networkExcluded, seconds } from './describe.ts'
import { type ErrorQueue, isServed, type Served, type Trigger, triggerFor, type Victim } from './error-queue.ts'
import type { Fleet } from './fleet.ts'
import type { RuleEvidence } from './rule.ts'

function triggerEvidence(t: Trigger | null): RuleEvidence[] {
  if (t === null) return []
  const words =
    t.kind === 'handshake'
      ? `the TLS handshake of ${t.session.client} with ${t.session.server} breaks off: what set it off`
      : `${t.session.server} closes a TLS connection under a request: what set it off`
  return [{ kind: 'frames', frames: [t.frame], says: words, of: t.session }]
}

/** Of a server connection that was cut. */
export function victimEvidence(s: Session, v: Victim, lost: CommandFact | null, fleet: Fleet): RuleEvidence[] {
  const trigger = triggerFor(v)
  const out = triggerEvidence(trigger)
  if (v.retryOf !== null)
    out.push({
      kind: 'frames',
      frames: [v.retryOf.close.frame],
      says: `the connection tried before, ${v.retryOf.session.client}, died the same way`,
      of: v.retryOf.session,
    })
  out.push({
    kind: 'frames',
    frames: [v.request.frame],
    says: v.ping ? 'a request as short as COM_PING' : `${lost?.name ?? 'a request'} sent on a healthy connection`,
  })
  out.push(closeEvidence(s, v.close))
  if (v.answerFrame > 0) out.push({ kind: 'frames', frames: [v.answerFrame], says: `${s.server} answers all the same` })
  const rst = s.ending.resets.find((r) => r.dir === CLIENT && r.frame > v.close.frame)
  if (rst !== undefined)
    out.push({ kind: 'frames', frames: [rst.frame], says: 'RST to the late answer: a reaction, not the cause' })
  const roundTrip = s.handshakeTimes.toServer + s.handshakeTimes.toClient
  out.push(
    seconds(
      'from the request to the close',
      v.close.at - v.request.at,
      roundTrip > 0 ? `round trip ${formatDuration(roundTrip)}` : undefined,
    ),
  )
  if (trigger !== null) out.push(seconds('from the failed TLS session to the close', v.close.at - trigger.at))
  const front = fleet.frontLeg(s)
  if (front !== null && lost?.text == null && front.ending.lost?.text != null)
    out.push({
      kind: 'frames',
      frames: [front.ending.lost.frame],
      says: 'the request that it carried, as the client sent it',
      of: front,
    })
  return out
}

/** Of a session that was cut with the server connection that carried its request. */
export function servedEvidence(s: Session, x: Served, lost: CommandFact | null): RuleEvidence[] {
  const v = x.victim
  const out = triggerEvidence(x.trigger)
  if (lost !== null) out.push(...commandEvidence(lost))
  if (v !== null) {
    const carried = 'the server connection that carried it is cut'
    if (v.retryOf !== null)
      out.push({ kind: 'frames', frames: [v.retryOf.close.frame], says: carried, of: v.retryOf.session })
    const says = v.retryOf === null ? carried : 'so is the one on which it was tried again'
    out.push({ kind: 'frames', frames: [v.close.frame], says, of: v.session })
  }
  out.push(closeEvidence(s, x.close))
  out.push(seconds('from the command to the close', x.close.at - x.request.at))
  return out
}

/** What was looked at and is not the cause. */
export function excludedOf(s: Session, part: Victim | Served, queue: ErrorQueue, fleet: Fleet): string[] {
  const v = isServed(part) ? part.victim : part
  const { request, close } = v ?? part
  const waited = formatDuration(close.at - request.at)
  const out = [
    `an idle timeout, or one of a client: the last request was sent ${waited} before the close`,
    `an end of ${queue.process}: it went on sending`,
    'a client that left: the process closed first',
  ]
  if (v === null) return [...out, ...networkExcluded(s)]
  const answered = v.answerFrame > 0 ? ', and answered all the same' : ''
  out.push(`the server: ${v.session.server} had sent no FIN, RST or alert${answered}`)
  const id = v.session.mysql?.greeting?.connectionId ?? 0
  if (id > 0 && !fleet.kills(id).some((k) => !k.query && k.at <= v.close.at))
    out.push(`KILL ${id}: none was sent for it in the capture`)
  return [...out, ...networkExcluded(s)]
}
