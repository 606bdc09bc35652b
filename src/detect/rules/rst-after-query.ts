/**
 * A command was lost because the accepting side, or a proxy in between, closed the connection: the verdict of last resort
 * for cuts, when no more specific rule has said why.
 */
import { CLIENT, SERVER } from '../../core/direction.ts'
import { formatDuration, NS_PER_MS } from '../../core/time.ts'
import { commandName as commandOf } from '../../mysql/commands.ts'
import type { Confidence } from '../../report/model.ts'
import type { CommandFact, ErrorFact, FirstClose, Session } from '../../session/session.ts'
import { STREAMS } from '../client-close.ts'
import {
  acceptingSide,
  closeEvidence,
  commandEvidence,
  commandWords,
  networkExcluded,
  seconds,
  silenceEvidence,
} from '../describe.ts'
import type { Fleet } from '../fleet.ts'
import { roundness } from '../idle-clusters.ts'
import { SHORTEST } from '../idle-facts.ts'
import { sawCloseItself } from '../recorded-legs.ts'
import { type Culprit, defineRule, type RuleContext, type RuleEvidence, type Verdict } from '../rule.ts'
import { unknownThere } from '../stale-flow.ts'

/** A proxy that closes its own server leg this soon after sending a command did not wait for an answer. */
const TOO_SOON_FOR_A_TIMEOUT = 50 * NS_PER_MS
/** Events on two legs of one proxy this close together belong together. */
const SAME_MOMENT = 1000 * NS_PER_MS
/**
 * CR_SERVER_GONE_ERROR, CR_SERVER_LOST, CR_SSL_CONNECTION_ERROR, CR_SERVER_LOST_EXTENDED: codes of client libraries. In an
 * ERR packet only a proxy can have written them, and it says that its server connection is lost.
 */
const LOST_BEHIND = new Set([2006, 2013, 2026, 2055])

/** Proxies take milliseconds, people set tenths of seconds, and event loops are this late. */
const TIMER_STEP = 100 * NS_PER_MS
const TIMER_LATE = 8 * NS_PER_MS

interface Cut {
  lost: CommandFact
  first: FirstClose
  /** Where the close began: this leg, or the server leg behind it whose close was passed on. Both legs tell one cause. */
  root: { session: Session; first: FirstClose }
  culprit: Culprit
  confidence: Confidence
  /** What the close met. */
  how: 'outstanding' | 'reused' | 'unknown' | 'proxy-error'
  extra: RuleEvidence[]
  excluded: string[]
}

export default defineRule({
  meta: {
    id: 'rst-after-query',
    family: 'cut',
    title: 'The connection was cut while a command was outstanding',
    severity: 'error',
    what:
      'The accepting side of a connection (the server, or a proxy), or a proxy on its own server leg, sent RST or FIN while a command had no whole answer; ' +
      'or it had closed before and the client, not having noticed, sent one more command. No more specific rule explains the close.',
    why:
      'The application sees "Lost connection to MySQL server during query" (2013), "MySQL server has gone away" (2006), ECONNRESET or EOF. ' +
      'Whether the command ran is said per occurrence: a write that may have run must be checked before it is retried.',
    cannotTell:
      'Why that process closed: a crash, KILL, an out-of-memory kill and a proxy’s internal error look alike on one connection. ' +
      'From one capture point a transparent device can also speak in the server’s name. The log of the process named here, at the time named, decides.',
    fix: [
      {
        text: 'Read the log of the process that closed, at the second of the close',
        config: 'MySQL: SET PERSIST log_error_verbosity=3',
      },
      { text: 'Let the pool check connections before use, and retry only what is marked safe to retry', config: '' },
    ],
    needs: ['mysql'],
    quiet: [
      'RST or FIN after COM_QUIT',
      'a close while idle that the client noticed before it sent anything',
      'the client closed first',
      'RST after both FINs',
      'connections still open, or begun, at the edge of the capture',
      'commands that have no answer (COM_STMT_CLOSE, COM_STMT_SEND_LONG_DATA)',
    ],
    references: [
      {
        title: 'RFC 9293 3.10.7.4, segments that arrive',
        url: 'https://www.rfc-editor.org/rfc/rfc9293#section-3.10.7.4',
      },
      {
        title: 'MySQL manual: Lost connection to MySQL server',
        url: 'https://dev.mysql.com/doc/refman/8.4/en/error-lost-connection.html',
      },
    ],
    detail: {
      how: 'outstanding: cut before the answer was whole; reused: closed while idle, a later command was refused; unknown: refused by a host that knew no such connection (its address has moved, it was restarted, a filter answers); proxy-error: a proxy answered with a client library’s error and closed',
      close: 'fin or rst: what the culprit sent first',
      serverError: 'error code that the server sent before the close, null if none',
      timerSeconds:
        'silence before a proxy closed on a running command, where that looks like its timer (HAProxy timeout server, timeout client); null otherwise',
    },
    sample: 'rst-after-query',
  },
  session(s, ctx) {
    if (ctx.explained(s)) return
    const cut = serverSideCut(s, ctx.fleet) ?? proxyOnItsServerLeg(s, ctx.fleet) ?? proxyError(s, ctx.fleet)
    const v = cut === null ? idleServerLeg(s, ctx) : verdict(s, cut, ctx)
    if (v !== null) ctx.report(v)
  },
})

