/** Every format by lines as they are found in the field: recognised by it and no other, and read right. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { LogEvent } from '../../src/logs/event.ts'
import { termination } from '../../src/logs/formats/haproxy-states.ts'
import { LOG_FORMATS } from '../../src/logs/index.ts'
import { one, readLog } from './kit.ts'

describe('the table', () => {
  it.each(LOG_FORMATS.map((f) => [f.id, f] as const))(
    '%s: its examples are its own, and each says something',
    (id, f) => {
      expect(f.examples.length).toBeGreaterThan(0)
      for (const example of f.examples) {
        const { counts, odd } = readLog(`${example}\n`)
        expect([example, [...counts.byFormat.keys()]]).toEqual([example, [id]])
        expect(odd['log.unreadable-line']).toBeUndefined()
      }
      const events = f.examples.flatMap((e) => readLog(e).events)
      expect(events.length).toBeGreaterThan(0)
    },
  )

  it('ids are unique, and the general format is last', () => {
    expect(new Set(LOG_FORMATS.map((f) => f.id)).size).toBe(LOG_FORMATS.length)
    expect(LOG_FORMATS.at(-1)!.id).toBe('application')
  })
})

type Row = [string, string, Partial<LogEvent>]

const PX = '2026-11-20 17:30:11 MySQL_Session.cpp:1:handler(): [ERROR] '
const PW = '2026-11-20 17:30:11 MySQL_Thread.cpp:1:process_all_sessions(): [WARNING] '
const ROWS: Row[] = [
  [
    'ProxySQL 1.4: no id',
    `${PX}Detected a broken connection during query on (50,shard14,3306) , FD (Conn:269 , MyDS:269) : 2006, MySQL server has gone away`,
    { what: 'broken', connectionId: null, server: 'shard14:3306', code: 2006 },
  ],
  [
    'ProxySQL 2.0.12: with the id',
    `${PX}Detected a broken connection during query on (50,10.1.0.3,3306,77) , FD (Conn:269 , MyDS:269) : 2013, Lost connection to MySQL server during query`,
    { what: 'broken', connectionId: 77, code: 2013 },
  ],
  [
    'ProxySQL 2.3: doubled words, no FD',
    `${PX}Detected a broken connection while while setting INIT CONNECT on (5,10.1.0.3,3306,9) , user app , last_used 3ms ago : 2013, Lost connection`,
    { what: 'broken', connectionId: 9, idleMillis: 3, user: 'app' },
  ],
  [
    'ProxySQL 9004 is ProxySQL’s own doing',
    `${PX}Detected a broken connection while running query on (5,h,3306,9) , FD (Conn:1 , MyDS:1) , user app , last_used 3ms ago : 9004, Detected offline server prior to statement execution`,
    { what: 'broken', code: 9004, closedBy: 'proxy' },
  ],
  [
    'ProxySQL wait_timeout',
    `${PW}Killing client connection 10.1.0.10:40000 because inactive for 28800001ms`,
    {
      what: 'idle-closed',
      closedBy: 'proxy',
      client: '10.1.0.10:40000',
      idleMillis: 28_800_001,
      reason: 'mysql-wait_timeout',
    },
  ],
  [
    'ProxySQL transaction idle',
    `${PW}Killing client connection 10.1.0.10:40000 because of (possible) transaction idle for 14400002ms`,
    { what: 'idle-closed', idleMillis: 14_400_002 },
  ],
  [
    'ProxySQL transaction running',
    `${PW}Killing client connection 10.1.0.10:40000 because of (possible) transaction running for 14400002ms`,
    { what: 'timed-out', durationMillis: 14_400_002 },
  ],
  [
    'ProxySQL scanner',
    `${PW}Closing not established client connection 10.1.0.66:40000 after 10000ms`,
    { what: 'timed-out', reason: 'mysql-connect_timeout_client' },
  ],
  [
    'ProxySQL query timeout',
    `${PW}Killing connection 10.1.0.30:3306 because query 'SELECT SLEEP(9)' from client '10.1.0.10':40000 timed out.`,
    { what: 'timed-out', statement: 'SELECT SLEEP(9)', client: '10.1.0.10:40000' },
  ],
  [
    'ProxySQL KILL',
    `${PW}KILL QUERY 1199180 on 10.1.0.30:3306`,
    { what: 'killed', connectionId: 1_199_180, closedBy: 'proxy' },
  ],
  [
    'ProxySQL blocked by the server',
    `${PX}Failed to mysql_real_connect() on 1:10.65.0.32:3306 , FD (Conn:4564 , MyDS:4564) , 1129: Host '10.65.0.32' is blocked because of many connection errors`,
    { what: 'host-blocked', code: 1129, server: '10.65.0.32:3306' },
  ],
  [
    'ProxySQL max_connections',
    `${PW}mysql-max_connections reached. Returning 'Too many connections'`,
    { what: 'too-many-connections', closedBy: 'proxy', code: 1040 },
  ],
  [
    'ProxySQL client certificate',
    '2026-11-20 17:30:11 mysql_data_stream.cpp:264:do_ssl_handshake(): [ERROR] Disconnecting 10.1.0.66:41000: X509 client SSL certificate verify error: (10:certificate has expired)',
    { what: 'tls-failed', client: '10.1.0.66:41000', reason: 'certificate has expired' },
  ],
  [
    'MySQL 5.7',
    "2025-08-18T20:25:04.002048Z 101 [Note] Aborted connection 101 to db: 'ts' user: 'root' host: '10.0.2.229' (Got timeout writing communication packets)",
    { what: 'aborted', connectionId: 101, code: 1161, closedBy: 'server', product: 'MySQL' },
  ],
  [
    'MySQL 8: cut at 64 characters',
    "2026-11-20T17:20:41.501234Z 12 [Note] [MY-010914] [Server] Aborted connection 12 to db: 'unconnected' user: 'app' host: 'x' (The client was disconnected by the server because of inactivity.).",
    { what: 'aborted', code: 4031, schema: null, connectionId: 12 },
  ],
  [
    'MySQL 9 names its timer',
    '2026-11-20T17:20:41.5Z'.replace('.5Z', '.500000Z') +
      ' 12 [Note] [MY-015222] [Server] A connection from `app`@`%` was closed by the server due to a timeout in the communication layer (vio:0, packet:0) 10 seconds after the last command started. Currently configured wait_timeout is 10 seconds.',
    {
      what: 'idle-closed',
      closedBy: 'server',
      idleMillis: 10_000,
      connectionId: 12,
      fields: { errorCode: 'MY-015222', wait_timeout: 10, host: '%' },
    },
  ],
  [
    'MySQL 8: before the login, bare',
    '2026-11-20T17:20:41.501234Z 12 [Note] [MY-010914] [Server] Got timeout reading communication packets',
    { what: 'aborted', code: 1159, connectionId: 12 },
  ],
  [
    'MariaDB: hour with a space',
    "2025-01-23  8:42:10 5 [Warning] Aborted connection 5 to db: 'shop' user: 'app' host: '10.0.0.1' real ip: '10.9.9.9' (KILLED)",
    { what: 'aborted', reason: 'KILLED', closedBy: 'server', product: 'MariaDB', fields: { realIp: '10.9.9.9' } },
  ],
  [
    'MySQL 5.5: no number',
    "130722 17:26:20 [Warning] Aborted connection 8 to db: 'd' user: 'u' host: 'h' (Got an error reading communication packets)",
    { what: 'aborted', connectionId: 8, product: 'MySQL', code: 1158 },
  ],
  [
    'crash',
    '2026-11-20T17:31:47Z UTC - mysqld got signal 11 ;\nMost likely, you have hit a bug, but this error can also be caused by malfunctioning hardware.\nConnection ID (thread ID): 42\nStatus: NOT_KILLED',
    { what: 'crashed', reason: 'signal 11', connectionId: 42, lines: 4 },
  ],
  [
    'general log, failed login',
    "2026-11-20T17:52:36.101010Z\t   42 Connect\tAccess denied for user 'app'@'10.20.0.10' (using password: YES)",
    { what: 'auth-failed', code: 1045, user: 'app', client: '10.20.0.10' },
  ],
  [
    'slow log with extra',
    '# Time: 2026-11-20T17:52:38.141010Z\n# User@Host: app[app] @ web1 [10.20.0.10]  Id:    42\n# Query_time: 2.5  Lock_time: 0.000002 Rows_sent: 1  Rows_examined: 1 Thread_id: 42 Errno: 1317 Killed: 1317 Bytes_received: 0\nuse shop;\nSET timestamp=1795197156;\nSELECT SLEEP(9);',
    {
      what: 'killed',
      code: 1317,
      durationMillis: 2500,
      schema: 'shop',
      statement: 'SELECT SLEEP(9);',
      client: '10.20.0.10',
    },
  ],
  [
    'Router: host blocked',
    '2024-05-02 10:11:12.123 routing WARNING [7f3c2c7fe700] [routing:rw] blocking client host for 10.0.0.5:51432',
    { what: 'host-blocked', closedBy: 'proxy', client: '10.0.0.5:51432', precision: 1e6 },
  ],
  [
    'MaxScale: its monitor faked the hang-up',
    '2024-10-23 17:02:52.123   error  : (9) [mariadbbackend] Server is no longer usable (db1, session=9, conn_id=7788, idle=3s: Generated event)'.replace(
      'idle=3s: Generated',
      'idle=3s: Generated',
    ),
    { closedBy: 'proxy', product: 'MaxScale' },
  ],
  [
    'Envoy: idle',
    '[2026-11-20T17:18:41.040Z] "- - -" 0 SI - - "-" 412 291 10003 - "-" "-" "-" "-" "10.20.0.30:3306" outbound|3306||db1 10.20.0.20:50018 10.20.0.20:3306 10.20.0.10:59186 - -',
    { what: 'idle-closed', closedBy: 'proxy', state: 'SI', client: '10.20.0.10:59186', server: '10.20.0.30:3306' },
  ],
  [
    'HikariCP 6: counters with their limits',
    '2026-11-20 17:00:00.000 DEBUG 1 --- [h] com.zaxxer.hikari.pool.HikariPool : P - Pool stats (total=2/10, idle=1/2, active=1, waiting=0)',
    {
      what: 'stats',
      pool: 'P',
      fields: { total: 2, maximumPoolSize: 10, idle: 1, minimumIdle: 2, active: 1, waiting: 0 },
    },
  ],
  [
    'HikariCP exhausted',
    '2026-11-20 17:00:00.000 ERROR 1 --- [x] o.h.SqlExceptionHelper : HikariPool-1 - Connection is not available, request timed out after 30001ms (total=10, active=10, idle=0, waiting=5)',
    { what: 'exhausted', durationMillis: 30_001, pool: 'HikariPool-1' },
  ],
  [
    'HikariCP clock',
    '2026-11-20 17:00:00.000 WARN 1 --- [x] com.zaxxer.hikari.pool.HikariPool : HikariPool-1 - Thread starvation or clock leap detected (housekeeper delta=1m12s345ms).',
    { what: 'paused', durationMillis: 72_345 },
  ],
  [
    'Druid: the log filter gives the id',
    '2020-10-17 17:10:01.830 DEBUG 1 --- [main] druid.sql.Connection : {conn-10001,procId-42} connected',
    { what: 'connected', connectionId: 42, poolConnection: 'conn-10001' },
  ],
  [
    'Connector/J: both ages, German grouping',
    '2026-11-20 17:00:00,000 ERROR [x] App - boom\ncom.mysql.cj.jdbc.exceptions.CommunicationsException: Communications link failure\n\nThe last packet successfully received from the server was 63.213.665 milliseconds ago. The last packet sent successfully to the server was 63.213.666 milliseconds ago.\n\tat com.mysql.cj.X\nCaused by: java.io.EOFException: Can not read response from server. Expected to read 4 bytes, read 0 bytes before connection was unexpectedly lost.',
    {
      what: 'broken',
      idleMillis: 63_213_665,
      sqlState: '08S01',
      lines: 6,
      product: 'Connector/J',
      fields: { cause: 'eof', lastReceivedMillis: 63_213_665, lastSentMillis: 63_213_666 },
    },
  ],
  [
    'Connector/J: French grouping',
    "2026-11-20 17:00:00,000 ERROR x\ncom.mysql.cj.jdbc.exceptions.CommunicationsException: The last packet successfully received from the server was 63\u202f213\u202f665 milliseconds ago.  The last packet sent successfully to the server was 63\u202f213\u202f666 milliseconds ago. is longer than the server configured value of 'wait_timeout'.",
    { what: 'broken', idleMillis: 63_213_665, reason: "wait_timeout by the driver's arithmetic" },
  ],
  [
    'Connector/J: read timeout is the client’s',
    '2026-11-20 17:00:00,000 ERROR x\njava.sql.SQLException: Communications link failure\nCaused by: java.net.SocketTimeoutException: Read timed out',
    { what: 'timed-out', closedBy: 'client' },
  ],
  [
    'Connector/J: refused',
    '2026-11-20 17:00:00,000 ERROR x\ncom.mysql.cj.jdbc.exceptions.CommunicationsException: Communications link failure\nCaused by: java.net.ConnectException: Connection refused (Connection refused)',
    { what: 'connect-failed' },
  ],
  [
    'MariaDB Connector/J',
    '2026-11-20 17:00:00.000 [m] WARN App - lost\njava.sql.SQLNonTransientConnectionException: (conn=95) unexpected end of stream, read 0 bytes from 4 (socket was closed by server)',
    { what: 'broken', connectionId: 95, fields: { cause: 'eof', readBytes: 0 } },
  ],
  [
    'Python traceback',
    'Traceback (most recent call last):\n  File "x.py", line 3, in <module>\n    cur.execute("SELECT 1")\npymysql.err.OperationalError: (2013, \'Lost connection to MySQL server during query ([Errno 104] Connection reset by peer)\')',
    { what: 'broken', code: 2013, at: null, lines: 4, fields: { cause: 'reset' } },
  ],
  [
    'MariaDB for Node',
    '2026-11-20T17:00:00.000Z ERROR (conn:42, no: 45009, SQLState: 08S01) socket has unexpectedly been closed',
    { what: 'broken', code: 45_009, connectionId: 42, sqlState: '08S01' },
  ],
  [
    'Go, with both ends',
    '2026/11/20 17:00:00 query: read tcp 10.0.0.5:51000->10.0.0.9:3306: i/o timeout',
    { what: 'timed-out', closedBy: 'client', client: '10.0.0.5:51000', server: '10.0.0.9:3306' },
  ],
  [
    'Go, unread bytes',
    '[mysql] 2020/06/01 18:13:51 packets.go:122: closing bad idle connection: unexpected read from socket',
    { what: 'broken', fields: { cause: 'unread-bytes' } },
  ],
  [
    'PHP',
    '[20-Nov-2026 17:10:00 UTC] PHP Fatal error:  Uncaught PDOException: SQLSTATE[HY000] [2002] Connection refused in /app/db.php:3',
    { what: 'connect-failed', code: 2002, sqlState: 'HY000', product: 'PHP PDO' },
  ],
  [
    'Laravel',
    '[2026-11-20 17:10:00] production.ERROR: SQLSTATE[HY000]: General error: 2006 MySQL server has gone away (SQL: select 1)',
    { what: 'broken', code: 2006, level: 'error' },
  ],
  [
    'Ruby',
    'E, [2026-11-20T17:10:00.123456 #321] ERROR -- : Mysql2::Error::ConnectionError: Lost connection to MySQL server during query',
    { what: 'broken', code: 2013, level: 'error' },
  ],
  [
    'SQLAlchemy',
    '2026-11-20 17:10:00,123 INFO sqlalchemy.pool.impl.QueuePool Invalidate connection <pymysql.connections.Connection object at 0x7f01> (reason: OperationalError:(2013, "Lost connection"))',
    { what: 'broken', poolConnection: '0x7f01' },
  ],
  [
    'MySqlConnector, level and place on a line of their own',
    'dbug: MySqlConnector.ConnectionPool[2010]\n      Pool 1 receiving session 1.2 back',
    { what: 'checkin', pool: '1', poolConnection: '1.2' },
  ],
  [
    'logfmt',
    'time="2026-11-20T17:10:00Z" level=error msg="query failed" conn_id=42 local_addr=10.0.0.5:51000 err="Error 1317 (70100): Query execution was interrupted"',
    { what: 'killed', code: 1317, connectionId: 42, client: '10.0.0.5:51000', level: 'error' },
  ],
  [
    'a borrower called like a verb, a statement that holds one',
    '2026-11-20 17:24:10.324 [pool main] query conn_id=99 borrower=checkout-svc sql="SELECT released FROM t" rows=1',
    { what: 'statement', connectionId: 99, borrower: 'checkout-svc' },
  ],
  [
    'pino: epoch and level as numbers',
    '{"level":50,"time":1795194600123,"pid":1,"conn_id":42,"msg":"query failed","err":{"code":"ECONNRESET","message":"read ECONNRESET","stack":"at mysql2/lib"}}',
    { what: 'broken', connectionId: 42, level: 'error', fields: { cause: 'reset' } },
  ],
  [
    'CLI',
    'ERROR 2013 (HY000) at line 1: Lost connection to MySQL server during query',
    { what: 'broken', code: 2013, sqlState: 'HY000' },
  ],
]

describe('lines', () => {
  it.each(ROWS)('%s', (_, text, want) => {
    expect(one(text)).toMatchObject(want)
  })
})

describe('HAProxy', () => {
  const line = (state: string, prefix = ''): string =>
    `${prefix}10.20.0.10:59186 [20/Nov/2026:17:18:41.040] front back/db1 1/0/10003 291 ${state} 1/1/0/0/0 0/0`

  it('every termination state says who ended it', () => {
    const by = (state: string) => [termination(state).what, termination(state).closedBy]
    expect(by('cD')).toEqual(['idle-closed', 'proxy'])
    expect(by('sD')).toEqual(['idle-closed', 'proxy'])
    expect(by('CD')).toEqual(['closed', 'client'])
    expect(by('SD')).toEqual(['closed', 'server'])
    expect(by('SC')).toEqual(['connect-failed', 'server'])
    expect(termination('sC')).toMatchObject({ what: 'connect-failed', closedBy: 'proxy', reason: 'timeout connect' })
    expect(termination('sQ')).toMatchObject({ what: 'connect-failed', reason: 'timeout queue' })
    for (const state of ['K-', 'D-', 'U-', 'PC', 'KD', 'DD']) expect(by(state)).toEqual(['killed', 'proxy'])
    // Nobody's name: KILL, wait_timeout and COM_QUIT look like this.
    expect(by('--')).toEqual(['closed', null])
    for (const a of '-LcCsSPRIDKU') for (const b of '-RCHDLQT') expect(termination(a + b).state).toBe(a + b)
  })

  it.each([
    ['none', ''],
    ['rfc3164', '<134>Nov 20 17:18:51 lb1 haproxy[731]: '],
    ['local, without a host', '<134>Nov 20 17:18:51 haproxy[731]: '],
    ['rsyslog', '2026-11-20T17:18:51.045+00:00 lb1 haproxy[731]: '],
    ['rfc5424', '<134>1 2026-11-20T17:18:51.045Z lb1 haproxy 731 - - '],
    ['short', '<6>'],
    ['timed', '<134>2026-11-20T17:18:51.045123+00:00 '],
    ['iso', '2026-11-20T17:18:51.045123+00:00 '],
    ['docker compose', 'haproxy-1  | '],
    ['kubernetes', '2026-11-20T17:18:51.045123456Z stdout F '],
  ])('prefix %s', (_, prefix) => {
    const { events, counts, at } = readLog(line('cD', prefix))
    expect([...counts.byFormat.keys()]).toEqual(['haproxy-tcplog'])
    expect(events[0]).toMatchObject({
      what: 'idle-closed',
      closedBy: 'proxy',
      client: '10.20.0.10:59186',
      durationMillis: 10_003,
      state: 'cD',
    })
    expect(at(events[0])).toBe('2026-11-20T17:18:51.043000Z')
  })

  it('2.6 itself, in every format of its log: the same three sessions', () => {
    const folder = join(import.meta.dirname, 'fixtures/haproxy')
    const files = readdirSync(folder)
    expect(files).toHaveLength(11)
    for (const file of files) {
      const { events, odd } = readLog(readFileSync(join(folder, file)), { near: 1_795_266_000 })
      expect([file, odd['log.unreadable-line']]).toEqual([file, undefined])
      const told = events.map((e) => [
        e.what,
        e.closedBy,
        e.durationMillis === null ? null : Math.round(e.durationMillis / 100),
      ])
      if (file === 'plain.log' || file === 'logasap.log')
        expect([file, told]).toEqual([file, Array(3).fill(['connected', null, null])])
      else
        expect([file, told]).toEqual([
          file,
          [
            ['idle-closed', 'proxy', 4],
            ['closed', null, 1],
            ['connect-failed', 'proxy', 4],
          ],
        ])
      for (const e of events) expect(e.fields['frontend']).toMatch(/^(?:mysql_front|dead)$/)
    }
  })

  it('a zone in the syslog header is the zone of the line inside', () => {
    const { events, at } = readLog(line('cD', '2026-11-20T17:18:51.045+08:00 lb1 haproxy[731]: '))
    expect(at(events[0])).toBe('2026-11-20T09:18:51.043000Z')
  })

  it('IPv6, mapped IPv4, a line written at the beginning', () => {
    expect(one(line('--').replace('10.20.0.10:59186', 'fd00:20::10:59186')).client).toBe('[fd00:20::10]:59186')
    expect(one(line('--').replace('10.20.0.10:59186', '::ffff:10.20.0.10:59186')).client).toBe('10.20.0.10:59186')
    expect(one(line('--').replace('/10003 291', '/+12 +291'))).toMatchObject({
      what: 'connected',
      durationMillis: null,
    })
  })

  it('a server going down, from the journal without a year, near a capture', () => {
    const text =
      'Nov 20 17:30:02 lb1 haproxy[731]: Server back/db1 is DOWN, reason: Layer4 timeout, check duration: 2001ms.'
    const { events, at } = readLog(text, { near: 1_795_194_000 })
    expect(events[0]).toMatchObject({ what: 'server-down', reason: 'Layer4 timeout' })
    expect(at(events[0])).toBe('2026-11-20T17:30:02.000000Z')
    expect(readLog(text).odd).toMatchObject({ 'log.no-time': 1 })
  })
})

describe('MariaDB 10.11 itself', () => {
  const read = (name: string) => readLog(readFileSync(join(import.meta.dirname, 'fixtures/mariadb', name)))

  it('general log: whose login failed, who left without COM_QUIT', () => {
    const { events, counts, odd } = read('general.log')
    expect(odd).toEqual({})
    expect([...counts.byFormat.keys()]).toEqual(['mysql-general'])
    expect(events.every((e) => e.product === 'MariaDB' && e.version?.startsWith('10.11.') === true)).toBe(true)
    expect(events.filter((e) => e.what === 'auth-failed').map((e) => e.connectionId)).toEqual([5])
    expect(events.filter((e) => e.what === 'closed').map((e) => e.connectionId)).toEqual([3, 4, 6])
    expect(events.find((e) => e.lines === 3)).toMatchObject({
      connectionId: 4,
      statement: "SELECT\n 2 AS multi,\n 'line'",
    })
    expect(JSON.stringify(events)).not.toContain('pass-word')
  })

  it('slow log: the same header, entries of its own', () => {
    const { events, odd } = read('slow.log')
    expect(odd).toEqual({})
    const sleep = events.find((e) => e.statement?.includes('SLEEP') === true)
    expect(sleep).toMatchObject({
      format: 'mysql-slow',
      connectionId: 4,
      user: 'app',
      schema: 'shop',
      client: '127.0.0.1',
      product: 'MariaDB',
    })
    expect(sleep!.durationMillis).toBeGreaterThan(300)
    expect(events[0]).toMatchObject({ schema: null, connectionId: 3 })
    expect(JSON.stringify(events)).not.toContain('pass-word')
  })

  it('error log: a probe, a timeout, a refused login', () => {
    const { events, odd } = read('error.log')
    expect(odd).toEqual({})
    const of = (what: string) => events.filter((e) => e.what === what).map((e) => [e.connectionId, e.code, e.closedBy])
    expect(of('aborted')).toEqual([
      [7, null, 'client'],
      [8, 1159, 'server'],
    ])
    expect(of('auth-failed')).toEqual([[5, 1045, 'server']])
  })
})

describe('several formats in one log', () => {
  it('each line is read by whoever knows it, traces stay with their line', () => {
    const { events, counts, odd } =
      readLog(`2026-11-20 17:00:00.000  INFO 1 --- [main] c.e.Shop : Started Shop in 2 seconds
2026-11-20 17:00:01.000 DEBUG 1 --- [main] com.zaxxer.hikari.pool.HikariPool : HikariPool-1 - Added connection com.mysql.cj.jdbc.ConnectionImpl@1a
2026-11-20 17:00:02.000  WARN 1 --- [exec-1] com.zaxxer.hikari.pool.ProxyConnection : HikariPool-1 - Connection com.mysql.cj.jdbc.ConnectionImpl@1a marked as broken because of SQLSTATE(08S01), ErrorCode(0)

com.mysql.cj.jdbc.exceptions.CommunicationsException: Communications link failure

The last packet successfully received from the server was 13,002 milliseconds ago. The last packet sent successfully to the server was 13,002 milliseconds ago.
\tat com.mysql.cj.jdbc.ConnectionImpl.x(ConnectionImpl.java:1)
Caused by: java.net.SocketException: Connection reset
\t... 12 common frames omitted
2026-11-20 17:00:03.000  INFO 1 --- [main] c.e.Shop : 3 orders
haproxy[1]: 10.0.0.1:4000 [20/Nov/2026:17:00:03.000] f b/s 0/0/10 1 cD 0/0/0/0/0 0/0
`)
    expect(odd).toEqual({})
    expect(Object.fromEntries(counts.byFormat)).toEqual({ application: 2, hikaricp: 9, 'haproxy-tcplog': 1 })
    expect(events.map((e) => [e.line, e.lines, e.what])).toEqual([
      [2, 1, 'connected'],
      [3, 8, 'broken'],
      [12, 1, 'idle-closed'],
    ])
    expect(events[1]).toMatchObject({
      poolConnection: 'com.mysql.cj.jdbc.ConnectionImpl@1a',
      sqlState: '08S01',
      idleMillis: 13_002,
      product: 'HikariCP',
      fields: { cause: 'reset', driver: 'Connector/J' },
    })
  })

  it('names of connections are remembered from the line that tells the id', () => {
    const { events } =
      readLog(`2026-11-20 17:27:54,262 INFO [pool] master connected to 10.20.0.30:3306 thread_id=74 local=10.20.0.10:32800
2026-11-20 17:27:57,321 DEBUG [pool] master ping ok 0.2ms
2026-11-20 17:27:58,321 DEBUG [pool] other ping ok 0.2ms
`)
    expect(events.map((e) => [e.what, e.connectionId, e.client])).toEqual([
      ['connected', 74, '10.20.0.10:32800'],
      ['validated', 74, '10.20.0.10:32800'],
    ])
  })

  it('counters called idle are no silence, and no id is invented', () => {
    expect(
      one('2026-11-20 17:00:00.000 [x] INFO app.PoolTrace - checkout borrower=b conn_id=4 total=1 active=1 idle=0'),
    ).toMatchObject({ what: 'checkout', idleMillis: null, connectionId: 4 })
    expect(
      readLog('2026-11-20 17:00:00 INFO connection pool is healthy\n2026-11-20 17:00:00 GET /sql?id=3 200').events,
    ).toEqual([])
    expect(readLog('2026-11-20 17:00:00 ERROR upstream http://api: read ECONNRESET').events).toEqual([])
  })
})
