/**
 * What a finished session's facts and bounded timeline tell, as events in words: for the ladders of a report. `sessions show`
 * records a session in full instead (trace.ts).
 */
import { CLIENT, type Direction, SERVER } from '../core/direction.ts'
import { commandName } from '../mysql/commands.ts'
import { statusNames } from '../mysql/status.ts'
import { alertName } from '../tls/alerts.ts'
import type { CommandFact, Session } from './session.ts'
import { EventKind, type TimelineEvent } from './timeline.ts'
import type { TraceEvent } from './trace.ts'

/** Events in order of time. The timeline keeps the first and the last ones only; its gap is told by frame numbers. */
export function storyOf(s: Session): TraceEvent[] {
  const out = new Map<string, TraceEvent>()
  const add = (
    layer: TraceEvent['layer'],
    dir: Direction | null,
    at: number,
    frame: number,
    what: string,
    says = '',
    emphasis = false,
  ): void => {
    if (frame <= 0) return
    const key = `${frame} ${dir} ${what}`
    if (!out.has(key)) out.set(key, { layer, dir, at, frame, what, says, emphasis })
  }
  const m = s.mysql
  const { first, lost, unanswered } = s.ending
  if (s.synFrame > 0)
    add(
      'tcp',
      CLIENT,
      s.startAt,
      s.synFrame,
      'SYN',
      s.synRetransmissions > 0 ? `sent ${s.synRetransmissions + 1} times` : '',
    )
  add('tcp', SERVER, s.synAckAt, s.synAckFrame, 'SYN-ACK')
  if (m?.greeting != null)
    add(
      'mysql',
      SERVER,
      m.greetingAt,
      m.greetingFrame,
      'greeting',
      `${m.greeting.serverVersion}, connection id ${m.greeting.connectionId}`,
    )
  for (const e of s.timeline) {
    const told = timelineEvent(s, e)
    if (told !== null) add(told[0], e.dir, e.at, e.frame, told[1], told[2], told[3])
  }
  if (s.tls !== null) {
    add('tls', CLIENT, s.tls.requestAt, s.tls.requestFrame, 'SSLRequest', 'TLS from here on')
    if (s.tls.completeFrame > 0)
      add('tls', null, s.tls.completeAt, s.tls.completeFrame, 'TLS handshake complete', s.tls.version ?? '')
    for (const a of s.tls.alerts) add('tls', a.by, a.at, a.frame, 'TLS alert', `${a.level} ${a.description}`, true)
  }
  for (const c of [first?.outstanding, lost, unanswered]) if (c) command(c, add)
  for (const e of m?.errorFacts ?? []) add('mysql', SERVER, e.at, e.frame, `ERR ${e.code}`, e.message, true)
  for (const r of s.ending.resets) {
    const echo = r.late || !r.accepted
    add('tcp', r.dir, r.at, r.frame, 'RST', echo ? 'after the end, or not acceptable: an echo' : '', !echo)
  }
  for (const dir of [CLIENT, SERVER] as const) {
    const side = s.sides[dir]
    add('tcp', dir, side.finAt, side.finFrame, 'FIN', '', true)
  }
  if (first !== null) add('tcp', first.by, first.at, first.frame, first.how.toUpperCase(), '', true)
  return [...out.values()].sort((a, b) => a.at - b.at || a.frame - b.frame)
}

type Add = (
  layer: TraceEvent['layer'],
  dir: Direction | null,
  at: number,
  frame: number,
  what: string,
  says?: string,
  emphasis?: boolean,
) => void

function command(c: CommandFact, add: Add): void {
  const what = c.op > 0 || c.text !== null ? commandName(c.op) : c.name
  add(
    c.name === 'TLS record' ? 'tls' : 'mysql',
    CLIENT,
    c.at,
    c.frame,
    c.name === 'TLS record' ? c.name : what,
    c.text ?? '',
  )
  if (c.replyFrame > 0) add('mysql', SERVER, c.replyAt, c.replyFrame, 'answer begins')
}

/** Layer, name, words and emphasis of a timeline event; null for greeting, SSLRequest, errors, FIN and RST: the facts say more of them. */
function timelineEvent(s: Session, e: TimelineEvent): [TraceEvent['layer'], string, string, boolean?] | null {
  const { frame, value } = e
  switch (e.kind) {
    case EventKind.login:
      return ['mysql', 'login', s.mysql?.login?.user ?? '']
    case EventKind.authenticated:
      return ['mysql', 'login accepted', '']
    case EventKind.command:
      return ['mysql', commandName(value), textOf(s, frame)]
    case EventKind.reply:
      return ['mysql', 'answer', value > 0 ? statusWords(value) : '']
    case EventKind.retransmission:
      return ['tcp', 'retransmission', `${value} bytes sent again`]
    case EventKind.zeroWindow:
      return ['tcp', 'zero window', 'takes no more data']
    case EventKind.windowOpen:
      return ['tcp', 'window open', `takes data again, window ${value}`]
    case EventKind.keepAlive:
      return ['tcp', 'keep-alive', '']
    case EventKind.gap:
      return ['tcp', 'bytes missing', `${value} bytes missing from the capture`]
    case EventKind.tlsAlert:
      return ['tls', 'TLS alert', value >= 0 ? alertName(value) : 'encrypted', true]
    case EventKind.tlsRecord:
      return ['tls', 'TLS record', '']
    case EventKind.unreadable:
      return ['mysql', 'not MySQL', '']
    default:
      return null
  }
}

const statusWords = (flags: number): string =>
  statusNames(flags)
    .map((n) => n.replace(/^SERVER_(STATUS_)?/, ''))
    .join(' ')

/** Statement of the command in this frame, where it is still known. */
function textOf(s: Session, frame: number): string {
  const { first, lost, unanswered } = s.ending
  for (const c of [lost, first?.outstanding, unanswered]) if (c?.frame === frame && c.text !== null) return c.text
  return ''
}
