/**
 * One client connection and the server connection that belongs to it. What one side does is done to the other: bytes, half-closes,
 * resets. What happened on each socket is recorded on its leg, with a note of what only the proxy knows.
 */
import type { Socket } from 'node:net'
import { CLIENT, type Direction, otherSide, SERVER } from '../core/direction.ts'
import type { Address } from './address.ts'
import { type Fault, Faulty } from './faults.ts'
import { Flow } from './flow.ts'
import { HeaderGate } from './header-gate.ts'
import { type Endpoint, Leg, unixEndpoints } from './leg.ts'
import { note } from './notes.ts'
import { type ProxiedClient, proxyHeader } from './proxy-header.ts'
import type { Recorder } from './recorder.ts'
import { TlsGate } from './relay-tls.ts'
import { adopt, open } from './sockets.ts'
import type { TlsOptions } from './tls-session.ts'

/** What the relays of one listener have in common. */
export interface Route {
  listen: Address
  upstream: Address
  /** Interfaces of the recording. */
  front: number
  back: number
  connectTimeoutMs: number
  /** TLS is ended when the client asks for it; null: it passes through. */
  tls: TlsOptions | null
  /** A PROXY header is expected from clients; one of this version is sent to the server. */
  proxyIn: boolean
  proxyOut: 1 | 2 | null
  fault: Fault | null
}

export interface RelayOwner {
  readonly recorder: Recorder
  /** Both sockets are closed. */
  closed(relay: Relay): void
  connectFailed(relay: Relay, error: NodeJS.ErrnoException): void
  /** A line of a TLS key log, of a session whose TLS is ended here. */
  secret(relay: Relay, line: string): void
  faulted(relay: Relay, fault: Fault): void
  headerMissing(relay: Relay, why: string): void
  tlsFailed(relay: Relay, leg: 'front' | 'back', error: NodeJS.ErrnoException): void
  /** A side ended the connection in another way than by FIN. */
  broke(relay: Relay, by: Side, errno: string): void
}

export type Side = 'client' | 'server' | 'proxy'

/** How the end began. */
export interface FirstClose {
  by: Side
  how: 'fin' | 'rst' | 'error'
  errno: string
  at: number
}

/** Codes that mean that the other host answered with RST. */
const RESET = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED'])

export class Relay {
  readonly number: number
  readonly route: Route
  readonly client: Socket
  server: Socket | null = null
  readonly up: Flow
  readonly down: Flow
  first: FirstClose | null = null
  /** Why the proxy itself closed, where it did. */
  reason = ''
  connected = false
  private gate: TlsGate | null = null
  private header: HeaderGate | null = null
  private faulty: Faulty | null = null
  /** Client and listener as the accepted socket says. */
  private readonly seen: ProxiedClient
  private tlsError = ''
  readonly startedAt: number
  protected readonly owner: RelayOwner
  private readonly frontLeg: Leg
  private backLeg: Leg | null = null
  private connectTimer: NodeJS.Timeout | null = null
  private connectAt = 0
  private open = 1

  constructor(number: number, route: Route, accepted: Socket, owner: RelayOwner) {
    this.number = number
    this.route = route
    this.owner = owner
    const { recorder } = owner
    this.startedAt = recorder.clock.now()
    this.up = new Flow(CLIENT, recorder)
    this.down = new Flow(SERVER, recorder)
    const [from, at] = endpoints(accepted, number, route.listen)
    this.up.other = this.down
    this.down.other = this.up
    this.client = adopt(accepted, this.up.onRead)
    this.up.from = this.client
    this.down.to = this.client
    this.frontLeg = new Leg(route.front, from, at)
    this.up.inLeg = this.frontLeg
    this.down.outLeg = this.frontLeg
    recorder.syn(this.frontLeg, this.startedAt, note({ session: number, leg: 'front' }))
    recorder.established(this.frontLeg, this.startedAt, '')
    this.client.on('end', () => this.ended(this.up, 'client'))
    this.client.on('finish', () => this.finished(this.frontLeg, SERVER))
    this.client.on('error', (e) => this.failed('client', e))
    this.client.on('close', () => this.gone(this.frontLeg))
    this.seen = { source: from, destination: at }
    if (!route.proxyIn) {
      this.connect()
      return
    }
    this.header = new HeaderGate(
      this.up,
      () => this.connect(),
      (why) => {
        this.owner.headerMissing(this, why)
        this.abort('no-proxy-header')
      },
    )
    this.client.resume()
  }

