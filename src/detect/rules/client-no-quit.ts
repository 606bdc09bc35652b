/** The client closed in order, idle, but without COM_QUIT: bad manners, nothing lost. */
import { formatDuration } from '../../core/time.ts'
import { clientClose } from '../client-close.ts'
import { closeEvidence } from '../describe.ts'
import { defineRule } from '../rule.ts'

export default defineRule({
  meta: {
    id: 'client-no-quit',
    family: 'cut',
    title: 'Closed by the client while idle, without COM_QUIT',
    severity: 'info',
    what: 'The client closed an idle connection without saying COM_QUIT, outside any transaction.',
    why: 'Nothing was lost. The server counts it in Aborted_clients and may log "Aborted connection": noise that hides real aborts.',
    cannotTell: 'Whether the program ended or merely dropped the socket.',
    fix: [{ text: 'Close connections through the driver, or the pool, before the program ends', config: '' }],
    needs: ['mysql'],
    quiet: [
      'COM_QUIT',
      'a command outstanding or a transaction open (client-timeout, client-vanished)',
      'a probe that never logged in',
      'the server closed first',
    ],
    references: [
      {
        title: 'MySQL manual: Communication Errors and Aborted Connections',
        url: 'https://dev.mysql.com/doc/refman/8.4/en/communication-errors.html',
      },
    ],
    detail: {},
    sample: 'client-no-quit',
  },
  session(s, ctx) {
    if (ctx.explained(s)) return
    const close = clientClose(s, ctx.fleet)
    if (close === null || close.reading !== 'no-quit') return
    const role = ctx.fleet.clientIsProxy(s) ? 'proxy' : 'client'
    ctx.report({
      session: s,
      at: close.first.at,
      cause: `no-quit ${s.clientIp}`,
      severity: 'info',
      confidence: 'likely',
      culprit: { role, address: s.clientIp, product: s.mysql?.login?.attributes['_client_name'] ?? null },
      title: (all) =>
        `${role === 'proxy' ? 'Proxy' : 'Client'} ${s.clientIp} closed ${all.length === 1 ? 'an idle connection' : `${all.length} idle connections`} without COM_QUIT`,
      detail: {},
      command: null,
      statement: null,
      outcome: 'none',
      evidence: [
        closeEvidence(s, close.first),
        {
          kind: 'measure',
          name: 'idle before the close',
          value: close.first.silence / 1e9,
          unit: 's',
          compared: formatDuration(close.first.silence),
        },
      ],
      excluded: ['a lost request: none was outstanding', 'a transaction: none was open'],
      remedy: [],
    })
  },
})
