/** The recorder with both drivers against a real MariaDB, and without a server: it never harms the application. */
import { spawn, spawnSync } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import mariadb from 'mariadb'
import mariadbCallback from 'mariadb/callback'
import mysql2 from 'mysql2'
import mysql2Promise from 'mysql2/promise'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tracePool } from '../../src/pool-trace.ts'
import { needs } from '../kit/require.ts'
import { readLog } from './kit.ts'

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })

needs('mariadbd', 'mariadb-install-db')('with a server', () => {
  let dir: string
  let at: { host: string; port: number; user: string; password: string; connectionLimit: number }
  let stop: () => Promise<void>

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'mysqlconn-pool-trace-'))
    const data = join(dir, 'data')
    const asRoot = process.getuid?.() === 0 ? ['--user=root'] : []
    const made = spawnSync(
      'mariadb-install-db',
      [...asRoot, `--datadir=${data}`, '--auth-root-authentication-method=normal', '--skip-test-db'],
      { encoding: 'utf8' },
    )
    if (made.status !== 0) throw new Error(made.stderr)
    const port = await freePort()
    const init = join(dir, 'init.sql')

    writeFileSync(init, "CREATE USER 'app'@'%' IDENTIFIED BY 'hunter2';\nGRANT ALL ON *.* TO 'app'@'%';\n")
    const server = spawn(
      'mariadbd',
      [
        '--no-defaults',
        ...asRoot,
        `--datadir=${data}`,
        `--socket=${join(dir, 's')}`,
        `--port=${port}`,
        '--bind-address=127.0.0.1',
        `--init-file=${init}`,
        '--skip-name-resolve',
      ],
      { stdio: 'ignore' },
    )
    const gone = new Promise<void>((resolve) => server.once('exit', () => resolve()))
    stop = async () => {
      server.kill('SIGTERM')
      await gone
    }
    at = { host: '127.0.0.1', port, user: 'app', password: 'hunter2', connectionLimit: 2 }
    for (let i = 0; i < 300; i++) {
      try {
        const c = await mysql2Promise.createConnection({ ...at })
        await c.end()
        return
      } catch {
        await sleep(100)
      }
    }
    throw new Error('mariadbd did not start')
  }, 120_000)

  afterAll(async () => {
    await stop?.()
    rmSync(dir, { recursive: true, force: true })
  })

  /** What the reader makes of the trace: connection ids must be the server's. */
  const story = (lines: readonly string[]) => {
    const { events, odd, counts } = readLog(lines.join('\n'))
    expect(odd).toEqual({})
    if (lines.length > 0) expect([...counts.byFormat.keys()]).toEqual(['pool-trace'])
    expect(lines.join('\n')).not.toContain('hunter2')
    return events
  }

  it('mysql2 with promises: connect, checkout, validate, checkin, close', async () => {
    const lines: string[] = []
    const pool = mysql2Promise.createPool(at)
    tracePool(pool, { to: (l) => lines.push(l), name: 'orders', borrower: () => 'job-7' })
    const c = await pool.getConnection()
    const [rows] = await c.query('SELECT CONNECTION_ID() AS id')
    const { id } = (rows as { id: number }[])[0]!
    await c.ping()
    c.release()
    await pool.query('SELECT 1')
    await pool.end()
    await sleep(50)
    const events = story(lines)
    expect(events.map((e) => e.what)).toEqual([
      'connected',
      'checkout',
      'validated',
      'checkin',
      'checkout',
      'checkin',
      'closed',
    ])
    expect(new Set(events.map((e) => e.connectionId))).toEqual(new Set([id]))
    expect(events[1]).toMatchObject({ pool: 'orders', borrower: 'job-7', client: expect.stringMatching(/^:\d{4,5}$/) })
  })

  it('mysql2 with callbacks', async () => {
    const lines: string[] = []
    const pool = mysql2.createPool(at)
    tracePool(pool, { to: (l) => lines.push(l) })
    const id = await new Promise<number>((resolve, reject) => {
      pool.getConnection((error, c) => {
        if (error) return reject(error)
        c.ping((failed) => {
          if (failed) return reject(failed)
          const { threadId } = c
          c.release()
          resolve(threadId)
        })
      })
    })
    await new Promise<void>((resolve) => pool.end(() => resolve()))
    await sleep(50)
    const events = story(lines)
    expect(events.map((e) => e.what)).toEqual(['connected', 'checkout', 'validated', 'checkin', 'closed'])
    expect(new Set(events.map((e) => e.connectionId))).toEqual(new Set([id]))
  })

  it('mariadb with promises', async () => {
    const lines: string[] = []
    const pool = mariadb.createPool({ ...at, minimumIdle: 1, connectionLimit: 1 })
    tracePool(pool, { to: (l) => lines.push(l) })
    const c = await pool.getConnection()
    const [{ id }] = (await c.query('SELECT CONNECTION_ID() AS id')) as { id: bigint }[]
    await c.ping()
    await c.release()
    await pool.query('SELECT 1')
    await pool.end()
    await sleep(100)
    const events = story(lines)
    expect(events.map((e) => e.what)).toEqual([
      'connected',
      'checkout',
      'validated',
      'checkin',
      'checkout',
      'checkin',
      'closed',
    ])
    expect(new Set(events.map((e) => e.connectionId))).toEqual(new Set([Number(id)]))
  })

  it('mariadb with callbacks', async () => {
    const lines: string[] = []
    const pool = mariadbCallback.createPool({ ...at, minimumIdle: 1, connectionLimit: 1 })
    tracePool(pool, { to: (l) => lines.push(l) })
    await new Promise<void>((resolve, reject) => {
      pool.getConnection((error, c) => {
        if (error) return reject(error)
        c.query('SELECT 1', (failed) => {
          if (failed) return reject(failed)
          c.release(() => resolve())
        })
      })
    })
    await new Promise<void>((resolve) => pool.end(() => resolve()))
    await sleep(100)
    expect(story(lines).map((e) => e.what)).toEqual(['connected', 'checkout', 'checkin', 'closed'])
  })

  it('a connection that the server killed: the close, and the ping that failed', async () => {
    const file = join(dir, 'killed.ndjson')
    const pool = mysql2Promise.createPool(at)
    const end = tracePool(pool, file)
    const victim = await pool.getConnection()
    const killer = await pool.getConnection()
    await killer.query(`KILL ${victim.threadId}`)
    await sleep(100)
    await expect(victim.ping()).rejects.toThrow()
    victim.release()
    killer.release()
    await pool.end()
    await sleep(50)
    end()
    expect(statSync(file).mode & 0o777).toBe(0o600)
    const events = story(readFileSync(file, 'utf8').trim().split('\n'))
    const of = events.filter((e) => e.connectionId === victim.threadId).map((e) => e.what)
    expect(of.slice(0, 2)).toEqual(['connected', 'checkout'])
    expect(of).toContain('closed')
    expect(of).toContain('validation-failed')
  })

  it('refused: a checkout that failed, with its number', async () => {
    const lines: string[] = []
    const pool = mysql2Promise.createPool({ ...at, password: 'hunter2x' })
    tracePool(pool, { to: (l) => lines.push(l) })
    await expect(pool.getConnection()).rejects.toMatchObject({ errno: 1045 })
    await pool.end()
    expect(story(lines)).toMatchObject([{ what: 'exhausted', code: 1045 }])
  })
})

describe('whatever goes wrong', () => {
  it('nothing reaches the application', async () => {
    const broken = {
      on: () => {
        throw new Error('no')
      },
      off: () => {
        throw new Error('no')
      },
    }
    tracePool(broken, '/nonexistent/folder/x.ndjson')()
    tracePool({}, { to: () => {} })()
    const pool = new EventEmitter()
    const end = tracePool(pool, {
      to: () => {
        throw new Error('full')
      },
      borrower: () => {
        throw new Error('no')
      },
    })
    const odd = {
      get threadId(): number {
        throw new Error('gone')
      },
    }
    for (const event of ['connection', 'acquire', 'release'])
      for (const c of [odd, {}, { threadId: null }, { threadId: 3, stream: null }]) pool.emit(event, c)
    end()
    expect(pool.listenerCount('acquire')).toBe(0)
  })

  it('a refusal that nobody handles stays unhandled', async () => {
    const pool = { on() {}, off() {}, getConnection: () => Promise.reject(new Error('no')) }
    tracePool(pool, { to: () => {} })
    await expect((pool.getConnection as () => Promise<void>)()).rejects.toThrow('no')
  })
})
