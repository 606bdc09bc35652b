/** A connection limit is used up: the server or a proxy refused the connection with 1040, 1203 or 1226. */
import { neighbours } from '../neighbours.ts'
import { capital, clientsHit, count, culpritWords, refusal, refusalEvidence } from '../refusal.ts'
import { defineRule } from '../rule.ts'

/** ER_CON_COUNT_ERROR, ER_TOO_MANY_USER_CONNECTIONS, ER_USER_LIMIT_REACHED. */
const CODES = new Set([1040, 1203, 1226])
/** Limits of 1226 that are about connections; the others count statements. */
const CONNECTION_LIMIT = /connections/i

export default defineRule({
  meta: {
    id: 'too-many-connections',
    family: 'handshake',
    title: 'A connection limit is used up',
    severity: 'error',
    what: 'The connection was refused with 1040 (in place of a greeting, or after the login where a proxy counts), 1203 or 1226: a limit on connections, of the server, of a user or of a proxy, was reached.',
    why: 'Every further connection attempt fails until others close. Pools and proxies that retry at once keep the limit used up.',
    cannotTell:
      'Who holds the connections: only those in the capture are counted. A proxy that passes a server’s refusal on cannot be told from the server when the leg behind it was not captured.',
    fix: [
      {
        text: 'Find who holds connections, and how many of them sleep',
        config: 'SELECT user, host, command, COUNT(*) FROM information_schema.processlist GROUP BY 1, 2, 3',
      },
      {
        text: 'Make the sum of all pools smaller than the limit; close what leaks',
        config: 'pool maximum × instances < max_connections - super users',
      },
      {
        text: 'Raise the limit where the machine allows it',
        config: 'max_connections, max_user_connections; ProxySQL mysql-max_connections; Router max_total_connections',
      },
    ],
    needs: ['mysql'],
    quiet: [
      '1226 for a limit on statements (max_questions, max_updates)',
      'an error of this code in answer to a statement',
    ],
    references: [
      {
        title: 'MySQL manual: Too many connections',
        url: 'https://dev.mysql.com/doc/refman/8.4/en/too-many-connections.html',
      },
      {
        title: 'MySQL manual: Setting Account Resource Limits',
        url: 'https://dev.mysql.com/doc/refman/8.4/en/user-resources.html',
      },
    ],
    detail: {
      code: 'error code: 1040 all connections, 1203 those of one user, 1226 a resource limit of one account',
      answeredBy: 'server or proxy: who wrote the error',
      openConnections: 'connections to the same endpoint that the capture shows open at that moment',
    },
    sample: 'too-many-connections',
  },
  session(s, ctx) {
    if (ctx.explained(s)) return
    const r = refusal(s, ctx.fleet, CODES)
    if (r === null || (r.error.code === 1226 && !CONNECTION_LIMIT.test(r.error.message))) return
    const { error, culprit, root } = r
    const open = neighbours(ctx.fleet).openAt(root.server, r.rootError.at)
    ctx.report({
      session: s,
      at: error.at,
      cause: `${error.code} ${culprit.role} ${culprit.address} ${error.code === 1040 ? '' : (s.mysql?.login?.user ?? '')}`,
      severity: 'error',
      confidence: 'certain',
      culprit,
      title: (all) =>
        `${capital(culpritWords(culprit))} refused ${count(clientsHit(all), 'a connection', 'connections')}: ${error.code} ${error.message}`,
      detail: { code: error.code, answeredBy: culprit.role, openConnections: open },
      command: null,
      statement: null,
      outcome: 'none',
      evidence: [
        ...refusalEvidence(s, r),
        { kind: 'measure', name: 'connections to it seen open', value: open, unit: 'connections' },
      ],
      excluded: [
        'a network fault: the connection stood and the refusal is in words',
        'a wrong password: it was not asked for, or not judged',
      ],
      remedy: this.meta.fix,
    })
  },
})
