/**
 * What we read out of statements, against what a real MariaDB does: session variables before and after several hundred
 * generated statements, and what the resets leave.
 */
import type { Connection, RowDataPacket } from 'mysql2/promise'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Effect, normalValue, variableKey } from '../../src/state/effect.ts'
import { PLAIN } from '../../src/state/lexer.ts'
import { effectsOf } from '../../src/state/statement.ts'
import { MARIADB, type Server, startMariadb } from '../kit/mariadb.ts'
import { needs } from '../kit/require.ts'

/** Variables that change by themselves, or tell of the statement before. */
const RESTLESS =
  /^(timestamp|last_insert_id|identity|insert_id|rand_seed[12]|error_count|warning_count|in_transaction|pseudo_|gtid_|last_gtid|external_user|proxy_user|sql_error_log|seconds_behind|system_time_zone)/
const VERSION = 101119

const dialect = { ...PLAIN, mariadb: true, version: VERSION }
const effects = (sql: string): readonly Effect[] => {
  const bytes = new TextEncoder().encode(sql)
  return effectsOf(bytes, 0, bytes.length, dialect)
}

/** Names with values that are valid, as SQL and as the server shows them. */
const VALUES: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  sql_mode: [
    ["''", ''],
    ["'ANSI'", 'REAL_AS_FLOAT,PIPES_AS_CONCAT,ANSI_QUOTES,IGNORE_SPACE,ANSI'],
    ["'STRICT_ALL_TABLES'", 'STRICT_ALL_TABLES'],
    ['NO_UNSIGNED_SUBTRACTION', 'NO_UNSIGNED_SUBTRACTION'],
  ],
  time_zone: [
    ["'+08:00'", '+08:00'],
    ['"-03:30"', '-03:30'],
    ["'SYSTEM'", 'SYSTEM'],
  ],
  sql_select_limit: [
    ['5', '5'],
    ['0', '0'],
    ['1000', '1000'],
  ],
  autocommit: [
    ['0', 'OFF'],
    ['1', 'ON'],
    ['OFF', 'OFF'],
    ["'on'", 'ON'],
    ['TRUE', 'ON'],
    ['false', 'OFF'],
  ],
  group_concat_max_len: [
    ['64', '64'],
    ['2048', '2048'],
  ],
  foreign_key_checks: [
    ['0', 'OFF'],
    ['ON', 'ON'],
  ],
  unique_checks: [
    ['OFF', 'OFF'],
    ['1', 'ON'],
  ],
  sql_safe_updates: [
    ['1', 'ON'],
    ['0', 'OFF'],
  ],
  lock_wait_timeout: [
    ['7', '7'],
    ['100', '100'],
  ],
  innodb_lock_wait_timeout: [
    ['3', '3'],
    ['60', '60'],
  ],
  wait_timeout: [
    ['600', '600'],
    ['28800', '28800'],
  ],
  tx_isolation: [
    ["'SERIALIZABLE'", 'SERIALIZABLE'],
    ["'READ-COMMITTED'", 'READ-COMMITTED'],
  ],
  tx_read_only: [
    ['1', 'ON'],
    ['OFF', 'OFF'],
  ],
  character_set_results: [
    ['latin1', 'latin1'],
    ["'utf8mb4'", 'utf8mb4'],
  ],
  collation_connection: [
    ['utf8mb4_bin', 'utf8mb4_bin'],
    ["'latin1_swedish_ci'", 'latin1_swedish_ci'],
  ],
  div_precision_increment: [
    ['6', '6'],
    ['4', '4'],
  ],
  default_week_format: [
    ['3', '3'],
    ['0', '0'],
  ],
  max_sort_length: [
    ['128', '128'],
    ['1024', '1024'],
  ],
  lc_time_names: [
    ["'de_DE'", 'de_DE'],
    ['en_US', 'en_US'],
  ],
  auto_increment_increment: [
    ['5', '5'],
    ['1', '1'],
  ],
  long_query_time: [
    ['2.5', '2.500000'],
    ['10', '10.000000'],
  ],
  max_statement_time: [
    ['900', '900.000000'],
    ['0', '0.000000'],
  ],
}
const NAMES = Object.keys(VALUES)

