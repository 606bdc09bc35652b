/**
 * ProxySQL's error log (proxysql.log, or its console): `2026-11-20 17:30:11 MySQL_Session.cpp:1:func(): [ERROR] text`, without the
 * place for [INFO]. Local time, whole seconds. Every release from 1.2 on; the texts changed, the line numbers always do.
 */
import { type Draft, type Entry, each, type LogFormat } from '../format.ts'
import { byRules, type MessageRule } from '../rules.ts'
import { readStamp } from '../stamp.ts'
import { endpoint } from '../words.ts'

const PREFIX =
  /^(?:(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) )?(?:([\w.]+\.(?:cpp|h|hpp)):(\d+):([\w~<>:]+)\(\): )?\[(ERROR|WARNING|INFO)\] ?/
const HEAD =
  /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (?:[\w.]+\.(?:cpp|h|hpp):\d+:|\[(?:ERROR|WARNING|INFO)\] )|^[\w.]+\.cpp:\d+:[\w~]+\(\): \[/
/** What is printed around the entries: tables, banners. */
const BANNER =
  /^(?:\+[-+]+\+$|\| |Standard (?:ProxySQL|Query|MySQL)|In memory Standard|Renaming database file|Welcome to)/
/** Of the banners those that nobody else prints. */
const OWN = /^(?:Standard (?:ProxySQL|Query Processor|MySQL)|In memory Standard Query Cache)/

const LEVELS = { ERROR: 'error', WARNING: 'warning', INFO: 'info' } as const

const back = (host: string, port: string, id?: string): Draft => ({
  what: 'broken',
  server: endpoint(host, port),
  connectionId: id === undefined || id === '0' ? null : Number(id),
})

/** 2006 and the like, told apart: what the client library of ProxySQL said of its connection to the server. */
const RULES: readonly MessageRule[] = [
  {
    has: 'Detected a broken connection',
    re: /Detected a broken connection ((?:during|while)\b.+?) on \((\d+),([^,]*),(\d+)(?:,(\d+))?\) ,?(?: FD \(Conn:(-?\d+) , MyDS:(-?\d+)\) ?,?)?(?: user (.*?) , last_used (\d+)ms ago)? ?: (\d+), ([\s\S]*)$/,
    draft: (m) => ({
      ...back(m[3]!, m[4]!, m[5]),
      // ProxySQL itself had taken the server out of use: no network fault.
      ...(m[10] === '9004' ? { closedBy: 'proxy' as const } : {}),
      user: m[8]?.trim() || null,
      code: Number(m[10]),
      reason: m[11]!,
      idleMillis: m[9] === undefined ? null : Number(m[9]),
      fields: { action: m[1]!, hostgroup: Number(m[2]), ...(m[6] === undefined ? {} : { fd: Number(m[6]) }) },
    }),
  },
  {
    has: 'Detected a broken connection',
    re: /Detected a broken connection (.+?) on ([^\s,]+) ?, ?(\d+) : (\d+), (.*)$/,
    draft: (m) => ({ ...back(m[2]!, m[3]!), code: Number(m[4]), reason: m[5]!, fields: { action: m[1]! } }),
  },
  { has: 'Retrying query', re: /Retrying query/, draft: () => ({ what: 'retried' }) },
  {
    has: 'Detected broken idle connection',
    re: /Detected broken idle connection on (\S+?):(\d+)/,
    draft: (m) => ({ ...back(m[1]!, m[2]!), reason: 'readable or closed while idle' }),
  },
  {
    has: 'unhealthy client connection',
    re: /Closing unhealthy client connection (\S+):(\d+)/,
    draft: (m) => front(m, { what: 'closed', state: 'unhealthy', reason: 'its server connection broke' }),
  },
  {
    has: 'fast_forward',
    re: /Closing 'fast_forward' client connection (\S+):(\d+)/,
    draft: (m) => front(m, { what: 'closed', state: 'fast_forward', reason: 'its server connection broke' }),
  },
  {
    has: 'because inactive for',
    re: /Killing client connection (\S+):(\d+) because inactive for (\d+)ms/,
    draft: (m) => front(m, { what: 'idle-closed', idleMillis: Number(m[3]), reason: 'mysql-wait_timeout' }),
  },
  {
    has: '(possible) transaction',
    re: /Killing client connection (\S+):(\d+) because of \(possible\) transaction (idle|running) for (\d+)ms/,
    draft: (m) =>
      m[3] === 'idle'
        ? front(m, { what: 'idle-closed', idleMillis: Number(m[4]), reason: 'mysql-max_transaction_idle_time' })
        : front(m, { what: 'timed-out', durationMillis: Number(m[4]), reason: 'mysql-max_transaction_time' }),
  },
  {
    has: 'Killing client connection',
    re: /Killing client connection (\S+):(\d+) (?:because |due to )?(.*)$/,
    draft: (m) => front(m, { what: 'killed', reason: m[3]! }),
  },
  {
    has: 'Closing killed client connection',
    re: /Closing killed client connection (\S+):(\d+)/,
    draft: (m) => front(m, { what: 'killed' }),
  },
  {
    has: 'not established client connection',
    re: /Closing not established client connection (\S+):(\d+) after (\d+)ms/,
    draft: (m) => front(m, { what: 'timed-out', durationMillis: Number(m[3]), reason: 'mysql-connect_timeout_client' }),
  },
  {
    has: 'mysql-client_host_error_counts',
    re: /client '([^']*)' reached 'mysql-client_host_error_counts'/,
    draft: (m) => ({
      what: 'host-blocked',
      closedBy: 'proxy',
      client: m[1]!,
      reason: 'mysql-client_host_error_counts',
    }),
  },
  {
    has: 'timed out.',
    re: /Killing connection (\S+):(\d+) because query '([\s\S]*)' from client '(.{0,64}?)':(\d+) timed out/,
    draft: (m) => ({
      what: 'timed-out',
      closedBy: 'proxy',
      server: endpoint(m[1]!, m[2]!),
      statement: m[3]!,
      client: endpoint(m[4]!, m[5]!),
      reason: 'query timeout',
    }),
  },
  {
    has: 'KILL ',
    re: /(?:^|\] )KILL (QUERY|CONNECTION) (\d+) on (\S+?)(?::(\d+))?$/m,
    draft: (m) => ({
      what: 'killed',
      closedBy: 'proxy',
      connectionId: Number(m[2]),
      server: m[4] === undefined ? m[3]! : endpoint(m[3]!, m[4]),
      reason: `KILL ${m[1]}`,
    }),
  },
  {
    has: 'to run KILL',
    re: /Failed to connect to server (\S+):(\d+) to run KILL (\w+) (\d+)/,
    draft: (m) => ({ what: 'connect-failed', server: endpoint(m[1]!, m[2]!), reason: `to run KILL ${m[3]} ${m[4]}` }),
  },
  {
    has: 'Unexpected COM_QUIT',
    re: /Unexpected COM_QUIT from client ([\w.:[\]-]+)/,
    draft: (m) => ({
      what: 'closed',
      closedBy: 'client',
      state: 'quit',
      client: m[1]!,
      reason: 'COM_QUIT with a query running',
    }),
  },
  {
    has: 'Connect timeout on',
    re: /Connect timeout on (\S+):(\d+) : exceeded by (\d+)us/,
    draft: (m) => ({
      what: 'connect-failed',
      server: endpoint(m[1]!, m[2]!),
      reason: 'mysql-connect_timeout_server',
      fields: { exceededByMicros: Number(m[3]) },
    }),
  },
  {
    has: 'mysql_real_connect()',
    re: /Failed to mysql_real_connect\(\)\s+on (?:host )?(?:(\d+):)?([^\s:,]+):(\d+) ?,?(?: FD \(Conn:(-?\d+) , MyDS:-?\d+\) ?,)? (\d+): ([\s\S]*?)\.?(?: SSL Params: .*)?$/,
    draft: (m) => ({
      what: connectFailure(Number(m[5])),
      server: endpoint(m[2]!, m[3]!),
      code: Number(m[5]),
      reason: m[6]!,
      ...(m[1] === undefined ? {} : { fields: { hostgroup: Number(m[1]) } }),
    }),
  },
  {
    has: 'Max connect timeout reached',
    re: /Max connect timeout reached while reaching hostgroup (-?\d+) (?:for 'fast_forward' session )?after (\d+)ms/,
    draft: (m) => ({
      what: 'connect-failed',
      code: 9001,
      durationMillis: Number(m[2]),
      reason: 'mysql-connect_timeout_server_max',
      fields: { hostgroup: Number(m[1]) },
    }),
  },
  {
    has: 'Setting lock_hostgroup',
    re: /Unable to parse unknown SET query(?: from client (\S+):(\d+))?/,
    draft: (m) => ({
      what: 'other',
      client: m[1] === undefined ? null : endpoint(m[1], m[2]!),
      reason: 'locked to one hostgroup after a SET that could not be parsed',
    }),
  },
  {
    has: 'Ping timeout during ping',
    re: /Ping timeout during ping on (\S+):(\d+) after (\d+)us(?: \(timeout (\d+)ms\))?/,
    draft: (m) => ({
      what: 'validation-failed',
      server: endpoint(m[1]!, m[2]!),
      code: 9006,
      durationMillis: Math.round(Number(m[3]) / 1000),
      reason: 'mysql-ping_timeout_server',
    }),
  },
  {
    has: 'COM_CHANGE_USER on',
    re: /(Change user timeout|Detected an error) during COM_CHANGE_USER on \(?(?:\d+,)?([^\s,]+) ?, ?(\d+)(?:.*? : (\d+), (.*))?/,
    draft: (m) => ({
      what: 'broken',
      server: endpoint(m[2]!, m[3]!),
      code: m[4] === undefined ? 9007 : Number(m[4]),
      reason: m[5] ?? 'COM_CHANGE_USER timed out',
    }),
  },
  {
    has: 'Error during query on',
    re: /Error during query on \((\d+),([^,]*),(\d+)(?:,(\d+))?\)(?: , user "([^"@]*)@?([^"]*)" , schema "([^"]*)")?: (\d+), (.*?)(?: \. digest_text = "(.*)")?$/s,
    draft: (m) => ({
      ...back(m[2]!, m[3]!, m[4]),
      what: 'error',
      user: m[5] || null,
      schema: m[7] || null,
      code: Number(m[8]),
      reason: m[9]!,
      statement: m[10] ?? null,
      fields: { hostgroup: Number(m[1]) },
    }),
  },
  {
    has: 'ER_NET_PACKET_TOO_LARGE',
    re: /Error ER_NET_PACKET_TOO_LARGE during query on \((\d+),([^,]*),(\d+)(?:,(\d+))?\)/,
    draft: (m) => ({ ...back(m[2]!, m[3]!, m[4]), what: 'error', code: 1153, reason: 'ER_NET_PACKET_TOO_LARGE' }),
  },
  {
    has: 'server during query:',
    re: /Detected an? (lagging|offline) server during query: ([^\s,]+), (\d+)/,
    draft: (m) => ({
      ...back(m[2]!, m[3]!),
      closedBy: 'proxy',
      code: m[1] === 'lagging' ? 9005 : 9004,
      reason: `${m[1]} server`,
    }),
  },
  {
    has: 'Shunning server',
    re: /Shunning server (\S+):(\d+) (?:from HG \d+ )?with (.*)$/,
    draft: (m) => ({ what: 'server-down', server: endpoint(m[1]!, m[2]!), reason: m[3]! }),
  },
  {
    has: 'no servers available',
    re: /Hostgroup (\d+) has no servers available/,
    draft: (m) => ({ what: 'exhausted', reason: 'no servers available', fields: { hostgroup: Number(m[1]) } }),
  },
  {
    has: 'heartbeats, shunning it',
    re: /Server ([^\s:]+):(\d+) missed (\d+) heartbeats, shunning it and killing all the connections/,
    draft: (m) => ({
      what: 'server-down',
      closedBy: 'proxy',
      server: endpoint(m[1]!, m[2]!),
      reason: `missed ${m[3]} heartbeats: all its connections were killed`,
    }),
  },
  {
    has: 'OFFLINE HARD',
    re: /Removed server at address \S+, hostgroup (\d+), address (\S+) port (\d+)\. Setting status OFFLINE HARD/,
    draft: (m) => ({ what: 'server-down', server: endpoint(m[2]!, m[3]!), reason: 'OFFLINE_HARD' }),
  },
  {
    has: "Returning 'Too many connections'",
    re: /mysql-max_connections reached/,
    draft: () => ({ what: 'too-many-connections', closedBy: 'proxy', code: 1040, reason: 'mysql-max_connections' }),
  },
  {
    has: 'max_user_connections',
    re: /User '([^']*)' has exceeded the 'max_user_connections' resource/,
    draft: (m) => ({
      what: 'too-many-connections',
      closedBy: 'proxy',
      code: 1226,
      user: m[1]!,
      reason: 'max_user_connections',
    }),
  },
  {
    has: 'Access denied for user',
    re: /ProxySQL Error: Access denied for user '([^']*)'@'([^']*)' (.*)$/,
    draft: (m) => ({ what: 'auth-failed', code: 1045, closedBy: 'proxy', user: m[1]!, client: m[2]!, reason: m[3]! }),
  },
  {
    has: 'during switch auth',
    re: /User '([^']*)'@'([^']*)' is disconnecting during switch auth/,
    draft: (m) => ({
      what: 'closed',
      closedBy: 'client',
      state: 'login',
      user: m[1]!,
      client: m[2]!,
      reason: 'left during AuthSwitch',
    }),
  },
  {
    has: 'SSL certificate verify error',
    re: /Disconnecting (\S+):(\d+): X509 client SSL certificate verify error: \((\d+):(.*)\)/,
    draft: (m) => front(m, { what: 'tls-failed', reason: m[4]!, fields: { x509Error: Number(m[3]) } }),
  },
  {
    has: 'unknown charset',
    re: /Client (\S+):(\d+) is trying to use unknown charset (\d+)\. Disconnecting/,
    draft: (m) => front(m, { what: 'closed', state: 'charset', reason: `unknown charset ${m[3]}` }),
  },
  {
    has: 'PROXY header',
    re: /Unable to parse PROXY header from IP (\S+)/,
    draft: (m) => ({ what: 'error', client: m[1]!, reason: 'PROXY header unreadable' }),
  },
  {
    has: 'Watchdog:',
    re: /Watchdog: (\d+) threads missed a heartbeat/,
    draft: (m) => ({ what: 'paused', reason: `${m[1]} threads missed a heartbeat` }),
  },
  {
    has: 'ProxySQL version',
    re: /ProxySQL version (\S+)/,
    draft: (m) => ({ what: 'started', version: m[1]! }),
  },
  { has: 'Starting shutdown', re: /Starting shutdown/, draft: () => ({ what: 'stopped' }) },
  {
    has: 'shutdown in progress',
    re: /Received (\w+) signal: shutdown/,
    draft: (m) => ({ what: 'stopped', reason: `signal ${m[1]}` }),
  },
  {
    has: 'Creating new server in HG',
    re: /Creating new server in HG (\d+) : ([^\s:]+):(\d+)/,
    draft: (m) => ({ what: 'server-up', server: endpoint(m[2]!, m[3]!), fields: { hostgroup: Number(m[1]) } }),
  },
  { has: 'signal', re: /Received crash signal|crashed with signal|Aborting/i, draft: () => ({ what: 'crashed' }) },
]

