/** A private MariaDB for tests that ask a real server: data in a temporary folder, reached over its socket alone. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import mysql, { type Connection } from 'mysql2/promise'

/** What it needs, for needs(). */
export const MARIADB = ['mariadbd', 'mariadb-install-db'] as const

export interface Server {
  connect(schema?: string): Promise<Connection>
  stop(): Promise<void>
}

export async function startMariadb(): Promise<Server> {
  const dir = mkdtempSync(join(tmpdir(), 'mysqlconn-mariadb-'))
  const data = join(dir, 'data')
  const user = process.getuid?.() === 0 ? ['--user=root'] : []
  const install = [
    '--no-defaults',
    `--datadir=${data}`,
    '--auth-root-authentication-method=normal',
    '--skip-test-db',
    ...user,
  ]
  const made = spawnSync('mariadb-install-db', install, { encoding: 'utf8' })
  if (made.status !== 0) throw new Error(`mariadb-install-db: ${made.stderr}`)
  const socketPath = join(dir, 's')
  const options = [
    '--no-defaults',
    `--datadir=${data}`,
    `--socket=${socketPath}`,
    '--skip-networking',
    `--pid-file=${join(dir, 'pid')}`,
    `--log-error=${join(dir, 'error.log')}`,
    ...user,
  ]
  const child = spawn('mariadbd', options, { stdio: 'ignore' })
  const connect = (database?: string): Promise<Connection> =>
    mysql.createConnection({
      socketPath,
      user: 'root',
      multipleStatements: true,
      ...(database === undefined ? {} : { database }),
    })
  for (let i = 0; i < 200 && child.exitCode === null; i++) {
    const c = await connect().catch(() => null)
    if (c !== null) {
      await c.end()
      return { connect, stop: () => stop(child, dir) }
    }
    await sleep(100)
  }
  await stop(child, dir)
  throw new Error('mariadbd did not come up')
}

async function stop(child: ChildProcess, dir: string): Promise<void> {
  if (child.exitCode === null) {
    child.kill('SIGTERM')
    await new Promise((done) => child.once('exit', done))
  }
  rmSync(dir, { recursive: true, force: true })
}
