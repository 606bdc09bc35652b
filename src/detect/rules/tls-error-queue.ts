/** Healthy sessions cut by a process right after another TLS session of the same process failed: left-over TLS error state. */
import { NS_PER_SECOND, toSeconds } from '../../core/time.ts'
import type { Confidence } from '../../report/model.ts'
import { acceptingSide } from '../describe.ts'
import { type ErrorQueue, errorQueueOf, isServed, SOON, triggerFor, type Victim } from '../error-queue.ts'
import { excludedOf, servedEvidence, victimEvidence } from '../error-queue-evidence.ts'
import { type Culprit, defineRule, type RuleContext, type Verdict } from '../rule.ts'

export default defineRule({
  meta: {
    id: 'tls-error-queue',
    family: 'tls',
    title: 'A TLS error left over from another connection cut healthy ones',
    severity: 'error',
    what:
      'A TLS session of a process failed (a client broke its handshake off, or a server went away under a request). Soon afterwards the same process sent requests on healthy TLS connections and closed each of them itself ' +
      'before an answer could have come, without COM_QUIT and without an alert; the server answered all the same. Sessions that the process served by these connections were closed without an error.',
    why:
      'OpenSSL keeps errors in a queue per thread. Code that asks SSL_get_error() with an old error in it takes a healthy connection for a broken one. ' +
      'Applications that never used TLS see 2013 (Lost connection to MySQL server during query) because of a stranger’s failed handshake: a port scan, a health check, a client with the wrong CA. ' +
      'ProxySQL 2.3.0 up to 2.6.3, and 2.6.4 builds before August 2024, do this.',
    cannotTell:
      'The queue itself, and which thread served whom: neither is on the wire. When nothing before the first cut is in the capture, what set it off is unknown. ' +
      'The log of the process (ProxySQL: "Detected a broken connection while running query") settles it.',
    fix: [
      {
        text: 'Bring the process up to date: ProxySQL 2.6.5, 2.7.0 or later',
        config: 'ProxySQL 2.6.4 prints the same version with and without the fix: take a build of August 2024 or later',
      },
      {
        text: 'Until then, offer no TLS to clients: only failed handshakes set it off',
        config: "SET mysql-have_ssl='false'; LOAD MYSQL VARIABLES TO RUNTIME",
      },
      { text: 'Keep away, or repair, the client whose handshake fails: the session named as trigger', config: '' },
      { text: 'Let applications retry reads on 2013; a write may have run on the server', config: '' },
    ],
    needs: ['tcp', 'mysql'],
    quiet: [
      'a failed handshake that harmed nobody',
      'an orderly close: COM_QUIT in TLS, or in plain text into the TLS stream',
      'a server that closed first (KILL, wait_timeout, shutdown), or answered before the close',
      'a process that sent an alert before it closed: it had read an end of the stream',
      'a client that left first, whose proxy then closed its server connection',
      'a process that ended and took all its connections along',
      'connections to the server without TLS',
      'a client that waited for its answer, and gave up',
      'a proxy that passes TLS through and has none of its own',
    ],
    references: [
      { title: 'OpenSSL: SSL_get_error(3)', url: 'https://docs.openssl.org/3.0/man3/SSL_get_error/' },
      { title: 'ProxySQL issue 4556', url: 'https://github.com/sysown/proxysql/issues/4556' },
      { title: 'ProxySQL pull request 4602', url: 'https://github.com/sysown/proxysql/pull/4602' },
    ],
    detail: {
      process: 'address of the process that kept the error',
      trigger:
        'handshake: TLS handshakes that broke; server-close: TLS connections that a server closed under a request; unseen: nothing before the first cut was captured',
      triggers: 'ids of the sessions that failed, in order of time',
      victims: 'ids of the healthy server connections that were cut, in order of time',
      servedCut: 'ids of the sessions that were closed with them',
      gapSeconds: 'from the first trigger to the first connection cut, null when no trigger was seen',
      retries: 'how often the request was tried again at once on another connection, which was cut likewise',
    },
    sample: 'tls-error-queue',
  },
  session(s, ctx) {
    if (ctx.explained(s)) return
    const found = errorQueueOf(s, ctx.fleet)
    if (found === null) return
    const { queue, part } = found
    const culprit = culpritOf(queue, ctx)
    const lost = s.ending.lost ?? part.close.outstanding
    const ping = !isServed(part) && part.ping
    ctx.report({
      session: s,
      at: part.close.at,
      cause: `tls error queue ${queue.process}`,
      severity: ping ? 'warning' : 'error',
      confidence: confidenceOf(queue, isServed(part) ? part.victim : part),
      culprit,
      title: (all) => title(all, queue, culprit),
      detail: detailOf(queue),
      command: lost?.name ?? (ping ? 'COM_PING' : null),
      statement: lost?.text ?? null,
      outcome: ping ? 'none' : (lost?.outcome ?? 'delivered-unknown'),
      evidence: isServed(part) ? servedEvidence(s, part, lost) : victimEvidence(s, part, lost, ctx.fleet),
      excluded: excludedOf(s, part, queue, ctx.fleet),
      remedy: this.meta.fix,
    })
  },
})

