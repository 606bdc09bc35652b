/**
 * What the sessions of a finding have in common and those that lived through the same time have not: client host, server, user,
 * driver, age, silence. Told only where it separates the two.
 */
import { formatDuration, type Instant } from '../core/time.ts'
import type { Session } from '../session/session.ts'
import type { Fleet } from './fleet.ts'
import { finishedLogin } from './neighbours.ts'
import type { Verdict } from './rule.ts'
import { perConnection } from './twins.ts'

/** Of fewer sessions nothing can be said to be common. */
const LEAST = 2
/** A trait that more of the survivors share does not separate them. */
const MOST_SURVIVORS_ALIKE = 0.5
/** Ages and silences separate only where they lie clearly apart. */
const CLEARLY = 1.2

interface Trait {
  of(s: Session): string | null
  says(value: string): string
}

const TRAITS: readonly Trait[] = [
  { of: (s) => s.clientIp, says: (v) => `from ${v}` },
  { of: (s) => s.server, says: (v) => `to ${v}` },
  { of: (s) => s.mysql?.login?.user || null, says: (v) => `as user ${v}` },
  { of: driver, says: (v) => `with ${v}` },
  { of: (s) => s.mysql?.login?.attributes['program_name'] ?? null, says: (v) => `of program ${v}` },
  { of: (s) => (s.mysql === null ? null : s.tls === null ? 'without TLS' : 'with TLS'), says: (v) => v },
]

/** Lines for `detail.shared`; none when they would say nothing. `accused`: sessions that any finding names. */
export function sharedTraits(verdicts: readonly Verdict[], accused: ReadonlySet<Session>, fleet: Fleet): string[] {
  const all = perConnection(verdicts, fleet)
  // Behind a proxy every client looks like the proxy: the legs towards the clients tell more, where there are any.
  const fronts = all.filter((v) => !fleet.isProxy(v.session.clientIp))
  const hit = fronts.length > 0 ? fronts : all
  if (hit.length < LEAST) return []
  const survivors = lived(hit, fronts.length > 0, accused, fleet)
  if (survivors.length === 0) return []
  const lines = [traits(hit, survivors), times(hit, survivors)]
  return lines.filter((line) => line !== null)
}

/** Sessions of the same captures that were open during the same time and that nothing happened to. */
function lived(hit: readonly Verdict[], fronts: boolean, accused: ReadonlySet<Session>, fleet: Fleet): Session[] {
  const inputs = new Set(hit.map((v) => v.session.input))
  const from = Math.min(...hit.map((v) => v.at))
  const until = Math.max(...hit.map((v) => v.at))
  return fleet.sessions.filter(
    (s) =>
      inputs.has(s.input) &&
      !accused.has(s) &&
      s.startAt <= until &&
      s.endAt >= from &&
      finishedLogin(s) &&
      fleet.isProxy(s.clientIp) !== fronts &&
      !fleet.sameAs(s).some((t) => accused.has(t) || (t.input < s.input && inputs.has(t.input))),
  )
}

function traits(hit: readonly Verdict[], survivors: readonly Session[]): string | null {
  const telling: { trait: Trait; value: string }[] = []
  for (const trait of TRAITS) {
    const value = trait.of(hit[0]!.session)
    if (value === null || hit.some((v) => trait.of(v.session) !== value)) continue
    const alike = survivors.filter((s) => trait.of(s) === value).length
    if (alike <= survivors.length * MOST_SURVIVORS_ALIKE) telling.push({ trait, value })
  }
  if (telling.length === 0) return null
  const alike = survivors.filter((s) => telling.every((t) => t.trait.of(s) === t.value)).length
  const others = survivors.length - alike
  const hosts = new Set(
    survivors.filter((s) => !telling.every((t) => t.trait.of(s) === t.value)).map((s) => s.clientIp),
  ).size
  const what = telling.map((t) => t.trait.says(t.value)).join(' ')
  const survived = `${sessions(others, 'other ')} of ${hosts === 1 ? '1 host' : `${hosts} hosts`} survived`
  const too = alike === 0 ? '' : `, and so did ${alike} alike`
  return `all ${hit.length} ${what}; ${survived}${too}`
}

/** The longest silence, or the age, where those that died lie all above those that lived. */
function times(hit: readonly Verdict[], survivors: readonly Session[]): string | null {
  const idle = Math.min(...hit.map((v) => v.session.ending.first?.idle ?? 0))
  const survived = Math.max(...survivors.map((s) => s.mysql?.longestIdle ?? 0))
  if (idle > 0 && survived > 0 && idle > survived * CLEARLY)
    return `all ${hit.length} had been silent for ${formatDuration(idle)} or longer; of ${sessions(survivors.length, '')} that survived none for more than ${formatDuration(survived)}`
  // Age is known only of connections whose begin was captured.
  if (hit.some((v) => v.session.synFrame === 0) || survivors.some((s) => s.synFrame === 0)) return null
  const age = Math.min(...hit.map((v) => v.at - v.session.startAt))
  const older = Math.max(...survivors.map((s) => ageBy(s, Math.max(...hit.map((v) => v.at)))))
  return age > older * CLEARLY
    ? `all ${hit.length} were ${formatDuration(age)} old or older; of ${sessions(survivors.length, '')} that survived none was older than ${formatDuration(older)}`
    : null
}

const ageBy = (s: Session, at: Instant): number => Math.min(s.endAt, at) - s.startAt

const sessions = (n: number, which: string): string => `${n} ${which}session${n === 1 ? '' : 's'}`

/** Client library by its connection attributes (manual: Performance Schema Connection Attribute Tables). */
function driver(s: Session): string | null {
  const a = s.mysql?.login?.attributes
  const name = a?.['_client_name']
  if (name === undefined) return null
  const version = a?.['_client_version'] ?? a?.['client_version']
  return version === undefined ? name : `${name} ${version}`
}
