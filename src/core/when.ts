/** Points in time as people write them on a command line, relative to what the inputs cover. */
import { type Epoch, type Instant, NS_PER_SECOND } from './time.ts'

const CLOCK = /^(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?$/
const BEFORE_END = /^-(\d+(?:\.\d+)?)(ms|s|m|min|h)$/
const EPOCH = /^(\d{9,11})(?:\.(\d{1,9}))?$/
const UNIT_SECONDS: Record<string, number> = { ms: 0.001, s: 1, m: 60, min: 60, h: 3600 }

/**
 * Instant of `text`: RFC 3339 ("2026-11-20T17:10:00.5Z"; without a zone it is UTC), Unix seconds, a clock time (UTC, on the
 * day on which the inputs begin, or the next day when it lies before them), or "-5m" (before the end of the inputs).
 * Null when it is none of these.
 */
export function parseWhen(text: string, epoch: Epoch, first: Instant, last: Instant): Instant | null {
  const t = text.trim()
  const unix = EPOCH.exec(t)
  if (unix !== null) return at(epoch, Number(unix[1]), fraction(unix[2]))
  const before = BEFORE_END.exec(t)
  if (before !== null) return last - Number(before[1]) * UNIT_SECONDS[before[2]!]! * NS_PER_SECOND
  const clock = CLOCK.exec(t)
  if (clock !== null) {
    const [h, m, s] = [Number(clock[1]), Number(clock[2]), Number(clock[3] ?? 0)]
    if (h > 23 || m > 59 || s > 60) return null
    const firstUnix = epoch.unixSeconds + Math.floor(first / NS_PER_SECOND)
    const day = firstUnix - (((firstUnix % 86400) + 86400) % 86400)
    const today = at(epoch, day + h * 3600 + m * 60 + s, fraction(clock[4]))
    return today < first - NS_PER_SECOND && today + 86400 * NS_PER_SECOND <= last ? today + 86400 * NS_PER_SECOND : today
  }
  if (!/^\d{4}-\d{2}-\d{2}/.test(t)) return null
  const zoned = /(?:Z|[+-]\d{2}:?\d{2})$/i.test(t) ? t : t.length === 10 ? `${t}T00:00:00Z` : `${t.replace(' ', 'T')}Z`
  const ms = Date.parse(zoned)
  if (Number.isNaN(ms)) return null
  const digits = /\.(\d{1,9})/.exec(t)?.[1]
  return at(epoch, Math.floor(ms / 1000), digits === undefined ? 0 : fraction(digits))
}

const fraction = (digits: string | undefined): number => (digits === undefined ? 0 : Number(digits.padEnd(9, '0')))

const at = (epoch: Epoch, unixSeconds: number, nanoseconds: number): Instant => epoch.instant(unixSeconds, nanoseconds)