  private connect(): void {
    const { recorder } = this.owner
    const { upstream } = this.route
    this.connectAt = recorder.clock.now()
    const server = open(upstream, this.down.onRead)
    this.server = server
    this.open++
    this.up.to = server
    this.down.from = server
    server.on('connectionAttempt', (ip: string, port: number) => this.attempt({ ip, port }))
    server.on('connectionAttemptFailed', (_ip: string, _port: number, _family: number, e: NodeJS.ErrnoException) =>
      this.attemptFailed(e),
    )
    server.once('connect', () => this.established())
    server.on('end', () => this.ended(this.down, 'server'))
    server.on('finish', () => {
      if (this.backLeg !== null) this.finished(this.backLeg, CLIENT)
    })
    server.on('error', (e) => this.failed('server', e))
    server.on('close', () => this.gone(this.backLeg))
    if (this.route.connectTimeoutMs > 0) {
      this.connectTimer = setTimeout(() => {
        server.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' }))
      }, this.route.connectTimeoutMs)
    }
  }

  /** A SYN goes out. The port is known when the call has been made. */
  private attempt(to: Endpoint): void {
    const at = this.owner.recorder.clock.now()
    process.nextTick(() => {
      const own = localEndpoint(this.server!)
      if (own === null || this.connected) return
      this.backLeg = new Leg(this.route.back, own, to)
      this.owner.recorder.syn(this.backLeg, at, note({ session: this.number, leg: 'back' }))
    })
  }

  private attemptFailed(e: NodeJS.ErrnoException): void {
    const leg = this.backLeg
    if (leg === null || leg.closed[SERVER]) return
    if (e.code === 'ECONNREFUSED')
      this.owner.recorder.rst(leg, SERVER, this.owner.recorder.clock.now(), this.closeNote('server', 'rst', e.code))
  }

  private established(): void {
    const { recorder } = this.owner
    const server = this.server!
    const t = recorder.clock.now()
    this.connected = true
    if (this.connectTimer !== null) clearTimeout(this.connectTimer)
    this.connectTimer = null
    if (this.backLeg === null || this.backLeg.closed[SERVER]) {
      const [from, to] = backEndpoints(server, this.number, this.route.upstream)
      this.backLeg = new Leg(this.route.back, from, to)
      recorder.syn(this.backLeg, this.connectAt, note({ session: this.number, leg: 'back' }))
    }
    recorder.established(
      this.backLeg,
      t,
      note({ session: this.number, leg: 'back', event: 'connected', us: Math.round((t - this.connectAt) / 1000) }),
    )
    this.up.outLeg = this.backLeg
    this.down.inLeg = this.backLeg
    if (this.client.destroyed) {
      server.destroy()
      return
    }
    this.up.valve = null
    this.announce()
    if (this.route.tls !== null) {
      this.gate = new TlsGate(this.up, this.down, recorder, this.route.tls, {
        onSecret: (line) => this.owner.secret(this, line),
        onFailed: (leg, e) => this.tlsFailed(leg, e),
      })
    }
    if (this.route.fault !== null && this.gate === null)
      this.faulty = new Faulty(this.route.fault, this, (f) => this.owner.faulted(this, f))
    this.client.resume()
    server.resume()
  }

  /** The PROXY header for the server, and what the client had sent behind its own. */
  private announce(): void {
    const { header, route } = this
    this.header = null
    if (route.proxyOut !== null) this.up.send(proxyHeader(route.proxyOut, header === null ? this.seen : header.client))
    if (header !== null && header.rest.length > 0) this.up.send(header.rest)
  }

