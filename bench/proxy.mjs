#!/usr/bin/env node
/**
 * npm run bench:proxy: point selects of sysbench against a private MariaDB, directly and through HAProxy (TCP, one thread), a bare
 * a.pipe(b), and mysqlconn proxy with and without recording, with live findings, and with TLS ended. All in one run, in turns, so
 * that the ratios hold on a busy machine; then memory per idle connection.
 *
 *   node bench/proxy.mjs [--seconds 4] [--rounds 3] [--connections 1,16,256] [--idle 2000]
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '1,16,256' },
    idle: { type: 'string', default: '2000' },
  },
})
const OURS = fileURLToPath(new URL('../bin/run.js', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'mysqlconn-bench-'))
const children = []
const has = (program) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0
const sleep = (ms) => new Promise((r) => setTimeout(r, ms))

for (const program of ['mariadbd', 'sysbench', 'openssl'])
  if (!has(program)) {
    process.stderr.write(`bench:proxy needs ${program}\n`)
    process.exit(2)
  }

function freePort() {
  return new Promise((done) => {
    const s = createServer().listen(0, '127.0.0.1', () => {
      const { port } = s.address()
      s.close(() => done(port))
    })
  })
}

function start(command, args) {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  child.said = ''
  child.stderr.on('data', (d) => {
    child.said = (child.said + d).slice(-20_000)
  })
  children.push(child)
  return child
}

async function until(holds, what) {
  for (let i = 0; i < 600; i++) {
    if (holds()) return
    await sleep(50)
  }
  throw new Error(`waited in vain for ${what}`)
}

async function server() {
  const data = join(folder, 'db')
  const root = process.getuid?.() === 0 ? ['--user=root'] : []
  const install = ['--no-defaults', `--datadir=${data}`, '--auth-root-authentication-method=normal', '--skip-test-db']
  execFileSync('mariadb-install-db', [...install, ...root], { stdio: 'ignore' })
  certificate()
  const port = await freePort()
  const socket = join(folder, 'sock')
  const settings = [
    '--max-connections=5000',
    '--innodb-buffer-pool-size=128M',
    '--skip-log-bin',
    '--performance-schema=OFF',
  ]
  const tls = [`--ssl-ca=${folder}/ca.pem`, `--ssl-cert=${folder}/s.pem`, `--ssl-key=${folder}/s.key`]
  const where = [
    `--datadir=${data}`,
    `--port=${port}`,
    '--bind-address=127.0.0.1',
    `--socket=${socket}`,
    `--pid-file=${folder}/pid`,
  ]
  const child = start('mariadbd', ['--no-defaults', ...root, ...where, ...settings, ...tls])
  await until(() => child.said.includes('ready for connections'), 'mariadbd')
  const grant = "create database sbtest; create user app@'%' identified by 'secret'; grant all on *.* to app@'%'"
  execFileSync('mariadb', ['-uroot', `-S${socket}`, '-e', grant])
  sysbench(port, 1, ['prepare'])
  return port
}

function certificate() {
  const run = (...args) => execFileSync('openssl', args, { stdio: 'ignore', cwd: folder })
  const key = ['-newkey', 'rsa:2048', '-nodes']
  run('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=bench ca', '-days', '2')
  run('req', ...key, '-keyout', 's.key', '-out', 's.csr', '-subj', '/CN=localhost')
  writeFileSync(join(folder, 'ext'), 'subjectAltName=DNS:localhost,IP:127.0.0.1')
  const by = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'ext']
  run('x509', '-req', '-in', 's.csr', ...by, '-out', 's.pem')
  // Names that sysbench 1.0 has built in.
  copyFileSync(join(folder, 'ca.pem'), join(folder, 'cacert.pem'))
  copyFileSync(join(folder, 's.pem'), join(folder, 'client-cert.pem'))
  copyFileSync(join(folder, 's.key'), join(folder, 'client-key.pem'))
}

function sysbench(port, threads, [what, ...more]) {
  const login = ['--mysql-host=127.0.0.1', `--mysql-port=${port}`, '--mysql-user=app', '--mysql-password=secret']
  const work = [
    '--tables=1',
    '--table-size=10000',
    `--threads=${threads}`,
    `--time=${values.seconds}`,
    '--percentile=99',
  ]
  const r = spawnSync(
    'sysbench',
    [
      'oltp_point_select',
      '--db-driver=mysql',
      ...login,
      ...work,
      '--db-ps-mode=disable',
      '--histogram=on',
      ...more,
      what,
    ],
    { encoding: 'utf8', cwd: folder },
  )
  if (r.status !== 0) throw new Error(r.stdout + r.stderr)
  const number = (pattern) => Number(pattern.exec(r.stdout)?.[1] ?? Number.NaN)
  return {
    rate: number(/queries:\s+\d+\s+\(([\d.]+) per sec/),
    p50: median50(r.stdout),
    p99: number(/99th percentile:\s+([\d.]+)/),
  }
}

/** Median of sysbench's histogram, milliseconds. */
function median50(text) {
  const rows = [...text.matchAll(/^\s*([\d.]+) \|\**\s+(\d+)$/gm)].map((m) => [Number(m[1]), Number(m[2])])
  const half = rows.reduce((n, r) => n + r[1], 0) / 2
  let sum = 0
  for (const [ms, n] of rows) {
    sum += n
    if (sum >= half) return ms
  }
  return Number.NaN
}

