/** KILL ended the connection: the statement was seen, or the server named it (1927, 3169, 1317 with the close). */

import { SERVER } from '../../core/direction.ts'
import { formatDuration, NS_PER_MS, NS_PER_SECOND } from '../../core/time.ts'
import type { ErrorFact, Session } from '../../session/session.ts'
import { closeEvidence, commandEvidence, networkExcluded, productOf } from '../describe.ts'
import type { Fleet, Kill } from '../fleet.ts'
import { processEndOf } from '../process-end.ts'
import { defineRule, type RuleEvidence } from '../rule.ts'

/** MariaDB ER_CONNECTION_KILLED, MySQL ER_SESSION_WAS_KILLED. */
const KILLED = new Set([1927, 3169])
/** ER_QUERY_INTERRUPTED: a killed query whose connection closes at once was a killed connection. */
const INTERRUPTED = 1317
/** ER_SERVER_SHUTDOWN: MySQL says it to a killed connection too; it is true only when all others end as well. */
const SHUTDOWN = 1053
/** The killer's thread closes the victim's socket itself; a busy server may take a while to come to it. */
const KILL_TO_CLOSE = 5 * NS_PER_SECOND
const ERROR_TO_CLOSE = NS_PER_SECOND
/** Where only the moment joins a KILL and a close. */
const RIGHT_AFTER = 50 * NS_PER_MS

export default defineRule({
  meta: {
    id: 'connection-killed',
    family: 'cut',
    title: 'KILL ended the connection',
    severity: 'error',
    what:
      'The server closed the connection because of KILL (CONNECTION) or COM_PROCESS_KILL: the statement is in the capture and names this connection id, ' +
      'or the server said so (1927, 3169, or 1317 followed by the close).',
    why: 'Somebody ended it on purpose: an administrator, a watchdog (pt-kill, rds_kill), a proxy or a driver. The server logs nothing about it.',
    cannotTell:
      'A KILL over a Unix socket or from a host outside the capture is not seen, and most servers send the victim no error: then this is rst-after-query.',
    fix: [
      { text: 'Find who sent it: the session named in the evidence', config: '' },
      { text: 'Watch KILL in the audit or general log', config: 'SET GLOBAL general_log=ON for a short time' },
    ],
    needs: ['mysql'],
    quiet: [
      'KILL QUERY with the connection living on',
      'KILL of an id that is another connection’s',
      'the client closed first',
      'COM_QUIT before the KILL took effect',
    ],
    references: [
      { title: 'MySQL manual: KILL Statement', url: 'https://dev.mysql.com/doc/refman/8.4/en/kill.html' },
      { title: 'MariaDB: KILL', url: 'https://mariadb.com/kb/en/kill/' },
    ],
    detail: {
      killedBy: 'client endpoint of the session that sent the KILL, null when it was not seen',
      connectionId: 'the id that was killed',
      errorCode: 'error code by which the server named it, null if none',
    },
    sample: 'connection-killed',
  },
  session(s, ctx) {
    const first = s.ending.first
    if (s.mysql === null || first === null || first.by !== SERVER || s.ending.quit) return
    const id = s.mysql.greeting?.connectionId ?? 0
    const kill = killOf(s, id, ctx.fleet)
    const named = namedError(s, first.at, ctx.fleet)
    if (kill === null && named === null) return
    const lost = s.ending.lost ?? first.outstanding
    const interrupted = lost !== null || named?.phase === 'reply'
    const evidence: RuleEvidence[] = []
    if (kill !== null) {
      evidence.push({
        kind: 'frames',
        frames: [kill.frame],
        says: `KILL ${kill.connectionId} sent by ${kill.by.client}, ${formatDuration(first.at - kill.at)} before the close`,
        of: kill.by,
      })
    }
    if (named !== null)
      evidence.push({ kind: 'frames', frames: [named.frame], says: `the server said ${named.code} ${named.message}` })
    if (lost !== null) evidence.push(...commandEvidence(lost))
    evidence.push(closeEvidence(s, first))
    const proxyKilled = kill !== null && ctx.fleet.isProxy(kill.by.clientIp)
    ctx.report({
      session: s,
      at: first.at,
      cause: `kill ${s.server} by ${kill?.by.clientIp ?? 'unseen'}`,
      severity: interrupted ? 'error' : 'warning',
      confidence: (kill !== null && id !== 0) || (named !== null && KILLED.has(named.code)) ? 'certain' : 'likely',
      culprit: proxyKilled
        ? { role: 'proxy', address: kill.by.clientIp, product: null }
        : { role: 'server', address: s.serverIp, product: productOf(s) },
      title: (all) =>
        `KILL ended ${all.length === 1 ? `connection ${kill?.connectionId ?? id}` : `${all.length} connections`} on ${s.server}` +
        (kill === null ? '' : `, sent by ${kill.by.clientIp}`),
      detail: {
        killedBy: kill?.by.client ?? null,
        connectionId: kill?.connectionId ?? id,
        errorCode: named?.code ?? null,
      },
      command: lost?.name ?? null,
      statement: lost?.text ?? null,
      outcome: lost?.outcome ?? 'none',
      evidence,
      excluded: ['an idle timeout: the close follows the KILL, not a silence', ...networkExcluded(s)],
      remedy: [
        {
          text: 'Ask the sender of the KILL; exempt pooled users from watchdogs that kill sleeping or long-running sessions',
          config: '',
        },
      ],
    })
  },
})

