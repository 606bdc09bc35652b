/**
 * Breaks that the packets show and cannot name, and a log can: the product that closed says why in its own log, and the packets
 * agree that it was its side that closed. Asked for each rule in turn, behind the rule's own reading of the packets.
 */
import { CLIENT, SERVER } from '../core/direction.ts'
import { type Duration, formatDuration, NS_PER_SECOND, toSeconds } from '../core/time.ts'
import type { LogEvent } from '../logs/event.ts'
import type { Session } from '../session/session.ts'
import { acceptingSide, closeEvidence, commandEvidence, networkExcluded, silenceEvidence } from './describe.ts'
import type { Fleet } from './fleet.ts'
import { lostRequest } from './idle-facts.ts'
import { linesAbout } from './log-evidence.ts'
import { type LogReading, readingOf } from './log-readings/index.ts'
import { named } from './log-readings/reading.ts'
import { titleOf } from './log-words.ts'
import type { Culprit, RuleContext, RuleMeta } from './rule.ts'
import { serverLifeNear } from './server-life.ts'

/** From the close to the line that tells of it. */
const TOLD_WITHIN: Duration = 2 * NS_PER_SECOND
/** A proxy passes a close on within this time. */
const PASSED_ON: Duration = 1 * NS_PER_SECOND

/** Rules that the log of the one who closed may speak for. */
const LED: ReadonlySet<string> = new Set([
  'idle-timeout-proxy',
  'idle-timeout-server',
  'proxy-shutdown',
  'connection-killed',
  'server-crash',
  'server-shutdown',
  'net-write-timeout',
  'packet-too-large',
  'handshake-timeout',
])

/** Reports what a log says of this session's end, when this rule is what it says. */
export function leadByLog(meta: RuleMeta, s: Session, ctx: RuleContext): void {
  if (!LED.has(meta.id) || ctx.fleet.logs.events.length === 0 || ctx.explained(s) || !brokeOff(s)) return
  const told = toldBy(meta.id, s, ctx.fleet)
  if (told === null) return
  const { event, reading, culprit } = told
  const first = s.ending.first!
  const lost = meta.id.startsWith('idle-') ? lostRequest(s) : (s.ending.lost ?? first.outstanding)
  const command = lost ?? first.outstanding
  const busy = command !== null && command.at <= first.at
  const time = busy ? first.at - command.at : first.idle
  ctx.report({
    session: s,
    at: first.at,
    cause: `log ${meta.id} ${culprit.role} ${culprit.address} ${reading.setting ?? ''}`,
    severity: lost === null && !first.inTransaction ? 'warning' : 'error',
    confidence: reading.weight === 'says' ? 'certain' : 'likely',
    culprit,
    title: (all) =>
      titleOf(meta.id, {
        culprit,
        count: new Set(all.map((v) => v.session)).size,
        lost: new Set(
          all.filter((v) => v.command !== null && v.session.clientIp !== culprit.address).map((v) => v.session),
        ).size,
        setting: reading.setting ?? null,
        time: meta.id.startsWith('idle-') ? formatDuration(time) : null,
        busy,
      }),
    detail: {
      ...emptyDetail(meta),
      ...(meta.id.startsWith('idle-')
        ? { timerSeconds: Math.round(toSeconds(time) * 1000) / 1000, close: first.how }
        : {}),
      log: logDetail(event, reading),
    },
    command: lost?.name ?? null,
    statement: lost?.text ?? null,
    outcome: lost?.outcome ?? 'none',
    evidence: [
      closeEvidence(s, first),
      ...(lost === null ? [] : commandEvidence(lost)),
      ...(busy ? [] : silenceEvidence(first)),
    ],
    excluded: [
      busy && meta.id === 'idle-timeout-proxy'
        ? 'an idle connection: a statement was running, and nothing came from the server for the whole of the timer'
        : '',
      ...networkExcluded(s),
    ].filter((x) => x !== ''),
    remedy: meta.fix,
  })
}

