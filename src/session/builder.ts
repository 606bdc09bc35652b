/**
 * Makes sessions: gives every connection a recorder, drops those that turn out not to be MySQL, and turns finished
 * recorders into small Session objects. Memory follows the number of open connections, not the size of the input.
 */
import { endpointText, IPV4, type Ipv6Table, ipv4Text } from '../core/address.ts'
import type { AnomalyLog } from '../core/anomaly.ts'
import { CLIENT, SERVER } from '../core/direction.ts'
import type { Limits } from '../core/limits.ts'
import type { Instant } from '../core/time.ts'
import { Capability } from '../mysql/capabilities.ts'
import { MysqlConversation } from '../mysql/conversation.ts'
import type { Connection } from '../tcp/connection.ts'
import type { Half } from '../tcp/half.ts'
import type { CloseHow, StreamSink, StreamSinkFactory } from '../tcp/stream-sink.ts'
import type { KeyStore } from '../tls/key-store.ts'
import { RecordBuffers } from '../tls/record-buffers.ts'
import type { Decryption } from '../tls/tracker.ts'
import { endingOf } from './ending.ts'
import { NO_EXCHANGES } from './exchanges.ts'
import { SessionRows } from './hot.ts'
import { SessionRecorder } from './recorder.ts'
import type { RecorderOwner, RowFacts } from './recorder-state.ts'
import type { FrameMap, MysqlFacts, Session, SideFacts } from './session.ts'
import { Trace } from './trace.ts'

export interface BuilderOptions {
  /** Name of the input in session ids. */
  input: string
  files: FrameMap
  /** Ports where MySQL is assumed although nothing in the bytes says so yet. */
  isMysqlPort(port: number): boolean
  /** Session to record in full, or null. */
  trace: string | null
  onSession(session: Session): void
  /** Keys for TLS sessions. */
  keys: KeyStore
}

export class SessionBuilder implements StreamSinkFactory, RecorderOwner {
  /** MySQL sessions finished so far. */
  sessions = 0
  trace: Trace | null = null
  /** Server endpoints where MySQL was recognised: connection attempts to them are MySQL's even when nothing was said. */
  readonly servers = new Set<string>()
  /** Connections on which nothing was recognised; those to a known server endpoint become sessions at the end. */
  readonly decryption: Decryption
  private readonly undecided: Session[] = []
  private readonly rows = new SessionRows()
  private readonly anomalies: AnomalyLog
  private readonly limits: Limits
  private readonly ipv6: Ipv6Table
  private readonly options: BuilderOptions
  private readonly interned = new Map<string, Record<string, string>>()
  private readonly words = new Map<string, string>()

  constructor(options: BuilderOptions, ipv6: Ipv6Table, anomalies: AnomalyLog, limits: Limits) {
    this.options = options
    this.decryption = { keys: options.keys, buffers: new RecordBuffers() }
    this.ipv6 = ipv6
    this.anomalies = anomalies
    this.limits = limits
  }

  open(conn: Connection): StreamSink {
    const recorder = new SessionRecorder(conn, this, this.rows, this.limits)
    const assumeMysql = this.options.isMysqlPort(conn.ports[SERVER])
    const sidesKnown = conn.roleBy === 'syn'
    const turn = (): void => conn.flip()
    recorder.conversation = new MysqlConversation(recorder, this.anomalies, { assumeMysql, sidesKnown }, turn)
    if (this.options.trace === `${this.options.input}:${conn.stream}`) {
      this.trace = new Trace(this.limits.traceEvents)
      recorder.trace = this.trace
    }
    conn.observer = recorder
    return recorder
  }

  /** The handshake has shown who is the server. */
  converse(recorder: SessionRecorder): MysqlConversation {
    return new MysqlConversation(recorder, this.anomalies, { assumeMysql: true, sidesKnown: true })
  }

  notMysql(recorder: SessionRecorder): void {
    // Another protocol where MySQL belongs is worth a session.
    if (recorder.unreadables.length > 0) return
    recorder.conn.sink = null
    recorder.conn.observer = null
    recorder.takeRow()
  }

  finished(recorder: SessionRecorder, how: CloseHow, at: Instant): void {
    const conn = recorder.conn
    recorder.trace?.handshake(conn)
    if (recorder.recognisedBy === null && recorder.tls === null) {
      const known = this.options.isMysqlPort(conn.ports[SERVER])
      // Bytes that were looked at and are not MySQL's are nobody's session.
      if (
        !known &&
        recorder.unreadables.length === 0 &&
        conn.halves[0].bytes + conn.halves[1].bytes > this.limits.recogniseBytes
      )
        return
      if (this.undecided.length < this.limits.healthySessions) this.undecided.push(this.summarise(recorder, how, at))
      else this.anomalies.note('us.limit', conn.firstFrame, 'more connections without MySQL content than are listed')
      return
    }
    const session = this.summarise(recorder, how, at)
    this.servers.add(session.server)
    this.sessions++
    this.options.onSession(session)
  }