function killOf(s: Session, id: number, fleet: Fleet): Kill | null {
  if (id === 0) return killOfUnknown(s, fleet)
  const close = s.ending.first!.at
  // Ids are the server's own: the KILL must have gone to this server, or through a proxy that leads there.
  const sameServer = (k: Kill): boolean =>
    k.by.server === s.server || k.by.serverIp === s.clientIp || k.by.serverIp === s.serverIp
  return (
    fleet
      .kills(id)
      .find((k) => !k.query && k.by !== s && k.at <= close && close - k.at <= KILL_TO_CLOSE && sameServer(k)) ?? null
  )
}

/**
 * The id of this session is not known (begun before the capture, or its greeting was cut): a KILL whose id is nobody else’s either,
 * and right after it, of all such sessions, this one alone was closed.
 */
function killOfUnknown(s: Session, fleet: Fleet): Kill | null {
  const close = s.ending.first!.at
  for (const kills of fleet.allKills()) {
    const k = kills.find((x) => !x.query && x.by !== s && x.at <= close && close - x.at <= RIGHT_AFTER)
    if (k === undefined || k.by.serverIp !== s.serverIp || k.by.input !== s.input) continue
    const others = fleet.atEndpointOf(s).filter((t) => t !== s)
    if (others.some((t) => t.mysql?.greeting?.connectionId === k.connectionId)) continue
    const closed = others.filter((t) => {
      const first = t.ending.first
      return (
        first !== null &&
        first.by === SERVER &&
        !t.ending.quit &&
        (t.mysql?.greeting?.connectionId ?? 0) === 0 &&
        first.at >= k.at &&
        first.at - k.at <= RIGHT_AFTER
      )
    })
    if (closed.length === 0) return k
  }
  return null
}

function namedError(s: Session, close: number, fleet: Fleet): ErrorFact | null {
  const e = s.mysql!.errorFacts.at(-1)
  if (e === undefined || e.at > close || close - e.at > ERROR_TO_CLOSE) return null
  // MariaDB says the same to everybody at its shutdown.
  if (KILLED.has(e.code)) return processEndOf(s, fleet)?.orderly == null ? e : null
  if (e.code === SHUTDOWN) return livesOn(s, close, fleet) ? e : null
  return e.code === INTERRUPTED && e.phase === 'reply' ? e : null
}

/** Another connection, begun before, still hears the server afterwards. */
function livesOn(s: Session, close: number, fleet: Fleet): boolean {
  for (const t of listeners(s, fleet)) {
    if (t.sides[SERVER].lastDataAt <= close + NS_PER_SECOND / 10) return false
    if (t !== s && t.startAt < close) return true
  }
  return false
}

const cache = new WeakMap<readonly Session[], readonly Session[]>()

/** Sessions with the same server, those that heard it last first: kept, since a shutdown asks for each of its victims. */
function listeners(s: Session, fleet: Fleet): readonly Session[] {
  const all = fleet.atEndpointOf(s)
  let sorted = cache.get(all)
  if (sorted === undefined) {
    sorted = [...all].sort((a, b) => b.sides[SERVER].lastDataAt - a.sides[SERVER].lastDataAt)
    cache.set(all, sorted)
  }
  return sorted
}
