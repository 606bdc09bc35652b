/**
 * Path MTU black hole (RFC 2923 2.1, RFC 8899): small segments pass, large ones vanish without an ICMP error that reaches
 * the sender. Seen at the sender as large segments sent again and again to a peer that is alive; seen at the receiver as a
 * hole of large segments that is never filled although smaller ones arrive.
 */
import { CLIENT, type Direction, otherSide, SERVER, sideName } from '../../core/direction.ts'
import { type Duration, formatDuration, NS_PER_SECOND } from '../../core/time.ts'
import type { IcmpFact, Session, SideFacts } from '../../session/session.ts'
import { commandEvidence, commandWords, seconds } from '../describe.ts'
import type { Fleet } from '../fleet.ts'
import { defineRule, type RuleEvidence } from '../rule.ts'
import { FORGETS_AFTER } from '../stale-flow.ts'

/** RFC 791 obliges everyone to take 576 bytes: payloads below are never too large for a path. */
const SMALLEST_LOST = 524
/** Retransmission timers start at 1 s at the latest (RFC 6298 2): a hole this old was sent again and did not come. */
const HOLE_AGE = 3 * NS_PER_SECOND
const REPEATS = 3
const REPEATED_FOR = NS_PER_SECOND

interface Hole {
  /** Whose segments vanished. */
  dir: Direction
  /** Payload size of what vanished, and the largest that passed. */
  lost: number
  passed: number
  since: number
  lasted: Duration
  seen: 'sender' | 'receiver'
  icmp: IcmpFact | null
  /** The other end, or a smaller segment, was heard of meanwhile. */
  alive: boolean
  evidence: RuleEvidence[]
}

export default defineRule({
  meta: {
    id: 'pmtu-black-hole',
    family: 'network',
    title: 'Large packets vanish on the path (MTU black hole)',
    severity: 'error',
    what: 'Segments above some size never arrived, however often they were sent, while smaller ones passed in the same direction and the peer was alive (it acknowledged others selectively, or went on speaking).',
    why: 'Logins and small queries work, the first large result, upload or certificate hangs until a timeout: the application reports a slow or lost database.',
    cannotTell:
      'Which hop drops them: a tunnel, VPN or overlay with a smaller MTU whose ICMP "fragmentation needed" is filtered. A firewall that drops by content would look alike if it only ever met large packets.',
    fix: [
      {
        text: 'Lower the MTU of the hosts, or clamp the MSS where the path narrows',
        config: 'iptables -t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu',
      },
      {
        text: 'Let ICMP type 3 code 4 (IPv6: packet too big) pass, or let senders probe',
        config: 'net.ipv4.tcp_mtu_probing=1',
      },
    ],
    needs: ['tcp'],
    quiet: [
      'large segments that were lost once and came when sent again',
      'a path on which everything vanishes, small segments too',
      'a size that passed on the same connection or between the same hosts',
      'bytes that the capture lost (they were acknowledged)',
    ],
    references: [
      {
        title: 'RFC 2923: TCP Problems with Path MTU Discovery',
        url: 'https://www.rfc-editor.org/rfc/rfc2923#section-2.1',
      },
      { title: 'Linux: tcp_mtu_probing', url: 'https://docs.kernel.org/networking/ip-sysctl.html' },
    ],
    detail: {
      direction: 'whose segments vanished: client or server',
      lostPayload:
        'payload bytes of the segments that vanished (at the receiver: of the missing piece, which may be several)',
      passedPayload: 'largest payload known to have passed in that direction on this connection',
      seenAt: 'sender or receiver: which end the capture shows',
    },
    sample: 'pmtu-black-hole',
  },
  session(s, ctx) {
    if (ctx.explained(s)) return
    const hole = holeOf(s, SERVER) ?? holeOf(s, CLIENT)
    if (hole === null || contradicted(s, hole, ctx.fleet)) return
    const lost = s.ending.lost ?? s.ending.first?.outstanding ?? s.ending.unanswered
    const who = hole.dir === CLIENT ? s.clientIp : s.serverIp
    const to = hole.dir === CLIENT ? s.serverIp : s.clientIp
    const evidence = lost === null ? [] : commandEvidence(lost)
    evidence.push(...hole.evidence)
    const first = s.ending.first
    if (first !== null)
      evidence.push({
        kind: 'frames',
        frames: [first.frame],
        says: `${first.how === 'fin' ? 'FIN' : 'RST'} from ${first.by === CLIENT ? s.client : s.server}: given up after ${formatDuration(first.at - hole.since)}`,
      })
    ctx.report({
      session: s,
      at: hole.since,
      cause: `mtu ${who} ${to}`,
      severity: 'error',
      confidence: hole.icmp !== null ? 'certain' : hole.passed > 0 && hole.alive ? 'likely' : 'possible',
      culprit: { role: 'network', address: null, product: null },
      title: (all) =>
        `Large packets from ${who} to ${to} vanish: ${hole.seen === 'sender' ? `payloads of ${hole.lost} bytes` : `${hole.lost} bytes in full segments`} never arrived, ${
          hole.passed > 0 ? `up to ${hole.passed} bytes passed` : 'smaller ones passed'
        }${lost === null || all.length > 1 ? `; ${all.length} connection${all.length === 1 ? '' : 's'} hung` : `; ${commandWords(lost)} hung`}`,
      detail: { direction: sideName(hole.dir), lostPayload: hole.lost, passedPayload: hole.passed, seenAt: hole.seen },
      command: lost?.name ?? null,
      statement: lost?.text ?? null,
      outcome: lost?.outcome ?? (hole.dir === SERVER ? 'response-begun' : 'not-delivered'),
      evidence,
      excluded: [
        ...(hole.alive
          ? [
              `a dead host or a cut line: ${hole.seen === 'sender' ? `${to} went on acknowledging or speaking` : `smaller segments from ${who} arrived`}`,
            ]
          : [`a device that forgot the connection: it had hardly been silent, and large segments alone were lost`]),
        'random loss: every repetition of the large segments vanished too',
        'the client: it closed long after the data had stopped',
      ],
      remedy: this.meta.fix,
    })
  },
})

