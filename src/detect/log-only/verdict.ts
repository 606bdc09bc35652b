/** What one story of the logs amounts to: a rule, who, how sure. Null when the logs do not say. */
import { type Duration, NS_PER_SECOND } from '../../core/time.ts'
import { parseEndpoint } from '../../correlate/endpoint.ts'
import type { LogEvent } from '../../logs/event.ts'
import type { Confidence, Severity } from '../../report/model.ts'
import { HOT_MILLIS } from '../log-readings/proxysql.ts'
import { named } from '../log-readings/reading.ts'
import type { Culprit } from '../rule.ts'
import type { ServerEnd } from '../server-life.ts'
import type { Story, Told } from './story.ts'

export interface LogVerdict {
  story: Story
  rule: string
  /** The line that decides, with its meaning. */
  by: Told
  culprit: Culprit
  severity: Severity
  confidence: Confidence
  /** The request that was lost, where a line tells of one; its text where told. */
  lost: LogEvent | null
  /** Sentences against other causes. */
  excluded: string[]
}

/** Facts about all logs together that single stories are judged against. */
export interface Scene {
  ends: readonly ServerEnd[]
  /** Server connections that were refused, by time: a server that is down. */
  refusals: readonly LogEvent[]
  /** Ids for which a proxy sent KILL QUERY. */
  queryKills: ReadonlySet<number>
  /** Lines (`input:line`) behind which the proxy says that it tried again elsewhere. */
  retried: ReadonlySet<string>
  /** ProxySQL's version as it told it when it started, by input. */
  versions: ReadonlyMap<string, string>
}

/** Readings about a connection that was never made. */
const CONNECTING: ReadonlySet<string> = new Set([
  'connect-refused',
  'connect-timeout',
  'auth-failed',
  'too-many-connections',
  'host-blocked',
  'tls-required',
  'tls-handshake-failure',
  'handshake-timeout',
])
const INFO: ReadonlySet<string> = new Set(['query-cancelled', 'probe-without-handshake'])
/** A line of one log and one of another are about one moment. */
const MOMENT: Duration = 2 * NS_PER_SECOND

export function judge(story: Story, scene: Scene): LogVerdict | null {
  const { told } = story
  if (told.length === 0) return null
  const lost = lossOf(told, scene)
  const own = told.filter((t) => t.reading.weight === 'says')
  // First the deed of the one who closed, in his own log; then what the server told the client.
  const deed = own.find((t) => t.reading.role === t.event.role && !CONNECTING.has(t.reading.rules[0]!))
  if (deed !== undefined) return verdict(story, deed.reading.rules[0]!, deed, lost, 'certain')
  const ended = serverEnded(story, scene, lost)
  if (ended !== null) return ended
  const said = own.find((t) => !INFO.has(t.reading.rules[0]!)) ?? own[0]
  if (said !== undefined) {
    const rule = said.reading.rules[0]!
    if (!CONNECTING.has(rule)) return verdict(story, rule, said, lost, 'certain')
    // Nothing was lost but the attempt.
    return { ...verdict(story, rule, said, null, 'likely'), severity: 'error' }
  }
  return killed(story, scene, lost) ?? timedOut(story, lost) ?? gaveUp(story, lost) ?? leftOver(story, scene, lost)
}

/** A line that tells of a request that got no answer: who used the connection found it dead under it. */
function lossOf(told: readonly Told[], scene: Scene): LogEvent | null {
  const found = told.find(
    ({ event }) =>
      (event.role === 'driver' || event.role === 'pool') &&
      (event.what === 'error' || event.what === 'broken' || event.statement !== null),
  )
  if (found !== undefined) return found.event
  const broken = told.find(({ event: e }) => e.product === 'ProxySQL' && e.what === 'broken' && !isPing(e))?.event
  return broken === undefined || scene.retried.has(`${broken.input}:${broken.line}`) ? null : broken
}

const isPing = (e: LogEvent): boolean => /ping/.test(String(e.fields['action'] ?? ''))

