/** SQLAlchemy's pool (`echo_pool="debug"`, logger sqlalchemy.pool), in any layout of Python's logging. */
import { isAppLine } from '../app-line.ts'
import type { LogFormat } from '../format.ts'
import { type MessageRule, PoolReader } from '../rules.ts'

/** The driver's object as Python prints it; its address is the pool's name for the connection. */
const OBJECT = String.raw`(<.*?>|\S+)`
const re = (text: string): RegExp => new RegExp(text.replace('%', OBJECT))

/** `0x7f1c2a` of `<pymysql.connections.Connection object at 0x7f1c2a>`. */
const name = (object: string): string => /at (0x[0-9a-f]+)/.exec(object)?.[1] ?? object

const RULES: readonly MessageRule[] = [
  {
    has: 'Created new connection',
    re: re('Created new connection %'),
    draft: (m) => ({ what: 'connected', poolConnection: name(m[1]!) }),
  },
  {
    has: 'checked out from pool',
    re: re('Connection % checked out from pool'),
    draft: (m) => ({ what: 'checkout', poolConnection: name(m[1]!) }),
  },
  {
    has: 'being returned to pool',
    re: re('Connection % being returned to pool'),
    draft: (m) => ({ what: 'checkin', poolConnection: name(m[1]!) }),
  },
  {
    has: '-on-return',
    re: re('Connection % (rollback|commit)-on-return'),
    draft: (m) => ({ what: 'reset', poolConnection: name(m[1]!), reason: `${m[2]}-on-return` }),
  },
  {
    has: 'exceeded timeout; recycling',
    re: re('Connection % exceeded timeout; recycling'),
    draft: (m) => ({ what: 'retired', closedBy: 'pool', poolConnection: name(m[1]!), reason: 'pool_recycle' }),
  },
  {
    has: 'nvalidate connection',
    re: re(String.raw`[Ii]nvalidate connection % \(reason: (.*)\)`),
    draft: (m) => ({ what: 'broken', poolConnection: name(m[1]!), reason: m[2]! }),
  },
  {
    has: 'nvalidate connection',
    re: re('[Ii]nvalidate connection %'),
    draft: (m) => ({ what: 'broken', poolConnection: name(m[1]!) }),
  },
  {
    has: 'will invalidate pool',
    re: re('Pool pre-ping on connection % failed'),
    draft: (m) => ({ what: 'validation-failed', poolConnection: name(m[1]!), reason: 'pool_pre_ping' }),
  },
  {
    has: 'Pool pre-ping on connection',
    re: re('Pool pre-ping on connection %'),
    draft: (m) => ({ what: 'validated', poolConnection: name(m[1]!), reason: 'pool_pre_ping' }),
  },
  {
    has: 'Disconnection detected on checkout',
    re: /Disconnection detected on checkout/,
    draft: () => ({ what: 'validation-failed', reason: 'disconnection detected on checkout' }),
  },
  {
    has: 'osing connection',
    re: re('(?:Closing|Hard-closing|closing) connection %'),
    draft: (m) => ({ what: 'closed', closedBy: 'pool', poolConnection: name(m[1]!) }),
  },
  {
    has: 'Exception closing connection',
    re: re('Exception closing connection %'),
    draft: (m) => ({ what: 'broken', poolConnection: name(m[1]!), reason: 'closing it failed' }),
  },
  {
    has: 'QueuePool limit of size',
    re: /QueuePool limit of size (\d+) overflow (-?\d+) reached, connection timed out, timeout ([\d.]+)/,
    draft: (m) => ({
      what: 'exhausted',
      durationMillis: Number(m[3]) * 1000,
      reason: 'pool_timeout',
      fields: { pool_size: Number(m[1]), max_overflow: Number(m[2]) },
    }),
  },
]

const KNOWN = /sqlalchemy\.pool|QueuePool limit of size/

export const sqlalchemy: LogFormat = {
  id: 'sqlalchemy',
  title: 'SQLAlchemy pool (echo_pool)',
  product: 'SQLAlchemy',
  role: 'pool',
  examples: [
    '2026-11-20 17:18:54,051 DEBUG sqlalchemy.pool.impl.QueuePool Connection <pymysql.connections.Connection object at 0x7f1c2a3b4c50> checked out from pool',
    '2026-11-20 17:18:54,051 INFO sqlalchemy.pool.impl.QueuePool Connection <pymysql.connections.Connection object at 0x7f1c2a3b4c50> exceeded timeout; recycling',
    'DEBUG:sqlalchemy.pool.impl.QueuePool:Created new connection <pymysql.connections.Connection object at 0x7f1c2a3b4c50>',
  ],
  starts: (line) => KNOWN.test(line) && isAppLine(line),
  open: () => new PoolReader(RULES),
}
