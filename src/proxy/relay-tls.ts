/** Where a client's SSLRequest turns a relay into two TLS sessions: the valves on both directions that see to it. */
import type { Flow, Valve } from './flow.ts'
import type { Recorder } from './recorder.ts'
import { isSslRequest, SSL_REQUEST_BYTES } from './ssl-request.ts'
import { type TlsEvents, type TlsOptions, TlsSession } from './tls-session.ts'

/** Watches the client's first bytes; when they ask for TLS, TLS is ended here. */
export class TlsGate implements Valve {
  session: TlsSession | null = null
  private readonly up: Flow
  private readonly down: Flow
  private readonly recorder: Recorder
  private readonly options: TlsOptions
  private readonly events: TlsEvents
  private first: Uint8Array = new Uint8Array(0)

  constructor(up: Flow, down: Flow, recorder: Recorder, options: TlsOptions, events: TlsEvents) {
    this.up = up
    this.down = down
    this.recorder = recorder
    this.options = options
    this.events = events
    up.valve = this
  }

  pass(n: number, buf: Uint8Array): boolean {
    if (this.first.length === 0 && isSslRequest(buf.subarray(0, n)) === false) {
      // A plain session: nothing here is needed any more.
      this.up.valve = null
      return true
    }
    const all = new Uint8Array(this.first.length + n)
    all.set(this.first)
    all.set(buf.subarray(0, n), this.first.length)
    this.first = all
    const asks = isSslRequest(all)
    if (asks === null) return false
    if (!asks) {
      this.up.valve = null
      this.up.send(all)
      return false
    }
    this.up.send(all.subarray(0, SSL_REQUEST_BYTES))
    const rest = all.subarray(SSL_REQUEST_BYTES)
    const session = new TlsSession(this.up, this.down, this.recorder, rest, this.options, this.events)
    this.session = session
    this.up.tap = session.frontTap
    this.down.tap = session.backTap
    this.up.valve = null
    return false
  }
}
