/**
 * MySQL packets out of order with nothing missing: sequence ids that do not follow (manual: Protocol Basics, sequence_id),
 * 1156 from the server, or a second command sent before the first was answered by a client that does not pipeline, which
 * is how two threads share one connection.
 */
import { CLIENT, SERVER } from '../../core/direction.ts'
import { NS_PER_MS, NS_PER_SECOND } from '../../core/time.ts'
import type { ErrorFact, Session } from '../../session/session.ts'
import { acceptingSide, closeEvidence, commandEvidence } from '../describe.ts'
import type { Fleet } from '../fleet.ts'
import { type Culprit, defineRule, type RuleEvidence } from '../rule.ts'

/** ER_NET_PACKETS_OUT_OF_ORDER. */
const OUT_OF_ORDER = 1156
/** Two threads trip over each other's answers at once; a client that pipelines lives on. */
const BROKE_WITHIN = 5 * NS_PER_SECOND
/** More overlaps than frames that a capture swaps on a connection so short. */
const OFTEN = 4
/** Captures may swap segments of the two directions that stand so close. */
const SWAPPED = NS_PER_MS / 10
/** `_client_name` of drivers that send several commands without waiting, on purpose. */
const PIPELINES = /mariadb|mysqlconnector|sqlx|skysql|vert\.?x|r2dbc|reactive/i

interface Disorder {
  kind: 'sequence' | 'server-said' | 'shared'
  frame: number
  at: number
  says: string
  culprit: Culprit
}

export default defineRule({
  meta: {
    id: 'packet-out-of-order',
    family: 'protocol',
    title: 'MySQL packets out of order',
    severity: 'error',
    what:
      'The sequence ids of MySQL packets do not follow although the capture lost nothing, or the server said 1156 (Got packets out of order), ' +
      'or a client that does not pipeline sent a command before the one before it was answered; and the connection broke of it.',
    why: 'One connection is used by two threads or, after fork, by two processes; or a proxy mixed up its connections. Answers reach the wrong caller before the connection breaks: wrong data is possible.',
    cannotTell:
      'Which two callers shared it: the application’s code or pool decides. A driver that pipelines and does not say who it is looks like a shared one when its connection then breaks.',
    fix: [
      {
        text: 'Give every thread and every forked process a connection of its own',
        config: 'reconnect after fork; one connection per thread, or a pool',
      },
    ],
    needs: ['mysql'],
    quiet: [
      'capture loss, snaplen or a begin in mid-stream',
      'an unsolicited error such as 4031 with an old sequence id',
      'drivers that pipeline',
      'a TLS hello, HTTP or a PROXY header (wrong-protocol, proxy-protocol-mismatch)',
      'COM_QUIT right after a command',
    ],
    references: [
      {
        title: 'MySQL protocol: packets and sequence ids',
        url: 'https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_packets.html',
      },
      {
        title: 'MySQL manual: error 1156 ER_NET_PACKETS_OUT_OF_ORDER',
        url: 'https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html#error_er_net_packets_out_of_order',
      },
    ],
    detail: {
      kind: 'sequence: an id that does not follow; server-said: 1156; shared: commands that overlap',
      expected: 'sequence id expected, null where it is not about ids',
      got: 'sequence id that came, null likewise',
    },
    sample: 'packet-out-of-order',
  },
  session(s, ctx) {
    if (ctx.explained(s) || s.mysql === null || incomplete(s)) return
    const d = serverSaid(s) ?? badSequence(s, ctx.fleet) ?? shared(s)
    if (d === null) return
    const lost = s.ending.lost
    const first = s.ending.first
    const evidence: RuleEvidence[] = [{ kind: 'frames', frames: [d.frame], says: d.says }]
    if (d.kind === 'shared')
      evidence.unshift({ kind: 'frames', frames: [s.mysql.overlaps.earlierFrame], says: 'a command, not yet answered' })
    if (lost !== null) evidence.push(...commandEvidence(lost))
    if (first !== null) evidence.push(closeEvidence(s, first))
    const ids = d.kind === 'sequence' ? s.mysql.outOfOrder : null
    ctx.report({
      session: s,
      at: d.at,
      cause: `out of order ${d.kind} ${d.culprit.role} ${d.culprit.address}`,
      severity: 'error',
      confidence: d.kind === 'server-said' ? 'certain' : d.kind === 'sequence' ? 'likely' : 'possible',
      culprit: d.culprit,
      title: (all) => title(d, all.length, s),
      detail: { kind: d.kind, expected: ids?.expected ?? null, got: ids?.got ?? null },
      command: lost?.name ?? null,
      statement: lost?.text ?? null,
      outcome: lost?.outcome ?? 'none',
      evidence,
      excluded: [
        'a hole in the capture: nothing is missing on this connection',
        'another protocol on the port: login and commands were read',
      ],
      remedy: this.meta.fix,
    })
  },
})

