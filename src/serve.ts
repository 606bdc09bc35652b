/**
 * The recording proxy as the command and users of the library start it: settings as text in, a running proxy out. Wires the traffic
 * (src/proxy) to the live analysis, the trigger, the command for findings and the status port.
 */
import { basename } from 'node:path'
import { MysqlconnError } from './core/errors.ts'
import { type LiveHost, startLive } from './live.ts'
import type { LiveFinding } from './live-analysis.ts'
import { event, type OnEvent } from './proxy/events.ts'
import { parseFault } from './proxy/faults.ts'
import { FindingCommand } from './proxy/on-finding.ts'
import { type ProxyTotals, RecordingProxy } from './proxy/recording-proxy.ts'
import { parseDuration, parseProxyProtocol, parseRing, parseRoutes, parseSize } from './proxy/settings.ts'
import { type Metric, startStatus } from './proxy/status-server.ts'
import { type TlsSettings, tlsOptions } from './proxy/tls-settings.ts'
import type { Severity } from './report/model.ts'
import { VERSION } from './version.ts'

export interface ProxySettings extends TlsSettings {
  /** `[HOST:]PORT` or `unix:PATH`; the host is loopback when it is missing. */
  listen: readonly string[]
  upstream: readonly string[]
  /** File to record to, `-` for stdout; nothing is recorded when it is missing. */
  record?: string
  /** `10x100MB`, `24x1h`. */
  ring?: string
  gzip?: boolean
  snaplen?: number
  /** What a crash loses at most, `1s`. */
  flush?: string
  /** Memory for what waits to be written, `128MB`. */
  buffer?: string
  /** Record only around findings: hold back so much, `5m`, in at most so much memory, `256MB`. */
  keep?: string
  keepMemory?: string
  recordOn?: 'finding' | Severity
  /** Program and arguments that get each finding as JSON on stdin. */
  onFinding?: string
  /** Findings while it runs; on unless false. */
  live?: boolean
  /** Write the secrets of TLS that is ended here into the recording (Decryption Secrets Blocks). */
  recordSecrets?: boolean
  /** PROXY protocol: `in` (expected from clients), `out` (sent to the server), `in,out`. */
  proxyProtocol?: string
  /** A fault on purpose, how often, and for which `user=`, `schema=` or `sql=`. */
  fault?: string
  faultProbability?: number
  match?: string
  maxConnections?: number
  connectTimeout?: string
  /** Port on loopback for /healthz and /metrics. */
  statusPort?: number
  onEvent?: OnEvent
  version?: string
}

export interface ServeTotals extends ProxyTotals {
  /** Findings told so far, null without live analysis. */
  findings: number | null
}

export interface RunningProxy {
  /** Addresses that are listened on, with the ports that the system chose for 0. */
  readonly listening: readonly string[]
  readonly statusPort: number | null
  totals(): ServeTotals
  rotate(): void
  /** Ends in order; resolves with the number of connections that were cut short at the deadline. */
  drain(deadline: string): Promise<number>
}

/** Rejects with a MysqlconnError when the settings are wrong, a listener or the recording cannot be opened. */
export async function startProxy(settings: ProxySettings): Promise<RunningProxy> {
  const onEvent = settings.onEvent ?? (() => {})
  const routes = parseRoutes(settings.listen, settings.upstream)
  const keep = keepOf(settings)
  const tls = tlsOptions(settings)
  if (settings.fault === undefined && (settings.match !== undefined || settings.faultProbability !== undefined))
    throw new MysqlconnError('E_USAGE', '--match and --fault-probability belong to --fault')
  if (settings.fault !== undefined && tls !== null)
    throw new MysqlconnError(
      'E_USAGE',
      '--fault and --tls-cert do not go together: faults are chosen by what clients send in clear',
    )
  if (settings.recordSecrets === true && (tls === null || settings.record === undefined))
    throw new MysqlconnError('E_USAGE', '--record-secrets needs --record, --tls-cert and --tls-key')
  const least = RANK[settings.recordOn === undefined || settings.recordOn === 'finding' ? 'warning' : settings.recordOn]
  const command =
    settings.onFinding === undefined
      ? null
      : new FindingCommand(settings.onFinding, (why) =>
          onEvent(event('warning', 'on-finding-failed', `--on-finding: ${why}`)),
        )
  let findings = 0
  let proxy: RecordingProxy
  const found = (f: LiveFinding): void => {
    findings++
    onEvent(findingEvent(f))
    if (keep !== null && RANK[f.finding.severity] <= least) proxy.trigger()
    command?.run(f.finding)
  }
  const live = settings.live === false ? null : await liveOf(settings, routes, found, onEvent)
  proxy = new RecordingProxy({
    routes,
    record: settings.record ?? null,
    ring: settings.ring === undefined ? null : parseRing(settings.ring),
    gzip: settings.gzip ?? false,
    keep,
    snaplen: settings.snaplen ?? 0,
    flushMs: parseDuration(settings.flush ?? '1s', '--flush'),
    queueBytes: parseSize(settings.buffer ?? '128MB', '--buffer'),
    maxConnections: settings.maxConnections ?? 10_000,
    connectTimeoutMs: parseDuration(settings.connectTimeout ?? '10s', '--connect-timeout'),
    onEvent,
    ...(live === null
      ? {}
      : {
          onBlocks: (blocks: Uint8Array) => live.blocks(blocks),
          onSecrets: (block: Uint8Array) => live.blocks(block),
        }),
    tls,
    fault:
      settings.fault === undefined ? null : parseFault(settings.fault, settings.faultProbability ?? 1, settings.match),
    ...(settings.proxyProtocol === undefined
      ? { proxyIn: false, proxyOut: null }
      : parseProxyProtocol(settings.proxyProtocol)),
    recordSecrets: settings.recordSecrets ?? false,
    version: settings.version ?? VERSION,
  })
  const totals = (): ServeTotals => ({ ...proxy.totals(), findings: live === null ? null : findings })
  const status =
    settings.statusPort === undefined
      ? null
      : await startStatus(
          settings.statusPort,
          () => metricsOf(totals()),
          () => ({ ok: true, recording: proxy.totals().recording, open: proxy.totals().open }),
        )
  await proxy.start()
  return {
    get listening() {
      return proxy.listening.map((a) => (a.kind === 'unix' ? `unix:${a.path}` : `${a.host}:${a.port}`))
    },
    statusPort: status?.port ?? null,
    totals,
    rotate: () => proxy.rotate(),
    drain: async (deadline) => {
      const cut = await proxy.drain(parseDuration(deadline, '--drain'), () => live?.end())
      await command?.settled()
      status?.server.close()
      return cut
    },
  }
}

