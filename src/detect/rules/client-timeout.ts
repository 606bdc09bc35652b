/** The application gave up on a running statement and closed: a timer of the driver, or its own KILL from a second connection. */
import { CLIENT } from '../../core/direction.ts'
import { formatDuration } from '../../core/time.ts'
import { clientClose } from '../client-close.ts'
import { closeEvidence, commandEvidence, runningWords, seconds } from '../describe.ts'
import { defineRule, type RuleEvidence } from '../rule.ts'

export default defineRule({
  meta: {
    id: 'client-timeout',
    family: 'cut',
    title: 'The application gave up on a running statement and closed',
    severity: 'error',
    what:
      'The client closed first, without COM_QUIT, while the answer to a command was still to come, and did so by choice: after a wait that looks like a timer (whole or half seconds), ' +
      'or that it waited on another connection too, together with its own KILL from a second connection, by RST with nothing left unread, or while its process goes on elsewhere.',
    why: 'The server goes on with the statement: it may take effect although the application was told that it failed. The server later logs an aborted connection that it did not cause.',
    cannotTell:
      'Which timer it was (socketTimeout, read_timeout, a context deadline), or whether a user cancelled; a process that died exactly on a half second; where clients name no process id, one of several processes of a host that died.',
    fix: [
      {
        text: 'Raise the read timeout above the slowest statement that is meant to finish, or make that statement faster',
        config: 'Connector/J socketTimeout; PyMySQL read_timeout; go-sql-driver readTimeout; mysql2 query timeout',
      },
      {
        text: 'Bound statements on the server instead, where the answer is an error and the connection lives',
        config: 'MySQL max_execution_time; MariaDB max_statement_time',
      },
    ],
    needs: ['mysql'],
    quiet: [
      'COM_QUIT',
      'the server or a proxy closed first',
      'a client that was idle',
      'a request that the network swallowed (silent-drop)',
      'a proxy’s server leg that the proxy closed on its own',
    ],
    references: [
      {
        title: 'MySQL manual: Communication Errors and Aborted Connections',
        url: 'https://dev.mysql.com/doc/refman/8.4/en/communication-errors.html',
      },
    ],
    detail: {
      waitedSeconds:
        'time from the command to the close; from the beginning of the connection where that is the timer (a connect timeout)',
      killedOwn: 'true when the client also sent KILL for this connection',
    },
    sample: 'client-timeout',
  },
  session(s, ctx) {
    if (ctx.explained(s)) return
    const close = clientClose(s, ctx.fleet)
    if (close === null || close.reading !== 'timeout' || close.waiting === null) return
    const { first, waiting, waited, connecting, kill } = close
    const app = close.front ?? s
    const evidence: RuleEvidence[] = [
      ...commandEvidence(waiting),
      closeEvidence(s, first),
      seconds(
        connecting ? 'since the connection began' : 'waited for the answer',
        waited,
        close.round ? 'whole and half seconds are timers' : undefined,
      ),
    ]
    if (close.alike !== null) {
      evidence.push({
        kind: 'frames',
        frames: [close.alike.ending.first!.frame],
        says: 'another connection of this client was given up after the same wait',
        of: close.alike,
      })
    }
    if (close.goesOn !== null) {
      const { session, pid } = close.goesOn
      evidence.push({
        kind: 'frames',
        frames: [session.sides[CLIENT].lastDataFrame],
        says: `${pid === null ? 'the same program on this host' : `process ${pid}`} goes on at ${session.client}: it did not die`,
        of: session,
      })
    }
    if (kill !== null) {
      evidence.push({
        kind: 'frames',
        frames: [kill.frame],
        says: `KILL ${kill.query ? 'QUERY ' : ''}${kill.connectionId} sent by the same client`,
        of: kill.by,
      })
    }
    ctx.report({
      session: s,
      at: first.at,
      // Timers differ by a few milliseconds each time: the cause is the timer, so its rounded value.
      cause: `timeout ${app.clientIp} ${Math.round(waited / 1e8)}`,
      severity: 'error',
      // Of all moments to die, one in eight looks like a half-second timer, one in fifteen like whole seconds.
      confidence:
        kill !== null
          ? 'certain'
          : close.whole || close.alike !== null || close.goesOn?.pid != null
            ? 'likely'
            : 'possible',
      culprit: { role: 'client', address: app.clientIp, product: app.mysql?.login?.attributes['_client_name'] ?? null },
      title: (all) =>
        `Client ${app.clientIp} gave up after ${formatDuration(waited)} and closed while ${all.length === 1 ? `${runningWords(waiting)} was` : `${all.length} commands were`} running`,
      detail: { waitedSeconds: Math.round(waited / 1e6) / 1e3, killedOwn: kill !== null },
      command: waiting.name,
      statement: waiting.text,
      outcome: waiting.outcome,
      evidence,
      excluded: [
        'the server: it had not closed and sent no error before the client’s close',
        'an orderly end: no COM_QUIT',
      ],
      remedy: this.meta.fix,
    })
  },
})
