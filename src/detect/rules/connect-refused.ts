/** Nobody listened: RST or ICMP answered the SYN, or the connection was accepted and closed without a greeting. */

import { ipv4Text } from '../../core/address.ts'
import { CLIENT, SERVER } from '../../core/direction.ts'
import { formatDuration } from '../../core/time.ts'
import type { ErrorFact, Session } from '../../session/session.ts'
import { attemptOf, behind } from '../attempt.ts'
import { acceptingSide, closeEvidence } from '../describe.ts'
import type { Fleet } from '../fleet.ts'
import { neighbours } from '../neighbours.ts'
import { capital, count, culpritWords } from '../refusal.ts'
import { type Culprit, defineRule, type RuleEvidence, type Verdict } from '../rule.ts'

/** CR_CONNECTION_ERROR, CR_CONN_HOST_ERROR: errors of client libraries. In place of a greeting only a proxy can have written them. */
const NO_SERVER = new Set([2002, 2003])
/** A RST whose time to live differs by this much from the host's other packets was sent by another machine. */
const OTHER_TTL = 2

interface Refused {
  culprit: Culprit
  confidence: Verdict['confidence']
  how: 'reset' | 'icmp' | 'closed-without-greeting' | 'no-server-behind'
  root: Session
  evidence: RuleEvidence[]
  excluded: string[]
}

export default defineRule({
  meta: {
    id: 'connect-refused',
    family: 'handshake',
    title: 'The connection was refused',
    severity: 'error',
    what:
      'A connection attempt was answered by RST or by an ICMP refusal, or it was accepted and closed by the accepting side before a greeting: a proxy that has no server to give. ' +
      'Front connections whose proxy met a refusal behind it are told together with that refusal.',
    why: 'The application cannot connect: "Can’t connect to MySQL server" (2003), ECONNREFUSED, or "Lost connection … reading initial communication packet" (2013) behind a proxy.',
    cannotTell:
      'Whether the server is down, listens elsewhere, or a firewall answers in its name (REJECT with tcp-reset), unless the time to live gives it away. ' +
      'A front connection closed without a greeting is a proxy’s word only as long as the leg behind it was not captured.',
    fix: [
      {
        text: 'See whether the server runs and listens on this address',
        config: 'ss -ltnp | grep 3306; bind_address, port, skip_networking',
      },
      {
        text: 'Let the proxy check its servers, and stop accepting when it has none',
        config: 'HAProxy: server … check; monitor fail',
      },
    ],
    needs: ['tcp'],
    quiet: [
      'a port scan: an address that knocks at many endpoints and logs in nowhere',
      'SYN and RST both from the client (a health check)',
      'a connection closed by the client',
      'a RST that does not acknowledge the SYN',
    ],
    references: [
      { title: 'RFC 9293 3.10.7.1, CLOSED state', url: 'https://www.rfc-editor.org/rfc/rfc9293#section-3.10.7.1' },
      {
        title: 'MySQL manual: Can’t connect to MySQL server',
        url: 'https://dev.mysql.com/doc/refman/8.4/en/can-not-connect-to-server.html',
      },
    ],
    detail: {
      how: 'reset: RST to the SYN; icmp; closed-without-greeting: accepted and closed with no byte; no-server-behind: a proxy closed or said 2003 because its own attempts were refused',
      answeredBy: 'server, proxy or middlebox: who refused',
      endpoint: 'the endpoint that refused',
    },
    sample: 'connect-refused',
  },
  session(s, ctx) {
    if (ctx.explained(s)) return
    const r = refused(s, ctx.fleet)
    if (r === null) return
    const { culprit, root } = r
    ctx.report({
      session: s,
      at: s.ending.first?.at ?? s.startAt,
      cause: `${culprit.role} ${culprit.address} ${root.server}${r.how === 'icmp' ? ' icmp' : ''}`,
      severity: 'error',
      confidence: r.confidence,
      culprit,
      title: (all) => title(all, r),
      detail: { how: r.how, answeredBy: culprit.role, endpoint: root.server },
      command: null,
      statement: null,
      outcome: 'none',
      evidence: r.evidence,
      excluded: r.excluded,
      remedy: this.meta.fix,
    })
  },
})

function title(all: readonly Verdict[], r: Refused): string {
  const who = capital(culpritWords(r.culprit))
  if (r.how === 'closed-without-greeting')
    return `${who} accepted ${count(all.length, 'a connection', 'connections')} and closed ${all.length === 1 ? 'it' : 'them'} without a greeting`
  const front = all.filter((v) => v.detail['how'] === 'no-server-behind').length
  const tries = count(all.length - front, 'a connection attempt', 'connection attempts')
  if (front === 0) return `${r.root.server} refused ${tries}: nothing listens there, or a filter rejects`
  if (front === all.length)
    return `${who} refused what a proxy opened; ${count(front, 'a client was', 'clients were')} turned away`
  return `${r.root.server} refused ${tries} of a proxy; ${count(front, 'a client was', 'clients were')} turned away`
}

