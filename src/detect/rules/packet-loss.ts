/**
 * Packet loss on a path: retransmissions (RFC 9293 3.8.1). Where a connection broke of it and nothing more specific says
 * why, that is an error; much loss is a warning; some loss that nobody was hurt by is worth knowing.
 */
import { CLIENT, type Direction, otherSide, SERVER, sideName } from '../../core/direction.ts'
import { formatDuration, NS_PER_SECOND } from '../../core/time.ts'
import type { Session } from '../../session/session.ts'
import { commandEvidence, seconds } from '../describe.ts'
import { neighbours } from '../neighbours.ts'
import { defineRule, type RuleContext, type RuleEvidence } from '../rule.ts'

/** Retransmissions in a row without an answer that make a connection broken, and the least time they took. */
const IN_VAIN = 4
const IN_VAIN_FOR = 2 * NS_PER_SECOND
/** A share worth telling, and the number of lost segments below which it is chance. */
const NOTABLE = 0.005
const NOTABLE_COUNT = 5

export default defineRule({
  meta: {
    id: 'packet-loss',
    family: 'network',
    title: 'Packets were lost on the path',
    severity: 'error',
    what:
      'Segments had to be sent again. Error: data was sent again and again without any acknowledgment and the connection ended there, with no more specific explanation. ' +
      'Info: at least 0.5 % of the segments between two hosts were sent twice, and no connection broke of it.',
    why: 'Each lost segment delays its statement by a retransmission timer (200 ms and more), a lost SYN by a second: short timeouts turn that into failures.',
    cannotTell:
      'Where on the path: captures at both ends at once show it. A host that died silently looks like a path that loses everything.',
    fix: [
      {
        text: 'Capture at both ends at the same time and compare: the lossy side of the path is where packets vanish',
        config: 'tcpdump -i any -s 0 -w side.pcap port 3306',
      },
      {
        text: 'Check interface errors, duplex, queues and quality-of-service drops on the way',
        config: 'ethtool -S; ip -s link; nstat -az TcpRetransSegs',
      },
    ],
    needs: ['tcp'],
    quiet: [
      'retransmissions that were answered (no more than info)',
      'duplicates made by the capture',
      'bytes lost by the capture itself',
      'probes of a closed window',
      'keep-alives',
    ],
    references: [
      { title: 'RFC 9293 3.8.1, retransmission timeout', url: 'https://www.rfc-editor.org/rfc/rfc9293#section-3.8.1' },
    ],
    detail: {
      retransmissions: 'segments sent again, on this path or (error) on this connection without an answer',
      segments: 'segments seen on this path',
      direction: 'whose segments were lost: client or server; null for both',
    },
    sample: 'packet-loss',
  },
  session(s, ctx) {
    if (!ctx.explained(s)) {
      const dir = inVain(s, SERVER, ctx) ? SERVER : inVain(s, CLIENT, ctx) ? CLIENT : null
      if (dir !== null) {
        broke(s, dir, ctx)
        return
      }
    }
    lossy(s, ctx)
  },
})

/** Data sent again and again, never acknowledged, to the end. */
function inVain(s: Session, dir: Direction, ctx: RuleContext): boolean {
  const me = s.sides[dir]
  const peer = s.sides[otherSide(dir)]
  if (
    s.mysql === null ||
    s.ending.quit ||
    !peer.seen ||
    me.retransmissionsUnanswered < IN_VAIN ||
    me.unacknowledged === 0
  )
    return false
  if (me.lastRetransmissionAt - me.firstUnansweredAt < IN_VAIN_FOR || peer.zeroWindowSince >= 0) return false
  // The peer had left before: its kernel does not acknowledge what comes afterwards.
  const first = s.ending.first
  if (first !== null && first.at < me.firstUnansweredAt) return false
  return first !== null || neighbours(ctx.fleet).endOf(s.input) - me.firstUnansweredAt > IN_VAIN_FOR
}

