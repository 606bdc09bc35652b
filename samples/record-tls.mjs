#!/usr/bin/env node
// Records the sample tls-required: a private MariaDB with require_secure_transport, which says 1045, and a stand-in for a MySQL
// server with the same setting, which says 3159, in a network namespace of their own.
//
//   sudo node samples/record-tls.mjs
//
// Needs mariadbd, mariadb-install-db, the mariadb client, openssl, tcpdump, and the development dependencies (mysql2, whose
// server half is the stand-in). Application 10.9.0.10, MariaDB 10.9.0.30, stand-in 10.9.0.31, all on one loopback device. Every run gives new frames: run the golden tests with UPDATE_GOLDEN=1 afterwards.
import { execFile, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import mysql from 'mysql2'
import { ended, run, startMariadb } from './mariadb.mjs'

const HERE = dirname(fileURLToPath(import.meta.url))
const SPACE = 'mysqlconn-tls'
const [APP, DB, STAND_IN] = ['10.9.0.10', '10.9.0.30', '10.9.0.31']

/** MySQL 8.4 with require_secure_transport=ON, as far as a login without TLS sees it. */
function standIn() {
  const message = 'Connections using insecure transport are prohibited while --require_secure_transport=ON.'
  const server = mysql.createServer()
  server.on('connection', (c) => {
    c.on('error', () => {})
    c.serverHandshake({
      ...{ protocolVersion: 10, serverVersion: '8.4.3', connectionId: 17, statusFlags: 2, characterSet: 255 },
      ...{ authPluginName: 'mysql_native_password', capabilityFlags: 0x00ff_ffff },
      authCallback: (_login, done) => {
        done(null, { message, code: 3159 })
        c.close()
      },
    })
  })
  server.listen(3306, STAND_IN)
  return server
}

/** The mariadb client; what it is refused is what the sample is about. */
const client = (host, sql, ...options) =>
  new Promise((resolve) => {
    const args = ['--no-defaults', `--host=${host}`, '--user=app', '--password=secret', ...options, '-e', sql]
    execFile('mariadb', args, (error, _out, stderr) => resolve(error === null ? 'ok' : stderr.trim()))
  })

async function inside() {
  run('ip', 'link', 'set', 'lo', 'up')
  for (const ip of [APP, DB, STAND_IN]) run('ip', 'addr', 'add', `${ip}/24`, 'dev', 'lo')
  // The client has no option for its own address: the route has.
  for (const ip of [DB, STAND_IN]) run('ip', 'route', 'replace', 'local', ip, 'dev', 'lo', 'src', APP, 'table', 'local')
  const dir = mkdtempSync(join(tmpdir(), 'sample-'))
  const key = join(dir, 'key.pem')
  const cert = join(dir, 'cert.pem')
  run(
    'openssl',
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    key,
    '-out',
    cert,
    '-days',
    '30',
    '-subj',
    '/CN=db.sample',
  )
  const mariadbd = await startMariadb({
    ...{ dir, host: DB, port: 3306 },
    setup: "CREATE DATABASE shop; CREATE USER app@'%' IDENTIFIED BY 'secret'; GRANT SELECT ON shop.* TO app@'%'",
    options: [`--ssl-cert=${cert}`, `--ssl-key=${key}`, '--require-secure-transport=ON'],
  })
  const file = join(HERE, 'tls-required', 'capture.pcap')
  mkdirSync(dirname(file), { recursive: true })
  const tcpdump = spawn('tcpdump', ['-i', 'lo', '-U', '--immediate-mode', '-w', file, '-Z', 'root', 'tcp'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  await new Promise((resolve) => tcpdump.stderr.once('data', resolve))
  await sleep(300)
  const server = standIn()
  for (const [host, option] of [
    [DB, '--ssl'],
    [STAND_IN, '--skip-ssl'],
    [DB, '--skip-ssl'],
    [STAND_IN, '--skip-ssl'],
    [DB, '--ssl'],
  ]) {
    console.log(`  ${host} ${option}: ${await client(host, 'SELECT 1', option)}`)
    await sleep(200)
  }
  server.close()
  await sleep(300)
  tcpdump.kill('SIGINT')
  await ended(tcpdump)
  mariadbd.kill('SIGTERM')
  await ended(mariadbd)
  rmSync(dir, { recursive: true })
}

if (process.argv[2] === '--inside') await inside()
else {
  run('ip', 'netns', 'add', SPACE)
  try {
    spawnSync('ip', ['netns', 'exec', SPACE, process.execPath, fileURLToPath(import.meta.url), '--inside'], {
      stdio: 'inherit',
    })
  } finally {
    run('ip', 'netns', 'delete', SPACE)
  }
}
