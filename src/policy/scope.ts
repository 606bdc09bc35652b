/** Which sessions a policy is about: by address and network, by user and schema. */
import type { SessionReport } from '../report/model.ts'
import type { Scope } from './policy.ts'

export interface Network {
  /** Address bits, 4 or 16 bytes. */
  bytes: number[]
  prefix: number
  port: number | null
}

/** `10.0.0.5`, `10.0.0.0/8`, `10.0.0.5:3306`, `2001:db8::/32`, `[::1]:3306`; null when it is none. */
export function parseNetwork(text: string): Network | null {
  const m = /^\[([^\]]+)\](?::(\d{1,5}))?$/.exec(text) ?? /^([\d.]+):(\d{1,5})$/.exec(text)
  const port = m?.[2] === undefined ? null : Number(m[2])
  if (port !== null && (port < 1 || port > 65_535)) return null
  const [address, prefix] = (m === null ? text : m[1]!).split('/') as [string, string | undefined]
  const bytes = address.includes(':') ? ipv6(address) : ipv4(address)
  if (bytes === null) return null
  if (prefix === undefined) return { bytes, prefix: bytes.length * 8, port }
  if (!/^\d{1,3}$/.test(prefix) || Number(prefix) > bytes.length * 8 || m !== null) return null
  return { bytes, prefix: Number(prefix), port }
}

function ipv4(text: string): number[] | null {
  const parts = text.split('.')
  if (parts.length !== 4 || parts.some((p) => !/^\d{1,3}$/.test(p) || Number(p) > 255)) return null
  return parts.map(Number)
}

function ipv6(text: string): number[] | null {
  const halves = text.split('::')
  if (halves.length > 2) return null
  const groups = (half: string): number[] | null => {
    if (half === '') return []
    const out: number[] = []
    for (const [i, g] of half.split(':').entries()) {
      if (g.includes('.')) {
        const v4 = i === half.split(':').length - 1 ? ipv4(g) : null
        if (v4 === null) return null
        out.push(...v4)
      } else {
        if (!/^[0-9a-f]{1,4}$/i.test(g)) return null
        out.push(Number.parseInt(g, 16) >> 8, Number.parseInt(g, 16) & 255)
      }
    }
    return out
  }
  const head = groups(halves[0]!)
  const tail = halves.length === 2 ? groups(halves[1]!) : []
  if (head === null || tail === null) return null
  const missing = 16 - head.length - tail.length
  if (halves.length === 1 ? missing !== 0 : missing < 1) return null
  return [...head, ...new Array<number>(missing).fill(0), ...tail]
}

function contains(n: Network, endpoint: string): boolean {
  const m = /^(.*):(\d+)$/.exec(endpoint)
  const host = (m?.[1] ?? endpoint).replace(/^\[(.*)\]$/, '$1')
  if (n.port !== null && Number(m?.[2]) !== n.port) return false
  const bytes = host.includes(':') ? ipv6(host) : ipv4(host)
  if (bytes === null || bytes.length !== n.bytes.length) return false
  for (let bit = 0; bit < n.prefix; bit += 8) {
    const mask = n.prefix - bit >= 8 ? 0xff : (0xff << (8 - (n.prefix - bit))) & 0xff
    if (((bytes[bit >> 3]! ^ n.bytes[bit >> 3]!) & mask) !== 0) return false
  }
  return true
}

/** `*` stands for anything; the rest is compared as MySQL compares names here: with regard to case. */
function glob(pattern: string): (text: string) => boolean {
  const regex = new RegExp(
    `^${pattern
      .split('*')
      .map((p) => p.replace(/[\\^$.|?+()[\]{}]/g, '\\$&'))
      .join('.*')}$`,
    's',
  )
  return (text) => regex.test(text)
}

/** One test per key of the scope. */
function tests(scope: Scope): ((s: SessionReport) => boolean)[] {
  const out: ((s: SessionReport) => boolean)[] = []
  const networks = (list: readonly string[]): Network[] => list.map(parseNetwork).filter((n) => n !== null)
  if (scope.clients !== undefined) {
    const own = networks(scope.clients)
    out.push((s) => own.some((n) => contains(n, s.client)))
  }
  if (scope.servers !== undefined) {
    const own = networks(scope.servers)
    out.push((s) => own.some((n) => contains(n, s.server)))
  }
  if (scope.users !== undefined) {
    const own = scope.users.map(glob)
    out.push((s) => own.some((g) => g(s.mysql?.user ?? '')))
  }
  if (scope.schemas !== undefined) {
    const own = scope.schemas.map(glob)
    out.push((s) => own.some((g) => g(s.mysql?.schema ?? '')))
  }
  return out
}

/** Whether a session is in scope: all of `scope` holds, nothing of `exclude`. */
export function inScope(scope: Scope, exclude: Scope): (s: SessionReport) => boolean {
  const all = tests(scope)
  const none = tests(exclude)
  return (s) => all.every((t) => t(s)) && !none.some((t) => t(s))
}
