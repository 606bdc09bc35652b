/**
 * Records who had which connection of a pool, for mysqlconn to join with packets and logs (docs/pool-trace.md):
 *
 *   import { tracePool } from 'mysqlconn/pool-trace'
 *   tracePool(pool, 'pool.ndjson')
 *
 * Takes the pools of mysql2 and mariadb, with callbacks and with promises, without depending on either. It holds no statements and no
 * credentials, and whatever fails in here, nothing of it reaches the application.
 */
import { closeSync, openSync, writeSync } from 'node:fs'
import process from 'node:process'

export interface TraceOptions {
  /** A file, appended to and made with mode 0600, or a function that takes each line (without its end). */
  to: string | ((line: string) => void)
  /** The pool's name in the trace; 'pool' when absent. */
  name?: string
  /** Who borrows: asked at each checkout. */
  borrower?: () => string | undefined
}

interface Socket {
  localPort?: number
  once?(event: string, listener: (error?: unknown) => void): unknown
}

/** What is looked at of a driver's connection; any of it may be missing. */
interface Connection {
  threadId?: number | null
  /** mysql2. */
  stream?: Socket
  /** mariadb. */
  socket?: Socket
  ping?: (...args: unknown[]) => unknown
  once?(event: string, listener: (error?: unknown) => void): unknown
}

interface Emitter {
  on(event: string, listener: (connection: Connection) => void): unknown
  off(event: string, listener: (connection: Connection) => void): unknown
  getConnection?: (...args: unknown[]) => unknown
}

type Line = Record<string, string | number | boolean | undefined>

/** Traces a pool until the returned function is called. A pool of another kind is left alone. */
export function tracePool(pool: object, target: string | TraceOptions): () => void {
  const options: TraceOptions = typeof target === 'string' ? { to: target } : target
  const writer = writerFor(options.to)
  const held = quiet(() => new PoolTracer(pool, options, writer))
  return () => {
    quiet(() => held?.stop())
    quiet(() => writer.end())
  }
}

class PoolTracer {
  private readonly pool: Emitter
  private readonly options: TraceOptions
  private readonly writer: Writer
  /** Ids of connections whose beginning was told. */
  private readonly open = new Set<number>()
  private readonly watched = new WeakSet<object>()
  private readonly listeners: [string, (connection: Connection) => void][]
  private stopped = false

  constructor(pool: object, options: TraceOptions, writer: Writer) {
    this.pool = corePool(pool)
    this.options = options
    this.writer = writer
    this.listeners = [
      ['connection', (c) => quiet(() => this.connected(c))],
      ['acquire', (c) => quiet(() => this.acquired(c))],
      ['release', (c) => quiet(() => this.write('checkin', c))],
    ]
    for (const [event, listener] of this.listeners) this.pool.on(event, listener)
    quiet(() => this.watchRefusals())
  }

  stop(): void {
    this.stopped = true
    for (const [event, listener] of this.listeners) this.pool.off(event, listener)
  }

  private connected(c: Connection): void {
    const id = c.threadId
    if (typeof id === 'number') {
      // mariadb tells of a new connection after it was first lent.
      if (!this.open.has(id)) this.write('connect', c)
      this.open.add(id)
    }
    this.watch(c)
  }

  private acquired(c: Connection): void {
    this.connected(c)
    const borrower = quiet(() => this.options.borrower?.())
    this.write('checkout', c, borrower === undefined ? {} : { borrower })
  }

  /** Follows one connection: its pings, and its end. mariadb shows two objects of a connection: both may tell. */
  private watch(c: Connection): void {
    if (this.watched.has(c)) return
    this.watched.add(c)
    const id = c.threadId
    const socket = c.stream ?? c.socket
    const port = socket?.localPort
    let why: unknown
    const ended = (error?: unknown): void => {
      why ??= error
      if (typeof id !== 'number' || !this.open.delete(id)) return
      quiet(() => this.write('close', { threadId: id }, { localPort: port, ...failure(why) }))
    }
    if (socket?.once !== undefined) {
      socket.once('error', (error) => {
        why ??= error
      })
      socket.once('close', () => ended())
    } else if (c.once !== undefined) {
      c.once('end', () => ended())
    }
    if (socket !== undefined && typeof c.ping === 'function') this.watchPing(c, c.ping)
  }

