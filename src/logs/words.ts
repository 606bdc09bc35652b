/** Small words that the formats share: endpoints, numbers, Java's and Python's ways to write them. */

/** `host:port` as events write it, IPv6 in brackets; HAProxy and others write IPv6 without them, and IPv4 mapped into IPv6. */
export function endpoint(host: string, port: string | number): string {
  const bare = host.replace(/^\[(.*)\]$/, '$1').replace(/^::ffff:(?=\d+\.)/i, '')
  return bare.includes(':') ? `[${bare}]:${port}` : `${bare}:${port}`
}

/** An endpoint written in one piece: `10.0.0.1:3306`, `/10.0.0.1:3306` (Java), `::1:3306`. Null when it is none. */
export function endpointOf(text: string): string | null {
  const m = /^\/?(.*?):(\d{1,5})$/.exec(text.trim())
  if (m === null || m[1] === '' || Number(m[2]) > 65_535) return null
  return endpoint(m[1]!, m[2]!)
}

/** `63,213,665`, `63.213.665`, `63 213 665`, `63'213'665`: whole numbers as Java's MessageFormat writes them in some locale. */
export const grouped = (text: string): number => Number(text.replace(/[^\d-]/g, ''))

export type Level = 'error' | 'warning' | 'info' | 'debug'

/** The level that a logger's word means. */
export function levelOf(word: string | undefined): Level | null {
  switch (word?.toLowerCase()) {
    case 'error':
    case 'err':
    case 'fatal':
    case 'critical':
    case 'crit':
    case 'severe':
    case 'alert':
    case 'emerg':
    case 'e':
    case 'fail':
      return 'error'
    case 'warning':
    case 'warn':
    case 'wrn':
    case 'w':
      return 'warning'
    case 'info':
    case 'notice':
    case 'note':
    case 'system':
    case 'information':
    case 'inf':
    case 'i':
    case 'config':
      return 'info'
    case 'debug':
    case 'trace':
    case 'dbg':
    case 'fine':
    case 'finer':
    case 'finest':
    case 'verbose':
    case 'd':
      return 'debug'
    default:
      return null
  }
}
