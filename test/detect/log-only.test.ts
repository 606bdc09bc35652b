/** Findings from logs alone: what they name, what they must not, and how sure they may be. */
import { describe, expect, it } from 'vitest'
import { hasTheBug } from '../../src/detect/log-only/verdict.ts'
import { citedLines, judgeLogged } from '../kit/logged.ts'
import { play, rows } from '../kit/play.ts'

const broken = (
  id: number,
  used: number,
  code = '2013, Lost connection to MySQL server during query',
  at = '42',
): string =>
  `2026-01-01 00:00:${at} MySQL_Session.cpp:4423:handler_minus1_ClientLibraryError(): [ERROR] Detected a broken connection while running query on (20,10.1.0.30,3306,${id}) , FD (Conn:28 , MyDS:28) , user shopapp , last_used ${used}ms ago : ${code}`
const retrying =
  '2026-01-01 00:00:42 MySQL_Session.cpp:4437:handler_minus1_ClientLibraryError(): [WARNING] Retrying query.'
const aborted = (second: string, id: number, reason: string): string =>
  `2026-01-01 00:00:${second} ${id} [Warning] Aborted connection ${id} to db: 'shop' user: 'shopapp' host: '10.1.0.20' (${reason})`
const version = (v: string): string => `2026-01-01 00:00:01 [INFO] ProxySQL version ${v}`
const ready = '2025-12-31 23:59:00 0 [Note] mariadbd: ready for connections.'
const tcplog = (port: number, state: string, millis = 10_003, accepted = '00:00:00.000'): string =>
  `haproxy[731]: 10.0.0.1:${port} [01/Jan/2026:${accepted}] mysql_front mysql_back/db1 1/0/${millis} 171 ${state} 1/1/0/0/0 0/0`
const lost = (second: string, id: number, port: number, server = '10.0.0.5:3306'): string[] => [
  `2026-01-01 00:00:00,005 INFO [app] a connected to ${server} thread_id=${id} local=10.0.0.1:${port}`,
  `2026-01-01 00:00:${second},100 ERROR [app] a q failed after 0.001s thread_id=${id} local=10.0.0.1:${port}: OperationalError(2013, 'Lost connection to MySQL server during query')`,
]