/**
 * Server or proxy closed a server leg while it was idle, the front leg bound to it was closed with it, and the client’s next
 * command was lost: the server leg, on which nothing was outstanding, died of the same cause.
 */
function idleServerLeg(s: Session, ctx: RuleContext): Verdict | null {
  const first = s.ending.first
  const front = ctx.fleet.frontLeg(s)
  if (front === null || first === null || s.ending.quit || ctx.explained(front)) return null
  const cut = serverSideCut(front, ctx.fleet)
  if (cut === null || cut.root.session !== s || Math.abs(cut.first.at - first.at) > SAME_MOMENT) return null
  const own = closeEvidence(s, first)
  const v = verdict(front, cut, ctx)
  const evidence = v.evidence.filter((e) => e.of !== s).map((e) => ({ ...e, of: e.of ?? front }))
  return {
    ...v,
    session: s,
    at: first.at,
    command: null,
    statement: null,
    outcome: 'none',
    evidence: [own, ...evidence],
  }
}

/** The accepting side closed first and a command got no whole answer. */
function serverSideCut(s: Session, fleet: Fleet): Cut | null {
  const { first, lost } = s.ending
  if (first === null || lost === null || first.by !== SERVER || s.ending.quit) return null
  let culprit = acceptingSide(s, fleet)
  const extra: RuleEvidence[] = []
  let root = { session: s, first }
  const excluded = ['a timeout or exit of the client: it had not closed']
  let confidence: Confidence = s.roleBy === 'first-packet' ? 'possible' : 'likely'
  // A proxy that only passed on what its server leg met is not the first cause.
  const back = fleet.backLeg(s)
  const backFirst = back?.ending.first ?? null
  if (back !== null && backFirst !== null && backFirst.at <= first.at + NS_PER_MS) {
    extra.push({ ...closeEvidence(back, backFirst), of: back })
    root = { session: back, first: backFirst }
    if (backFirst.by === SERVER) culprit = acceptingSide(back, fleet)
    else excluded.push(`the server behind the proxy: ${s.serverIp} closed that leg itself`)
    confidence = 'likely'
  }
  const unknown = root.session === s && unknownThere(s)
  if (unknown) {
    excluded.push(
      'the process: a socket that is closed sends FIN, or RST with ACK; a bare RST comes from a host that has no such socket, or from a filter',
    )
    if (s.sides[SERVER].lastDataAt > 0)
      extra.push({
        kind: 'frames',
        frames: [s.sides[SERVER].lastDataFrame],
        says: `${s.server} had answered until ${formatDuration(first.at - s.sides[SERVER].lastDataAt)} before, and did not close`,
      })
  }
  const how = s.ending.lostAfterClose ? 'reused' : unknown ? 'unknown' : 'outstanding'
  return { lost, first, root, culprit, confidence, how, extra, excluded }
}

/** A proxy closed its own server leg right after it had sent a command, and its client had not left. */
function proxyOnItsServerLeg(s: Session, fleet: Fleet): Cut | null {
  const { first, lost } = s.ending
  if (first === null || lost === null || first.by !== CLIENT || s.ending.quit || !lost.complete) return null
  if (!fleet.clientIsProxy(s) || (lost.replyFrame > 0 && lost.replyAt <= first.at)) return null
  const front = fleet.frontLeg(s)
  const left = front?.ending.first
  if (left != null && left.by === CLIENT && left.at <= first.at) return null
  // With a known front leg any delay counts, as its client was still waiting; without one only a close at once.
  if (front === null && first.at - lost.at > TOO_SOON_FOR_A_TIMEOUT) return null
  return {
    lost,
    first,
    root: { session: s, first },
    culprit: { role: 'proxy', address: s.clientIp, product: null },
    confidence: front === null ? 'possible' : 'likely',
    how: 'outstanding',
    extra: [],
    excluded: [
      `the server: ${s.serverIp} had not closed, sent no error${lost.replyFrame > 0 ? ' and answered all the same' : ''}`,
    ],
  }
}