function culpritOf(queue: ErrorQueue, ctx: RuleContext): Culprit {
  const accepting =
    queue.triggers.find((t) => t.session.serverIp === queue.process)?.session ?? queue.served[0]?.session
  const named = accepting === undefined ? null : acceptingSide(accepting, ctx.fleet)
  const proxy = queue.forwards || queue.plainQuits || named?.role === 'proxy'
  const product = (named?.role === 'proxy' ? named.product : null) ?? (queue.plainQuits ? 'ProxySQL' : null)
  return { role: proxy ? 'proxy' : 'client', address: queue.process, product }
}

function confidenceOf(queue: ErrorQueue, v: Victim | null): Confidence {
  // Without the connections to the servers only the coincidence speaks.
  if (v === null) return 'possible'
  const trigger = triggerFor(v)
  if (trigger === null || v.close.at - trigger.at > SOON) return 'possible'
  // One connection, a while after some failed handshake: it may be chance.
  return queue.victims.length > 1 || v.close.at - trigger.at <= NS_PER_SECOND ? 'likely' : 'possible'
}

function detailOf(queue: ErrorQueue): Record<string, unknown> {
  const trigger = queue.triggers[0]
  const hit = queue.victims.length > 0 ? queue.victims : queue.served
  const first = hit.find((x) => x.trigger !== null)
  return {
    process: queue.process,
    trigger: trigger === undefined ? 'unseen' : trigger.kind,
    triggers: queue.triggers.map((t) => t.session.id),
    victims: queue.victims.map((v) => v.session.id),
    servedCut: queue.served.map((x) => x.session.id),
    gapSeconds: trigger === undefined || first === undefined ? null : toSeconds(first.close.at - trigger.at),
    retries: queue.victims.filter((v) => v.retryOf !== null).length,
  }
}

function title(all: readonly Verdict[], queue: ErrorQueue, culprit: Culprit): string {
  const who = `${culprit.product ?? (culprit.role === 'proxy' ? 'The proxy' : 'The client')} ${queue.process}`
  const served = all.filter((v) => v.session.serverIp === queue.process).length
  const cut = all.length - served
  const t = queue.triggers.length
  const of =
    t === 0
      ? 'from before'
      : queue.triggers[0]!.kind === 'handshake'
        ? `of ${t === 1 ? 'a failed handshake' : `${t} failed handshakes`}`
        : `of ${t === 1 ? 'a connection that its server closed' : `${t} connections that their server closed`}`
  const legs = cut === 1 ? 'a healthy server connection' : `${cut} healthy server connections`
  const clients = served === 1 ? 'a client' : `${served} clients`
  const what =
    cut === 0
      ? `${clients} right after ${served === 1 ? 'its request' : 'their requests'}`
      : `${legs} right after its own request${served === 0 ? '' : `, and ${clients} with ${cut === 1 ? 'it' : 'them'}`}`
  return `${who} cut ${what}: left-over TLS error ${of}`
}
