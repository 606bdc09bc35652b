#!/usr/bin/env node
// Records the samples about session state: a private MariaDB on the loopback, real drivers and pools, tcpdump.
//
//   sudo node samples/record-state.mjs CASE...     (session-pollution-states, multiplex-state-loss, response-desync)
//
// Needs mariadbd, mariadb-install-db and tcpdump, and the development dependencies (mysql2, mariadb). The two proxies are small
// ones of our own on mysql2's server side: what they forward are the real bytes of a real client and a real server. Every run
// gives new frames: run the golden tests with UPDATE_GOLDEN=1 afterwards and read the difference.
import { spawn, spawnSync } from 'node:child_process'
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import mariadb from 'mariadb'
import mysql2 from 'mysql2'
import mysql from 'mysql2/promise'

const HERE = dirname(fileURLToPath(import.meta.url))
const PORT = 33406
const PROXY_PORT = 33407
const login = { user: 'app', password: 'secret', database: 'shop' }

/** Who leaves what, and what the next one does with it. */
const STATES = [
  [
    'read_only',
    'importer',
    ['SET SESSION TRANSACTION READ ONLY', 'SELECT COUNT(*) FROM orders'],
    'checkout',
    ['UPDATE orders SET qty = qty + 1 WHERE id = 1'],
  ],
  [
    'collation',
    'search',
    ["SET collation_connection = 'utf8mb4_bin'", "SELECT 'a' = 'A' FROM orders"],
    'login',
    ["SELECT id FROM users WHERE 'ANN' = LOWER('ANN')"],
  ],
  [
    'user_lock',
    'cron',
    ["SELECT GET_LOCK('nightly', 1)", 'SELECT COUNT(*) FROM orders'],
    'web',
    ['SELECT id FROM orders WHERE id = 2'],
  ],
  [
    'prepared_statement',
    'report',
    ["PREPARE r FROM 'SELECT SUM(qty) FROM orders'", 'EXECUTE r'],
    'audit',
    ['EXECUTE r'],
  ],
  [
    'group_concat_max_len',
    'export',
    ['SET SESSION group_concat_max_len = 4', 'SELECT GROUP_CONCAT(name) FROM users'],
    'invoice',
    ['SELECT GROUP_CONCAT(name) FROM users'],
  ],
  ['role', 'admin', ['SET ROLE auditor', 'SELECT COUNT(*) FROM orders'], 'web', ['SELECT id FROM users WHERE id = 1']],
]

const CASES = {
  // One pool of one connection per state: MariaDB Connector/Node.js pings a connection that was idle when it hands it out.
  async 'session-pollution-states'(folder) {
    const log = join(folder, 'pool.log')
    writeFileSync(log, '')
    for (const [state, polluter, leaves, victim, suffers] of STATES) {
      const pool = mariadb.createPool({
        host: '127.0.0.1',
        port: PORT,
        ...login,
        connectionLimit: 1,
        minDelayValidation: 50,
        connectAttributes: { program_name: state },
      })
      const borrow = async (who, statements) => {
        const c = await pool.getConnection()
        const note = (what) =>
          appendFileSync(
            log,
            `${new Date().toISOString().replace('T', ' ').replace('Z', '')} [pool ${state}] ${what} conn_id=${c.threadId} borrower=${who}\n`,
          )
        note('checkout')
        for (const sql of statements) await c.query(sql).catch((e) => console.log(`  ${who} got ${e.errno}`))
        note('checkin')
        await c.release()
        await sleep(150)
      }
      await borrow('health', ['SELECT COUNT(*) FROM users'])
      await borrow(polluter, leaves)
      await borrow(victim, suffers)
      await pool.end()
    }
  },

  // A pooler that sends each statement on whatever server connection is free, and knows nothing of session state.
  async 'multiplex-state-loss'() {
    const backs = [await raw(), await raw()]
    let turn = 0
    const proxy = proxyOf((sql, answer) => backs[turn++ % 2].query(sql, answer))
    const [client, other] = [await front(), await front()]
    await client.query('SELECT COUNT(*) FROM users')
    await client.query("SET @tenant = 'acme'")
    await sleep(40)
    await other.query('SELECT id FROM orders WHERE id = 1').catch(() => {})
    await client.query('SELECT id FROM users WHERE name <> @tenant').catch((e) => console.log(`  ${e.code}`))
    await client.query('SELECT COUNT(*) FROM users WHERE @tenant IS NULL')
    await client.query('CREATE TEMPORARY TABLE basket (id INT)')
    await client.query('INSERT INTO basket VALUES (1)').catch((e) => console.log(`  ${e.code}`))
    await Promise.all([client.end(), other.end()])
    proxy.close()
    for (const b of backs) b.end()
  },

  // A pooler that mixes up the answers of two clients when both ask at once.
  async 'response-desync'() {
    const back = await raw()
    let held = null
    const proxy = proxyOf((sql, answer) => {
      if (!/mixed/.test(sql)) return back.query(sql, answer)
      if (held === null) {
        held = { sql, answer }
        return
      }
      const first = held
      held = null
      back.query(first.sql, answer)
      back.query(sql, first.answer)
    })
    const [a, b] = [await front(), await front()]
    await a.query('SELECT COUNT(*) FROM users')
    await b.query('SELECT COUNT(*) FROM orders')
    const quiet = (p) => p.then(([r]) => console.log('  got', JSON.stringify(r).slice(0, 60)))
    await Promise.all([
      quiet(a.query('UPDATE orders SET qty = 5 WHERE id = 3 /* mixed */')),
      quiet(b.query('SELECT id, name FROM users /* mixed */')),
    ])
    await sleep(100)
    await Promise.all([a.end(), b.end()])
    proxy.close()
    back.end()
  },
}

