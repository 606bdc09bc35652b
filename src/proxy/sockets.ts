/**
 * Sockets that read into one buffer shared by all of them: a socket that has nothing to say holds no memory for it, and a read
 * allocates nothing. The bytes are valid until the callback returns. (Windows reads ahead into the buffer that it was given, so
 * there each socket has its own.)
 */
import { connect, type NetConnectOpts, type Server, Socket } from 'node:net'
import type { Address } from './address.ts'
import { FRAME_PAYLOAD } from './recorder.ts'

/** Gets n bytes at the start of `buf`; false stops the reading until `resume`. */
export type OnRead = (n: number, buf: Uint8Array) => boolean

/** One read is one frame at most. */
const shared = Buffer.allocUnsafeSlow(FRAME_PAYLOAD)
const buffer = (): Buffer => (process.platform === 'win32' ? Buffer.allocUnsafeSlow(16_384) : shared)

const KEEP_ALIVE_MS = 60_000

/**
 * An accepted socket (of a server with `pauseOnConnect`), made anew around its handle with a read callback, which `net.Server` does
 * not offer. Where Node does not let us have the handle the socket itself is used, and its chunks are handed to the callback.
 */
export function adopt(accepted: Socket, onRead: OnRead): Socket {
  const inner = accepted as unknown as { _handle: unknown; server?: Server & { _connections?: number } }
  const handle = inner._handle
  if (handle === null || typeof handle !== 'object' || !('readStart' in handle)) {
    accepted.on('data', (chunk: Buffer) => feed(accepted, chunk, onRead))
    accepted.pause()
    return tune(accepted)
  }
  inner._handle = null
  const options = { handle, allowHalfOpen: true, onread: { buffer: buffer(), callback: onRead } }
  const socket = new Socket(options as unknown as ConstructorParameters<typeof Socket>[0])
  // The husk is thrown away; destroying it tells the server that the connection is no longer its own.
  accepted.destroy()
  return tune(socket)
}

/** Opens a connection. Reading begins when it is connected. */
export function open(to: Address, onRead: OnRead): Socket {
  const onread = { buffer: buffer(), callback: onRead }
  const where = to.kind === 'unix' ? { path: to.path } : { host: to.host, port: to.port, noDelay: true }
  // `allowHalfOpen` is passed on to the socket (documented for net.createConnection, missing in its types).
  const options = { ...where, allowHalfOpen: true, onread } as NetConnectOpts
  return tune(connect(options))
}

function tune(socket: Socket): Socket {
  socket.setNoDelay(true)
  socket.setKeepAlive(true, KEEP_ALIVE_MS)
  return socket
}

function feed(socket: Socket, chunk: Buffer, onRead: OnRead): void {
  for (let at = 0; at < chunk.length; at += FRAME_PAYLOAD) {
    const part = chunk.subarray(at, at + FRAME_PAYLOAD)
    if (!onRead(part.length, part)) socket.pause()
  }
}
