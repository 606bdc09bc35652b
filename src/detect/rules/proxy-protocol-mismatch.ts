/** A PROXY protocol header that the other side does not expect, or none where it waits for one. */
import { CLIENT } from '../../core/direction.ts'
import { formatDuration, NS_PER_SECOND } from '../../core/time.ts'
import type { ErrorFact, Session } from '../../session/session.ts'
import { attemptOf } from '../attempt.ts'
import { closeEvidence } from '../describe.ts'
import type { Fleet } from '../fleet.ts'
import { finishedLogin, neighbours } from '../neighbours.ts'
import { clientsHit, count, hostNamed, namesAnother } from '../refusal.ts'
import { type Culprit, defineRule, type RuleEvidence, type Verdict } from '../rule.ts'

/** ER_NET_PACKETS_OUT_OF_ORDER, ER_HANDSHAKE_ERROR, ER_NET_READ_ERROR, ER_HOST_NOT_PRIVILEGED: how servers refuse a header. */
const UNREADABLE = new Set([1156, 1043, 1158, 1159])
const NOT_ALLOWED = 1130
/** A header that is accepted is followed by a login; a server that waits on in it closes on a timer. */
const ANSWERS_WITHIN = 60 * NS_PER_SECOND

interface Mismatch {
  how: 'header-not-accepted' | 'header-missing'
  culprit: Culprit
  confidence: Verdict['confidence']
  root: Session
  error: ErrorFact | null
  evidence: RuleEvidence[]
  excluded: string[]
}

export default defineRule({
  meta: {
    id: 'proxy-protocol-mismatch',
    family: 'protocol',
    title: 'PROXY protocol on one side only',
    severity: 'error',
    what:
      'A proxy sent a PROXY protocol header (send-proxy) and the other side took it for a broken login: 1156, 1043, MariaDB’s 1130, or a close before any login; ' +
      'or an endpoint that others reach with such a header kept silent towards a connection without one. On the client’s leg alone: an error about packets that the client has not sent.',
    why: 'Every connection on that path fails, whatever the client does.',
    cannotTell:
      'An endpoint that waits for a header and gets none looks like one that hangs, as long as no connection with a header is captured.',
    fix: [
      {
        text: 'Let the server accept the header from the proxy’s addresses',
        config: 'MariaDB, Percona: proxy_protocol_networks=<proxy>; ProxySQL: mysql-proxy_protocol_networks',
      },
      {
        text: 'Or do not send it: MySQL Server does not know it',
        config: 'HAProxy: server … without send-proxy / send-proxy-v2',
      },
      {
        text: 'Where a header is awaited, send one',
        config: 'HAProxy: bind … accept-proxy needs send-proxy on the hop before',
      },
    ],
    needs: ['mysql'],
    quiet: [
      'a header followed by a login that succeeds',
      'a header, and then a refused password',
      'a header, and an error that names the address of the header (it was accepted)',
      'packets that are really out of order',
    ],
    references: [
      { title: 'The PROXY protocol', url: 'https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt' },
      { title: 'MariaDB: Proxy Protocol Support', url: 'https://mariadb.com/kb/en/proxy-protocol-support/' },
    ],
    detail: {
      how: 'header-not-accepted or header-missing',
      version: 'version of the header, 1 or 2; null when it was not captured',
      errorCode: 'error with which the server answered, null if none',
    },
    sample: 'proxy-protocol-mismatch',
  },
  session(s, ctx) {
    if (ctx.explained(s)) return
    const m = refusedHeader(s) ?? front(s, ctx.fleet) ?? missing(s, ctx.fleet)
    if (m === null) return
    const { culprit } = m
    const version = m.root.mysql?.proxyHeader?.version ?? null
    const first = s.ending.first
    ctx.report({
      session: s,
      at: m.error?.at ?? first?.at ?? s.endAt,
      cause: `${m.how} ${culprit.role} ${culprit.address}`,
      severity: 'error',
      confidence: m.confidence,
      culprit,
      title: (all) =>
        m.how === 'header-missing'
          ? `${s.server} waits for a PROXY protocol header; ${count(clientsHit(all), 'a connection', 'connections')} came without one`
          : `Proxy ${culprit.address} sends a PROXY protocol header that the server does not take; ${count(clientsHit(all), 'a connection', 'connections')} failed`,
      detail: { how: m.how, version, errorCode: m.error?.code ?? null },
      command: null,
      statement: null,
      outcome: 'none',
      evidence: [...m.evidence, ...(first === null ? [] : [closeEvidence(s, first)])],
      excluded: m.excluded,
      remedy: this.meta.fix,
    })
  },
})

/** The leg on which a header was sent and not taken. */
function refusedHeader(s: Session): Mismatch | null {
  const header = s.mysql?.proxyHeader ?? null
  if (header === null || s.mysql === null || finishedLogin(s) || s.tls !== null) return null
  const first = s.ending.first
  const error = s.mysql.errorFacts.find((e) => complains(e, s)) ?? null
  const login = s.mysql.loginFrame
  if (error === null) {
    // Refused without a word: the accepting side closed, or waited for the rest of a packet, and no login came of it.
    if (
      s.mysql.errorFacts.length > 0 ||
      first === null ||
      first.by === CLIENT ||
      login > 0 ||
      first.at - s.startAt > ANSWERS_WITHIN
    )
      return null
  } else if (login > 0 && login < error.frame && error.code === NOT_ALLOWED && !saysSo(error)) return null
  const evidence: RuleEvidence[] = [
    {
      kind: 'frames',
      frames: [s.mysql.proxyHeaderFrame],
      says: `PROXY header version ${header.version}${header.source === '' ? '' : ` for ${header.source}`} sent by ${s.client}`,
    },
  ]
  if (error !== null)
    evidence.push({ kind: 'frames', frames: [error.frame], says: `ERR ${error.code} ${error.message}` })
  return {
    how: 'header-not-accepted',
    culprit: { role: 'proxy', address: s.clientIp, product: null },
    confidence: error !== null ? 'certain' : 'possible',
    root: s,
    error,
    evidence,
    excluded: ['the client: its login had not been passed on', 'packet loss: the header arrived whole'],
  }
}

