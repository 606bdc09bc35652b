/**
 * One MySQL connection: takes the ordered bytes, gaps and ends of both directions (tcp/stream-sink.ts), decides whether it
 * is MySQL, leads the bytes through decompression and framing to the two sides, and finds the place again after gaps.
 * Facts go to a MysqlListener.
 *
 * Hot path: data() in the command phase allocates nothing. The usual packets never come beyond quick-path.ts.
 */
import type { AnomalyLog } from '../core/anomaly.ts'
import { CLIENT, type Direction, SERVER } from '../core/direction.ts'
import type { Instant } from '../core/time.ts'
import { ClientSide } from './client-side.ts'
import { CompressedReader, plausibleCompressed } from './compressed.ts'
import { Context, Phase } from './context.ts'
import { PacketReader } from './framing.ts'
import type { MysqlListener } from './listener.ts'
import { LoginBytes } from './login-bytes.ts'
import { CAREFUL, IDLE, QuickPath } from './quick-path.ts'
import { Recogniser, turned } from './recogniser.ts'
import { Recovery } from './recovery.ts'
import { ServerSide } from './server-side.ts'

export interface ConversationOptions {
  /** The port is known for MySQL: a plausible command alone convinces, and other protocols on it are told. */
  assumeMysql: boolean
  /** The SYN was seen: the sides are never swapped. */
  sidesKnown?: boolean
  /** The connection is known to be compressed though its login was not seen. */
  compressedHint?: boolean
}

export type RecognitionState = 'undecided' | 'mysql' | 'not-mysql'

export class MysqlConversation extends QuickPath {
  state: RecognitionState = 'undecided'
  /** What a connection that is not MySQL looked like: 'http', 'tls', 'ssh', … ; '' when unknown. */
  looksLike = ''
  /**
   * An SSLRequest was seen: bytes belong to TLS. `tlsFrom` is where in the buffer of the current call they begin (its end
   * when none do); the owner routes them, and all later ones, to TLS.
   */
  tls = false
  tlsFrom = 0
  /** Set by the owner that feeds decrypted bytes (or finds that they are not encrypted at all) through data(). */
  tlsActive = false

  private readonly c: Context
  private readonly clientSide: ClientSide
  private readonly serverSide: ServerSide
  private readonly recovery: Recovery
  private readonly assumed: boolean
  private readonly compressedHint: boolean
  private readonly onFlip: () => void
  private recogniser: Recogniser | null
  /** First bytes of the client, until they are known to be MySQL packets. */
  private loginBytes: LoginBytes | null = null
  private compressedClient: CompressedReader | null = null
  private compressedServer: CompressedReader | null = null

  constructor(
    listener: MysqlListener,
    anomalies: AnomalyLog,
    options: ConversationOptions,
    onFlip: () => void = () => {},
  ) {
    super(listener)
    const c = new Context(listener, anomalies)
    this.c = c
    this.serverSide = new ServerSide(c)
    this.recovery = new Recovery(c, this.serverSide)
    this.clientSide = new ClientSide(c, this.recovery)
    c.client = new PacketReader(this.clientSide)
    c.server = new PacketReader(this.serverSide)
    this.assumed = options.assumeMysql
    this.onFlip = onFlip
    this.recogniser = new Recogniser(options.assumeMysql, options.sidesKnown === true)
    this.compressedHint = options.compressedHint === true
  }

  /** The login or a greeting was seen, so that protocol options are known and not inferred. */
  get capabilitiesKnown(): boolean {
    return this.c.known
  }

  /** The place in the server's bytes is lost: whether the outstanding command was answered cannot be told. */
  get answersUnknown(): boolean {
    return this.c.server.lost || (this.compressedServer?.lost ?? false)
  }

  data(dir: Direction, buf: Uint8Array, start: number, end: number, at: Instant, frame: number): void {
    let p = start
    if (this.outstanding !== CAREFUL) {
      p = dir === CLIENT ? this.quickCommands(buf, start, end, at, frame) : this.quickAnswer(buf, start, end, at, frame)
      if (p === end) return
    }
    this.carefully(dir, buf, p, end, at, frame)
  }