/** A proxy answered a command with an error that only a client library makes, and closed. */
function proxyError(s: Session, fleet: Fleet): Cut | null {
  // Whoever closes after such an error, the command was lost when the proxy wrote it.
  const first = s.ending.first
  if (first === null || s.ending.quit) return null
  const error = s.mysql?.errorFacts.at(-1)
  if (error === undefined || error.phase !== 'reply' || !LOST_BEHIND.has(error.code)) return null
  if (first.at - error.at > SAME_MOMENT || first.at < error.at) return null
  const back = fleet.backLeg(s)
  const backFirst = back?.ending.first ?? null
  let culprit: Culprit = { role: 'proxy', address: s.serverIp, product: acceptingSide(s, fleet).product }
  const extra: RuleEvidence[] = [
    {
      kind: 'frames',
      frames: [error.frame],
      says: `ERR ${error.code} ${error.message}: an error of client libraries, so a proxy wrote it`,
    },
  ]
  let lost: CommandFact | null = null
  let root = { session: s, first }
  if (back !== null && backFirst !== null && backFirst.at <= first.at) {
    extra.push({ ...closeEvidence(back, backFirst), of: back })
    root = { session: back, first: backFirst }
    lost = back.ending.lost
    if (backFirst.by === SERVER) culprit = acceptingSide(back, fleet)
    else
      extra.push({
        kind: 'frames',
        frames: [backFirst.lastServerDataFrame],
        says: `the server, ${back.server}, had answered until then`,
        of: back,
      })
  }
  lost ??= {
    op: error.op,
    name: commandOf(error.op),
    at: error.at,
    frame: 0,
    text: error.statement,
    complete: true,
    length: 0,
    outcome: 'delivered-unknown',
    replyFrame: 0,
    replyAt: error.at,
    idleBefore: 0,
  }
  return {
    lost,
    first,
    root,
    culprit,
    confidence: back === null ? 'possible' : 'likely',
    how: 'proxy-error',
    extra,
    excluded: [],
  }
}

function verdict(s: Session, cut: Cut, ctx: RuleContext): Verdict {
  const { lost, first, root, culprit } = cut
  const serverError = errorBefore(root.first, root.session)
  const evidence: RuleEvidence[] = lost.frame > 0 ? commandEvidence(lost) : []
  evidence.push(closeEvidence(s, first), ...cut.extra)
  if (serverError !== null) {
    evidence.push({
      kind: 'frames',
      frames: [serverError.frame],
      says: `the server said ${serverError.code} ${serverError.message}`,
      of: root.session,
    })
  }
  if (cut.how === 'reused')
    evidence.push(...silenceEvidence(first), seconds('reused after the close', lost.at - first.at))
  else evidence.push(seconds('from the command to the close', first.at - lost.at))
  const timer = proxyTimer(cut)
  if (timer !== null)
    evidence.push({
      kind: 'measure',
      name: 'silence before the close',
      value: timer,
      unit: 's',
      compared: 'timers of proxies are set in tenths of seconds: the statement ran longer than one of them',
    })
  const refusal = s.ending.resets.find((r) => r.dir === SERVER && r.at >= lost.at && r.frame !== first.frame)
  if (refusal !== undefined)
    evidence.push({ kind: 'frames', frames: [refusal.frame], says: `RST from ${s.server} in answer` })
  return {
    session: s,
    at: first.at,
    // What the culprit did, not how its neighbours passed it on.
    cause: `${culprit.role} ${culprit.address} ${root.session === s ? cut.how : 'outstanding'} ${root.first.how} ${serverError?.code ?? ''}`,
    // A validation ping that meets a closed connection loses nothing; a replica asks again from where it was.
    severity: lost.name === 'COM_PING' || STREAMS.has(lost.op) ? 'warning' : 'error',
    // A recording proxy has seen on its own socket who closed first.
    confidence: sawCloseItself(root.session) ? 'certain' : cut.confidence,
    culprit,
    title: (all) => title(all, culprit, howOf(all, cut.how), serverError, ctx.fleet),
    detail: { how: cut.how, close: root.first.how, serverError: serverError?.code ?? null, timerSeconds: timer },
    command: lost.name,
    statement: lost.text,
    outcome: lost.outcome,
    evidence,
    excluded: [...cut.excluded, ...networkExcluded(s), ...killExcluded(s, ctx)],
    remedy:
      timer !== null ? PROXY_TIMER : cut.how === 'reused' ? REUSED : cut.how === 'unknown' ? UNKNOWN : OUTSTANDING,
  }
}

/** Cuts that met a running command weigh more than those that met an idle connection. */
const howOf = (all: readonly Verdict[], own: Cut['how']): Cut['how'] =>
  own === 'unknown' ? own : own === 'reused' && all.some((v) => v.detail['how'] === 'outstanding') ? 'outstanding' : own

/**
 * A proxy that waits for a slow statement sees two silent sides, and its timers do not ask why: seconds of silence when they
 * look like such a timer, null otherwise.
 */