/** All session variables. With a LIMIT of its own: SQL_SELECT_LIMIT cuts SHOW VARIABLES as well. */
async function valuesOf(c: Connection): Promise<Map<string, string>> {
  const [rows] = await c.query<RowDataPacket[]>(
    'SELECT VARIABLE_NAME AS n, VARIABLE_VALUE AS v FROM information_schema.SESSION_VARIABLES LIMIT 10000',
  )
  const all = rows.map((r): [string, string] => [String(r['n']).toLowerCase(), String(r['v'])])
  return new Map(all.filter(([n]) => !RESTLESS.test(n)))
}

let state = 20_261_121
/** A small generator of its own: the same statements in every run. */
function random(below: number): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
  return Math.floor((state / 2 ** 32) * below)
}
const pick = <T>(list: readonly T[]): T => list[random(list.length)]!

function cased(word: string): string {
  return random(3) === 0 ? word.toUpperCase() : random(3) === 0 ? word.replace(/\b./g, (c) => c.toUpperCase()) : word
}
const blank = (): string => pick([' ', '  ', '\n', '\t', ' /* x, y=1 */ ', ' # a; b\n', ' -- c=2\n', '/**/'])
const name = (n: string): string => (random(4) === 0 ? `\`${n}\`` : cased(n))

function assignment(): string {
  const n = pick(NAMES)
  const value = random(8) === 0 ? cased('default') : random(12) === 0 ? `@@global.${n}` : pick(VALUES[n]!)[0]
  const equals = pick(['=', ' = ', ':=', ' := '])
  switch (random(7)) {
    case 0:
      return `${cased('session')}${blank()}${name(n)}${equals}${value}`
    case 1:
      return `${cased('local')}${blank()}${name(n)}${equals}${value}`
    case 2:
      return `@@${cased('session')}.${name(n)}${equals}${value}`
    case 3:
      return `@@${n}${equals}${value}`
    case 4:
      return pick([
        `${cased('global')} ${n}${equals}${pick(VALUES[n]!)[0]}`,
        `@@global.${n}${equals}${pick(VALUES[n]!)[0]}`,
      ])
    case 5:
      return pick(['@a := 1', "@`b c` = 'x, y'", "@d = 'it''s; fine'", '@e = (SELECT 1)', "@f = CONCAT('a', 'b')"])
    default:
      return `${name(n)}${equals}${value}`
  }
}

function statement(): string {
  switch (random(16)) {
    case 0:
      return `${cased('set names')} ${pick(['latin1', "'utf8mb4'", 'utf8mb4 collate utf8mb4_bin', 'DEFAULT', 'utf8mb3'])}`
    case 1:
      return `SET ${pick(['CHARACTER SET', 'charset'])} ${pick(['latin1', "'utf8mb4'", 'DEFAULT'])}`
    case 2:
      return `SET ${pick(['SESSION ', 'LOCAL ', '', 'GLOBAL '])}TRANSACTION ${pick(['ISOLATION LEVEL READ COMMITTED', 'ISOLATION LEVEL SERIALIZABLE', 'READ ONLY', 'READ WRITE', 'ISOLATION LEVEL REPEATABLE READ, READ WRITE'])}`
    case 3:
      return `SET STATEMENT max_statement_time=5, sql_mode='ANSI' FOR SELECT 1`
    case 4:
      return pick([
        `/*!40101 SET ${assignment()} */`,
        `/*M!100100 SET ${assignment()} */`,
        `/*!50701 SET sql_mode='ANSI' */ SELECT 1`,
        `SET /*!999999 sql_mode='ANSI', */ unique_checks=0`,
        `SET /*M!999999 sql_mode='ANSI', */ foreign_key_checks=1`,
      ])
    case 5:
      return `/* SET sql_mode='' */ SET${blank()}${assignment()};${blank()}SET ${assignment()}`
    default: {
      const n = 1 + random(3)
      return `${cased('set')}${blank()}${Array.from({ length: n }, assignment).join(`${blank()},${blank()}`)}`
    }
  }
}

