/**
 * A RST that the host whose address it bears did not send. What speaks for it, each alone explained by honest hosts except
 * the first two (Weaver, Sommer, Paxson, NDSS 2009): the supposed sender goes on as if nothing were, or its own side's
 * capture lacks the RST; it came faster than the path allows; from both sides at once; in series with guessed sequence
 * numbers; with another time to live.
 */
import { CLIENT, type Direction, otherSide, SERVER } from '../../core/direction.ts'
import { formatDuration, NS_PER_MS, NS_PER_SECOND } from '../../core/time.ts'
import type { Confidence } from '../../report/model.ts'
import type { ResetFact, Session } from '../../session/session.ts'
import { commandEvidence, commandWords } from '../describe.ts'
import type { Fleet } from '../fleet.ts'
import { neighbours } from '../neighbours.ts'
import { defineRule, type RuleEvidence } from '../rule.ts'
import { LONG_SILENCE, unknownThere } from '../stale-flow.ts'
import { otherVantages } from '../vantages.ts'

/** Segments caught out of order by the capture itself stand no further apart. */
const MISORDERED = 2 * NS_PER_MS
/** Round trips below this are too short to say that something was faster. */
const MEASURABLE = 0.2 * NS_PER_MS
/** A capture that ends sooner after the RST may simply not have seen it. */
const MARGIN = NS_PER_SECOND

interface Signals {
  /** One of these is enough. */
  goesOn: boolean
  missingElsewhere: Session | null
  /** These only together. */
  faster: boolean
  bothSides: ResetFact | null
  series: number
  ttl: boolean
  /** This one alone too, but only for a connection that was at work: see `stranger`. */
  stranger: 'server-unmoved' | 'alone' | null
}

export default defineRule({
  meta: {
    id: 'injected-reset',
    family: 'cut',
    title: 'A forged reset cut the connection',
    severity: 'error',
    what:
      'A RST ended the connection, and the host whose address it bears did not send it: that host went on sending afterwards, or a capture nearer to it lacks the RST, ' +
      'or several weaker signs agree (faster than the round trip, RSTs to both sides at once, a series with guessed sequence numbers, another time to live).',
    why: 'A firewall, an intrusion prevention system or a policy change cut the connection in somebody else’s name: server and application logs both blame the other side.',
    cannotTell:
      'Which device it was: the time to live says at most how far away. Devices that answer for flows they have forgotten are middlebox-reset.',
    fix: [
      {
        text: 'Look for the device between the capture point and that host, and exempt MySQL from its inspection',
        config: '',
      },
      {
        text: 'Capture on both hosts at the same time: a RST that one side never sent settles it',
        config: 'tcpdump -i any -s 0 -w both.pcap port 3306',
      },
    ],
    needs: ['tcp'],
    quiet: [
      'another time to live alone (kernels, proxies and load balancers do that)',
      'an address that has moved to another host, further away or nearer (failover)',
      'a RST in answer to data for a closed socket',
      'RSTs that the receiver ignores',
      'segments that the capture put out of order',
      'a RST after both FINs or after COM_QUIT',
    ],
    references: [
      {
        title: 'Detecting Forged TCP Reset Packets (NDSS 2009)',
        url: 'https://www.ndss-symposium.org/ndss2009/detecting-forged-tcp-reset-packets/',
      },
      {
        title: 'RFC 9293 3.10.7.4, segments that arrive',
        url: 'https://www.rfc-editor.org/rfc/rfc9293#section-3.10.7.4',
      },
    ],
    detail: {
      inTheNameOf: 'client or server: whose address the RST bears',
      signals:
        'what spoke for it: goes-on, missing-elsewhere, faster-than-path, both-sides, series, ttl, stranger (a host without that socket, at another distance)',
      ttl: 'time to live of the RST',
      ttlBefore: 'time to live of that host’s segments before, null if none was seen',
    },
    sample: 'injected-reset',
  },
  session(s, ctx) {
    const reset = s.ending.reset
    if (ctx.explained(s) || reset === null || s.ending.quit || (s.mysql === null && s.tls === null)) return
    const signals = signalsOf(s, reset, ctx.fleet)
    const confidence = weigh(signals)
    if (confidence === null) return
    const lost = s.ending.lost
    const name = reset.dir === CLIENT ? s.client : s.server
    const evidence: RuleEvidence[] = lost === null ? [] : commandEvidence(lost)
    evidence.push(
      { kind: 'frames', frames: [reset.frame], says: `RST in the name of ${name}` },
      ...evidenceOf(s, reset, signals, name),
    )
    const names = namesOf(signals)
    ctx.report({
      session: s,
      at: reset.at,
      cause: `injected ${reset.dir === CLIENT ? s.clientIp : s.serverIp} ${reset.dir}`,
      severity: lost === null && !(s.ending.first?.inTransaction ?? false) ? 'warning' : 'error',
      confidence,
      culprit: { role: 'middlebox', address: null, product: null },
      title: (all) =>
        `A device on the path reset ${all.length === 1 ? 'a connection' : `${all.length} connections`} in the name of ${reset.dir === CLIENT ? s.clientIp : s.serverIp}` +
        (lost === null
          ? ''
          : all.length === 1
            ? `; ${commandWords(lost)} was lost`
            : `; ${all.filter((v) => v.command !== null).length} commands lost`),
      detail: {
        inTheNameOf: reset.dir === CLIENT ? 'client' : 'server',
        signals: names,
        ttl: reset.ttl,
        ttlBefore: reset.ttlBefore < 0 ? null : reset.ttlBefore,
      },
      command: lost?.name ?? null,
      statement: lost?.text ?? null,
      outcome: lost?.outcome ?? 'none',
      evidence,
      excluded: [
        `a close by ${name} itself: ${signals.goesOn ? 'it went on sending' : signals.missingElsewhere !== null ? 'a capture nearer to it shows no such RST' : names.join(', ')}`,
      ],
      remedy: this.meta.fix,
    })
  },
})

