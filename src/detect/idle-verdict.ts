/** What the two idle-timeout rules say about one verdict of idle-close.ts: words and evidence, the same for both. */
import { SERVER } from '../core/direction.ts'
import { formatDuration, toSeconds } from '../core/time.ts'
import type { Session } from '../session/session.ts'
import { commandEvidence, commandWords, networkExcluded, seconds } from './describe.ts'
import type { IdleCloses, IdleVerdict } from './idle-close.ts'
import type { IdleCluster } from './idle-clusters.ts'
import { idleOf, lostRequest, lostValidation } from './idle-facts.ts'
import type { Culprit, RuleEvidence, Verdict } from './rule.ts'
import { fits } from './timers.ts'

/** Timers named in a finding: enough to know where to look. */
const FITS_NAMED = 3

/** Verdicts with the same cause are one finding: who closed, and after how long. */
export function idleCause(v: IdleVerdict): string {
  const timer = v.atLeast ? 'unknown' : String(Math.round(v.cluster.min / 1e8))
  return `idle ${v.culprit.role} ${v.culprit.address} ${timer}`
}

/** The verdict on one leg. */
export function idleVerdict(s: Session, v: IdleVerdict, fix: { text: string; config: string }[]): Verdict {
  const lost = v.lost
  // The other leg carries the same cause and lost nothing of its own.
  const own = lostRequest(s)
  const made: Verdict = {
    session: s,
    at: s.ending.first?.at ?? v.death.at,
    cause: idleCause(v),
    severity: lost === null ? 'warning' : 'error',
    confidence: v.confidence,
    culprit: v.culprit,
    title: (all) => title(all, v),
    detail: {
      timerSeconds: v.atLeast ? null : Math.round(toSeconds(v.cluster.min) * 1000) / 1000,
      close: v.death.style,
      closes: v.cluster.deaths.length,
      longestSurvivedSeconds: Math.round(toSeconds(v.cluster.survived) * 1000) / 1000,
      fits: timerNames(v),
    },
    command: own?.name ?? null,
    statement: own?.text ?? null,
    outcome: own?.outcome ?? 'none',
    evidence: evidence(s, v),
    excluded: excluded(s, v),
    remedy: fix,
  }
  readings.set(made, v)
  return made
}

function evidence(s: Session, v: IdleVerdict): RuleEvidence[] {
  const root = v.death.session
  const first = root.ending.first!
  const out: RuleEvidence[] = []
  if (v.error !== null)
    out.push({
      kind: 'frames',
      frames: [v.error.frame],
      says: `the server said ${v.error.code} ${v.error.message}`,
      of: root,
    })
  const who = first.by === SERVER ? root.server : root.client
  out.push({
    kind: 'frames',
    frames: [first.frame],
    says: `${first.how.toUpperCase()} from ${who}: the first close, with nothing outstanding`,
    of: root,
  })
  const idle = v.atLeast ? v.death.idle : idleOf(root)
  if (v.atLeast) {
    out.push(seconds('idle at least', idle, 'the silence began before the capture'))
  } else {
    out.push({
      kind: 'silence',
      from: first.at - idle,
      to: first.at,
      says: `silence ${toSeconds(idle).toFixed(3)} s before the close; ${clusterWords(v.cluster)}`,
    })
    out.push(seconds('idle gap', idle, v.because))
  }
  for (const leg of v.legs) {
    const f = leg.ending.first
    if (leg === root || f === null) continue
    const says = v.ambiguous
      ? 'one of the legs that the proxy closed in the same moment'
      : `${f.how.toUpperCase()} on the other leg, ${formatDuration(Math.abs(f.at - first.at))} apart`
    out.push({ kind: 'frames', frames: [f.frame], says, of: leg })
  }
  if (v.lost !== null) {
    const { session, command } = v.lost
    for (const e of commandEvidence(command)) out.push({ ...e, of: session })
    const refusal = session.ending.resets.find((r) => r.dir === SERVER && r.at >= command.at)
    if (refusal !== undefined)
      out.push({
        kind: 'frames',
        frames: [refusal.frame],
        says: `RST from ${session.server} in answer: nobody was there any more`,
        of: session,
      })
    // HAProxy's timeout server shuts one direction only: a late request still passes.
    for (const leg of v.legs) {
      const passed = leg === session ? null : lostRequest(leg)
      if (passed === null || passed.at < command.at) continue
      const says = `${passed.name} passed on to ${leg.server} all the same: it may have run there`
      out.push({ kind: 'frames', frames: [passed.frame], says, of: leg })
    }
    const close = session.ending.first
    if (close !== null && command.at > close.at) out.push(seconds('used again after the close', command.at - close.at))
  } else {
    const check = lostValidation(s)
    if (check !== null)
      out.push({ kind: 'frames', frames: [check.frame], says: `${check.name}: a check found it closed, in time` })
  }
  return out
}

