/**
 * What may be asked of an analysis: the one argument of `analyze` besides its inputs (contract.md section 1). Commands
 * translate their flags into it; users of the library fill it by hand. Everything is optional.
 */
import type { Severity } from './report/model.ts'

export interface AnalyzeOptions {
  /** Server ports to take as MySQL besides what is recognised by content (--port). */
  ports?: readonly number[]
  /** Only frames and log lines at or after this time: see `parseWhen` (--since). */
  since?: string
  /** Only frames and log lines before this time (--until). */
  until?: string
  /** Ids of the rules to run; all when absent (--rule). */
  rules?: readonly string[]
  /** Findings below it are left out (--min-severity). */
  minSeverity?: Severity
  /** What hosts are, where the traffic does not show it or shows it wrong: by IP address, or by input name the host that was captured on (--role). */
  roles?: Readonly<Record<string, 'client' | 'proxy' | 'server'>>
  /** Seconds by which the clock of an input, named as in the report, is ahead of the true time, negative when behind (--clock-offset). Without it offsets are estimated from connections that two captures show. */
  clockOffsets?: Readonly<Record<string, number>>
  /**
   * The zone of log times that bear none (--tz): `+08:00`, `UTC`, `Asia/Shanghai`; for one log `NAME=ZONE`, named as in the report.
   * Without it UTC, unless the syslog header before such a line shows the zone.
   */
  timeZones?: readonly string[]
  /** Configuration files whose timers are compared with those observed (--config). */
  configs?: readonly string[]
  /** The caller treats incomplete evidence as a failure (--strict). It changes no fact, only the exit code. */
  strict?: boolean
  /** Literals of SQL become `?` in everything that is reported (--redact). */
  redact?: boolean
  /** Id of a session to record in full: Report.trace. */
  trace?: string
  /** Id of a finding, or of a rule (its first finding): Report.around tells the seconds around it (--around). */
  around?: string
  /** Adds the silences and the timers that they fit: Report.idle. */
  idle?: boolean
  /** Adds the TLS section: versions, ciphers, failures, who was hit: Report.tls. */
  tls?: boolean
  /** Adds what happened on the legs of each finding's first session: Report.ladders. */
  ladders?: boolean
  /** Adds who changed session state and who ran with it: Report.pollution. */
  pollution?: boolean
  /** Seconds of silence that mark another borrower of a pooled connection (--borrow-gap); without it silence marks none. */
  borrowGap?: number
  /** Called now and then, between chunks of input. */
  onProgress?: (progress: Progress) => void
  /** Checked between chunks: once `aborted` is true the run ends with what is known, marked partial. */
  signal?: { readonly aborted: boolean }
  /** TLS key logs (NSS key log format) besides those among the inputs (--keylog). */
  keylogs?: readonly string[]
  /** RSA private keys of servers, PEM or DER: they open TLS <= 1.2 sessions with RSA key exchange (--rsa-key). */
  rsaKeys?: readonly string[]
  /** Version to print in the report; the package's own when absent. */
  version?: string
}

export interface Progress {
  /** Bytes of input read so far, as they lie on disk. */
  bytes: number
  /** Bytes of all inputs; 0 when unknown (stdin). */
  total: number
  sessions: number
  findings: number
}

/** A moment named by the user: absolute, or a time of day on the (UTC) day on which the capture begins. */
export type When =
  | { kind: 'absolute'; unixSeconds: number; nanoseconds: number }
  | { kind: 'time-of-day'; seconds: number; nanoseconds: number }

/**
 * Parses --since and --until: RFC 3339 (`2026-11-20T17:10:00.25Z`; a space may stand for the T; without an offset UTC; the
 * time may be missing), Unix seconds (`1795195800.5`), or a time of day (`17:10`, `17:10:00.25`). Null when it is none.
 */
export function parseWhen(text: string): When | null {
  const unix = /^(\d{9,11})(?:\.(\d{1,9}))?$/.exec(text)
  if (unix) return { kind: 'absolute', unixSeconds: Number(unix[1]), nanoseconds: fraction(unix[2]) }
  const clock = /^([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(?:\.(\d{1,9}))?)?$/.exec(text)
  if (clock) {
    const seconds = Number(clock[1]) * 3600 + Number(clock[2]) * 60 + Number(clock[3] ?? 0)
    return { kind: 'time-of-day', seconds, nanoseconds: fraction(clock[4]) }
  }
  const full = /^(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?\s?(Z|z|UTC|[+-]\d\d:?\d\d)?)?$/.exec(
    text,
  )
  if (!full) return null
  const zone = full[5] ?? 'Z'
  const offset = /^[+-]/.test(zone) ? zone.replace(/^([+-]\d\d):?(\d\d)$/, '$1:$2') : 'Z'
  const ms = Date.parse(`${full[1]}T${full[2] ?? '00:00'}:${full[3] ?? '00'}${offset}`)
  if (Number.isNaN(ms)) return null
  return { kind: 'absolute', unixSeconds: Math.floor(ms / 1000), nanoseconds: fraction(full[4]) }
}

/** The absolute moment of `when` for a capture that begins at `firstUnixSeconds`. */
export function resolveWhen(when: When, firstUnixSeconds: number): { unixSeconds: number; nanoseconds: number } {
  if (when.kind === 'absolute') return when
  const midnight = Math.floor(firstUnixSeconds / 86_400) * 86_400
  return { unixSeconds: midnight + when.seconds, nanoseconds: when.nanoseconds }
}

const fraction = (digits: string | undefined): number => (digits === undefined ? 0 : Number(digits.padEnd(9, '0')))
