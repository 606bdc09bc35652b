/**
 * The recording proxy as the command and users of the library start it: settings as text in, a running proxy out.
 */
import type { OnEvent } from './proxy/events.ts'
import { type ProxyTotals, RecordingProxy } from './proxy/recording-proxy.ts'
import { parseDuration, parseRing, parseRoutes, parseSize } from './proxy/settings.ts'
import { VERSION } from './version.ts'

export interface ProxySettings {
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
  /** Memory for what waits to be written, `64MB`. */
  buffer?: string
  maxConnections?: number
  connectTimeout?: string
  onEvent?: OnEvent
  version?: string
}

export interface RunningProxy {
  /** Addresses that are listened on, with the ports that the system chose for 0. */
  readonly listening: readonly string[]
  totals(): ProxyTotals
  rotate(): void
  /** Ends in order; resolves with the number of connections that were cut short at the deadline. */
  drain(deadline: string): Promise<number>
}

/** Rejects with a MysqlconnError when the settings are wrong, a listener or the recording cannot be opened. */
export async function startProxy(settings: ProxySettings): Promise<RunningProxy> {
  const proxy = new RecordingProxy({
    routes: parseRoutes(settings.listen, settings.upstream),
    record: settings.record ?? null,
    ring: settings.ring === undefined ? null : parseRing(settings.ring),
    gzip: settings.gzip ?? false,
    snaplen: settings.snaplen ?? 0,
    flushMs: parseDuration(settings.flush ?? '1s', '--flush'),
    queueBytes: parseSize(settings.buffer ?? '64MB', '--buffer'),
    maxConnections: settings.maxConnections ?? 10_000,
    connectTimeoutMs: parseDuration(settings.connectTimeout ?? '10s', '--connect-timeout'),
    onEvent: settings.onEvent ?? (() => {}),
    version: settings.version ?? VERSION,
  })
  await proxy.start()
  return {
    get listening() {
      return proxy.listening.map((a) => (a.kind === 'unix' ? `unix:${a.path}` : `${a.host}:${a.port}`))
    },
    totals: () => proxy.totals(),
    rotate: () => proxy.rotate(),
    drain: (deadline) => proxy.drain(parseDuration(deadline, '--drain')),
  }
}
