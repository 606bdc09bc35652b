/** A request larger than max_allowed_packet: refused with 1153, or cut off while it was still being sent (net_serv.cc, net_realloc). */
import { CLIENT, SERVER } from '../../core/direction.ts'
import { NS_PER_SECOND } from '../../core/time.ts'
import { commandName } from '../../mysql/commands.ts'
import type { CommandFact, ErrorFact, Session } from '../../session/session.ts'
import { acceptingSide, closeEvidence, commandEvidence, networkExcluded } from '../describe.ts'
import type { Fleet } from '../fleet.ts'
import { clientsHit } from '../refusal.ts'
import { type Culprit, defineRule, type RuleEvidence } from '../rule.ts'
import { hiddenByTls } from '../tls-hidden.ts'

/** ER_NET_PACKET_TOO_LARGE. */
const TOO_LARGE = 1153
/** The smallest default that max_allowed_packet ever had (MySQL up to 5.6.5); smaller limits say 1153 or stay unnamed. */
const SMALLEST_LIMIT = 1 << 20
/** The sender was still at it: no longer than this since its last bytes. */
const STILL_SENDING = NS_PER_SECOND

interface TooLarge {
  root: Session
  error: ErrorFact | null
  command: CommandFact | null
  /** Size as the header declares it; of a request in TLS what had been sent. */
  bytes: number
}

export default defineRule({
  meta: {
    id: 'packet-too-large',
    family: 'cut',
    title: 'A request was larger than max_allowed_packet',
    severity: 'error',
    what:
      'The server answered a request with 1153 (Got a packet bigger than max_allowed_packet bytes) and closed; or it closed, mostly with RST, in the middle of a request of 1 MiB or more ' +
      'that was still being sent, so that the answer could not be read.',
    why: 'The server stops reading, and its kernel answers the rest of the upload with RST: the client often sees ECONNRESET, EPIPE or "server has gone away" (2006) and never the 1153.',
    cannotTell:
      'Without a readable 1153 the size alone speaks: something else that cuts long uploads (a firewall with a size limit) looks the same. The server’s variable decides.',
    fix: [
      {
        text: 'Raise the limit on the server, on every proxy and in the client, or send the data in smaller pieces',
        config: 'max_allowed_packet (server and client); mysql-max_allowed_packet (ProxySQL)',
      },
    ],
    needs: ['tcp', 'mysql'],
    quiet: [
      'large requests that were answered',
      'a small request cut off',
      'a client that closed in the middle of its own upload',
      'all connections of the server cut in the same moment (server-crash)',
    ],
    references: [
      { title: 'MySQL manual: Packet Too Large', url: 'https://dev.mysql.com/doc/refman/8.4/en/packet-too-large.html' },
    ],
    detail: {
      bytes:
        'size of the request: as its header declares it, or what had been sent of it in TLS; null when the 1153 is all that was seen',
      error: '1153 when it was readable, null otherwise',
    },
    sample: 'packet-too-large',
  },
  session(s, ctx) {
    if (ctx.explained(s)) return
    const back = ctx.fleet.backLeg(s)
    // The first cause is the server’s: a proxy only passes it on.
    const found = (back === null ? null : tooLarge(back, ctx.fleet)) ?? tooLarge(s, ctx.fleet)
    if (found === null || (found.root !== s && !brokeToo(s) && tooLarge(s, ctx.fleet) === null)) return
    const { root, error, command, bytes } = found
    const culprit = acceptingSide(root, ctx.fleet)
    const first = s.ending.first
    const evidence: RuleEvidence[] = command === null ? [] : commandEvidence(command).map((e) => ({ ...e, of: root }))
    if (bytes > 0)
      evidence.push({
        kind: 'measure',
        name: 'size of the request',
        value: bytes,
        unit: 'B',
        compared: 'max_allowed_packet',
      })
    if (error !== null)
      evidence.push({
        kind: 'frames',
        frames: [error.frame],
        says: `the server said ${error.code} ${error.message}`,
        of: root,
      })
    if (first !== null && (error === null || first.at - error.at < STILL_SENDING))
      evidence.push(closeEvidence(s, first))
    ctx.report({
      session: s,
      at: error?.at ?? first!.at,
      cause: `too large ${root.server}`,
      severity: 'error',
      confidence: error !== null ? 'certain' : command?.complete === false ? 'likely' : 'possible',
      culprit,
      title: (all) => title(clientsHit(all), culprit, bytes, error !== null),
      detail: { bytes: bytes > 0 ? bytes : null, error: error?.code ?? null },
      command: command?.name ?? (error !== null && error.op >= 0 ? commandName(error.op) : null),
      statement: command?.text ?? error?.statement ?? null,
      outcome: error !== null ? 'not-delivered' : (command?.outcome ?? 'not-delivered'),
      evidence,
      excluded: [
        ...(first?.by === SERVER ? ['the client: it was still sending and had not closed'] : []),
        ...networkExcluded(s),
      ],
      remedy: this.meta.fix,
    })
  },
})

/** What this leg itself shows of it. */
function tooLarge(s: Session, fleet: Fleet): TooLarge | null {
  const { first, lost } = s.ending
  const error = s.mysql?.errorFacts.findLast((e) => e.code === TOO_LARGE) ?? null
  if (error !== null) {
    // The command stands unfinished in the capture when the server answered before it was whole.
    const command = lost ?? first?.outstanding ?? null
    return { root: s, error, command, bytes: command?.length || error.commandLength }
  }
  if (first === null || lost === null || first.by !== SERVER || s.ending.lostAfterClose || s.ending.quit) return null
  // A request that the capture has not whole may have been.
  if (s.sides[CLIENT].snaplenBytes > 0 || s.sides[CLIENT].lostBytes > 0) return null
  if (
    first.at - first.lastClientDataAt > STILL_SENDING ||
    lost.replyFrame > 0 ||
    (fleet.isProxy(s.serverIp) && fleet.backLeg(s) !== null)
  )
    return null
  if (hiddenByTls(s)) {
    // Sizes in TLS: what was sent without a pause for an answer; only from the smallest default on does it speak.
    return first.sentBehind >= SMALLEST_LIMIT
      ? { root: s, error: null, command: { ...lost, complete: true }, bytes: first.sentBehind }
      : null
  }
  return !lost.complete && lost.length >= SMALLEST_LIMIT
    ? { root: s, error: null, command: lost, bytes: lost.length }
    : null
}

/** The other leg broke with it. */
const brokeToo = (s: Session): boolean =>
  s.ending.first?.by === SERVER && !s.ending.quit && (s.ending.lost !== null || s.ending.first.outstanding !== null)

function title(n: number, culprit: Culprit, bytes: number, named: boolean): string {
  const who = `${culprit.product ?? (culprit.role === 'proxy' ? 'The proxy' : 'The server')} ${culprit.address}`
  const size = bytes > 0 ? ` of ${bytes.toLocaleString('en-US')} bytes` : ''
  const what = n === 1 ? `a request${size}` : `${n} requests too large`
  return `${who} ${named ? 'refused' : 'cut off'} ${what}: larger than max_allowed_packet${named ? ' (1153)' : ', as it seems'}`
}