  private carefully(dir: Direction, buf: Uint8Array, start: number, end: number, at: Instant, frame: number): void {
    const c = this.c
    if (this.done || start >= end || c.handedOver) return
    c.at = at
    c.frame = frame
    if (this.recogniser !== null) {
      this.decide(dir, buf, start, end, at, frame)
      return
    }
    if (this.tls && !this.tlsActive) {
      this.tlsFrom = start
      return
    }
    this.leaveQuickPath()
    if (dir === CLIENT) this.fromClient(buf, start, end)
    else this.fromServer(buf, start, end)
    this.enterQuickPath()
  }

  /** Opens the quick path if nothing but one command is under way. */
  private enterQuickPath(): void {
    const c = this.c
    const { client, server, queue } = c
    if (queue.length > 1 || this.serverSide.busy || !client.idle || !server.idle || client.expected !== 0) return
    if (c.phase !== Phase.command || c.sendingFile || c.clientUnsure || server.expected !== queue.expected) return
    if (
      this.done ||
      ((this.tls || c.tls) && !this.tlsActive) ||
      c.compressed ||
      c.handedOver ||
      this.loginBytes !== null
    )
      return
    this.queryAttributes = c.queryAttributes
    this.deprecateEof = c.deprecateEof
    if (queue.length === 0) {
      this.outstanding = IDLE
    } else if (queue.expected >= 0) {
      this.outstanding = queue.op | (queue.expected << 8)
      queue.shift()
      server.expected = -1
    }
  }

  /** Gives the outstanding command back to the careful path. */
  private leaveQuickPath(): void {
    const outstanding = this.outstanding
    this.outstanding = CAREFUL
    if (outstanding < 0) return
    this.c.queue.push(outstanding & 255, outstanding >> 8)
    this.c.server.expected = outstanding >> 8
  }

  /** `bytes` of a direction were never seen. */
  gap(dir: Direction, bytes: number, _why: string, at: Instant, frame: number): void {
    if (this.done || bytes <= 0 || this.c.handedOver) return
    const c = this.c
    c.at = at
    c.frame = frame
    if (this.recogniser !== null) {
      this.recogniser.forget()
      return
    }
    if (this.tls && !this.tlsActive) return
    this.leaveQuickPath()
    const outer = dir === CLIENT ? this.compressedClient : this.compressedServer
    if (outer !== null) {
      if (outer.gap(bytes)) return
      outer.reset()
      outer.lost = true
    }
    this.innerGap(dir, outer === null ? bytes : Number.POSITIVE_INFINITY)
  }

  finished(_dir: Direction, _at: Instant, _frame: number): void {}

  reset(_dir: Direction, _at: Instant, _frame: number): void {}

  /** The connection is over; lets go of all buffers. */
  close(): void {
    this.done = true
    this.outstanding = CAREFUL
    this.recogniser = null
    this.loginBytes = null
    this.compressedClient = null
    this.compressedServer = null
    this.c.client.reset()
    this.c.server.reset()
  }

  private decide(dir: Direction, buf: Uint8Array, start: number, end: number, at: Instant, frame: number): void {
    const recogniser = this.recogniser!
    const verdict = recogniser.offer(dir, buf, start, end, at, frame)
    const foreign = recogniser.foreign
    const news = foreign !== '' && this.looksLike === ''
    this.looksLike = foreign
    if (news && this.assumed) this.c.unreadable(CLIENT, foreign)
    if (verdict.kind === 'undecided') return
    this.recogniser = null
    if (verdict.kind === 'not-mysql') {
      this.state = 'not-mysql'
      this.looksLike = verdict.what
      this.done = true
      const named = verdict.what === 'x-protocol' || this.assumed
      if (named && verdict.what !== '' && verdict.what !== foreign)
        this.c.listener.unreadable(verdict.dir, verdict.what, at, frame)
      return
    }
    this.state = 'mysql'
    if (verdict.flip) this.onFlip()
    this.c.listener.recognised(verdict.by, at, frame)
    if (foreign !== '' && !this.assumed) this.c.unreadable(CLIENT, foreign)
    if (verdict.started) {
      this.c.phase = Phase.command
      this.c.server.lost = true
      this.recovery.begunMidway = true
      if (verdict.compressed || this.compressedHint) {
        this.compress()
        this.c.infer('compression')
      }
    } else if (foreign !== '') this.c.client.lost = true
    else this.loginBytes = new LoginBytes(this.c)
    for (const h of recogniser.held.slice(0, -1)) {
      this.data(turned(h.dir, verdict.flip), h.bytes, 0, h.bytes.length, h.at, h.frame)
    }
    // The bytes of this call are in hand: where TLS begins must be told in its coordinates.
    this.data(turned(dir, verdict.flip), buf, start, end, at, frame)
  }

