/** An answer that does not belong to the command before it, or that nobody read. */
import { CLIENT, SERVER } from '../../core/direction.ts'
import { formatDuration } from '../../core/time.ts'
import { Command, commandName } from '../../mysql/commands.ts'
import type { Session } from '../../session/session.ts'
import { acceptingSide, seconds } from '../describe.ts'
import { defineRule } from '../rule.ts'

/** Drivers that send the next command before the answer on purpose; an unnamed one may. */
const PIPELINES = /mariadb|mysqlconnector|connector\/node|sqlx|r2dbc|vertx|async/i

export default defineRule({
  meta: {
    id: 'response-desync',
    family: 'state',
    title: 'An answer does not belong to the command before it',
    severity: 'error',
    what: 'The server side answered a statement that gives no rows with rows (or SELECT with a bare OK, a ping with rows); or a client that never sends ahead sent a command although the answer to an earlier one was still to come: whoever sent that one had given up on it and the next borrower reads it.',
    why: 'From there on every answer is taken for the one to another command: one user sees another one’s data.',
    cannotTell:
      'What the application made of it; answers of the right kind but of another statement; where the capture lost packets or the driver is not known it stays quiet.',
    fix: [
      {
        text: 'Close a connection whose statement timed out instead of giving it back to the pool',
        config: 'destroy()/evict on timeout; KILL QUERY and read the answer before reuse',
      },
      { text: 'Never share one connection between threads', config: '' },
    ],
    needs: ['mysql'],
    quiet: [
      'drivers that pipeline',
      'SELECT … INTO, INSERT … RETURNING, several statements in one text',
      'captures with holes',
      'a client that closes after its timeout (client-timeout)',
    ],
    references: [
      {
        title: 'MySQL manual: Command Phase',
        url: 'https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_command_phase.html',
      },
    ],
    detail: {
      kind: 'mismatch: an answer of the wrong kind; unread: an answer that nobody waited for any more',
      waitedSeconds: 'how long the answer had been waited for when the next command came; 0 for a mismatch',
      got: 'what the mismatched answer was: OK or rows; null for an unread one',
    },
    sample: 'response-desync',
  },
  session(s, ctx) {
    const d = s.mysql?.desync
    if (d == null || incomplete(s) || ctx.explained(s)) return
    const unread = d.kind === 'unread'
    if (unread && (PIPELINES.test(s.mysql!.login?.attributes['_client_name'] ?? 'async') || !wentOn(s, d.at))) return
    const culprit = unread
      ? { role: 'client' as const, address: s.clientIp, product: s.mysql!.login?.attributes['_client_name'] ?? null }
      : acceptingSide(s, ctx.fleet)
    ctx.report({
      session: s,
      at: d.at,
      cause: `desync ${d.kind} ${culprit.role} ${culprit.address}`,
      severity: 'error',
      confidence: unread ? 'likely' : 'certain',
      culprit,
      title: (all) => {
        const where = all.length === 1 ? 'a connection' : `${all.length} connections`
        return unread
          ? `Client ${s.clientIp} went on without an unread answer on ${where}: the next borrower reads it`
          : `Answers from ${culprit.address} do not belong to their commands on ${where}`
      },
      detail: { kind: d.kind, waitedSeconds: d.waited / 1e9, got: unread ? null : d.got },
      command: commandName(Command.COM_QUERY),
      statement: d.text,
      outcome: 'answered',
      evidence: unread
        ? [
            { kind: 'frames', frames: [d.commandFrame], says: 'a command whose answer was still to come' },
            {
              kind: 'frames',
              frames: [d.frame],
              says: `${formatDuration(d.waited)} later another command on the same connection`,
            },
            seconds('waited for the answer', d.waited),
          ]
        : [
            { kind: 'frames', frames: [d.commandFrame], says: 'the command' },
            { kind: 'frames', frames: [d.frame], says: `it was answered with ${d.got}` },
          ],
      excluded: [
        'a hole in the capture: nothing is missing on this connection',
        ...(unread ? ['pipelining: this driver waits for each answer'] : []),
      ],
      remedy: unread
        ? this.meta.fix
        : [
            {
              text: 'Take the proxy out of the path until it is upgraded; until then every answer through it is doubtful',
              config: '',
            },
          ],
    })
  },
})

/** What the capture lost would explain it. */
function incomplete(s: Session): boolean {
  const [c, v] = [s.sides[CLIENT], s.sides[SERVER]]
  if (c.lostBytes + v.lostBytes + c.snaplenBytes + v.snaplenBytes + c.missingBytes + v.missingBytes > 0) return true
  return !c.seen || !v.seen || s.mysql!.resynced > 0 || s.mysql!.login === null || s.foreign.length > 0
}

/** The connection lived on: somebody read the answers. */
const wentOn = (s: Session, at: number): boolean =>
  s.ending.first === null || s.ending.quit || s.ending.first.at - at > 1e9
