/** The JSON Schema is the report: fixtures, real runs, and both machine formats. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { analyze } from '../../src/index.ts'
import { renderJson } from '../../src/report/json.ts'
import type { Report } from '../../src/report/model.ts'
import { renderNdjson } from '../../src/report/ndjson.ts'
import { REPORT_JSON_SCHEMA } from '../../src/report/schema.ts'
import { schemaErrors } from '../kit/json-schema.ts'
import { CAPTURES, needs } from '../kit/require.ts'
import { blindReport, finding, report, session, text } from './fixtures.ts'

const errors = (r: unknown): string[] => schemaErrors(r, REPORT_JSON_SCHEMA)

describe('the schema', () => {
  it('accepts the fixtures, with every optional part', () => {
    expect(errors(report())).toEqual([])
    expect(errors(blindReport())).toEqual([])
    const full = report({
      bugs: [{ rule: 'r', session: 's', message: 'm' }],
      trace: { session: 'capture.pcap:1', dropped: 0, events: [] },
    })
    expect(errors(full)).toEqual([])
  })

  it.each<[string, (r: Report) => void]>([
    ['/extra: not described', (r) => Object.assign(r, { extra: 1 })],
    [
      '/sessions/0/ending/how: hangup is none of the values',
      (r) => Object.assign(r.sessions[0]!.ending, { how: 'hangup' }),
    ],
    ['/findings/0/occurrences: too short', (r) => (r.findings[0]!.occurrences = [])],
    ['/summary/broken: missing', (r) => Reflect.deleteProperty(r.summary, 'broken')],
    ['/inputs/0/bytes: below minimum', (r) => (r.inputs[0]!.bytes = -1)],
  ])('refuses %s', (wrong, spoil) => {
    const r = structuredClone(report({ sessions: [session(1)], findings: [finding()] }))
    spoil(r)
    expect(errors(r)).toEqual([wrong])
  })

  const root = join(CAPTURES, 'incidents')
  needs(root)('real reports', () => {
    const names = existsSync(root) ? readdirSync(root).filter((n) => existsSync(join(root, n, 'capture.pcap'))) : []
    it('fit it', async () => {
      for (const name of names.slice(0, 12)) {
        const r = await analyze([join(root, name, 'capture.pcap')], { trace: 'capture.pcap:0' })
        expect(errors(JSON.parse(JSON.stringify(r))), name).toEqual([])
      }
    })
  })
})

describe('machine formats', () => {
  it('json is the report, as JSON.stringify would have it', () => {
    for (const r of [report(), blindReport(), report({ sessions: [], findings: [] })]) {
      expect(text(renderJson(r))).toBe(JSON.stringify(r, null, 2))
    }
  })

  it('ndjson has the same objects, one a line, each with its type', () => {
    const r = report()
    const lines = [...renderNdjson(r)].map((l) => JSON.parse(l) as { type: string })
    expect(lines.map((l) => l.type)).toEqual(['tool', 'input', 'session', 'session', 'session', 'finding', 'summary'])
    expect(lines[0]).toEqual({
      type: 'tool',
      schema: 'mysqlconn.report/1',
      name: 'mysqlconn',
      version: '0.1.0',
      partial: false,
    })
    expect(lines[5]).toEqual({ type: 'finding', ...r.findings[0] })
    expect(lines[6]).toEqual({ type: 'summary', ...r.summary })
  })
})