function broke(s: Session, dir: Direction, ctx: RuleContext): void {
  const me = s.sides[dir]
  const from = dir === CLIENT ? s.clientIp : s.serverIp
  const to = dir === CLIENT ? s.serverIp : s.clientIp
  const lost = s.ending.lost ?? s.ending.unanswered
  const evidence: RuleEvidence[] = lost === null ? [] : commandEvidence(lost)
  evidence.push(
    {
      kind: 'frames',
      frames: [me.firstUnansweredFrame, me.lastRetransmissionFrame],
      says: `${me.retransmissionsUnanswered} retransmissions from ${from}, none acknowledged`,
    },
    seconds('sent again for', me.lastRetransmissionAt - me.firstUnansweredAt),
  )
  const first = s.ending.first
  if (first !== null)
    evidence.push({
      kind: 'frames',
      frames: [first.frame],
      says: `${first.how === 'fin' ? 'FIN' : 'RST'} from ${first.by === CLIENT ? s.client : s.server} afterwards`,
    })
  const took = formatDuration(me.lastRetransmissionAt - me.firstUnansweredAt)
  ctx.report({
    session: s,
    at: me.firstUnansweredAt,
    cause: `lost ${from} ${to}`,
    severity: 'error',
    confidence: 'likely',
    culprit: { role: 'network', address: null, product: null },
    title: (all) =>
      `Packets from ${from} did not reach ${to}: ${all.length === 1 ? `a connection retransmitted for ${took}` : `${all.length} connections retransmitted`} in vain`,
    detail: { retransmissions: me.retransmissionsUnanswered, segments: me.segments, direction: sideName(dir) },
    command: lost?.name ?? null,
    statement: lost?.text ?? null,
    outcome: lost?.outcome ?? (dir === SERVER ? 'response-begun' : 'not-delivered'),
    evidence,
    excluded: [
      'a closed window: the receiver did not refuse data',
      `a close by ${to} before: it had not closed when the data was sent`,
    ],
    remedy: [],
  })
}

/** Loss on a path that its connections survived: told once per path, with every session that met it. */
function lossy(s: Session, ctx: RuleContext): void {
  const own = arrived(s)
  if (own === 0 || ctx.explained(s)) return
  const path = pathOf(s, ctx)
  if (path.again < NOTABLE_COUNT || path.again < path.segments * NOTABLE) return
  const side = s.sides[CLIENT].retransmissions > 0 ? CLIENT : SERVER
  ctx.report({
    session: s,
    at: s.sides[side].lastRetransmissionAt,
    cause: `lossy ${s.clientIp} ${s.serverIp}`,
    severity: 'info',
    confidence: 'likely',
    culprit: { role: 'network', address: null, product: null },
    title: () =>
      `${path.again} of ${path.segments} segments between ${s.clientIp} and ${s.serverIp} were sent again (${((100 * path.again) / path.segments).toFixed(1)} %)`,
    detail: { retransmissions: path.again, segments: path.segments, direction: null },
    command: null,
    statement: null,
    outcome: 'none',
    evidence: [
      {
        kind: 'frames',
        frames: [s.sides[side].lastRetransmissionFrame],
        says: `retransmission, ${own} on this connection`,
      },
    ],
    excluded: ['a broken connection of this cause: what was sent again arrived'],
    remedy: [],
  })
}

/** Retransmissions that were answered. */
const arrived = (s: Session): number =>
  s.sides[CLIENT].retransmissions -
  s.sides[CLIENT].retransmissionsUnanswered +
  s.sides[SERVER].retransmissions -
  s.sides[SERVER].retransmissionsUnanswered

interface Path {
  again: number
  segments: number
}

const cache = new WeakMap<object, Map<string, Path>>()

/** Retransmissions and segments of all sessions between the two hosts, by capture. */
function pathOf(s: Session, ctx: RuleContext): Path {
  let paths = cache.get(ctx.fleet)
  if (paths === undefined) {
    paths = new Map()
    for (const t of ctx.fleet.sessions) {
      const key = `${t.input} ${t.clientIp} ${t.serverIp}`
      let path = paths.get(key)
      if (path === undefined) {
        path = { again: 0, segments: 0 }
        paths.set(key, path)
      }
      path.again += arrived(t)
      path.segments += t.sides[0].segments + t.sides[1].segments
    }
    cache.set(ctx.fleet, paths)
  }
  return paths.get(`${s.input} ${s.clientIp} ${s.serverIp}`)!
}
