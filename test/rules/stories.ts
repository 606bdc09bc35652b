/** Beginnings of stories that several rule tests tell: both legs through a proxy, TLS without keys, doubled frames. */
import { type Play, play } from '../kit/play.ts'
import { bytes, clientHello, record, sealed, serverHello } from '../tls/kit.ts'
import { CLIENT_IP, SERVER_IP } from './kit.ts'

export const PROXY_IP = '10.0.0.5'

export interface Legs {
  front: Play
  back: Play
}

/** Both legs of one session through a proxy that passes the greeting on: 10.0.0.1 -> 10.0.0.5 -> 10.0.0.2. */
export function legs(o: { id?: number; port?: number; at?: string } = {}): Legs {
  const id = o.id ?? 900
  const port = o.port ?? 40000
  const at = o.at === undefined ? {} : { at: o.at }
  const front = play({ client: `${CLIENT_IP}:${port}`, server: `${PROXY_IP}:3306`, ...at })
  const back = play({ client: `${PROXY_IP}:${port + 10000}`, server: `${SERVER_IP}:3306`, ...at })
  front.connect()
  together(front, back)
  back.connect().login({ connectionId: id })
  front.login({ connectionId: id })
  together(front, back)
  return { front, back }
}

/** From here on both stories continue at the same moment: the later one's, and a little. */
export function together(...plays: readonly Play[]): void {
  const now = Math.max(...plays.map((p) => p.wire.now)) + 50
  for (const p of plays) p.wait(`${now - p.wire.now}us`)
}

/** A TLS 1.3 session as it looks without keys: SSLRequest, hellos, then sealed records; login done, one query answered. */
export function tlsSession(o: Parameters<typeof play>[0] = {}): Play {
  const p = play(o).connect().greet().sslRequest()
  p.client.data(record(22, clientHello({ versions: [0x0304] }), 0x0301))
  p.server.data(bytes(record(22, serverHello()), record(20, Uint8Array.of(1)), sealed(1200), sealed(69)))
  p.client.data(bytes(record(20, Uint8Array.of(1)), sealed(69)))
  p.client.data(sealed(200))
  p.server.data(sealed(35))
  p.client.data(sealed(60))
  p.server.data(sealed(120))
  return p
}

/** What seals a MySQL command of so many bytes (header and all) in TLS 1.3: RFC 8446 5.2, content type and tag. */
export const sealedCommand = (length: number): Uint8Array => sealed(length + 17)
/** COM_QUIT: four bytes of header and the command byte. */
export const SEALED_QUIT: Uint8Array = sealedCommand(5)

/** A play whose every frame the capture holds twice, a few microseconds apart, as `-i any` and SPAN ports give them. */
export function doubled(p: Play): Play {
  const all = p.wire.frames.flatMap((f) => [f, { ...f, at: f.at + 1, label: undefined }])
  p.wire.frames.splice(0, p.wire.frames.length, ...all)
  return p
}
