/** A proxy, or something else that ends TCP between client and server, closed a connection that was idle past its timer. */
import { idleCloses } from '../idle-close.ts'
import { idleVerdict, isTold } from '../idle-verdict.ts'
import { defineRule } from '../rule.ts'

export default defineRule({
  meta: {
    id: 'idle-timeout-proxy',
    family: 'idle',
    title: 'A proxy closed a connection that was idle past its timer',
    severity: 'error',
    what:
      'A proxy closed first, on the client’s leg and usually on the server’s as well, after a silence that is its timer: the same silence at several moments, ' +
      'or a whole timer value to the millisecond, while no longer silence was survived. A request sent afterwards, or on its way at that moment, was refused with RST. ' +
      'A client that noticed in time lost nothing: then it is a warning.',
    why:
      'Pools keep connections longer than the proxy does. Whoever borrows a dead one gets "Lost connection" (2013), "server has gone away" (2006) or ECONNRESET for a statement that never ran, and the retry works: ' +
      'errors that come and go with load, mostly after quiet times.',
    cannotTell:
      'Which of a proxy’s timers it was (HAProxy timeout client or timeout server; the log’s cD or sD says), and from the client’s side alone whether a proxy or the server closed, unless the server is one that would have said error 4031.',
    fix: [
      {
        text: 'Keep pooled connections shorter than the proxy’s timer',
        config:
          'pool: maxLifetime / idle timeout below the timer; or a keep-alive query more often than it (TCP keep-alive does not count for proxies)',
      },
      {
        text: 'Or raise the proxy’s timers above the pool’s lifetime',
        config:
          'HAProxy: timeout client 8h, timeout server 8h, option clitcpka, option srvtcpka; ProxySQL: mysql-wait_timeout',
      },
      { text: 'Let the pool check a connection that it has not used for a while before handing it out', config: '' },
    ],
    needs: ['mysql'],
    quiet: [
      'the client closed, or said COM_QUIT',
      'the server closed first and the proxy only passed it on (idle-timeout-server)',
      'connections closed together after different silences, or with a command outstanding (proxy-shutdown)',
      'a longer silence on the same endpoint was survived',
      'a single close after a silence that is no timer value',
      'connections still idle when the capture ends',
    ],
    references: [
      {
        title: 'HAProxy 2.6: timeout client',
        url: 'https://docs.haproxy.org/2.6/configuration.html#4.2-timeout%20client',
      },
      {
        title: 'ProxySQL: mysql-wait_timeout',
        url: 'https://proxysql.com/documentation/global-variables/mysql-variables/#mysql-wait_timeout',
      },
    ],
    detail: {
      timerSeconds: 'silence before the closes, seconds; null when it began before the capture',
      close: 'how it closed: fin or rst',
      closes: 'closes after this silence, those that lost nothing included',
      longestSurvivedSeconds: 'longest silence on this endpoint that a connection survived',
      fits: 'known timers that close like this',
    },
    sample: 'idle-timeout-proxy',
  },
  session(s, ctx) {
    const closes = idleCloses(ctx.fleet, ctx.explained)
    const v = closes.of(s)
    if (v === undefined || v.rule !== this.meta.id || ctx.explained(s)) return
    if (isTold(v, closes)) ctx.report(idleVerdict(s, v, this.meta.fix))
    else ctx.settle(s)
  },
})
