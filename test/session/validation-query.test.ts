/** Statements by which pools ask whether a connection lives. */
import { describe, expect, it } from 'vitest'
import { isValidationQuery } from '../../src/session/validation-query.ts'

const check = (sql: string): boolean => {
  const bytes = new TextEncoder().encode(`..${sql}..`)
  return isValidationQuery(bytes, 2, bytes.length - 2, bytes.length - 4)
}

describe('validation queries', () => {
  for (const sql of [
    'SELECT 1',
    'select 1;',
    ' SELECT  1 FROM DUAL ',
    "SELECT 'x'",
    'select "1"',
    '/* ping */ SELECT 1',
    '/* a */select 1 from dual;',
  ]) {
    it(`yes: ${sql}`, () => expect(check(sql)).toBe(true))
  }
  for (const sql of [
    '',
    'SELECT',
    'SELECT1',
    'SELECT 2',
    'SELECT 1 + 1',
    'SELECT 1, 2',
    'SELECT 1 FROM t',
    'SELECT a',
    "SELECT 'xy'",
    '/* SELECT 1',
    'SELECT 1 -- x',
    `SELECT 1${' '.repeat(80)}`,
  ]) {
    it(`no: ${sql.slice(0, 30)}`, () => expect(check(sql)).toBe(false))
  }

  it('a statement of which only the beginning is here is none', () => {
    const bytes = new TextEncoder().encode('SELECT 1')
    expect(isValidationQuery(bytes, 0, bytes.length, 9)).toBe(false)
  })
})
