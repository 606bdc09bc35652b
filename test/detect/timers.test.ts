/** The table of known timers, and what fits. */
import { describe, expect, it } from 'vitest'
import { fits, TIMERS } from '../../src/detect/timers.ts'

const names = (found: ReturnType<typeof fits>): string[] =>
  found.map((f) => `${f.timer.product}${f.byDefault ? '!' : ''}`)

describe('the table', () => {
  it('names every timer once, with a source, and values that a clock can have', () => {
    expect(new Set(TIMERS.map((t) => `${t.product} ${t.setting}`)).size).toBe(TIMERS.length)
    for (const t of TIMERS) {
      expect(t.source.url).toMatch(/^https:\/\//)
      expect(t.styles.length).toBeGreaterThan(0)
      expect(t.late).toBeGreaterThan(0)
      if (t.seconds !== null) expect(t.seconds).toBeGreaterThan(0)
      // A timer that is off by default must be one that can be set.
      if (t.seconds === null) expect(t.adjustable).toBe(true)
      if (t.bounds !== undefined && t.seconds !== null) {
        expect(t.seconds).toBeGreaterThanOrEqual(t.bounds[0])
        expect(t.seconds).toBeLessThanOrEqual(t.bounds[1])
      }
    }
  })
})

describe('what fits', () => {
  it('an exact close: a default that it follows by no more than its lateness comes first', () => {
    expect(names(fits('fin', { above: 1800.4, below: 1800.4 }, ['proxy']))[0]).toBe('Amazon RDS Proxy!')
    expect(names(fits('err-4031', { above: 28_800.01, below: 28_800.01 }, ['server']))).toContain('MySQL!')
    expect(names(fits('fin', { above: 10.002, below: 10.002 }, ['proxy'])).filter((n) => n.endsWith('!'))).toEqual([])
  })

  it('an exact close of any length: timers of that place and style that can be set', () => {
    const found = names(fits('fin', { above: 10.002, below: 10.002 }, ['proxy']))
    expect(found).toContain('HAProxy')
    expect(found).toContain('ProxySQL')
    expect(found).not.toContain('MySQL')
  })

  it('a timer known by an interval: defaults inside it, and settings that reach it', () => {
    const found = names(fits('rst-next', { above: 300, below: 400 }, ['middlebox']))
    expect(found).toContain('AWS Network Load Balancer!')
    expect(found).toContain('AWS NAT gateway!')
    // 60 s is the least that a load balancer takes.
    expect(names(fits('rst-next', { above: 5, below: 11 }, ['middlebox']))).not.toContain('AWS Network Load Balancer')
    expect(names(fits('silent', { above: 200, below: 250 }, ['middlebox']))).toContain('Azure Load Balancer!')
  })
})
