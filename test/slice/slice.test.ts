/** Slices of every sample: the same finding again, from whole frames and from anonymised ones; and nothing of anybody in those. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { analyze } from '../../src/analyze.ts'
import { MysqlconnError } from '../../src/core/errors.ts'
import { analyzeBuffers } from '../../src/memory.ts'
import { parseFilter } from '../../src/report/filter.ts'
import type { Finding, Report } from '../../src/report/model.ts'
import { AddressMap } from '../../src/slice/anonymize/addresses.ts'
import { MysqlMask } from '../../src/slice/anonymize/mysql.ts'
import { Pseudonyms } from '../../src/slice/anonymize/pseudonyms.ts'
import { maskMessage, maskSql } from '../../src/slice/anonymize/sql.ts'
import { slice } from '../../src/slice.ts'
import { itNeeds, ROOT } from '../kit/require.ts'

const names = readdirSync(join(ROOT, 'samples')).filter((n) => statSync(join(ROOT, 'samples', n)).isDirectory())
const inputsOf = (name: string): string[] =>
  readdirSync(join(ROOT, 'samples', name))
    .filter((f) => /\.pcap(ng)?$/.test(f))
    .map((f) => join(ROOT, 'samples', name, f))
const reports = new Map<string, Report>()
beforeAll(async () => {
  for (const name of names) reports.set(name, await analyze(inputsOf(name)))
}, 120_000)

const again = (files: readonly { input: string; bytes: Uint8Array }[]): Report =>
  analyzeBuffers(files.map((f) => ({ name: f.input, bytes: f.bytes })))
/** What a verdict says, without names of hosts and frames. */
const verdict = (f: Finding) => ({
  rule: f.rule,
  severity: f.severity,
  confidence: f.confidence,
  role: f.culprit.role,
  product: f.culprit.product,
  outcomes: f.occurrences.map((o) => o.outcome).sort(),
  commands: f.occurrences.map((o) => o.command).sort(),
})

describe('a slice of a finding gives the same finding', () => {
  for (const name of names) {
    it(name, async () => {
      const report = reports.get(name)!
      for (const f of report.findings) {
        const made = await slice(inputsOf(name), { finding: f.id, report })
        expect({ id: f.id, reproduces: made.reproduces }).toEqual({ id: f.id, reproduces: true })
        const found = again(made.files).findings.find((g) => g.id === f.id)
        expect(found && verdict(found)).toEqual(verdict(f))
      }
    })
  }
})

