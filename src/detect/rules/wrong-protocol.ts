/** One side does not speak MySQL: HTTP, a bare TLS hello, SSH or noise on the MySQL port, or a MySQL client at another server's. */
import { CLIENT, type Direction, SERVER } from '../../core/direction.ts'
import type { Session } from '../../session/session.ts'
import { acceptingSide, closeEvidence } from '../describe.ts'
import type { Fleet } from '../fleet.ts'
import { finishedLogin, neighbours } from '../neighbours.ts'
import { clientsHit, count } from '../refusal.ts'
import { defineRule, type RuleEvidence } from '../rule.ts'

const NAMES: Readonly<Record<string, string>> = {
  http: 'HTTP',
  'tls-client-hello': 'TLS from the first byte',
  tls: 'TLS records without a handshake',
  ssh: 'SSH',
  smtp: 'SMTP',
  ftp: 'FTP',
  irc: 'IRC',
  redis: 'the Redis protocol',
  'x-protocol': 'X Protocol',
  'no login': 'something that is no login',
  'an empty command': 'something that is no login',
}
/** How session.foreign marks plain text in a TLS stream: the bytes follow in hex. */
const IN_TLS = 'not TLS: '
/** Protocol::Packet with an ERR_Packet: length, sequence id, 0xFF, code with its low byte first. */
const ERR_IN_HEX = /^.{4}00..ff(..)(..)/
/** ER_NET_PACKETS_OUT_OF_ORDER, ER_HANDSHAKE_ERROR: what servers answer to bytes that are no login. */
const COMPLAINTS = new Set([1156, 1043])

export default defineRule({
  meta: {
    id: 'wrong-protocol',
    family: 'protocol',
    title: 'Another protocol on a MySQL connection',
    severity: 'error',
    what: 'The first bytes of the client on a MySQL connection were another protocol (HTTP, TLS without the SSLRequest that MySQL wants ahead of it, SSH …) or no login at all; or the server that a MySQL port belongs to spoke another protocol.',
    why: 'Such a connection can never work. The server answers with 1043 or 1156 or just closes, and counts an interrupted handshake, which may end in host-blocked.',
    cannotTell: 'Whether a program is configured with the wrong port or mode, or somebody looks around.',
    fix: [
      { text: 'Correct the port or protocol of that client', config: '' },
      {
        text: 'A proxy that wraps MySQL in TLS must start TLS within the protocol, or the server’s side must unwrap it',
        config: 'stunnel protocol=mysql is not there: use ssl-mode of the driver',
      },
      { text: 'Keep strangers off the port', config: 'firewall, bind_address' },
    ],
    needs: ['mysql'],
    quiet: [
      'TLS after SSLRequest',
      'a PROXY header (proxy-protocol-mismatch)',
      'plain text inside a TLS stream (tls-handshake-failure, tls-plaintext-quit)',
      'X Protocol on a port of its own',
    ],
    references: [
      {
        title: 'MySQL manual: Connection Phase',
        url: 'https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase.html',
      },
      {
        title: 'MySQL manual: SSLRequest',
        url: 'https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_ssl_request.html',
      },
    ],
    detail: {
      protocol: 'http, tls-client-hello, tls, ssh, smtp, ftp, irc, redis, x-protocol or unknown',
      spokenBy: 'client or server',
      errorCode: 'error with which the server answered, null if none',
    },
    sample: 'wrong-protocol',
  },
  session(s, ctx) {
    if (ctx.explained(s) || finishedLogin(s)) return
    const spoken = foreign(s, ctx.fleet) ?? noise(s)
    if (spoken === null) return
    const front = spoken.dir === CLIENT ? ctx.fleet.frontLeg(s) : null
    const by = front ?? s
    const protocol = spoken.what in NAMES && !spoken.what.includes(' ') ? spoken.what : 'unknown'
    const says = NAMES[spoken.what] ?? 'something that is no login'
    const error = complaint(s)
    const culprit =
      spoken.dir === CLIENT
        ? {
            role: ctx.fleet.isProxy(by.clientIp) ? ('proxy' as const) : ('client' as const),
            address: by.clientIp,
            product: null,
          }
        : { ...acceptingSide(s, ctx.fleet), product: null }
    const evidence: RuleEvidence[] = []
    if (s.mysql !== null && s.mysql.greetingFrame > 0)
      evidence.push({ kind: 'frames', frames: [s.mysql.greetingFrame], says: `${s.server} greets as a MySQL server` })
    evidence.push({
      kind: 'frames',
      frames: [spoken.frame],
      says: `${spoken.dir === CLIENT ? s.client : s.server} speaks ${says}`,
    })
    if (error !== null)
      evidence.push({ kind: 'frames', frames: [error.frame], says: `ERR ${error.code} ${error.message}` })
    const first = s.ending.first
    if (first !== null) evidence.push(closeEvidence(s, first))
    const nosy = spoken.dir === CLIENT && neighbours(ctx.fleet).isScanner(by.clientIp)
    ctx.report({
      session: s,
      at: first?.at ?? s.startAt,
      cause: `${protocol} ${culprit.role} ${culprit.address}`,
      // A scanner loses nothing; but the server counts its handshakes against the host.
      severity: nosy ? 'warning' : 'error',
      confidence: protocol === 'unknown' ? 'possible' : 'certain',
      culprit,
      title: (all) =>
        spoken.dir === CLIENT
          ? `${culprit.address} spoke ${says} on ${count(clientsHit(all), 'a MySQL connection', 'MySQL connections')} to ${by.server}`
          : `${s.server} is no MySQL server: it spoke ${says} on ${count(clientsHit(all), 'a connection', 'connections')}`,
      detail: { protocol, spokenBy: spoken.dir === CLIENT ? 'client' : 'server', errorCode: error?.code ?? null },
      command: null,
      statement: null,
      outcome: 'none',
      evidence,
      excluded: [
        'a damaged capture: the first bytes are there and are something else',
        ...(spoken.dir === CLIENT ? ['TLS within MySQL: no SSLRequest came before it'] : []),
      ],
      remedy: this.meta.fix,
    })
  },
})