/** Something was cut: a request lost or waiting, or an idle close that its pool did not ask for. */
function brokeOff(s: Session): boolean {
  const first = s.ending.first
  return first !== null && !s.ending.quit && !first.unsure && s.mysql !== null
}

function toldBy(
  rule: string,
  s: Session,
  fleet: Fleet,
): { event: LogEvent; reading: LogReading; culprit: Culprit } | null {
  if (rule === 'server-crash' || rule === 'server-shutdown') return endTold(rule, s, fleet)
  const first = s.ending.first!
  for (const event of linesAbout(s, fleet)) {
    const reading = readingOf(event)
    if (reading === null || reading.rules[0] !== rule) continue
    // MariaDB writes KILLED for KILL QUERY and for its own shutdown too: here the packets show that the server closed.
    if (reading.weight !== 'says' && !(rule === 'connection-killed' && event.what === 'aborted')) continue
    if (event.role !== reading.role || event.at === null) continue
    const off = event.at - first.at
    if (off > TOLD_WITHIN || off < -TOLD_WITHIN - event.precision) continue
    const culprit = closer(s, reading.role, fleet)
    if (culprit !== null) return { event, reading, culprit: { ...culprit, product: named(event) } }
  }
  return null
}

/** The side that closed, when it is of this role. */
function closer(s: Session, role: LogReading['role'], fleet: Fleet): Culprit | null {
  const first = s.ending.first!
  if (role === 'proxy') {
    // Who accepts the client's leg closes it; on the other leg it is the client.
    const own = acceptingSide(s, fleet)
    if (first.by === SERVER && own.role === 'proxy') return own
    if (first.by === CLIENT && fleet.isProxy(s.clientIp)) return { role: 'proxy', address: s.clientIp, product: null }
    // Only the client's leg was captured: nothing but the log tells that the accepting side is a proxy.
    return first.by === SERVER && own.role === 'server' && fleet.backLeg(s) === null && fleet.frontLeg(s) === null
      ? { ...own, role: 'proxy' }
      : null
  }
  if (role !== 'server' || first.by !== SERVER) return null
  const own = acceptingSide(s, fleet)
  if (own.role === 'server') return own
  const back = fleet.backLeg(s)
  const there = back?.ending.first
  if (back === null || there == null || there.by !== SERVER || first.at - there.at > PASSED_ON || there.at > first.at)
    return null
  return acceptingSide(back, fleet)
}

/** The server's log tells of its end at this moment, and the server's side closed under a request, or everything. */
function endTold(
  rule: string,
  s: Session,
  fleet: Fleet,
): { event: LogEvent; reading: LogReading; culprit: Culprit } | null {
  const first = s.ending.first!
  const life = serverLifeNear(fleet.logs, first.at)
  if (life === null || (life.how === 'stopped') !== (rule === 'server-shutdown') || !life.sure) return null
  const culprit = closer(s, 'server', fleet)
  if (culprit === null || (s.ending.lost === null && first.outstanding === null)) return null
  // A shutdown takes a while; the close belongs to it when it comes at its end, not long before or after.
  if (first.at < life.from - TOLD_WITHIN || first.at > life.until + TOLD_WITHIN) return null
  const reading: LogReading = {
    rules: [rule],
    role: 'server',
    weight: 'says',
    says: `${named(life.event)} says ${life.says}`,
  }
  return { event: life.event, reading, culprit: { ...culprit, product: named(life.event) } }
}

/** The rule's own keys, as documented, where nothing is known of them. */
export const emptyDetail = (meta: RuleMeta): Record<string, unknown> =>
  Object.fromEntries(Object.keys(meta.detail).map((key) => [key, null]))

/** `detail.log`: what the log adds, the same for every rule. */
export const logDetail = (e: LogEvent, reading: LogReading): Record<string, unknown> => ({
  product: e.product,
  version: e.version,
  state: e.state,
  setting: reading.setting ?? null,
})
