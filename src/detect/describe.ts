/** Words and evidence that several rules share: who closed, what was lost, and the frames that show it. */
import { CLIENT, SERVER } from '../core/direction.ts'
import { formatDuration, NS_PER_MS, toSeconds } from '../core/time.ts'
import type { CommandFact, FirstClose, Session } from '../session/session.ts'
import type { Fleet } from './fleet.ts'
import type { Culprit, RuleEvidence } from './rule.ts'

/** Product named by a greeting, null when it names none. */
export function productOf(s: Session): string | null {
  const flavor = s.mysql?.flavor
  if (flavor === undefined || flavor === 'unknown') return null
  const names: Record<string, string> = {
    mysql: 'MySQL',
    mariadb: 'MariaDB',
    percona: 'Percona Server',
    proxysql: 'ProxySQL',
    router: 'MySQL Router',
    maxscale: 'MaxScale',
    tidb: 'TiDB',
    vitess: 'Vitess',
  }
  return names[flavor] ?? null
}

const PROXY_FLAVORS = new Set(['proxysql', 'router', 'maxscale'])

/** The accepting side of a leg: a proxy when its greeting or the other legs say so, the server otherwise. */
export function acceptingSide(s: Session, fleet: Fleet): Culprit {
  if (s.proxyNote?.leg === 'front') return { role: 'proxy', address: s.serverIp, product: 'mysqlconn proxy' }
  const named = fleet.namedRole(s.serverIp)
  const ownFlavor = s.mysql !== null && PROXY_FLAVORS.has(s.mysql.flavor) && (named === null || named === 'proxy')
  if (fleet.isProxy(s.serverIp) || ownFlavor) {
    // A proxy that passes the server's greeting through says nothing about itself.
    return { role: 'proxy', address: s.serverIp, product: ownFlavor ? productOf(s) : null }
  }
  return { role: 'server', address: s.serverIp, product: productOf(s) }
}

/** Name of a request that could not be read (session/recorder-state.ts). */
const OPAQUE_NAME = 'TLS record'

/** A command as words: its statement's first keyword serves better than COM_QUERY. */
export function commandWords(c: CommandFact): string {
  if (c.text === null) return c.name
  const keyword = /^\s*(?:\/\*.*?\*\/\s*)*([A-Za-z]{2,12})/s.exec(c.text)?.[1]
  return keyword === undefined ? c.name : keyword.toUpperCase()
}

/** What was running, as the subject of a sentence: `SELECT`, or a request that TLS hides. */
export const runningWords = (c: CommandFact): string =>
  c.text === null && c.name === OPAQUE_NAME ? 'a request in TLS' : commandWords(c)

/** What the outcome means for whoever wants to try again. */
export function outcomeWords(c: CommandFact): string {
  switch (c.outcome) {
    case 'not-delivered':
      return 'never reached the server process: safe to retry'
    case 'response-begun':
      return 'the server had begun to answer: it ran, at least in part'
    case 'committed':
      return 'the server finished it and no transaction was left open: it took effect'
    case 'answered':
      return 'the server answered it, but the client did not wait'
    default:
      return 'reached the server and may have run: check before retrying a write'
  }
}

/** The lost command's frame and fate. */
export function commandEvidence(c: CommandFact): RuleEvidence[] {
  const out: RuleEvidence[] = [
    { kind: 'frames', frames: [c.frame], says: `${c.name} sent${c.complete ? '' : ', and never completed'}` },
  ]
  if (c.replyFrame > 0) out.push({ kind: 'frames', frames: [c.replyFrame], says: 'its answer begins' })
  return out
}

export function closeEvidence(s: Session, first: FirstClose): RuleEvidence {
  const who = first.by === CLIENT ? s.client : s.server
  return {
    kind: 'frames',
    frames: [first.frame],
    says: `${first.how === 'fin' ? 'FIN' : 'RST'} from ${who}: the first close of this connection`,
  }
}

export function silenceEvidence(first: FirstClose): RuleEvidence[] {
  if (first.silence < NS_PER_MS * 100) return []
  return [
    {
      kind: 'silence',
      from: first.at - first.silence,
      to: first.at,
      says: `no payload in either direction for ${formatDuration(first.silence)} before the close`,
    },
  ]
}

export const seconds = (name: string, value: number, compared?: string): RuleEvidence =>
  compared === undefined
    ? { kind: 'measure', name, value: toSeconds(value), unit: 's' }
    : { kind: 'measure', name, value: toSeconds(value), unit: 's', compared }

/** Facts against a broken capture or network as the cause, as sentences; only what was really looked at. */
export function networkExcluded(s: Session): string[] {
  const out: string[] = []
  const again = s.sides[CLIENT].retransmissions + s.sides[SERVER].retransmissions
  out.push(
    again === 0
      ? 'packet loss: no retransmission on this connection'
      : `packet loss: ${again} retransmission${again === 1 ? '' : 's'}, all acknowledged before the close`,
  )
  if (s.sides[SERVER].retransmissionsUnanswered + s.sides[CLIENT].retransmissionsUnanswered > 0) out.pop()
  return out
}
