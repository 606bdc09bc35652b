/**
 * From what a log writes to the run's clock: the zone where the text has none (--tz, or what the envelope shows), the year and the
 * date where they are missing, from what is near.
 */
import type { Epoch, Instant } from '../core/time.ts'
import type { Stamp } from './stamp.ts'

const DAY = 86_400

/** A zone: seconds east of UTC at a time given as if it were UTC. */
export type Zone = (seconds: number) => number

export const UTC: Zone = () => 0

/** Reads `+08:00`, `-0330`, `Z`, `UTC`, or a name of the IANA zone data (`Asia/Shanghai`). Null when it is none. */
export function zoneOf(text: string): Zone | null {
  if (/^(z|utc|gmt)$/i.test(text)) return UTC
  const fixed = /^([+-])(\d\d?):?(\d\d)?$/.exec(text)
  if (fixed !== null) {
    const seconds = (Number(fixed[2]) * 60 + Number(fixed[3] ?? 0)) * 60
    if (seconds > 14 * 3600) return null
    return () => (fixed[1] === '-' ? -seconds : seconds)
  }
  if (!/^[A-Za-z_]+(\/[A-Za-z0-9_+-]+)*$/.test(text)) return null
  let format: Intl.DateTimeFormat
  try {
    format = new Intl.DateTimeFormat('en-US', { timeZone: text, timeZoneName: 'longOffset' })
  } catch {
    return null
  }
  const offsetAt = (unixSeconds: number): number => {
    const name = format.formatToParts(unixSeconds * 1000).find((p) => p.type === 'timeZoneName')?.value ?? ''
    const m = /([+-])(\d\d):(\d\d)(?::(\d\d))?/.exec(name)
    if (m === null) return 0
    const seconds = (Number(m[2]) * 60 + Number(m[3])) * 60 + Number(m[4] ?? 0)
    return m[1] === '-' ? -seconds : seconds
  }
  // Offsets change on the hour at most: one answer serves the lines of a quarter of an hour.
  let quarter = Number.NaN
  let known = 0
  return (local) => {
    const q = Math.floor(local / 900)
    if (q !== quarter) {
      if (Math.abs(local) > 8e12) return 0
      quarter = q
      known = offsetAt(local - offsetAt(local))
    }
    return known
  }
}

export class LogClock {
  private readonly epoch: Epoch
  private readonly zone: Zone
  /** Unix seconds near which times without year or date are looked for; null while nothing is known. */
  private near: number | null
  /** Zone shown by envelopes that bear one, see `learnZone`. */
  private learned: number | null = null
  private readonly zoneGiven: boolean

  /** `zone` null: nobody said; UTC is taken unless an envelope tells. */
  constructor(epoch: Epoch, zone: Zone | null, near: number | null) {
    this.epoch = epoch
    this.zone = zone ?? UTC
    this.zoneGiven = zone !== null
    this.near = near
  }

  /** The instant, or null when a year or date is missing and nothing near is known. */
  instant(stamp: Stamp): Instant | null {
    const unix = this.unixSeconds(stamp)
    // A duration of endless digits added to a time is no time.
    if (unix === null || !(Math.abs(unix) < 8e12) || !Number.isFinite(stamp.nanos)) return null
    this.near = unix
    return this.epoch.instant(unix, stamp.nanos)
  }

  /**
   * An envelope whose time has a zone was written when the entry without one was: the difference, in quarters of an hour, is the
   * entry's zone (syslog servers write +08:00 before HAProxy's own local time).
   */
  learnZone(entry: Stamp, envelope: Stamp): void {
    if (this.zoneGiven || entry.zone !== null || entry.lacks !== 'nothing') return
    if (envelope.zone === null || envelope.lacks !== 'nothing') return
    const ahead = entry.seconds - (envelope.seconds - envelope.zone)
    const quarters = Math.round(ahead / 900)
    if (Math.abs(ahead - quarters * 900) > 60 || Math.abs(quarters) > 56) return
    this.learned = quarters * 900
  }

  private unixSeconds(stamp: Stamp): number | null {
    const local = (s: number): number => s - (stamp.zone ?? this.learned ?? this.zone(s))
    if (stamp.lacks === 'nothing') return local(stamp.seconds)
    if (this.near === null) return null
    if (stamp.lacks === 'date') {
      const time = local(stamp.seconds + Math.floor(this.near / DAY) * DAY)
      return nearest(this.near, time, time - DAY, time + DAY)
    }
    const { near } = this
    const year = new Date(near * 1000).getUTCFullYear()
    const leap = new Date(stamp.seconds * 1000)
    const inYear = (y: number): number =>
      local(
        Date.UTC(y, leap.getUTCMonth(), leap.getUTCDate(), leap.getUTCHours(), leap.getUTCMinutes()) / 1000 +
          leap.getUTCSeconds(),
      )
    return nearest(near, inYear(year), inYear(year - 1), inYear(year + 1))
  }
}

function nearest(near: number, first: number, ...others: number[]): number {
  let best = first
  for (const o of others) if (Math.abs(o - near) < Math.abs(best - near)) best = o
  return best
}