/** A line about the connection of a client that ProxySQL closes. */
const front = (m: RegExpExecArray, facts: Draft): Draft => ({
  closedBy: 'proxy',
  client: endpoint(m[1]!, m[2]!),
  ...facts,
})

function connectFailure(code: number): Draft['what'] {
  if (code === 1129) return 'host-blocked'
  if (code === 1040 || code === 1203 || code === 1226) return 'too-many-connections'
  if (code === 1044 || code === 1045 || code === 1049 || code === 1251) return 'auth-failed'
  return code === 2026 ? 'tls-failed' : 'connect-failed'
}

function read({ text }: Entry): Draft | null {
  const m = PREFIX.exec(text)
  if (m === null) return null
  const stamp = m[1] === undefined ? null : (readStamp(m[1])?.stamp ?? null)
  const level = LEVELS[m[5] as keyof typeof LEVELS]
  const message = text.slice(m[0].length)
  const draft = byRules(RULES, message)
  if (draft !== null) return { stamp, level, ...draft }
  return level === 'info' ? null : { what: 'other', stamp, level, reason: message.slice(0, 200) }
}

export const proxysql: LogFormat = {
  id: 'proxysql',
  title: 'ProxySQL error log',
  product: 'ProxySQL',
  role: 'proxy',
  examples: [
    '2022-07-02 16:01:49 MySQL_Session.cpp:3930:handler_minus1_ClientLibraryError(): [ERROR] Detected a broken connection while running query on (102,node_name,3301,254029) , FD (Conn:55 , MyDS:55) , user username , last_used 77620ms ago : 2013, Lost connection to MySQL server during query',
    'MySQL_Session.cpp:1694:handler_again___status_PINGING_SERVER(): [ERROR] Detected a broken connection while during ping on (20,db1,3306,272711) , FD (Conn:162 , MyDS:162) , user  app , last_used 0ms ago : 2013, Lost connection to MySQL server during query',
    '2020-04-14 06:53:43 MySQL_Session.cpp:3232:handler(): [ERROR] Detected a broken connection during query on (50,shard14.mkt,3306) , FD (Conn:269 , MyDS:269) : 2006, MySQL server has gone away',
    '2020-04-03 06:41:52 MySQL_Thread.cpp:4583:process_all_sessions(): [WARNING] Closing unhealthy client connection 10.20.185.128:36462',
    '2024-09-13 03:44:19 mysql_connection.cpp:1279:handler(): [ERROR] Connect timeout on 192.168.10.101:3306 : exceeded by 1894394us',
    '2026-11-20 17:30:11 [INFO] ProxySQL version 2.5.5-0-g154c4a4',
  ],
  starts: (line) => HEAD.test(line) || OWN.test(line),
  // 2020-era texts hold line breaks.
  continues: (line) => line === '' || line.startsWith(' ') || BANNER.test(line),
  open: each(
    read,
    (line) => OWN.test(line),
    (line) => (line.includes('[INFO]') ? 1 : 2),
  ),
}
