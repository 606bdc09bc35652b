/**
 * Alibaba Druid: the pool's own lines, and its log filter (`druid.sql.Connection` and the like at DEBUG), whose `{conn-10001,procId-42}
 * connected` ties the pool's number to the server's connection id for every later line.
 */
import { isAppLine, readAppLine } from '../app-line.ts'
import { driverError } from '../driver-texts.ts'
import type { Draft, Entry, EntryReader, LogFormat } from '../format.ts'
import { GeneralReader } from '../general.ts'
import { byRules, type MessageRule, withCause } from '../rules.ts'
import { grouped } from '../words.ts'

/** Physical connections whose server id is remembered; the oldest are forgotten. */
const REMEMBERED = 10_000

const FILTER = /\{conn[- ](\d+)(?:, ?procId-(-?\d+))?(?:, ?(?:p|c)?stmt-(\d+))?(?:, ?rs-\d+)?\} ([\s\S]*)$/
const URL = /jdbcUrl : jdbc:(?:mysql|mariadb):(?:\w+:)?\/\/([^/?,\s]+)/

const RULES: readonly MessageRule[] = [
  {
    has: 'discard long time none received connection',
    re: /lastPacketReceivedIdleMillis : (\d+)/,
    // The ping went well, and yet this socket received nothing for so long: it went elsewhere.
    draft: (m) => ({
      what: 'validation-failed',
      closedBy: 'pool',
      idleMillis: Number(m[1]),
      reason: 'discard long time none received connection',
    }),
  },
  {
    has: 'testWhileIdle',
    re: /(?:\w+Exception), druid version ([\w.-]+), jdbcUrl : [\s\S]*?, testWhileIdle (true|false), idle millis (\d+), minIdle (\d+), poolingCount (\d+), timeBetweenEvictionRunsMillis (\d+), lastValidIdleMillis (-?\d+)/,
    draft: (m) => ({
      what: 'broken',
      version: m[1]!,
      idleMillis: Number(m[3]),
      fields: {
        testWhileIdle: m[2]!,
        minIdle: Number(m[4]),
        poolingCount: Number(m[5]),
        timeBetweenEvictionRunsMillis: Number(m[6]),
        lastValidIdleMillis: Number(m[7]),
      },
    }),
  },
  {
    has: '} discard',
    re: /\{conn-?(\d+)\} discard/,
    draft: (m) => ({ what: 'broken', poolConnection: `conn-${m[1]}`, reason: 'discard' }),
  },
  { has: 'discard connection', re: /discard connection/, draft: () => ({ what: 'broken', reason: 'discard' }) },
  {
    has: 'wait millis ',
    re: /wait millis (\d+), active (\d+), maxActive (\d+), creating (\d+)(?:, createElapseMillis (\d+))?(?:, createErrorCount (\d+))?/,
    draft: (m) => ({
      what: 'exhausted',
      durationMillis: Number(m[1]),
      reason: 'maxWait',
      fields: {
        active: Number(m[2]),
        maxActive: Number(m[3]),
        creating: Number(m[4]),
        ...(m[5] === undefined ? {} : { createElapseMillis: Number(m[5]) }),
        ...(m[6] === undefined ? {} : { createErrorCount: Number(m[6]) }),
      },
    }),
  },
  {
    has: 'abandon connection',
    re: /abandon connection, (?:(?:url:)? ?.*?)owner thread: (.*?), connected at ?: (\d+)/,
    draft: (m) => ({
      what: 'killed',
      closedBy: 'pool',
      borrower: m[1]!,
      reason: 'removeAbandoned',
      fields: { connectedAt: Number(m[2]) },
    }),
  },
  {
    has: 'get connection timeout retry',
    re: /get connection timeout retry : (\d+)/,
    draft: () => ({ what: 'exhausted', reason: 'maxWait, retried' }),
  },
  {
    has: 'skip not validated connection',
    re: /skip not validated connection/,
    draft: () => ({ what: 'validation-failed', closedBy: 'pool', reason: 'validation at checkout' }),
  },
  {
    has: 'keepAliveErr',
    re: /keepAliveErr/,
    draft: () => ({ what: 'validation-failed', closedBy: 'pool', reason: 'keepAlive' }),
  },
  {
    has: 'create connection SQLException',
    re: /create connection SQLException, url: (\S+), errorCode (-?\d+), state (\w+)/,
    draft: (m) => ({ what: 'connect-failed', code: Number(m[2]) || null, sqlState: m[3] === 'null' ? null : m[3]! }),
  },
  { has: 'create connection error', re: /create connection error/, draft: () => ({ what: 'connect-failed' }) },
  {
    has: 'long time transaction',
    re: /long time transaction, take (\d+) ms/,
    draft: (m) => ({ what: 'other', durationMillis: Number(m[1]), reason: 'long time transaction' }),
  },
  {
    has: 'slow sql ',
    re: /slow sql (\d+) millis\. ([\s\S]*)/,
    draft: (m) => ({ what: 'statement', durationMillis: Number(m[1]), statement: m[2]! }),
  },
  { has: 'recycle error', re: /recycle error/, draft: () => ({ what: 'broken', reason: 'recycle error' }) },
  {
    has: '} inited',
    re: /\{dataSource-(\d+)(?:,[^}]*)?\} inited/,
    draft: (m) => ({ what: 'started', pool: `dataSource-${m[1]}` }),
  },
  {
    has: '} closed',
    re: /\{dataSource-(\d+)(?:,[^}]*)?\} closed/,
    draft: (m) => ({ what: 'stopped', pool: `dataSource-${m[1]}` }),
  },
]