/** The server's answer to it; after a TLS hello it stands in the clear among what should be TLS. */
function complaint(s: Session): { code: number; message: string; frame: number } | null {
  const error = s.mysql?.errorFacts.find((e) => COMPLAINTS.has(e.code) && e.phase !== 'reply')
  if (error !== undefined) return error
  for (const f of s.foreign) {
    const hex = f.dir === SERVER && f.what.startsWith(IN_TLS) ? f.what.slice(IN_TLS.length) : ''
    const packet = ERR_IN_HEX.exec(hex)
    if (packet === null) continue
    const code = Number.parseInt(packet[2]! + packet[1]!, 16)
    if (COMPLAINTS.has(code)) return { code, message: 'in clear text', frame: f.frame }
  }
  return null
}

/** The first bytes that are no MySQL, ahead of any login; null when there are none. */
function foreign(s: Session, fleet: Fleet): { dir: Direction; what: string; frame: number } | null {
  const f = s.foreign[0]
  if (f === undefined || f.what.startsWith(IN_TLS)) return null
  if (s.mysql !== null && (s.mysql.loginFrame > 0 || s.mysql.proxyHeader !== null)) return null
  const [client, server] = s.sides
  if (f.dir === SERVER) {
    // A MySQL client waits for the greeting: where both sides talk, they understand each other, whatever the port.
    return s.mysql === null && client.bytes === 0 && f.what in NAMES && f.what !== 'x-protocol' ? f : null
  }
  if (
    s.mysql === null &&
    (f.what === 'x-protocol' || (server.bytes > 0 && neighbours(fleet).greeted(s.server) === null))
  )
    return null
  return client.lostBytes + client.snaplenBytes > 0 && !(f.what in NAMES) ? null : f
}

/** Bytes of no known protocol that the server complained about, ahead of any login. */
function noise(s: Session): { dir: Direction; what: string; frame: number } | null {
  const client = s.sides[CLIENT]
  if (
    s.mysql === null ||
    s.mysql.greeting === null ||
    s.mysql.loginFrame > 0 ||
    s.mysql.proxyHeader !== null ||
    s.tls !== null
  )
    return null
  if (s.foreign.length > 0 || client.bytes === 0 || client.lostBytes + client.snaplenBytes > 0) return null
  const error = complaint(s)
  return error !== null && error.frame > client.lastDataFrame
    ? { dir: CLIENT, what: 'no login', frame: client.lastDataFrame }
    : null
}
