/** TLS inside MySQL as it looks without keys, step by step: what the tests of the tls rules tell. */
import { type Play, play } from '../kit/play.ts'
import { bytes, clientHello, type HelloOptions, record, sealed, serverHello } from '../tls/kit.ts'

export const TLS12 = 0x0303
export const TLS13 = 0x0304
const CCS = record(20, Uint8Array.of(1))
/** Record of Finished with TLS_AES_256_GCM_SHA384: 4 + 48 bytes, content type, tag. */
const FINISHED = sealed(4 + 48 + 1 + 16)

/** Behind the message header and client_version (RFC 8446 4.1.2). */
const RANDOM_AT = 6
let nextRandom = 16

/** Connected, greeted, TLS asked for. */
export const asked = (o: Parameters<typeof play>[0] = {}): Play => play(o).connect().greet().sslRequest()

/** `random`: the byte that fills ClientHello.random, which two legs of one handshake have in common; else one of its own. */
export function hello(p: Play, o: HelloOptions & { random?: number } = {}): Play {
  const message = clientHello({ versions: [TLS13, TLS12], ...o })
  message.fill(o.random ?? nextRandom++ & 255, RANDOM_AT, RANDOM_AT + 32)
  p.client.data(record(22, message, 0x0301))
  return p
}

/** The server's TLS 1.3 flight: ServerHello, then certificate and Finished, encrypted. */
export function flight13(p: Play): Play {
  p.server.data(bytes(record(22, serverHello()), CCS, sealed(1200), FINISHED))
  return p
}

export function finished13(p: Play): Play {
  p.client.data(bytes(CCS, FINISHED))
  return p
}

/** A finished TLS 1.3 handshake. */
export const established = (o: Parameters<typeof play>[0] = {}): Play => finished13(flight13(hello(asked(o))))

/** The same, logged in, tickets sent, one query answered. */
export function inUse(o: Parameters<typeof play>[0] = {}): Play {
  const p = established(o)
  p.client.data(sealed(200))
  p.server.data(bytes(sealed(250), sealed(35)))
  p.client.data(sealed(60))
  p.server.data(sealed(120))
  return p
}

export const alert = (level: number, description: number): Uint8Array => record(21, Uint8Array.of(level, description))
/** An alert in TLS 1.3 behind ServerHello: 2 bytes, content type, tag. */
export const SEALED_ALERT: Uint8Array = sealed(2 + 1 + 16)
export const PLAIN_QUIT: Uint8Array = Uint8Array.of(1, 0, 0, 0, 1)
