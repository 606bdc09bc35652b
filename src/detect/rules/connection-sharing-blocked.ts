/** Why a router or proxy cannot share the server connection of a session. */
import { type Duration, formatDuration, NS_PER_SECOND } from '../../core/time.ts'
import type { Session } from '../../session/session.ts'
import type { Fleet } from '../fleet.ts'
import { defineRule, type RuleContext, type RuleEvidence } from '../rule.ts'
import { type Blocked, type Held, heldPauses, type Reuse, reusesOf, sharesLikeRouter } from '../sharing.ts'

/** MySQL Router's connection_sharing_delay by default; ProxySQL and MaxScale give a connection back at once, or sooner. */
const DELAY = 1 * NS_PER_SECOND

const WORDS: Readonly<Record<Blocked, string>> = {
  'open-transaction': 'a transaction is open',
  'transaction-characteristics': 'the characteristics of the next transaction are set',
  'state-changed': 'the session changed in a way that no tracker tells',
  'trackers-off': 'a session tracker was changed',
  'table-locks': 'it holds table locks',
  'user-lock': 'it holds a user lock',
  'temporary-table': 'it has a temporary table',
  'user-variable': 'it has set a user variable',
  'prepared-statement': 'it has a named prepared statement',
}
const REMEDY: Readonly<Record<Blocked, string>> = {
  'open-transaction': 'COMMIT or ROLLBACK before waiting for users or other services',
  'transaction-characteristics': 'use SET SESSION TRANSACTION, or begin the transaction at once',
  'state-changed': 'reset the connection when the unit of work ends',
  'trackers-off': 'leave session_track_* alone',
  'table-locks': 'UNLOCK TABLES as soon as the work is done',
  'user-lock': 'RELEASE_LOCK() as soon as the work is done',
  'temporary-table': 'DROP TEMPORARY TABLE as soon as it is not needed',
  'user-variable': 'pass values in the statement instead of user variables',
  'prepared-statement': 'DEALLOCATE PREPARE as soon as it is not needed',
}

export default defineRule({
  meta: {
    id: 'connection-sharing-blocked',
    family: 'state',
    title: 'A router or proxy could not share a session’s server connection',
    severity: 'info',
    what: 'Behind a proxy that shares server connections (MySQL Router with its session trackers on, ProxySQL, MaxScale) a session was idle longer than the proxy waits before it gives the connection to others, and went on with the same connection without a reset: an open transaction, a lock, a temporary table, a user variable or another change stood against it.',
    why: 'Each such session holds a server connection of its own: sharing saves nothing, and max_connections is reached sooner.',
    cannotTell:
      'Whether the router knows the client’s password, and the proxy’s settings; which front session it was where TLS hides the statements and several were busy at once.',
    fix: [
      {
        text: 'End transactions and drop session state before the application waits',
        config: 'COMMIT; UNLOCK TABLES; RELEASE_ALL_LOCKS(); DROP TEMPORARY TABLE',
      },
      {
        text: 'Let the router share: known password, TLS ended at the router',
        config:
          'connection_sharing=1, client_ssl_mode=PREFERRED or REQUIRED, server_ssl_mode other than AS_CLIENT, [connection_pool] max_idle_server_connections',
      },
    ],
    needs: ['mysql'],
    quiet: [
      'a session whose connection is reset and shared',
      'short pauses',
      'transactions that end before the pause',
      'proxies that join connections one to one',
    ],
    references: [
      {
        title: 'MySQL Router: connection sharing',
        url: 'https://dev.mysql.com/doc/mysql-router/8.4/en/router-connection-sharing.html',
      },
      { title: 'ProxySQL: multiplexing', url: 'https://proxysql.com/documentation/multiplexing/' },
    ],
    detail: {
      why: 'what stood against sharing: open-transaction, transaction-characteristics, state-changed, trackers-off, table-locks, user-lock, temporary-table, user-variable, prepared-statement',
      product: 'the proxy, as its traffic tells: MySQL Router, ProxySQL, MaxScale',
      heldSeconds: 'how long the connection was held idle',
      serverConnection:
        'endpoint from which the proxy held the server connection, null when only the front leg was seen',
      reuse:
        'how often the proxy’s server connections were taken into use again meanwhile, with the round trips that each took at most',
    },
    sample: 'connection-sharing-blocked',
  },
  session(s, ctx) {
    if (s.mysql?.state == null) return
    if (sharesLikeRouter(s)) {
      if (ctx.fleet.isProxy(s.clientIp)) held(s, ctx.fleet.onlyFront(s), 'MySQL Router', s, ctx)
    } else if (s.mysql.flavor === 'proxysql') held(s, s, 'ProxySQL', null, ctx)
    else if (s.mysql.flavor === 'maxscale') held(s, s, 'MaxScale', null, ctx)
  },
})

