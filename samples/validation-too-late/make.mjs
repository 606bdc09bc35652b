#!/usr/bin/env node
// Records this sample on one machine: MariaDB on 127.0.0.3, HAProxy (timers of 3 s) on 127.0.0.2, an application on
// 127.0.0.4, tcpdump on the loopback.
//
//   sudo node samples/validation-too-late/make.mjs
//
// Needs mariadbd, mariadb-install-db, haproxy and tcpdump, and the development dependencies (mysql2). Every run gives new frames: run the
// golden tests with UPDATE_GOLDEN=1 afterwards.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect as tcp } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import mysql from 'mysql2/promise'
import { ended, startMariadb } from '../mariadb.mjs'

const HERE = dirname(fileURLToPath(import.meta.url))
const PORT = 33306
const DATABASE = '127.0.0.3'
const PROXY = '127.0.0.2'
const APPLICATION = '127.0.0.4'

const SETUP = `CREATE DATABASE shop; CREATE USER app@'${PROXY}' IDENTIFIED BY 'secret'; GRANT ALL ON shop.* TO app@'${PROXY}';
  CREATE TABLE shop.orders (id INT PRIMARY KEY, qty INT); INSERT INTO shop.orders VALUES (1, 10), (2, 20)`

function proxy(dir) {
  const file = join(dir, 'haproxy.cfg')
  writeFileSync(
    file,
    `defaults
  mode tcp
  timeout connect 2s
  timeout client 3s
  timeout server 3s
listen mysql
  bind ${PROXY}:${PORT}
  source ${PROXY}
  server db1 ${DATABASE}:${PORT}
`,
  )
  return spawn('haproxy', ['-db', '-f', file], { stdio: 'ignore' })
}

const open = () =>
  mysql.createConnection({
    user: 'app',
    password: 'secret',
    database: 'shop',
    stream: () => tcp({ host: PROXY, port: PORT, localAddress: APPLICATION }),
  })

/** Checks its connections every 6 s. One is in use all the time; the other waits in a process that has no time to look at its socket. */
async function story() {
  const worker = spawn(process.execPath, [fileURLToPath(import.meta.url), '--worker'], { stdio: 'inherit' })
  const busy = await open()
  for (let second = 1; second <= 20; second++) {
    await sleep(1000)
    await busy.query('SELECT COUNT(*) FROM orders')
    if (second % 6 === 0) await busy.ping()
  }
  await busy.end()
  await ended(worker)
}

/** Reads, computes for five seconds without a glance at the network, writes. */
async function worker() {
  const idle = await open()
  idle.on('error', () => {})
  await idle.query('SELECT qty FROM orders WHERE id = 1')
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5000)
  await idle
    .query('UPDATE orders SET qty = qty - 1 WHERE id = 1')
    .catch((e) => console.log(`  the client got: ${e.code ?? e.message}`))
}

if (process.argv[2] === '--worker') {
  await worker()
  process.exit()
}
const dir = mkdtempSync(join(tmpdir(), 'sample-'))
const mariadbd = await startMariadb({ dir, host: DATABASE, port: PORT, setup: SETUP })
const haproxy = proxy(dir)
const tcpdump = spawn(
  'tcpdump',
  ['-i', 'lo', '-U', '--immediate-mode', '-w', join(HERE, 'capture.pcap'), '-Z', 'root', `tcp port ${PORT}`],
  { stdio: ['ignore', 'ignore', 'pipe'] },
)
await new Promise((resolve) => tcpdump.stderr.once('data', resolve))
await sleep(500)
await story()
await sleep(500)
for (const [child, signal] of [
  [tcpdump, 'SIGINT'],
  [haproxy, 'SIGTERM'],
  [mariadbd, 'SIGTERM'],
]) {
  child.kill(signal)
  await ended(child)
}
rmSync(dir, { recursive: true })