  /** A side has sent FIN: it is passed on behind the bytes that were before it. */
  private ended(flow: Flow, by: 'client' | 'server'): void {
    const { recorder } = this.owner
    flow.ended = true
    const t = recorder.clock.now()
    this.first ??= { by, how: 'fin', errno: '', at: t }
    if (this.server === null) {
      // Before its PROXY header: there is nobody to tell.
      this.header?.stop()
      this.client.end()
    }
    recorder.fin(flow.inLeg, flow.dir, t, this.closeNote(by, 'fin', ''))
    recorder.ack(flow.inLeg, flow.dir === CLIENT ? SERVER : CLIENT, t)
    if (flow.tap !== null) flow.tap.feedEnd()
    else if (this.server !== null) flow.to.end()
  }

  /**
   * The proxy closes a leg: what it had sent there is taken as arrived unless the kernel has told of retransmissions. Nobody will ask
   * the kernel any more, and a statement may only be called undelivered when that is known.
   */
  private assumeArrived(leg: Leg, dir: Direction): void {
    const flow = dir === CLIENT ? this.up : this.down
    const peer = otherSide(dir)
    if (flow.retransmissions > 0 || leg.acked[peer] === leg.next[dir] || !leg.opened) return
    const comment = note({
      session: this.number,
      leg: dir === CLIENT ? 'back' : 'front',
      event: 'assumed-acknowledged',
    })
    this.owner.recorder.ack(leg, peer, this.owner.recorder.clock.now(), 0xffff, comment)
  }

  /** Our own FIN has gone out on a leg. */
  private finished(leg: Leg, dir: Direction): void {
    const { recorder } = this.owner
    this.assumeArrived(leg, dir)
    recorder.fin(leg, dir, recorder.clock.now(), this.passedNote(dir === SERVER ? 'front' : 'back', 'fin'))
  }

  private failed(by: 'client' | 'server', e: NodeJS.ErrnoException): void {
    const { recorder } = this.owner
    const t = recorder.clock.now()
    const errno = e.code ?? e.message
    if (by === 'server' && !this.connected) {
      this.connectFailed(e, errno)
      return
    }
    const reset = RESET.has(errno)
    const leg = by === 'client' ? this.frontLeg : this.backLeg!
    const flow = by === 'client' ? this.up : this.down
    if (this.first === null) {
      this.first = { by, how: reset ? 'rst' : 'error', errno, at: t }
      this.owner.broke(this, by, errno)
    }
    if (reset) {
      recorder.ack(leg, flow.dir === CLIENT ? SERVER : CLIENT, t)
      recorder.rst(leg, flow.dir, t, this.closeNote(by, 'rst', errno))
    }
    this.resetOther(by)
  }

  /** What happened to one side happens to the other: an abrupt end stays one. */
  private resetOther(by: 'client' | 'server'): void {
    const { recorder } = this.owner
    const other = by === 'client' ? this.server : this.client
    const leg = by === 'client' ? this.backLeg : this.frontLeg
    if (other === null || other.destroyed) return
    abort(other)
    if (leg !== null) this.assumeArrived(leg, by === 'client' ? CLIENT : SERVER)
    if (leg !== null)
      recorder.rst(
        leg,
        by === 'client' ? CLIENT : SERVER,
        recorder.clock.now(),
        this.passedNote(by === 'client' ? 'back' : 'front', 'rst'),
      )
  }

  private tlsFailed(leg: 'front' | 'back', e: NodeJS.ErrnoException): void {
    if (this.first !== null) return
    this.owner.tlsFailed(this, leg, e)
    this.tlsError = `${leg}: ${e.code ?? e.message}`
    // Whatever TLS still wants to say (an alert) goes out first.
    setImmediate(() => this.close('tls'))
  }

  private connectFailed(e: NodeJS.ErrnoException, errno: string): void {
    if (this.connectTimer !== null) clearTimeout(this.connectTimer)
    this.connectTimer = null
    this.attemptFailed(e)
    this.first ??= { by: 'server', how: 'error', errno, at: this.owner.recorder.clock.now() }
    this.owner.connectFailed(this, e)
    // The client gets a clean end of the connection, as from a server that has nothing to say. What it sends is not waited for.
    this.client.resume()
    this.client.end()
    this.client.once('finish', () => this.client.destroySoon())
  }

