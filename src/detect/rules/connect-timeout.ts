/** The connection did not come about in time: no answer to the SYN, no greeting, or no end of the login, and the client gave up. */
import { CLIENT, SERVER } from '../../core/direction.ts'
import { type Duration, formatDuration, NS_PER_MS } from '../../core/time.ts'
import type { Session } from '../../session/session.ts'
import { type Attempt, attemptOf, behind } from '../attempt.ts'
import { acceptingSide, closeEvidence, commandEvidence, seconds } from '../describe.ts'
import type { Fleet } from '../fleet.ts'
import { neighbours } from '../neighbours.ts'
import { count } from '../refusal.ts'
import { type Culprit, defineRule, type RuleEvidence, type Verdict } from '../rule.ts'

const OWN: ReadonlySet<Attempt> = new Set<Attempt>([
  'unreachable',
  'unanswered',
  'unacknowledged',
  'given-up-connecting',
  'given-up-on-greeting',
  'given-up-on-login',
  'given-up-on-first-command',
])
/** A round trip that is this share of the wait has used it up: five of them make a login. */
const SLOW_PATH = 0.1

const WAITED_FOR: Readonly<Record<string, string>> = {
  unreachable: 'syn-ack',
  unanswered: 'syn-ack',
  unacknowledged: 'syn-ack',
  'given-up-connecting': 'syn-ack',
  'given-up-on-greeting': 'greeting',
  'given-up-on-login': 'login',
  'given-up-on-first-command': 'first-command',
}

export default defineRule({
  meta: {
    id: 'connect-timeout',
    family: 'handshake',
    title: 'A connection did not come about in time',
    severity: 'error',
    what:
      'A SYN got no answer, or its answer came when the client had given up; or the client closed while it waited for the greeting, for an answer in the login, ' +
      'or for its first command when the driver’s connect timer covers that too. Front connections whose proxy waited in vain behind them are told with it.',
    why: 'The application cannot connect: "Can’t connect to MySQL server" with error 110, ETIMEDOUT, "Connection timeout". Pools run dry while they wait.',
    cannotTell:
      'From one place: whether the SYN or its answer was lost, whether a filter dropped it, or whether the host is down. A capture on the other side shows how far it came.',
    fix: [
      { text: 'Capture on both sides to see where the SYN, or its answer, is lost', config: '' },
      {
        text: 'Look for filters and full accept queues on the server',
        config: 'nft list ruleset; nstat TcpExtListenOverflows; back_log, net.core.somaxconn',
      },
      {
        text: 'Give the driver a connect timeout longer than a lost SYN and the round trips of a login',
        config: 'connectTimeout > 3 s and > 6 round trips',
      },
      { text: 'A late greeting: spare the server the reverse lookup', config: 'skip_name_resolve=ON' },
    ],
    needs: ['tcp'],
    quiet: [
      'a SYN repeated once and then answered',
      'a SYN shortly before the capture ends',
      'a SYN hardly repeated, in a capture that holds no packet of any server',
      'a health check that resets right after SYN-ACK, or leaves after the greeting',
      'a SYN answered by a mere ACK (port-reuse)',
      'a scanner',
    ],
    references: [
      {
        title: 'RFC 6298, Computing TCP’s Retransmission Timer',
        url: 'https://www.rfc-editor.org/rfc/rfc6298#section-5',
      },
      {
        title: 'MySQL manual: Can’t connect to MySQL server',
        url: 'https://dev.mysql.com/doc/refman/8.4/en/can-not-connect-to-server.html',
      },
    ],
    detail: {
      waitedFor: 'syn-ack, greeting, login or first-command: what did not come in time',
      waitedSeconds: 'from the SYN to the end of the wait, as far as seen',
      synRetransmissions: 'how often the SYN was repeated',
    },
    sample: 'connect-timeout',
  },
  session(s, ctx) {
    if (ctx.explained(s)) return
    const { fleet } = ctx
    if (neighbours(fleet).isScanner(s.clientIp)) return
    const attempt = attemptOf(s, fleet)
    if (attempt === null) return
    const back = attempt === 'closed-without-greeting' || attempt === 'given-up-on-greeting' ? behind(s, fleet) : null
    const cause = back === null ? null : attemptOf(back, fleet)
    const root = back !== null && cause !== null && OWN.has(cause) ? back : s
    if (root === s && (!OWN.has(attempt) || back !== null)) return
    const why = root === s ? attempt : cause!
    const culprit = culpritOf(root, why, fleet)
    const evidence = waitEvidence(s, attempt)
    if (root !== s) evidence.push(...waitEvidence(root, why).map((e): RuleEvidence => ({ ...e, of: root })))
    const lost = s.ending.lost
    ctx.report({
      session: s,
      at: s.ending.first?.at ?? s.endAt,
      cause: `${WAITED_FOR[why]} ${culprit.role} ${root.server}`,
      severity: 'error',
      confidence:
        why === 'unanswered' || why === 'unreachable' || why === 'given-up-connecting' ? 'likely' : 'possible',
      culprit,
      title: (all) => title(all, root, why),
      detail: { waitedFor: WAITED_FOR[why], waitedSeconds: waited(s) / 1e9, synRetransmissions: s.synRetransmissions },
      command: lost?.name ?? null,
      statement: lost?.text ?? null,
      outcome: lost?.outcome ?? 'none',
      evidence,
      excluded: excluded(root, why),
      remedy: this.meta.fix,
    })
  },
})

