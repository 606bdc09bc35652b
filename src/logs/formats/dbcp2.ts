/** Apache Commons DBCP 2, by its messages (LocalStrings.properties) and exceptions. */
import { isAppLine } from '../app-line.ts'
import type { LogFormat } from '../format.ts'
import { type MessageRule, PoolReader } from '../rules.ts'
import { grouped } from '../words.ts'

const RULES: readonly MessageRule[] = [
  {
    has: 'The lifetime of the connection',
    re: /The lifetime of the connection \[([^\]]*?)(?: ms|ms)?\](?: milliseconds)? exceeds the maximum permitted value of \[([^\]]*?)(?: ms|ms)?\]/,
    draft: (m) => ({
      what: 'retired',
      closedBy: 'pool',
      durationMillis: grouped(m[1]!),
      reason: 'maxConnLifetimeMillis',
      fields: { maxConnLifetimeMillis: grouped(m[2]!) },
    }),
  },
  {
    has: 'Failed to validate a poolable connection',
    re: /Failed to validate a poolable connection/,
    draft: (m) => ({ what: 'validation-failed', reason: m[0] }),
  },
  {
    has: 'Fatal SQLException was thrown previously',
    re: /Fatal SQLException was thrown previously on this connection/,
    draft: (m) => ({ what: 'broken', reason: m[0] }),
  },
  {
    has: 'Cannot get a connection, pool error',
    re: /Cannot get a connection, pool error:? (.*)/,
    draft: (m) => ({ what: 'exhausted', reason: m[1]!.slice(0, 200) }),
  },
  {
    has: 'Cannot create PoolableConnectionFactory',
    re: /Cannot create PoolableConnectionFactory \(([\s\S]*?)\)?$/,
    draft: (m) => ({ what: 'connect-failed', reason: m[1]!.slice(0, 200) }),
  },
  {
    has: 'swallowed an Exception',
    re: /An internal object pool swallowed an Exception/,
    draft: (m) => ({ what: 'broken', reason: m[0] }),
  },
  {
    has: 'Pooled object created',
    re: /Pooled object created (\S+ \S+ \S+) by the following code has not been returned to the pool/,
    draft: () => ({ what: 'killed', closedBy: 'pool', reason: 'removeAbandoned' }),
  },
]

const KNOWN =
  /dbcp2?\.|The lifetime of the connection \[|Failed to validate a poolable connection|Fatal SQLException was thrown previously on this connection|An internal object pool swallowed an Exception|Cannot get a connection, pool error|Cannot create PoolableConnectionFactory/

export const dbcp2: LogFormat = {
  id: 'dbcp2',
  title: 'Apache Commons DBCP 2',
  product: 'DBCP2',
  role: 'pool',
  examples: [
    '2023-04-05 09:10:11.123  WARN 7 --- [nio-8080-exec-2] o.a.c.dbcp2.BasicDataSource : An internal object pool swallowed an Exception.',
    '2023-04-05 09:10:12.123  WARN 7 --- [nio-8080-exec-2] o.a.c.dbcp2.PoolableConnectionFactory : The lifetime of the connection [1,800,123] milliseconds exceeds the maximum permitted value of [1,800,000] milliseconds',
  ],
  starts: (line) => KNOWN.test(line) && isAppLine(line),
  open: () => new PoolReader(RULES),
}
