/** What statements do to session state, read from their text: any bytes, any dialect. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Dialect, Lexer, PLAIN, Token } from '../../src/state/lexer.ts'
import { assigns, introducesItself, Matter, mayMatter } from '../../src/state/may-matter.ts'
import { effectsOf } from '../../src/state/statement.ts'

const bytes = (s: string): Uint8Array => new TextEncoder().encode(s)
const read = (sql: string, dialect: Partial<Dialect> = {}): string[] => {
  const b = bytes(sql)
  return effectsOf(b, 0, b.length, { ...PLAIN, ...dialect }).map(
    (e) => `${e.statement} ${e.does} ${e.key}${e.value === '' ? '' : `=${e.value}`}`,
  )
}

describe('SET', () => {
  const cases: readonly (readonly [string, ...string[]])[] = [
    ['SET SQL_SELECT_LIMIT=1', '0 set var:sql_select_limit=1'],
    [
      'set autocommit=1, sql_mode = concat(@@sql_mode, ",X")',
      '0 set var:autocommit=1',
      '0 clear transaction',
      '0 set var:sql_mode=concat(@@sql_mode, ",X")',
    ],
    [
      'SET SESSION a=1, LOCAL b=2, @@c=3, @@session.d=4, @@local.e := 5',
      '0 set var:a=1',
      '0 set var:b=2',
      '0 set var:c=3',
      '0 set var:d=4',
      '0 set var:e=5',
    ],
    ['SET GLOBAL a=1, @@global.b=2, PERSIST c=3, @@persist_only.d=4'],
    ['SET a=DEFAULT, b=-1', '0 default var:a', '0 set var:b=-1'],
    ["SET @x = 5, @`y z` := 'a,b', @'q'=1", '0 set user:x=5', '0 set user:y z=a,b', '0 set user:q=1'],
    [
      "SET NAMES 'latin1' COLLATE latin1_bin",
      '0 set var:character_set_client=latin1',
      '0 set var:character_set_connection=latin1',
      '0 set var:character_set_results=latin1',
      '0 set var:collation_connection=latin1_bin',
    ],
    [
      'SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY',
      '0 next var:transaction_isolation=READ-COMMITTED',
      '0 next var:transaction_read_only=1',
    ],
    ['SET SESSION TRANSACTION READ WRITE', '0 set var:transaction_read_only=0'],
    ["SET @@transaction_isolation = 'SERIALIZABLE'", '0 next var:transaction_isolation=SERIALIZABLE'],
    ["SET tx_isolation = 'SERIALIZABLE'", '0 set var:transaction_isolation=SERIALIZABLE'],
    ['SET ROLE auditor', '0 set role=auditor'],
    ['SET ROLE NONE', '0 clear role'],
    ["SET STATEMENT max_statement_time=1 FOR SET sql_mode='ANSI'", '0 set var:sql_mode=ANSI'],
    ["SET PASSWORD = 'x'"],
    ["SET PASSWORD FOR u@h = PASSWORD('x'), a=1"],
    ['SET DEFAULT ROLE a TO u'],
    ['SET x = (SELECT 1, 2), y = 3', '0 set var:x=(SELECT 1, 2)', '0 set var:y=3'],
    ["SET @r = GET_LOCK('A', 1)", '0 set userlock:a', "0 set user:r=GET_LOCK('A', 1)"],
    ['SET'],
    ['SET @'],
    ['SET x'],
    ['SET x=', '0 set var:x'],
  ]
  for (const [sql, ...wanted] of cases) it(sql, () => expect(read(sql)).toEqual(wanted))
})

describe('the others', () => {
  const cases: readonly (readonly [string, ...string[]])[] = [
    ['USE `arch``ive`', '0 set schema=arch`ive'],
    ['BEGIN', '0 set transaction=BEGIN'],
    ['BEGIN NOT ATOMIC SELECT 1; END'],
    ['START TRANSACTION READ ONLY', '0 clear lock:tables', '0 set transaction=START TRANSACTION'],
    ['START SLAVE'],
    ['COMMIT AND CHAIN', '0 clear transaction=COMMIT', '0 set transaction=COMMIT AND CHAIN'],
    ['ROLLBACK TO SAVEPOINT a'],
    ['XA START "x"', '0 set xa=x'],
    ['LOCK TABLES a READ, b AS c WRITE', '0 set lock:tables=a READ, b AS c WRITE'],
    ['UNLOCK TABLES', '0 clear lock:tables', '0 clear lock:global'],
    ['FLUSH TABLES WITH READ LOCK', '0 set lock:global'],
    ['FLUSH TABLES a, b FOR EXPORT', '0 set lock:tables=a, b'],
    ['FLUSH TABLES'],
    ['FLUSH PRIVILEGES'],
    ['LOCK INSTANCE FOR BACKUP', '0 set lock:backup=LOCK INSTANCE FOR BACKUP'],
    ['BACKUP STAGE START', '0 set lock:backup=BACKUP STAGE'],
    ['CREATE OR REPLACE TEMPORARY TABLE IF NOT EXISTS s.`T` (a INT)', '0 set temp:t'],
    ['CREATE TABLE t (a INT)'],
    ['DROP TEMPORARY TABLE IF EXISTS a, s.b', '0 clear temp:a', '0 clear temp:b'],
    ['HANDLER t OPEN AS h', '0 set handler:h'],
    ['HANDLER h CLOSE', '0 clear handler:h'],
    ['DEALLOCATE PREPARE s', '0 clear prepare:s'],
    ['EXECUTE s USING @a', '0 execute prepare:s'],
    ["EXECUTE IMMEDIATE 'SET sql_mode=''ANSI'''", '0 set var:sql_mode=ANSI'],
    ['CALL p(@out)', '0 set user:out'],
    ["LOAD DATA INFILE 'f' INTO TABLE t (a, @b) SET c = @b", '0 set user:b'],
    ['SELECT a INTO @a, @b FROM t', '0 set user:a', '0 set user:b'],
    ["INSERT INTO t SELECT @n := @n + 1, 'it''s @x := 1' FROM u", '0 set user:n'],
    [
      "DO GET_LOCK('a', 1), RELEASE_LOCK('b'), RELEASE_ALL_LOCKS()",
      '0 set userlock:a',
      '0 clear userlock:b',
      '0 clear userlock:*',
    ],
    ['SELECT 1; USE a; SELECT 2', '1 set schema=a'],
    [';; USE a', '0 set schema=a'],
    ["SELECT 'a; USE b'"],
    ['SELECT `a; USE b`'],
    ['SELECT 1 -- ; USE b\n'],
    ['SELECT 1 --; USE b', '1 set schema=b'],
    ['(SELECT @a := 1)', '0 set user:a'],
  ]
  for (const [sql, ...wanted] of cases) it(sql, () => expect(read(sql)).toEqual(wanted))

  it('PREPARE remembers what its text does', () => {
    const b = bytes("PREPARE s FROM 'SET @a = 1'")
    expect(effectsOf(b, 0, b.length, PLAIN)[0]).toMatchObject({
      does: 'set',
      key: 'prepare:s',
      nested: [{ key: 'user:a', value: '1' }],
    })
  })
})

describe('dialects', () => {
  it('versioned comments run from their version on', () => {
    expect(read('/*!80000 USE a */', { version: 80041 })).toEqual(['0 set schema=a'])
    expect(read('/*!90000 USE a */', { version: 80041 })).toEqual([])
    expect(read('/*! USE a */', { version: 80041 })).toEqual(['0 set schema=a'])
    expect(read('USE /*!90000 b */ a', { version: 80041 })).toEqual(['0 set schema=a'])
  })

  it('MariaDB runs its own and leaves out those for MySQL 5.7 and later', () => {
    const mariadb = { mariadb: true, version: 101119 }
    expect(read('/*M!100100 USE a */', mariadb)).toEqual(['0 set schema=a'])
    expect(read('/*M!100100 USE a */')).toEqual([])
    expect(read('/*!50701 USE a */', mariadb)).toEqual([])
    expect(read('/*!50503 USE a */', mariadb)).toEqual(['0 set schema=a'])
  })

  it('backslashes and double quotes as the session has them', () => {
    expect(read("SELECT 'a\\'; USE b; SELECT '", {})).toEqual([])
    expect(read("SELECT 'a\\'; USE b; SELECT '", { noBackslashEscapes: true })).toEqual(['1 set schema=b'])
    expect(read('USE "b"', { ansiQuotes: true })).toEqual(['0 set schema=b'])
  })
})

