/** explain: what people type when a connection has broken leads to the page that answers it. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { RULES } from '../../src/index.ts'
import { QUESTIONS, questionsFor } from '../../src/report/questions.ts'
import { renderQuestions } from '../../src/report/questions-text.ts'
import { ROOT } from '../kit/require.ts'
import { ascii, plain, text } from './fixtures.ts'

describe('questionsFor', () => {
  it.each([
    ['TLS/SSL error: Success (0)', 'tls-hides-the-error'],
    ['ERROR 2026 (HY000): TLS/SSL error: Success (0)', 'tls-hides-the-error'],
    ['error:0A000126:SSL routines::unexpected eof while reading', 'tls-hides-the-error'],
    ['2013', 'who-closed-it'],
    ['ERROR 2013 (HY000)', 'who-closed-it'],
    ['Packets out of order', 'packets-out-of-order'],
    ['Packets out of order. Got: 0 Expected: 1', 'packets-out-of-order'],
    ['pymysql.err.InternalError: Packet sequence number wrong - got 1 expected 2', 'packets-out-of-order'],
    ['Closing unhealthy client connection', 'who-closed-it'],
    ['Communications link failure', 'who-closed-it'],
    ['The last packet successfully received from the server was 3,600,089 milliseconds ago', 'followed-the-advice'],
    ['4031', 'wait-timeout-with-a-pool'],
    ['read ECONNRESET', 'idle-in-production'],
    ['Packet for query is too large (5 > 4)', 'too-big-or-slow'],
    ['1290', 'after-failover'],
    ['The MySQL server is running with the --read-only option so it cannot execute this statement', 'after-failover'],
    ['was-it-executed', 'was-it-executed'],
    ['wrong time zone in some sessions', 'leaked-session-state'],
  ])('%s', (asked, id) => expect(questionsFor(asked)[0]?.id).toBe(id))

  it.each(['', 'nonsense', '99999', 'error', '__proto__', 'rst-after-query'])('%j leads nowhere', (asked) =>
    expect(questionsFor(asked)).toEqual([]),
  )

  it('every message of a page leads to it, as it stands or among others', () => {
    const lost = QUESTIONS.flatMap((q) =>
      q.messages.filter((m) => /^[A-Z(]/.test(m) && q.match.some((r) => r.test(m)) && !questionsFor(m).includes(q)),
    )
    expect(lost).toEqual([])
    for (const q of QUESTIONS)
      expect(
        q.messages.some((m) => questionsFor(m).includes(q)),
        q.id,
      ).toBe(true)
  })
})

describe('the pages', () => {
  it('are ten, each with an answer, a way to find out, known rules and a sample that is there', () => {
    expect(QUESTIONS.length).toBe(10)
    for (const q of QUESTIONS) {
      expect(q.answer.join(' ').length).toBeGreaterThan(200)
      expect(q.find.length).toBeGreaterThan(0)
      const known = q.rules.map((id) => RULES.find((r) => r.id === id)).filter((r) => r !== undefined)
      // The rules about session state come with the layer that follows it.
      if (q.id === 'leaked-session-state' && known.length === 0) continue
      expect(known.length, q.id).toBeGreaterThan(0)
      expect(existsSync(join(ROOT, 'samples', known[0]!.sample, 'expected.txt'))).toBe(true)
    }
  })

  it('fit the terminal, in ASCII too', () => {
    for (const style of [plain, ascii]) {
      for (const line of renderQuestions(QUESTIONS, RULES, style, true))
        if (!/https?:/.test(line)) expect(line.length, line).toBeLessThanOrEqual(80)
    }
    expect(text(renderQuestions(QUESTIONS, RULES, ascii, true))).not.toMatch(/[^\n\x20-\x7e]/)
  })
})