/** What the capture lost would explain it. */
function incomplete(s: Session): boolean {
  const [c, v] = s.sides
  if (c.lostBytes + v.lostBytes + c.snaplenBytes + v.snaplenBytes + c.missingBytes + v.missingBytes > 0) return true
  return !c.seen || !v.seen || s.mysql!.resynced > 0 || s.mysql!.greeting === null || s.foreign.length > 0
}

function serverSaid(s: Session): Disorder | null {
  const e = s.mysql!.errorFacts.find(
    (x: ErrorFact) => x.code === OUT_OF_ORDER && x.phase !== 'auth' && x.phase !== 'greeting',
  )
  if (e === undefined) return null
  return {
    kind: 'server-said',
    frame: e.frame,
    at: e.at,
    says: `the server said ${e.code} ${e.message}`,
    culprit: client(s),
  }
}

function badSequence(s: Session, fleet: Fleet): Disorder | null {
  const o = s.mysql!.outOfOrder
  const first = s.ending.first
  if (
    o.count === 0 ||
    first === null ||
    s.ending.quit ||
    first.at - o.at > BROKE_WITHIN ||
    s.mysql!.authenticatedFrame === 0
  )
    return null
  // A server that ends the connection of its own accord numbers its farewell as it likes.
  if (s.mysql!.errorFacts.some((e) => e.frame === o.frame)) return null
  const culprit = o.dir === CLIENT ? client(s) : acceptingSide(s, fleet)
  return {
    kind: 'sequence',
    frame: o.frame,
    at: o.at,
    says: `MySQL packet number ${o.got} from ${o.dir === CLIENT ? s.client : s.server}, expected ${o.expected}`,
    culprit,
  }
}

function shared(s: Session): Disorder | null {
  const o = s.mysql!.overlaps
  const first = s.ending.first
  const login = s.mysql!.login
  if (o.count === 0 || first === null || first.by === SERVER || s.ending.quit || login === null) return null
  if (PIPELINES.test(login.attributes['_client_name'] ?? 'mariadb')) return null
  // It broke there and then, and the second command stood clear of the answer to the first.
  // A capture that swaps frames does so with two at a time.
  const swapped = o.count < OFTEN && o.answeredAt >= 0 && o.answeredAt - o.at < SWAPPED
  if (first.at - o.at > BROKE_WITHIN || swapped) return null
  return {
    kind: 'shared',
    frame: o.frame,
    at: o.at,
    says: 'another command on the same connection, before the answer',
    culprit: client(s),
  }
}

const client = (s: Session): Culprit => ({
  role: 'client',
  address: s.clientIp,
  product: s.mysql!.login?.attributes['_client_name'] ?? null,
})

function title(d: Disorder, n: number, s: Session): string {
  const on = n === 1 ? 'a connection' : `${n} connections`
  if (d.kind === 'server-said') return `The server got packets out of order (1156) on ${on} of ${s.clientIp}`
  if (d.kind === 'sequence') return `Packets with wrong sequence numbers from ${d.culprit.address} broke ${on}`
  return `Client ${s.clientIp} sent commands over each other on ${on}, as two threads that share it do; it broke`
}