function held(s: Session, front: Session | null, product: string, back: Session | null, ctx: RuleContext): void {
  if (front === null) return
  const peers = back === null ? [] : sharedBeside(back, ctx.fleet)
  const reuses = peers.flatMap(reusesOf)
  const delay = Math.min(DELAY, usual(reuses))
  const pauses = heldPauses(s, delay, back !== null)
  const longest = pauses.reduce<Held | null>((a, b) => (a === null || b.idle > a.idle ? b : a), null)
  if (longest === null) return
  const [why] = longest.why
  const address = back?.clientIp ?? front.serverIp
  ctx.report({
    session: front,
    at: longest.step.at - longest.idle,
    cause: `sharing blocked ${product} ${address} ${why}`,
    severity: 'info',
    confidence: 'likely',
    culprit: { role: 'client', address: front.clientIp, product: null },
    title: (all) =>
      `${product} could not share the server connection of ${all.length === 1 ? 'a session' : `${all.length} sessions`}: ${WORDS[why!]}`,
    detail: {
      why: longest.why,
      product,
      heldSeconds: longest.idle / NS_PER_SECOND,
      serverConnection: back?.client ?? null,
      reuse: { times: reuses.length, roundTripsAtMost: Math.max(0, ...reuses.map((r) => r.roundTrips)) },
    },
    command: null,
    statement: longest.since[0]!.text,
    outcome: 'answered',
    evidence: evidence(longest, s, product),
    excluded:
      back === null
        ? []
        : [
            `sharing switched off: the router sets the session trackers that it needs, and its connections were taken into use again ${reuses.length} times`,
          ],
    remedy: [{ text: REMEDY[why!], config: '' }],
  })
}

function evidence(h: Held, of: Session, product: string): RuleEvidence[] {
  const out: RuleEvidence[] = h.why.map((why, i) => ({
    kind: 'frames',
    frames: [h.since[i]!.frame],
    says: `${WORDS[why]} since ${h.since[i]!.text === null ? 'here' : `"${h.since[i]!.text.replaceAll('"', "'")}"`}`,
    of,
  }))
  out.push({
    kind: 'silence',
    from: h.step.at - h.idle,
    to: h.step.at,
    says: `${product} held the server connection idle for ${formatDuration(h.idle)}`,
  })
  out.push({ kind: 'frames', frames: [h.step.frame], says: 'the same session went on with it, without a reset', of })
  return out
}

/** The usual silence before a connection is taken into use again: a router that gives connections back sooner shows it. */
function usual(reuses: readonly Reuse[]): Duration {
  const idle = reuses.map((r) => r.idle).sort((a, b) => a - b)
  return idle[idle.length >> 1] ?? DELAY
}

/** The router's other server connections, its own included. */
function sharedBeside(back: Session, fleet: Fleet): Session[] {
  return fleet.sessions.filter(
    (t) => t.clientIp === back.clientIp && t.server === back.server && t.mysql?.state != null,
  )
}
