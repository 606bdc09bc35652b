/** The client process died or disappeared: its kernel closed its connections, in the middle of a command or a transaction. */
import { formatDuration } from '../../core/time.ts'
import { clientClose } from '../client-close.ts'
import { closeEvidence, commandEvidence, runningWords, seconds } from '../describe.ts'
import { defineRule, type RuleEvidence } from '../rule.ts'

export default defineRule({
  meta: {
    id: 'client-vanished',
    family: 'cut',
    title: 'The client process died or disappeared',
    severity: 'error',
    what: 'The client closed first, without COM_QUIT, while a command was running (at no timer-like moment, or together with other connections of the same host) or with a transaction open.',
    why: 'Its transaction is rolled back; a statement that was running goes on and may take effect. The server logs an aborted connection that it did not cause.',
    cannotTell:
      'Why the process ended (crash, kill -9, out of memory, deployment), and a driver that cancels at an uneven moment by closing the socket.',
    fix: [
      {
        text: 'Look for the end of that process on the client host at this time',
        config: 'dmesg, journal, container restarts, deployments',
      },
      { text: 'On shutdown, finish or cancel running statements and close the pool', config: '' },
    ],
    needs: ['mysql'],
    quiet: [
      'COM_QUIT',
      'an idle client without open transaction (client-no-quit)',
      'the server or a proxy closed first',
      'a wait on a timer-like value (client-timeout)',
    ],
    references: [
      {
        title: 'MySQL manual: Communication Errors and Aborted Connections',
        url: 'https://dev.mysql.com/doc/refman/8.4/en/communication-errors.html',
      },
    ],
    detail: {
      inTransaction: 'a transaction was open',
      together:
        'number of other connections of the same client address that closed in the same moment without COM_QUIT',
    },
    sample: 'client-vanished',
  },
  session(s, ctx) {
    if (ctx.explained(s)) return
    const close = clientClose(s, ctx.fleet)
    if (close === null || close.reading !== 'vanished') return
    const { first, waiting, waited, together } = close
    const app = close.front ?? s
    const evidence: RuleEvidence[] = waiting === null ? [] : commandEvidence(waiting)
    evidence.push(closeEvidence(s, first))
    if (waiting !== null) evidence.push(seconds('from the command to the close', waited, 'no timer-like value'))
    if (first.inTransaction)
      evidence.push({
        kind: 'frames',
        frames: [first.lastServerDataFrame],
        says: 'the last answer said that a transaction was open',
      })
    for (const t of together.slice(0, 3)) {
      evidence.push({ ...closeEvidence(t, t.ending.first!), of: t })
    }
    ctx.report({
      session: s,
      at: first.at,
      cause: `vanished ${app.clientIp}`,
      severity: waiting === null ? 'warning' : 'error',
      confidence: together.length > 0 ? 'likely' : 'possible',
      culprit: { role: 'client', address: app.clientIp, product: app.mysql?.login?.attributes['_client_name'] ?? null },
      title: (all) =>
        `Client ${app.clientIp} left without a word ${
          waiting === null
            ? 'in an open transaction'
            : `while ${runningWords(waiting)} was running (${formatDuration(waited)} after it)`
        }${all.length > 1 ? `; ${all.length} connections` : ''}`,
      detail: { inTransaction: first.inTransaction, together: together.length },
      command: waiting?.name ?? null,
      statement: waiting?.text ?? null,
      outcome: waiting?.outcome ?? 'none',
      evidence,
      excluded: [
        'the server: it had not closed and sent no error before the client’s close',
        'an orderly end: no COM_QUIT',
      ],
      remedy: this.meta.fix,
    })
  },
})
