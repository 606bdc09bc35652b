/**
 * The running proxy: listeners, the relays that they open, the recording that all of them share, and an orderly end.
 */
import { rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { decryptionSecrets } from '../capture/pcapng-writer.ts'
import { MysqlconnError } from '../core/errors.ts'
import { type Address, addressText, isLoopback } from './address.ts'
import { Clock } from './clock.ts'
import { connectWords, listenError, tlsWords } from './error-words.ts'
import { EventGate, event, type OnEvent, relayFacts, routeText } from './events.ts'
import type { Fault } from './faults.ts'
import { FileSink } from './file-sink.ts'
import { Recorder, type RecordingSink } from './recorder.ts'
import { recordingHead, recordingTail } from './recording-blocks.ts'
import { Relay, type RelayOwner, type Route, type Side } from './relay.ts'
import { StreamSink } from './stream-sink.ts'
import type { TlsOptions } from './tls-session.ts'
import { TriggerSink } from './trigger-sink.ts'
import { Witness } from './witness.ts'

export interface ProxyOptions {
  routes: readonly { listen: Address; upstream: Address }[]
  /** File, `-` for stdout, null to record nothing. */
  record: string | null
  ring: { files: number; bytes: number; seconds: number } | null
  gzip: boolean
  /** Hold the last milliseconds back, in at most so many bytes, until `trigger`; null: record at once. */
  keep: { ms: number; bytes: number } | null
  snaplen: number
  flushMs: number
  queueBytes: number
  /** TLS that is ended here, null to pass it through; its secrets go into the recording only if asked. */
  tls: Omit<TlsOptions, 'host'> | null
  recordSecrets: boolean
  /** Secrets of ended TLS, for the live analysis: kept in memory only. */
  onSecrets?: (block: Uint8Array) => void
  proxyIn: boolean
  proxyOut: 1 | 2 | null
  fault: Fault | null
  maxConnections: number
  connectTimeoutMs: number
  onEvent: OnEvent
  /** Blocks of the recording as they are written, the file's head first. */
  onBlocks?: (blocks: Uint8Array) => void
  version: string
}

export interface ProxyTotals {
  open: number
  accepted: number
  refused: number
  connectFailed: number
  broken: number
  bytesUp: number
  bytesDown: number
  recorded: number
  lag: number
  dropped: number
  recording: 'on' | 'off' | 'failed' | 'waiting'
  /** Times that a client spoke after its server had: commands, where they are not pipelined. */
  requests: number
}

export class RecordingProxy implements RelayOwner {
  readonly recorder: Recorder
  private readonly options: ProxyOptions
  private readonly gate: EventGate
  private readonly clock = new Clock()
  private readonly sink: RecordingSink | null
  private held: TriggerSink | null = null
  private readonly servers: Server[] = []
  private readonly routes: Route[] = []
  private readonly relays = new Set<Relay>()
  /** Key log of the open sessions, for the head of the next file of a ring. */
  private readonly secrets = new Map<Relay, string>()
  private readonly witness: Witness
  private accepted = 0
  private refused = 0
  private failedConnects = 0
  private broken = 0
  private bytesUp = 0
  private bytesDown = 0
  private requests = 0
  private draining = false
  private recordingFailed: NodeJS.ErrnoException | null = null
  private emptied: (() => void) | null = null

  constructor(options: ProxyOptions) {
    this.options = options
    this.gate = new EventGate(options.onEvent)
    const tlsOf = (r: { upstream: Address }): TlsOptions | null =>
      options.tls === null ? null : { ...options.tls, host: r.upstream.kind === 'tcp' ? r.upstream.host : 'localhost' }
    options.routes.forEach((r, i) => {
      this.routes.push({
        ...r,
        front: i * 2,
        back: i * 2 + 1,
        connectTimeoutMs: options.connectTimeoutMs,
        tls: tlsOf(r),
        proxyIn: options.proxyIn,
        proxyOut: options.proxyOut,
        fault: options.fault,
      })
    })
    this.sink = this.makeSink()
    this.recorder = new Recorder({
      clock: this.clock,
      sink: this.sink,
      queueBytes: options.queueBytes,
      flushMs: options.flushMs,
      snaplen: options.snaplen,
      interfaces: this.routes.length * 2,
      onFailed: (e) => this.recordingEnded(e),
      onDropping: (dropping, dropped) => this.dropping(dropping, dropped),
      ...(options.onBlocks === undefined ? {} : { onBlocks: options.onBlocks }),
    })
    this.witness = new Witness(this.recorder, this.relays)
  }

  /** Opens the recording, then the listeners. Rejects with MysqlconnError when one of them cannot be had. */
  async start(): Promise<void> {
    this.options.onBlocks?.(this.head())
    if (this.sink instanceof FileSink) {
      try {
        await this.sink.open()
      } catch (e) {
        throw new MysqlconnError('E_OUTPUT', `cannot record to ${this.options.record}: ${(e as Error).message}`)
      }
    }
    for (const route of this.routes) await this.listen(route)
  }

  private makeSink(): RecordingSink | null {
    const { record, ring, gzip, keep } = this.options
    if (record === null) return this.options.onBlocks === undefined ? null : DISCARD
    if (record === '-')
      return new StreamSink(
        process.stdout,
        () => this.head(),
        () => this.tail(),
      )
    const file = new FileSink({
      path: record,
      ring: ring ?? (keep === null ? null : TRIGGER_RING),
      gzip,
      head: () => this.head(),
      tail: () => this.tail(),
      unixMs: () => this.clock.unixMs(this.clock.now()),
      onFile: (what, path) =>
        this.gate.send(event('info', `recording-${what}`, `recording ${path}: ${what}`, { path })),
    })
    if (keep === null) return file
    this.held = new TriggerSink({
      keepMs: keep.ms,
      keepBytes: keep.bytes,
      nowMs: () => performance.now(),
      open: async () => ({ write: (blocks, about) => file.write(blocks, about), end: () => file.pause() }),
      finished: () => file.end(),
    })
    return this.held
  }

  private head(): Uint8Array {
    return recordingHead(this.routes, this.options, this.secrets.values())
  }

  private tail(): Uint8Array {
    return recordingTail(this.recorder.counts, this.clock.unixMs(this.clock.now()), this.recordingFailed)
  }

  private async listen(route: Route): Promise<void> {
    const { listen } = route
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true }, (s) =>
      this.accept(route, s),
    )
    const where = listen.kind === 'unix' ? { path: listen.path } : { host: listen.host, port: listen.port }
    await new Promise<void>((done, failed) => {
      server.once('error', (e) => failed(listenError(listen, e)))
      server.listen({ ...where, backlog: 1024 }, () => {
        server.removeAllListeners('error')
        done()
      })
    })
    // Later errors are failed accepts (descriptors used up): the next one may succeed.
    server.on('error', (e: NodeJS.ErrnoException) =>
      this.gate.send(
        event('error', 'accept-failed', `cannot accept a connection: ${e.message}`, { errno: e.code ?? '' }),
      ),
    )
    this.servers.push(server)
    const bound = server.address()
    if (listen.kind === 'tcp' && bound !== null && typeof bound === 'object')
      route.listen = { ...listen, port: bound.port }
    const open = isLoopback(listen)
      ? ''
      : '; everybody who can reach this address can connect, the proxy asks for no password of its own'
    this.gate.send(
      event('info', 'listening', `listening on ${routeText(route)}${open}`, {
        listen: addressText(route.listen),
        upstream: addressText(route.upstream),
        loopback: isLoopback(listen),
      }),
    )
  }

  /** Addresses really listened on, in the order of the options. */
  get listening(): readonly Address[] {
    return this.routes.map((r) => r.listen)
  }

  private accept(route: Route, socket: Socket): void {
    if (this.draining || this.relays.size >= this.options.maxConnections) {
      this.refused++
      socket.on('error', () => {})
      socket.destroy()
      this.gate.send(
        event('warning', 'refused', `refused a client: ${this.relays.size} connections are open (--max-connections)`, {
          open: this.relays.size,
        }),
      )
      return
    }
    this.relays.add(new Relay(++this.accepted, route, socket, this))
  }

  // ---- RelayOwner

  closed(relay: Relay): void {
    this.relays.delete(relay)
    this.secrets.delete(relay)
    this.requests += relay.requests
    this.bytesUp += relay.up.bytes
    this.bytesDown += relay.down.bytes
    if (this.relays.size === 0) this.emptied?.()
  }

  connectFailed(relay: Relay, error: NodeJS.ErrnoException): void {
    this.failedConnects++
    const to = addressText(relay.route.upstream)
    const errno = error.code ?? ''
    this.gate.send(
      event('error', 'connect-failed', `cannot connect to ${to}: ${connectWords(errno, error)}`, {
        ...relayFacts(relay),
        errno,
      }),
    )
  }

  secret(relay: Relay, line: string): void {
    const text = line.endsWith('\n') ? line : `${line}\n`
    const block = decryptionSecrets(text)
    this.options.onSecrets?.(block)
    if (!this.options.recordSecrets) return
    this.secrets.set(relay, (this.secrets.get(relay) ?? '') + text)
    this.recorder.block(block)
  }

  faulted(relay: Relay, fault: Fault): void {
    this.gate.send(
      event('warning', 'fault', `session ${relay.number}: ${fault.kind}, on purpose (--fault)`, {
        ...relayFacts(relay),
        fault: fault.kind,
      }),
    )
  }

  headerMissing(relay: Relay, why: string): void {
    this.gate.send(
      event(
        'error',
        'no-proxy-header',
        `session ${relay.number}: the client sent no PROXY header: ${why}`,
        relayFacts(relay),
      ),
    )
  }

  tlsFailed(relay: Relay, leg: 'front' | 'back', error: NodeJS.ErrnoException): void {
    const who = leg === 'back' ? `server ${addressText(relay.route.upstream)}` : 'client'
    this.gate.send(
      event('error', 'tls-failed', `session ${relay.number}: TLS with the ${who} failed: ${tlsWords(error)}`, {
        ...relayFacts(relay),
        leg,
        error: error.code ?? error.message,
      }),
    )
  }

  broke(relay: Relay, by: Side, errno: string): void {
    this.broken++
    this.gate.send(
      event('warning', 'broken', `session ${relay.number}: the ${by} ended it with ${errno}`, {
        ...relayFacts(relay),
        by,
        errno,
      }),
    )
  }

  // ---- recording

  private recordingEnded(e: NodeJS.ErrnoException): void {
    this.recordingFailed = e
    this.gate.send(
      event('error', 'recording-stopped', `RECORDING STOPPED: ${e.message}. Traffic goes on.`, { errno: e.code ?? '' }),
    )
  }

  private dropping(dropping: boolean, dropped: number): void {
    this.gate.send(
      dropping
        ? event(
            'error',
            'recording-behind',
            'the recording cannot be written fast enough: frames are left out. Traffic goes on.',
          )
        : event('warning', 'recording-resumed', `the recording goes on; ${dropped} frames were left out`, { dropped }),
    )
  }

  rotate(): void {
    if (this.sink instanceof FileSink) this.sink.rotate()
    this.recorder.flush()
  }

  totals(): ProxyTotals {
    let { bytesUp, bytesDown, requests } = this
    for (const r of this.relays) {
      requests += r.requests
      bytesUp += r.up.bytes
      bytesDown += r.down.bytes
    }
    return {
      open: this.relays.size,
      accepted: this.accepted,
      refused: this.refused,
      connectFailed: this.failedConnects,
      broken: this.broken,
      bytesUp,
      bytesDown,
      recorded: this.waiting ? this.held!.bytes : this.recorder.bytesWritten,
      lag: this.recorder.lagBytes,
      dropped: this.recorder.dropped,
      recording: this.recordingState(),
      requests,
    }
  }

  private recordingState(): ProxyTotals['recording'] {
    if (this.recordingFailed !== null) return 'failed'
    if (this.options.record === null) return 'off'
    return this.waiting ? 'waiting' : 'on'
  }

  /** Trigger mode, and nothing has happened. */
  private get waiting(): boolean {
    return this.held !== null && !this.held.writing
  }

  /** Something was found: what was held back is written, and what follows. */
  trigger(): void {
    if (this.held === null) return
    this.held.trigger()
    this.recorder.poke()
  }

  // ---- the end

  /**
   * Stops listening and waits for connections to end: those on which nothing is outstanding are closed, the others when their answer
   * has come, and at the deadline what is left. Resolves with the number that was cut short.
   */
  async drain(deadlineMs: number, judged?: () => Promise<void> | undefined): Promise<number> {
    this.draining = true
    for (const s of this.servers) s.close()
    const until = performance.now() + deadlineMs
    const sweep = (): void => {
      const now = this.clock.now()
      for (const r of this.relays)
        if (r.reason === '' && r.quiet && now - Math.max(r.up.lastAt, r.down.lastAt) > QUIET_NS) r.close('drain')
    }
    while (this.relays.size > 0 && performance.now() < until) {
      sweep()
      await new Promise<void>((done) => {
        const timer = setTimeout(done, 50)
        this.emptied = () => {
          clearTimeout(timer)
          done()
        }
      })
      this.emptied = null
    }
    const cut = this.relays.size
    for (const r of [...this.relays]) r.abort('drain-deadline')
    await new Promise((done) => setImmediate(done))
    this.witness.stop()
    await this.recorder.written()
    // The last findings may still want what is held back.
    await judged?.()
    await this.recorder.end()
    for (const r of this.routes) if (r.listen.kind === 'unix') await rm(r.listen.path, { force: true })
    this.gate.flush()
    return cut
  }
}

/** A connection whose last answer is this old has nothing outstanding. */
const QUIET_NS = 100e6

/** What is kept of triggered recordings unless --ring says otherwise: it may run for days. */
const TRIGGER_RING = { files: 20, bytes: 200e6, seconds: 0 }

const DISCARD: RecordingSink = { write: async () => {}, end: async () => {} }
