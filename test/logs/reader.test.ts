/** The reader: any bytes, any chunks, any length; times and zones; what is kept; what is a log at all. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { LIMITS } from '../../src/core/limits.ts'
import { Epoch } from '../../src/core/time.ts'
import { analyze } from '../../src/index.ts'
import { LogClock, zoneOf } from '../../src/logs/clock.ts'
import { detectLog } from '../../src/logs/detect.ts'
import type { LogEvent } from '../../src/logs/event.ts'
import { LOG_FORMATS } from '../../src/logs/index.ts'
import { scrub } from '../../src/logs/scrub.ts'
import { readStamp } from '../../src/logs/stamp.ts'
import { EventStore } from '../../src/logs/store.ts'
import { CAPTURES, needs } from '../kit/require.ts'
import { one, readLog } from './kit.ts'

const EXAMPLES = LOG_FORMATS.flatMap((f) => f.examples)

describe('any input', () => {
  const lines = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...EXAMPLES) },
    fc.constantFrom(
      '',
      '\tat com.example.X(X.java:1)',
      'Caused by: java.io.EOFException',
      '{',
      '}',
      '\u001b[31mred\u001b[0m',
    ),
    fc.string(),
  )
  const text = fc.array(lines, { maxLength: 30 }).map((l) => l.join('\n'))

  it('gives the same events however the bytes come', () => {
    fc.assert(
      fc.property(text, fc.infiniteStream(fc.integer({ min: 1, max: 300 })), (log, sizes) => {
        const whole = readLog(log)
        const cut = readLog(log, { chunks: () => sizes.next().value as number })
        expect(cut.events).toEqual(whole.events)
        expect(cut.odd).toEqual(whole.odd)
        expect(cut.counts).toEqual(whole.counts)
      }),
      { numRuns: 150 },
    )
  })

  it('mutated lines and arbitrary bytes never throw, and every line is counted once', () => {
    const mutated = fc
      .tuple(
        fc.constantFrom(...EXAMPLES),
        fc.array(fc.tuple(fc.nat(400), fc.integer({ min: 0, max: 255 })), { maxLength: 6 }),
      )
      .map(([line, changes]) => {
        const bytes = new TextEncoder().encode(`${line}\n`)
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte
        return bytes
      })
    const input = fc
      .array(fc.oneof(mutated, fc.uint8Array({ maxLength: 300 })), { maxLength: 12 })
      .map((parts) => Uint8Array.from(parts.flatMap((p) => [...p])))
    fc.assert(
      fc.property(input, (bytes) => {
        const { counts, events, odd } = readLog(bytes)
        const wanted = bytes.filter((b) => b === 10).length + (bytes.length > 0 && bytes.at(-1) !== 10 ? 1 : 0)
        expect(counts.lines).toBe(wanted)
        expect(counts.recognised + (odd['log.unreadable-line'] ?? 0)).toBe(wanted)
        for (const e of events) {
          expect(e.line).toBeGreaterThan(0)
          expect(e.line + e.lines - 1).toBeLessThanOrEqual(wanted)
          expect(e.at === null || Number.isFinite(e.at)).toBe(true)
          for (const v of Object.values(e)) expect(v === undefined || Number.isNaN(v)).toBe(false)
        }
      }),
      { numRuns: 400 },
    )
  })

  it('a line without end is read up to the limit, and what follows it as ever', () => {
    const long = `${EXAMPLES[0]} ${'x'.repeat(300_000)}`
    for (const chunks of [undefined, () => 7000]) {
      const { counts, odd, events } = readLog(`${long}\n${EXAMPLES[1]}\r\n`, chunks === undefined ? {} : { chunks })
      expect(counts.lines).toBe(2)
      expect(odd).toMatchObject({ 'log.long-line': 1 })
      expect(events.map((e) => e.line)).toEqual([1, 2])
      for (const e of events) expect(e.text.length).toBeLessThanOrEqual(LIMITS.logTextBytes)
    }
  })

  it('control characters stay as written, for renderers to escape; colours are read through', () => {
    const e = one('2026-11-20 17:00:00 ERROR Lost connection to MySQL server during query \u0007\u001b]0;owned\u0007')
    expect(e).toMatchObject({ what: 'broken', level: 'error' })
    expect(e.text).toContain('\u0007')
    const coloured =
      '\u001b[2m2026-11-20 17:00:00.000\u001b[0m \u001b[31mERROR\u001b[0m 1 --- [x] c.z.h.p.HikariPool : P - Pool stats (total=1, active=0, idle=1, waiting=0)'
    expect(one(coloured)).toMatchObject({ what: 'stats', pool: 'P' })
  })

  it('a statement that quotes another log forges no entry of it', () => {
    const forged =
      '2026-11-20 17:30:11 MySQL_Thread.cpp:1:x(): [WARNING] Closing unhealthy client connection 10.0.0.1:1'
    const { events } = readLog(
      `2026-11-20T17:52:36.101010Z\t   42 Query\tSELECT '\n${forged}\n'\n2026-11-20T17:52:36.2\n2026-11-20T17:52:36.141010Z\t   42 Quit\t\n`,
    )
    expect(events.map((e) => [e.format, e.what, e.lines])).toEqual([
      ['mysql-general', 'statement', 4],
      ['mysql-general', 'closed', 1],
    ])
  })

  it('endless digits are no number, and no time', () => {
    const e = one(EXAMPLES[1]!.replace('/5007 ', `/${'5'.repeat(400)} `))
    expect(e).toMatchObject({ what: 'idle-closed', at: null, durationMillis: null })
    const id = one(
      "2026-11-20T17:20:41.501234Z 12 [Note] Aborted connection 99999999999999999999 to db: 'a' user: 'b' host: 'c' (x)",
    )
    expect(id.connectionId).toBeNull()
  })

  it('lines made to be slow are read like others', () => {
    // Each took seconds with an expression that goes back over all of it; the test's own time limit is the bound.
    const hostile = [
      `10.0.0.1:1 [20/Nov/2026:17:00:00.000] ${'a/'.repeat(30_000)}`,
      `2026-11-20T17:20:41.501234Z 12 [Note] Aborted connection 1 to db: '${"' user: '".repeat(7000)}`,
      `2026-11-20 17:30:11 x.cpp:1:f(): [ERROR] Killing connection a:1 because query '${"' from client '".repeat(4000)} timed out.`,
    ]
    const { counts } = readLog(hostile.flatMap((l) => Array(20).fill(l)).join('\n'))
    expect(counts.lines).toBe(60)
  })

  it('unreadable lines are counted one by one, with their first places', async () => {
    const { odd, counts } = readLog(`${EXAMPLES[0]}\n${'garbage \u0001\n'.repeat(20)}`)
    expect(odd).toEqual({ 'log.unreadable-line': 20, 'log.no-time': undefined } as never)
    expect(counts).toMatchObject({ lines: 21, recognised: 1 })
  })
})

describe('times', () => {
  const NEAR = Date.UTC(2026, 11, 31, 23, 59) / 1000
  const read = (text: string, zone = 'UTC', near: number | null = NEAR): string | null => {
    const epoch = new Epoch()
    epoch.instant(NEAR, 0)
    const at = new LogClock(epoch, zoneOf(zone), near).instant(readStamp(text)!.stamp)
    return at === null ? null : epoch.rfc3339(at)
  }

  it.each([
    ['2026-11-20 17:10:00', '2026-11-20T17:10:00.000000Z'],
    ['2026-11-20T17:10:00.123456Z', '2026-11-20T17:10:00.123456Z'],
    ['2026-11-20T17:10:00.5+08:00', '2026-11-20T09:10:00.500000Z'],
    ['2026-11-20 17:10:00,123', '2026-11-20T17:10:00.123000Z'],
    ['2025-01-23  8:42:10', '2025-01-23T08:42:10.000000Z'],
    ['2020/06/01 18:13:51', '2020-06-01T18:13:51.000000Z'],
    ['06/Feb/2009:12:12:51.443', '2009-02-06T12:12:51.443000Z'],
    ['20/Nov/2026:17:18:41 +0100', '2026-11-20T16:18:41.000000Z'],
    ['130722 17:26:20', '2013-07-22T17:26:20.000000Z'],
    ['20-Nov-2026 17:10:00.123', '2026-11-20T17:10:00.123000Z'],
    ['Nov 20, 2026 5:10:00 PM', '2026-11-20T17:10:00.000000Z'],
    ['1795194600123', '2026-11-20T17:10:00.123000Z'],
  ])('%s', (text, want) => expect(read(text)).toBe(want))

  it('a missing year is the one that lies nearest, also across New Year', () => {
    expect(read('Dec 31 23:59:59')).toBe('2026-12-31T23:59:59.000000Z')
    expect(read('Jan  1 00:00:01')).toBe('2027-01-01T00:00:01.000000Z')
    expect(read('Jan  1 00:00:01', 'UTC', null)).toBeNull()
  })

  it('a missing date as well, across midnight', () => {
    expect(read('23:58:00.123')).toBe('2026-12-31T23:58:00.123000Z')
    expect(read('00:02:00.123')).toBe('2027-01-01T00:02:00.123000Z')
  })

  it('zones: offsets, and names with their summer time', () => {
    expect(read('2026-11-20 17:10:00', '+08:00')).toBe('2026-11-20T09:10:00.000000Z')
    expect(read('2026-11-20 17:10:00', 'Asia/Shanghai')).toBe('2026-11-20T09:10:00.000000Z')
    expect(read('2026-07-20 17:10:00', 'Europe/Berlin')).toBe('2026-07-20T15:10:00.000000Z')
    expect(read('2026-12-20 17:10:00', 'Europe/Berlin')).toBe('2026-12-20T16:10:00.000000Z')
    for (const bad of ['', 'Nowhere/Land', '+25:00', 'CETX', '8']) expect(zoneOf(bad)).toBeNull()
  })

  it('nothing that is no time is one', () => {
    for (const text of ['2026-13-01 00:00:00', '2026-11-20 25:00:00', 'Nov 99 17:00:00', '20/Foo/2026:17:18:41', ''])
      expect(readStamp(text)).toBeNull()
    fc.assert(
      fc.property(fc.string(), (s) => {
        readStamp(s)
      }),
    )
  })
})

describe('credentials', () => {
  it.each([
    ['jdbc:mysql://db:3306/shop?user=app&password=hunter2&x=1', 'hunter2'],
    ['mysql://app:hunter2@db:3306/shop', 'hunter2'],
    ['app:hunter2@tcp(db:3306)/shop', 'hunter2'],
    ["CREATE USER 'a'@'%' IDENTIFIED BY 'hunter2'", 'hunter2'],
    ["ALTER USER a IDENTIFIED WITH caching_sha2_password BY 'hunter2'", 'hunter2'],
    ["SET PASSWORD FOR a = 'hunter2'", 'hunter2'],
    ['{"user":"a","password":"hunter2"}', 'hunter2'],
    ['--password=hunter2 -u a', 'hunter2'],
  ])('%s', (text, secret) => expect(scrub(text)).not.toContain(secret))

  it('says nothing less of an error', () => {
    const text = "Access denied for user 'app'@'10.0.0.1' (using password: YES)"
    expect(scrub(text)).toBe(text)
  })
})

describe('what is kept', () => {
  const event = (what: LogEvent['what'], line: number, at = 0): LogEvent =>
    ({ ...one(EXAMPLES[0]!), input: 'a.log', what, line, at, state: null, level: null }) as LogEvent

  it('routine never pushes out what matters', () => {
    const store = new EventStore(80)
    for (let i = 0; i < 500; i++) store.add(event('statement', i))
    for (let i = 500; i < 520; i++) store.add(event('broken', i))
    expect(store.list().filter((e) => e.what === 'broken')).toHaveLength(20)
    expect(store.list()).toHaveLength(30)
    expect(store.dropped).toBe(490)
  })

  it('near the captures comes first', () => {
    const store = new EventStore(8)
    store.window = { from: 100, to: 200 }
    for (let i = 0; i < 50; i++) store.add(event('broken', i, 0))
    for (let i = 50; i < 54; i++) store.add(event('broken', i, 150))
    expect(store.list().filter((e) => e.at === 150)).toHaveLength(4)
  })
})

describe('detection', () => {
  const log = (text: string): string | null => detectLog(new TextEncoder().encode(text))

  it('names a log by its content', () => {
    for (const f of LOG_FORMATS) expect(log(`${f.examples.join('\n')}\n`)).toBe(f.id)
  })

  it('prose, code, tables and settings are no log', () => {
    const md = '# Title\n\nAn error:\n\n```\n2026-11-20 17:00:00 ERROR x\n```\n\nMore.\nText.\nAnd more.\n'
    for (const text of [
      'hello\nworld\n',
      md,
      '{\n "a": 1\n}\n',
      'id\tname\n1\talice\n',
      '[mysqld]\nport=3306\n',
      '\n\n\n',
      '',
    ])
      expect(log(text)).toBeNull()
  })
})

describe('analyze', () => {
  const dir = mkdtempSync(join(tmpdir(), 'mysqlconn-logs-'))
  afterAll(() => rmSync(dir, { recursive: true, force: true }))
  const file = (name: string, data: string | Uint8Array): string => {
    writeFileSync(join(dir, name), data)
    return join(dir, name)
  }
  const HAPROXY = `${EXAMPLES[1]}\n${EXAMPLES[2]}\nnoise\n`

  it('takes logs alone, plain and compressed, and says what was read', async () => {
    for (const path of [file('haproxy.log', HAPROXY), file('haproxy.log.gz', gzipSync(HAPROXY))]) {
      const { inputs, findings } = await analyze([path])
      expect(inputs).toMatchObject([
        {
          kind: 'log',
          format: 'haproxy-tcplog',
          lines: 3,
          recognised: 2,
          anomalies: [{ kind: 'log.unreadable-line', count: 1, places: ['line 3'] }],
        },
      ])
      expect(findings).toBeInstanceOf(Array)
    }
  })

  it('a zone for all logs, and for one; a zone that is none', async () => {
    const path = file('px.log', '2026-11-20 17:30:11 [INFO] ProxySQL version 2.5.5\n')
    const first = async (...timeZones: string[]) => (await analyze([path], { timeZones })).inputs[0]!.firstAt
    expect(await first()).toBe('2026-11-20T17:30:11.000000Z')
    expect(await first('+08:00')).toBe('2026-11-20T09:30:11.000000Z')
    expect(await first('UTC', 'px.log=Asia/Shanghai')).toBe('2026-11-20T09:30:11.000000Z')
    await expect(first('Mars/Base')).rejects.toMatchObject({ code: 'E_USAGE' })
    await expect(first('nolog=+08:00')).rejects.toMatchObject({ code: 'E_USAGE' })
  })

  it('text that is no log is named beside a log, and an error alone', async () => {
    const prose = file('notes.txt', 'just some\nnotes\n')
    const { inputs } = await analyze([file('h.log', HAPROXY), prose])
    expect(inputs.find((i) => i.name === 'notes.txt')).toMatchObject({
      format: 'text',
      anomalies: [{ kind: 'log.unread' }],
    })
    await expect(analyze([prose])).rejects.toMatchObject({ code: 'E_INPUT_UNRECOGNISED' })
  })
})

needs(CAPTURES)('logs of real incidents', () => {
  /** Not logs: what a command printed. */
  const PRINTED =
    /mysql-cli\.log|sysbench\.log|proto-zlib-mariadb\/app\.log|wrong-protocol-tls-hello-to-mysql-port\/app\.log/
  const EXPECTED: [RegExp, RegExp][] = [
    [/\/haproxy\.log$/, /^haproxy-tcplog$/],
    [/proxysql\.log$/, /^proxysql$/],
    [/\/mysqld-general\.log$/, /^mysql-general$/],
    [/\/mysqld[^/]*\.log$/, /^(?:mysql|mariadb)-error$/],
    [/mysqlrouter\.log$/, /^mysql-router$/],
    [/hikari\.log$/, /^hikaricp$/],
  ]
  const logs = ['incidents', 'proxysql'].flatMap((set) =>
    readdirSync(join(CAPTURES, set), { recursive: true, encoding: 'utf8' })
      .filter((f) => f.endsWith('.log') && !PRINTED.test(f))
      .map((f) => join(CAPTURES, set, f)),
  )

  it(`all ${logs.length} are recognised, nearly every line, at the right time`, () => {
    for (const path of logs) {
      const bytes = readFileSync(path)
      if (bytes.length === 0) continue
      const format = detectLog(bytes.subarray(0, 16_384))
      expect([path, format]).not.toEqual([path, null])
      const expected = EXPECTED.find(([name]) => name.test(path))
      if (expected !== undefined) expect([path, format]).toEqual([path, expect.stringMatching(expected[1])])
      const { counts, events } = readLog(bytes)
      expect([path, counts.recognised / counts.lines]).toEqual([path, expect.toSatisfy((share: number) => share > 0.9)])
      for (const e of events) if (e.at !== null) expect(Math.abs(e.at)).toBeLessThan(86_400e9)
    }
  })

  it('every abort of a server names its connection, or came before a login', () => {
    let aborts = 0
    for (const path of logs.filter((p) => /mysqld\.log$/.test(p))) {
      for (const e of readLog(readFileSync(path)).events) {
        if (e.what !== 'aborted' || !e.text.includes('Aborted connection')) continue
        aborts++
        expect(e.connectionId).toBe(Number(/Aborted connection (\d+)/.exec(e.text)![1]))
        expect(e.reason).not.toBeNull()
      }
    }
    expect(aborts).toBeGreaterThan(200)
  })

  it('HAProxy’s cut connections are as many as its lines say', () => {
    for (const path of logs.filter((p) => p.endsWith('haproxy.log'))) {
      const text = readFileSync(path, 'utf8')
      const cut = text.split('\n').filter((l) => / [cs]D /.test(l)).length
      expect(readLog(text).events.filter((e) => e.what === 'idle-closed')).toHaveLength(cut)
    }
  })
})