  private fromClient(buf: Uint8Array, start: number, end: number): void {
    const outer = this.compressedClient
    if (outer !== null) {
      if (outer.lost && !plausibleCompressed(buf, start, end, -1)) return
      outer.lost = false
      outer.feed(buf, start, end)
      return
    }
    if (this.loginBytes !== null) {
      this.firstOfClient(buf, start, end)
      return
    }
    this.clientPackets(buf, start, end)
  }

  private clientPackets(buf: Uint8Array, start: number, end: number): void {
    const reader = this.c.client
    if (reader.lost && !this.recovery.client(buf, start, end)) return
    let p = start
    do p = reader.feed(buf, p, end)
    while (p < end && !reader.lost && (!this.c.tls || this.tlsActive))
    if (this.c.tls) this.beginTls(p)
  }

  private beginTls(from: number): void {
    if (this.tls) return
    this.tls = true
    this.tlsFrom = from
    this.c.server.reset()
  }

  private fromServer(buf: Uint8Array, start: number, end: number): void {
    const outer = this.compressedServer
    if (outer !== null) {
      if (outer.lost && !plausibleCompressed(buf, start, end, -1)) return
      outer.lost = false
      outer.feed(buf, start, end)
      return
    }
    this.serverPackets(buf, start, end)
  }

  private serverPackets(buf: Uint8Array, start: number, end: number): void {
    const reader = this.c.server
    if (reader.lost && !this.recovery.server(buf, start, end)) return
    let p = start
    for (;;) {
      p = reader.feed(buf, p, end)
      if (this.c.handedOver) return
      if (this.c.compressed && this.compressedServer === null) {
        this.compress()
        if (p < end) this.fromServer(buf, p, end)
        return
      }
      if (p >= end || reader.lost) return
    }
  }

  /** PROXY header, another protocol, or the first MySQL packets of the client. */
  private firstOfClient(buf: Uint8Array, start: number, end: number): void {
    const first = this.loginBytes!
    const from = first.offer(buf, start, end)
    if (from < 0) {
      if (first.foreign) {
        this.loginBytes = null
        this.c.client.lost = true
      }
      return
    }
    this.loginBytes = null
    // Bytes kept from earlier segments are read first; TLS cannot begin inside them.
    const kept = first.kept
    if (kept.length > 0) this.clientPackets(kept, 0, kept.length)
    if (from < end && !this.tls) this.clientPackets(buf, from, end)
    else if (this.tls && kept.length > 0) this.tlsFrom = from
  }

  private compress(): void {
    this.c.compressed = true
    this.c.client.reset()
    this.c.server.reset()
    this.compressedClient = new CompressedReader({
      inner: (buf, start, end, fresh) => this.inner(CLIENT, buf, start, end, fresh),
      innerGap: (bytes) => this.innerGap(CLIENT, bytes),
      unreadable: () => this.inflateFailed(),
    })
    this.compressedServer = new CompressedReader({
      inner: (buf, start, end, fresh) => this.inner(SERVER, buf, start, end, fresh),
      innerGap: (bytes) => this.innerGap(SERVER, bytes),
      unreadable: () => this.inflateFailed(),
    })
  }

  private inner(dir: Direction, buf: Uint8Array, start: number, end: number, fresh: boolean): void {
    const reader = dir === CLIENT ? this.c.client : this.c.server
    if (this.c.handedOver || (reader.lost && !fresh)) return
    if (dir === CLIENT) this.clientPackets(buf, start, end)
    else this.serverPackets(buf, start, end)
  }

  private inflateFailed(): void {
    const frame = this.c.frame
    this.c.anomalies.note('mysql.compressed-unreadable', frame, () => `frame ${frame}`)
  }

  private innerGap(dir: Direction, bytes: number): void {
    const c = this.c
    const reader = dir === CLIENT ? c.client : c.server
    if (reader.lost) return
    if (!reader.gap(bytes)) {
      this.recovery.lose(dir)
      return
    }
    // The gap may have ended the message after which the bytes are TLS or compressed.
    if (c.tls) this.beginTls(0)
    if (c.compressed && this.compressedServer === null) this.compress()
  }
}