/** A server connection of a proxy. */
const raw = () =>
  new Promise((resolve) => {
    const c = mysql2.createConnection({
      ...login,
      stream: connect({ host: '127.0.0.1', port: PORT, localAddress: '127.0.0.2' }),
    })
    c.once('connect', () => resolve(c))
  })

/** A client of the proxy; both sides of it are on addresses of their own. */
const front = () => mysql.createConnection({ host: '127.0.0.2', port: PROXY_PORT, ...login })

function proxyOf(run) {
  const server = mysql2.createServer()
  server.on('connection', (c) => {
    c.serverHandshake({
      protocolVersion: 10,
      serverVersion: '8.0.36-pooler',
      connectionId: 7,
      statusFlags: 2,
      characterSet: 45,
      capabilityFlags: 0xffffff ^ 0x800 ^ 0x20,
    })
    // Every command begins anew.
    const handle = c.handlePacket.bind(c)
    c.handlePacket = (packet) => {
      if (packet?.sequenceId === 0) c.sequenceId = 0
      return handle(packet)
    }
    const pass = (sql) =>
      run(sql, (err, rows, fields) => {
        if (err) c.writeError({ code: err.errno, message: err.sqlMessage ?? err.message })
        else if (Array.isArray(rows)) c.writeTextResult(rows, fields)
        else c.writeOk({ affectedRows: rows.affectedRows, insertId: rows.insertId, serverStatus: 2 })
      })
    c.on('query', pass)
    // mysql2 tells SET statements apart.
    c.on('stmt_prepare', pass)
    c.on('quit', () => c.stream.end())
    c.on('error', () => {})
  })
  server.listen(PROXY_PORT, '127.0.0.2')
  return server
}

const run = (command, args) => {
  const r = spawnSync(command, args, { encoding: 'utf8' })
  if (r.status !== 0) throw new Error(`${command}: ${r.stderr || r.error}`)
}
const ended = (child) => new Promise((resolve) => (child.exitCode === null ? child.once('exit', resolve) : resolve()))

async function server(dir) {
  const data = join(dir, 'data')
  run('mariadb-install-db', [
    '--no-defaults',
    `--datadir=${data}`,
    '--auth-root-authentication-method=normal',
    '--skip-test-db',
    '--user=root',
  ])
  const args = [
    '--no-defaults',
    '--user=root',
    `--datadir=${data}`,
    `--socket=${join(dir, 's')}`,
    `--pid-file=${join(dir, 'pid')}`,
  ]
  args.push(
    `--port=${PORT}`,
    '--bind-address=127.0.0.1',
    `--log-error=${join(dir, 'error.log')}`,
    '--skip-name-resolve',
  )
  const child = spawn('/usr/sbin/mariadbd', args, { stdio: 'ignore' })
  for (let i = 0; i < 100; i++) {
    const root = await mysql
      .createConnection({ socketPath: join(dir, 's'), user: 'root', multipleStatements: true })
      .catch(() => null)
    if (root === null) {
      await sleep(200)
      continue
    }
    await root.query(`CREATE DATABASE shop; CREATE USER app@'127.0.0.1' IDENTIFIED BY 'secret'; GRANT ALL ON *.* TO app@'127.0.0.1';
      CREATE USER app@'127.0.0.2' IDENTIFIED BY 'secret'; GRANT ALL ON *.* TO app@'127.0.0.2';
      CREATE ROLE auditor; GRANT SELECT ON shop.* TO auditor; GRANT auditor TO app@'127.0.0.1';
      CREATE TABLE shop.orders (id INT PRIMARY KEY, qty INT); INSERT INTO shop.orders VALUES (1, 10), (2, 20), (3, 30);
      CREATE TABLE shop.users (id INT PRIMARY KEY, name VARCHAR(20)); INSERT INTO shop.users VALUES (1, 'ann'), (2, 'bob'), (3, 'zoe')`)
    await root.end()
    return child
  }
  throw new Error('mariadbd did not come up')
}

async function record(name) {
  const story = CASES[name]
  if (story === undefined) throw new Error(`no case '${name}': ${Object.keys(CASES).join(', ')}`)
  const dir = mkdtempSync(join(tmpdir(), 'sample-'))
  const mariadbd = await server(dir)
  const folder = join(HERE, name)
  mkdirSync(folder, { recursive: true })
  const tcpdump = spawn(
    'tcpdump',
    [
      '-i',
      'lo',
      '-U',
      '--immediate-mode',
      '-w',
      join(folder, 'capture.pcap'),
      '-Z',
      'root',
      `tcp port ${PORT} or tcp port ${PROXY_PORT}`,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  await new Promise((resolve) => tcpdump.stderr.once('data', resolve))
  await sleep(300)
  console.log(name)
  await story(folder)
  await sleep(500)
  tcpdump.kill('SIGINT')
  await ended(tcpdump)
  mariadbd.kill('SIGTERM')
  await ended(mariadbd)
  rmSync(dir, { recursive: true })
}

for (const name of process.argv.slice(2)) await record(name)
