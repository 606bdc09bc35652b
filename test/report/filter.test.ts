/** The --filter language: what it accepts, and where its errors point. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MysqlconnError } from '../../src/core/errors.ts'
import { durationSeconds, parseFilter } from '../../src/report/filter.ts'
import { selectSessions } from '../../src/report/select.ts'
import { CUT_SESSION, report, session } from './fixtures.ts'

const holds = (expression: string, s = CUT_SESSION): boolean => parseFilter(expression)(s)

describe('comparisons', () => {
  it.each([
    ['user == app', true],
    ['user == APP', true],
    ['user = app', true],
    ['user != app', false],
    ['user ~ "^ap+$"', true],
    ['client == 10.20.0.10', true],
    ['client == 10.20.0.10:50001', true],
    ['client ~ ":50001$"', true],
    ['server == 10.20.0.10', false],
    ['port == 3306', true],
    ['port > 3306', false],
    ['port >= 3306', true],
    ['silence > 2s', true],
    ['silence > 2000ms', true],
    ['silence > 5m', false],
    ['duration <= 2.4', true],
    ['ending.how == rst and ending.by == server', true],
    ['ending.how == fin or outcome == delivered-unknown', true],
    ['not ending.how == fin', true],
    ['!(ending.how == rst)', false],
    ['ending.how == fin || user == app && port == 1', false],
    ['(ending.how == fin || user == app) && port == 3306', true],
    ['id == capture.pcap:1', true],
    ['stream == 1', true],
    ['commands == 4', true],
    ['command == com_quit', true],
    ['command == COM_PING', false],
    ['state ~ ^RST', true],
  ])('%s is %s', (expression, expected) => {
    expect(holds(expression)).toBe(expected)
  })

  it('takes a field that a session does not have as different from everything', () => {
    const bare = session(5, { mysql: null })
    expect(holds('user == app', bare)).toBe(false)
    expect(holds('user != app', bare)).toBe(true)
    expect(holds('user ~ .', bare)).toBe(false)
    expect(holds('errors == 0', bare)).toBe(true)
  })

  it('compares IPv6 with and without brackets and port', () => {
    const six = session(6, { client: '[fd00::10]:40000' })
    expect(holds('client == fd00::10', six)).toBe(true)
    expect(holds('client == [fd00::10]:40000', six)).toBe(true)
  })
})

describe('errors point at the place', () => {
  it.each([
    ['usr == app', 1, "no field 'usr'"],
    ['user app', 6, 'is expected after user'],
    ['user ==', 8, 'a value is missing'],
    ['user == app port == 1', 13, "'and' or 'or' is expected here"],
    ['(user == app', 13, 'a closing bracket is missing'],
    ['user == app)', 12, 'a bracket too many'],
    ['silence > soon', 11, 'a duration, like 300s'],
    ['port > x', 8, 'a number'],
    ['user > a', 8, 'this field is text'],
    ['user ~ "("', 8, 'not a regular expression'],
    ['user == "app', 9, 'a quote that never closes'],
    ['', 1, 'a field is missing'],
    ['constructor == x', 1, "no field 'constructor'"],
  ])('%s: column %d', (expression, column, what) => {
    let error: unknown
    try {
      parseFilter(expression)
    } catch (e) {
      error = e
    }
    expect(error).toBeInstanceOf(MysqlconnError)
    const { message, exitCode } = error as MysqlconnError
    expect(message).toContain(`column ${column}: `)
    expect(message).toContain(what)
    expect(message.split('\n')[2]).toBe(`  ${' '.repeat(column - 1)}^`)
    expect(exitCode).toBe(2)
  })

  it('gives a filter or a MysqlconnError for any text', () => {
    const word = fc.constantFrom(
      'user',
      '==',
      '~',
      'and',
      'or',
      'not',
      '(',
      ')',
      '"',
      '5m',
      'silence',
      '>',
      ' ',
      '\u0000',
      'ü',
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(word, { maxLength: 40 }).map((w) => w.join(' ')),
        ),
        (source) => {
          try {
            expect(typeof parseFilter(source)(CUT_SESSION)).toBe('boolean')
          } catch (e) {
            expect(e).toBeInstanceOf(MysqlconnError)
          }
        },
      ),
    )
  })

  it('survives deep nesting', () => {
    expect(() => parseFilter('('.repeat(100_000))).toThrow('too many brackets')
    expect(() => parseFilter('not '.repeat(100_000))).toThrow('too many brackets')
  })
})

it('durations', () => {
  expect(['300s', '5m', '250ms', '1.5h', '20us', '2d', '7', 'x', '5 m', '-1s'].map(durationSeconds)).toEqual([
    300,
    300,
    0.25,
    5400,
    0.00002,
    172_800,
    7,
    null,
    null,
    null,
  ])
})

describe('selectSessions', () => {
  it('keeps of each finding what happened to the kept sessions, and counts again', () => {
    const kept = selectSessions(report(), parseFilter('ending.how == rst'))
    expect(kept.sessions.map((s) => s.id)).toEqual(['capture.pcap:1'])
    expect(kept.summary).toMatchObject({ sessions: 1, broken: 1, findings: { error: 1 } })
    const none = selectSessions(report(), parseFilter('ending.how == fin'))
    expect(none.findings).toEqual([])
    expect(none.summary).toMatchObject({ sessions: 2, broken: 0, findings: { error: 0 } })
  })
})
