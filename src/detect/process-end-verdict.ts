/** Words and evidence that server-crash and server-shutdown share: who was cut, what shows that the process was gone. */
import { SERVER } from '../core/direction.ts'
import { formatDuration } from '../core/time.ts'
import type { Session } from '../session/session.ts'
import { acceptingSide, closeEvidence, commandEvidence, seconds } from './describe.ts'
import type { Fleet } from './fleet.ts'
import type { ProcessEnd } from './process-end.ts'
import type { Culprit, RuleEvidence, Verdict } from './rule.ts'

/** What `detail` of both rules holds. */
export const END_DETAIL = {
  closed: 'number of connections that it cut',
  spreadSeconds: 'time from the first of these closes to the last',
  refused: 'number of connection attempts refused afterwards',
  restarted: 'true when connection ids began anew: another process answered',
  backAfterSeconds: 'time from the first close to the next greeting, null when none was seen',
  shutdownError: 'error code by which the server named its shutdown, null if none',
}

/** The verdict on one leg. `back` is the server leg that was cut when `s` is a front leg, else `s` itself. */
export function endVerdict(
  s: Session,
  back: Session,
  end: ProcessEnd,
  fleet: Fleet,
  o: { cause: string; what: string; cannotTell: string[]; remedy: Verdict['remedy'] },
): Verdict {
  const first = s.ending.first!
  const lost = s.ending.lost
  const culprit = acceptingSide(back, fleet)
  return {
    session: s,
    at: first.at,
    cause: `${o.cause} ${end.endpoint}`,
    severity: lost === null && !first.inTransaction ? 'warning' : 'error',
    confidence:
      end.asked !== null
        ? 'certain'
        : end.refused.length > 0 || end.restart !== null || end.named !== null
          ? 'likely'
          : 'possible',
    culprit,
    title: (all) => title(all, end, culprit, o.what),
    detail: {
      closed: end.closed.length,
      spreadSeconds: (end.until - end.from) / 1e9,
      refused: end.refused.length,
      restarted: end.restart !== null,
      backAfterSeconds: end.restart === null ? null : Math.round((end.restart.startAt - end.from) / 1e6) / 1e3,
      shutdownError: end.named?.error.code ?? null,
    },
    command: lost?.name ?? null,
    statement: lost?.text ?? null,
    outcome: lost?.outcome ?? 'none',
    evidence: evidenceOf(s, back, end),
    excluded: [...excludedOf(back, end), ...o.cannotTell],
    remedy: o.remedy,
  }
}

function evidenceOf(s: Session, back: Session, end: ProcessEnd): RuleEvidence[] {
  const first = s.ending.first!
  const out: RuleEvidence[] = s.ending.lost === null ? [] : commandEvidence(s.ending.lost)
  out.push(closeEvidence(s, first))
  if (back !== s) out.push({ ...closeEvidence(back, back.ending.first!), of: back })
  if (end.asked !== null)
    out.push({
      kind: 'frames',
      frames: [end.asked.mysql!.shutdown!.frame],
      says: `SHUTDOWN sent by ${end.asked.client}, ${formatDuration(end.from - end.asked.mysql!.shutdown!.at)} before the first close`,
      of: end.asked,
    })
  if (end.named !== null) {
    const { error, session } = end.named
    out.push({
      kind: 'frames',
      frames: [error.frame],
      says: `the server said ${error.code} ${error.message}`,
      of: session,
    })
  }
  for (const t of end.closed.filter((x) => x !== back).slice(0, 3))
    out.push({ ...closeEvidence(t, t.ending.first!), of: t })
  if (end.closed.length > 1)
    out.push(seconds(`all ${end.closed.length} connections closed within`, end.until - end.from))
  const refusal = end.refused[0]
  if (refusal !== undefined) {
    out.push({
      kind: 'frames',
      frames: [refusal.synFrame, refusal.ending.first!.frame],
      says: `SYN answered by RST: nothing listens on ${end.endpoint} any more`,
      of: refusal,
    })
  }
  if (end.restart !== null) {
    const id = end.restart.mysql!.greeting!.connectionId
    out.push({
      kind: 'frames',
      frames: [end.restart.mysql!.greetingFrame],
      says: `greeting with connection id ${id}, lower than before: another process`,
      of: end.restart,
    })
  }
  return out
}

function excludedOf(back: Session, end: ProcessEnd): string[] {
  const out = ['KILL of single connections: no connection that was open lived on']
  const silences = end.closed.map((x) => x.ending.first!.silence)
  const most = Math.max(...silences)
  const least = Math.min(...silences)
  if (end.closed.length > 1 && most - least > 1e8) {
    out.push(`an idle timer: silences before the closes went from ${formatDuration(least)} to ${formatDuration(most)}`)
  }
  if (back.sides[SERVER].retransmissions === 0) out.push('packet loss: the server sent nothing twice')
  return out
}

function title(all: readonly Verdict[], end: ProcessEnd, culprit: Culprit, what: string): string {
  const who = `${culprit.product ?? 'The server'} ${culprit.address}`
  const lost = all.filter((v) => v.command !== null).length
  const n = end.closed.length
  const cut = `${n === 1 ? 'its connection was' : `all its ${n} connections were`} closed${n > 1 ? ` within ${formatDuration(end.until - end.from)}` : ''}`
  const after =
    end.restart !== null
      ? `; it was back ${formatDuration(end.restart.startAt - end.from)} later with new connection ids`
      : end.refused.length > 0
        ? `; ${end.refused.length === 1 ? 'a connection attempt was' : `${end.refused.length} connection attempts were`} refused`
        : ''
  return `${who} ${what}: ${cut}${after}${lost === 0 ? '' : `; ${lost === 1 ? '1 command' : `${lost} commands`} lost`}`
}