  /** The input has ended: connections that said nothing belong to MySQL if their server endpoint does. */
  end(): void {
    const servers = new Set([...this.servers].map((s) => s))
    const elsewhere = new Map<string, Set<string>>()
    const ours = (s: Session): boolean => servers.has(s.server) || this.options.isMysqlPort(s.serverPort)
    for (const session of this.undecided) {
      if (ours(session) || session.sides[CLIENT].bytes + session.sides[SERVER].bytes > 0) continue
      const tried = elsewhere.get(session.clientIp)
      if (tried === undefined) elsewhere.set(session.clientIp, new Set([session.server]))
      else tried.add(session.server)
    }
    for (const session of this.undecided) {
      if (!ours(session)) continue
      session.otherEndpointsTried = elsewhere.get(session.clientIp)?.size ?? 0
      this.sessions++
      this.options.onSession(session)
    }
    this.undecided.length = 0
    const { refused } = this.decryption.buffers
    if (refused > 0) this.anomalies.note('us.limit', 0, `${refused} TLS records, too many being under way at once`)
  }

  private summarise(r: SessionRecorder, how: CloseHow, at: Instant): Session {
    const conn = r.conn
    const clientIp = this.ip(conn, CLIENT)
    const serverIp = this.ip(conn, SERVER)
    const [c, s] = conn.halves
    const lastFrame = Math.max(c.lastFrame, s.lastFrame, conn.resets.at(-1)?.frame ?? 0, conn.firstFrame)
    const ending = endingOf(r, how, at)
    const row = r.takeRow()
    return {
      // Joined: see endpointText.
      id: [this.options.input, conn.stream].join(':'),
      input: this.options.input,
      stream: conn.stream,
      client: endpointText(clientIp, conn.ports[CLIENT]),
      server: this.word(endpointText(serverIp, conn.ports[SERVER])),
      clientIp: this.word(clientIp),
      serverIp: this.word(serverIp),
      serverPort: conn.ports[SERVER],
      roleBy: conn.roleBy,
      startAt: conn.startAt,
      endAt: Math.max(c.lastAt, s.lastAt, conn.resets.at(-1)?.at ?? 0, conn.startAt),
      firstFrame: conn.firstFrame,
      lastFrame,
      synFrame: conn.synFrame,
      synAckFrame: conn.synAckFrame,
      synRetransmissions: conn.synRetransmissions,
      isns: [c.synSeen ? c.isn : null, s.synSeen ? s.isn : null],
      synAckAt: conn.synAckAt,
      handshakeTimes: {
        toServer: conn.synFrame > 0 && conn.synAckFrame > 0 ? conn.synAckAt - conn.synAt : -1,
        toClient: conn.synAckFrame > 0 && conn.establishedFrame > 0 ? conn.establishedAt - conn.synAckAt : -1,
      },
      challengeFrame: conn.challengeFrame,
      challengeAt: conn.challengeAt,
      icmpErrors: conn.icmpErrors,
      otherEndpointsTried: 0,
      foreign: r.unreadables,
      connState: conn.connState,
      history: this.word(conn.history),
      sides: [sideFacts(c), sideFacts(s)],
      mysql: r.recognisedBy === null || row === null ? null : this.mysqlFacts(r, row),
      tls: r.tls?.facts() ?? null,
      ending,
      timeline: ending.lost !== null || r.errorFacts.length > 0 || r.kills.length > 0 ? (row?.events ?? []) : [],
      proxyNote: r.proxyNote,
      exchanges: row?.exchanges ?? NO_EXCHANGES,
      files: this.options.files,
    }
  }

