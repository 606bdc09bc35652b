/** KILL in all its spellings (MySQL manual, "KILL Statement"; MariaDB, "KILL"), and everything that is none. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readKill } from '../../src/session/kill-statement.ts'

const read = (sql: string) => {
  const b = new TextEncoder().encode(sql)
  return readKill(b, 0, b.length)
}

describe('KILL', () => {
  for (const [sql, connectionId, query] of [
    ['KILL 5', 5, false],
    ['kill connection 5', 5, false],
    ['KILL QUERY 5', 5, true],
    ['Kill  Query\t42 ;', 42, true],
    ['KILL HARD CONNECTION 7', 7, false],
    ['KILL SOFT QUERY 7', 7, true],
    ['KILL SOFT 7', 7, false],
    ['  KILL 18446744073709551615', 2 ** 64, false],
    ['/* watchdog */ KILL 5', 5, false],
    ['/* a *//* b */\nKILL QUERY 5;', 5, true],
  ] as const) {
    it(sql, () => expect(read(sql)).toEqual({ connectionId, query }))
  }

  for (const sql of [
    '',
    'KILL',
    'KILL QUERY',
    'KILL five',
    'KILL -1',
    'KILL 5 OR 1=1',
    'KILL QUERY ID 5',
    'KILLER 5',
    "SELECT 'KILL 5'",
    '-- KILL 5',
    '/* KILL 5',
    '/* KILL 5 */ SELECT 1',
    'KILL USER app',
    'KILL @id',
    `KILL ${' '.repeat(200)}5`,
  ]) {
    it(`none: ${sql.slice(0, 30)}`, () => expect(read(sql)).toBeNull())
  }

  it('reads only its part of the buffer', () => {
    const b = new TextEncoder().encode('xxKILL 57yy')
    expect(readKill(b, 2, 9)).toEqual({ connectionId: 57, query: false })
    expect(readKill(b, 2, 8)).toEqual({ connectionId: 5, query: false })
  })

  it('never throws, whatever the bytes', () => {
    const hostile = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.string({ maxLength: 60 }).map((s) => new TextEncoder().encode(`/*${s}*/KILL ${s}`)),
    )
    fc.assert(
      fc.property(hostile, fc.nat(20), (b, cut) => {
        const found = readKill(b, Math.min(cut, b.length), b.length)
        if (found !== null) expect(found.connectionId).toBeGreaterThanOrEqual(0)
      }),
    )
  })

  it('takes time in proportion to the length', () => {
    const took = (n: number): number => {
      const comments = new TextEncoder().encode('/**/'.repeat(n))
      const open = new TextEncoder().encode(`/*${'*'.repeat(4 * n)}`)
      const blanks = new TextEncoder().encode(`${' '.repeat(4 * n)}K`)
      const start = performance.now()
      for (let i = 0; i < 5; i++) for (const b of [comments, open, blanks]) readKill(b, 0, b.length)
      return performance.now() - start
    }
    took(50_000)
    // Sixteen times the bytes: quadratic would be 256 times as long.
    expect(took(800_000)).toBeLessThan(Math.max(100, took(50_000) * 80))
  })
})
