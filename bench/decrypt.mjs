/**
 * What decryption costs: the same MySQL traffic in the clear, in TLS 1.3 without its keys, and with them. CPU seconds of
 * `mysqlconn analyze --format json`, less those of a capture of a few packets; megabytes are those of the capture.
 *
 *   node bench/decrypt.mjs [--mb 128] [--rounds 3]
 */
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { DATA } from './data.mjs'
import { measure, median } from './measure.mjs'
import * as m from './messages.mjs'
import { ACK, PcapWriter, PSH, SYN } from './pcap-writer.mjs'
import { Random } from './random.mjs'
import { Sealer, SUITES } from './sealer.mjs'
import { table } from './table.mjs'
import { clientHello } from './tls-bytes.mjs'
import { analyze, built } from './tools.mjs'

const { values: options } = parseArgs({
  options: { mb: { type: 'string', default: '128' }, rounds: { type: 'string', default: '3' } },
})
if (!built()) {
  console.error('dist/ is missing: npm run build')
  process.exit(2)
}

const CLIENT = { ip: 0x0a000005, port: 40000 }
const SERVER = { ip: 0x0a000009, port: 3306 }
/** Segments as receive offload joins them, and as they travel. */
const SEGMENTS = [45 * 1448, 1448]
/** Kinds of traffic: bytes of an answer. */
const KINDS = { 'exports of 4 MB': 4e6, 'answers of 16 KB': 16_000, 'point queries': 100 }

/** A MySQL result of about so many bytes. */
function result(bytes) {
  const head = [
    m.packet(1, 1),
    m.packet(2, Buffer.from('03646566000000017800 0c2100ffff0000fd0000000000'.replaceAll(' ', ''), 'hex')),
  ]
  const row = Buffer.concat([Buffer.from([0xfc, 0xe8, 3]), Buffer.alloc(1000, 'x')])
  const rows = []
  let id = 3
  if (bytes < 1000) rows.push(m.packet(id++, Buffer.concat([Buffer.from([bytes]), Buffer.alloc(bytes, 'x')])))
  for (let n = 0; n + 1000 <= bytes; n += 1000) rows.push(m.packet(id++ & 255, row))
  return Buffer.concat([...head, ...rows, m.packet(id & 255, Buffer.from([0xfe, 0, 0, 2, 0, 0, 0]))])
}

/** Writes one capture of `bytes`; cipher null is without TLS. Returns what its key log holds. */
function write(path, bytes, answerBytes, cipher) {
  const out = new PcapWriter(path)
  const random = new Random(7)
  const reply = result(answerBytes)
  const keyLog = []
  let at = 1.8e15
  for (let n = 0; out.bytes < bytes; n++) {
    const seq = [random.u32(), random.u32()]
    const ends = [{ ...CLIENT, port: CLIENT.port + (n % 20_000) }, SERVER]
    const segmentBytes = SEGMENTS[n % SEGMENTS.length]
    const frame = (dir, flags, payload) => {
      const [a, b] = dir === 0 ? ends : [ends[1], ends[0]]
      const p = out.begin(
        at,
        a.ip,
        a.port,
        b.ip,
        b.port,
        seq[dir],
        flags & SYN && dir === 0 ? 0 : seq[1 - dir],
        flags,
        500,
        64,
        n & 65535,
        1,
        1,
        payload.length,
      )
      payload.copy(out.buf, p)
      out.seal()
      seq[dir] = (seq[dir] + payload.length + (flags & SYN ? 1 : 0)) >>> 0
      at = out.now + 20
    }
    const send = (dir, payload) => {
      for (let from = 0; from < payload.length; from += segmentBytes)
        frame(dir, ACK | PSH, payload.subarray(from, from + segmentBytes))
      frame(1 - dir, ACK, Buffer.alloc(0))
    }
    frame(0, SYN, Buffer.alloc(0))
    frame(1, SYN | ACK, Buffer.alloc(0))
    frame(0, ACK, Buffer.alloc(0))
    send(1, m.greeting(n + 10, random))
    const tls = cipher === null ? null : handshake(send, cipher, random, keyLog)
    const say = (dir, content) => send(dir, tls === null ? content : tls[dir].data(content))
    const id = tls === null ? 1 : 2
    say(0, m.login(id, random))
    say(1, m.loggedIn(id + 1))
    for (let i = 0; i < 200 && out.bytes < bytes; i++) {
      say(0, m.selectStatement(random))
      say(1, reply)
    }
    say(0, m.quit)
    frame(0, ACK | 1, Buffer.alloc(0))
  }
  out.close()
  return keyLog.join('')
}

