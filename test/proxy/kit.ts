/** What tests of the proxy share: a proxy in this process, simple servers behind it, and its recording read back. */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, createServer, type NetConnectOpts, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { type ProxySettings, type RunningProxy, startProxy } from '../../src/index.ts'
import { analyzeBuffer } from '../../src/memory.ts'
import type { ProxyEvent } from '../../src/proxy/events.ts'
import type { Report } from '../../src/report/model.ts'

const folder = mkdtempSync(join(tmpdir(), 'mysqlconn-proxy-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let files = 0
export const scratch = (ending = 'pcapng'): string => join(folder, `${++files}.${ending}`)

export interface Running {
  proxy: RunningProxy
  port: number
  file: string
  events: ProxyEvent[]
  /** Drains, and gives the recording as bytes. */
  end(): Promise<Uint8Array>
}

/** A proxy on a free port of loopback in front of `upstream`. */
export async function proxyTo(upstream: string | number, more: Partial<ProxySettings> = {}): Promise<Running> {
  const file = more.record ?? scratch()
  const events: ProxyEvent[] = []
  const proxy = await startProxy({
    listen: ['0'],
    upstream: [typeof upstream === 'number' ? `127.0.0.1:${upstream}` : upstream],
    record: file,
    flush: '50ms',
    ...more,
    onEvent: (e) => {
      events.push(e)
      more.onEvent?.(e)
    },
  })
  const port = Number(/:(\d+)$/.exec(proxy.listening[0]!)?.[1] ?? 0)
  return {
    proxy,
    port,
    file,
    events,
    end: async () => {
      await proxy.drain('2s')
      return readFileSync(file)
    },
  }
}

export const report = (bytes: Uint8Array): Report => analyzeBuffer('recording.pcapng', bytes)

/** A TCP server on a free port that hands each connection to `serve`. */
export async function serverOf(serve: (s: Socket) => void, wanted = 0): Promise<{ port: number; server: Server }> {
  const server = createServer({ allowHalfOpen: true }, (s) => {
    s.on('error', () => {})
    serve(s)
  })
  server.listen(wanted, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as { port: number }).port, server }
}

export const to = (port: number): NetConnectOpts => ({ port, host: '127.0.0.1', allowHalfOpen: true }) as NetConnectOpts

export const until = async (holds: () => boolean, ms = 5000): Promise<void> => {
  const end = Date.now() + ms
  while (!holds()) {
    if (Date.now() > end) throw new Error(`waited ${ms} ms in vain`)
    await new Promise((r) => setTimeout(r, 5))
  }
}

/** Everything that a socket gives until its end, and how it ended. */
export function drainOf(s: Socket): { bytes: () => Buffer; ended: () => boolean; error: () => string | null } {
  const chunks: Buffer[] = []
  let ended = false
  let error: string | null = null
  s.on('data', (c: Buffer) => chunks.push(c))
  s.on('end', () => {
    ended = true
  })
  s.on('error', (e: NodeJS.ErrnoException) => {
    error = e.code ?? e.message
  })
  return { bytes: () => Buffer.concat(chunks), ended: () => ended, error: () => error }
}

/** A server that speaks enough MySQL: greeting, OK to any login, OK to any command; it resets at a query that holds `resetOn`. */
export function mysqlServer(
  how: { resetOn?: string; finOn?: string; port?: number } = {},
): Promise<{ port: number; server: Server }> {
  let id = 100
  return serverOf((s) => {
    const scramble = randomBytes(20).map((b) => (b % 90) + 33)
    s.write(packet(0, greeting(++id, scramble)))
    let phase = 0
    s.on('data', (d: Buffer) => {
      if (phase++ === 0) s.write(packet(2, OK))
      else if (how.resetOn !== undefined && d.includes(how.resetOn)) s.resetAndDestroy()
      else if (how.finOn !== undefined && d.includes(how.finOn)) s.end()
      else if (d[4] === 1) s.end()
      else s.write(packet(1, OK))
    })
    s.on('end', () => s.end())
  }, how.port)
}

const OK = Buffer.from([0, 0, 0, 2, 0, 0, 0])

export function packet(sequence: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(4)
  head.writeUIntLE(payload.length, 0, 3)
  head[3] = sequence
  return Buffer.concat([head, payload])
}

function greeting(id: number, scramble: Uint8Array): Buffer {
  const fixed = Buffer.alloc(4)
  fixed.writeUInt32LE(id)
  return Buffer.concat([
    Buffer.from('\x0a8.4.3\0', 'latin1'),
    fixed,
    scramble.subarray(0, 8),
    Buffer.from([0, 0xff, 0xf7, 0xff, 2, 0, 0xff, 0x81, 21]),
    Buffer.alloc(10),
    scramble.subarray(8),
    Buffer.from('\0mysql_native_password\0', 'latin1'),
  ])
}

/** A client session: login, queries, some rest, COM_QUIT; rejects when it is cut or gets no answer in time. */
export async function talk(
  port: number,
  queries: number,
  text = 'DO 1',
  restMs = 0,
  patienceMs = 10_000,
): Promise<void> {
  const s = connect(to(port))
  const login = Buffer.concat([
    Buffer.from([0x05, 0xa2, 0x0a, 0, 0, 0, 0, 1, 45]),
    Buffer.alloc(23),
    Buffer.from('app\0\0', 'latin1'),
    Buffer.from('mysql_native_password\0', 'latin1'),
  ])
  const next = (): Promise<Buffer> =>
    new Promise((done, failed) => {
      const timer = setTimeout(() => {
        s.destroy()
        failed(new Error('no answer'))
      }, patienceMs)
      const over = (act: () => void) => (): void => {
        clearTimeout(timer)
        act()
      }
      const pieces: Buffer[] = []
      const onData = (d: Buffer): void => {
        pieces.push(d)
        const all = Buffer.concat(pieces)
        if (all.length < 4 || all.length < all.readUIntLE(0, 3) + 4) return
        s.off('data', onData)
        over(() => done(all))()
      }
      s.on('data', onData)
      s.once('error', (e) => over(() => failed(e))())
      s.once(
        'end',
        over(() => {
          s.end()
          failed(new Error('end'))
        }),
      )
    })
  s.on('error', () => {})
  await next()
  s.write(packet(1, login))
  await next()
  for (let i = 0; i < queries; i++) {
    s.write(packet(0, Buffer.from(`\x03${text}`, 'latin1')))
    await next()
  }
  if (restMs > 0) await new Promise((r) => setTimeout(r, restMs))
  const ended = new Promise((r) => (s.closed ? r(null) : s.once('close', r)))
  s.end(packet(0, Buffer.from([1])))
  s.resume()
  await ended
}

export interface RealServer {
  port: number
  socket: string
  stop(): Promise<void>
}

/** A private mariadbd on loopback with an empty data folder; user app/secret may do everything. */
export async function mariadb(extra: readonly string[] = []): Promise<RealServer> {
  const data = join(folder, `db${++files}`)
  mkdirSync(data)
  const socket = join(folder, `db${files}.sock`)
  const init = spawn('mariadb-install-db', [
    '--no-defaults',
    `--datadir=${data}`,
    '--auth-root-authentication-method=normal',
    '--skip-test-db',
    ...asRoot(),
  ])
  await once(init, 'exit')
  const free = await serverOf(() => {})
  const { port } = free
  await new Promise((r) => free.server.close(r))
  const server = spawn(
    'mariadbd',
    [
      '--no-defaults',
      ...asRoot(),
      `--datadir=${data}`,
      `--port=${port}`,
      '--bind-address=127.0.0.1',
      `--socket=${socket}`,
      `--pid-file=${join(data, 'pid')}`,
      '--max-allowed-packet=256M',
      '--innodb-buffer-pool-size=64M',
      '--skip-log-bin',
      '--local-infile=1',
      ...extra,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  let said = ''
  server.stderr.on('data', (d) => {
    said += d
  })
  await until(() => said.includes('ready for connections') || server.exitCode !== null, 30_000)
  if (server.exitCode !== null) throw new Error(said)
  const grant = spawn('mariadb', [
    '-uroot',
    `-S${socket}`,
    '-e',
    "create database shop; create user app@'%' identified by 'secret'; grant all on *.* to app@'%' with grant option",
  ])
  await once(grant, 'exit')
  return {
    port,
    socket,
    stop: async () => {
      server.kill('SIGKILL')
      await once(server, 'exit')
    },
  }
}

const asRoot = (): string[] => (process.getuid?.() === 0 ? ['--user=root'] : [])
