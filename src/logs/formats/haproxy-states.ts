/** HAProxy's termination states (manual, "Session state at disconnection"): who ended the session, and what that is for MySQL. */
import type { Draft } from '../format.ts'

/** First letter: what ended it. */
const CAUSES: Readonly<Record<string, Pick<Draft, 'what' | 'closedBy'> & { says: string }>> = {
  C: { what: 'closed', closedBy: 'client', says: 'the client aborted' },
  c: { what: 'idle-closed', closedBy: 'proxy', says: 'timeout client' },
  S: { what: 'closed', closedBy: 'server', says: 'the server aborted or refused' },
  s: { what: 'idle-closed', closedBy: 'proxy', says: 'timeout server' },
  P: { what: 'killed', closedBy: 'proxy', says: 'the proxy aborted: a limit or a rule' },
  L: { what: 'closed', closedBy: 'proxy', says: 'answered by the proxy itself' },
  R: { what: 'connect-failed', closedBy: 'proxy', says: 'the proxy ran out of a resource' },
  I: { what: 'killed', closedBy: 'proxy', says: 'an internal error of the proxy' },
  D: { what: 'killed', closedBy: 'proxy', says: 'the server was marked DOWN (on-marked-down shutdown-sessions)' },
  U: { what: 'killed', closedBy: 'proxy', says: 'the primary server came back (shutdown-backup-sessions)' },
  K: { what: 'killed', closedBy: 'proxy', says: 'killed by an administrator or by hard-stop-after' },
}

/** Second letter: what it was doing. */
const STATES: Readonly<Record<string, string>> = {
  R: 'waiting for a request',
  Q: 'in the queue',
  C: 'connecting to the server',
  H: 'waiting for the answer’s headers',
  D: 'in the data phase',
  L: 'sending the last data',
  T: 'in the tarpit',
}

/** What a termination state says. `--` tells nobody's name: the end of either side, KILL and wait_timeout look alike. */
export function termination(state: string): Pick<Draft, 'what' | 'closedBy' | 'reason' | 'state'> {
  const cause = CAUSES[state[0]!]
  const doing = STATES[state[1]!]
  if (cause === undefined) return { what: 'closed', closedBy: null, reason: null, state }
  const connecting = state[1] === 'C' || state[1] === 'Q'
  let { what } = cause
  let { says } = cause
  if (connecting && (what === 'idle-closed' || state[0] === 'S')) {
    what = 'connect-failed'
    if (state[0] === 's') says = state[1] === 'Q' ? 'timeout queue' : 'timeout connect'
  }
  return {
    what,
    closedBy: cause.closedBy ?? null,
    reason: doing === undefined || says.startsWith('timeout') ? says : `${says}, ${doing}`,
    state,
  }
}
