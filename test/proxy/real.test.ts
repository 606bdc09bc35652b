/**
 * Real clients against a real MariaDB through the proxy: what they get is what they get directly, plain, compressed, with TLS passed through
 * and with TLS ended; the recording reads like tcpdump's of the same run, and tshark finds nothing wrong with it.
 */
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import * as mariadbClient from 'mariadb'
import mysql from 'mysql2/promise'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Report } from '../../src/report/model.ts'
import { needs } from '../kit/require.ts'
import { mariadb, proxyTo, type RealServer, type Running, report, scratch, until } from './kit.ts'

const LOGIN = { host: '127.0.0.1', user: 'app', password: 'secret', database: 'shop' }

needs(
  'mariadbd',
  'mariadb',
  'openssl',
  'tshark',
)('real clients', () => {
  let server: RealServer
  let tls: { ca: string; cert: string; key: string }
  let rows: string

  beforeAll(async () => {
    tls = certificate()
    server = await mariadb([
      `--ssl-ca=${tls.ca}`,
      `--ssl-cert=${tls.cert}`,
      `--ssl-key=${tls.key}`,
      '--plugin-load-add=auth_ed25519',
    ])
    rows = scratch('csv')
    writeFileSync(rows, Array.from({ length: 20_000 }, (_, i) => `${i}\tname ${i}\n`).join(''))
    await sql(
      server.port,
      [
        'create table item (id int primary key, name varchar(50))',
        "create user ed@'%' identified via ed25519 using password('secret')",
        "grant all on *.* to ed@'%'",
      ].join(';'),
    )
  }, 60_000)
  afterAll(async () => {
    await server?.stop()
  })

  const WORK = `load data local infile 'FILE' replace into table item; select count(*), sum(id), md5(group_concat(name)) from item;
    select repeat('x', 3000000) l; prepare p from 'select ? + id from item where id < ?'; set @a=7, @b=50; execute p using @a, @b; select 1/0; show warnings`

  /** The CLI's whole output for some work. */
  async function sql(
    port: number,
    text: string,
    args: readonly string[] = ['--skip-ssl'],
    user = 'app',
  ): Promise<string> {
    const all = [
      '-h127.0.0.1',
      `-P${port}`,
      `-u${user}`,
      '-psecret',
      '--local-infile=1',
      '--max-allowed-packet=256M',
      ...args,
    ]
    // Not synchronously: the proxy runs in this process.
    const child = spawn('mariadb', [...all, 'shop', '-e', text.replace('FILE', rows)], { timeout: 20_000 })
    const out: Buffer[] = []
    child.stdout.on('data', (d) => out.push(d))
    child.stderr.on('data', (d) => out.push(d))
    await once(child, 'close')
    return Buffer.concat(out).toString()
  }

  it('the command line: plain, compressed, TLS passed through', async () => {
    const direct = await sql(server.port, WORK)
    expect(direct).toContain('20000')
    const p = await proxyTo(server.port)
    expect(await sql(p.port, WORK)).toBe(direct)
    expect(await sql(p.port, WORK, ['--skip-ssl', '--compress'])).toBe(direct)
    expect(await sql(p.port, WORK, ['--ssl', `--ssl-ca=${tls.ca}`])).toBe(direct)
    const bytes = await p.end()
    expect(report(bytes).findings).toEqual([])
    expect(complaints(p.file)).toBe('')
  }, 60_000)

  it('mysql2 and mariadb: prepared statements, 64 MB in one packet, many at once', async () => {
    const p = await proxyTo(server.port, { buffer: '1GB' })
    const big = Buffer.alloc(64_000_000, 'abcdefgh')
    for (const port of [server.port, p.port]) {
      const c = await mysql.createConnection({ ...LOGIN, port })
      const [one] = await c.execute<mysql.RowDataPacket[]>('select length(?) n, md5(?) m', [big, 'x'])
      expect(one[0]).toEqual({ n: 64_000_000, m: createHash('md5').update('x').digest('hex') })
      const [two] = await c.execute<mysql.RowDataPacket[]>('select name from item where id = ?', [77])
      expect(two).toEqual([{ name: 'name 77' }])
      await c.end()
      const pool = mariadbClient.createPool({ ...LOGIN, port, connectionLimit: 8 })
      const all = await Promise.all(Array.from({ length: 200 }, (_, i) => pool.execute('select ? + 1 n', [i])))
      expect(all.map((r) => Number(r[0].n))).toEqual(Array.from({ length: 200 }, (_, i) => i + 1))
      await pool.end()
    }
    expect(report(await p.end()).findings.map((f) => f.title)).toEqual([])
  }, 60_000)

  it('TLS ended on both legs: 1.2 and 1.3, native and ed25519; the recording opens with its own secrets', async () => {
    const direct = await sql(server.port, WORK)
    const p = await proxyTo(`localhost:${server.port}`, ended({ recordSecrets: true }))
    for (const [version, user] of [
      ['TLSv1.3', 'app'],
      ['TLSv1.2', 'app'],
      ['TLSv1.3', 'ed'],
      ['TLSv1.2', 'ed'],
    ] as const)
      expect(await sql(p.port, WORK, ['--ssl', `--ssl-ca=${tls.ca}`, `--tls-version=${version}`], user), version).toBe(
        direct,
      )
    // A client that does not ask for TLS stays plain.
    expect(await sql(p.port, WORK)).toBe(direct)
    for (const version of ['TLSv1.3', 'TLSv1.2'])
      await sql(p.port, "select 'marker'", ['--ssl', `--ssl-ca=${tls.ca}`, `--tls-version=${version}`])
    await p.end()
    expect(complaints(p.file)).toBe('')
    const filter = 'mysql.query contains "marker"'
    // Two sessions on two legs. tshark does not follow MySQL into TLS where the SSLRequest and the ClientHello came in one read.
    const read = tshark(p.file, p.port, server.port, filter, 'frame.number').trim().split('\n')
    expect(read.length).toBeGreaterThanOrEqual(2)
    const sealed = report(readFileSync(p.file)).sessions.filter((s) => s.tls !== null)
    expect(sealed.length).toBeGreaterThanOrEqual(12)
    expect(sealed.every((s) => s.tls!.decrypted)).toBe(true)
    expect(readFileSync(p.file).includes('CLIENT_RANDOM ')).toBe(true)
  }, 60_000)

  it('writes no secret unless told to, and says why a certificate is not taken', async () => {
    const p = await proxyTo(`localhost:${server.port}`, ended({}))
    expect(await sql(p.port, 'select 1', ['--ssl', `--ssl-ca=${tls.ca}`])).toContain('1')
    const bytes = await p.end()
    expect(bytes.includes('CLIENT_RANDOM') || bytes.includes('TRAFFIC_SECRET') || bytes.includes('TLSK')).toBe(false)

    for (const [why, change] of [
      ['signed by a CA that is not known', { upstreamCa: undefined }],
      ['bears another name', { upstream: [`127.0.0.2:${server.port}`] }],
    ] as const) {
      const { upstreamCa, ...rest } = ended({})
      const q = await proxyTo(`localhost:${server.port}`, {
        ...rest,
        ...('upstream' in change ? { ...change, ...(upstreamCa === undefined ? {} : { upstreamCa }) } : {}),
      } as never)
      await sql(q.port, 'select 1', ['--ssl', `--ssl-ca=${tls.ca}`, '--connect-timeout=3'])
      await q.end()
      const failed = q.events.find((e) => e.event === 'tls-failed' || e.event === 'connect-failed')
      // The second address is not listened on everywhere; where it is, the name decides.
      if (failed?.event === 'tls-failed') expect(failed.says).toContain(why)
      else expect(why).toBe('bears another name')
    }
  }, 60_000)

  needs('tcpdump')('beside tcpdump', () => {
    it('finds the same: killed, idle too long, given up, refused a password', async () => {
      const p = await proxyTo(server.port)
      const beside = scratch('pcap')
      const dump = spawn('tcpdump', [
        '-i',
        'lo',
        '-s',
        '0',
        '-U',
        '-w',
        beside,
        `tcp port ${p.port} or tcp port ${server.port}`,
      ])
      let said = ''
      dump.stderr.on('data', (d) => {
        said += d
      })
      await until(() => said.includes('listening') || dump.exitCode !== null)
      // Without the right to capture there is nothing to compare.
      if (!said.includes('listening')) {
        process.stderr.write(`SKIPPED: beside tcpdump: ${said}\n`)
        await p.end()
        return
      }
      await incidents(p)
      await p.end()
      await new Promise((r) => setTimeout(r, 700))
      dump.kill('SIGTERM')
      await once(dump, 'exit')
      const ours = report(readFileSync(p.file))
      const rules = ours.findings.map((f) => f.rule)
      expect(rules).toEqual(expect.arrayContaining(['auth-failed', 'client-timeout', 'connection-killed']))
      // On one machine tcpdump cannot tell the proxy from the server: there the two legs are two findings of KILL.
      const byLeg = (r: Report): string[] =>
        r.findings.flatMap((f) => f.occurrences.map((o) => `${f.rule} ${o.client} ${o.server} ${o.outcome}`)).sort()
      expect(byLeg(ours)).toEqual(byLeg(report(readFileSync(beside))))
    }, 60_000)
  })

  async function incidents(p: Running): Promise<void> {
    const open = async (): Promise<mysql.Connection> => {
      const c = await mysql.createConnection({ ...LOGIN, port: p.port })
      c.on('error', () => {})
      return c
    }
    const pause = (ms: number): Promise<void> => new Promise((r) => setTimeout(r, ms))
    const [victim, killer, idle, impatient] = await Promise.all([open(), open(), open(), open()])
    await idle.query('set wait_timeout=1')
    const [ids] = await victim.query<mysql.RowDataPacket[]>('select connection_id() id')
    const lost = victim.query('select sleep(9)').catch(() => {})
    await pause(150)
    await killer.query(`kill ${ids[0]!['id']}`)
    await lost
    impatient.query('select sleep(5)').catch(() => {})
    await pause(230)
    ;(impatient as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy()
    await mysql.createConnection({ ...LOGIN, port: p.port, user: 'nobody' }).catch(() => {})
    await pause(2000)
    await killer.end()
  }

  const ended = (more: object): object => ({ tlsCert: tls.cert, tlsKey: tls.key, upstreamCa: tls.ca, ...more })
})

function tshark(file: string, front: number, back: number, filter: string, field: string): string {
  const decode = ['-d', `tcp.port==${front},mysql`, '-d', `tcp.port==${back},mysql`]
  return spawnSync('tshark', ['-r', file, ...decode, '-Y', filter, '-T', 'fields', '-e', field], { encoding: 'utf8' })
    .stdout
}

/** Frames that tshark finds malformed or odd, as it reads the file by itself (its reading of LOAD DATA and of what MariaDB compresses is wrong in any capture). */
const complaints = (file: string): string =>
  spawnSync('tshark', ['-r', file, '-Y', 'tcp.analysis.flags || _ws.malformed', '-T', 'fields', '-e', 'frame.number'], {
    encoding: 'utf8',
  }).stdout

/** A CA and a certificate for localhost, in files. */
function certificate(): { ca: string; cert: string; key: string } {
  const folder = dirname(scratch())
  const at = (name: string): string => join(folder, name)
  const run = (...args: string[]): void => {
    const r = spawnSync('openssl', args, { encoding: 'utf8' })
    if (r.status !== 0) throw new Error(r.stderr)
  }
  const key = ['-newkey', 'rsa:2048', '-nodes']
  run('req', '-x509', ...key, '-keyout', at('ca.key'), '-out', at('ca.pem'), '-subj', '/CN=test ca', '-days', '2')
  run('req', ...key, '-keyout', at('s.key'), '-out', at('s.csr'), '-subj', '/CN=localhost')
  writeFileSync(at('ext'), 'subjectAltName=DNS:localhost,IP:127.0.0.1')
  const sign = ['-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial', '-days', '2', '-extfile', at('ext')]
  run('x509', '-req', '-in', at('s.csr'), ...sign, '-out', at('s.pem'))
  copyFileSync(at('s.pem'), at('server.pem'))
  return { ca: at('ca.pem'), cert: at('server.pem'), key: at('s.key') }
}
