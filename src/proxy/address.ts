/** Where to listen and where to connect: `[HOST:]PORT`, `[IPV6]:PORT`, `unix:PATH`. */
import { MysqlconnError } from '../core/errors.ts'

export type Address = { kind: 'tcp'; host: string; port: number } | { kind: 'unix'; path: string }

/** Loopback unless the user says otherwise: what listens on every address is reachable for everybody. */
const LOOPBACK = '127.0.0.1'

/** Reads --listen. A bare port listens on loopback. Throws E_USAGE. */
export function parseListen(text: string): Address {
  return parse(text, '--listen', true)
}

/** Reads --upstream. A host is needed; without a port it is MySQL's. Throws E_USAGE. */
export function parseUpstream(text: string): Address {
  return parse(text, '--upstream', false)
}

function parse(text: string, flag: string, listening: boolean): Address {
  if (text.startsWith('unix:')) {
    const path = text.slice(5)
    if (path === '') throw bad(text, flag)
    return { kind: 'unix', path }
  }
  const bracketed = /^\[([0-9A-Fa-f:.%\w]+)\](?::(\d+))?$/.exec(text)
  if (bracketed !== null) return tcp(bracketed[1]!, bracketed[2], text, flag, listening)
  if (/^\d+$/.test(text)) {
    if (!listening) throw bad(text, flag)
    return tcp(LOOPBACK, text, text, flag, listening)
  }
  const named = /^([^:\s/]+)(?::(\d+))?$/.exec(text)
  if (named === null) throw bad(text, flag)
  return tcp(named[1]!, named[2], text, flag, listening)
}

function tcp(host: string, port: string | undefined, text: string, flag: string, listening: boolean): Address {
  const number = port === undefined ? (listening ? -1 : 3306) : Number(port)
  // Port 0 asks the system for a free one; to connect to it is nonsense.
  if (number < (listening ? 0 : 1) || number > 65_535) throw bad(text, flag)
  return { kind: 'tcp', host: listening && host === '*' ? '::' : host, port: number }
}

const bad = (text: string, flag: string): MysqlconnError =>
  new MysqlconnError(
    'E_USAGE',
    `${flag}: cannot read '${text}'`,
    flag === '--listen'
      ? 'write it as 3307, 127.0.0.1:3307, [::1]:3307, 0.0.0.0:3307 or unix:/run/app/mysql.sock'
      : 'write it as db.example.com:3306, 10.0.0.5:3306, [fd00::5]:3306 or unix:/run/mysqld/mysqld.sock',
  )

export function addressText(a: Address): string {
  if (a.kind === 'unix') return `unix:${a.path}`
  return a.host.includes(':') ? `[${a.host}]:${a.port}` : `${a.host}:${a.port}`
}

/** Whether only this machine can reach what listens there. */
export function isLoopback(a: Address): boolean {
  return a.kind === 'unix' || a.host === 'localhost' || a.host === '::1' || /^127\./.test(a.host)
}

/** The bytes of an IP address as text: 4 for IPv4 (also when mapped into IPv6), 16 for IPv6; null when it is none. */
export function ipBytes(text: string): Uint8Array | null {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(text)
  const v4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(mapped?.[1] ?? text)
  if (v4 !== null) {
    const parts = v4.slice(1).map(Number)
    return parts.every((p) => p <= 255) ? Uint8Array.from(parts) : null
  }
  const plain = text.replace(/%.*$/, '')
  if (!/^[0-9a-f:.]*:[0-9a-f:.]*$/i.test(plain)) return null
  const dotted = plain.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) =>
    [Number(a) * 256 + Number(b), Number(c) * 256 + Number(d)].map((n) => n.toString(16)).join(':'),
  )
  const halves = dotted.split('::')
  if (halves.length > 2) return null
  const groups = (part: string | undefined): string[] => (part === undefined || part === '' ? [] : part.split(':'))
  const head = groups(halves[0])
  const tail = groups(halves[1])
  const zeros = 8 - head.length - tail.length
  if (halves.length === 1 ? zeros !== 0 : zeros < 1) return null
  const all = [...head, ...Array<string>(halves.length === 2 ? zeros : 0).fill('0'), ...tail]
  if (all.some((g) => !/^[0-9a-f]{1,4}$/i.test(g))) return null
  const bytes = new Uint8Array(16)
  all.forEach((g, i) => {
    bytes[i * 2] = Number.parseInt(g, 16) >> 8
    bytes[i * 2 + 1] = Number.parseInt(g, 16) & 0xff
  })
  return bytes
}