  private mysqlFacts(r: SessionRecorder, row: RowFacts): MysqlFacts {
    if (r.loggedIn !== null) {
      r.loggedIn.attributes = this.intern(r.loggedIn.attributes)
      r.loggedIn.user = this.word(r.loggedIn.user)
      r.loggedIn.schema = this.word(r.loggedIn.schema)
      r.loggedIn.authPlugin = this.word(r.loggedIn.authPlugin)
    }
    if (r.hello !== null) {
      r.hello.serverVersion = this.word(r.hello.serverVersion)
      r.hello.authPlugin = this.word(r.hello.authPlugin)
    }
    return {
      recognisedBy: r.recognisedBy!,
      recognisedFrame: r.recognisedFrame,
      proxyHeader: r.proxy,
      proxyHeaderFrame: r.proxyFrame,
      greeting: r.hello,
      greetingFrame: r.greetingFrame,
      greetingAt: r.greetingAt,
      login: r.loggedIn,
      loginFrame: r.loginFrame,
      authenticatedFrame: r.authenticatedFrame,
      lastAuth: r.authenticatedFrame > 0 ? null : r.lastAuth,
      flavor: r.hello?.flavor ?? 'unknown',
      schema: this.word(r.schema),
      compression: compressionOf(r),
      commands: row.commands,
      errors: r.errorCounts.length < 2 ? r.errorCounts : [...r.errorCounts].sort((a, b) => a.code - b.code),
      errorFacts: r.errorFacts,
      kills: r.kills,
      shutdown: r.shutdown,
      lastStatusFlags: r.statusFlags,
      outOfOrder: r.outOfOrders,
      overlaps: r.overlaps,
      resynced: r.resyncs,
      inferred: r.notes,
      longestIdle: row.longestIdle,
      validations: r.validations,
      desync: r.desync,
      state: r.stateLog?.facts(r.openers, r.lastHole) ?? null,
    }
  }

  /** Few users, schemas and versions, many sessions: one string serves all. */
  private word(text: string): string {
    const known = this.words.get(text)
    if (known !== undefined) return known
    if (this.words.size < 4096) this.words.set(text, text)
    return text
  }

  /** Applications repeat their connection attributes: one copy serves all their sessions. */
  private intern(attributes: Record<string, string>): Record<string, string> {
    const key = JSON.stringify(attributes)
    const known = this.interned.get(key)
    if (known !== undefined) return known
    if (this.interned.size < 4096) this.interned.set(key, attributes)
    return attributes
  }

  private ip(conn: Connection, side: 0 | 1): string {
    return conn.family === IPV4 ? ipv4Text(conn.ips[side]) : this.ipv6.text(conn.ips[side])
  }
}

/** What both sides agreed on (manual: CLIENT_COMPRESS, CLIENT_ZSTD_COMPRESSION_ALGORITHM; zlib wins when both are set). */
function compressionOf(r: SessionRecorder): 'none' | 'zlib' | 'zstd' {
  const both = (r.loggedIn?.capabilities ?? 0) & (r.hello?.capabilities ?? 0)
  if ((both & Capability.CLIENT_COMPRESS) !== 0) return 'zlib'
  return (both & Capability.CLIENT_ZSTD_COMPRESSION_ALGORITHM) !== 0 ? 'zstd' : 'none'
}

function sideFacts(h: Half): SideFacts {
  return {
    bytes: h.bytes,
    segments: h.segments,
    retransmissions: h.retransmissions,
    retransmissionsUnanswered: h.retransmissionsUnanswered,
    outOfOrder: h.outOfOrder,
    keepAlives: h.keepAlives,
    duplicates: h.duplicates,
    zeroWindows: h.zeroWindows,
    longestZeroWindow: h.longestZeroWindow,
    zeroWindowSince: h.zeroWindowSince,
    lostBytes: h.lostBytes,
    snaplenBytes: h.snaplenBytes,
    unacknowledged: h.unacknowledged,
    firstUnansweredAt: h.retransmissionsUnanswered > 0 ? h.firstUnansweredAt : 0,
    firstUnansweredFrame: h.retransmissionsUnanswered > 0 ? h.firstUnansweredFrame : 0,
    lastRetransmissionAt: h.lastRetransmissionAt,
    lastRetransmissionFrame: h.lastRetransmissionFrame,
    largestUnanswered: h.retransmissionsUnanswered > 0 ? h.largestUnanswered : 0,
    smallestUnanswered: h.retransmissionsUnanswered > 0 ? h.smallestUnanswered : 0,
    maxSegmentSize: h.maxSegmentSize,
    lastKeepAliveAt: h.lastKeepAliveAt,
    zeroWindowFrame: h.zeroWindowFrame,
    lostFrame: h.lostFrame,
    sackBlocks: h.sackBlocks,
    largestDelivered: h.largestDelivered,
    missingBytes: h.missingBytes,
    missingAt: h.missingAt,
    missingFrame: h.missingFrame,
    largestBeyond: h.largestBeyond,
    finAt: h.finAt,
    finFrame: h.finFrame,
    lastAt: h.lastAt,
    lastFrame: h.lastFrame,
    lastDataAt: h.lastDataAt,
    lastDataFrame: h.lastDataFrame,
    ttl: h.ttl,
    seen: h.started,
  }
}