  /** The proxy ends the connection by itself. */
  close(reason: string): void {
    this.reason = reason
    this.first ??= { by: 'proxy', how: 'fin', errno: '', at: this.owner.recorder.clock.now() }
    for (const socket of [this.client, this.server]) {
      if (socket === null || socket.destroyed) continue
      if (socket.connecting) socket.destroy()
      else socket.end(() => socket.destroy())
    }
  }

  /** The same without waiting for anything. */
  abort(reason: string): void {
    const { recorder } = this.owner
    this.reason = reason
    this.first ??= { by: 'proxy', how: 'rst', errno: '', at: recorder.clock.now() }
    this.assumeArrived(this.frontLeg, SERVER)
    if (this.backLeg !== null) this.assumeArrived(this.backLeg, CLIENT)
    const t = recorder.clock.now()
    abort(this.client)
    recorder.rst(this.frontLeg, SERVER, t, this.passedNote('front', 'rst'))
    if (this.server !== null) abort(this.server)
    if (this.backLeg?.opened) recorder.rst(this.backLeg, CLIENT, t, this.passedNote('back', 'rst'))
  }

  /** Whether nothing is outstanding as far as bytes tell: the server spoke last, and all of it was delivered. */
  get quiet(): boolean {
    return !this.up.blocked && !this.down.blocked && this.down.lastAt >= this.up.lastAt
  }

  /** Times that the client spoke after the server had. */
  get requests(): number {
    return this.up.turns
  }

  private gone(leg: Leg | null): void {
    // Closed in order: the last FIN is the kernel's to deliver, and taken as acknowledged.
    if (leg !== null) this.owner.recorder.lastAcks(leg)
    this.header?.stop()
    this.faulty?.stop()
    if (this.gate?.session != null && this.client.destroyed) this.gate.session.destroy()
    if (--this.open > 0) {
      // One side is wholly gone without a word to the other (destroyed by us, or both directions ended).
      if (this.client.destroyed && this.server !== null && !this.server.destroyed && this.server.connecting)
        this.server.destroy()
      return
    }
    this.owner.closed(this)
  }

  private closeNote(by: 'client' | 'server', how: string, errno: string): string {
    const own = this.first === null || this.first.by === by
    return note({
      session: this.number,
      leg: by === 'client' ? 'front' : 'back',
      event: 'close',
      by,
      first: own ? 'yes' : 'no',
      how,
      errno,
    })
  }

  private passedNote(leg: 'front' | 'back', how: string): string {
    const first = this.first
    return note({
      session: this.number,
      leg,
      event: 'close',
      by: 'proxy',
      how,
      cause: first?.by,
      'cause-how': first?.how,
      errno: first?.errno,
      reason: this.reason,
      tls: this.tlsError,
      unsent: this.up.unsent + this.down.unsent > 0 ? this.up.unsent + this.down.unsent : undefined,
    })
  }
}

/** RST where the socket can send one. */
function abort(socket: Socket): void {
  if (socket.connecting || socket.remotePort === undefined) socket.destroy()
  else socket.resetAndDestroy()
}

function endpoints(s: Socket, number: number, listen: Address): [Endpoint, Endpoint] {
  if (listen.kind === 'unix' || s.remoteAddress === undefined || s.localAddress === undefined)
    return unixEndpoints(number, listen.kind === 'tcp' ? listen.port : 3306)
  return [
    { ip: s.remoteAddress, port: s.remotePort ?? 0 },
    { ip: s.localAddress, port: s.localPort ?? 0 },
  ]
}

function backEndpoints(s: Socket, number: number, upstream: Address): [Endpoint, Endpoint] {
  if (upstream.kind === 'unix' || s.remoteAddress === undefined || s.localAddress === undefined)
    return unixEndpoints(number, 3306)
  return [
    { ip: s.localAddress, port: s.localPort ?? 0 },
    { ip: s.remoteAddress, port: s.remotePort ?? 0 },
  ]
}

/** Own address of a socket that is connecting; null where Node does not tell. */
function localEndpoint(s: Socket): Endpoint | null {
  const handle = (s as unknown as { _handle?: { getsockname?: (out: object) => number } })._handle
  const out: { address?: string; port?: number } = {}
  if (handle?.getsockname === undefined || handle.getsockname(out) !== 0) return null
  return out.address === undefined || out.port === undefined ? null : { ip: out.address, port: out.port }
}
