/** What the user asks of the proxy, as text, and what it becomes. Everything wrong is said before a socket is opened. */
import { MysqlconnError } from '../core/errors.ts'
import { type Address, addressText, parseListen, parseUpstream } from './address.ts'

const UNITS: Readonly<Record<string, number>> = { '': 1, K: 1e3, KB: 1e3, M: 1e6, MB: 1e6, G: 1e9, GB: 1e9 }

/** `100MB`, `64M`, `1GB`, `4096`: bytes, in powers of ten. */
export function parseSize(text: string, flag: string): number {
  const m = /^(\d+(?:\.\d+)?)\s*([KMG]?B?)$/i.exec(text)
  const unit = m === null ? undefined : UNITS[m[2]!.toUpperCase() === 'B' ? '' : m[2]!.toUpperCase()]
  if (m === null || unit === undefined || Number(m[1]) <= 0)
    throw new MysqlconnError('E_USAGE', `${flag}: cannot read the size '${text}'`, 'write it as 100MB or 1GB')
  return Math.round(Number(m[1]) * unit)
}

const TIMES: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000 }

/** `250ms`, `30s`, `5m`, `1h`; a bare number is seconds. Milliseconds. */
export function parseDuration(text: string, flag: string): number {
  const m = /^(\d+(?:\.\d+)?)\s*(ms|s|m|min|h)?$/.exec(text)
  if (m === null)
    throw new MysqlconnError('E_USAGE', `${flag}: cannot read the time '${text}'`, 'write it as 250ms, 30s, 5m or 1h')
  return Math.round(Number(m[1]) * TIMES[m[2] ?? 's']!)
}

export interface Ring {
  files: number
  bytes: number
  seconds: number
}

/** `10x100MB`, `24x1h`, `10x100MB,5m`: files kept, and when the next one begins: by size, by time, or whichever comes first. */
export function parseRing(text: string): Ring {
  const bad = (): MysqlconnError =>
    new MysqlconnError(
      'E_USAGE',
      `--ring: cannot read '${text}'`,
      'write it as 10x100MB (ten files of 100 MB), 24x1h or 10x100MB,5m',
    )
  const m = /^(\d+)x([^,]+)(?:,(.+))?$/.exec(text)
  if (m === null || Number(m[1]) < 2 || Number(m[1]) > 99_999) throw bad()
  const ring: Ring = { files: Number(m[1]), bytes: Number.POSITIVE_INFINITY, seconds: 0 }
  for (const part of [m[2]!, m[3]]) {
    if (part === undefined) continue
    if (/^\d+(\.\d+)?(ms|s|m|min|h)$/.test(part)) ring.seconds = parseDuration(part, '--ring') / 1000
    else ring.bytes = parseSize(part, '--ring')
  }
  if (ring.bytes === Number.POSITIVE_INFINITY && ring.seconds === 0) throw bad()
  // Blocks are written by the stage: much smaller files would be exceeded by one.
  if (ring.bytes < 2e6) throw new MysqlconnError('E_USAGE', '--ring: files of less than 2 MB are not made')
  return ring
}

/** The first --listen goes to the first --upstream, and so on; one upstream serves all listeners. */
export function parseRoutes(
  listen: readonly string[],
  upstream: readonly string[],
): { listen: Address; upstream: Address }[] {
  if (upstream.length !== 1 && upstream.length !== listen.length)
    throw new MysqlconnError(
      'E_USAGE',
      `${listen.length} --listen and ${upstream.length} --upstream do not pair`,
      'give one --upstream for all, or one for each --listen, in the same order',
    )
  const ups = upstream.map(parseUpstream)
  const routes = listen.map((text, i) => ({
    listen: parseListen(text),
    upstream: ups.length === 1 ? ups[0]! : ups[i]!,
  }))
  for (const { listen: l, upstream: u } of routes)
    if (addressText(l) === addressText(u))
      throw new MysqlconnError(
        'E_USAGE',
        `--listen and --upstream are the same: ${addressText(l)}`,
        'it would call itself',
      )
  return routes
}

/** `in`, `out`, `in,out`; `out-v1` for the old text form. */
export function parseProxyProtocol(text: string): { proxyIn: boolean; proxyOut: 1 | 2 | null } {
  const words = text.split(',').map((w) => w.trim())
  for (const w of words)
    if (!['in', 'out', 'out-v1', 'out-v2'].includes(w))
      throw new MysqlconnError(
        'E_USAGE',
        `--proxy-protocol: cannot read '${text}'`,
        'write it as in, out, out-v1 or in,out',
      )
  const out = words.includes('out-v1') ? 1 : words.some((w) => w.startsWith('out')) ? 2 : null
  return { proxyIn: words.includes('in'), proxyOut: out }
}