describe('anonymised, too', () => {
  for (const name of names) {
    it(name, async () => {
      const report = reports.get(name)!
      const secrets = secretsOf(report)
      for (const f of report.findings) {
        const made = await slice(inputsOf(name), { finding: f.id, report, anonymize: true })
        expect({ id: f.id, reproduces: made.reproduces }).toEqual({ id: f.id, reproduces: true })
        const other = again(made.files)
        const found = other.findings.find((g) => JSON.stringify(verdict(g)) === JSON.stringify(verdict(f)))
        expect(found && verdict(found)).toEqual(verdict(f))
        for (const file of made.files) {
          const text = Buffer.from(file.bytes).toString('latin1')
          expect(secrets.filter((s) => text.includes(s))).toEqual([])
          for (const address of addressesOf(report)) expect(Buffer.from(file.bytes).includes(address)).toBe(false)
        }
        // Times and lengths are what they were.
        const [own, masked] = [again((await slice(inputsOf(name), { finding: f.id, report })).files), other]
        if (own.sessions.length === masked.sessions.length) {
          const shape = (r: Report) =>
            r.sessions.map((s) => [s.startAt, s.endAt, s.bytes, s.history, s.ending.silenceSeconds])
          expect(shape(masked)).toEqual(shape(own))
        }
      }
    })
  }

  /** Names and literals of a report that must not show: users, schemas, words and values of statements. */
  function secretsOf(report: Report): string[] {
    const out = new Set<string>()
    for (const s of report.sessions) {
      for (const t of [s.mysql?.user, s.mysql?.schema, s.tls?.sni, s.mysql?.attributes['program_name']])
        if (t) out.add(t)
    }
    for (const f of report.findings)
      for (const o of f.occurrences)
        for (const m of (o.statement ?? '').matchAll(
          /'([^'()=]{4,})'|\bfrom\s+(\w{4,})|\binto\s+(\w{4,})|\b(\d{4,})\b/gi,
        ))
          out.add(m[1] ?? m[2] ?? m[3] ?? m[4]!)
    // Short or everyday words occur by chance, and the server's own stay.
    return [...out].filter(
      (t) =>
        t.length >= 5 &&
        !/^(mysql|utf8|collation|group_concat|dual|root|information_schema|performance_schema)/i.test(t) &&
        !/sleep/i.test(t),
    )
  }
  function addressesOf(report: Report): Buffer[] {
    const hosts = new Set(report.sessions.flatMap((s) => [s.client, s.server]).map((e) => e.replace(/:\d+$/, '')))
    return [...hosts]
      .filter((h) => /^\d+\.\d+\.\d+\.\d+$/.test(h) && !h.startsWith('127.'))
      .map((h) => Buffer.from(h.split('.').map(Number)))
  }

  it('the same frames give the same bytes; another key other ones', async () => {
    const inputs = inputsOf('idle-timeout-proxy')
    const one = { finding: 'idle-timeout-proxy', anonymize: true }
    const [a, b] = [await slice(inputs, one), await slice(inputs, one)]
    expect(Buffer.from(a.files[0]!.bytes).equals(b.files[0]!.bytes)).toBe(true)
    const c = await slice(inputs, { ...one, key: Buffer.alloc(32, 7) })
    expect(Buffer.from(a.files[0]!.bytes).equals(c.files[0]!.bytes)).toBe(false)
    expect(c.reproduces).toBe(true)
  })
})

