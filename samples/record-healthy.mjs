#!/usr/bin/env node
// Healthy traffic in quantity, with everything that only looks like a break; then the tool must find nothing above info.
//
//   sudo node samples/record-healthy.mjs [SESSIONS] [FILE]        (6000 sessions into a temporary file, unless given)
//
// A private MariaDB (127.0.0.30) and a private HAProxy (127.0.0.20) with health checks on the loopback; clients with mysql2
// and mariadb, half of them through the proxy: short sessions, pools that retire connections with COM_QUIT, RST after
// COM_QUIT, closes without COM_QUIT, SO_LINGER 0, SQL errors, processes with idle connections killed with SIGKILL, slow
// statements and long idle times that end well, pools at work before the capture begins and after it ends.
// Needs mariadbd, mariadb-install-db, haproxy and tcpdump, the development dependencies (mysql2, mariadb), and dist/.
// Exit status: 0 nothing above info, 1 somebody is accused.
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect as dial } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import mariadb from 'mariadb'
import mysql from 'mysql2/promise'
import { ended, startMariadb } from './mariadb.mjs'

const HERE = dirname(fileURLToPath(import.meta.url))
const SERVER = { host: '127.0.0.30', port: 33307 }
const PROXY = { host: '127.0.0.20', port: 33308 }
const CLIENTS = ['127.0.0.10', '127.0.0.11', '127.0.0.12']
const LOGIN = { user: 'app', password: 'secret', database: 'shop' }
const STATEMENTS = [
  'SELECT 1',
  'SELECT * FROM orders LIMIT 30',
  'UPDATE orders SET qty = qty + 1 WHERE id = 7',
  'BEGIN',
  'COMMIT',
  'SET NAMES utf8mb4',
]

let seed = 20261121
const random = () => {
  seed = (seed * 1103515245 + 12345) & 0x7fffffff
  return seed / 0x7fffffff
}
const one = (list) => list[Math.floor(random() * list.length)]
const children = []
const QUIT = Buffer.from([1, 0, 0, 0, 1])

const open = (to, localAddress = one(CLIENTS)) =>
  mysql.createConnection({ ...LOGIN, stream: () => dial({ ...to, localAddress }) })

/** A short session and one of the ways to end it. */
async function short(to) {
  if (random() < 0.2) {
    const c = await mariadb.createConnection({ ...to, ...LOGIN })
    for (let i = 0; i < 3; i++) await c.query(one(STATEMENTS))
    return c.end()
  }
  const c = await open(to)
  c.on('error', () => {})
  for (let i = 1 + random() * 4; i > 0; i--) await c.query(one(STATEMENTS))
  if (random() < 0.1) await c.query('SELECT * FROM no_such_table').catch(() => {})
  await c.query('ROLLBACK')
  const { stream } = c.connection
  const how = random()
  if (how < 0.7) return c.end()
  if (how < 0.8) {
    stream.write(QUIT)
    return stream.resetAndDestroy() // RST after COM_QUIT
  }
  return how < 0.9 ? stream.destroy() : stream.resetAndDestroy() // no COM_QUIT: FIN, or RST by SO_LINGER 0
}

/** A pool that retires its connections, for `ms` or until told to stop. */
async function pool(to, stop) {
  const held = []
  while (!stop()) {
    while (held.length < 6) held.push({ c: await open(to), until: Date.now() + 800 + random() * 4000 })
    const k = Math.floor(random() * held.length)
    await held[k].c.query(random() < 0.1 ? 'SELECT SLEEP(0.2)' : one(STATEMENTS.slice(0, 3)))
    if (Date.now() > held[k].until) await held.splice(k, 1)[0].c.end()
    await sleep(20)
  }
  for (const { c } of held) await c.end()
}

/** This program as a process with idle connections, waiting to be killed. */
async function idler() {
  for (let i = 0; i < 4; i++) await (await open(i % 2 ? SERVER : PROXY)).query('SELECT 1')
  console.log('ready')
  await sleep(600_000)
}

async function killOneIdler() {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), '--idler'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  await new Promise((ready) => child.stdout.once('data', ready))
  await sleep(500 + random() * 3000)
  child.kill('SIGKILL')
  await ended(child)
}

async function patient() {
  const c = await open(PROXY)
  await c.query('SELECT SLEEP(6)')
  await sleep(7000)
  await c.query('SELECT 1')
  await c.end()
}

async function record(sessions, file, dir) {
  const haproxy = join(dir, 'haproxy.cfg')
  writeFileSync(
    haproxy,
    `defaults
  mode tcp
  timeout connect 3s
  timeout client 5m
  timeout server 5m
listen mysql
  bind ${PROXY.host}:${PROXY.port}
  option mysql-check user check
  server db1 ${SERVER.host}:${SERVER.port} source ${PROXY.host} check inter 400
`,
  )
  const server = await startMariadb({
    dir,
    ...SERVER,
    options: ['--max-connections=600'],
    setup:
      "CREATE DATABASE shop; CREATE USER 'check'@'%'; CREATE USER app@'%' IDENTIFIED BY 'secret'; GRANT ALL ON shop.* TO app@'%'; USE shop;" +
      'CREATE TABLE orders (id INT PRIMARY KEY, qty INT); INSERT INTO orders SELECT seq, 1 FROM seq_1_to_50',
  })
  children.push(server)
  const proxy = spawn('haproxy', ['-db', '-f', haproxy], { stdio: 'ignore' })
  children.push(proxy)
  await sleep(1500)
  let stop = false
  const pools = [PROXY, SERVER].map((to) => pool(to, () => stop)) // before the capture, and after it
  await sleep(1500)
  const filter = `tcp port ${SERVER.port} or tcp port ${PROXY.port}`
  const tcpdump = spawn('tcpdump', ['-i', 'lo', '-w', file, '-U', '-s', '0', '-B', '16384', '-Z', 'root', filter], {
    stdio: 'ignore',
  })
  children.push(tcpdump)
  await sleep(1000)
  const others = [patient(), ...Array.from({ length: 6 }, killOneIdler)]
  let left = sessions
  const worker = async () => {
    while (left-- > 0) await short(left % 2 ? PROXY : SERVER)
  }
  await Promise.all(Array.from({ length: 16 }, worker))
  await Promise.all(others)
  tcpdump.kill('SIGINT')
  await ended(tcpdump)
  stop = true
  await Promise.all(pools)
  for (const child of [proxy, server]) {
    child.kill('SIGTERM')
    await ended(child)
  }
}

if (process.argv[2] === '--idler') await idler()
else {
  const dir = mkdtempSync(join(tmpdir(), 'healthy-'))
  const file = process.argv[3] === undefined ? join(dir, 'healthy.pcap') : resolve(process.argv[3])
  try {
    await record(Number(process.argv[2] ?? 6000), file, dir)
    const tool = join(HERE, '..', 'bin/run.js')
    const out = spawnSync(process.execPath, [tool, 'analyze', '--format', 'json', file], {
      encoding: 'utf8',
      maxBuffer: 1 << 29,
    })
    const report = JSON.parse(out.stdout)
    const accused = report.findings.filter((f) => f.severity !== 'info')
    for (const f of report.findings) console.log(`${f.severity}  ${f.rule}  ${f.occurrences.length}  ${f.title}`)
    console.log(`${report.sessions.length} connections, ${accused.length} findings above info`)
    process.exitCode = accused.length === 0 ? 0 : 1
  } finally {
    for (const child of children) if (child.exitCode === null) child.kill('SIGKILL')
    rmSync(dir, { recursive: true, force: true })
  }
}
