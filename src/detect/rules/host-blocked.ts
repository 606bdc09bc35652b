/** The server has blocked a host after too many interrupted handshakes (error 1129). */
import { neighbours } from '../neighbours.ts'
import { capital, count, culpritWords, hostNamed, refusal, refusalEvidence } from '../refusal.ts'
import { defineRule, type RuleEvidence } from '../rule.ts'

/** ER_HOST_IS_BLOCKED. */
const CODES = new Set([1129])
/** Frames of earlier knocks shown. */
const SHOWN = 3

export default defineRule({
  meta: {
    id: 'host-blocked',
    family: 'handshake',
    title: 'The server has blocked the host',
    severity: 'error',
    what: 'The connection was refused with 1129: max_connect_errors handshakes in a row from that host were broken off, and the server lets nobody from there in any more.',
    why: 'Everything on that host is locked out, and behind a proxy that is every client. Usually a health check is to blame that connects and goes away without logging in.',
    cannotTell:
      'Interrupted handshakes before the capture began, and those of other programs on a host whose traffic was not captured.',
    fix: [
      {
        text: 'Unblock the host',
        config: 'TRUNCATE TABLE performance_schema.host_cache (MySQL), FLUSH HOSTS (MariaDB)',
      },
      { text: 'Let the health check log in and quit', config: 'HAProxy: option mysql-check user haproxy' },
      {
        text: 'Raise the limit, or keep the server from counting by host',
        config: 'max_connect_errors=1000000, skip_name_resolve=ON',
      },
    ],
    needs: ['mysql'],
    quiet: ['a health check that breaks off its handshakes, as long as the host is not blocked'],
    references: [
      {
        title: 'MySQL manual: DNS Lookups and the Host Cache',
        url: 'https://dev.mysql.com/doc/refman/8.4/en/host-cache.html',
      },
      {
        title: 'MariaDB: max_connect_errors',
        url: 'https://mariadb.com/kb/en/server-system-variables/#max_connect_errors',
      },
    ],
    detail: {
      host: 'the host that the server names as blocked',
      answeredBy: 'server or proxy: who wrote the error',
      interruptedBefore:
        'handshakes with this server that the same client address broke off before, as far as captured',
    },
    sample: 'host-blocked',
  },
  session(s, ctx) {
    if (ctx.explained(s)) return
    const r = refusal(s, ctx.fleet, CODES)
    if (r === null) return
    const { error, culprit, root } = r
    const before = neighbours(ctx.fleet).brokenOff(root.clientIp, root.server)
    const host = hostNamed(error)
    const evidence: RuleEvidence[] = refusalEvidence(s, r)
    const earlier = before.filter((t) => t.startAt < root.startAt)
    for (const t of earlier.slice(-SHOWN)) {
      evidence.push({
        kind: 'frames',
        frames: [t.ending.first!.frame],
        says: `${t.client} breaks off its handshake`,
        of: t,
      })
    }
    evidence.push({
      kind: 'measure',
      name: 'handshakes broken off before',
      value: earlier.length,
      unit: 'connections',
      compared: 'max_connect_errors',
    })
    ctx.report({
      session: s,
      at: error.at,
      cause: `${culprit.role} ${culprit.address} blocks ${host ?? root.clientIp}`,
      severity: 'error',
      confidence: 'certain',
      culprit,
      title: (all) =>
        `${capital(culpritWords(culprit))} has blocked host ${host ?? root.clientIp} (1129) and refused ${count(all.length, 'a connection', 'connections')}`,
      detail: { host: host ?? root.clientIp, answeredBy: culprit.role, interruptedBefore: earlier.length },
      command: null,
      statement: null,
      outcome: 'none',
      evidence,
      excluded: [
        'a wrong password: the server refused before it asked for one',
        'a network fault: the refusal is in words',
      ],
      remedy: this.meta.fix,
    })
  },
})
