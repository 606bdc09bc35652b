/**
 * What reading a log costs: made logs of a size, read by the build in dist/ in a process of its own, megabytes per CPU second.
 *
 *   node bench/logs.mjs [--size MB] [haproxy|application|general|error|proxysql]...
 */
import { spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, rmSync, statSync, writeSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values, positionals } = parseArgs({
  options: { size: { type: 'string', default: '500' }, one: { type: 'string' } },
  allowPositionals: true,
})
const DATA = fileURLToPath(new URL('.data/', import.meta.url))

const two = (n) => String(n).padStart(2, '0')
const clock = (i) =>
  `${two(Math.floor(i / 3_600_000) % 24)}:${two(Math.floor(i / 60_000) % 60)}:${two(Math.floor(i / 1000) % 60)}`
const millis = (i) => String(i % 1000).padStart(3, '0')
const DAY = '2026-11-20'

/** Line number i of each kind of log: mostly routine, now and then what matters. */
const KINDS = {
  haproxy: (i) =>
    `${DAY}T${clock(i)}.${millis(i)}123+00:00 lb1 haproxy[731]: 10.20.${i % 200}.${i % 250}:${1024 + (i % 60_000)} [20/Nov/2026:${clock(i)}.${millis(i)}] front back/db${i % 3} 1/0/${i % 9000} ${i % 100_000} ${i % 500 === 0 ? 'cD' : '--'} ${i % 90}/80/7/6/0 0/0\n`,
  application: (i) =>
    i % 200 === 0
      ? `${DAY} ${clock(i)}.${millis(i)} DEBUG 6 --- [exec-${i % 20}] com.zaxxer.hikari.pool.HikariPool : HikariPool-1 - Pool stats (total=10, active=${i % 10}, idle=1, waiting=0)\n`
      : `${DAY} ${clock(i)}.${millis(i)}  INFO 6 --- [exec-${i % 20}] c.example.shop.web.OrderController       : GET /api/orders/${i} took ${i % 300} ms for user ${i % 9000}, status 200\n`,
  general: (i) =>
    i % 50 === 0
      ? `${DAY}T${clock(i)}.${millis(i)}000Z\t${String(i % 900).padStart(5)} Connect\tapp@10.20.0.10 on shop using TCP/IP\n`
      : `${DAY}T${clock(i)}.${millis(i)}000Z\t${String(i % 900).padStart(5)} Query\tSELECT id, name FROM orders WHERE user_id=${i} LIMIT 20\n`,
  error: (i) =>
    i % 4 === 0
      ? `${DAY}T${clock(i)}.${millis(i)}000Z ${i % 9000} [Note] [MY-010914] [Server] Aborted connection ${i % 9000} to db: 'shop' user: 'app' host: '10.20.0.10' (Got an error reading communication packets).\n`
      : `${DAY}T${clock(i)}.${millis(i)}000Z 0 [Note] [MY-010747] [Server] Plugin 'ndbinfo' is disabled, line ${i}.\n`,
  proxysql: (i) =>
    i % 2 === 0
      ? `${DAY} ${clock(i)} MySQL_Session.cpp:4407:handler_minus1_ClientLibraryError(): [ERROR] Detected a broken connection while running query on (20,10.0.0.3,3306,${i}) , FD (Conn:583 , MyDS:583) , user app , last_used 19ms ago : 2013, Lost connection to MySQL server during query\n`
      : `${DAY} ${clock(i)} MySQL_Session.cpp:4866:handler_minus1_ClientLibraryError(): [WARNING] Retrying query.\n`,
}

function make(kind, path, bytes) {
  const fd = openSync(path, 'w')
  let written = 0
  let lines = []
  for (let i = 0; written < bytes; i++) {
    lines.push(KINDS[kind](i))
    if (lines.length < 8192) continue
    written += writeSync(fd, lines.join(''))
    lines = []
  }
  closeSync(fd)
}

/** In a process of its own: reads the file as an analysis does. */
async function read(path) {
  const load = (module) => import(new URL(`../dist/src/${module}.js`, import.meta.url))
  const [{ openInput }, { LogReader }, { EventStore }, { LOG_FORMATS }, { AnomalyLog }, { Epoch }] = await Promise.all(
    ['capture/input', 'logs/source', 'logs/store', 'logs/index', 'core/anomaly', 'core/time'].map(load),
  )
  const store = new EventStore()
  const anomalies = new AnomalyLog()
  const reader = new LogReader({
    input: path,
    epoch: new Epoch(),
    anomalies,
    formats: LOG_FORMATS,
    onEvent: (e) => store.add(e),
    wanted: (rank) => store.wanted(rank),
  })
  const before = process.cpuUsage()
  const input = await openInput(path)
  await input.pump(reader, { anomalies })
  const { user, system } = process.cpuUsage(before)
  const { lines, recognised } = reader.counts
  const rate = Math.round(statSync(path).size / (user + system))
  const memory = Math.round(process.resourceUsage().maxRSS / 1024)
  console.log(
    `${rate} MB per CPU second, ${lines} lines, ${recognised} recognised, ${store.list().length} events kept, ${memory} MB of memory at most`,
  )
}

if (values.one !== undefined) await read(values.one)
else {
  mkdirSync(DATA, { recursive: true })
  for (const kind of positionals.length > 0 ? positionals : Object.keys(KINDS)) {
    const path = `${DATA}${kind}.log`
    make(kind, path, Number(values.size) << 20)
    const run = spawnSync(process.execPath, [fileURLToPath(import.meta.url), '--one', path], { encoding: 'utf8' })
    process.stdout.write(`${kind.padEnd(12)} ${run.stdout}${run.stderr}`)
    rmSync(path)
  }
}