function verdict(
  story: Story,
  rule: string,
  by: Told,
  lost: LogEvent | null,
  confidence: Confidence,
  culprit: Culprit = culpritOf(story, by),
  excluded: string[] = [],
): LogVerdict {
  const severity = INFO.has(rule) ? 'info' : lost === null ? 'warning' : 'error'
  return { story, rule, by, culprit, severity, confidence, lost, excluded }
}

/** The product of the line where it tells of its own deed, and the address where the logs have it. */
export function culpritOf(story: Story, by: Told): Culprit {
  const { role } = by.reading
  const own = role === by.event.role
  return { role, address: addressOf(story, role), product: own ? named(by.event) : null }
}

function addressOf(story: Story, role: Culprit['role']): string | null {
  const proxied = story.events.some((e) => e.role === 'proxy')
  // What the client connected to is the proxy where one stands between, else the server.
  const from =
    role === 'client'
      ? story.client
      : role === 'proxy'
        ? proxied
          ? frontServer(story)
          : null
        : serverAddress(story, proxied)
  const e = parseEndpoint(from)
  return e === null || !e.isAddress ? null : e.host
}

const frontServer = (story: Story): string | null =>
  story.events.find((e) => (e.role === 'driver' || e.role === 'pool') && e.server !== null)?.server ?? null

const serverAddress = (story: Story, proxied: boolean): string | null =>
  story.events.find((e) => e.role === 'proxy' && e.server !== null)?.server ?? (proxied ? null : frontServer(story))

/** Somebody lost a connection, or was refused one, while a server was going down or was down. */
function serverEnded(story: Story, scene: Scene, lost: LogEvent | null): LogVerdict | null {
  for (const t of story.told) {
    const { event, reading } = t
    if (event.at === null || event.role === 'server') continue
    const refused = reading.rules.includes('connect-refused') || event.what === 'connect-failed'
    if (reading.weight !== 'sees' && !refused) continue
    const end = scene.ends.find((x) => event.at! + event.precision >= x.from && event.at! <= x.until + MOMENT)
    if (end === undefined || leftBefore(story, end)) continue
    // A crash that only a missing stop shows, minutes wide: then somebody must have been refused meanwhile.
    if (!end.sure && scene.refusals.length === 0 && end.until - end.from > 30 * NS_PER_SECOND) continue
    const rule = end.how === 'crashed' ? 'server-crash' : 'server-shutdown'
    const by: Told = {
      event: end.event,
      reading: { rules: [rule], role: 'server', weight: 'says', says: `${named(end.event)} says ${end.says}` },
    }
    const v = verdict(story, rule, by, lost, end.sure ? 'likely' : 'possible', {
      role: 'server',
      address: addressOf(story, 'server'),
      product: named(end.event),
    })
    return refused ? { ...v, severity: 'error' } : v
  }
  return null
}

/** The server itself says that the other side had left this connection before the server ended. */
const leftBefore = (story: Story, end: ServerEnd): boolean =>
  story.events.some(
    (e) => e.role === 'server' && e.what === 'aborted' && e.at !== null && e.at + e.precision <= end.from,
  )

/** MariaDB says KILLED for KILL QUERY as well: the connection must be seen dead by somebody else. */
function killed(story: Story, scene: Scene, lost: LogEvent | null): LogVerdict | null {
  const by = story.told.find((t) => t.event.role === 'server' && t.reading.rules[0] === 'connection-killed')
  if (by === undefined || scene.queryKills.has(by.event.connectionId ?? -1)) return null
  // A server that is shut down kills what is still open.
  const { at } = by.event
  if (at !== null && scene.ends.some((x) => x.how === 'stopped' && at >= x.from - MOMENT && at <= x.until + MOMENT))
    return null
  const seen = story.told.find(
    (t) =>
      t.event.role !== 'server' && t.event.at !== null && by.event.at !== null && t.event.at - by.event.at >= -MOMENT,
  )
  if (seen === undefined || seen.reading.rules[0] === 'client-vanished') return null
  return verdict(story, 'connection-killed', by, lost, 'likely', {
    role: 'server',
    address: addressOf(story, 'server'),
    product: named(by.event),
  })
}

