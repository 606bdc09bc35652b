/** session-pollution: state that one borrower left and the next one ran with. Told as plays; borrowers by pings, traces, resets or damage. */
import { describe, expect, it } from 'vitest'
import { detect } from '../../src/detect/engine.ts'
import { RULES } from '../../src/detect/rules/index.ts'
import { EMPTY_EVENT, type LogEvent } from '../../src/logs/event.ts'
import type { Finding } from '../../src/report/model.ts'
import { sessionsOf } from '../detect/kit.ts'
import { err, expectQuiet, judge, ok, type Play, rows, says, working } from './kit.ts'

const RULE = 'session-pollution'
const IN_TRANSACTION = ok({ status: 0x0003 })
const NO_AUTOCOMMIT = ok({ status: 0x0000 })

/** A pool's connection: logged in, used once by somebody, given back. */
const pooled = (): Play => working().wait('5ms').query('SELECT COUNT(*) FROM user', rows(1)).wait('500ms')
/** The pool hands it out: a ping, and the borrower's statement at once. */
const checkout = (p: Play): Play => p.wait('600ms').ping().wait('1ms')

describe('reports', () => {
  it('a session variable left behind, told by the ping at checkout', () => {
    const p = pooled().as('set').query("SET time_zone='+08:00'", ok()).query('SELECT 2 FROM t', rows(1))
    checkout(p).as('victim').query('INSERT INTO t VALUES (NOW())', ok()).quit()
    const j = judge(p)
    const f = j.only(RULE)
    expect(f).toMatchObject({
      severity: 'error',
      confidence: 'likely',
      culprit: { role: 'client' },
      detail: { state: 'time_zone', value: '+08:00', boundary: 'ping', endedBy: 'nothing' },
    })
    const o = f.occurrences[0]!
    expect(says(j, o, 'set')).toContain("SET time_zone='+08:00'")
    expect(says(j, o, 'victim')).toContain('INSERT INTO t')
  })

  for (const [name, sql, state, next] of [
    ['an isolation level', 'SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE', 'isolation', 'SELECT a FROM t'],
    ['read only', 'SET SESSION TRANSACTION READ ONLY', 'read_only', 'INSERT INTO t VALUES (1)'],
    ['sql_mode', "SET SESSION sql_mode=''", 'sql_mode', 'INSERT INTO t VALUES (1)'],
    ['a character set', 'SET NAMES latin1', 'charset', 'SELECT a FROM t'],
    ['a collation', 'SET collation_connection = utf8mb4_bin', 'collation', 'SELECT a FROM t'],
    ['another variable', 'SET group_concat_max_len = 5', 'group_concat_max_len', 'SELECT a FROM t'],
    ['a user variable', "SET @tenant = 'acme'", 'user_variable', 'SELECT a FROM t WHERE tenant = @tenant'],
    ['a user variable of a SELECT', 'SELECT @n := MAX(id) FROM t', 'user_variable', 'SELECT @n + 1 FROM t'],
    ['a temporary table', 'CREATE TEMPORARY TABLE stock AS SELECT * FROM x', 'temp_table', 'SELECT n FROM stock'],
    ['a schema', 'USE archive', 'schema', 'SELECT a FROM t'],
    ['table locks', 'LOCK TABLES t WRITE', 'lock_tables', 'SELECT a FROM t'],
    ['a user lock', "SELECT GET_LOCK('job', 5)", 'user_lock', 'SELECT a FROM t'],
    [
      'a variable in a versioned comment',
      '/*!40101 SET foreign_key_checks=0 */',
      'foreign_key_checks',
      'INSERT INTO t VALUES (1)',
    ],
  ] as const) {
    it(`${name}: detail.state ${state}`, () => {
      const p = pooled().query(sql, ok()).query('SELECT b FROM u', rows(2))
      const f = judge(checkout(p).query(next, rows(1)).quit()).only(RULE)
      expect(f.detail['state']).toBe(state)
      expect(f.severity).not.toBe('info')
    })
  }

  it('a SELECT without LIMIT cut at exactly the limit', () => {
    const p = pooled().query('SET SESSION sql_select_limit=2', ok()).query('SELECT name FROM user', rows(2))
    const f = judge(checkout(p).query('select * from user', rows(2)).quit()).only(RULE)
    expect(f).toMatchObject({ severity: 'error', detail: { state: 'sql_select_limit', value: '2' } })
    expect(f.detail['damage']).toContain('exactly 2 rows')
  })

  it('and a result that the limit did not cut only as a warning', () => {
    const p = pooled().query('SET SESSION sql_select_limit=20', ok()).query('SELECT name FROM user', rows(3))
    expect(judge(checkout(p).query('select * from user', rows(3)).quit()).only(RULE).severity).toBe('warning')
  })

  it('through a prepared statement', () => {
    const p = pooled().prepare("SET time_zone = '+08:00'", 7).execute(7, ok()).query('SELECT b FROM u', rows(2))
    const f = judge(checkout(p).query('SELECT a FROM t', rows(1)).quit()).only(RULE)
    expect(f.detail).toMatchObject({ state: 'time_zone', value: '+08:00' })
  })

  it('COM_INIT_DB, which COM_RESET_CONNECTION does not undo', () => {
    const p = pooled().initDb('archive').query('SELECT b FROM u', rows(2)).wait('50ms').resetConnection()
    const f = judge(p.query('SELECT a FROM t', rows(1)).quit()).only(RULE)
    expect(f.detail).toMatchObject({ state: 'schema', value: 'archive', previous: 'shop', boundary: 'reset' })
  })

  describe('by damage, where nothing marks the change of borrower', () => {
    it('results cut at a limit that was never taken back', () => {
      const p = pooled().query('SET SQL_SELECT_LIMIT=1', ok()).query('SELECT name FROM user', rows(1)).wait('400ms')
      const f = judge(p.query('select * from user', rows(1)).quit()).only(RULE)
      expect(f).toMatchObject({ severity: 'error', detail: { state: 'sql_select_limit', boundary: 'pause' } })
    })

    it('statements refused because of LOCK TABLES', () => {
      const p = pooled().query('LOCK TABLES stock WRITE', ok()).query('UPDATE stock SET n=0', ok()).wait('300ms')
      const f = judge(p.query('SELECT * FROM orders', err(1100, 'HY000', 'not locked')).quit()).only(RULE)
      expect(f).toMatchObject({ severity: 'error', detail: { state: 'lock_tables', boundary: 'pause' } })
      expect(f.detail['damage']).toContain('1100')
    })

    it('a write that nobody committed, after a unit of work that was', () => {
      const p = pooled()
        .query('SET autocommit=0', NO_AUTOCOMMIT)
        .query('UPDATE t SET n=1', ok({ status: 1 }))
      p.query('COMMIT', NO_AUTOCOMMIT)
        .wait('300ms')
        .query('INSERT INTO t VALUES (1)', ok({ status: 1 }))
        .quit()
      const f = judge(p).only(RULE)
      expect(f).toMatchObject({ severity: 'error', detail: { state: 'autocommit', boundary: 'pause' } })
      expect(f.detail['damage']).toContain('never committed')
    })

    it('BEGIN in a transaction that was left open', () => {
      const p = pooled()
        .as('begin')
        .query('START TRANSACTION', IN_TRANSACTION)
        .query('UPDATE t SET n=1', IN_TRANSACTION)
      p.wait('500ms')
        .query('SELECT n FROM t', rows(1, { status: 3 }))
        .as('again')
        .query('BEGIN', IN_TRANSACTION)
      const j = judge(p.query('COMMIT', ok()).quit())
      const f = j.only(RULE)
      expect(f).toMatchObject({ severity: 'error', detail: { state: 'open_transaction', boundary: 'pause' } })
      expect(says(j, f.occurrences[0]!, 'begin')).toContain('began here')
      expect(says(j, f.occurrences[0]!, 'again')).toContain('BEGIN committed')
    })
  })

  it('borrowers by name where a pool trace is given', () => {
    const p = pooled().query("SET sql_mode=''", ok()).query('SELECT b FROM u', rows(2)).wait('300ms')
    p.query('INSERT INTO t VALUES (1)', ok()).quit()
    const [f] = traced(p, [
      [0.002, 'checkout', 'health'],
      [0.02, 'checkin', 'health'],
      [0.4, 'checkout', 'A'],
      [0.6, 'checkin', 'A'],
      [0.75, 'checkout', 'B'],
      [2, 'checkin', 'B'],
    ])
    expect(f).toMatchObject({
      severity: 'warning',
      confidence: 'certain',
      detail: {
        state: 'sql_mode',
        value: '',
        boundary: 'pool-trace',
        setBy: { borrower: 'A' },
        ranWith: [{ borrower: 'B' }],
      },
    })
  })
})

