/** Endpoints as logs write them: `10.0.0.5:51234`, `[fd00::5]:51234`, `app-3.internal:51234`. No name is ever resolved. */

export interface Endpoint {
  host: string
  /** 0 when none is given. */
  port: number
  /** The host is an address; otherwise a name, which says nothing about the packets. */
  isAddress: boolean
}

/** Parses `host:port`; null for what is none. An address without a port has port 0. */
export function parseEndpoint(text: string | null): Endpoint | null {
  if (text === null || text === '') return null
  const bracketed = /^\[([0-9a-fA-F:.]+)\](?::(\d{1,5}))?$/.exec(text)
  if (bracketed !== null) return { host: bracketed[1]!.toLowerCase(), port: portOf(bracketed[2]), isAddress: true }
  const colon = text.lastIndexOf(':')
  // More than one colon without brackets: a bare IPv6 address, or one with its port put behind (HAProxy writes it so).
  if (colon > 0 && text.indexOf(':') !== colon) {
    const m = /^([0-9a-fA-F:.]+):(\d{1,5})$/.exec(text)
    return m !== null && m[1]!.includes('::')
      ? { host: m[1]!.toLowerCase(), port: portOf(m[2]), isAddress: true }
      : { host: text.toLowerCase(), port: 0, isAddress: /^[0-9a-fA-F:.]+$/.test(text) }
  }
  const host = (colon < 0 ? text : text.slice(0, colon)).toLowerCase()
  const port = colon < 0 ? 0 : portOf(text.slice(colon + 1))
  if (host === '') return null
  return { host: host.replace(/^::ffff:(?=\d+\.)/, ''), port, isAddress: /^\d{1,3}(?:\.\d{1,3}){3}$/.test(host) }
}

/** The canonical `ip:port` of sessions, null when the host is a name or there is no port. */
export function endpointKey(text: string | null): string | null {
  const e = parseEndpoint(text)
  if (e === null || !e.isAddress || e.port === 0) return null
  return e.host.includes(':') ? `[${e.host}]:${e.port}` : `${e.host}:${e.port}`
}

const portOf = (digits: string | undefined): number => {
  const n = digits === undefined || !/^\d{1,5}$/.test(digits) ? 0 : Number(digits)
  return n <= 65_535 ? n : 0
}
