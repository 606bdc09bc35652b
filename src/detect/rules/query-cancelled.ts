/** A statement was cancelled (KILL QUERY, a statement timeout) and the connection lived on: worth knowing, nothing broke. */
import { SERVER } from '../../core/direction.ts'
import { formatDuration, NS_PER_SECOND } from '../../core/time.ts'
import type { ErrorFact, Session } from '../../session/session.ts'
import { acceptingSide } from '../describe.ts'
import type { Fleet, Kill } from '../fleet.ts'
import { type Culprit, defineRule, type RuleEvidence } from '../rule.ts'

/** Code -> the server's own timer that it names; '' when somebody asked for it. */
const CANCELLED: ReadonlyMap<number, string> = new Map([
  [1317, ''], // ER_QUERY_INTERRUPTED
  [1907, 'a proxy’s query timeout'], // ProxySQL: Query execution was interrupted, query_timeout
  [1969, 'max_statement_time'], // MariaDB ER_STATEMENT_TIMEOUT
  [3024, 'max_execution_time'], // MySQL ER_QUERY_TIMEOUT
])
const KILL_TO_ERROR = 5 * NS_PER_SECOND
const ERROR_TO_CLOSE = NS_PER_SECOND

export default defineRule({
  meta: {
    id: 'query-cancelled',
    family: 'cut',
    title: 'A statement was cancelled; the connection lived on',
    severity: 'info',
    what: 'The server answered a statement with 1317, 1969 or 3024 (a proxy with 1907) and the connection stayed usable.',
    why: 'Applications report it as a failure, but no connection broke: a driver’s query timeout, an administrator’s KILL QUERY or the server’s own statement timer ended the statement.',
    cannotTell: 'Who sent KILL QUERY when it went over a Unix socket or from a host outside the capture.',
    fix: [
      {
        text: 'Raise the timer that fired, or make the statement faster',
        config: 'driver query timeout; max_execution_time; max_statement_time; mysql-default_query_timeout (ProxySQL)',
      },
    ],
    needs: ['mysql'],
    quiet: ['1317 followed by the close of the connection (connection-killed)', 'ordinary SQL errors'],
    references: [
      {
        title: 'MySQL manual: max_execution_time',
        url: 'https://dev.mysql.com/doc/refman/8.4/en/server-system-variables.html#sysvar_max_execution_time',
      },
    ],
    detail: {
      code: 'the error code of the answer',
      timer: 'the timer that the code names, null when the statement was killed by somebody',
      cancelledBy: 'client endpoint of the session that sent KILL QUERY, null when it was not seen',
    },
    sample: 'query-cancelled',
  },
  session(s, ctx) {
    if (s.mysql === null) return
    for (const e of s.mysql.errorFacts) {
      const timer = CANCELLED.get(e.code)
      if (timer === undefined || e.phase !== 'reply' || closedRightAfter(s, e)) continue
      const kill = timer === '' ? killQuery(s, e, ctx.fleet) : null
      const evidence: RuleEvidence[] = [
        { kind: 'frames', frames: [e.frame], says: `the server answered ${e.code} ${e.message}` },
      ]
      if (kill !== null) {
        evidence.unshift({
          kind: 'frames',
          frames: [kill.frame],
          says: `KILL QUERY ${kill.connectionId} sent by ${kill.by.client}, ${formatDuration(e.at - kill.at)} before`,
          of: kill.by,
        })
      }
      const culprit = culpritOf(s, kill, timer, ctx.fleet)
      ctx.report({
        session: s,
        at: e.at,
        cause: `cancelled ${e.code} ${culprit.role} ${culprit.address}`,
        severity: 'info',
        confidence: kill !== null || timer !== '' ? 'certain' : 'likely',
        culprit,
        title: (all) =>
          `${all.length === 1 ? 'A statement was' : `${all.length} statements were`} cancelled (${e.code}${timer === '' ? '' : `, ${timer}`}); ${all.length === 1 ? 'its connection' : 'their connections'} lived on`,
        detail: { code: e.code, timer: timer === '' ? null : timer, cancelledBy: kill?.by.client ?? null },
        command: 'COM_QUERY',
        statement: e.statement,
        outcome: 'answered',
        evidence,
        excluded: ['a broken connection: it was used again or closed in order'],
        remedy: [],
      })
    }
  },
})

/** The connection closed by the server's hand right after: that was a KILL of the connection, another rule's matter. */
function closedRightAfter(s: Session, e: ErrorFact): boolean {
  const first = s.ending.first
  return first !== null && first.by === SERVER && !s.ending.quit && first.at - e.at < ERROR_TO_CLOSE
}

function killQuery(s: Session, e: ErrorFact, fleet: Fleet): Kill | null {
  const id = s.mysql!.greeting?.connectionId ?? 0
  if (id === 0) return null
  return fleet.kills(id).find((k) => k.query && k.by !== s && k.at <= e.at && e.at - k.at <= KILL_TO_ERROR) ?? null
}

function culpritOf(s: Session, kill: Kill | null, timer: string, fleet: Fleet): Culprit {
  if (kill !== null) {
    return fleet.isProxy(kill.by.clientIp)
      ? { role: 'proxy', address: kill.by.clientIp, product: null }
      : { role: 'client', address: kill.by.clientIp, product: null }
  }
  if (timer === '') return { role: 'unknown', address: null, product: null }
  return acceptingSide(s, fleet)
}
