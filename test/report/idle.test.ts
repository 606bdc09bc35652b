/** mysqlconn idle: the histogram, the timers, and the section of the report. */
import { describe, expect, it } from 'vitest'
import { analyzeBuffer } from '../../src/memory.ts'
import { renderIdle } from '../../src/report/idle-text.ts'
import type { Report } from '../../src/report/model.ts'
import { REPORT_JSON_SCHEMA } from '../../src/report/schema.ts'
import { schemaErrors } from '../kit/json-schema.ts'
import { capture, type Play } from '../kit/play.ts'
import { bystander, idleOn, MYSQL_56, usedAgain } from '../rules/idle-stories.ts'
import { ascii, plain, text, wide } from './fixtures.ts'

const analysed = (plays: Play[]): Report => analyzeBuffer('capture.pcap', capture(plays).bytes, { idle: true })

/** Two closes at 10 s of which one cost a request, and two sessions that live. */
function story(): Play[] {
  const dead = [0, 1].map((i) => {
    const p = idleOn(MYSQL_56, { client: `10.0.0.1:4000${i}`, at: `2026-01-01T00:00:0${3 * i}Z` }).wait('10s')
    p.server.fin()
    return p
  })
  usedAgain(dead[0]!, '2s')
  dead[1]!.client.fin()
  return [
    ...dead,
    bystander(idleOn(MYSQL_56, { client: '10.0.0.1:40008' }), '3s', 5),
    bystander(idleOn(MYSQL_56, { client: '10.0.0.1:40009' }), '500ms', 5),
  ]
}

describe('the idle section', () => {
  it('is there only when asked for', () => {
    expect(analyzeBuffer('capture.pcap', capture(story()).bytes).idle).toBeUndefined()
  })

  it('counts silences once with what was survived and once with what was not', () => {
    const { histogram, timers } = analysed(story()).idle!
    const at = (s: number) => histogram.find((b) => b.fromSeconds === s)!
    expect(at(10)).toMatchObject({ survived: 0, closed: 1, lost: 1 })
    expect(at(2)).toMatchObject({ survived: 1, closed: 0, lost: 0 })
    expect(timers).toHaveLength(1)
    expect(timers[0]).toMatchObject({
      server: '10.0.0.2:3306',
      close: 'fin',
      exact: true,
      closes: 2,
      moments: 2,
      lost: 1,
      outlived: 0,
      finding: 'idle-timeout-server',
    })
    expect(timers[0]!.seconds).toBeCloseTo(10, 1)
    expect(timers[0]!.fits.map((f) => f.product)).toContain('MySQL')
  })

  it('gives an interval where only the failure was seen', () => {
    const p = idleOn(MYSQL_56, { ttl: { client: 64, server: 60 } })
      .mute('server')
      .wait('11s')
      .query('SELECT 2 + 2')
    p.server.rst({ flags: 4, ttl: 64 })
    const { timers } = analysed([p, bystander(idleOn(MYSQL_56, { client: '10.0.0.1:40001' }), '6s', 3)]).idle!
    expect(timers[0]).toMatchObject({ close: 'rst-next', exact: false, finding: 'middlebox-reset', lost: 1 })
    expect(timers[0]!.aboveSeconds).toBeCloseTo(6, 1)
    expect(timers[0]!.seconds).toBeCloseTo(11, 1)
  })

  it('is as the schema says', () => {
    expect(schemaErrors(analysed(story()), REPORT_JSON_SCHEMA)).toEqual([])
    expect(schemaErrors(analysed([idleOn(MYSQL_56).quit()]), REPORT_JSON_SCHEMA)).toEqual([])
  })
})

describe('its text', () => {
  it('has the verdict, the histogram, the table and what fits', () => {
    const out = text(renderIdle(analysed(story()), wide))
    expect(out).toContain('2 connections ended after a silence, 1 request lost')
    expect(out).toMatch(/10 s - 20 s {2}─+ 1 closed, 1 lost/)
    expect(out).toMatch(/10\.0\.0\.2:3306 {2}10\.0 s {7}2 {5}1 {2}FIN/)
    expect(out).toContain('fits MySQL wait_timeout')
    expect(out).toContain('idle-timeout-server')
  })

  it('says so when nothing ended', () => {
    const out = text(renderIdle(analysed([bystander(idleOn(MYSQL_56), '2s', 3)]), plain))
    expect(out).toContain('No connection ended after a silence, among 1 session.')
    expect(out).toContain('1 survived')
  })

  it('keeps to the width, and to ASCII where it must', () => {
    for (const line of renderIdle(analysed(story()), plain)) expect(line.length).toBeLessThanOrEqual(80)
    expect(text(renderIdle(analysed(story()), ascii))).toMatch(/^[\x20-\x7e\n]*$/)
  })
})
