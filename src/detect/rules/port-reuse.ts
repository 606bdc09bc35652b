/**
 * A client port was used again while the server still held the old connection (or its TIME-WAIT): the SYN is answered by a
 * challenge ACK (RFC 5961 4.2) instead of SYN-ACK, the client resets the old one, and its SYN must wait for its timer.
 */
import { CLIENT, SERVER } from '../../core/direction.ts'
import { formatDuration, NS_PER_SECOND } from '../../core/time.ts'
import type { Session } from '../../session/session.ts'
import { seconds } from '../describe.ts'
import type { Fleet } from '../fleet.ts'
import { defineRule, type RuleEvidence } from '../rule.ts'

const ANSWERED_WITHIN = NS_PER_SECOND

export default defineRule({
  meta: {
    id: 'port-reuse',
    family: 'network',
    title: 'A client port was reused while its old connection was still held',
    severity: 'error',
    what: 'The server answered a SYN with an ACK that speaks of an older connection on the same ports (challenge ACK); the client answered RST, and connected, if at all, with the SYN sent again about a second later.',
    why: 'Connecting takes one second or more instead of a millisecond, or fails against a short connect timeout. Too few ports for the connection rate, mostly behind NAT.',
    cannotTell:
      'Who let the old connection linger: a client host that died, a NAT device that forgot it, or a FIN that was lost.',
    fix: [
      { text: 'Keep connections in a pool instead of opening one per request', config: '' },
      {
        text: 'Give clients and NAT devices more ports and addresses',
        config: 'net.ipv4.ip_local_port_range = 1024 65000; more SNAT addresses',
      },
    ],
    needs: ['tcp'],
    quiet: [
      'ports reused after an orderly close (SYN answered by SYN-ACK)',
      'a SYN that was lost and sent again',
      'a SYN-ACK that the capture lost',
    ],
    references: [
      { title: 'RFC 5961 4.2, challenge ACK for a SYN', url: 'https://www.rfc-editor.org/rfc/rfc5961#section-4.2' },
      {
        title: 'RFC 9293 3.6.1, half-open connections and TIME-WAIT',
        url: 'https://www.rfc-editor.org/rfc/rfc9293#section-3.6.1',
      },
    ],
    detail: {
      delaySeconds: 'from the first SYN to the SYN-ACK, null when none came',
      oldConnection: 'session id of the older connection, null when it was not captured',
    },
    sample: 'port-reuse',
  },
  session(s, ctx) {
    if (ctx.explained(s) || s.challengeFrame === 0) return
    const reset = s.ending.resets.find(
      (r) => r.dir === CLIENT && r.at >= s.challengeAt && r.at - s.challengeAt <= ANSWERED_WITHIN,
    )
    if (reset === undefined && s.synRetransmissions === 0) return
    const connected = s.synAckFrame > 0
    // The server went on to talk: only the capture lacks the SYN-ACK.
    if (!connected && s.sides[SERVER].bytes > 0) return
    const delay = connected ? s.handshakeTimes.toServer : -1
    const old = oldConnection(s, ctx.fleet)
    const evidence: RuleEvidence[] = [
      {
        kind: 'frames',
        frames: [s.synFrame, s.challengeFrame],
        says: 'SYN answered by an ACK that does not acknowledge it: the server still holds an older connection on these ports',
      },
    ]
    if (reset !== undefined)
      evidence.push({
        kind: 'frames',
        frames: [reset.frame],
        says: `RST from ${s.client}: it knows no such connection`,
      })
    if (connected)
      evidence.push(
        { kind: 'frames', frames: [s.synAckFrame], says: 'SYN-ACK for the SYN sent again' },
        seconds('time to connect', delay, 'the SYN timer of 1 s (RFC 6298 2)'),
      )
    if (old !== null)
      evidence.push({
        kind: 'frames',
        frames: [old.lastFrame],
        says: `last frame of the older connection, which never closed`,
        of: old,
      })
    ctx.report({
      session: s,
      at: s.startAt,
      cause: `port-reuse ${s.clientIp} ${s.server}`,
      severity: connected ? 'warning' : 'error',
      confidence: reset !== undefined ? 'certain' : 'likely',
      culprit: { role: 'network', address: s.clientIp, product: null },
      title: (all) =>
        `${all.length === 1 ? 'A port' : `${all.length} ports`} of ${s.clientIp} ${all.length === 1 ? 'was' : 'were'} reused while ${s.server} still held the old connection${
          connected ? `: connecting took ${formatDuration(delay)}` : ': no connection came about'
        }`,
      detail: { delaySeconds: connected ? Math.round(delay / 1e6) / 1e3 : null, oldConnection: old?.id ?? null },
      command: null,
      statement: null,
      outcome: 'none',
      evidence,
      excluded: ['packet loss: the first SYN was answered', 'a refusal: the answer was an ACK, not a RST'],
      remedy: this.meta.fix,
    })
  },
})

/** The connection that had the endpoints before, in the same capture. */
function oldConnection(s: Session, fleet: Fleet): Session | null {
  let old: Session | null = null
  for (const t of fleet.atEndpointOf(s)) {
    if (t === s || t.client !== s.client || t.startAt >= s.startAt) continue
    if (old === null || t.startAt > old.startAt) old = t
  }
  return old
}