function holeOf(s: Session, dir: Direction): Hole | null {
  return atSender(s, dir) ?? atReceiver(s, dir)
}

/** The sender repeats large segments in vain. */
function atSender(s: Session, dir: Direction): Hole | null {
  const me = s.sides[dir]
  const peer = s.sides[otherSide(dir)]
  if (me.retransmissionsUnanswered < REPEATS || me.unacknowledged === 0) return null
  const lasted = me.lastRetransmissionAt - me.firstUnansweredAt
  const lost = me.largestUnanswered
  if (lost < SMALLEST_LOST || lost <= me.largestDelivered || lasted < REPEATED_FOR) return null
  const icmp = tooBig(s, dir)
  // A tail that was repeated along with the rest is small; that the peer has it, selective acknowledgments say.
  if (me.smallestUnanswered <= me.largestDelivered && me.sackBlocks === 0) return null
  const alive = me.sackBlocks > 0 || peer.lastAt > me.firstUnansweredAt
  // Nothing is heard of the other end, but the first large segments of this connection were lost right after small ones had passed.
  const firstLarge = me.smallestUnanswered >= SMALLEST_LOST && me.largestDelivered > 0 && justAtWork(s)
  if (!alive && icmp === null && !firstLarge) return null
  const evidence: RuleEvidence[] = [
    {
      kind: 'frames',
      frames: [me.firstUnansweredFrame, me.lastRetransmissionFrame],
      says: `${me.retransmissionsUnanswered} retransmissions of ${lost} bytes of payload, none acknowledged`,
    },
    seconds('repeated for', lasted),
    {
      kind: 'measure',
      name: 'largest payload that passed',
      value: me.largestDelivered,
      unit: 'B',
      compared: `${lost} B vanished`,
    },
  ]
  if (me.sackBlocks > 0)
    evidence.push({
      kind: 'frames',
      frames: [peer.lastFrame],
      says: 'the receiver acknowledged selectively: smaller segments sent later had arrived',
    })
  else if (peer.lastAt > me.firstUnansweredAt)
    evidence.push({
      kind: 'frames',
      frames: [peer.lastFrame],
      says: 'the receiver was alive: it spoke while the large segments vanished',
    })
  if (icmp !== null)
    evidence.push({
      kind: 'frames',
      frames: [icmp.frame],
      says: `ICMP: packet too big${icmp.mtu > 0 ? `, next hop takes ${icmp.mtu} bytes` : ''}; the sender went on with large ones`,
    })
  return {
    dir,
    lost,
    passed: me.largestDelivered,
    since: me.firstUnansweredAt,
    lasted,
    seen: 'sender',
    icmp,
    alive,
    evidence,
  }
}

