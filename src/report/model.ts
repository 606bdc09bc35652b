/**
 * The report: plain, JSON-safe data, the same for every renderer and for users of the library. Its shape is the stable
 * contract `mysqlconn.report/1`; `schema.ts` holds the JSON Schema. Times are RFC 3339 UTC strings, durations seconds.
 */
import type { AnomalyName } from '../core/anomaly.ts'
import type { Unread } from '../tls/listener.ts'
import type { CheckReport, Suppression } from './model-check.ts'
import type { LadderReport } from './model-ladder.ts'

export type { BaselineEntry, CheckCase, CheckReport, Suppression } from './model-check.ts'
export type { LadderEvent, LadderHost, LadderReport } from './model-ladder.ts'

export const REPORT_SCHEMA = 'mysqlconn.report/1'

export type Severity = 'error' | 'warning' | 'info'
export type Confidence = 'certain' | 'likely' | 'possible'
export type CulpritRole = 'client' | 'proxy' | 'server' | 'middlebox' | 'network' | 'unknown'

export interface Report {
  schema: typeof REPORT_SCHEMA
  tool: { name: 'mysqlconn'; version: string }
  /** True when the run was interrupted or an input broke off: what is said is true, but not all is said. */
  partial: boolean
  inputs: InputReport[]
  sessions: SessionReport[]
  findings: Finding[]
  summary: Summary
  /** One session, event by event: only when AnalyzeOptions.trace asked for it and the session was found. */
  trace?: TraceReport
  /** Timers of pool, proxy and server that were read from logs or configuration, or seen to run out: present when there are two layers of them. */
  timers?: TimersReport
  /** The seconds around a finding from every source: only when AnalyzeOptions.around asked for it and the finding was made. */
  around?: AroundReport
  /** Silences, and the timers that they fit: only when AnalyzeOptions.idle asked for it. */
  idle?: IdleReport
  /** What the TLS sessions used, which failed, and who was hit: only when AnalyzeOptions.tls asked for it. */
  tls?: TlsReport
  /** Ladders of the findings: only when AnalyzeOptions.ladders asked for them. */
  ladders?: LadderReport[]
  /** What the policy says of all this: only from `mysqlconn check`. */
  check?: CheckReport
  /** Session state and who ran with it: only when AnalyzeOptions.pollution asked for it. */
  pollution?: PollutionReport
  /** Rules that failed on a session: bugs of ours. Present only when there are any; the run then exits with 70. */
  bugs?: BugReport[]
}

/** The order that must hold: pool < proxy < load balancer < server. */
export interface TimersReport {
  /** From the application inwards. */
  settings: TimerReport[]
  /** Pairs in the wrong order, by their places in `settings`, and the same in words. */
  conflicts: { outer: number; inner: number; says: string }[]
}

export interface TimerReport {
  layer: 'pool' | 'proxy' | 'load balancer' | 'server'
  product: string
  name: string
  seconds: number
  kind: 'idle' | 'age' | 'check'
  /** `input:line`, or 'observed'. */
  where: string
}

/** For `analyze --around`. */
export interface AroundReport {
  /** Id of the finding, and the moment of its first costly occurrence. */
  finding: string
  at: string
  /** On one clock, in order of time. */
  events: AroundEventReport[]
  /** Events further from the moment that were left out. */
  dropped: number
}

export interface AroundEventReport {
  at: string
  /** Seconds from the moment, negative before it. */
  offsetSeconds: number
  input: string
  kind: 'frame' | 'log'
  /** Frame number of a capture, line of a log. */
  place: number
  session: string | null
  client: string | null
  server: string | null
  /** Who sent the frame. */
  by: 'client' | 'server' | null
  what: string
  says: string
  emphasis?: boolean
}

/** For `mysqlconn idle`. */
export interface IdleReport {
  /** Silences by length, from short to long. A session counts once with the longest that it survived, and once with the one that it did not. */
  histogram: IdleBucket[]
  /** Deaths after the same silence at the same endpoint, those that lost most first. */
  timers: IdleTimerReport[]
}