/** An error that a server makes of a header, not of what it announces. */
function complains(e: ErrorFact, s: Session): boolean {
  if (e.phase === 'reply') return false
  if (UNREADABLE.has(e.code)) return true
  const host = hostNamed(e)
  const source = s.mysql!.proxyHeader!.source
  return e.code === NOT_ALLOWED && !(host !== null && source.startsWith(host))
}

/** The client's leg of such a connection, with the other leg in hand or without it. */
function front(s: Session, fleet: Fleet): Mismatch | null {
  const named = s.mysql?.errorFacts.find(saysSo)
  if (named !== undefined && s.mysql?.proxyHeader == null && fleet.backLeg(s) === null) return saidSo(s, named)
  if (
    s.mysql === null ||
    s.mysql.greeting === null ||
    s.mysql.proxyHeader !== null ||
    finishedLogin(s) ||
    s.foreign.length > 0
  )
    return null
  const back = fleet.backLeg(s)
  const behind = back === null ? null : refusedHeader(back)
  const error =
    s.mysql.errorFacts.find(
      (e) => e.phase === 'auth' && (e.code === 1156 || (e.code === NOT_ALLOWED && elsewhere(e, s))),
    ) ?? null
  if (behind !== null && back !== null) {
    const own: RuleEvidence[] =
      error === null
        ? []
        : [
            {
              kind: 'frames',
              frames: [error.frame],
              says: `ERR ${error.code} ${error.message}, passed on to ${s.client}`,
            },
          ]
    return {
      ...behind,
      error: error ?? behind.error,
      evidence: [...behind.evidence.map((e): RuleEvidence => ({ ...e, of: back })), ...own],
    }
  }
  // 1156 is about packets. The client sent none, or one with the right number: somebody else's bytes came first.
  if (back !== null || error === null || s.mysql.outOfOrder.count > 0 || s.tls !== null) return null
  // The server’s packets alone do not show what the client sent.
  if (s.sides[CLIENT].segments === 0) return null
  const silent = s.sides[CLIENT].bytes === 0 || s.sides[CLIENT].lastDataAt >= error.at
  if (!silent && s.mysql.loginFrame === 0) return null
  const sent = silent ? 'the client had sent nothing' : 'the client’s only packet was a sound login'
  return {
    how: 'header-not-accepted',
    culprit: { role: 'proxy', address: s.serverIp, product: null },
    confidence: silent ? 'likely' : 'possible',
    root: s,
    error,
    evidence: [{ kind: 'frames', frames: [error.frame], says: `ERR ${error.code} ${error.message}; ${sent}` }],
    excluded: [`the client: ${sent}`],
  }
}

/** MariaDB’s own words for it (10.11); they name who sent the header, where the message was captured whole. */
const saysSo = (e: ErrorFact): boolean => e.code === NOT_ALLOWED && e.message.startsWith('Proxy header is ')
const sender = (e: ErrorFact): string | null =>
  e.code === NOT_ALLOWED ? (/^Proxy header is not accepted from (\S+)/.exec(e.message)?.[1] ?? null) : null

/** The client’s leg alone, on which the server’s own words came through. */
function saidSo(s: Session, error: ErrorFact): Mismatch {
  return {
    how: 'header-not-accepted',
    culprit: { role: 'proxy', address: sender(error) ?? s.serverIp, product: null },
    confidence: 'certain',
    root: s,
    error,
    evidence: [{ kind: 'frames', frames: [error.frame], says: `ERR ${error.code} ${error.message}` }],
    excluded: ['the client: MySQL clients send no PROXY header', 'the password: the server had not looked at it'],
  }
}

/** A greeting went out, so the client's own address was let in; the error speaks of another. */
const elsewhere = (e: ErrorFact, s: Session): boolean => namesAnother(hostNamed(e) ?? '', s)

/** Others reach this endpoint with a header; this connection brought none and got no greeting. */
function missing(s: Session, fleet: Fleet): Mismatch | null {
  const attempt = attemptOf(s, fleet)
  if (attempt !== 'closed-without-greeting' && attempt !== 'given-up-on-greeting') return null
  const served = neighbours(fleet)
    .acceptedBy(s.server)
    .find((t) => t.mysql?.proxyHeader != null && finishedLogin(t))
  if (served === undefined) return null
  const closed = s.ending.first?.at ?? s.endAt
  return {
    how: 'header-missing',
    culprit: { role: 'client', address: s.clientIp, product: null },
    confidence: 'likely',
    root: s,
    error: null,
    evidence: [
      { kind: 'frames', frames: [s.synAckFrame], says: `${s.server} accepts ${s.client} and does not greet` },
      {
        kind: 'silence',
        from: s.startAt,
        to: closed,
        says: `no byte from either side for ${formatDuration(closed - s.startAt)}`,
      },
      {
        kind: 'frames',
        frames: [served.mysql!.proxyHeaderFrame],
        says: `${served.client} sends a PROXY header to the same endpoint and is served`,
        of: served,
      },
    ],
    excluded: ['a server that is down: it serves connections that bring the header'],
  }
}
