/** The server process died: everything that it had open was closed at once, and then nobody listened or a new process answered. */

import { acceptingSide } from '../describe.ts'
import { processEndOf, tracedEnd } from '../process-end.ts'
import { END_DETAIL, endVerdict } from '../process-end-verdict.ts'
import { defineRule } from '../rule.ts'

export default defineRule({
  meta: {
    id: 'server-crash',
    family: 'cut',
    title: 'The server process died',
    severity: 'error',
    what:
      'All connections of one server endpoint were closed by it within one round trip, busy and idle alike, none survived, and then new attempts were refused ' +
      '(SYN answered by RST) or a greeting came whose connection id is lower than before: another process.',
    why: 'A crash, kill -9 or the out-of-memory killer: running statements end without an error and their transactions are rolled back at restart; committed ones are kept.',
    cannotTell:
      'A shutdown that closes everything at once without a word (MariaDB does) looks the same: the server’s error log, or dmesg for the out-of-memory killer, decides. ' +
      'Which statement killed it, if one did.',
    fix: [
      {
        text: 'Read the server’s error log at this second for "got signal" or an assertion, and the kernel log for the out-of-memory killer',
        config: 'journalctl -u mysqld; dmesg -T | grep -i oom',
      },
      { text: 'Let applications retry transactions that were cut, after a pause', config: '' },
    ],
    needs: ['tcp', 'mysql'],
    quiet: [
      'KILL of one connection while others live on',
      'pooled connections whose idle timer ran out in the same moment',
      'a server that said 1053 or closed in sequence (server-shutdown)',
      'a proxy that closed its clients (proxy-shutdown)',
      'COM_QUIT',
    ],
    references: [
      {
        title: 'MySQL manual: What to Do If MySQL Keeps Crashing',
        url: 'https://dev.mysql.com/doc/refman/8.4/en/crashing.html',
      },
      {
        title: 'MySQL manual: Information Functions, CONNECTION_ID()',
        url: 'https://dev.mysql.com/doc/refman/8.4/en/information-functions.html#function_connection-id',
      },
    ],
    detail: END_DETAIL,
    sample: 'server-crash',
  },
  session(s, ctx) {
    if (ctx.explained(s)) return
    const own = processEndOf(s, ctx.fleet)
    const { end, back } = own !== null ? { end: own, back: s } : (tracedEnd(s, ctx.fleet) ?? { end: null, back: s })
    if (end === null || end.orderly !== null || acceptingSide(back, ctx.fleet).role !== 'server') return
    ctx.report(
      endVerdict(s, back, end, ctx.fleet, {
        cause: 'died',
        what: 'went down at once',
        cannotTell: [
          'an orderly shutdown: no 1053, nobody refused before the last close (a server may also stop at once and silently: its log decides)',
        ],
        remedy: this.meta.fix,
      }),
    )
  },
})