export interface IdleBucket {
  fromSeconds: number
  /** Null: no upper end. */
  toSeconds: number | null
  survived: number
  /** Ended in a close that cost nothing. */
  closed: number
  /** Ended in a close, or in nothing, that cost a request. */
  lost: number
}

export interface IdleTimerReport {
  /** Endpoint that accepted the connections. */
  server: string
  /** How it ended them; 'rst-next' and 'silent': nothing at expiry, seen only when the next packet failed. */
  close: 'fin' | 'rst' | 'err-4031' | 'rst-next' | 'silent'
  /** The close came at expiry, so `seconds` is the timer; otherwise the timer is above `aboveSeconds` and at most `seconds`. */
  exact: boolean
  seconds: number
  maxSeconds: number
  aboveSeconds: number | null
  closes: number
  /** Different moments among them: each is evidence of its own. */
  moments: number
  lost: number
  survivors: number
  longestSurvivedSeconds: number
  /** Sessions that survived a clearly longer silence: evidence against this timer. */
  outlived: number
  /** Rule that took it for a timer, null when no rule did. */
  finding: string | null
  culprit: { role: CulpritRole; address: string | null; product: string | null } | null
  fits: { product: string; setting: string; defaultSeconds: number | null; byDefault: boolean; source: string }[]
}

/** For `mysqlconn tls`. */
export interface TlsReport {
  /** MySQL sessions with TLS, and without. */
  sessions: number
  withoutTls: number
  handshakes: { complete: number; failed: number; unseen: number; resumed: number }
  decrypted: number
  /** Seen only where decrypted: handshakes after the first (TLS <= 1.2), changes of keys (TLS 1.3). */
  renegotiations: number
  keyUpdates: number
  /** Versions and cipher suites that servers selected, those most in use first. */
  suites: TlsSuiteReport[]
  failures: TlsFailureReport[]
  alerts: TlsAlertReport[]
  /** Processes that cut healthy sessions after another one had failed (tls-error-queue). */
  chains: TlsChainReport[]
  /** Sessions that TLS kept hidden, by reason. */
  unread: { why: Unread; count: number; sessions: string[] }[]
}

export interface TlsSuiteReport {
  version: string | null
  /** IANA name. */
  cipher: string | null
  sessions: number
  resumed: number
  decrypted: number
  servers: string[]
}

/** Handshakes that broke for the same reason, by the same side, at the same server. */
export interface TlsFailureReport {
  /** As `detail.reason` of tls-handshake-failure; 'interrupted' where a timer, the network or the end of a process explains it. */
  reason: string
  by: 'client' | 'server' | 'unknown'
  server: string
  count: number
  /** Addresses of the clients, and ids of the sessions: the first few. */
  clients: string[]
  sessions: string[]
}

export interface TlsAlertReport {
  by: 'client' | 'server'
  /** Address of the sender. */
  from: string
  level: string
  description: string
  /** AlertDescription (RFC 8446 6), -1 where it is encrypted or cut. */
  number: number
  count: number
  sessions: string[]
}

export interface TlsChainReport {
  /** Address of the process. */
  process: string
  events: TlsChainEvent[]
}

export interface TlsChainEvent {
  /** trigger: a TLS session of the process failed. victim: it cut a healthy one. served: a client's session that went with it. */
  kind: 'trigger' | 'victim' | 'served'
  at: string
  session: string
  client: string
  server: string
  frame: number
  says: string
  /** Seconds since the trigger; null for triggers, and where none was seen. */
  afterSeconds: number | null
}

/** For `mysqlconn pollution`. */
export interface PollutionReport {
  /** Connections whose state was changed after their set-up, those that leaked first. */
  connections: PollutedConnection[]
  /** What was changed, what leaked most first. */
  states: PollutedState[]
  /** Server connections that a proxy took into use again. */
  shared: SharedConnection[]
}

