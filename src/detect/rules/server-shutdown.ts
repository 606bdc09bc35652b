/** The server was stopped in order: it said so (1053), or it stopped listening first and then closed what it had open. */

import { acceptingSide } from '../describe.ts'
import { processEndOf, tracedEnd } from '../process-end.ts'
import { END_DETAIL, endVerdict } from '../process-end-verdict.ts'
import { defineRule } from '../rule.ts'
import { serverLifeNear } from '../server-life.ts'

export default defineRule({
  meta: {
    id: 'server-shutdown',
    family: 'cut',
    title: 'The server was shut down',
    severity: 'error',
    what:
      'The server closed all its connections and one sign of order was seen: a SHUTDOWN statement, error 1053 (Server shutdown in progress) or MariaDB’s 1927, attempts refused while older connections still lived, ' +
      'or closes in sequence instead of all at once; then new attempts were refused or another process answered.',
    why: 'A restart, an upgrade or a failover, seen from the application: statements under way were ended, idle pooled connections are dead.',
    cannotTell:
      'Who stopped it and why. A shutdown that closes everything at once without a word looks like a crash: then server-crash reports it.',
    fix: [
      {
        text: 'Drain before a planned stop: take the server out of the proxy or the pool first',
        config: 'HAProxy set server … state drain; ProxySQL OFFLINE_SOFT',
      },
      { text: 'Let pools validate connections and applications retry cut transactions', config: '' },
    ],
    needs: ['tcp', 'mysql'],
    quiet: [
      '1053 on one connection while others live on (connection-killed)',
      'connections that idle timers close one after the other',
      'everything closed at once (server-crash)',
      'COM_QUIT',
    ],
    references: [
      {
        title: 'MySQL manual: The Server Shutdown Process',
        url: 'https://dev.mysql.com/doc/refman/8.4/en/server-shutdown.html',
      },
      {
        title: 'MySQL manual: error 1053 ER_SERVER_SHUTDOWN',
        url: 'https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html#error_er_server_shutdown',
      },
    ],
    detail: {
      ...END_DETAIL,
      sign: 'what showed the order: asked (SHUTDOWN was sent), named (an error), refused-first, in-sequence',
    },
    sample: 'server-shutdown',
  },
  session(s, ctx) {
    if (ctx.explained(s)) return
    const own = processEndOf(s, ctx.fleet)
    const { end, back } = own !== null ? { end: own, back: s } : (tracedEnd(s, ctx.fleet) ?? { end: null, back: s })
    if (end === null || end.orderly === null || acceptingSide(back, ctx.fleet).role !== 'server') return
    // The server's own log knows better than the order of its closes, unless it named a shutdown to its clients.
    const logged = serverLifeNear(ctx.fleet.logs, end.from)
    if (end.orderly !== 'named' && logged?.how === 'crashed' && logged.sure) return
    const verdict = endVerdict(s, back, end, ctx.fleet, {
      cause: 'stopped',
      what: 'was shut down',
      cannotTell: [
        end.orderly === 'asked'
          ? 'a crash: it was told to stop'
          : end.orderly === 'named'
            ? 'a crash: a dying server says nothing'
            : 'a crash: its connections would have closed at once',
      ],
      remedy: this.meta.fix,
    })
    ctx.report({ ...verdict, detail: { ...verdict.detail, sign: end.orderly } })
  },
})