function signalsOf(s: Session, r: ResetFact, fleet: Fleet): Signals {
  const path = r.dir === SERVER ? s.handshakeTimes.toServer : s.handshakeTimes.toClient
  const others = s.ending.resets.filter((x) => x !== r && x.accepted)
  return {
    // A kernel that has sent RST has no connection left to speak for: only more RSTs could come from it.
    goesOn: r.followed > 0 && r.followedAt - r.at > MISORDERED,
    missingElsewhere: missingElsewhere(s, r, fleet),
    faster: path > MEASURABLE && r.afterPeer >= 0 && r.afterPeer < path / 2 && lastOfPeerIsTrigger(s, r),
    bothSides: others.find((x) => x.dir !== r.dir && Math.abs(x.at - r.at) < Math.max(NS_PER_MS, path / 2)) ?? null,
    series: new Set(
      s.ending.resets
        .filter((x) => x.dir === r.dir && x.seqDelta > 0 && x.at - r.at < NS_PER_MS * 10)
        .map((x) => x.seqDelta),
    ).size,
    ttl: r.ttlBefore >= 0 && r.ttl !== r.ttlBefore,
    stranger: stranger(s, r, fleet),
  }
}

/**
 * A bare RST, as from a host without that socket, into the middle of work, from another distance than the server: somebody on
 * the way. Unless the address has moved to another host: then later connections find the server at the distance of the RST.
 */
function stranger(s: Session, r: ResetFact, fleet: Fleet): Signals['stranger'] {
  if (r.dir !== SERVER || r.ttlBefore < 0 || r.ttl === r.ttlBefore || !unknownThere(s)) return null
  if (s.ending.lost!.at - s.sides[SERVER].lastDataAt > LONG_SILENCE) return null
  let unmoved = false
  for (const t of fleet.atEndpointOf(s)) {
    if (t === s || t.sides[SERVER].lastDataAt <= r.at || t.sides[SERVER].ttl < 0 || t.ending.reset !== null) continue
    if (t.startAt > r.at && t.sides[SERVER].ttl === r.ttl) return null
    if (t.clientIp === s.clientIp && t.sides[SERVER].ttl === r.ttlBefore) unmoved = true
  }
  return unmoved ? 'server-unmoved' : 'alone'
}