export interface PollutedConnection {
  session: string
  client: string
  server: string
  leaks: number
  borrowers: {
    at: string
    /** What shows that another borrower begins: login, pool-trace, reset, change-user, ping, validation, preamble, gap, front-session. */
    mark: string
    confidence: Confidence | null
    /** The borrower's name, null when it is not known. */
    who: string | null
    statements: number
    /** State that differs from what the login left, by name: at its begin and at its end. */
    found: Record<string, string>
    left: Record<string, string>
  }[]
}

export interface PollutedState {
  /** detail.state of session-pollution. */
  state: string
  name: string
  /** What it does to the next one: answers, writes, waits, cuts, speed, info. */
  harm: string
  why: string
  /** How often it was changed, on how many connections, how often another borrower ran with it, how many did, and with visible damage. */
  sets: number
  connections: number
  leaks: number
  ranWith: number
  damage: number
  /** Borrowers, programs or users. */
  setBy: string[]
}

export interface SharedConnection {
  session: string
  client: string
  server: string
  /** The one client session that it served as far as is known, null when several. */
  onlyFront: string | null
  reuses: {
    at: string
    frame: number
    how: 'reset' | 'change-user'
    idleSeconds: number
    /** Round trips until the client's statement could go out. */
    roundTrips: number
    /** What was set again. */
    restored: string[]
  }[]
}

/** The ladder of one session, for `sessions show`. */
export interface TraceReport {
  /** Id of the session. */
  session: string
  /** In capture order. */
  events: TraceEventReport[]
  /** Events left out because there were more than LIMITS.traceEvents; the newest were kept. */
  dropped: number
}

export interface TraceEventReport {
  at: string
  /** Seconds since the session's first frame. */
  offsetSeconds: number
  /** Frame number in the session's file, 0 for what belongs to no frame. */
  frame: number
  /** Who sent it; null for what neither side sent (a note, a log line). */
  dir: 'client' | 'server' | null
  layer: 'tcp' | 'tls' | 'mysql' | 'log'
  /** Short name: COM_QUERY, RST, answer. */
  what: string
  /** The rest in words: statement, rows, error text. May be empty. */
  says: string
  /** Payload bytes, where that says something. */
  bytes?: number
  /** An event that the eye should find: the cut, an error. */
  emphasis?: boolean
  /** Session state that differs from what the login left, from this event on; absent when nothing does. */
  state?: string
}

export interface BugReport {
  rule: string
  session: string
  message: string
}

export interface InputReport {
  path: string
  /** Name used in session ids and evidence: the file name, made unique. */
  name: string
  kind: 'capture' | 'log' | 'keylog' | 'config'
  format: string
  packets?: number
  bytes: number
  firstAt?: string | null
  lastAt?: string | null
  /** TCP connections (Wireshark's tcp.stream count), MySQL or not. */
  connections?: number
  /** Those recognised as MySQL. */
  mysqlSessions?: number
  linkTypes?: string[]
  lines?: number
  recognised?: number
  clockOffsetSeconds?: number
  /** Log lines that tell of a connection, and those of them whose session was found; only beside captures. */
  about?: number
  joined?: number
  anomalies: AnomalyReport[]
}

export interface AnomalyReport {
  kind: AnomalyName
  count: number
  firstFrame: number
  means: string
  /** How to capture so that it does not happen; absent when nothing can be done about it. */
  better?: string
  /** First places in words. */
  places: string[]
}

export type Outcome = 'none' | 'answered' | 'not-delivered' | 'delivered-unknown' | 'response-begun' | 'committed'

