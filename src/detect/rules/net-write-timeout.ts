/** A reader too slow: its receive window stayed closed (RFC 9293 3.8.6.1) until the server gave up writing the result. */
import { CLIENT, SERVER } from '../../core/direction.ts'
import { type Duration, formatDuration, NS_PER_SECOND } from '../../core/time.ts'
import type { FirstClose, Session } from '../../session/session.ts'
import { acceptingSide, closeEvidence, commandEvidence, commandWords, networkExcluded, seconds } from '../describe.ts'
import type { Fleet } from '../fleet.ts'
import { clientsHit, count } from '../refusal.ts'
import { defineRule, type RuleEvidence } from '../rule.ts'
import { hiddenByTls } from '../tls-hidden.ts'

/** net_write_timeout counts whole seconds (manual); timers and captures may differ a little. */
const SHORTEST = 0.9 * NS_PER_SECOND

interface Stalled {
  root: Session
  first: FirstClose
  /** How long the reader had refused data when the server gave up, or at the longest before that. */
  refused: Duration
  /** Still refusing at the close. */
  still: boolean
}

export default defineRule({
  meta: {
    id: 'net-write-timeout',
    family: 'cut',
    title: 'A reader too slow was cut off by the server',
    severity: 'error',
    what:
      'The client took no more data (window 0, answering every probe) for at least a second while a result was being sent, and the server closed the connection before the result was whole: ' +
      'net_write_timeout.',
    why: 'The rest of the result is lost; the reader sees a truncated result, "Lost connection" or "Application was streaming results when the connection failed". Locks and undo of the statement were held all that time.',
    cannotTell:
      'Why the reader stalled: work between rows, a pause of its runtime, a slow consumer behind it. KILL in the same moment would look the same.',
    fix: [
      {
        text: 'Read results to the end before working on them, or in smaller pieces',
        config: 'LIMIT, keyset pagination, a cursor with fetch size',
      },
      {
        text: 'Give streaming readers more time',
        config: 'net_write_timeout (60 s by default); Connector/J netTimeoutForStreamingResults',
      },
    ],
    needs: ['tcp'],
    quiet: [
      'a closed window that opened again and the result came whole',
      'a client that closed while its window was shut',
      'retransmissions without an answer (the path, not the reader)',
      'short closed windows before a close of another cause',
    ],
    references: [
      {
        title: 'MySQL manual: net_write_timeout',
        url: 'https://dev.mysql.com/doc/refman/8.4/en/server-system-variables.html#sysvar_net_write_timeout',
      },
      { title: 'RFC 9293 3.8.6.1, zero-window probing', url: 'https://www.rfc-editor.org/rfc/rfc9293#section-3.8.6.1' },
    ],
    detail: {
      refusedSeconds: 'how long the reader had taken nothing',
      stillRefusing: 'true when its window was shut at the close',
    },
    sample: 'net-write-timeout',
  },
  session(s, ctx) {
    if (ctx.explained(s)) return
    const back = ctx.fleet.backLeg(s)
    const stalled = stall(s, ctx.fleet) ?? (back === null ? null : stall(back, ctx.fleet))
    if (stalled === null) return
    const { root, refused, still } = stalled
    const own = s.ending.first
    if (own === null || (root !== s && (own.by !== SERVER || s.ending.quit || own.at < stalled.first.at))) return
    const lost = s.ending.lost ?? root.ending.lost
    const culprit = acceptingSide(root, ctx.fleet)
    const window = root.sides[CLIENT]
    const evidence: RuleEvidence[] =
      lost === null ? [] : commandEvidence(lost).map((e) => (s.ending.lost === null ? { ...e, of: root } : e))
    evidence.push(
      {
        kind: 'frames',
        frames: [window.zeroWindowFrame],
        says: `window 0 from ${root.client}: it takes no more data`,
        of: root,
      },
      seconds('no data taken for', refused, 'net_write_timeout'),
    )
    if (root !== s) evidence.push({ ...closeEvidence(root, stalled.first), of: root })
    evidence.push(closeEvidence(s, own))
    ctx.report({
      session: s,
      at: own.at,
      cause: `net_write_timeout ${root.server}`,
      severity: 'error',
      confidence: still && !hiddenByTls(root) ? 'likely' : 'possible',
      culprit,
      title: (all) =>
        `${culprit.product ?? 'The server'} ${culprit.address} cut off ${count(clientsHit(all), 'a reader', 'readers')} that took no data for ${formatDuration(refused)}` +
        (lost === null ? '' : `; the result of ${commandWords(lost)} was truncated`),
      detail: { refusedSeconds: Math.round(refused / 1e6) / 1e3, stillRefusing: still },
      command: lost?.name ?? null,
      statement: lost?.text ?? null,
      outcome: lost?.outcome ?? 'response-begun',
      evidence,
      excluded: [
        `packet loss as the cause of the stall: ${root.client} said window 0 itself${window.segments > 1 ? ' and answered the probes' : ''}`,
        'the client: it had not closed',
        ...networkExcluded(root),
      ],
      remedy: this.meta.fix,
    })
  },
})

/** The server closed in the middle of a result that its client did not take. */
function stall(s: Session, fleet: Fleet): Stalled | null {
  const first = s.ending.first
  if (first === null || first.by !== SERVER || s.ending.quit || s.ending.lostAfterClose) return null
  const client = s.sides[CLIENT]
  if (client.zeroWindows === 0) return null
  const back = fleet.backLeg(s)
  // A proxy's client leg closes because its server leg did.
  if (back?.ending.first != null && back.ending.first.at <= first.at && back.ending.first.by === SERVER) return null
  const still = client.zeroWindowSince >= 0 && client.zeroWindowSince <= first.at
  const refused = still ? first.at - client.zeroWindowSince : client.longestZeroWindow
  if (refused < SHORTEST) return null
  const begun = (first.outstanding ?? s.ending.lost)?.replyFrame ?? 0
  // In TLS the answer cannot be read: but a server that closes on a shut window has not got rid of what it had to say.
  if (begun === 0 && !(hiddenByTls(s) && still)) return null
  return { root: s, first, refused, still }
}
