/** The Tomcat JDBC pool, by its messages and exceptions. */
import { isAppLine } from '../app-line.ts'
import type { LogFormat } from '../format.ts'
import { type MessageRule, PoolReader } from '../rules.ts'

const RULES: readonly MessageRule[] = [
  {
    has: 'marked suspect, possibly abandoned',
    re: /Connection has been marked suspect, possibly abandoned (?:PooledConnection\[)?(\S+?)\]?\[(\d+) ms\.\]/,
    draft: (m) => ({ what: 'other', poolConnection: m[1]!, durationMillis: Number(m[2]), reason: 'suspectTimeout' }),
  },
  {
    has: 'Connection has been abandoned',
    re: /Connection has been abandoned (?:PooledConnection\[)?([^\]:\s]+)/,
    draft: (m) => ({ what: 'killed', closedBy: 'pool', poolConnection: m[1]!, reason: 'removeAbandoned' }),
  },
  {
    has: 'Pool empty. Unable to fetch a connection',
    re: /Timeout: Pool empty\. Unable to fetch a connection in (\d+) seconds, none available\[size:(\d+); busy:(\d+); idle:(\d+); lastwait:(\d+)\]/,
    draft: (m) => ({
      what: 'exhausted',
      durationMillis: Number(m[5]),
      reason: 'maxWait',
      fields: { size: Number(m[2]), busy: Number(m[3]), idle: Number(m[4]) },
    }),
  },
  {
    has: 'Unable to create initial connections of pool',
    re: /Unable to create initial connections of pool/,
    draft: (m) => ({ what: 'connect-failed', reason: m[0] }),
  },
  {
    has: 'Unable to validate object',
    re: /(?:Unable to validate object|SQL Query Validation Failed)/,
    draft: (m) => ({ what: 'validation-failed', reason: m[0] }),
  },
  {
    has: 'Failed to validate',
    re: /Failed to validate connection/,
    draft: (m) => ({ what: 'validation-failed', reason: m[0] }),
  },
]

const KNOWN =
  /tomcat\.jdbc\.pool|Connection has been marked suspect, possibly abandoned|Connection has been abandoned |Pool empty\. Unable to fetch a connection|Unable to create initial connections of pool/

export const tomcatJdbc: LogFormat = {
  id: 'tomcat-jdbc',
  title: 'Tomcat JDBC pool',
  product: 'Tomcat JDBC',
  role: 'pool',
  examples: [
    '20-Nov-2026 17:18:54.123 WARNING [Tomcat JDBC Pool Cleaner[1706234378:1]] org.apache.tomcat.jdbc.pool.ConnectionPool.suspect Connection has been marked suspect, possibly abandoned PooledConnection[com.mysql.cj.jdbc.ConnectionImpl@1a2b3c][60012 ms.]:java.lang.Exception',
    '2026-11-20 17:18:54.123 ERROR 1 --- [nio-8080-exec-1] o.a.tomcat.jdbc.pool.ConnectionPool : [main] Timeout: Pool empty. Unable to fetch a connection in 2 seconds, none available[size:10; busy:10; idle:0; lastwait:2500].',
  ],
  starts: (line) => KNOWN.test(line) && isAppLine(line),
  open: () => new PoolReader(RULES),
}
