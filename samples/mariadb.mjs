// A private MariaDB for the recorders of samples: its own data directory, one address, root by socket only.
import { spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import mysql from 'mysql2/promise'

/** Runs a command to its end; throws with what it wrote to stderr when it fails. */
export const run = (command, ...args) => {
  const r = spawnSync(command, args, { encoding: 'utf8' })
  if (r.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${r.stderr || r.error}`)
}

/** Resolves when a child process has ended. */
export const ended = (child) =>
  new Promise((resolve) => (child.exitCode === null ? child.once('exit', resolve) : resolve()))

/**
 * Starts mariadbd with its data under `dir`, listening on `host`:`port`, and runs the statements of `setup` as root once it
 * answers. Gives the child process: end it with SIGTERM. `options`: more of mariadbd's.
 */
export async function startMariadb({ dir, host, port, setup, options = [] }) {
  const data = join(dir, 'data')
  const own = ['--no-defaults', `--datadir=${data}`, '--user=root']
  run('mariadb-install-db', ...own, '--auth-root-authentication-method=normal', '--skip-test-db')
  const at = [
    `--port=${port}`,
    `--bind-address=${host}`,
    `--socket=${join(dir, 's')}`,
    `--pid-file=${join(dir, 'pid')}`,
  ]
  const log = [`--log-error=${join(dir, 'error.log')}`, '--skip-name-resolve']
  const child = spawn('/usr/sbin/mariadbd', [...own, ...at, ...log, ...options], { stdio: 'ignore' })
  for (let i = 0; i < 100; i++) {
    const root = await mysql
      .createConnection({ socketPath: join(dir, 's'), user: 'root', multipleStatements: true })
      .catch(() => null)
    if (root === null) {
      await sleep(200)
      continue
    }
    await root.query(setup)
    await root.end()
    return child
  }
  child.kill('SIGKILL')
  throw new Error('mariadbd did not come up')
}