const RANK: Readonly<Record<Severity, number>> = { error: 0, warning: 1, info: 2 }

function keepOf(settings: ProxySettings): { ms: number; bytes: number } | null {
  if (settings.keep === undefined) {
    if (settings.recordOn === undefined) return null
    throw new MysqlconnError('E_USAGE', '--record-on needs --keep', 'write it as --keep 5m --record-on finding')
  }
  if (settings.record === undefined || settings.record === '-')
    throw new MysqlconnError('E_USAGE', '--keep needs --record with the name of a file')
  if (settings.live === false) throw new MysqlconnError('E_USAGE', '--keep waits for findings: leave out --no-live')
  return {
    ms: parseDuration(settings.keep, '--keep'),
    bytes: parseSize(settings.keepMemory ?? '256MB', '--keep-memory'),
  }
}

async function liveOf(
  settings: ProxySettings,
  routes: ReturnType<typeof parseRoutes>,
  onFinding: (f: LiveFinding) => void,
  onEvent: OnEvent,
): Promise<LiveHost> {
  const ports = routes.flatMap((r) => [r.listen, r.upstream]).flatMap((a) => (a.kind === 'tcp' ? [a.port] : []))
  let told = false
  return await startLive(
    { input: basename(settings.record ?? 'live'), ports: ports.filter((p) => p > 0) },
    {
      onFinding,
      onBehind: () => {
        if (!told)
          onEvent(
            event(
              'warning',
              'live-behind',
              'the live analysis cannot keep up: some traffic is recorded but not judged now',
            ),
          )
        told = true
      },
      onFailed: (e) =>
        onEvent(event('error', 'live-failed', `the live analysis ended: ${e.message}. Traffic and recording go on.`)),
    },
  )
}

function findingEvent({ finding: f, total }: LiveFinding): ReturnType<typeof event> {
  const o = f.occurrences[0]!
  const more = total > 1 ? `; ${total} times so far` : ''
  const lost = o.command === null ? '' : `; lost: ${o.command} (${o.outcome})`
  return event(
    f.severity,
    'finding',
    `FOUND ${f.rule} (${f.confidence}): ${f.title} [${o.client} -> ${o.server}${lost}${more}]`,
    {
      rule: f.rule,
      id: f.id,
      severity: f.severity,
      confidence: f.confidence,
      title: f.title,
      culprit: f.culprit.role,
      culpritAddress: f.culprit.address,
      session: o.session,
      client: o.client,
      server: o.server,
      command: o.command,
      outcome: o.outcome,
      occurrences: f.occurrences.length,
      total,
    },
  )
}

function metricsOf(t: ServeTotals): Metric[] {
  const counter = (name: string, help: string, value: number): Metric => ({ name, type: 'counter', help, value })
  const gauge = (name: string, help: string, value: number): Metric => ({ name, type: 'gauge', help, value })
  return [
    gauge('connections_open', 'Client connections now open.', t.open),
    counter('connections_total', 'Client connections accepted.', t.accepted),
    counter('connections_refused_total', 'Clients turned away (--max-connections, draining).', t.refused),
    counter('connect_failures_total', 'Upstream connections that could not be opened.', t.connectFailed),
    counter('connections_broken_total', 'Connections that a side ended otherwise than by FIN.', t.broken),
    counter('requests_total', 'Times that a client spoke after its server had.', t.requests),
    counter('bytes_to_server_total', 'Bytes forwarded to upstreams.', t.bytesUp),
    counter('bytes_to_client_total', 'Bytes forwarded to clients.', t.bytesDown),
    gauge(
      'recording_up',
      '1 while the recording is written or held back, 0 when it is off or has stopped.',
      t.recording === 'on' || t.recording === 'waiting' ? 1 : 0,
    ),
    counter('recorded_bytes_total', 'Bytes of the recording.', t.recorded),
    gauge('recording_lag_bytes', 'Bytes that wait to be written.', t.lag),
    counter('recording_dropped_frames_total', 'Frames left out of the recording.', t.dropped),
    ...(t.findings === null ? [] : [counter('findings_total', 'Findings told.', t.findings)]),
  ]
}