function refused(s: Session, fleet: Fleet): Refused | null {
  const attempt = attemptOf(s, fleet)
  if (neighbours(fleet).isScanner(s.clientIp)) return null
  if (attempt === 'refused') return byReset(s, fleet)
  if (attempt === 'prohibited') return byIcmp(s)
  const error = s.mysql?.errorFacts.find((e) => NO_SERVER.has(e.code) && e.phase === 'greeting')
  if (attempt !== 'closed-without-greeting' && attempt !== 'given-up-on-greeting' && error === undefined) return null
  const back = behind(s, fleet)
  const cause = back === null ? null : attemptOf(back, fleet)
  if (back !== null && (cause === 'refused' || cause === 'prohibited' || cause === 'closed-without-greeting'))
    return turnedAway(s, back, error, fleet)
  if (back !== null || attempt === 'given-up-on-greeting') return null
  return error === undefined ? withoutGreeting(s, fleet) : noServer(s, error)
}

function byReset(s: Session, fleet: Fleet): Refused {
  const reset = s.ending.reset!
  const usual = neighbours(fleet)
    .acceptedBy(s.server)
    .find((t) => t.sides[SERVER].ttl > 0 && t.synAckFrame > 0 && t.input === s.input)?.sides[SERVER].ttl
  const other = usual !== undefined && Math.abs(usual - reset.ttl) >= OTHER_TTL
  const evidence: RuleEvidence[] = [
    {
      kind: 'frames',
      frames: [s.synFrame, reset.frame],
      says: `SYN of ${s.client}, answered by RST after ${formatDuration(reset.at - s.startAt)}`,
    },
  ]
  if (other)
    evidence.push({
      kind: 'measure',
      name: 'time to live of the RST',
      value: reset.ttl,
      unit: 'hops',
      compared: `${usual} in other packets of ${s.server}`,
    })
  return {
    culprit: other ? { role: 'middlebox', address: null, product: null } : known(s, fleet),
    confidence: other ? 'likely' : 'certain',
    how: 'reset',
    root: s,
    evidence,
    excluded: [
      'a timeout: the answer came at once',
      ...(usual === undefined || other
        ? []
        : ['a firewall in between: the RST has the time to live of the host’s other packets']),
    ],
  }
}

function byIcmp(s: Session): Refused {
  const icmp = s.icmpErrors.find((e) => e.about === CLIENT)!
  const reporter = s.clientIp.includes(':') ? null : ipv4Text(icmp.reporterIp)
  const itself = reporter === null || reporter === s.serverIp
  return {
    culprit: itself
      ? { role: 'server', address: s.serverIp, product: null }
      : { role: 'middlebox', address: reporter, product: null },
    confidence: 'certain',
    how: 'icmp',
    root: s,
    evidence: [
      {
        kind: 'frames',
        frames: [s.synFrame, icmp.frame],
        says: `SYN of ${s.client}, refused by ICMP type ${icmp.type} code ${icmp.code}${reporter === null ? '' : ` from ${reporter}`}`,
      },
    ],
    excluded: ['a timeout: the refusal came as an ICMP message'],
  }
}

/** The endpoint as its other sessions show it. */
const known = (s: Session, fleet: Fleet): Culprit => acceptingSide(neighbours(fleet).greeted(s.server) ?? s, fleet)

function turnedAway(s: Session, back: Session, error: ErrorFact | undefined, fleet: Fleet): Refused {
  const behindIt = refused(back, fleet)
  const first = s.ending.first
  const evidence: RuleEvidence[] = [
    { kind: 'frames', frames: [s.synAckFrame], says: `${s.server} accepts ${s.client}` },
  ]
  if (behindIt !== null) evidence.push(...behindIt.evidence.map((e): RuleEvidence => ({ ...e, of: e.of ?? back })))
  if (error !== undefined)
    evidence.push({ kind: 'frames', frames: [error.frame], says: `ERR ${error.code} ${error.message}` })
  if (first !== null) evidence.push(closeEvidence(s, first))
  return {
    culprit: behindIt?.culprit ?? known(back, fleet),
    confidence: 'likely',
    how: 'no-server-behind',
    root: behindIt?.root ?? back,
    evidence,
    excluded: [`the proxy’s own limits: its attempts behind this connection were refused by ${back.server}`],
  }
}

function withoutGreeting(s: Session, fleet: Fleet): Refused {
  const first = s.ending.first!
  const { address, product } = known(s, fleet)
  return {
    // A MySQL server greets or says why not: who closes in silence passes connections on and has nowhere to pass them.
    culprit: { role: 'proxy', address, product: fleet.isProxy(s.serverIp) ? product : null },
    confidence: fleet.isProxy(s.serverIp) ? 'likely' : 'possible',
    how: 'closed-without-greeting',
    root: s,
    evidence: [
      { kind: 'frames', frames: [s.synFrame, s.synAckFrame], says: `${s.server} accepts ${s.client}` },
      closeEvidence(s, first),
      {
        kind: 'silence',
        from: s.startAt,
        to: first.at,
        says: `no byte from either side in ${formatDuration(first.at - s.startAt)}`,
      },
    ],
    excluded: ['the client: it had not closed', 'a refusal by MySQL itself: it would have sent an ERR packet'],
  }
}

function noServer(s: Session, error: ErrorFact): Refused {
  return {
    culprit: { role: 'proxy', address: s.serverIp, product: /router/i.test(error.message) ? 'MySQL Router' : null },
    confidence: 'certain',
    how: 'no-server-behind',
    root: s,
    evidence: [
      {
        kind: 'frames',
        frames: [error.frame],
        says: `ERR ${error.code} ${error.message}: an error of client libraries, so a proxy wrote it`,
      },
    ],
    excluded: ['a network fault between client and proxy: the refusal is in words'],
  }
}
