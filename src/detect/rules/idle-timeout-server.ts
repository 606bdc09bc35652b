/** The server closed a connection that was idle past wait_timeout or interactive_timeout. */
import { idleCloses } from '../idle-close.ts'
import { idleVerdict, isTold } from '../idle-verdict.ts'
import { defineRule } from '../rule.ts'

export default defineRule({
  meta: {
    id: 'idle-timeout-server',
    family: 'idle',
    title: 'The server closed a connection that was idle past wait_timeout or interactive_timeout',
    severity: 'error',
    what:
      'MySQL from 8.0.24 on sends error 4031 and FIN; older ones only FIN; MariaDB 10.11 RST. Without the error it takes the same silence at several moments, or whole seconds to the millisecond, ' +
      'and no longer silence that was survived. A request sent afterwards is refused. Behind a proxy both legs are told.',
    why:
      'The pool holds connections longer than the server does. The next borrower gets "server has gone away" (2006), "Lost connection" (2013), "Packets out of order" (the 4031 read as an answer) or ECONNRESET. ' +
      'After a RST the next request fails inside the client’s kernel and no packet shows it.',
    cannotTell:
      'Whether a FIN without error 4031 is the timer’s or a KILL given at just that moment; wait_timeout from interactive_timeout; and, after a RST, whether a request was lost: only the application knows.',
    fix: [
      {
        text: 'Retire pooled connections before the server does',
        config: 'maxLifetime / pool_recycle / ConnMaxLifetime below wait_timeout - 30 s; Druid keepAlive=true',
      },
      {
        text: 'Look up what the session has, not only the global value: drivers and frameworks set it',
        config:
          "SHOW SESSION VARIABLES LIKE '%wait_timeout'; MySQL parameter groups of cloud services are often 60-600 s",
      },
    ],
    needs: ['mysql'],
    quiet: [
      'COM_QUIT, or the client closed first',
      'KILL (connection-killed), shutdown and crash: other connections are closed in the same moment',
      'another error before the close (1053, 1927)',
      'a bare FIN from a server that would have said 4031',
      'a longer silence on the same server was survived',
      'a single close after a silence that is no whole number of seconds',
    ],
    references: [
      {
        title: 'MySQL manual: wait_timeout',
        url: 'https://dev.mysql.com/doc/refman/8.4/en/server-system-variables.html#sysvar_wait_timeout',
      },
      {
        title: 'MySQL error 4031, ER_CLIENT_INTERACTION_TIMEOUT',
        url: 'https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html#error_er_client_interaction_timeout',
      },
      { title: 'MariaDB: wait_timeout', url: 'https://mariadb.com/docs/server/ref/mdb/system-variables/wait_timeout' },
    ],
    detail: {
      timerSeconds: 'silence before the closes, seconds',
      close: 'how it closed: err-4031, fin or rst',
      closes: 'closes after this silence, those that lost nothing included',
      longestSurvivedSeconds: 'longest silence on this server that a connection survived',
      fits: 'known timers that close like this',
    },
    sample: 'idle-timeout-server',
  },
  session(s, ctx) {
    const closes = idleCloses(ctx.fleet, ctx.explained)
    const v = closes.of(s)
    if (v === undefined || v.rule !== this.meta.id || ctx.explained(s)) return
    if (isTold(v, closes)) ctx.report(idleVerdict(s, v, this.meta.fix))
    else ctx.settle(s)
  },
})
