#!/usr/bin/env node
// Records the samples about connections that never log in: a private MariaDB and HAProxy in a network namespace of their own.
//
//   sudo node samples/record-handshake.mjs CASE...
//
// Needs mariadbd, mariadb-install-db, haproxy, iptables, tcpdump, and the development dependencies (mysql2). All addresses lie on
// one loopback device: application 10.9.0.10, checker 10.9.0.11, HAProxy 10.9.0.20-22, MariaDB 10.9.0.30; nothing listens on
// 10.9.0.31, and 10.9.0.32 swallows SYNs. Every run gives new frames: run the golden tests with UPDATE_GOLDEN=1 afterwards.
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import mysql from 'mysql2/promise'
import { ended, run, startMariadb } from './mariadb.mjs'

const HERE = dirname(fileURLToPath(import.meta.url))
const SPACE = 'mysqlconn-samples'
const [APP, CHECKER, PROXY, DEAD_PROXY, BLIND_PROXY, DB, NOBODY, HOLE] = [10, 11, 20, 21, 22, 30, 31, 32].map(
  (n) => `10.9.0.${n}`,
)

const HAPROXY = `
defaults
  mode tcp
  timeout connect 1s
  timeout client 4s
  timeout server 30s
  retries 2
listen plain
  bind ${PROXY}:3306
  source ${PROXY}
  server db ${DB}:3306
listen with-header
  bind ${PROXY}:3307
  source ${PROXY}
  server db ${DB}:3306 send-proxy
listen without-server
  bind ${DEAD_PROXY}:3306
  source ${DEAD_PROXY}
  server db ${NOBODY}:3306
listen before-a-filter
  bind ${BLIND_PROXY}:3306
  source ${BLIND_PROXY}
  server db ${HOLE}:3306
`

const from = (localAddress, host, port) => () => net.connect({ host, port, localAddress })
const connect = (host = DB, { port = 3306, ...more } = {}) =>
  mysql
    .createConnection({ user: 'app', password: 'secret', connectTimeout: 9000, stream: from(APP, host, port), ...more })
    .catch((e) => console.log(`  ${host}: the client got ${e.code}`))
const healthy = async (host, more) => {
  const c = await connect(host, more)
  if (c === undefined) return
  await c.query('SELECT COUNT(*) FROM shop.orders')
  await c.end()
}
/** A plain TCP client: says `bytes`, if any, and leaves after `ms` unless it is shown the door. */
const plain = (host, bytes, ms, source = APP) =>
  new Promise((resolve) => {
    const s = from(source, host, 3306)()
    s.on('connect', () => bytes !== null && s.write(bytes))
    s.on('error', () => {})
    s.on('data', () => {})
    s.on('close', resolve)
    setTimeout(() => s.destroy(), ms)
  })