describe('which statements are read at all', () => {
  const matter = (sql: string): Matter => mayMatter(bytes(sql), 0, bytes(sql).length)
  it('never less than what changes state', () => {
    const all = [
      'SET a=1',
      'use a',
      'LOCK TABLES a READ',
      'UNLOCK TABLES',
      'FLUSH TABLES WITH READ LOCK',
      'HANDLER a OPEN',
      "PREPARE s FROM 'x'",
      'EXECUTE s',
      'DEALLOCATE PREPARE s',
      'XA START "a"',
      'CREATE TEMPORARY TABLE a (b INT)',
      'DROP TABLE a',
      'CALL p(@a)',
      "LOAD DATA INFILE 'f' INTO TABLE t (@a)",
      'BACKUP STAGE START',
      "DO GET_LOCK('a',1)",
      '/*!50000 SET a=1 */',
      '/* c */ SET a=1',
      '  (  SET a=1',
      '-- x\nUSE a',
      '# x\nUSE a',
    ]
    for (const sql of all) expect([sql, matter(sql)]).toEqual([sql, Matter.yes])
    for (const sql of ['SELECT 1', 'INSERT INTO t', 'UPDATE t', 'DELETE FROM t', 'REPLACE t', 'WITH a AS (SELECT 1)'])
      expect([sql, matter(sql)]).toEqual([sql, Matter.perhaps])
    for (const sql of ['COMMIT', 'BEGIN', 'SHOW TABLES', 'ANALYZE TABLE t', 'GRANT a', '', 'x'])
      expect([sql, matter(sql)]).toEqual([sql, Matter.no])
  })

  it('user variables and lock functions in other statements', () => {
    const holds = (sql: string, several = false): boolean => assigns(bytes(sql), 0, bytes(sql).length, several)
    for (const sql of [
      'SELECT @a := 1',
      'SELECT a INTO @b',
      "SELECT x, get_lock ('a', 1)",
      'SELECT RELEASE_ALL_LOCKS()',
      "SELECT IF(RELEASE_LOCK('a'), 1, 0)",
    ])
      expect([sql, holds(sql)]).toEqual([sql, true])
    for (const sql of ['SELECT @@version', 'SELECT user_lock FROM t', 'SELECT a_b, c_d FROM t', 'SELECT 1; USE b'])
      expect([sql, holds(sql)]).toEqual([sql, false])
    expect(holds('SELECT 1; USE b', true)).toBe(true)
  })

  it('statements that introduce a session', () => {
    const intro = (sql: string): boolean => introducesItself(bytes(sql), 0, bytes(sql).length)
    for (const sql of [
      'SET NAMES utf8',
      'SELECT @@version',
      'select 1',
      "SELECT 'x' FROM DUAL",
      'SHOW VARIABLES',
      'SELECT CONNECTION_ID()',
      '/* c */ SELECT DATABASE()',
    ])
      expect([sql, intro(sql)]).toEqual([sql, true])
    for (const sql of ['SELECT 1 FROM t', 'SELECT a FROM t', 'INSERT INTO t VALUES (1)', 'SELECT COUNT(*) FROM t'])
      expect([sql, intro(sql)]).toEqual([sql, false])
  })
})