function proxyTimer(cut: Cut): number | null {
  const { silence, outstanding } = cut.root.first
  if (cut.culprit.role !== 'proxy' || cut.how !== 'outstanding' || outstanding === null) return null
  return roundness(silence, TIMER_STEP, TIMER_LATE) < 0 || silence < SHORTEST ? null : Math.round(silence / 1e6) / 1e3
}

/** What the server said without being asked right before it closed. */
function errorBefore(first: FirstClose, s: Session): ErrorFact | null {
  const errors = s.mysql?.errorFacts.filter(
    (e) => e.phase !== 'reply' && e.at <= first.at && first.at - e.at < SAME_MOMENT,
  )
  return errors?.at(-1) ?? null
}

function title(
  all: readonly Verdict[],
  culprit: Culprit,
  how: Cut['how'],
  serverError: { code: number } | null,
  fleet: Fleet,
): string {
  const who = `${culprit.product ?? (culprit.role === 'proxy' ? 'the proxy' : 'the server')} ${culprit.address}`
  const n = all.length
  // A command that a proxy had handed on is one command on two legs.
  const lost = all.filter(
    (v) => v.command !== null && !all.some((w) => w.command !== null && w.session === fleet.frontLeg(v.session)),
  )
  const lostWords = lost.length === 1 ? `1 ${commandName(lost[0]!)}` : `${lost.length} commands`
  const said = serverError === null ? '' : ` (error ${serverError.code})`
  const verb = all.every((v) => v.detail['close'] === 'rst') ? 'reset' : 'closed'
  const whoCapital = who[0]!.toUpperCase() + who.slice(1)
  if (how === 'unknown')
    return `${culprit.address} no longer knew ${n === 1 ? 'a connection' : `${n} connections`} and reset ${n === 1 ? 'it' : 'them'}: its address moved, it was restarted, or a filter answered; ${lostWords} lost`
  if (how === 'reused')
    return `${whoCapital} ${verb} ${n === 1 ? 'a connection' : `${n} connections`} while idle${said}; ${lostWords} sent afterwards ${lost.length === 1 ? 'was' : 'were'} lost`
  const timers = new Set(all.map((v) => v.detail['timerSeconds']))
  const [timer] = timers
  if (timers.size === 1 && typeof timer === 'number')
    return `${whoCapital} ${verb} ${n === 1 ? 'a connection' : `${n} connections`} after ${formatDuration(timer * 1e9)} of a running statement, as a timer of its own would; ${lostWords} lost`
  const took = all.map((v) => v.evidence.find((e) => e.kind === 'measure')?.value ?? 0)
  const after = n === 1 ? ` ${formatDuration((took[0] ?? 0) * 1e9)} after the command` : ''
  return `${whoCapital} ${verb} ${n === 1 ? 'a connection' : `${n} connections`} ${all.every((v) => v.command !== null) ? 'with a command outstanding' : 'at once'}${said}${after}; ${lostWords} lost`
}

const commandName = (v: Verdict): string =>
  v.statement === null
    ? (v.command ?? 'command')
    : commandWords({ name: v.command ?? '', text: v.statement } as CommandFact)

function killExcluded(s: Session, ctx: RuleContext): string[] {
  const id = s.mysql?.greeting?.connectionId
  if (id === undefined || id === 0 || ctx.fleet.kills(id).length > 0) return []
  return [
    `KILL ${id}: no KILL for this connection id in the capture (one over a socket or another host would not be seen)`,
  ]
}

const OUTSTANDING = [
  {
    text: 'Read the log of the process that closed, at the second of the close',
    config: 'MySQL: SET PERSIST log_error_verbosity=3',
  },
]
const PROXY_TIMER = [
  {
    text: 'Let the proxy wait longer than the slowest statement that is meant to finish',
    config: 'HAProxy: timeout server and timeout client above it (a running statement is silence on both sides)',
  },
  {
    text: 'Or bound statements on the server, where the answer is an error and the connection lives',
    config: 'MySQL max_execution_time; MariaDB max_statement_time',
  },
]
const UNKNOWN = [
  {
    text: 'See whether the address went to another host at that time (failover, keepalived, a cloud address), or the host was restarted',
    config:
      'logs of the cluster manager; ip neigh on the client: another hardware address; connection ids that begin anew',
  },
  {
    text: 'Or whether a filter on that host rejects established connections',
    config: 'iptables-save | grep tcp-reset; nft list ruleset',
  },
  {
    text: 'Let the pool check connections before use; the request never reached the server and can be repeated',
    config: '',
  },
]
const REUSED = [
  {
    text: 'Let the pool retire idle connections before that process does, and check before use',
    config: 'pool idle timeout / maxLifetime below the peer’s idle timer; validate on borrow',
  },
]
