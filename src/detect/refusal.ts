/**
 * An ERR packet that refuses a connection: which leg it began on, and who wrote it. A proxy may pass a server's refusal on
 * word for word, or refuse by itself; both legs of a passed-on refusal tell one cause.
 */
import { type Duration, NS_PER_SECOND } from '../core/time.ts'
import type { ErrorFact, Session } from '../session/session.ts'
import { acceptingSide } from './describe.ts'
import type { Fleet } from './fleet.ts'
import { neighbours } from './neighbours.ts'
import type { Culprit, RuleEvidence, Verdict } from './rule.ts'

export interface Refusal {
  error: ErrorFact
  /** The leg on which it was first said; the session itself when no other is known. */
  root: Session
  rootError: ErrorFact
  /** Who wrote it. */
  culprit: Culprit
}

/** A proxy passes an error on within this time. */
const PASSED_ON: Duration = NS_PER_SECOND
const MOST_LEGS = 4

/** The first error of these codes in place of a greeting or during a login, traced back to whoever wrote it; null when there is none. */
export function refusal(s: Session, fleet: Fleet, codes: ReadonlySet<number>): Refusal | null {
  const error = s.mysql?.errorFacts.find((e) => codes.has(e.code) && (e.phase === 'greeting' || e.phase === 'auth'))
  return error === undefined ? null : trace(s, error, fleet)
}

/** Follows an error back through the legs on which the same words were said before. */
export function trace(s: Session, error: ErrorFact, fleet: Fleet): Refusal {
  let root = s
  let rootError = error
  for (let leg = 0; leg < MOST_LEGS; leg++) {
    const before = saidBehind(root, rootError, fleet)
    if (before === null) break
    root = before.session
    rootError = before.error
  }
  return { error, root, rootError, culprit: author(root, rootError, fleet) }
}

/** The connection behind `s` on which the same error was said a moment earlier. */
function saidBehind(s: Session, error: ErrorFact, fleet: Fleet): { session: Session; error: ErrorFact } | null {
  let best: { session: Session; error: ErrorFact } | null = null
  const joined = fleet.backLeg(s)
  for (const t of joined === null
    ? neighbours(fleet).openedBy(s.serverIp, s.server, s.startAt - PASSED_ON, error.at)
    : [joined]) {
    if (t === s || t.mysql === null) continue
    const same = t.mysql.errorFacts.find(
      (e) => e.code === error.code && e.message === error.message && e.at <= error.at && error.at - e.at <= PASSED_ON,
    )
    if (same !== undefined && (best === null || same.at > best.error.at)) best = { session: t, error: same }
  }
  return best
}

const AUTHORS: readonly (readonly [RegExp, string])[] = [
  [/^ProxySQL Error\b/, 'ProxySQL'],
  [/MySQL Router|routing connection/i, 'MySQL Router'],
  [/MaxScale/i, 'MaxScale'],
]

/** Who wrote an error on the leg where it was first said: by its words, by what is known of the address, by the host it names. */
function author(s: Session, error: ErrorFact, fleet: Fleet): Culprit {
  for (const [words, product] of AUTHORS)
    if (words.test(error.message)) return { role: 'proxy', address: s.serverIp, product }
  const named = hostNamed(error)
  if (named !== null && namesAnother(named, s)) {
    // Whoever wrote it sees another client address than the capture does: it stands behind a proxy or address translation.
    return { role: 'server', address: null, product: null }
  }
  return acceptingSide(s.mysql?.greeting == null ? (neighbours(fleet).greeted(s.server) ?? s) : s, fleet)
}

/** The host that an error speaks of: Host 'x' is blocked (1129), is not allowed to connect (1130). */
export function hostNamed(error: ErrorFact): string | null {
  return /^Host '([^']*)' is /.exec(error.message)?.[1] ?? null
}

/** The host named is an address, and another one than the client's. A host name says nothing here: we resolve none. */
export function namesAnother(host: string, s: Session): boolean {
  const address = host.replace(/^::ffff:(?=\d+\.)/i, '')
  return /^(\d+\.){3}\d+$|:/.test(address) && address.toLowerCase() !== s.clientIp.toLowerCase()
}

/** The error's frame on this leg, and on the leg where it was first said. */
export function refusalEvidence(s: Session, r: Refusal): RuleEvidence[] {
  const says = `ERR ${r.error.code}${r.error.sqlState === '' ? '' : ` (${r.error.sqlState})`} ${r.error.message}`
  const out: RuleEvidence[] = [
    {
      kind: 'frames',
      frames: [r.error.frame],
      says: r.error.phase === 'greeting' ? `${says}, in place of a greeting` : says,
    },
  ]
  if (r.root !== s)
    out.push({
      kind: 'frames',
      frames: [r.rootError.frame],
      says: `first said by ${r.root.server} to ${r.root.client}`,
      of: r.root,
    })
  return out
}

/** "server 10.0.0.2", "ProxySQL 10.0.0.5", "the proxy 10.0.0.5", "the server behind it". */
export function culpritWords(c: Culprit): string {
  if (c.address === null) return `the ${c.role} behind the address that the client knows`
  return `${c.product ?? (c.role === 'proxy' ? 'the proxy' : c.role === 'server' ? 'the server' : 'the ' + c.role)} ${c.address}`
}

export const capital = (text: string): string => text[0]!.toUpperCase() + text.slice(1)
export const count = (n: number, one: string, many: string): string => (n === 1 ? one : `${n} ${many}`)

/** How many connections of clients these verdicts are about, the legs that a proxy opened for them left out. */
export function clientsHit(all: readonly Verdict[]): number {
  const accepting = new Set(all.map((v) => v.session.serverIp))
  const clients = all.filter((v) => !accepting.has(v.session.clientIp)).length
  return clients === 0 ? all.length : clients
}
