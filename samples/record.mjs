#!/usr/bin/env node
// Records the samples that were made on one machine: a private MariaDB on the loopback, real clients, tcpdump.
//
//   sudo node samples/record.mjs CASE...        (connection-killed, client-vanished, client-no-quit)
//
// Needs mariadbd, mariadb-install-db and tcpdump, and the development dependencies (mysql2). Every run gives new frames: run
// the golden tests with UPDATE_GOLDEN=1 afterwards and read the difference.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import mysql from 'mysql2/promise'
import { ended, startMariadb } from './mariadb.mjs'

const HERE = dirname(fileURLToPath(import.meta.url))
const PORT = 33306
const at = (more = {}) => ({
  host: '127.0.0.1',
  port: PORT,
  user: 'app',
  password: 'secret',
  database: 'shop',
  ...more,
})
const connect = (more) => mysql.createConnection(at(more))
const quiet = (promise) => promise.catch((e) => console.log(`  the client got: ${e.code ?? e.message}`))

const CASES = {
  // A watchdog kills two sessions: one in the middle of an UPDATE, one that sits idle and is used again afterwards.
  async 'connection-killed'() {
    const [busy, idle, watchdog] = [await connect(), await connect(), await connect()]
    await busy.query('SELECT COUNT(*) FROM orders')
    await idle.query('SELECT COUNT(*) FROM orders')
    const update = quiet(busy.query('UPDATE orders SET qty = qty + SLEEP(8) WHERE id = 1'))
    idle.on('error', () => {})
    await sleep(1300)
    await watchdog.query(`KILL CONNECTION ${busy.threadId}`)
    await update
    await watchdog.query(`KILL ${idle.threadId}`)
    await sleep(300)
    await quiet(idle.query('SELECT 1'))
    await sleep(100)
    await watchdog.end()
  },

  // A worker with two connections is killed with SIGKILL: one runs an UPDATE, one holds an open transaction.
  async 'client-vanished'() {
    const steady = await connect()
    const child = spawn(process.execPath, [fileURLToPath(import.meta.url), '--worker'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await new Promise((resolve) => child.stdout.once('data', resolve))
    await steady.query('SELECT COUNT(*) FROM orders')
    await sleep(1234)
    process.kill(child.pid, 'SIGKILL')
    await sleep(3500)
    await steady.query('SELECT qty FROM orders WHERE id = 2')
    await steady.end()
  },

  // A script that ends without closing its connection: the driver's destroy() on an idle one, beside a polite one.
  async 'client-no-quit'() {
    const [rude, polite] = [await connect(), await connect()]
    await rude.query('SELECT id FROM orders LIMIT 2')
    await polite.query('SELECT id FROM orders LIMIT 2')
    await sleep(1700)
    rude.destroy()
    await sleep(200)
    await polite.end()
  },
}

/** The victim of client-vanished. */
async function worker() {
  const [busy, open] = [await connect(), await connect()]
  await open.query('BEGIN')
  await open.query('UPDATE orders SET qty = 0 WHERE id = 2')
  busy.query('UPDATE orders SET qty = qty + SLEEP(3) WHERE id = 1').catch(() => {})
  await sleep(50)
  process.stdout.write('ready\n')
  await sleep(60_000)
}

const SETUP = `CREATE DATABASE shop; CREATE USER app@'127.0.0.1' IDENTIFIED BY 'secret'; GRANT ALL ON *.* TO app@'127.0.0.1';
  CREATE TABLE shop.orders (id INT PRIMARY KEY, qty INT); INSERT INTO shop.orders VALUES (1, 10), (2, 20), (3, 30)`

async function record(name) {
  const story = CASES[name]
  if (story === undefined) throw new Error(`no case '${name}': ${Object.keys(CASES).join(', ')}`)
  const dir = mkdtempSync(join(tmpdir(), 'sample-'))
  const mariadbd = await startMariadb({ dir, host: '127.0.0.1', port: PORT, setup: SETUP })
  const file = join(HERE, name, 'capture.pcap')
  const tcpdump = spawn(
    'tcpdump',
    ['-i', 'lo', '-U', '--immediate-mode', '-w', file, '-Z', 'root', `tcp port ${PORT}`],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  await new Promise((resolve) => tcpdump.stderr.once('data', resolve))
  await sleep(300)
  console.log(name)
  await story()
  await sleep(500)
  tcpdump.kill('SIGINT')
  await ended(tcpdump)
  mariadbd.kill('SIGTERM')
  await ended(mariadbd)
  rmSync(dir, { recursive: true })
}

if (process.argv[2] === '--worker') await worker()
else for (const name of process.argv.slice(2)) await record(name)