  private watchPing(c: Connection, ping: (...args: unknown[]) => unknown): void {
    const told = (error?: unknown): void => {
      quiet(() => this.write('validate', c, error == null ? { ok: true } : { ok: false, ...failure(error) }))
    }
    c.ping = (...args: unknown[]): unknown => {
      // mysql2: (callback). mariadb, inside: (options, resolve, reject).
      const calls = args.map((a, i) => (typeof a === 'function' ? i : -1)).filter((i) => i >= 0)
      const wrapped = [...args]
      const [one, two] = calls
      if (one !== undefined) {
        const callback = args[one] as (...a: unknown[]) => unknown
        wrapped[one] = (...a: unknown[]) => {
          told(two === undefined ? a[0] : undefined)
          return callback(...a)
        }
      }
      if (two !== undefined) {
        const callback = args[two] as (...a: unknown[]) => unknown
        wrapped[two] = (...a: unknown[]) => {
          told(a[0] ?? new Error('failed'))
          return callback(...a)
        }
      }
      return ping.apply(c, wrapped)
    }
  }

  /** Checkouts that the pool refused. */
  private watchRefusals(): void {
    const { pool } = this
    const get = pool.getConnection
    if (get === undefined) return
    const told = (error: unknown): void => {
      if (error != null) quiet(() => this.write('checkout', {}, { ok: false, ...failure(error) }))
    }
    pool.getConnection = (...args: unknown[]): unknown => {
      const callback = args[0]
      if (typeof callback === 'function') {
        return get.call(pool, (error: unknown, ...rest: unknown[]) => {
          told(error)
          return callback(error, ...rest)
        })
      }
      const answer = get.apply(pool, args)
      if (!(answer instanceof Promise)) return answer
      // The promise handed out is the one to which nobody listens yet: a rejection stays unhandled where it was.
      return answer.catch((error: unknown) => {
        told(error)
        throw error
      })
    }
  }

  private write(event: string, c: Connection, more: Line = {}): void {
    if (this.stopped) return
    const line: Line = {
      at: new Date().toISOString(),
      event,
      pool: this.options.name ?? 'pool',
      connectionId: typeof c.threadId === 'number' ? c.threadId : undefined,
      localPort: (c.stream ?? c.socket)?.localPort,
      ...more,
    }
    this.writer.line(JSON.stringify(line))
  }
}

/** mysql2's promise pool wraps the other one, which tells more. */
function corePool(pool: object): Emitter {
  const inner = (pool as { pool?: unknown }).pool
  const core = typeof inner === 'object' && inner !== null && 'on' in inner ? inner : pool
  return core as Emitter
}

/** Number and text of a driver's error. */
function failure(error: unknown): Line {
  if (error == null) return {}
  const e = error as { errno?: unknown; message?: unknown; code?: unknown }
  const text = typeof e.message === 'string' && e.message !== '' ? e.message : String(e.code ?? error)
  return { code: typeof e.errno === 'number' && e.errno > 0 ? e.errno : undefined, error: text.slice(0, 500) }
}

interface Writer {
  line(text: string): void
  end(): void
}

/** Lines of one turn of the event loop are written together; what is left at the process's end is written then. */
function writerFor(to: TraceOptions['to']): Writer {
  if (typeof to === 'function') return { line: (text) => void quiet(() => to(text)), end() {} }
  const fd = quiet(() => openSync(to, 'a', 0o600)) ?? -1
  let waiting: string[] = []
  let failed = fd < 0
  const flush = (): void => {
    if (waiting.length === 0 || failed) return
    const text = `${waiting.join('\n')}\n`
    waiting = []
    // A full disk ends the trace, not the application.
    failed = quiet(() => writeSync(fd, text)) === undefined
  }
  process.on('exit', flush)
  return {
    line(text) {
      if (failed) return
      if (waiting.length === 0) setImmediate(flush)
      waiting.push(text)
    },
    end() {
      flush()
      process.off('exit', flush)
      if (fd >= 0) closeSync(fd)
      failed = true
    },
  }
}

/** Runs it; undefined when it throws. */
function quiet<T>(run: () => T): T | undefined {
  try {
    return run()
  } catch {
    return undefined
  }
}
