/**
 * The path of one session drawn on one line, client to server over every leg, and the cut marked under the side that made
 * it. At narrow widths the hosts stand below each other.
 */
import type { Finding, Occurrence, Report, SessionReport } from './model.ts'
import type { Style } from './style.ts'
import { seconds, timeOfDay } from './words.ts'
import { displayWidth } from './wrap.ts'

const ARROW = 7

/** Session by id, for renderers. */
export function sessionIndex(report: Report): Map<string, SessionReport> {
  return new Map(report.sessions.map((s) => [s.id, s]))
}

/** The lines of the chain, each with `indent` spaces before it. */
export function chain(
  occurrence: Occurrence,
  finding: Finding,
  sessions: ReadonlyMap<string, SessionReport>,
  style: Style,
  indent: number,
): string[] {
  const session = sessions.get(occurrence.session)
  const legs = legsOf(occurrence, session, sessions)
  const nodes = [
    label(clientName(legs[0]!.session), legs[0]!.client, finding),
    ...legs.map((leg, i) =>
      label(i < legs.length - 1 ? proxyName(leg.session) : serverName(leg.session), leg.server, finding),
    ),
  ].map((node) => style.clean(node))
  const cutLeg = legs.findIndex((leg) => leg.session?.id === session?.id)
  const mark = session === undefined ? '' : style.clean(markText(session, occurrence.at, finding))
  const margin = ' '.repeat(indent)
  const arrow = `${style.glyph.line.repeat(ARROW - 1)}${style.glyph.right}`
  const oneLine = nodes.join(` ${arrow} `)
  const sign = style.red(style.glyph.cut)
  if (indent + displayWidth(oneLine) <= style.width) {
    const out = [margin + oneLine]
    if (mark === '') return out
    const before = nodes.slice(0, cutLeg + 1).reduce((w, n) => w + displayWidth(n) + ARROW + 2, 0) - ARROW - 1
    const at = session?.ending.by === 'client' ? before : before + ARROW - 1
    // Under the end of the arrow that belongs to the side which cut; the words stand where there is room for them.
    const width = displayWidth(mark)
    if (indent + at + 2 + width <= style.width) out.push(`${margin}${' '.repeat(at)}${sign} ${mark}`)
    else if (at > width) out.push(`${margin}${' '.repeat(at - width - 1)}${mark} ${sign}`)
    else out.push(`${margin}${' '.repeat(at)}${sign}`, `${margin}${mark}`)
    return out
  }
  const out = [margin + nodes[0]]
  for (let i = 1; i < nodes.length; i++) {
    out.push(`${margin}  ${arrow} ${nodes[i]}`)
    if (mark !== '' && i === cutLeg + 1) out.push(`${margin}  ${' '.repeat(ARROW - 1)}${sign} ${mark}`)
  }
  return out
}

interface Leg {
  client: string
  server: string
  session: SessionReport | undefined
}

/** Front leg, then its back legs; a leg alone when no other is known. */
export function legsOf(
  o: Occurrence,
  session: SessionReport | undefined,
  sessions: ReadonlyMap<string, SessionReport>,
): Leg[] {
  if (session === undefined) return [{ client: o.client, server: o.server, session }]
  const front = session.legOf === null ? session : (sessions.get(session.legOf) ?? session)
  const legs = [front]
  if (session !== front) legs.push(session)
  else {
    for (const s of sessions.values()) {
      if (s.legOf !== front.id) continue
      legs.push(s)
      break
    }
  }
  return legs.map((s) => ({ client: s.client, server: s.server, session: s }))
}

export function label(name: string, endpoint: string, finding: Finding): string {
  const { address, product, role } = finding.culprit
  if (address !== hostOf(endpoint) || role === 'client' || role === 'middlebox') return `${name} ${endpoint}`
  if (product !== null) return `${product} ${endpoint}`
  return role === 'proxy' ? `proxy ${endpoint}` : `${name} ${endpoint}`
}

/** A proxy that passes the server's greeting through does not say what it is. */
export function proxyName(s: SessionReport | undefined): string {
  const flavor = s?.mysql?.flavor ?? ''
  return PROXY_FLAVORS.has(flavor) ? (FLAVOR_NAMES[flavor] ?? 'proxy') : 'proxy'
}

/** Address of an endpoint, without port and brackets. */
export const hostOf = (endpoint: string): string => endpoint.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')

export function clientName(s: SessionReport | undefined): string {
  return s?.mysql?.attributes['program_name'] ?? s?.mysql?.user ?? 'client'
}

const FLAVOR_NAMES: Record<string, string> = {
  mysql: 'MySQL',
  mariadb: 'MariaDB',
  percona: 'Percona Server',
  proxysql: 'ProxySQL',
  router: 'MySQL Router',
  maxscale: 'MaxScale',
  tidb: 'TiDB',
  vitess: 'Vitess',
}
const PROXY_FLAVORS: ReadonlySet<string> = new Set(['proxysql', 'router', 'maxscale'])

/** What the server calls itself, with its version when it says one. */
export function serverName(s: SessionReport | undefined): string {
  const m = s?.mysql
  if (!m) return 'server'
  const name = FLAVOR_NAMES[m.flavor.toLowerCase()] ?? (m.flavor === 'unknown' || m.flavor === '' ? 'server' : m.flavor)
  const version =
    m.serverVersion === null ? '' : ` ${m.serverVersion.replace(/^5\.5\.5-(?=\d+\.)/, '').replace(/-.*$/, '')}`
  return `${name}${version}`
}

/** `17:18:51.043 RST by the server, 13.0 s after the last byte`; '' where nothing was cut: what a session carried did not end it. */
export function markText(s: SessionReport, at: string, finding: Finding): string {
  const { how, by, silenceSeconds } = s.ending
  if (how === 'open' || finding.family === 'state') return ''
  const what = how === 'timeout' ? 'no answer any more' : how === 'unknown' ? 'ended' : how.toUpperCase()
  // The accepting side of a front leg is the proxy, and so is the opening side of a back leg.
  const proxy =
    finding.culprit.role === 'proxy' && hostOf(by === 'client' ? s.client : s.server) === finding.culprit.address
  const who = by === 'unknown' || how === 'timeout' ? '' : ` by the ${proxy ? 'proxy' : by}`
  const silence = silenceSeconds > 0 ? `, ${seconds(silenceSeconds)} after the last byte` : ''
  return `${timeOfDay(at)} ${what}${who}${silence}`
}
