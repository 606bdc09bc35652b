/** c3p0, by its messages (logger com.mchange.v2…). */
import { isAppLine } from '../app-line.ts'
import type { LogFormat } from '../format.ts'
import { type MessageRule, PoolReader } from '../rules.ts'

const PHYSICAL = String.raw`((?:com\.mchange\.)?[\w.$]*NewPooledConnection@[0-9a-f]+)`

const RULES: readonly MessageRule[] = [
  {
    has: 'checked-out resource is overdue',
    re: new RegExp(`A checked-out resource is overdue, and will be destroyed: ${PHYSICAL}`),
    draft: (m) => ({ what: 'killed', closedBy: 'pool', poolConnection: m[1]!, reason: 'unreturnedConnectionTimeout' }),
  },
  {
    has: 'Logging the stack trace by which the overdue',
    re: /Logging the stack trace by which the overdue resource was checked-out/,
    draft: (m) => ({ what: 'other', reason: m[0] }),
  },
  {
    has: 'attempt by a client to checkout a',
    re: /An attempt by a client to checkout a (?:Connection|resource) has timed out/,
    draft: () => ({ what: 'exhausted', reason: 'checkoutTimeout' }),
  },
  {
    has: 'Connections could not be acquired',
    re: /Connections could not be acquired from the underlying database/,
    draft: (m) => ({ what: 'connect-failed', sqlState: '08001', reason: m[0] }),
  },
  {
    has: 'APPARENT DEADLOCK',
    re: /APPARENT DEADLOCK!!!/,
    draft: (m) => ({ what: 'exhausted', reason: m[0] }),
  },
  {
    has: 'cquisition',
    re: /acquisition attempt failed|Acquisition Attempt Failed/i,
    draft: (m) => ({ what: 'connect-failed', reason: m[0] }),
  },
  {
    has: 'PooledConnection',
    re: new RegExp(`Test of PooledConnection \\[${PHYSICAL}\\] on (\\w+) has (SUCCEEDED|FAILED)`),
    draft: (m) => ({
      what: m[3] === 'FAILED' ? 'validation-failed' : 'validated',
      poolConnection: m[1]!,
      reason: `on ${m[2]}`,
    }),
  },
  {
    has: 'EXPIRED idle resource',
    re: /(?:Removing|Culling)[^\n]*EXPIRED idle resource[^\n]*/,
    draft: () => ({ what: 'retired', closedBy: 'pool', reason: 'maxIdleTime' }),
  },
  {
    has: 'invalid resource',
    re: /A resource could not be (?:verified|refurbished)|invalid resource/,
    draft: (m) => ({ what: 'validation-failed', reason: m[0] }),
  },
  {
    has: 'Initializing c3p0',
    re: /Initializing c3p0(?: pool|-(\S+))/,
    draft: (m) => ({ what: 'started', version: m[1] ?? null }),
  },
]

export const c3p0: LogFormat = {
  id: 'c3p0',
  title: 'c3p0',
  product: 'c3p0',
  role: 'pool',
  examples: [
    '2021-03-02 10:15:22,101 INFO  [C3P0PooledConnectionPoolManager-HelperThread-#1] com.mchange.v2.resourcepool.BasicResourcePool - A checked-out resource is overdue, and will be destroyed: com.mchange.v2.c3p0.impl.NewPooledConnection@4f2410ac',
    '2021-03-02 10:15:22,101 WARN  [http-nio-8080-exec-1] com.mchange.v2.c3p0.impl.C3P0PooledConnectionPool - An attempt by a client to checkout a Connection has timed out.',
  ],
  starts: (line) => /c3p0|C3P0|com\.mchange\./.test(line) && isAppLine(line),
  open: () => new PoolReader(RULES),
}
