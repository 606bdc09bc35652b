/**
 * Breaks that the packets show and cannot name, and a log can: the product that closed says why in its own log, and the packets
 * agree that it was its side that closed. Asked for each rule in turn, behind the rule's own reading of the packets.
 */
import { CLIENT, SERVER } from '../core/direction.ts'
import { type Duration, formatDuration, NS_PER_SECOND, toSeconds } from '../core/time.ts'
import { parseEndpoint } from '../correlate/endpoint.ts'
import type { LogEvent } from '../logs/event.ts'
import type { Session } from '../session/session.ts'
import { acceptingSide, closeEvidence, commandEvidence, networkExcluded, silenceEvidence } from './describe.ts'
import type { Fleet } from './fleet.ts'
import { lostRequest } from './idle-facts.ts'
import { linesAbout } from './log-evidence.ts'
import { type LogReading, readingOf } from './log-readings/index.ts'
import { named } from './log-readings/reading.ts'
import { titleOf } from './log-words.ts'
import { processEndOf, tracedEnd } from './process-end.ts'
import type { Culprit, RuleContext, RuleMeta, Verdict } from './rule.ts'
import { serverLifeNear } from './server-life.ts'

/** From the close to the line that tells of it. */
const TOLD_WITHIN: Duration = 2 * NS_PER_SECOND
/** A proxy passes a close on within this time. */
const PASSED_ON: Duration = 1 * NS_PER_SECOND

/** Sessions that a log tells of, before its silence about one means anything. */
const LOGGED_OTHERS = 3

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