needs(...MARIADB)('against a real MariaDB', () => {
  let server: Server
  let c: Connection
  beforeAll(async () => {
    server = await startMariadb()
    const first = await server.connect()
    await first.query('CREATE DATABASE shop; CREATE DATABASE archive; CREATE TABLE shop.t (a INT)')
    await first.end()
    c = await server.connect('shop')
  }, 120_000)
  afterAll(async () => {
    await c?.end()
    await server?.stop()
  }, 30_000)

  const variables = async (): Promise<Map<string, string>> => {
    return valuesOf(c)
  }

  it('session variables change where we read that they do, and nowhere else', async () => {
    let ran = 0
    const wrong: string[] = []
    for (let i = 0; i < 500; i++) {
      // Transaction settings may not change in a transaction, which autocommit=0 leaves open.
      await c.query('ROLLBACK')
      const sql = statement()
      const before = await variables()
      const failed = await c.query(sql).then(
        () => null,
        (e: Error) => e.message,
      )
      if (failed !== null) {
        if (!/;/.test(sql)) {
          const after = await variables()
          for (const [n, v] of after)
            if (before.get(n) !== v) wrong.push(`${sql}: failed (${failed}), but ${n} changed`)
        }
        continue
      }
      ran++
      const after = await variables()
      const read = effects(sql)
      const session = new Map(read.filter((e) => e.key.startsWith('var:') && e.does !== 'next').map((e) => [e.key, e]))
      for (const [n, v] of after)
        if (before.get(n) !== v && !session.has(variableKey(n)))
          wrong.push(`${sql}: ${n} changed from ${before.get(n)} to ${v}, not read`)
      for (const e of session.values()) {
        const n = e.key.slice(4)
        const shown = after.get(n) ?? after.get(n.replace('transaction_', 'tx_'))
        if (shown === undefined) wrong.push(`${sql}: there is no variable ${n}`)
        else if (e.does === 'set' && !matches(n, e.value, shown))
          wrong.push(`${sql}: ${n} read as ${e.value}, is ${shown}`)
      }
    }
    expect(wrong).toEqual([])
    expect(ran).toBeGreaterThan(350)
  }, 120_000)

  /** The value as written means what the server shows; expressions and what follows other variables are not judged. */
  function matches(n: string, read: string, shown: string): boolean {
    if (/[@(]|default\)|of the (schema|collation)/i.test(read)) return true
    const known = Object.entries(VALUES).find(([v]) => variableKey(v) === `var:${n}`)?.[1]
    const same = known?.find(([sql]) => normalValue(sql.replace(/^['"]|['"]$/g, '')) === normalValue(read))
    return normalValue(shown) === normalValue(same?.[1] ?? read)
  }

  it('schema, user variables, temporary tables and locks', async () => {
    const one = async (sql: string): Promise<unknown> => Object.values((await c.query<RowDataPacket[]>(sql))[0][0]!)[0]
    await c.query(
      "USE archive; SET @x = 1; SELECT @y := 2; SELECT 5 INTO @z; CREATE TEMPORARY TABLE shop.t (b INT); SELECT GET_LOCK('Job', 0)",
    )
    const read = effects(
      "USE archive; SET @x = 1; SELECT @y := 2; SELECT 5 INTO @z; CREATE TEMPORARY TABLE shop.t (b INT); SELECT GET_LOCK('Job', 0)",
    )
    expect(read.map((e) => `${e.does} ${e.key}`)).toEqual([
      'set schema',
      'set user:x',
      'set user:y',
      'set user:z',
      'set temp:t',
      'set userlock:job',
    ])
    expect(await one('SELECT DATABASE()')).toBe('archive')
    expect([await one('SELECT @X'), await one('SELECT @y'), await one('SELECT @z')].map(Number)).toEqual([1, 2, 5])
    expect(await one("SELECT IS_USED_LOCK('Job') = CONNECTION_ID()")).toBe(1)
  })

  it('COM_RESET_CONNECTION takes all back but the schema', async () => {
    await c.query(
      "USE archive; SET @x = 1, SESSION sql_mode = 'ANSI', time_zone = '+08:00'; SELECT GET_LOCK('Job', 0); BEGIN",
    )
    const fresh = await server.connect('shop')
    const asNew = await valuesOf(fresh)
    await c.reset()
    const after = await variables()
    const [[now]] = await c.query<RowDataPacket[]>(
      "SELECT DATABASE() AS d, @x AS x, IS_FREE_LOCK('Job') AS free, @@in_transaction AS t",
    )
    expect(now).toMatchObject({ d: 'archive', x: null, free: 1, t: 0 })
    // mysql2 logs in with CLIENT_IGNORE_SPACE, which no reset brings back.
    const plain = (v: string | undefined): string | undefined => v?.replace(/,?IGNORE_SPACE/, '').replace(/^,/, '')
    const differ = [...asNew].filter(([n, v]) => plain(after.get(n)) !== plain(v)).map(([n]) => n)
    // The character sets of the login come back as the server’s own: mysql2 asks for utf8mb4 when it logs in.
    expect(differ.filter((n) => !/^(character_set|collation)_/.test(n))).toEqual([])
    await fresh.end()
  })
})