/** `4 closes at 10.00 ± 0.01 s; 52 shorter silences survived, the longest 9.970 s`. */
export function clusterWords(c: IdleCluster): string {
  const parts: string[] = []
  const n = c.deaths.length
  if (n > 1) {
    const mid = toSeconds((c.min + c.max) / 2)
    const half = toSeconds((c.max - c.min) / 2)
    parts.push(`${n} closes at ${mid.toFixed(2)} ± ${half < 0.01 ? '0.01' : half.toFixed(2)} s`)
  }
  if (c.survivors > 0) {
    const longest = toSeconds(c.survived).toFixed(3)
    parts.push(
      `${c.survivors} ${c.survivors === 1 ? 'session survived a shorter silence' : 'sessions survived shorter silences'}, the longest ${longest} s`,
    )
  }
  if (c.outlived.length > 0) parts.push(`${c.outlived.length} survived a longer one`)
  if (parts.length === 0) parts.push('no other close to compare with')
  return parts.join('; ')
}

function excluded(s: Session, v: IdleVerdict): string[] {
  const out: string[] = []
  const back = v.legs.find((leg) => leg.clientIp === v.death.session.serverIp)
  if (v.rule === 'idle-timeout-proxy') {
    if (back !== undefined && back.ending.first?.by !== SERVER)
      out.push(`the server: ${back.server} had not closed and sent no error before the proxy did`)
    else if (back === undefined && v.culprit.address !== null && v.death.style !== 'err-4031')
      out.push(`MySQL’s own wait_timeout: it would have sent error 4031 first, or the server’s side was not captured`)
  } else if (v.legs.length > 1) {
    out.push('the proxy: it closed the client’s leg only after the server had closed its own')
  }
  out.push('a crash, shutdown or mass kill: no busy connection of this address was closed in the same moment')
  out.push(...networkExcluded(s))
  return out
}

function timerNames(v: IdleVerdict): string[] {
  if (v.atLeast) return []
  const where = v.rule === 'idle-timeout-server' ? (['server'] as const) : (['proxy', 'middlebox'] as const)
  const flavor = v.death.session.mysql?.flavor
  return fits(v.death.style, { above: toSeconds(v.cluster.min), below: toSeconds(v.cluster.min) }, where)
    .filter((f) => f.timer.where !== 'server' || (flavor === 'mariadb') === (f.timer.product === 'MariaDB'))
    .filter((f) => f.byDefault || f.timer.where !== 'middlebox')
    .slice(0, FITS_NAMED)
    .map((f) => `${f.timer.product} ${f.timer.setting}`)
}

function title(all: readonly Verdict[], v: IdleVerdict): string {
  const who = whoCapital(v.culprit)
  const after = v.atLeast ? '' : ` after ${formatDuration(v.cluster.min)}`
  const connections = new Set(all.map((x) => x.session)).size
  const ended = v.death.style === 'rst' ? 'reset' : 'closed'
  if (v.lost === null)
    return `${who} ${ended} ${connections === 1 ? 'an idle connection' : `${connections} idle connections`}${after}; nothing was lost yet`
  // Both legs, and several captures, tell of the same loss: a connection loses its last request once.
  const clients = new Set(all.map((x) => readings.get(x)?.lost?.session.client).filter((c) => c !== undefined))
  const what = clients.size <= 1 ? `1 ${commandWords(v.lost.command)} was` : `${clients.size} requests were`
  return `${who} ${ended} idle connections${after}; ${what} lost`
}

/** What a verdict was made of, for titles that count over several. */
const readings = new WeakMap<Verdict, IdleVerdict>()

/** `HAProxy 10.20.0.20`, `The server 10.0.0.2`, at the start of a sentence. */
export function whoCapital(c: Culprit): string {
  const what =
    c.product ??
    {
      proxy: 'The proxy',
      server: 'The server',
      client: 'The client',
      middlebox: 'A device',
      network: 'The network',
      unknown: 'Something',
    }[c.role]
  return c.address === null ? what : `${what} ${c.address}`
}

/** Sessions of one cause that lost something are told; those that noticed in time only where nobody lost anything. */
export function isTold(v: IdleVerdict, all: IdleCloses): boolean {
  if (v.lost !== null) return true
  let lossy = lossyCauses.get(all)
  if (lossy === undefined) {
    lossy = new Set(all.verdicts.filter((w) => w.lost !== null).map(idleCause))
    lossyCauses.set(all, lossy)
  }
  return !lossy.has(idleCause(v))
}

const lossyCauses = new WeakMap<IdleCloses, Set<string>>()
