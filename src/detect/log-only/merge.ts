/** Verdicts of several logs about one moment put together, where no name ties them: who suffered, and who acted. */
import { type Duration, type Instant, NS_PER_MS, NS_PER_SECOND } from '../../core/time.ts'
import { parseEndpoint } from '../../correlate/endpoint.ts'
import type { LogEvent } from '../../logs/event.ts'
import type { Confidence, Severity } from '../../report/model.ts'
import { type LogReading, named } from '../log-readings/reading.ts'
import { brokenAt, type Story } from './story.ts'
import type { LogVerdict } from './verdict.ts'

/** What one log says and another, of one moment, where their clocks agree. */
export const ONE_MOMENT: Duration = 300 * NS_PER_MS
/** Checks that make a habit, and connections of one logical connection (validation.ts). */
const HABIT = 3
const OPENED_TOGETHER: Duration = 1 * NS_PER_SECOND
/** Things of one second that are compared with another log's. */
const PER_SECOND = 256

export const SEVERITY: Record<Severity, number> = { error: 0, warning: 1, info: 2 }
export const CONFIDENCE: Record<Confidence, number> = { certain: 0, likely: 1, possible: 2 }

/** Things by their moment, so that those of one moment are found at once. */
class ByMoment<T> {
  private readonly seconds = new Map<number, T[]>()

  add(at: Instant, thing: T): void {
    const second = Math.floor(at / NS_PER_SECOND)
    const list = this.seconds.get(second)
    if (list === undefined) this.seconds.set(second, [thing])
    // A storm within one second is told by its first ones.
    else if (list.length < PER_SECOND) list.push(thing)
  }

  /** Those within two seconds of `at`. */
  near(at: Instant): T[] {
    const second = Math.floor(at / NS_PER_SECOND)
    return [-2, -1, 0, 1, 2].flatMap((d) => this.seconds.get(second + d) ?? [])
  }
}

export interface Judged {
  story: Story
  v: LogVerdict | null
}

/**
 * A line that names no connection, and another log's verdict of the same rule at the same moment, are one: who was refused says so,
 * and who refused. Each is taken once.
 */
export function sameMoment(judged: readonly Judged[]): Judged[] {
  const out: Judged[] = []
  const told = new Map<string, ByMoment<LogVerdict>>()
  for (const j of judged) {
    const { v } = j
    const at = v === null ? null : brokenAt(v.story)
    if (v === null || at === null) {
      out.push(j)
      continue
    }
    let known = told.get(v.rule)
    if (known === undefined) {
      known = new ByMoment()
      told.set(v.rule, known)
    }
    const own = v.story.told[0]!.event
    const other = known.near(at).find((x) => {
      const theirs = x.story.told[0]!.event
      if (x.story.client !== null && v.story.client !== null) return false
      if (x.story.told.some((t) => t.event.input === own.input)) return false
      return Math.abs(theirs.at! - at) <= ONE_MOMENT + Math.max(theirs.precision, own.precision)
    })
    if (other === undefined) {
      known.add(at, v)
      out.push(j)
      continue
    }
    other.story.told.push(...v.story.told)
    other.story.client ??= v.story.client
    other.story.server ??= v.story.server
    other.culprit = {
      ...other.culprit,
      address: other.culprit.address ?? v.culprit.address,
      product: other.culprit.product ?? v.culprit.product,
    }
    if (SEVERITY[v.severity] < SEVERITY[other.severity]) other.severity = v.severity
    if (CONFIDENCE[v.confidence] < CONFIDENCE[other.confidence]) other.confidence = v.confidence
    other.lost ??= v.lost
  }
  return out
}

/**
 * What an application saw end, in the moment in which a proxy in front of it gave up a server connection under a request: the one is
 * the other's loss. Nothing else ties them, where the proxy greets by itself and shares its server connections.
 */
export function suffered(judged: readonly Judged[]): Judged[] {
  const cuts = new ByMoment<LogVerdict>()
  for (const { v } of judged)
    if (v?.lost?.role === 'proxy' && v.lost.at !== null && v.story.client === null) cuts.add(v.lost.at, v)
  return judged.filter(({ story, v }) => {
    const own = story.told[0]!.event
    if (v !== null || (own.role !== 'driver' && own.role !== 'pool') || own.at === null) return true
    const cut = cuts.near(own.at).find((c) => {
      if (c.story.client !== null || c.story.told.some((t) => t.event.role === own.role)) return false
      return Math.abs(c.lost!.at! - own.at!) <= ONE_MOMENT + Math.max(c.lost!.precision, own.precision)
    })
    if (cut === undefined) return true
    cut.story.told.push(...story.told)
    cut.story.client = story.client
    return false
  })
}

/**
 * A connection that lost a request to an idle timer while the same pool checked another one again and again, opened together with it
 * and to another server: the checks went the wrong way.
 */
export function wrongConnection(judged: readonly Judged[], stories: readonly Story[]): Judged[] {
  const out: Judged[] = []
  const checked = new ByMoment<Story>()
  for (const s of stories) {
    const first = s.events.find((e) => e.what === 'connected' && e.at !== null)
    if (first !== undefined && s.events.some((e) => e.what === 'validated')) checked.add(first.at!, s)
  }
  for (const { story, v } of judged) {
    if (v === null || !v.rule.startsWith('idle-timeout') || v.lost === null) continue
    const { input } = v.lost
    const checks = (s: Story): LogEvent[] => s.events.filter((e) => e.input === input && e.what === 'validated')
    const opened = openedAt(story, input)
    if (opened === null || checks(story).length > 0) continue
    for (const other of checked.near(opened)) {
      const found = checks(other)
      const there = openedAt(other, input)
      if (other === story || found.length < HABIT || there === null || Math.abs(there - opened) > OPENED_TOGETHER)
        continue
      if (other.server === null || story.server === null || other.server === story.server) continue
      const [first, last] = [found[0]!, found.at(-1)!]
      const reading: LogReading = {
        rules: ['validation-wrong-connection'],
        role: 'client',
        weight: 'fits',
        says: `${named(first)} checked its connection to ${other.server} ${found.length} times up to line ${last.line}, and never this one`,
      }
      const by = { event: last, reading }
      const culprit = { role: 'client' as const, address: parseEndpoint(story.client)?.host ?? null, product: null }
      out.push({
        story,
        v: { ...v, rule: 'validation-wrong-connection', by, culprit, confidence: 'likely', excluded: [] },
      })
      break
    }
  }
  return out
}

function openedAt(story: Story, input: string): Instant | null {
  return story.events.find((e) => e.input === input && e.what === 'connected')?.at ?? null
}
