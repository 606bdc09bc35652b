/**
 * One TCP connection of the proxy as the recording tells it: true addresses and ports, sequence numbers that count the bytes
 * that really passed. The proxy sees a socket, not segments: SYN, ACK and FIN are told when the socket knew of them.
 */
import type { Direction } from '../core/direction.ts'
import { ipBytes } from './address.ts'

export interface Endpoint {
  ip: string
  port: number
}

/** 20 or 40 bytes of IP, 20 of TCP. */
const TCP_HEADER = 20

export class Leg {
  readonly interfaceId: number
  readonly ipv6: boolean
  /** Both addresses as they stand in the IP header, for each direction: source, destination. */
  readonly addresses: readonly [Uint8Array, Uint8Array]
  /** Sum of addresses and protocol number for the checksum: the same in both directions. */
  readonly pseudoSum: number
  readonly ports: readonly [number, number]
  readonly headerBytes: number
  /** Next sequence number of each side, and the last acknowledgment that each side has sent. */
  readonly next: [number, number]
  readonly acked: [number, number]
  /** IPv4 identification of each side; 0 is not used, as that means none. */
  private readonly ids: [number, number] = [0, 0]
  /** Whether each side has sent FIN or RST. */
  readonly closed: [boolean, boolean] = [false, false]
  readonly fins: [boolean, boolean] = [false, false]
  opened = false

  constructor(interfaceId: number, client: Endpoint, server: Endpoint) {
    this.interfaceId = interfaceId
    let a = ipBytes(client.ip) ?? Uint8Array.of(0, 0, 0, 0)
    let b = ipBytes(server.ip) ?? Uint8Array.of(0, 0, 0, 0)
    // One of each family cannot be (a mapped address counts as IPv4), unless one is unknown: it is told as zeros.
    if (a.length !== b.length) {
      if (a.length === 4) a = new Uint8Array(16)
      else b = new Uint8Array(16)
    }
    this.ipv6 = a.length === 16
    const forward = new Uint8Array(a.length * 2)
    forward.set(a)
    forward.set(b, a.length)
    const backward = new Uint8Array(a.length * 2)
    backward.set(b)
    backward.set(a, a.length)
    this.addresses = [forward, backward]
    this.ports = [client.port, server.port]
    this.headerBytes = (this.ipv6 ? 40 : 20) + TCP_HEADER
    let sum = 6
    for (let i = 0; i < forward.length; i += 2) sum += (forward[i]! << 8) | forward[i + 1]!
    this.pseudoSum = sum
    this.next = [random32(), random32()]
    this.acked = [0, 0]
  }

  identification(dir: Direction): number {
    const id = (this.ids[dir] + 1) & 0xffff || 1
    this.ids[dir] = id
    return id
  }
}

/** Initial sequence numbers: any will do, equal ones on several legs would only confuse the reader. */
const random32 = (): number => (Math.random() * 4294967296) | 0

/** Addresses of a Unix socket, which has none: told as loopback, the port made of a running number. */
export function unixEndpoints(number: number, serverPort: number): [Endpoint, Endpoint] {
  const client = { ip: '127.0.0.1', port: 1024 + (number % 64_000) }
  return [client, { ip: '127.0.0.1', port: serverPort }]
}