function handshake(send, cipher, random, keyLog) {
  const { number, hash } = SUITES[cipher]
  send(0, m.sslRequest())
  const hello = clientHello(random)
  send(0, hello)
  const clientRandom = hello.subarray(11, 43).toString('hex')
  const secret = (label) => {
    const s = randomBytes(hash === 'sha384' ? 48 : 32)
    keyLog.push(`${label} ${clientRandom} ${s.toString('hex')}\n`)
    return new Sealer(cipher, s)
  }
  const extensions = Buffer.from('002b00020304', 'hex')
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    random.bytes(32),
    Buffer.from([0, number >> 8, number & 255, 0, 0, extensions.length]),
    extensions,
  ])
  const message = (type, b) => Buffer.concat([Buffer.from([type, 0, b.length >> 8, b.length & 255]), b])
  const serverHello = message(2, body)
  const record = Buffer.concat([
    Buffer.from([22, 3, 3, serverHello.length >> 8, serverHello.length & 255]),
    serverHello,
  ])
  const finished = message(20, random.bytes(hash === 'sha384' ? 48 : 32))
  const server = secret('SERVER_HANDSHAKE_TRAFFIC_SECRET')
  send(1, Buffer.concat([record, server.handshake(Buffer.concat([message(8, Buffer.alloc(2)), finished]))]))
  send(0, secret('CLIENT_HANDSHAKE_TRAFFIC_SECRET').handshake(finished))
  return [secret('CLIENT_TRAFFIC_SECRET_0'), secret('SERVER_TRAFFIC_SECRET_0')]
}

mkdirSync(DATA, { recursive: true })
const folder = mkdtempSync(join(DATA, 'decrypt-'))
try {
  const nothing = join(folder, 'nothing.pcap')
  write(nothing, 5000, 100, null)
  const rounds = Number(options.rounds)
  const report = join(folder, 'report.json')
  const cpu = (...files) => {
    const [node, bin, command, , ...rest] = analyze('', 'json')
    const runs = Array.from({ length: rounds }, () => measure([node, bin, command, ...files, ...rest], report))
    return median(runs.map((r) => r.cpu))
  }
  const start = cpu(nothing)
  const rows = []
  for (const [kind, answerBytes] of Object.entries(KINDS)) {
    const file = join(folder, 'plain.pcap')
    write(file, options.mb * 1e6, answerBytes, null)
    const rate = (...files) => {
      const mb = readFileSync(files[0]).length / 1e6
      return mb / Math.max(0.01, cpu(...files) - start)
    }
    const plain = rate(file)
    const commands = JSON.parse(readFileSync(report)).sessions[0].mysql.commands.COM_QUERY
    for (const cipher of Object.keys(SUITES)) {
      const tls = join(folder, 'tls.pcap')
      const keys = join(folder, 'keys.txt')
      writeFileSync(keys, write(tls, options.mb * 1e6, answerBytes, cipher))
      const without = rate(tls)
      const decrypted = rate(tls, keys)
      const sessions = JSON.parse(readFileSync(report)).sessions
      if (sessions.some((s) => !s.tls.decrypted)) throw new Error(`${cipher}: a session was not decrypted`)
      if (sessions[0].mysql.commands.COM_QUERY !== commands && answerBytes < 1e6)
        throw new Error(`${cipher}: commands differ`)
      const ratio = (x) => `${x.toFixed(0)} (${(x / plain).toFixed(2)})`
      rows.push([`${kind}, ${cipher}`, plain.toFixed(0), ratio(without), ratio(decrypted)])
    }
  }
  console.log('MB per CPU second of the whole analysis, and as a part of what the same traffic takes without TLS:')
  for (const line of [table(['traffic', 'no TLS', 'TLS, no keys', 'TLS, with keys'], rows)].flat()) console.log(line)
} finally {
  rmSync(folder, { recursive: true })
}