async function ours(db, name, more) {
  const port = await freePort()
  const child = start(process.execPath, [
    OURS,
    'proxy',
    '--listen',
    String(port),
    '--upstream',
    `localhost:${db}`,
    ...more,
  ])
  await until(() => child.said.includes('listening'), name)
  return { name, port, pid: child.pid }
}

async function contenders(db) {
  const list = [{ name: 'direct', port: db, pid: 0 }]
  if (has('haproxy')) {
    const port = await freePort()
    const config = `global\n nbthread 1\n maxconn 4000\ndefaults\n mode tcp\n timeout connect 5s\n timeout client 1h\n timeout server 1h\nlisten a\n bind 127.0.0.1:${port}\n server s 127.0.0.1:${db}\n`
    writeFileSync(join(folder, 'haproxy.cfg'), config)
    const child = start('haproxy', ['-db', '-f', join(folder, 'haproxy.cfg')])
    list.push({ name: 'HAProxy', port, pid: child.pid })
  } else process.stderr.write('haproxy is not here: no line for it\n')
  const port = await freePort()
  const pipe = `import net from 'node:net'; net.createServer({noDelay:true}, (c) => { const u = net.connect({port:${db}, host:'127.0.0.1', noDelay:true}); c.pipe(u).pipe(c); c.on('error', () => u.destroy()); u.on('error', () => c.destroy()) }).listen(${port}, '127.0.0.1')`
  const child = start(process.execPath, ['--input-type=module', '-e', pipe])
  list.push({ name: 'bare a.pipe(b)', port, pid: child.pid })
  const tls = ['--tls-cert', `${folder}/s.pem`, '--tls-key', `${folder}/s.key`, '--upstream-ca', `${folder}/ca.pem`]
  const record = (n) => ['--record', join(folder, `${n}.pcapng`), '--ring', '3x100MB']
  list.push(await ours(db, 'ours, no recording', ['--no-live']))
  list.push(await ours(db, 'ours, recording', ['--no-live', ...record('r')]))
  list.push(await ours(db, 'ours, recording, live', record('l')))
  const ended = await ours(db, 'ours, TLS ended, recording', ['--no-live', ...tls, ...record('t')])
  list.push({ ...ended, tls: ['--mysql-ssl=on'] })
  await sleep(500)
  return list
}

const ticks = (pid) => {
  if (pid === 0) return 0
  const f = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1].split(' ')
  return Number(f[11]) + Number(f[12])
}
const middle = (list) => list.toSorted((a, b) => a - b)[list.length >> 1]

async function idleMemory(target, n) {
  const rss = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${target.pid}/status`, 'latin1'))[1])
  const before = rss()
  const code = `const net = require('node:net'); let n = 0; for (let i = 0; i < ${n}; i++) setTimeout(() => net.connect(${target.port}, '127.0.0.1').on('error', () => {}).once('data', () => { if (++n === ${n}) process.stderr.write('all') }), i / 2)`
  const child = start(process.execPath, ['-e', code])
  await until(() => child.said.includes('all'), 'idle connections')
  await sleep(2500)
  const kb = (rss() - before) / n
  child.kill()
  return kb
}

try {
  const list = await contenders(await server())
  for (const threads of values.connections.split(',').map(Number)) {
    const results = new Map(list.map((c) => [c, { rate: [], p50: [], p99: [], cpu: [] }]))
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const c of list) {
        const before = ticks(c.pid)
        const r = sysbench(c.port, threads, ['run', ...(c.tls ?? ['--mysql-ssl=off'])])
        const all = results.get(c)
        all.rate.push(r.rate)
        all.p50.push(r.p50)
        all.p99.push(r.p99)
        all.cpu.push(((ticks(c.pid) - before) * 10_000) / (r.rate * Number(values.seconds)))
      }
    }
    const reference = list.find((c) => c.name === 'HAProxy')
    const base = reference === undefined ? Number.NaN : middle(results.get(reference).rate)
    const direct = results.get(list[0])
    process.stdout.write(
      `\n${threads} connection${threads === 1 ? '' : 's'}, median of ${values.rounds} rounds of ${values.seconds} s\n`,
    )
    process.stdout.write('                              queries/s   of HAProxy   p50 added   p99 added   CPU/query\n')
    for (const c of list) {
      const r = results.get(c)
      const ms = (key) => `${(middle(r[key]) - middle(direct[key])).toFixed(2)} ms`.padStart(11)
      const share = `${Math.round((middle(r.rate) / base) * 100)} %`.padStart(12)
      const cpu = c.pid === 0 ? '' : `${middle(r.cpu).toFixed(1)} µs`.padStart(11)
      process.stdout.write(
        `${c.name.padEnd(28)} ${String(Math.round(middle(r.rate))).padStart(10)} ${share} ${ms('p50')} ${ms('p99')} ${cpu}\n`,
      )
    }
  }
  const target = list.find((c) => c.name === 'ours, recording')
  const idle = Number(values.idle)
  if (idle > 0)
    process.stdout.write(
      `\n${idle} idle connections: ${(await idleMemory(target, idle)).toFixed(1)} KB each (ours, recording)\n`,
    )
} finally {
  for (const child of children) child.kill('SIGKILL')
  await sleep(200)
  rmSync(folder, { recursive: true, force: true })
}
