/**
 * TLS ended on both legs of one session: the client speaks it with the proxy, the proxy with the server. The server's side is opened first,
 * so that a certificate that is not trusted is known before the client has said anything. Passwords and plugins pass through:
 * both legs are encrypted, so whatever a client may send over TLS it may send here.
 */
import { checkServerIdentity, connect, type PeerCertificate, type SecureContext, TLSSocket } from 'node:tls'
import type { Flow } from './flow.ts'
import type { Recorder } from './recorder.ts'
import { TlsTap, type WriteOrder } from './tls-tap.ts'

export type UpstreamTls = 'verify-full' | 'verify-ca' | 'required'

export interface TlsOptions {
  /** Certificate and key towards clients. */
  front: SecureContext
  /** CA and client certificate towards the server. */
  back: SecureContext
  upstream: UpstreamTls
  /** Name that the server's certificate must bear (verify-full). */
  host: string
}

export interface TlsEvents {
  /** A line of an NSS key log, of either leg. */
  onSecret(line: string): void
  /** The handshake of one leg failed, or TLS broke later: its session cannot go on. */
  onFailed(leg: 'front' | 'back', error: NodeJS.ErrnoException): void
}

/** The handshakes of both legs must be over by then. */
const PATIENCE_MS = 20_000

export class TlsSession {
  readonly frontTap: TlsTap
  readonly backTap: TlsTap
  private front: TLSSocket | null = null
  private readonly back: TLSSocket
  private readonly options: TlsOptions
  private readonly events: TlsEvents
  private readonly timer: NodeJS.Timeout
  private failed = false

  /** `rest`: what the client had already sent behind its SSLRequest (recorded as received). */
  constructor(up: Flow, down: Flow, recorder: Recorder, rest: Uint8Array, options: TlsOptions, events: TlsEvents) {
    this.options = options
    this.events = events
    const order: WriteOrder = { digesting: false, written: [] }
    this.frontTap = new TlsTap(up, recorder, order)
    this.backTap = new TlsTap(down, recorder, order)
    if (rest.length > 0) this.frontTap.push(Buffer.from(rest))
    this.timer = setTimeout(() => this.fail('front', new Error('the TLS handshake took too long')), PATIENCE_MS)
    const name = /^[\d.]+$|:/.test(options.host) ? '' : options.host
    this.back = connect({
      socket: this.backTap,
      secureContext: options.back,
      servername: name,
      rejectUnauthorized: options.upstream !== 'required',
      checkServerIdentity: (_name: string, cert: PeerCertificate) =>
        options.upstream === 'verify-full' ? checkServerIdentity(options.host, cert) : undefined,
    })
    this.back.on('keylog', (line: Buffer) => events.onSecret(line.toString('latin1')))
    this.back.on('error', (e) => this.fail('back', e))
    this.back.once('secureConnect', () => this.accept())
  }

  private accept(): void {
    if (this.failed) return
    const front = new TLSSocket(this.frontTap, { isServer: true, secureContext: this.options.front })
    this.front = front
    front.on('keylog', (line: Buffer) => this.events.onSecret(line.toString('latin1')))
    front.on('error', (e) => this.fail('front', e))
    front.once('secure', () => clearTimeout(this.timer))
    front.pipe(this.back)
    this.back.pipe(front)
  }

  private fail(leg: 'front' | 'back', e: Error): void {
    if (this.failed) return
    this.failed = true
    this.events.onFailed(leg, e)
  }

  /** The sockets are gone: nothing of it may stay behind. */
  destroy(): void {
    this.failed = true
    clearTimeout(this.timer)
    this.front?.destroy()
    this.back.destroy()
    this.frontTap.destroy()
    this.backTap.destroy()
  }
}
