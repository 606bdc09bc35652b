/** --redact: no literal survives, everything else does. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { redactProse, redactReport, redactSql } from '../../src/report/redact.ts'
import { finding, occurrence, report, session } from './fixtures.ts'

describe('statements', () => {
  it.each([
    ["SELECT * FROM t1 WHERE name = 'Ann'", 'SELECT * FROM t1 WHERE name = ?'],
    [
      "INSERT INTO `o''1` VALUES (1, -2.5e3, 0xFF, x'0a', b'01', N'ü', _utf8mb4'z')",
      "INSERT INTO `o''1` VALUES (?, -?, ?, ?, ?, ?, ?)",
    ],
    ["SELECT 'it''s', 'a\\'b', \"two\" FROM db2.t3", 'SELECT ?, ?, ? FROM db2.t3'],
    ['SELECT 1 -- card 4711\n, 2 # 42', 'SELECT ? -- ?\n, ? -- ?'],
    ['SELECT /* 4711 */ 1', 'SELECT /* ? */ ?'],
    ['SET @a1 = 7, @@session.sql_select_limit = 1', 'SET @a1 = ?, @@session.sql_select_limit = ?'],
    ["SELECT 'cut off by the prev", 'SELECT ?'],
    ['SELECT a-1, b -.5', 'SELECT a-?, b -?'],
    ['LIMIT 10,20', 'LIMIT ?,?'],
    ['', ''],
  ])('%s', (sql, expected) => {
    expect(redactSql(sql)).toBe(expected)
  })

  it('leaves no secret in, wherever it stands as a string, and changes nothing the second time', () => {
    const quoted = fc.string().map((s) => `'${s.replace(/[\\']/g, (c) => `\\${c}`)}SECRET'`)
    fc.assert(
      fc.property(fc.array(quoted), (strings) => {
        const once = redactSql(`SELECT ${strings.join(', ')}`)
        expect(once).not.toContain('SECRET')
        expect(redactSql(once)).toBe(once)
      }),
    )
  })
})

it('prose keeps its numbers and apostrophes, quotations go', () => {
  expect(redactProse("Duplicate entry 'ann@example.org' for key 'u.mail'")).toBe('Duplicate entry ? for key ?')
  expect(redactProse("the client's FIN, frame 12, 10.0 s")).toBe("the client's FIN, frame 12, 10.0 s")
})

it('reaches every place of a report', () => {
  const secret = "SELECT 'SECRET' FROM t"
  const dirty = report({
    sessions: [
      session(1, {
        mysql: { ...session(1).mysql!, errors: [{ code: 1062, count: 1, message: "Duplicate entry 'SECRET'" }] },
      }),
    ],
    findings: [
      finding({
        title: "1 lost: 'SECRET'",
        detail: { setBy: secret, nested: [{ statement: secret }] },
        excluded: ["not 'SECRET'"],
        occurrences: [
          occurrence(1, {
            statement: secret,
            evidence: [
              { kind: 'log', input: 'l', line: 3, text: 'said "SECRET"', says: "said 'SECRET'" },
              { kind: 'frames', input: 'c', frames: [1], says: "query 'SECRET'", filter: 'tcp.stream==1' },
            ],
          }),
        ],
      }),
    ],
    trace: {
      session: 'capture.pcap:1',
      dropped: 0,
      events: [
        {
          at: '2026-11-20T17:10:00.000001Z',
          offsetSeconds: 0,
          frame: 1,
          dir: 'client',
          layer: 'mysql',
          what: 'COM_QUERY',
          says: secret,
        },
        {
          at: '2026-11-20T17:10:00.000001Z',
          offsetSeconds: 0,
          frame: 2,
          dir: 'server',
          layer: 'mysql',
          what: 'ERR',
          says: "near 'SECRET'",
        },
      ],
    },
  })
  const clean = redactReport(dirty)
  expect(JSON.stringify(clean)).not.toContain('SECRET')
  expect(clean.findings[0]!.occurrences[0]!.statement).toBe('SELECT ? FROM t')
  expect(clean.findings[0]!.detail['setBy']).toBe('SELECT ? FROM t')
  expect(clean.findings[0]!.occurrences[0]!.evidence[1]).toMatchObject({ filter: 'tcp.stream==1' })
  expect(JSON.stringify(dirty)).toContain('SECRET')
})