describe('a slice of sessions', () => {
  const inputs = inputsOf('idle-timeout-proxy')
  it('has the session, its other leg, and nothing else', async () => {
    const made = await slice(inputs, { session: 'capture.pcap:2' })
    expect(
      again(made.files)
        .sessions.map((s) => s.client)
        .sort(),
    ).toEqual(['10.20.0.10:59186', '10.20.0.20:34674'])
  })

  it('bears comments at the frames of the evidence', async () => {
    const made = await slice(inputs, { finding: 'idle-timeout-proxy' })
    expect(Buffer.from(made.files[0]!.bytes).toString('latin1')).toContain(
      'mysqlconn idle-timeout-proxy: FIN from 10.20.0.20',
    )
  })

  it('by filter, and by time with the handshakes', async () => {
    const made = await slice(inputs, { filter: parseFilter('client == 10.20.0.11') })
    expect(again(made.files).sessions.length).toBeGreaterThan(0)
    const late = await slice(inputs, { since: '17:18:47', session: 'capture.pcap:2' })
    const whole = await slice(inputs, { session: 'capture.pcap:2' })
    expect(late.files[0]!.frames).toBeLessThanOrEqual(whole.files[0]!.frames)
    expect(again(late.files).sessions[0]!.mysql!.user).toBe('app')
  })

  it('takes the TLS keys along that its sessions need, from a key log or the capture; anonymised none', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mysqlconn-slice-'))
    try {
      const [from] = inputsOf('tls-error-queue') as [string]
      const hello = /\x16\x03[\x01-\x03]..\x01\x00..\x03\x03([\s\S]{32})/s.exec(readFileSync(from).toString('latin1'))!
      const mine = `CLIENT_RANDOM ${Buffer.from(hello[1]!, 'latin1').toString('hex')} ${'ab'.repeat(48)}`
      const other = `CLIENT_RANDOM ${'cd'.repeat(32)} ${'ef'.repeat(48)}`
      const keylog = join(folder, 'keys.log')
      writeFileSync(keylog, `${other}\n${mine}\n`)
      const one = { filter: parseFilter('tls == complete or tls == failed') }
      const text = async (inputs: string[], more: object): Promise<string> =>
        Buffer.from((await slice(inputs, { ...one, ...more })).files[0]!.bytes).toString('latin1')
      const cutOne = await text([from, keylog], {})
      expect(cutOne).toContain(mine)
      expect(cutOne).not.toContain(other)
      expect(await text([from, keylog], { anonymize: true })).not.toContain('CLIENT_RANDOM')
      // A slice of the slice finds them in its own block of secrets.
      writeFileSync(join(folder, 'cut.pcapng'), Buffer.from(cutOne, 'latin1'))
      expect(await text([join(folder, 'cut.pcapng')], {})).toContain(mine)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  it('refuses what it cannot find', async () => {
    await expect(slice(inputs, { finding: 'nothing' })).rejects.toThrow("there is no finding 'nothing'")
    await expect(slice(inputs, { session: 'capture.pcap:999' })).rejects.toThrow('there is no session')
    await expect(slice(inputs, { filter: parseFilter('user == nobody') })).rejects.toThrow('no session fits')
    await expect(slice(['-'], { session: 'x' })).rejects.toThrow('twice')
  })
})

describe('pseudonyms', () => {
  const key = Buffer.alloc(32, 1)
  const p = new Pseudonyms(key)

  it.each([
    "SELECT name, email FROM customers WHERE id = 4711 AND note = 'O\\'Hara, Ann' LIMIT 10",
    'INSERT INTO `order items` (a,b) VALUES (0xDEADBEEF, 1.5e-3), ("x""y", NULL) -- remark 12',
    "SET @tenant = 'acme'; SELECT @tenant",
    'SET STATEMENT max_statement_time=1 FOR SELECT secret FROM vault',
    "SET PASSWORD FOR 'bob'@'10.1.2.3' = 'hunter22'",
    "CREATE USER bob IDENTIFIED BY 'hunter22'",
    "/* trace=abcdef tenant=acme */ UPDATE accounts SET balance=balance-100 WHERE owner='ann",
    '/*!40001 SELECT secret_column FROM vault */',
    'SELECT caf\xe9 FROM menu\x80',
  ])('%s keeps its length and loses what is its own', (sql) => {
    const masked = maskSql(sql, p)
    expect(masked.length).toBe(sql.length)
    expect(masked).not.toMatch(
      /customers|email|4711|Hara|Ann|DEADBEEF|remark|tenant|acme|secret|vault|bob|hunter|accounts|owner='ann|abcdef|balance|order items|caf/i,
    )
    // The tokens end where they did.
    expect(masked.replace(/\\./g, '').replace(/[^'"`]/g, '')).toBe(sql.replace(/\\./g, '').replace(/[^'"`]/g, ''))
  })

  it.each([
    'SELECT 1',
    'KILL 4711',
    'SET NAMES utf8mb4',
    "SET SESSION sql_mode='ANSI'",
    'SELECT @@version_comment LIMIT 1',
    'BEGIN',
    'SET autocommit=0',
    'KILL QUERY 12',
    '/* ping */ SELECT 1',
  ])('%s says nothing of anybody and stays', (sql) => expect(maskSql(sql, p)).toBe(sql))

  it('equal names become equal names, quoted or not', () => {
    expect(maskSql('SELECT * FROM users u JOIN `users` x', p)).toMatch(/^SELECT \* FROM (\w{5}) \w JOIN `\1` \w$/)
    expect(p.name('Users')).toBe(p.name('users'))
  })

  it('messages lose what stands in quotes and addresses', () => {
    const m = "Access denied for user 'reporting'@'10.20.30.40' (using password: YES)"
    const masked = maskMessage(m, p)
    expect(masked).toMatch(/^Access denied for user '[a-z]{9}'@'[\d.a-z]{11}' \(using password: YES\)$/)
    expect(masked).not.toContain('10.20.30.40')
    expect(maskMessage('Lost connection to 10.1.2.3:3306', p)).toBe(
      'Lost connection to 11.1.1.1:1111'.replace('1111', '3306'),
    )
  })

  it('addresses keep their common prefixes and their kind', () => {
    const map = new AddressMap(key)
    const of = (a: string): number[] => [...map.map(Uint8Array.from(a.split('.').map(Number)))]
    const common = (a: number[], b: number[]): number => {
      const bits = (x: number[]): string => x.map((v) => v.toString(2).padStart(8, '0')).join('')
      let n = 0
      while (n < 32 && bits(a)[n] === bits(b)[n]) n++
      return n
    }
    expect(of('10.20.0.10')[0]).toBe(10)
    expect(of('192.168.7.1').slice(0, 2)).toEqual([192, 168])
    expect(of('127.0.0.1')[0]).toBe(127)
    const list = ['10.20.0.10', '10.20.0.11', '10.20.1.10', '10.99.0.1', '8.8.8.8', '8.8.4.4']
    const kind = (a: string): boolean => a.startsWith('10.')
    for (const a of list)
      for (const b of list.filter((x) => kind(x) === kind(a)))
        expect(common(of(a), of(b))).toBe(common(a.split('.').map(Number), b.split('.').map(Number)))
    expect(of('10.20.0.10')).not.toEqual([10, 20, 0, 10])
  })
})

describe('a recording with prepared statements, results, errors, a changed user', () => {
  const path = join(ROOT, 'test/fixtures/anonymize/mariadb.pcap')

  it('keeps nothing of ours: every name and literal began with zq', async () => {
    expect(readFileSync(path).toString('latin1').match(/zq/gi)!.length).toBeGreaterThan(80)
    const made = await slice([path], { filter: parseFilter('port == 33977'), anonymize: true })
    const text = Buffer.from(made.files[0]!.bytes).toString('latin1')
    for (const secret of [/zq/i, /Harald/, /4711/, /7a7173/]) expect(text).not.toMatch(secret)
    const [own, masked] = [await analyze([path]), again(made.files)]
    expect(masked.findings.map(verdict)).toEqual(own.findings.map(verdict))
    const counts = (r: Report) =>
      r.sessions.map((s) => [
        s.mysql!.commands,
        s.mysql!.errors.map((e) => [e.code, e.count]),
        s.bytes,
        s.mysql!.limits,
      ])
    expect(counts(masked)).toEqual(counts(own))
  })

  itNeeds('tshark')('is dissected by tshark without a fault', async () => {
    const made = await slice([path], { filter: parseFilter('port == 33977'), anonymize: true })
    const folder = mkdtempSync(join(tmpdir(), 'mysqlconn-slice-'))
    try {
      writeFileSync(join(folder, 'a.pcapng'), made.files[0]!.bytes)
      const check = ['-o', 'tcp.check_checksum:TRUE', '-o', 'ip.check_checksum:TRUE', '-d', 'tcp.port==33977,mysql']
      const bad = '_ws.malformed || tcp.checksum.status==0 || ip.checksum.status==0'
      expect(execFileSync('tshark', [...check, '-r', join(folder, 'a.pcapng'), '-Y', bad], { encoding: 'utf8' })).toBe(
        '',
      )
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

describe('damaged streams', () => {
  /** Client and server bytes of a small connection with a secret in every place that holds text. */
  const packet = (seq: number, body: string): Buffer => {
    const bytes = Buffer.from(body, 'latin1')
    const head = Buffer.alloc(4)
    head.writeUIntLE(bytes.length, 0, 3)
    head[3] = seq
    return Buffer.concat([head, bytes])
  }
  const column = '\x03def\x06secret\x06secret\x06secret\x06secret\x06secret\x0c\x3f\0\x15\0\0\0\xfd\x81\0\0\0\0'
  const client = Buffer.concat([
    packet(0, "\x03SELECT secret FROM secret WHERE secret='secret'"),
    packet(0, '\x16SELECT ? FROM secret'),
    packet(0, '\x17\x01\0\0\0\0\x01\0\0\0\0\x01\xfd\0\x06secret'),
    packet(0, '\x02secret'),
  ])
  const server = Buffer.concat([
    packet(1, '\x01'),
    packet(2, column),
    packet(3, '\xfe\0\0\x22\0'),
    packet(4, '\x06secret'),
    packet(5, '\xfe\0\0\x22\0'),
    packet(1, '\0\x01\0\0\0\0\0\x01\0\0\0\0'),
    packet(2, column),
    packet(3, '\xfe\0\0\x22\0'),
    packet(1, "\xff\x6c\x04#42S22Unknown column 'secret' in secret.secret".replace(' in secret.secret', '')),
    packet(1, '\0\0\0\x02\0\0\0'),
  ])
  const masked = (c: Buffer, s: Buffer, whole: [number, number]): string => {
    const [a, b] = [Uint8Array.from(c), Uint8Array.from(s)]
    new MysqlMask(
      { buf: a, whole: whole[0] },
      { buf: b, whole: whole[1] },
      new Pseudonyms(Buffer.alloc(32, 1)),
      'x',
    ).run()
    expect([a.length, b.length]).toEqual([c.length, s.length])
    return `${Buffer.from(a).toString('latin1')}|${Buffer.from(b).toString('latin1')}`
  }

  it('whole, nothing is left', () =>
    expect(masked(client, server, [client.length, server.length])).not.toContain('secret'))

  it('cut or with a hole anywhere, nothing is left and nothing throws', () => {
    fc.assert(
      fc.property(fc.nat(client.length), fc.nat(server.length), fc.boolean(), (c, s, hole) => {
        const out = hole ? masked(client, server, [c, s]) : masked(client.subarray(0, c), server.subarray(0, s), [c, s])
        expect(out).not.toContain('secret')
      }),
      { numRuns: 500 },
    )
  })

  it('with any bytes changed nothing throws and no length changes', () => {
    const change = fc.tuple(fc.nat(client.length + server.length - 1), fc.nat(255))
    fc.assert(
      fc.property(fc.array(change, { maxLength: 8 }), (changes) => {
        const all = Buffer.concat([client, server])
        for (const [at, to] of changes) all[at] = to
        masked(all.subarray(0, client.length), all.subarray(client.length), [client.length, server.length])
      }),
      { numRuns: 500 },
    )
  })

  it('noise of any kind', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 300 }), (c, s) => {
        try {
          masked(Buffer.from(c), Buffer.from(s), [c.length, s.length])
        } catch (e) {
          if (!(e instanceof MysqlconnError)) throw e
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe('compressed connections', () => {
  it('are refused rather than given away half masked', () => {
    const packet = (seq: number, body: Buffer): Buffer => {
      const head = Buffer.alloc(4)
      head.writeUIntLE(body.length, 0, 3)
      head[3] = seq
      return Buffer.concat([head, body])
    }
    const flags = (1 << 9) | (1 << 15) | (1 << 5)
    const greeting = Buffer.concat([
      Buffer.from('\x0a8.4.0\0\x01\0\0\0abcdefgh\0', 'latin1'),
      Buffer.from([flags & 255, (flags >> 8) & 255, 8, 2, 0, 0, 0, 0]),
    ])
    const login = Buffer.concat([
      Buffer.from([flags & 255, (flags >> 8) & 255, 0, 0]),
      Buffer.alloc(28),
      Buffer.from('app\0\0'),
    ])
    const client = Buffer.concat([packet(1, login), Buffer.from([5, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x0e])])
    const server = packet(0, greeting)
    const mask = new MysqlMask(
      { buf: client, whole: client.length },
      { buf: server, whole: server.length },
      new Pseudonyms(Buffer.alloc(32, 1)),
      'a.pcap:1',
    )
    expect(() => mask.run()).toThrow('a.pcap:1 is compressed and cannot be anonymised')
  })
})
