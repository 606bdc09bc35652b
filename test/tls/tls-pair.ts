/**
 * A TLS connection between node's own client and server (OpenSSL) in memory: every byte of both directions in the order sent,
 * what was said inside, and the key log. The ground truth for decryption.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import * as tls from 'node:tls'
import { CLIENT, type Direction, SERVER } from '../../src/core/direction.ts'

export interface Pem {
  key: string
  cert: string
}

/** A self-signed certificate; openssl writes it. */
export function selfSigned(algorithm: 'rsa' | 'ec' = 'rsa'): Pem {
  const folder = mkdtempSync(join(tmpdir(), 'mysqlconn-tls-'))
  try {
    const kind = algorithm === 'rsa' ? ['rsa:2048'] : ['ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']
    const files = ['-keyout', join(folder, 'key.pem'), '-out', join(folder, 'cert.pem')]
    execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', ...kind, '-nodes', '-days', '2', '-subj', '/CN=db.test', ...files],
      { stdio: 'ignore' },
    )
    return {
      key: readFileSync(join(folder, 'key.pem'), 'utf8'),
      cert: readFileSync(join(folder, 'cert.pem'), 'utf8'),
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

export interface Flow {
  /** What travelled, in order. */
  chunks: { dir: Direction; bytes: Uint8Array }[]
  /** What was said inside, by side. */
  said: [Buffer, Buffer]
  keyLog: string
  session: Buffer | null
  protocol: string
  cipher: string
}

export interface PairOptions {
  pem: Pem
  version?: tls.SecureVersion
  ciphers?: string
  /** Server options, such as secureOptions. */
  server?: tls.SecureContextOptions
  /** Resumes this session. */
  session?: Buffer | null
  context?: tls.SecureContext
  /** Messages, by turns from the client and the server. */
  messages?: Uint8Array[]
  /** The client asks for another handshake (TLS 1.2) after so many messages. */
  renegotiateAfter?: number
}

/** One end of a cable; what is written to it is told to `heard`, and comes out at the other end. */
class End extends Duplex {
  other!: End
  private readonly heard: (bytes: Buffer) => void
  constructor(heard: (bytes: Buffer) => void) {
    super()
    this.heard = heard
  }
  override _read(): void {}
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.heard(Buffer.from(chunk))
    this.other.push(chunk)
    done()
  }
  override _final(done: () => void): void {
    this.other.push(null)
    done()
  }
}

export function serverContext(o: PairOptions): tls.SecureContext {
  return tls.createSecureContext({
    ...o.pem,
    minVersion: 'TLSv1',
    maxVersion: o.version ?? 'TLSv1.3',
    ...(o.ciphers === undefined ? {} : { ciphers: o.ciphers }),
    ...o.server,
  })
}

/** Plays the messages and closes in order. */
export async function tlsFlow(o: PairOptions): Promise<Flow> {
  const flow: Flow = {
    ...{ chunks: [], said: [Buffer.alloc(0), Buffer.alloc(0)], keyLog: '', session: null },
    ...{ protocol: '', cipher: '' },
  }
  const clientEnd = new End((bytes) => flow.chunks.push({ dir: CLIENT, bytes }))
  const serverEnd = new End((bytes) => flow.chunks.push({ dir: SERVER, bytes }))
  clientEnd.other = serverEnd
  serverEnd.other = clientEnd
  const server = new tls.TLSSocket(serverEnd, { isServer: true, secureContext: o.context ?? serverContext(o) })
  const version = o.version ?? 'TLSv1.3'
  const client = tls.connect({
    ...{ socket: clientEnd, rejectUnauthorized: false, minVersion: version, maxVersion: version },
    ...(o.ciphers === undefined ? {} : { ciphers: o.ciphers }),
    ...(o.session == null ? {} : { session: o.session }),
  })
  client.on('keylog', (line: Buffer) => {
    flow.keyLog += line.toString()
  })
  client.on('session', (session: Buffer) => {
    flow.session = session
  })
  const failed = new Promise<never>((_resolve, reject) => {
    client.once('error', reject)
    server.once('error', reject)
  })
  const heard: [number, number] = [0, 0]
  let wake = (): void => {}
  server.on('data', (d: Buffer) => {
    heard[SERVER] += d.length
    wake()
  })
  client.on('data', (d: Buffer) => {
    heard[CLIENT] += d.length
    wake()
  })
  const arrived = async (side: Direction, bytes: number): Promise<void> => {
    while (heard[side] < bytes)
      await new Promise<void>((resolve) => {
        wake = resolve
      })
  }
  const play = async (): Promise<void> => {
    await new Promise<void>((resolve) => client.once('secureConnect', () => resolve()))
    flow.protocol = client.getProtocol() ?? ''
    flow.cipher = client.getCipher().standardName
    const messages = o.messages ?? []
    for (const [i, message] of messages.entries()) {
      const dir: Direction = i % 2 === 0 ? CLIENT : SERVER
      const from = dir === CLIENT ? client : server
      flow.said[dir] = Buffer.concat([flow.said[dir], message])
      from.write(message)
      await arrived(dir === CLIENT ? SERVER : CLIENT, flow.said[dir].length)
      if (o.renegotiateAfter === i + 1)
        await new Promise<void>((resolve, reject) => {
          client.renegotiate({ rejectUnauthorized: false }, (error) => (error === null ? resolve() : reject(error)))
        })
    }
    const closed = Promise.all([
      new Promise((resolve) => client.once('close', resolve)),
      new Promise((resolve) => server.once('close', resolve)),
    ])
    client.end()
    server.end()
    await closed
  }
  await Promise.race([play(), failed])
  return flow
}