/** Reports what a log says of this session's end, when this rule is what it says. `reported`: by this rule so far, by session. */
export function leadByLog(meta: RuleMeta, s: Session, ctx: RuleContext, reported: ReadonlyMap<Session, Verdict>): void {
  if (ctx.fleet.logs.events.length === 0 || ctx.explained(s)) return
  if (meta.id === 'query-cancelled') cancelled(meta, s, ctx)
  if (!LED.has(meta.id) || !brokeOff(s)) return
  const shared = otherLegsVerdict(s, ctx.fleet, reported) ?? servedByBroken(s, ctx.fleet, reported)
  if (shared !== null) {
    ctx.report(joinedTo(shared.verdict, s, shared.event))
    return
  }
  const told = toldBy(meta.id, s, ctx.fleet) ?? (meta.id === 'proxy-shutdown' ? unlogged(s, ctx.fleet) : null)
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
      { kind: 'log', event, says: reading.says },
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

/** What the rule said of the other leg holds for this one, when a log says that both died of it. */
function otherLegsVerdict(
  s: Session,
  fleet: Fleet,
  reported: ReadonlyMap<Session, Verdict>,
): { verdict: Verdict; event: LogEvent } | null {
  for (const leg of [fleet.frontLeg(s), fleet.backLeg(s)]) {
    const verdict = leg === null ? undefined : reported.get(leg)
    if (verdict === undefined || verdict.severity === 'info') continue
    const event = linesAbout(s, fleet).find((e) => readingOf(e)?.weight === 'says' && onTime(e, s))
    if (event !== undefined) return { verdict, event }
  }
  return null
}

/**
 * A front leg of a proxy that shares its server connections: the proxy's log says, in the moment in which it closed the client
 * under a statement, that a server connection was broken, and the rule has said of that one why.
 */
function servedByBroken(
  s: Session,
  fleet: Fleet,
  reported: ReadonlyMap<Session, Verdict>,
): { verdict: Verdict; event: LogEvent } | null {
  const first = s.ending.first!
  const command = first.outstanding ?? s.ending.lost
  if (first.by !== SERVER || command === null || acceptingSide(s, fleet).role !== 'proxy') return null
  const user = s.mysql?.login?.user
  let found: { verdict: Verdict; event: LogEvent } | null = null
  for (const event of fleet.logs.between(command.at - 1.1 * NS_PER_SECOND, first.at + PASSED_ON)) {
    if (event.role !== 'proxy' || event.what !== 'broken' || event.at! + event.precision < command.at) continue
    if (user !== undefined && event.user !== null && event.user !== user) continue
    const backs = fleet.logs.sessionsOf(event).filter((t) => t.clientIp === s.serverIp)
    for (const back of backs) {
      const verdict = reported.get(back)
      // It tried one after another: any other cause among them leaves it open.
      if (verdict === undefined) return null
      if (found !== null && found.verdict.cause !== verdict.cause) return null
      found ??= { verdict, event }
    }
  }
  return found
}

function joinedTo(v: Verdict, s: Session, event: LogEvent): Verdict {
  const first = s.ending.first!
  const lost = s.ending.lost ?? first.outstanding
  return {
    ...v,
    session: s,
    at: first.at,
    severity: lost === null ? v.severity : 'error',
    command: lost?.name ?? null,
    statement: lost?.text ?? null,
    outcome: lost?.outcome ?? 'none',
    evidence: [
      closeEvidence(s, first),
      { kind: 'log', event, says: readingOf(event)?.says ?? 'what the proxy says of this moment' },
      ...(lost === null ? [] : commandEvidence(lost)),
      ...v.evidence
        .filter((e) => e.kind !== 'log')
        .slice(0, 3)
        .map((e) => ({ ...e, of: e.of ?? v.session })),
    ],
  }
}

/** A statement that its proxy ended: the answer cannot always be read, the log can. */
function cancelled(meta: RuleMeta, s: Session, ctx: RuleContext): void {
  const event = linesAbout(s, ctx.fleet).find((e) => {
    const reading = readingOf(e)
    return reading?.weight === 'says' && reading.rules[0] === 'query-cancelled' && e.at !== null && e.role === 'proxy'
  })
  if (event === undefined || event.at! > s.endAt + TOLD_WITHIN || s.mysql === null) return
  const reading = readingOf(event)!
  const address = ctx.fleet.isProxy(s.clientIp) ? s.clientIp : s.serverIp
  const culprit: Culprit = { role: 'proxy', address, product: named(event) }
  ctx.report({
    session: s,
    at: event.at!,
    cause: `log cancelled proxy ${address}`,
    severity: 'info',
    confidence: 'certain',
    culprit,
    title: (all) =>
      titleOf(meta.id, {
        culprit,
        count: all.length,
        lost: 0,
        setting: reading.setting ?? null,
        time: null,
        busy: true,
      }),
    detail: { ...emptyDetail(meta), log: logDetail(event, reading) },
    command: 'COM_QUERY',
    statement: event.statement,
    outcome: 'answered',
    evidence: [{ kind: 'log', event, says: reading.says }],
    excluded: [],
    remedy: [],
  })
}

/**
 * HAProxy writes a line when a session ends. It wrote one for every other session that ended before this one, none for this one,
 * and nothing afterwards: the process died with it.
 */
function unlogged(s: Session, fleet: Fleet): { event: LogEvent; reading: LogReading; culprit: Culprit } | null {
  const front = fleet.isProxy(s.clientIp) ? fleet.frontLeg(s) : s
  const close = front?.ending.first
  if (front === null || close == null || close.by !== SERVER || close.outstanding === null) return null
  const back = fleet.backLeg(front)
  if (back?.ending.first?.by !== CLIENT) return null
  const own = (t: Session): readonly LogEvent[] =>
    fleet.logs.of(t).filter((e) => e.product === 'HAProxy' && e.startAt !== null && e.what !== 'connected')
  if (own(front).length > 0) return null
  let last: LogEvent | null = null
  let logged = 0
  for (const t of fleet.sessions) {
    if (t.serverIp !== front.serverIp || t.input !== front.input || t === front || t.endAt > close.at) continue
    const line = own(t)[0]
    if (line === undefined) return null
    logged++
    if (last === null || line.at! > last.at!) last = line
  }
  if (last === null || logged < LOGGED_OTHERS) return null
  const later = fleet.logs.events.some((e) => e.input === last.input && e.at !== null && e.at > close.at + TOLD_WITHIN)
  if (later) return null
  const culprit: Culprit = { role: 'proxy', address: front.serverIp, product: named(last) }
  const says = `the last line of ${named(last)}: it has one for each of the ${logged} sessions that ended before, none for this one, and none afterwards: the process was gone`
  return { event: last, reading: { rules: ['proxy-shutdown'], role: 'proxy', weight: 'fits', says }, culprit }
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
  for (const event of linesAbout(s, fleet)) {
    const reading = readingOf(event)
    if (reading === null || reading.rules[0] !== rule) continue
    // MariaDB writes KILLED for KILL QUERY and for its own shutdown too: here the packets show that the server closed.
    if (reading.weight !== 'says' && !(rule === 'connection-killed' && event.what === 'aborted')) continue
    if (event.role !== reading.role || !onTime(event, s)) continue
    // A server that is shut down kills what is still open, and says the same of it.
    if (rule === 'connection-killed' && serverLifeNear(fleet.logs, s.ending.first!.at)?.how === 'stopped') continue
    const culprit = closer(s, reading.role, fleet, event)
    if (culprit !== null) return { event, reading, culprit: { ...culprit, product: named(event) } }
  }
  return null
}

/** The line was written when this session was closed. */
function onTime(e: LogEvent, s: Session): boolean {
  if (e.at === null) return false
  const off = e.at - s.ending.first!.at
  return off <= TOLD_WITHIN && off >= -TOLD_WITHIN - e.precision
}

/** The side that closed, when it is of this role. */
function closer(s: Session, role: LogReading['role'], fleet: Fleet, event: LogEvent | null = null): Culprit | null {
  const first = s.ending.first!
  if (role === 'proxy') {
    // Who accepts the client's leg closes it; on the other leg it is the client.
    const own = acceptingSide(s, fleet)
    if (first.by === SERVER && own.role === 'proxy') return own
    if (first.by === CLIENT && fleet.isProxy(s.clientIp)) return { role: 'proxy', address: s.clientIp, product: null }
    // Only the server's leg was captured: the line is about another client, for whom this address opened it.
    const other = parseEndpoint(event?.client ?? null)
    if (first.by === CLIENT && other !== null && other.isAddress && other.host !== s.clientIp)
      return { role: 'proxy', address: s.clientIp, product: null }
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
  if (culprit === null) return null
  const busy = s.ending.lost !== null || first.outstanding !== null
  if (!busy && processEndOf(s, fleet) === null && tracedEnd(s, fleet) === null) return null
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
