/** The proxy died, was stopped, or was told to drop its sessions: it closed both legs of its sessions itself, busy or not. */
import { formatDuration } from '../../core/time.ts'
import type { Session } from '../../session/session.ts'
import { acceptingSide, closeEvidence, commandEvidence, seconds } from '../describe.ts'
import { type ProxyEnd, proxyEndOf } from '../proxy-end.ts'
import { defineRule, type RuleEvidence, type Verdict } from '../rule.ts'

export default defineRule({
  meta: {
    id: 'proxy-shutdown',
    family: 'cut',
    title: 'The proxy was stopped, died, or was told to drop its sessions',
    severity: 'error',
    what:
      'The proxy closed sessions in one moment, on both legs where both were seen, in the middle of commands too, while neither client nor server had closed; ' +
      'and afterwards its port refused, or the states of the sessions were so different that no timer can have met them all.',
    why: 'A restart, a reload with a hard stop, a crash, "shutdown sessions" or a server marked down cuts every session through the proxy: running statements may still take effect on the server.',
    cannotTell:
      'Whether it died, was stopped or was ordered to drop them: the proxy’s log decides (HAProxy termination states K-, D-, U-). A single session cut so is rst-after-query.',
    fix: [
      {
        text: 'Drain before a stop: let sessions end, then stop',
        config:
          'HAProxy: set server … state drain, hard-stop-after well above the longest session; ProxySQL: OFFLINE_SOFT, PROXYSQL PAUSE',
      },
      { text: 'Let pools replace connections and retry what is marked safe to retry', config: '' },
    ],
    needs: ['tcp', 'mysql'],
    quiet: [
      'the server behind it closed first',
      'idle timers that end several sessions in the same moment',
      'clients that closed first',
      'one session alone, with the proxy living on (rst-after-query)',
      'COM_QUIT',
    ],
    references: [
      { title: 'HAProxy: session state at disconnection', url: 'https://docs.haproxy.org/2.6/configuration.html#8.5' },
      { title: 'HAProxy: hard-stop-after', url: 'https://docs.haproxy.org/2.6/configuration.html#hard-stop-after' },
    ],
    detail: {
      how: 'gone: nobody listened afterwards, or another process answered; dropped: it lived on',
      sessions: 'number of sessions (front legs) that it closed',
      refused: 'number of connection attempts refused afterwards',
    },
    sample: 'proxy-shutdown',
  },
  session(s, ctx) {
    if (ctx.explained(s)) return
    const end = proxyEndOf(s, ctx.fleet)
    if (end === null) return
    const own = end.pairs.find((p) => p.front === s || p.back === s)!
    const first = s.ending.first!
    const lost = s.ending.lost ?? first.outstanding
    const culprit = { ...acceptingSide(own.front, ctx.fleet), role: 'proxy' as const }
    ctx.report({
      session: s,
      at: first.at,
      cause: `proxy ended ${end.ip}`,
      severity: lost === null && !first.inTransaction ? 'warning' : 'error',
      confidence: end.process !== null ? 'likely' : 'possible',
      culprit,
      title: (all) => title(all, end, culprit.product),
      detail: {
        how: end.process !== null ? 'gone' : 'dropped',
        sessions: end.pairs.length,
        refused: end.process?.refused.length ?? 0,
      },
      command: lost?.name ?? null,
      statement: lost?.text ?? null,
      outcome: lost?.outcome ?? 'none',
      evidence: evidenceOf(s, own, end),
      excluded: excludedOf(end),
      remedy: this.meta.fix,
    })
  },
})

function evidenceOf(s: Session, own: ProxyEnd['pairs'][number], end: ProxyEnd): RuleEvidence[] {
  const out: RuleEvidence[] = s.ending.lost === null ? [] : commandEvidence(s.ending.lost)
  out.push(closeEvidence(s, s.ending.first!))
  const other = s === own.front ? own.back : own.front
  if (other !== null) out.push({ ...closeEvidence(other, other.ending.first!), of: other })
  for (const p of end.pairs.filter((x) => x !== own).slice(0, 3))
    out.push({ ...closeEvidence(p.front, p.front.ending.first!), of: p.front })
  if (end.pairs.length > 1) out.push(seconds(`all ${end.pairs.length} sessions closed within`, end.until - end.from))
  const refusal = end.process?.refused[0]
  if (refusal !== undefined)
    out.push({
      kind: 'frames',
      frames: [refusal.synFrame, refusal.ending.first!.frame],
      says: `SYN answered by RST: nothing listens on ${refusal.server} any more`,
      of: refusal,
    })
  const restart = end.process?.restart
  if (restart != null)
    out.push({
      kind: 'frames',
      frames: [restart.mysql!.greetingFrame],
      says: 'connection ids began anew: another process',
      of: restart,
    })
  return out
}

function excludedOf(end: ProxyEnd): string[] {
  const out: string[] = []
  if (end.pairs.some((p) => p.back !== null))
    out.push('the server behind the proxy: it had not closed when the proxy closed that leg')
  const silences = end.pairs.map((p) => p.front.ending.first!.silence)
  if (end.pairs.length > 1)
    out.push(
      `an idle timer: silences before the closes went from ${formatDuration(Math.min(...silences))} to ${formatDuration(Math.max(...silences))}`,
    )
  out.push('the clients: they had not closed')
  return out
}

function title(all: readonly Verdict[], end: ProxyEnd, product: string | null): string {
  const who = `${product ?? 'The proxy'} ${end.ip}`
  const n = end.pairs.length
  const lost = new Set(
    all.filter((v) => v.command !== null && end.pairs.some((p) => p.front === v.session)).map((v) => v.session),
  ).size
  const what = end.process !== null ? 'stopped or died' : 'dropped its sessions'
  return `${who} ${what}: it closed ${n === 1 ? 'a session' : `${n} sessions`}${n > 1 ? ` within ${formatDuration(end.until - end.from)}` : ''}${lost === 0 ? '' : `; ${lost === 1 ? '1 command' : `${lost} commands`} lost`}`
}