const waited = (s: Session): Duration => (s.ending.first?.at ?? s.endAt) - s.startAt

function waitEvidence(s: Session, attempt: Attempt): RuleEvidence[] {
  const out: RuleEvidence[] = []
  const first = s.ending.first
  const silent = s.synAckFrame === 0 ? ', without an answer' : ''
  out.push({
    kind: 'frames',
    frames: [s.synFrame],
    says: `SYN of ${s.client}${s.synRetransmissions > 0 ? `, repeated ${count(s.synRetransmissions, 'once', 'times')}` : ''}${silent}`,
  })
  const icmp = s.icmpErrors.find((e) => e.about === CLIENT)
  if (icmp !== undefined)
    out.push({
      kind: 'frames',
      frames: [icmp.frame],
      says: `ICMP type ${icmp.type} code ${icmp.code}: no way to the host`,
    })
  if (s.synAckFrame > 0)
    out.push({
      kind: 'frames',
      frames: [s.synAckFrame],
      says: `SYN-ACK, ${formatDuration(Math.max(0, s.handshakeTimes.toServer))} after the SYN`,
    })
  const late = first !== null && s.mysql !== null && s.mysql.greetingFrame > 0
  if (late) out.push({ kind: 'frames', frames: [s.mysql!.greetingFrame], says: 'the greeting' })
  if (s.mysql !== null && s.mysql.loginFrame > 0)
    out.push({ kind: 'frames', frames: [s.mysql.loginFrame], says: 'the login' })
  if (attempt === 'given-up-on-first-command' && first?.outstanding != null)
    out.push(...commandEvidence(first.outstanding))
  if (first !== null) out.push(closeEvidence(s, first))
  out.push(seconds('from the SYN to the end', waited(s), 'the connect timeout of the client'))
  return out
}

/** Who kept the client waiting, as far as one place can tell. */
function culpritOf(s: Session, attempt: Attempt, fleet: Fleet): Culprit {
  const roundTrip = Math.max(0, s.handshakeTimes.toServer) + Math.max(0, s.handshakeTimes.toClient)
  const again = s.sides[CLIENT].retransmissions + s.sides[SERVER].retransmissions + s.synRetransmissions
  if (attempt === 'unreachable' || attempt === 'unacknowledged' || attempt === 'given-up-connecting')
    return { role: 'network', address: null, product: null }
  if (attempt === 'unanswered') return { role: 'unknown', address: null, product: null }
  if (again > 0 || roundTrip > SLOW_PATH * waited(s)) return { role: 'network', address: null, product: null }
  return acceptingSide(neighbours(fleet).greeted(s.server) ?? s, fleet)
}

function title(all: readonly Verdict[], root: Session, why: Attempt): string {
  const fronts = all.filter((v) => v.session.server !== root.server).length
  const own = Math.max(1, all.length - fronts)
  const n = count(own, 'a connection attempt', 'connection attempts')
  const turnedAway = fronts === 0 ? '' : `; ${count(fronts, 'a client', 'clients')} of a proxy waited for it in vain`
  return `${tells(root, why, n, own)}${turnedAway}`
}

function tells(root: Session, why: Attempt, n: string, own: number): string {
  switch (why) {
    case 'given-up-on-greeting':
      return `${root.server} accepted and sent no greeting in time; ${n} given up`
    case 'given-up-on-login':
      return `${root.server} did not answer within the login in time; ${n} given up`
    case 'given-up-on-first-command':
      return `${own === 1 ? 'A connection' : `${own} connections`} to ${root.server} took longer than the driver’s connect timeout (${formatDuration(waited(root))})`
    case 'given-up-connecting':
      return `${root.server} answered ${n} too late: the client had given up`
    case 'unreachable':
      return `No way to ${root.server}: ${n} in vain`
    default:
      return `${root.server} did not answer ${n}`
  }
}

function excluded(s: Session, why: Attempt): string[] {
  const out = ['a refusal: neither RST nor ERR came from the server']
  if (
    why !== 'unanswered' &&
    why !== 'unreachable' &&
    s.synRetransmissions + s.sides[CLIENT].retransmissions + s.sides[SERVER].retransmissions === 0
  ) {
    out.push('packet loss seen here: nothing was retransmitted')
  }
  const quick = s.handshakeTimes.toServer
  if (WAITED_FOR[why] !== 'syn-ack' && quick >= 0 && quick < 10 * NS_PER_MS)
    out.push(`a slow path: SYN-ACK took ${formatDuration(quick)}`)
  return out
}