describe('ProxySQL and its left-over TLS errors', () => {
  it('connections in use called broken, in an affected version, while the server saw the other side leave', async () => {
    const j = await judgeLogged([], {
      'proxysql.log': [version('2.5.5-10-g195bd70'), broken(32, 19), retrying, broken(35, 24)],
      'mysqld.log': [ready, aborted('42', 35, 'Got an error reading communication packets')],
    })
    const f = j.only('tls-error-queue')
    expect(j.accusations).toEqual([f])
    expect(f).toMatchObject({
      severity: 'error',
      confidence: 'likely',
      culprit: { role: 'proxy', product: 'ProxySQL 2.5.5-10-g195bd70' },
    })
    expect(f.excluded.join()).toContain('24 ms before')
    expect(f.excluded.join()).toContain('mysqld.log:2')
    expect(f.occurrences.map((o) => o.session)).toEqual(['proxysql.log:2', 'proxysql.log:4'])
    // The first was tried again elsewhere; the client lost the second.
    expect(f.occurrences.map((o) => o.outcome)).toEqual(['none', 'delivered-unknown'])
    expect(f.remedy.map((r) => r.config).join()).toContain('tcpdump -i any')
  })

  it('the application behind it: its "Success (0)" at the same second is the loss', async () => {
    const app = [
      "2026-01-01 00:00:42,300 ERROR [django.request] OperationalError: (2026, 'TLS/SSL error: Success (0)') local=10.0.0.7:41000",
    ]
    const j = await judgeLogged([], { 'proxysql.log': [version('2.5.5'), broken(35, 24)], 'app.log': app })
    const f = j.only('tls-error-queue')
    expect(j.accusations).toEqual([f])
    expect(f.occurrences[0]?.client).toBe('10.0.0.7:41000')
    expect(citedLines(f.occurrences[0]).join()).toContain('app.log:1')
    expect(j.report.summary.blind).toEqual([])
  })

  it('lines pasted without times, of a version unknown: possible', async () => {
    const bare = broken(1199180, 19).replace(/^\S+ \S+ /, '')
    const j = await judgeLogged([], { 'proxysql.log': [bare, bare.replace('1199180', '1199181')] })
    expect(j.only('tls-error-queue')).toMatchObject({
      confidence: 'possible',
      culprit: { role: 'proxy', product: 'ProxySQL' },
    })
  })

  it('a fixed version: not this', async () => {
    const j = await judgeLogged([], { 'proxysql.log': [version('2.7.0-1-gabc'), broken(32, 19)] })
    expect(j.accusations).toEqual([])
    expect(j.report.summary.blind.join()).toContain('no log says who closed')
  })

  it.each([
    ['2.2.2', false],
    ['2.3.0', true],
    ['2.5.5', true],
    ['2.6.4-12-gabc', true],
    ['2.6.5', false],
    ['2.7.0', false],
    ['3.0.1', false],
  ])('%s: affected %s', (v, bug) => {
    expect(hasTheBug(v)).toBe(bug)
  })

  it('the server killed it: connection-killed', async () => {
    const j = await judgeLogged([], {
      'proxysql.log': [version('2.5.5'), broken(275, 19)],
      'mysqld.log': [ready, aborted('42', 275, 'KILLED')],
    })
    expect(j.accusations.map((f) => f.rule)).toEqual(['connection-killed'])
  })

  it('KILL QUERY is written as KILLED too: the connection lives', async () => {
    const j = await judgeLogged([], {
      'proxysql.log': [
        version('2.5.5'),
        '2026-01-01 00:00:42 MySQL_Session.cpp:248:kill_query_thread(): [WARNING] KILL QUERY 309 on 10.1.0.30:3306',
      ],
      'mysqld.log': [ready, aborted('42', 309, 'KILLED')],
    })
    expect(j.accusations).toEqual([])
    expect(j.of('query-cancelled')).toHaveLength(1)
  })

  it('the server had timed it out: idle-timeout-server, not the proxy', async () => {
    const j = await judgeLogged([], {
      'proxysql.log': [version('2.5.5'), broken(292, 6687, '2006, MySQL server has gone away', '50')],
      'mysqld.log': [ready, aborted('46', 292, 'Got timeout reading communication packets')],
    })
    expect(j.only('idle-timeout-server')).toMatchObject({ culprit: { role: 'server', address: '10.1.0.30' } })
    expect(j.accusations).toHaveLength(1)
  })

  it('the server had crashed: server-crash', async () => {
    const j = await judgeLogged([], {
      'proxysql.log': [version('2.5.5'), broken(470, 205), broken(467, 72)],
      'mysqld.log': [ready, '2026-01-01 00:00:44 0 [Note] InnoDB: Starting crash recovery from checkpoint LSN=125120'],
    })
    expect(j.accusations.map((f) => f.rule)).toEqual(['server-crash'])
  })
})

