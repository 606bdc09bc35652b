/** Exit codes: report and flags decide (contract: 0, 1, 2, 3, 70, 130), in the order of what is graver. */
import { describe, expect, it } from 'vitest'
import { exitCode } from '../../src/cli/exit-code.ts'
import { progressText } from '../../src/cli/progress.ts'
import { distance, nearest } from '../../src/cli/suggest.ts'
import { parseWhen, resolveWhen } from '../../src/options.ts'
import { anomaly, finding, report } from '../report/fixtures.ts'

const withAnomaly = (...kinds: Parameters<typeof anomaly>[0][]) => {
  const r = report()
  r.inputs[0]!.anomalies.push(...kinds.map((k) => anomaly(k)))
  return r
}

describe('exitCode', () => {
  it('finding things is the normal result', () => {
    expect(exitCode(report(), {}).code).toBe(0)
  })

  it('--fail-on counts its severity and graver ones', () => {
    const warning = report({ findings: [finding({ severity: 'warning' })] })
    expect(exitCode(warning, { failOn: 'error' }).code).toBe(0)
    expect(exitCode(warning, { failOn: 'warning' }).code).toBe(1)
    expect(exitCode(warning, { failOn: 'info' }).code).toBe(1)
    expect(exitCode(report({ findings: [] }), { failOn: 'info' }).code).toBe(0)
  })

  it('--strict fails on what the capture lacks, not on harmless oddities', () => {
    expect(exitCode(withAnomaly('capture.truncated-tail'), {}).code).toBe(0)
    expect(exitCode(withAnomaly('capture.truncated-tail'), { strict: true })).toEqual({
      code: 3,
      why: '--strict: the evidence is incomplete (capture.pcap: capture.truncated-tail)',
    })
    expect(
      exitCode(withAnomaly('packet.bad-checksum', 'packet.offload', 'capture.duplicate-frames'), { strict: true }).code,
    ).toBe(0)
    expect(exitCode(withAnomaly('packet.malformed'), { strict: true }).code).toBe(0)
  })

  it('an input that was not recognised is 3, with or without --strict', () => {
    expect(exitCode(withAnomaly('input.unrecognised'), {}).code).toBe(3)
  })

  it('our bug, then the interrupt, then the input, then the findings', () => {
    const everything = { ...withAnomaly('input.unrecognised'), bugs: [{ rule: 'r', session: 's', message: 'm' }] }
    expect(exitCode(everything, { failOn: 'info', interrupted: true }).code).toBe(70)
    expect(exitCode(withAnomaly('input.unrecognised'), { failOn: 'info', interrupted: true }).code).toBe(130)
    expect(exitCode(withAnomaly('input.unrecognised'), { failOn: 'info' }).code).toBe(3)
  })
})

it('did you mean', () => {
  expect(distance('anlyze', 'analyze')).toBe(1)
  expect(distance('aanlyze', 'analyze')).toBe(1)
  expect(nearest('sesions', ['analyze', 'sessions', 'schema'])).toEqual(['sessions'])
  expect(nearest('rst-after', ['rst-after-query', 'client-timeout'])).toEqual(['rst-after-query'])
  expect(nearest('zzz', ['analyze', 'sessions'])).toEqual([])
})

it('progress', () => {
  expect(progressText({ bytes: 1.2e9, total: 2.9e9, sessions: 1204, findings: 0 }, 1)).toBe(
    '41 %  1.2 GB of 2.9 GB  1.2 GB/s  2 s left  1,204 sessions',
  )
  expect(progressText({ bytes: 5000, total: 0, sessions: 1, findings: 2 }, 0)).toBe(
    '5.0 kB  0 bytes/s  1 session  2 findings',
  )
})

describe('--since and --until', () => {
  it.each([
    ['2026-11-20T17:10:00.25Z', { kind: 'absolute', unixSeconds: 1795194600, nanoseconds: 250_000_000 }],
    ['2026-11-20T18:10:00+01:00', { kind: 'absolute', unixSeconds: 1795194600, nanoseconds: 0 }],
    ['2026-11-20 17:10', { kind: 'absolute', unixSeconds: 1795194600, nanoseconds: 0 }],
    ['2026-11-20 17:10:00 UTC', { kind: 'absolute', unixSeconds: 1795194600, nanoseconds: 0 }],
    ['2026-11-20', { kind: 'absolute', unixSeconds: 1795132800, nanoseconds: 0 }],
    ['1795194600.5', { kind: 'absolute', unixSeconds: 1795194600, nanoseconds: 500_000_000 }],
    ['17:10', { kind: 'time-of-day', seconds: 61_800, nanoseconds: 0 }],
    ['7:10:05.000001', { kind: 'time-of-day', seconds: 25_805, nanoseconds: 1000 }],
  ])('%s', (text, when) => {
    expect(parseWhen(text)).toEqual(when)
  })

  it.each(['', 'soon', '25:00', '2026-13-01', '2026-11-20T', '17', '-1'])('%j is no time', (text) => {
    expect(parseWhen(text)).toBeNull()
  })

  it('a time of day is on the first day of the capture', () => {
    expect(resolveWhen(parseWhen('17:10')!, 1795132800 + 86_399)).toEqual({ unixSeconds: 1795194600, nanoseconds: 0 })
  })
})