export interface SessionReport {
  /** input name : tcp.stream as Wireshark numbers it. */
  id: string
  client: string
  server: string
  legOf: string | null
  sameAs: string[]
  vantage: 'client' | 'proxy' | 'server' | 'unknown'
  startAt: string
  endAt: string
  firstFrame: number
  lastFrame: number
  /** Zeek's conn_state and history. */
  connState: string
  history: string
  /** How client and server were told apart. */
  roleBy: 'syn' | 'content' | 'port' | 'first-packet'
  bytes: { client: number; server: number }
  retransmissions: { client: number; server: number }
  /** From SYN to the ACK that opens the connection, and from there to MySQL's greeting, seconds; absent where not seen. */
  handshakeSeconds?: number
  greetingSeconds?: number
  mysql: {
    serverVersion: string | null
    connectionId: number | null
    user: string | null
    schema: string | null
    flavor: string
    compression: 'none' | 'zlib' | 'zstd'
    attributes: Record<string, string>
    /** Commands by the manual's name. */
    commands: Record<string, number>
    errors: { code: number; count: number; message: string }[]
    /** Protocol facts that lower the confidence of what is said: begun mid-stream, options inferred, gaps, resynchronised. */
    limits: string[]
  } | null
  tls: {
    version: string | null
    cipher: string | null
    sni: string | null
    decrypted: boolean
    alerts: { by: 'client' | 'server'; level: string; description: string; frame: number }[]
    handshake: 'complete' | 'failed' | 'unseen'
  } | null
  ending: {
    how: 'fin' | 'rst' | 'open' | 'timeout' | 'unknown'
    by: 'client' | 'server' | 'unknown'
    command: string | null
    /** Seconds without payload in either direction before the end. */
    silenceSeconds: number
    outcome: Outcome
  }
}

export type Evidence =
  | { kind: 'frames'; input: string; frames: number[]; says: string; filter: string }
  | { kind: 'log'; input: string; line: number; text: string; says: string }
  | { kind: 'silence'; from: string; to: string; says: string }
  | { kind: 'measure'; name: string; value: number; unit: string; compared?: string }

export interface Occurrence {
  session: string
  client: string
  server: string
  at: string
  /** The command that was lost, as text (may be null: none, or unreadable), and whether it may have run. */
  command: string | null
  statement: string | null
  outcome: Outcome
  evidence: Evidence[]
}

export interface Finding {
  /** rule:fingerprint, stable: same cause, same id, also in another capture of the same setup. */
  id: string
  rule: string
  family: string
  severity: Severity
  confidence: Confidence
  title: string
  culprit: { role: CulpritRole; address: string | null; product: string | null }
  detail: Record<string, unknown>
  occurrences: Occurrence[]
  excluded: string[]
  remedy: { text: string; config: string }[]
  references: { title: string; url: string }[]
  /** From `mysqlconn check`: a baseline accepts it. */
  suppressed?: Suppression
}

export interface Summary {
  /** MySQL sessions seen. */
  sessions: number
  /** Sessions that a finding of severity error or warning names. */
  broken: number
  findings: { error: number; warning: number; info: number }
  /** Sessions not listed in `sessions` because there were too many; they are healthy and counted. */
  notListed: number
  /** What could not be seen, in plain words, when it limits the answer. */
  blind: string[]
}

/** What `capture info` says of one file: what is in it and what it cannot show. */
export interface CaptureInfoReport {
  path: string
  format: string
  compression: 'none' | 'gzip' | 'zstd'
  packets: number
  /** Size of the file as it lies on disk. */
  bytes: number
  firstAt: string | null
  lastAt: string | null
  durationSeconds: number
  linkTypes: string[]
  /** The first ones; `received` and `dropped` as the capturing machine counted them, null when it did not say. */
  interfaces: {
    name: string | null
    linkType: string
    snaplen: number
    /** Capture filter, null when none is recorded. */
    filter: string | null
    received: number | null
    dropped: number | null
  }[]
  /** Packets shorter in the file than on the wire. */
  cutPackets: number
  /** Snapshot length of the file header, or the largest of its interfaces; 0 when unlimited or unknown. */
  snaplen: number
  connections: number
  mysqlSessions: number
  /** Servers that spoke MySQL, most sessions first. */
  servers: { address: string; version: string | null; sessions: number; tls: number }[]
  anomalies: AnomalyReport[]
  /** The second opinion of the pcap-parser package, when asked for. */
  crossCheck?: CrossCheck
}

export interface CrossCheck {
  /** False when the package cannot read this format: then `why` says so. */
  supported: boolean
  agrees?: boolean
  /** Frames that both read alike. */
  frames?: number
  why?: string
  /** First frame where the two differ, and what each says of it. */
  frame?: number
  ours?: string
  theirs?: string
}