describe('HAProxy', () => {
  it('cD with the application’s loss: an error, and the product’s word for it', async () => {
    const j = await judgeLogged([], {
      'haproxy.log': [tcplog(40000, 'cD'), tcplog(40001, '--', 500)],
      'app.log': lost('13', 7, 40000),
    })
    const f = j.only('idle-timeout-proxy')
    expect(j.accusations).toEqual([f])
    expect(f).toMatchObject({
      severity: 'error',
      confidence: 'certain',
      culprit: { role: 'proxy', address: '10.0.0.5', product: 'HAProxy' },
    })
    expect(f.occurrences).toHaveLength(1)
    expect(f.occurrences[0]).toMatchObject({ client: '10.0.0.1:40000', session: 'haproxy.log:1' })
    expect(citedLines(f.occurrences[0]).map((l) => l.split(' ')[0])).toEqual(['haproxy.log:1', 'app.log:2'])
    expect(f.title).toContain('at most 10.0 s')
  })

  it('sD while the application waited for an answer: a statement that ran longer than timeout server', async () => {
    const j = await judgeLogged([], {
      'haproxy.log': [tcplog(40000, 'sD', 20_002)],
      'app.log': [
        lost('20', 7, 40000)[0]!,
        "2026-01-01 00:00:20,010 ERROR [app] a q failed after 20.001s thread_id=7 local=10.0.0.1:40000: OperationalError(2013, 'Lost connection to MySQL server during query')",
      ],
    })
    const f = j.only('idle-timeout-proxy')
    expect(f.title).toContain('while a statement ran longer than it lets the server be silent')
    expect(f.severity).toBe('error')
    const idle = await judgeLogged([], {
      'haproxy.log': [tcplog(40000, 'sD', 20_002)],
      'app.log': lost('35', 7, 40000),
    })
    expect(idle.only('idle-timeout-proxy').title).toContain('for being idle')
  })

  it('cD and nobody who lost anything: a warning', async () => {
    expect((await judgeLogged([], { 'haproxy.log': [tcplog(40000, 'cD')] })).only('idle-timeout-proxy').severity).toBe(
      'warning',
    )
  })

  it.each([
    ['K-', 'proxy-shutdown'],
    ['D-', 'proxy-shutdown'],
    ['SC', 'connect-refused'],
    ['sC', 'connect-timeout'],
  ])('%s: %s', async (state, rule) => {
    const j = await judgeLogged([], { 'haproxy.log': [tcplog(40000, state)] })
    expect(j.accusations.map((f) => f.rule)).toEqual([rule])
  })

  it.each(['--', 'CD', 'SD', 'CC'])('%s alone accuses nobody', async (state) => {
    expect((await judgeLogged([], { 'haproxy.log': [tcplog(40000, state)] })).accusations).toEqual([])
  })
})

describe('what logs cannot tell', () => {
  it('Connector/J’s wait_timeout sentence alone accuses no server', async () => {
    const app = [
      "2026-01-01 00:00:13.010 ERROR [main] app - com.mysql.jdbc.exceptions.jdbc4.CommunicationsException: The last packet successfully received from the server was 63,213,665 milliseconds ago.  The last packet sent successfully to the server was 63,213,666 milliseconds ago. is longer than the server configured value of 'wait_timeout'. You should consider either expiring and/or testing connection validity before use in your application",
    ]
    const j = await judgeLogged([], { 'app.log': app })
    expect(j.accusations).toEqual([])
    expect(j.report.summary.blind.join()).toContain('no log says who closed')
  })

  it('a lost connection of which no other log speaks: nobody is accused, the report says what to capture', async () => {
    const j = await judgeLogged([], { 'app.log': lost('13', 7, 40000) })
    expect(j.accusations).toEqual([])
    expect(j.report.summary.blind.join()).toMatch(/1 connection is called dead in the logs.*capture/)
  })

  it('"error reading" in the server’s log alone accuses nobody', async () => {
    const j = await judgeLogged([], {
      'mysqld.log': [ready, aborted('01', 7, 'Got an error reading communication packets')],
    })
    expect(j.accusations).toEqual([])
  })

  it('an orderly shutdown that nobody noticed is no finding', async () => {
    const log = [ready, '2026-01-01 00:00:30 0 [Note] mariadbd (initiated by: unknown): Normal shutdown']
    const j = await judgeLogged([], { 'mysqld.log': log, 'haproxy.log': [tcplog(40000, '--', 500)] })
    expect(j.accusations).toEqual([])
  })

  it('both sides waited for each other: the network, and only possibly', async () => {
    const app = [
      lost('13', 50, 40000, '10.0.0.2:3306')[0]!,
      "2026-01-01 00:00:18,249 ERROR [app] a q failed after 9.009s thread_id=50 local=10.0.0.1:40000: OperationalError(2013, 'Lost connection to MySQL server during query (timed out)')",
    ]
    const j = await judgeLogged([], {
      'app.log': app,
      'mysqld.log': [ready, aborted('22', 50, 'Got timeout reading communication packets')],
    })
    expect(j.only('silent-drop')).toMatchObject({ confidence: 'possible', culprit: { role: 'network' } })
    expect(j.accusations).toHaveLength(1)
  })
})