class DruidReader implements EntryReader {
  private readonly ids = new Map<string, number>()
  private readonly general = new GeneralReader()

  read(entry: Entry): Draft | null {
    const { text, first } = entry
    const { stamp, level, rest } = readAppLine(first)
    const below = text.slice(first.length)
    const whole = rest + below
    const filter = FILTER.exec(whole)
    let draft = byRules(RULES, whole)
    if (draft === null && filter !== null) draft = this.filtered(filter)
    const cause = draft?.what === 'statement' || (draft !== null && below === '') ? null : driverError(whole)
    if (draft === null) return this.general.read(entry)
    const server = URL.exec(whole)?.[1]
    if (server !== undefined) draft.server ??= server
    const pool = draft.poolConnection
    if (pool != null) draft.connectionId ??= this.ids.get(pool) ?? null
    return { stamp, level, ...withCause(draft, cause) }
  }

  /** A line of the log filter. */
  private filtered(m: RegExpExecArray): Draft | null {
    const poolConnection = `conn-${m[1]}`
    const head = { poolConnection, connectionId: null as number | null }
    const said = m[4]!
    if (said.startsWith('connected')) {
      const id = Number(m[2] ?? -1)
      if (id > 0) {
        this.ids.set(poolConnection, id)
        if (this.ids.size > REMEMBERED) this.ids.delete(this.ids.keys().next().value!)
        head.connectionId = id
      }
      return { ...head, what: 'connected' }
    }
    if (said.startsWith('pool-connect')) return { ...head, what: 'checkout' }
    if (said.startsWith('pool-recycle')) return { ...head, what: 'checkin' }
    if (said.startsWith('closed') && m[3] === undefined) return { ...head, what: 'closed', closedBy: 'pool' }
    if (said.startsWith('rollback') || said.startsWith('committed') || said.startsWith('setAutoCommit'))
      return { ...head, what: 'statement', statement: said }
    const ran = /(?:(?:query |update |batch )?executed\.(?: effort \d+\.)?) ([\d.,]+) millis\. ([\s\S]*)$/.exec(said)
    if (ran !== null)
      return {
        ...head,
        what: 'statement',
        durationMillis: Number(ran[1]!.replace(/,/g, '')) || grouped(ran[1]!),
        statement: ran[2]!.trim(),
      }
    const failed = /execute error\. ([\s\S]*)$/.exec(said)
    if (failed !== null) return { ...head, what: 'error', statement: failed[1]!.split('\n', 1)[0]! }
    return null
  }
}

const KNOWN =
  /[Dd]ruid|\{conn[- ]\d+|discard long time none received|\btestWhileIdle (?:true|false), idle millis|abandon connection, |get connection timeout retry|skip not validated connection|\bwait millis \d+, active \d+/

export const druid: LogFormat = {
  id: 'druid',
  title: 'Alibaba Druid, pool and log filter',
  product: 'Druid',
  role: 'pool',
  examples: [
    '2018-06-11 13:39:32.522 ERROR 17032 --- [http-nio-8080-exec-3] c.a.d.p.DruidPooledStatement : CommunicationsException, druid version 1.1.10, jdbcUrl : jdbc:mysql://xxx.mysql.rds.aliyuncs.com:3306/xx?useSSL=false, testWhileIdle true, idle millis 48915, minIdle 10, poolingCount 8, timeBetweenEvictionRunsMillis 3600000, lastValidIdleMillis 48915, driver com.mysql.cj.jdbc.Driver, exceptionSorter com.alibaba.druid.pool.vendor.MySqlExceptionSorter',
    '2020-10-17 17:10:01.830 ERROR 1 --- [SchedulerThread] c.a.druid.pool.DruidAbstractDataSource : discard long time none received connection. , jdbcUrl : jdbc:mysql://182.12.2.3:3306/_test?useSSL=false, lastPacketReceivedIdleMillis : 74927',
    '2020-10-17 17:10:01.830 DEBUG 1 --- [main] druid.sql.Connection : {conn-10001,procId-42} connected',
    '2020-10-17 17:10:01.930 DEBUG 1 --- [main] druid.sql.Connection : {conn-10001} pool-connect',
  ],
  starts: (line) => KNOWN.test(line) && isAppLine(line),
  open: () => new DruidReader(),
}
