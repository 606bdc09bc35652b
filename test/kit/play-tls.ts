/** TLS 1.3 for plays: real records (RFC 8446) that the play's own key log opens, so that any story can be told inside TLS. */
import { createHash } from 'node:crypto'
import { Sealer } from '../../bench/sealer.mjs'
import { bytes, clientHello, handshake, record, serverHello, u16 } from '../tls/kit.ts'
import type { Play } from './play.ts'

const CIPHER = 'aes-128-gcm'
const NUMBER = 0x1301
const RANDOM_AT = 6
const CCS = record(20, Uint8Array.of(1))

let sessions = 0

/**
 * Handshake after SSLRequest; from here on what the sides say is sealed. `clientFlight`: messages ahead of the client's Finished.
 * Answers what seals: for alerts.
 */
export function startTls(p: Play, clientFlight: Uint8Array = new Uint8Array(0)): Record<'client' | 'server', Sealer> {
  const hash = (label: string): Buffer => createHash('sha256').update(`${label} ${sessions}`).digest()
  sessions++
  const random = hash('random')
  const sealer = (label: string): Sealer => {
    p.wire.keyLog += `${label} ${random.toString('hex')} ${hash(label).toString('hex')}\n`
    return new Sealer(CIPHER, hash(label))
  }
  const hello = clientHello({ versions: [0x0304], ciphers: [NUMBER] })
  hello.set(random, RANDOM_AT)
  p.client.data(record(22, hello, 0x0301))
  const server = sealer('SERVER_HANDSHAKE_TRAFFIC_SECRET')
  const finished = handshake(20, new Uint8Array(32))
  const flight = server.handshake(bytes(handshake(8, u16(0)), finished))
  p.server.data(bytes(record(22, serverHello({ cipher: NUMBER })), CCS, flight))
  p.client.data(bytes(CCS, sealer('CLIENT_HANDSHAKE_TRAFFIC_SECRET').handshake(bytes(clientFlight, finished))))
  const sides = { client: sealer('CLIENT_TRAFFIC_SECRET_0'), server: sealer('SERVER_TRAFFIC_SECRET_0') }
  p.wire.seal = (from, content) => sides[from].data(content)
  return sides
}
