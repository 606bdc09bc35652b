/**
 * Capture time. An Instant is a plain number: nanoseconds since the analysis epoch (a whole Unix second, the second of
 * the first packet read). It is exact for ±104 days around the epoch and within 1 µs for ±285 years; a bigint per packet
 * would cost a third of the scan.
 */
export type Instant = number
/** Nanoseconds. */
export type Duration = number

export const NS_PER_SECOND = 1e9
export const NS_PER_MS = 1e6

/** The whole Unix second that Instants count from; fixed by the first packet (or log line) read. */
export class Epoch {
  private seconds: number | null = null
  /** The second that was written last, and its text. */
  private written = Number.NaN
  private text = ''

  /** Instant of a Unix time given as whole seconds and nanoseconds; the first call fixes the epoch. */
  instant(unixSeconds: number, nanoseconds: number): Instant {
    if (this.seconds === null) this.seconds = unixSeconds
    return (unixSeconds - this.seconds) * NS_PER_SECOND + nanoseconds
  }

  /** The epoch in Unix seconds; 0 while nothing was read. */
  get unixSeconds(): number {
    return this.seconds ?? 0
  }

  /** Whether anything has fixed the epoch yet. */
  get fixed(): boolean {
    return this.seconds !== null
  }

  /** RFC 3339 in UTC with microseconds, e.g. 2026-11-20T17:10:00.000001Z. Years past 9999 or before 0 print as the raw second. */
  rfc3339(at: Instant): string {
    const wholeSeconds = Math.floor(at / NS_PER_SECOND)
    const micros = Math.floor((at - wholeSeconds * NS_PER_SECOND) / 1000)
    const second = this.unixSeconds + wholeSeconds
    if (!(Math.abs(second * 1000) < 8.64e15)) return `${second}s`
    if (second !== this.written) {
      this.written = second
      this.text = new Date(second * 1000).toISOString().slice(0, -5)
    }
    return [this.text, '.', String(micros).padStart(6, '0'), 'Z'].join('')
  }
}

/** Seconds as a number, for reports: rounded to the nanosecond. */
export const toSeconds = (d: Duration): number => Math.round(d) / NS_PER_SECOND

/** Human form of a duration: 350 µs, 12.3 ms, 13.0 s, 2 min 5 s, 8 h 0 min. */
export function formatDuration(d: Duration): string {
  const abs = Math.abs(d)
  if (abs < 1e6) return `${(d / 1e3).toFixed(0)} µs`
  if (abs < 1e9) return `${(d / 1e6).toFixed(abs < 1e7 ? 2 : 1)} ms`
  if (abs < 120e9) return `${(d / 1e9).toFixed(abs < 10e9 ? 2 : 1)} s`
  const s = Math.round(d / 1e9)
  if (Math.abs(s) < 7200) return `${Math.trunc(s / 60)} min ${Math.abs(s % 60)} s`
  const m = Math.round(s / 60)
  return `${Math.trunc(m / 60)} h ${Math.abs(m % 60)} min`
}