/** The request that hangs followed no long silence, in which a device could have forgotten the connection. */
function justAtWork(s: Session): boolean {
  const hung = s.ending.lost ?? s.ending.unanswered
  return hung !== null && hung.idleBefore < FORGETS_AFTER
}

/** The receiver never gets the large segments that came before a smaller one. */
function atReceiver(s: Session, dir: Direction): Hole | null {
  const me = s.sides[dir]
  const peer = s.sides[otherSide(dir)]
  const lasted = Math.max(me.lastAt, peer.lastAt) - me.missingAt
  if (me.missingBytes < SMALLEST_LOST || lasted < HOLE_AGE) return null
  // What is missing is whole full segments; what came beyond is smaller, or it is not size that decides.
  const full = fullSegment(me, peer)
  if (full <= 0 || me.missingBytes % full !== 0 || me.largestBeyond >= full || me.largestDelivered >= full) return null
  return {
    dir,
    lost: me.missingBytes,
    passed: Math.max(me.largestBeyond, me.largestDelivered),
    since: me.missingAt,
    lasted,
    seen: 'receiver',
    icmp: null,
    alive: true,
    evidence: [
      {
        kind: 'frames',
        frames: [me.missingFrame],
        says: `${me.missingBytes} bytes before this segment never came: ${me.missingBytes / full} full segment${me.missingBytes === full ? '' : 's'} of ${full} bytes`,
      },
      seconds('not filled by retransmissions for', lasted, 'retransmission timers begin at 1 s or less'),
      {
        kind: 'measure',
        name: 'largest payload that came',
        value: Math.max(me.largestBeyond, me.largestDelivered),
        unit: 'B',
        compared: `${full} B segments vanished`,
      },
    ],
  }
}

/** Payload of a full segment: what the peer's MSS allows, less 12 bytes of timestamps where they are used (RFC 6691, RFC 7323). */
function fullSegment(me: SideFacts, peer: SideFacts): number {
  const most = peer.maxSegmentSize
  if (most < SMALLEST_LOST) return 0
  return me.missingBytes % (most - 12) === 0 ? most - 12 : most
}

/** RFC 792 type 3 code 4, RFC 4443 type 2. */
function tooBig(s: Session, dir: Direction): IcmpFact | null {
  const v6 = s.clientIp.includes(':')
  return s.icmpErrors.find((e) => e.about === dir && (v6 ? e.type === 2 : e.type === 3 && e.code === 4)) ?? null
}

/** Segments of that size pass between the same hosts in the same direction: then it is not their size. */
function contradicted(s: Session, hole: Hole, fleet: Fleet): boolean {
  const size = hole.seen === 'sender' ? hole.lost : fullSegment(s.sides[hole.dir], s.sides[otherSide(hole.dir)])
  return fleet.sessions.some(
    (t) =>
      t !== s && t.clientIp === s.clientIp && t.serverIp === s.serverIp && t.sides[hole.dir].largestDelivered >= size,
  )
}
