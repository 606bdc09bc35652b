/** Colour, Unicode and width from flag, environment and terminal; words, numbers, wrapping. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { escapeControls, makeStyle } from '../../src/report/style.ts'
import { bytes, decimal, grouped, secondsBetween, shellWord, timeOfDay } from '../../src/report/words.ts'
import { cut, displayWidth, hang, wrap } from '../../src/report/wrap.ts'

describe('makeStyle', () => {
  it.each([
    ['a pipe', {}, false],
    ['a terminal', { isTTY: true }, true],
    ['--color never on a terminal', { isTTY: true, color: 'never' as const }, false],
    ['--color always in a pipe, against NO_COLOR', { color: 'always' as const, env: { NO_COLOR: '1' } }, true],
    ['NO_COLOR', { isTTY: true, env: { NO_COLOR: '1' } }, false],
    ['an empty NO_COLOR', { isTTY: true, env: { NO_COLOR: '' } }, true],
    ['FORCE_COLOR in a pipe', { env: { FORCE_COLOR: '1' } }, true],
    ['FORCE_COLOR=0', { isTTY: true, env: { FORCE_COLOR: '0' } }, false],
    ['TERM=dumb', { isTTY: true, env: { TERM: 'dumb' } }, false],
  ])('colour for %s', (_, request, expected) => {
    const style = makeStyle(request)
    expect(style.color).toBe(expected)
    expect(style.red('x')).toBe(expected ? '\x1b[31mx\x1b[39m' : 'x')
  })

  it('takes Unicode from LC_ALL, then LC_CTYPE, then LANG', () => {
    expect(makeStyle({ env: { LANG: 'de_DE.UTF-8' } }).unicode).toBe(true)
    expect(makeStyle({ env: { LC_ALL: 'C', LANG: 'de_DE.UTF-8' } }).unicode).toBe(false)
    expect(makeStyle({ env: { LC_CTYPE: 'C.utf8' } }).unicode).toBe(true)
    expect(makeStyle({}).unicode).toBe(false)
  })

  it('takes the width of a terminal only, within reason', () => {
    expect(makeStyle({ columns: 120 }).width).toBe(80)
    expect(makeStyle({ isTTY: true, columns: 120 }).width).toBe(120)
    expect(makeStyle({ isTTY: true, columns: 4 }).width).toBe(40)
    expect(makeStyle({ isTTY: true, columns: 999 }).width).toBe(160)
  })
})

it('escapeControls leaves nothing that moves a cursor or reorders a line', () => {
  const nasty = fc
    .array(fc.integer({ min: 0, max: 0x2fff }).map((c) => String.fromCharCode(c)))
    .map((cs) => cs.join(''))
  fc.assert(
    fc.property(nasty, (s) => !/[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]/.test(escapeControls(s))),
  )
  expect(escapeControls('a\r\n\tb \x1b[2J')).toBe('a b \\x1b[2J')
})

it('numbers and times do not depend on the locale', () => {
  expect([0, 999, 1000, 1234567].map(grouped)).toEqual(['0', '999', '1,000', '1,234,567'])
  expect([10.002, 9.9999, 2, 1234.56, -0.5].map(decimal)).toEqual(['10.002', '10', '2', '1,234.6', '-0.5'])
  expect([1, 999, 1000, 212_552, 999_999, 3e12].map(bytes)).toEqual([
    '1 byte',
    '999 bytes',
    '1.0 kB',
    '212.6 kB',
    '1.0 MB',
    '3.0 TB',
  ])
  expect(timeOfDay('2026-11-20T17:10:02.400999Z')).toBe('17:10:02.400')
  expect(secondsBetween('2026-11-20T23:59:59.900000Z', '2026-11-21T00:00:00.100500Z')).toBeCloseTo(0.2005, 9)
})

it('shellWord survives the shell', () => {
  expect(shellWord('a/b-1.pcap:12')).toBe('a/b-1.pcap:12')
  expect(shellWord('it is')).toBe(`'it is'`)
  expect(shellWord("it's")).toBe(`'it'\\''s'`)
  expect(shellWord('')).toBe(`''`)
  expect(shellWord("a\nb'\\")).toBe(`$'a\\x0ab\\'\\\\'`)
})

describe('wrapping', () => {
  it('breaks at spaces, long words where they must, links never, and hangs', () => {
    expect(wrap('aa bb cc', 5)).toEqual(['aa bb', 'cc'])
    expect(wrap('a verylongword b', 6)).toEqual(['a', 'verylo', 'ngword', 'b'])
    expect(wrap('see https://example.org/long', 6)).toEqual(['see', 'https://example.org/long'])
    expect(wrap('日本語', 1)).toEqual(['日', '本', '語'])
    expect(wrap('', 5)).toEqual([''])
    expect(hang('- ', 'one two three four five six', 22)).toEqual(['- one two three four', '  five six'])
  })

  it('counts columns, not characters', () => {
    expect(displayWidth('日本')).toBe(4)
    expect(displayWidth('e\u0301')).toBe(1)
    expect(displayWidth('\x1b[31mx\x1b[39m')).toBe(1)
    expect(cut('日本語', 5, '…')).toBe('日本…')
  })

  it('loses no word and passes no width', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-z]{1,9}$/)), fc.integer({ min: 9, max: 40 }), (words, width) => {
        const lines = wrap(words.join(' '), width)
        expect(lines.join(' ')).toBe(words.join(' '))
        expect(Math.max(...lines.map(displayWidth))).toBeLessThanOrEqual(width)
      }),
    )
  })
})