/** The other side had just sent data, so that the RST can be an answer to it. */
function lastOfPeerIsTrigger(s: Session, r: ResetFact): boolean {
  const peer = s.sides[otherSide(r.dir)]
  return Math.abs(r.at - r.afterPeer - peer.lastDataAt) < 1000
}

function weigh(x: Signals): Confidence | null {
  if (x.missingElsewhere !== null) return 'certain'
  if (x.goesOn) return 'likely'
  // A kernel answers from its own distance: sooner than half a round trip and from another distance is somebody else.
  if (x.faster && x.ttl) return 'likely'
  if (x.stranger !== null) return x.stranger === 'server-unmoved' ? 'likely' : 'possible'
  const weaker = Number(x.faster) + Number(x.bothSides !== null) + Number(x.series >= 2) + Number(x.ttl)
  return weaker >= 2 && (x.bothSides !== null || x.series >= 2) ? 'possible' : null
}

/** A capture of the same connection nearer to the supposed sender covers that moment and shows no RST from it. */
function missingElsewhere(s: Session, r: ResetFact, fleet: Fleet): Session | null {
  for (const t of otherVantages(s, fleet)) {
    if (!nearer(t, s, r.dir) || t.ending.resets.some((x) => x.dir === r.dir) || t.ending.first?.by === r.dir) continue
    if (neighbours(fleet).endOf(t.input) - r.at > MARGIN || t.ending.first !== null) return t
  }
  return null
}

/** Whether capture point `a` lies nearer to that side than `b`: the handshake's halves say so. */
function nearer(a: Session, b: Session, dir: Direction): boolean {
  const [x, y] =
    dir === SERVER
      ? [a.handshakeTimes.toServer, b.handshakeTimes.toServer]
      : [a.handshakeTimes.toClient, b.handshakeTimes.toClient]
  return x >= 0 && y >= 0 && x < y
}

function evidenceOf(s: Session, r: ResetFact, x: Signals, name: string): RuleEvidence[] {
  const out: RuleEvidence[] = []
  if (x.goesOn) {
    out.push({
      kind: 'frames',
      frames: [r.followedFrame],
      says: `${name} still sends ${formatDuration(r.followedAt - r.at)} later${r.followedBytes > 0 ? `, ${r.followedBytes} bytes in all` : ''}: it has not reset anything`,
    })
  }
  if (x.missingElsewhere !== null) {
    const t = x.missingElsewhere
    out.push({
      kind: 'frames',
      frames: [t.lastFrame],
      says: `last frame of the same connection in ${t.input}, nearer to ${name}: no RST from it there`,
      of: t,
    })
  }
  if (x.faster)
    out.push({
      kind: 'measure',
      name: 'RST after the segment that it answers',
      value: r.afterPeer / 1e9,
      unit: 's',
      compared: `round trip ${formatDuration(r.dir === SERVER ? s.handshakeTimes.toServer : s.handshakeTimes.toClient)}`,
    })
  if (x.bothSides !== null)
    out.push({ kind: 'frames', frames: [x.bothSides.frame], says: 'a RST in the other side’s name in the same moment' })
  if (x.series >= 2)
    out.push({ kind: 'measure', name: 'RSTs with different sequence numbers', value: x.series, unit: '' })
  if (x.ttl)
    out.push({
      kind: 'measure',
      name: 'time to live of the RST',
      value: r.ttl,
      unit: 'hops',
      compared: `${r.ttlBefore} in the segments of ${name} before`,
    })
  return out
}

function namesOf(x: Signals): string[] {
  const out: string[] = []
  if (x.goesOn) out.push('goes-on')
  if (x.missingElsewhere !== null) out.push('missing-elsewhere')
  if (x.faster) out.push('faster-than-path')
  if (x.bothSides !== null) out.push('both-sides')
  if (x.series >= 2) out.push('series')
  if (x.ttl) out.push('ttl')
  if (x.stranger !== null) out.push('stranger')
  return out
}