describe('stays quiet', () => {
  const quiet = (p: Play): void => expectQuiet(judge(p), RULE)

  it('when the borrower takes its change back', () => {
    const p = pooled().query('SET SQL_SELECT_LIMIT=1', ok()).query('SELECT name FROM user', rows(1))
    quiet(checkout(p.query('SET SQL_SELECT_LIMIT=DEFAULT', ok())).query('select * from user', rows(1)).quit())
  })

  it('when the driver takes it back before the next statement (setMaxRows)', () => {
    const p = pooled().query('SET SQL_SELECT_LIMIT=1', ok()).query('SELECT name FROM user', rows(1))
    quiet(checkout(p).query('SET SQL_SELECT_LIMIT=DEFAULT', ok()).query('select * from user', rows(3)).quit())
  })

  it('when the pool restores what went through its setters', () => {
    const p = pooled()
      .query('SET autocommit=0', NO_AUTOCOMMIT)
      .query('UPDATE t SET n=1', ok({ status: 1 }))
    p.query('COMMIT', NO_AUTOCOMMIT).query('SET autocommit=1', ok())
    quiet(checkout(p).query('select * from user', rows(3)).quit())
  })

  it('when the level is set for the work and back again after it', () => {
    const level = (l: string): string => `SET SESSION TRANSACTION ISOLATION LEVEL ${l}`
    const p = pooled()
      .query(level('SERIALIZABLE'), ok())
      .query('SELECT a FROM t', rows(1))
      .query(level('REPEATABLE READ'), ok())
    quiet(checkout(p).query('select * from user', rows(3)).quit())
  })

  it('when the pool resets the connection', () => {
    const p = pooled()
      .query("SET sql_mode=''", ok())
      .query("SET @a='x'", ok())
      .query('LOCK TABLES t READ', ok())
      .query('SELECT a FROM t', rows(1))
    quiet(checkout(p.resetConnection()).query('SELECT @a, b FROM t', rows(1)).quit())
  })

  it('what is set right after the login, by the driver or as connectionInitSql', () => {
    const p = working()
      .query('SET NAMES latin1', ok())
      .query('SELECT @@max_allowed_packet', rows(1))
      .query("SET SESSION sql_mode='ANSI', time_zone='+00:00'", ok())
    p.ping().query('SELECT 1 FROM a', rows(1))
    quiet(checkout(p).query("INSERT INTO t VALUES ('é')", ok()).quit())
  })

  it('every borrower setting its own', () => {
    const p = pooled().query("SET time_zone='+08:00'", ok()).query('SELECT a FROM t', rows(1))
    checkout(p).query("SET time_zone='+01:00'", ok()).query('SELECT NOW() FROM t', rows(1))
    quiet(checkout(p).query("SET time_zone='+08:00'", ok()).query('SELECT NOW() FROM t', rows(1)).quit())
  })

  it('a private connection that changes its own state and pauses', () => {
    const p = pooled()
      .query("SET time_zone='+08:00'", ok())
      .query("SET @a='x'", ok())
      .query('CREATE TEMPORARY TABLE s (a INT)', ok())
    p.query('SELECT a FROM t', rows(1)).wait('2s').query('SELECT @a, NOW() FROM s', rows(1)).wait('2s')
    quiet(
      p.query('USE other', ok()).query('SELECT a FROM t', rows(1)).wait('1s').query('SELECT a FROM t', rows(1)).quit(),
    )
  })

  it('a private connection kept alive by pings', () => {
    const p = pooled().query("SET time_zone='+08:00'", ok()).query('SELECT a FROM t', rows(1))
    for (let i = 0; i < 5; i++) p.wait('10s').ping()
    quiet(p.wait('5s').query('SELECT NOW() FROM t', rows(1)).quit())
  })

  it('a client that pings before each of its statements', () => {
    const p = pooled()
    for (const sql of ["SET time_zone='+08:00'", 'SELECT NOW() FROM t', 'SELECT a FROM t', 'SELECT b FROM t'])
      p.wait('3ms')
        .ping()
        .wait('1ms')
        .query(sql, sql.startsWith('SET') ? ok() : rows(1))
    quiet(p.quit())
  })

  it('a user variable or temporary table that the next one does not use, or sets itself', () => {
    const p = pooled()
      .query("SET @a='x'", ok())
      .query('CREATE TEMPORARY TABLE s (a INT)', ok())
      .query('SELECT @a FROM s', rows(1))
    quiet(
      checkout(p)
        .query('SELECT @ab, @@a FROM `ss`', rows(1))
        .query("SET @a='y'", ok())
        .query('SELECT @a FROM t', rows(1))
        .quit(),
    )
  })

  it('a statement that failed, or SET GLOBAL, or SET TRANSACTION for one transaction', () => {
    const p = pooled()
      .query("SET sql_mode='x'", err(1231, '42000', 'no'))
      .query('SET GLOBAL sql_mode=1', ok())
    p.query('SET TRANSACTION ISOLATION LEVEL SERIALIZABLE', ok()).query('SELECT a FROM t', rows(1))
    quiet(checkout(p).query('INSERT INTO t VALUES (1)', ok()).quit())
  })

  it('a transaction that a slow application finishes', () => {
    const p = pooled().query('BEGIN', IN_TRANSACTION).query('UPDATE t SET n=1', IN_TRANSACTION).wait('3s')
    quiet(
      p
        .query('UPDATE t SET n=2', IN_TRANSACTION)
        .wait('1s')
        .query('COMMIT', ok())
        .wait('1s')
        .query('BEGIN', IN_TRANSACTION)
        .query('ROLLBACK', ok())
        .quit(),
    )
  })

  it('autocommit off by the driver (PEP 249), with BEGIN in the implicit transaction', () => {
    const p = working()
      .query('SET AUTOCOMMIT = 0', NO_AUTOCOMMIT)
      .query('SELECT a FROM t', rows(1, { status: 1 }))
      .wait('300ms')
    p.query('BEGIN', ok({ status: 1 }))
      .query('INSERT INTO t VALUES (1)', ok({ status: 1 }))
      .query('COMMIT', NO_AUTOCOMMIT)
    quiet(
      p
        .wait('1s')
        .query('INSERT INTO t VALUES (1)', ok({ status: 1 }))
        .quit(),
    )
  })

  it('variables that hurt nobody: told as info at most', () => {
    const p = pooled().query('SET long_query_time=0', ok()).query('SELECT a FROM t', rows(1))
    expectQuiet(judge(checkout(p).query('SELECT b FROM t', rows(1)).quit()))
  })

  it('a limit under which the session has worked since its login', () => {
    const p = working().query('SET SQL_SELECT_LIMIT=1', ok()).query('SELECT a FROM t', rows(1)).wait('400ms')
    quiet(p.query('SELECT b FROM t', rows(1)).quit())
  })

  it('statements with a LIMIT of their own, counts, and a limit taken back later', () => {
    const p = pooled().query('SET SQL_SELECT_LIMIT=1', ok()).query('SELECT a FROM t', rows(1)).wait('400ms')
    p.query('SELECT a FROM t LIMIT 1', rows(1)).query('SELECT COUNT(*) FROM t', rows(1)).wait('1s')
    quiet(p.query('SELECT b FROM t', rows(1)).query('SET SQL_SELECT_LIMIT=DEFAULT', ok()).quit())
  })

  it('one borrower in several pauses, where a trace says so', () => {
    const p = pooled().query('SET SQL_SELECT_LIMIT=1', ok()).query('SELECT name FROM user', rows(1)).wait('400ms')
    p.query('select * from user', rows(1)).quit()
    expect(
      traced(p, [
        [0.4, 'checkout', 'A'],
        [3, 'checkin', 'A'],
      ]),
    ).toEqual([])
  })

  it('what the driver sends behind the login, while the first borrower already waits for the connection', () => {
    const p = working()
      .query('SET NAMES utf8mb4', ok())
      .wait('50ms')
      .query('SELECT name FROM user', rows(2))
      .wait('400ms')
    p.query('SELECT id FROM orders', rows(3)).quit()
    expect(
      traced(p, [
        [-0.01, 'checkout', 'A'],
        [0.2, 'checkin', 'A'],
        [0.3, 'checkout', 'B'],
      ]),
    ).toEqual([])
  })
})

/** Findings of the rule where the pool wrote down its borrows: seconds since the story's begin. */
function traced(p: Play, events: readonly (readonly [number, 'checkout' | 'checkin', string])[]): Finding[] {
  const { sessions, epoch } = sessionsOf([p])
  const s = sessions[0]!
  const log: LogEvent[] = events.map(([at, what, borrower], i) => ({
    ...EMPTY_EVENT,
    input: 'pool.log',
    line: i + 1,
    format: 'pool',
    role: 'pool',
    product: 'a pool',
    what,
    text: `${what} ${borrower}`,
    at: s.startAt + at * 1e9,
    client: what === 'checkout' ? s.client : null,
    connectionId: s.mysql!.greeting!.connectionId,
    borrower,
  }))
  const { findings, bugs } = detect(RULES, sessions, epoch, new Map(), { events: log })
  expect(bugs).toEqual([])
  return findings.filter((f) => f.rule === RULE)
}