const CASES = {
  // A wrong password, directly and through HAProxy, and a schema that does not exist.
  async 'auth-failed'() {
    await healthy(PROXY)
    await connect(DB, { password: 'wrong' })
    await connect(PROXY, { password: 'wrong' })
    await connect(PROXY, { database: 'shopp' })
    await healthy()
  },

  // Ten connections are open and max_connections is ten: the next, directly and through HAProxy, are refused.
  async 'too-many-connections'() {
    const open = []
    for (let i = 0; i < 10; i++) open.push(await connect())
    await connect()
    await connect(PROXY)
    for (const c of open) await c?.end()
    await sleep(200)
    await healthy()
  },

  // Somebody connects and never logs in: the server's connect_timeout (5 s) ends it; through HAProxy its client timer (4 s) does.
  async 'handshake-timeout'() {
    await healthy()
    await Promise.all([plain(DB, null, 12_000), plain(PROXY, null, 12_000)])
    await healthy()
  },

  // A checker reads the greeting and leaves, every 300 ms.
  async 'probe-without-handshake'() {
    await healthy()
    for (let i = 0; i < 4; i++) {
      await plain(DB, null, 20, CHECKER)
      await sleep(280)
    }
    await healthy()
  },

  // HAProxy accepts, tries a server on which nothing listens three times, and closes.
  async 'connect-refused'() {
    await healthy()
    await connect(DEAD_PROXY)
    await sleep(300)
    await healthy()
  },

  // SYNs vanish: a client tries directly, and two through HAProxy, one of which does not wait that long.
  async 'connect-timeout'() {
    await healthy()
    await Promise.all([
      connect(HOLE, { connectTimeout: 4000 }),
      connect(BLIND_PROXY),
      connect(BLIND_PROXY, { connectTimeout: 1500 }),
    ])
    await sleep(3500)
    await healthy()
  },

  // HTTP, SSH and noise to the MySQL port, directly and through HAProxy.
  async 'wrong-protocol'() {
    await healthy()
    for (const bytes of ['GET / HTTP/1.1\r\nHost: db\r\n\r\n', 'SSH-2.0-OpenSSH_9.6\r\n', Buffer.alloc(64, 0xa5)]) {
      for (const host of [DB, PROXY]) {
        await plain(host, bytes, 800)
        await sleep(100)
      }
    }
    await healthy()
  },

  // HAProxy sends a PROXY header to a MariaDB that does not allow it from there.
  async 'proxy-protocol-mismatch'() {
    await healthy()
    await connect(PROXY, { port: 3307 })
    await connect(PROXY, { port: 3307 })
    await healthy(PROXY)
  },
}

const SETUP = `CREATE DATABASE shop; CREATE USER app@'%' IDENTIFIED BY 'secret'; GRANT SELECT ON shop.* TO app@'%';
  CREATE TABLE shop.orders (id INT PRIMARY KEY); SET GLOBAL max_connections = 10`

async function record(name) {
  const file = join(HERE, name, 'capture.pcap')
  mkdirSync(dirname(file), { recursive: true })
  const tcpdump = spawn('tcpdump', ['-i', 'lo', '-U', '--immediate-mode', '-w', file, '-Z', 'root', 'tcp'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  await new Promise((resolve) => tcpdump.stderr.once('data', resolve))
  await sleep(300)
  console.log(name)
  await CASES[name]()
  await sleep(500)
  tcpdump.kill('SIGINT')
  await ended(tcpdump)
}

async function inside(names) {
  run('ip', 'link', 'set', 'lo', 'up')
  for (const ip of [APP, CHECKER, PROXY, DEAD_PROXY, BLIND_PROXY, DB, NOBODY, HOLE])
    run('ip', 'addr', 'add', `${ip}/24`, 'dev', 'lo')
  run('iptables', '-A', 'INPUT', '-d', HOLE, '-p', 'tcp', '-j', 'DROP')
  const dir = mkdtempSync(join(tmpdir(), 'sample-'))
  writeFileSync(join(dir, 'haproxy.cfg'), HAPROXY)
  const mariadbd = await startMariadb({ dir, host: DB, port: 3306, setup: SETUP, options: ['--connect-timeout=5'] })
  const haproxy = spawn('haproxy', ['-db', '-f', join(dir, 'haproxy.cfg')], { stdio: 'ignore' })
  await sleep(500)
  for (const name of names) await record(name)
  for (const child of [haproxy, mariadbd]) {
    child.kill('SIGTERM')
    await ended(child)
  }
  rmSync(dir, { recursive: true })
}

const names = process.argv.slice(2)
if (names[0] === '--inside') await inside(names.slice(1))
else {
  for (const name of names)
    if (CASES[name] === undefined) throw new Error(`no case '${name}': ${Object.keys(CASES).join(', ')}`)
  run('ip', 'netns', 'add', SPACE)
  try {
    spawnSync('ip', ['netns', 'exec', SPACE, process.execPath, fileURLToPath(import.meta.url), '--inside', ...names], {
      stdio: 'inherit',
    })
  } finally {
    run('ip', 'netns', 'delete', SPACE)
  }
}