describe('with a capture at hand', () => {
  it('what the capture shows is told by its packets alone', async () => {
    const p = play({ client: '10.0.0.1:40000', server: '10.0.0.5:3306' })
      .connect()
      .login()
      .query('SELECT 1 + 1', rows(1))
      .wait('1s')
      .quit()
    // A line of the same minute whose connection is not in the capture, of a client that is.
    const j = await judgeLogged([p], { 'haproxy.log': [tcplog(47777, 'cD', 500)] })
    expect(j.accusations).toEqual([])
  })

  it('an hour before it: told by the log', async () => {
    const p = play({ client: '10.0.0.1:40000', server: '10.0.0.5:3306' }).connect().login()
    p.query('SELECT 1 + 1', rows(1)).wait('1s').quit()
    const before = tcplog(47778, 'cD', 500).replace('01/Jan/2026:00', '31/Dec/2025:23')
    const j = await judgeLogged([p], { 'haproxy.log': [before, tcplog(40000, '--', 1001), tcplog(47777, 'cD', 500)] })
    expect(j.only('idle-timeout-proxy').occurrences.map((o) => o.session)).toEqual(['haproxy.log:1'])
  })
})

describe('pools', () => {
  const druid = (what: string): string =>
    `2026-01-01 00:00:12.325 ERROR 1 --- [Scheduler] c.a.druid.pool.DruidAbstractDataSource : ${what}`

  it('Druid: the ping was answered, but not on this connection', async () => {
    const j = await judgeLogged([], {
      'app.log': [
        druid(
          'discard long time none received connection. , jdbcUrl : jdbc:mysql:replication://10.0.0.2:3306,10.0.0.3:3306/shop, version : 1.2.8, lastPacketReceivedIdleMillis : 74927',
        ),
      ],
    })
    expect(j.only('validation-wrong-connection')).toMatchObject({ culprit: { role: 'client' } })
    expect(j.accusations).toHaveLength(1)
  })

  it('Druid: idle shorter than its checks come', async () => {
    const j = await judgeLogged([], {
      'app.log': [
        '2026-01-01 00:00:32.522 ERROR 17032 --- [http-nio-8080-exec-3] c.a.d.p.DruidPooledStatement : CommunicationsException, druid version 1.1.10, jdbcUrl : jdbc:mysql://db1:3306/shop, testWhileIdle true, idle millis 48915, minIdle 10, poolingCount 8, timeBetweenEvictionRunsMillis 3600000, lastValidIdleMillis 48915, driver com.mysql.cj.jdbc.Driver, exceptionSorter com.alibaba.druid.pool.vendor.MySqlExceptionSorter',
      ],
    })
    const f = j.only('validation-too-late')
    expect(citedLines(f.occurrences[0])[0]).toContain('died after 48.9 s, unchecked')
  })

  it('source and replica behind one pooled object: the checks went to the source', async () => {
    const pool = [
      '2026-01-01 00:00:00,002 INFO [druid.pool] master connected to 10.0.0.2:3306 thread_id=74 local=10.0.0.1:39000',
      '2026-01-01 00:00:00,007 INFO [druid.pool] slave connected to 10.0.0.5:3307 thread_id=16 local=10.0.0.1:40000',
      ...['03', '06', '09', '12'].map((s) => `2026-01-01 00:00:${s},323 DEBUG [druid.pool] master ping ok 0.4ms`),
      "2026-01-01 00:00:18,325 ERROR [druid.pool] slave q failed after 0.000s thread_id=16 local=10.0.0.1:40000: OperationalError(2013, 'Lost connection to MySQL server during query')",
    ]
    const j = await judgeLogged([], { 'pool.log': pool, 'haproxy.log': [tcplog(40000, 'cD')] })
    expect(j.accusations.map((f) => f.rule).sort()).toEqual(['idle-timeout-proxy', 'validation-wrong-connection'])
    expect(j.only('validation-wrong-connection')).toMatchObject({
      confidence: 'likely',
      culprit: { role: 'client', address: '10.0.0.1' },
    })
  })
})