describe('any bytes', () => {
  const word = fc.constantFrom(
    'SET ',
    'SELECT ',
    '@',
    '@@',
    ':=',
    '=',
    ',',
    ';',
    "'",
    '"',
    '`',
    '\\',
    '/*',
    '*/',
    '/*!',
    '/*!50000',
    '/*M!',
    '--',
    '-- ',
    '#',
    '\n',
    '(',
    ')',
    'a',
    '1',
    'GET_LOCK(',
    'NAMES',
    'TRANSACTION',
    'STATEMENT',
    'FOR',
    'PREPARE',
    'FROM',
    'EXECUTE',
    'IMMEDIATE',
    'ROLE',
    'CALL',
    'LOAD',
    'LOCK TABLES',
    '\0',
    '\xff',
  )
  const text = fc.array(word, { maxLength: 60 }).map((a) => a.join(''))
  const any = fc.oneof(
    fc.uint8Array({ maxLength: 400 }),
    text.map(bytes),
    text.map((t) => Uint8Array.from(t, (c) => c.charCodeAt(0) & 255)),
  )
  const dialect = fc.record({
    mariadb: fc.boolean(),
    version: fc.constantFrom(0, 50700, 80041, 101119),
    noBackslashEscapes: fc.boolean(),
    ansiQuotes: fc.boolean(),
  })

  it('are some sequence of tokens that goes forward, within bounds', () => {
    fc.assert(
      fc.property(any, dialect, (b, d) => {
        const lexer = new Lexer().reset(b, 0, b.length, d)
        let at = -1
        for (let n = 0; lexer.next() !== Token.end; n++) {
          expect(lexer.begin).toBeGreaterThan(at)
          expect(lexer.from).toBeGreaterThanOrEqual(lexer.begin)
          expect(lexer.to).toBeLessThanOrEqual(b.length)
          expect(n).toBeLessThan(b.length)
          at = lexer.begin
        }
      }),
      { numRuns: 400 },
    )
  })

  it('have some effects, and no more than are kept', () => {
    fc.assert(
      fc.property(any, dialect, fc.nat(20), (b, d, offset) => {
        const start = Math.min(offset, b.length)
        const effects = effectsOf(b, start, b.length, d)
        expect(effects.length).toBeLessThanOrEqual(64)
        for (const e of effects) expect(e.value.length).toBeLessThanOrEqual(96)
        mayMatter(b, start, b.length)
        assigns(b, start, b.length, true)
        introducesItself(b, start, b.length)
      }),
      { numRuns: 600 },
    )
  })

  it('a SELECT that is not looked into changes nothing', () => {
    fc.assert(
      fc.property(text, (t) => {
        const b = bytes(`SELECT ${t}`)
        if (t.includes('/*') || assigns(b, 0, b.length, true)) return
        expect(effectsOf(b, 0, b.length, PLAIN)).toEqual([])
      }),
      { numRuns: 600 },
    )
  })
})
