/** COM_QUIT in plain text inside a TLS stream: how ProxySQL closes its TLS connections. Harmless, and told apart from breaks. */
import { CLIENT } from '../../core/direction.ts'
import { acceptingSide, closeEvidence } from '../describe.ts'
import { defineRule, type RuleEvidence } from '../rule.ts'

export default defineRule({
  meta: {
    id: 'tls-plaintext-quit',
    family: 'tls',
    title: 'COM_QUIT was written in plain text into TLS connections',
    severity: 'info',
    what: 'At a record boundary of a TLS stream the opening side wrote the five bytes 01 00 00 00 01, COM_QUIT in plain text, and closed.',
    why:
      'No data is lost: the sender was done with the connection. But the server cannot read it as TLS, answers with an alert and RST follows, and it counts and logs every such close as an aborted connection ' +
      '("Got an error reading communication packets"). ProxySQL 1.4.14 up to 3.0 closes all its TLS server connections so; who looks for the cause of aborted connections should look past these.',
    cannotTell: 'Whether the connection was retired in order or given up: the five bytes are the same.',
    fix: [
      {
        text: 'Nothing needs to be done; newer ProxySQL sends COM_QUIT inside TLS, or not at all',
        config: 'ProxySQL pull requests 5096 and 6132',
      },
      {
        text: 'Fewer closes, fewer log lines',
        config: 'mysql-free_connections_pct, mysql-connection_max_age_ms (ProxySQL)',
      },
    ],
    needs: ['mysql'],
    quiet: ['COM_QUIT inside TLS', 'COM_QUIT on a connection without TLS', 'other plain text in a TLS stream'],
    references: [
      { title: 'ProxySQL pull request 5096', url: 'https://github.com/sysown/proxysql/pull/5096' },
      {
        title: 'MySQL manual: COM_QUIT',
        url: 'https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_quit.html',
      },
    ],
    detail: {
      serverAlert: 'whether the server answered with a TLS alert',
      reset: 'whether a RST followed',
    },
    sample: 'tls-plaintext-quit',
  },
  session(s, ctx) {
    const quit = s.tls?.plaintext.find((p) => p.by === CLIENT && p.kind === 'COM_QUIT')
    if (quit === undefined || s.tls!.handshake === 'failed') return
    const alert = s.tls!.alerts.find((a) => a.by !== CLIENT && a.at >= quit.at)
    const evidence: RuleEvidence[] = [
      {
        kind: 'frames',
        frames: [quit.frame],
        says: '01 00 00 00 01: COM_QUIT in plain text, where a TLS record belongs',
      },
    ]
    if (s.ending.first !== null) evidence.push(closeEvidence(s, s.ending.first))
    if (alert !== undefined)
      evidence.push({ kind: 'frames', frames: [alert.frame], says: `alert of ${s.server} in answer` })
    ctx.report({
      session: s,
      at: quit.at,
      cause: `plain quit ${s.clientIp}`,
      severity: 'info',
      confidence: 'certain',
      // Drivers do not do this: whoever opened it serves others.
      culprit: { role: 'proxy', address: s.clientIp, product: 'ProxySQL' },
      title: (all) =>
        `${s.clientIp} closed ${all.length === 1 ? 'a TLS connection' : `${all.length} TLS connections`} with COM_QUIT in plain text (ProxySQL’s way): harmless`,
      detail: { serverAlert: alert !== undefined, reset: s.ending.resetCount > 0 },
      command: 'COM_QUIT',
      statement: null,
      outcome: 'none',
      evidence,
      excluded: [
        `a fault of ${acceptingSide(s, ctx.fleet).product ?? 'the server'}: what it says afterwards answers these bytes`,
      ],
      remedy: this.meta.fix,
    })
  },
})