/** The server heard nothing for as long as it waits. When its client waited in vain too, nothing came through between them. */
function timedOut(story: Story, lost: LogEvent | null): LogVerdict | null {
  const by = story.told.find((t) => t.event.role === 'server' && t.reading.rules[0] === 'idle-timeout-server')
  if (by === undefined) return null
  const waiting = story.told.find((t) => t.reading.rules[0] === 'client-timeout' && t.event.role !== 'proxy')
  // Alone it may as well be a network that had swallowed the client's packets.
  if (waiting === undefined)
    return verdict(story, 'idle-timeout-server', by, lost, story.told.length > 1 ? 'likely' : 'possible')
  return verdict(
    story,
    'silent-drop',
    by,
    waiting.event,
    'possible',
    { role: 'network', address: null, product: null },
    [`the client and the server: each waited for the other (${waiting.event.input}:${waiting.event.line})`],
  )
}

/** The application did not wait. Whether the server was slow or the network lost the answer, logs do not tell. */
function gaveUp(story: Story, lost: LogEvent | null): LogVerdict | null {
  const by = story.told.find((t) => t.reading.rules[0] === 'client-timeout' && t.event.role !== 'proxy')
  if (by === undefined) return null
  return verdict(story, 'client-timeout', by, lost ?? by.event, 'possible')
}

/**
 * ProxySQL took a connection that it had used a moment ago for broken, and neither the server's log nor a refusal speaks of an
 * end: what its left-over TLS errors look like in the log (fixed in 2.6.5; 2.6.4 has builds with and without the fix).
 */
function leftOver(story: Story, scene: Scene, lost: LogEvent | null): LogVerdict | null {
  const by = story.told.find(({ event }) => event.product === 'ProxySQL' && event.what === 'broken' && isHot(event))
  if (by === undefined) return null
  const { event } = by
  const version = event.version ?? scene.versions.get(event.input) ?? null
  if (version !== null && !hasTheBug(version)) return null
  const down = scene.refusals.some(
    (r) => near(r, event, 5 * NS_PER_SECOND) && (r.server === null || r.server === event.server),
  )
  if (down || story.told.some((t) => t.reading.rules[0] === 'connection-killed')) return null
  // The server says that the other side left: it did not close.
  const victim = story.told.find((t) => t.event.role === 'server' && /reading/.test(t.event.reason ?? ''))
  const product = version === null ? 'ProxySQL' : `ProxySQL ${version}`
  const idle = event.idleMillis!
  return verdict(
    story,
    'tls-error-queue',
    by,
    lost,
    victim !== undefined || version !== null ? 'likely' : 'possible',
    { role: 'proxy', address: null, product },
    [
      `idleness: the connection had been used ${idle} ms before`,
      victim === undefined
        ? 'an end that the server logged: there is no line about one'
        : `the server: it says that the other side left (${victim.event.input}:${victim.event.line})`,
    ],
  )
}

const isHot = (e: LogEvent): boolean =>
  e.code !== null && (e.code === 2013 || e.code === 2026) && e.idleMillis !== null && e.idleMillis < 10 * HOT_MILLIS

const near = (a: LogEvent, b: LogEvent, within: Duration): boolean =>
  a.at === null || b.at === null
    ? a.input === b.input && Math.abs(a.line - b.line) <= 20
    : Math.abs(a.at - b.at) <= within

/** 2.3.0 up to 2.6.4. */
export function hasTheBug(version: string): boolean {
  const m = /^(\d+)\.(\d+)\.(\d+)/.exec(version)
  if (m === null) return true
  const [major, minor, patch] = [Number(m[1]), Number(m[2]), Number(m[3])]
  return major === 2 && minor >= 3 && (minor < 6 || (minor === 6 && patch <= 4))
}
