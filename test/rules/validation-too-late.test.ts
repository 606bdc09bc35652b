/** validation-too-late: checks, but less often than the timer. */
import { describe, expect, it } from 'vitest'
import { idleOn, MYSQL_56, usedAgain } from './idle-stories.ts'
import { innocent } from './incidents.ts'
import { judge, type Play, rows, type Span, says } from './kit.ts'

const RULE = 'validation-too-late'

/** In use all the time, and checked every so often. */
function inUse(every: Span, times: number, client = '10.0.0.1:40001'): Play {
  const p = idleOn(MYSQL_56, { client })
  const step = `${Number.parseFloat(every) / 4}s` as Span
  for (let i = 0; i < times; i++) {
    for (let k = 0; k < 4; k++) p.wait(step).query('SELECT 2 + 2', rows(1))
    p.as(`check ${i}`).ping()
  }
  return p.quit()
}

/** Closed by the server after 10 s of silence; a request is lost 2 s later. */
function victim(o: Parameters<typeof idleOn>[1] = {}): Play {
  const p = idleOn(MYSQL_56, o).wait('10s')
  p.server.fin()
  return usedAgain(p, '2s')
}

describe('checks too rare for the timer', () => {
  it('every 30 s where the timer is 10 s', () => {
    const j = judge([inUse('30s', 4), victim()])
    const f = j.only(RULE)
    expect(f).toMatchObject({ culprit: { role: 'client', address: '10.0.0.1' }, confidence: 'likely' })
    expect(f.detail['periodSeconds']).toBeCloseTo(30, 0)
    expect(f.detail['timerSeconds']).toBeCloseTo(10, 1)
    expect(f.occurrences.map((o) => o.client)).toEqual(['10.0.0.1:40000'])
    expect(says(j, f.occurrences[0]!, 'check 0')).toContain('checks on')
    expect(j.of('idle-timeout-server').length).toBe(1)
  })
})

describe('stays quiet', () => {
  it('checks more frequent than the timer', () => {
    expect(judge([inUse('4s', 5), victim()]).of(RULE)).toEqual([])
  })

  it('fewer than three checks', () => {
    expect(judge([inUse('30s', 2), victim()]).of(RULE)).toEqual([])
  })

  it('a check was the first to meet the closed connection', () => {
    const p = idleOn(MYSQL_56).wait('10s')
    p.server.fin()
    p.mute('server').wait('2s').command(0x0e).server.rst({ flags: 4 })
    expect(judge([inUse('30s', 4), p]).of(RULE)).toEqual([])
  })

  it('nothing lost', () => {
    expect(judge([inUse('30s', 4), idleOn(MYSQL_56).wait('10s').close('server')]).of(RULE)).toEqual([])
  })
})

describe('real captures', () => {
  for (const name of [
    'haproxy-idle-kill-10s',
    'control-haproxy',
    'ping-wrong-target-com-ping',
    'haproxy-idle-close-noticed-go',
  ])
    innocent(name, RULE)
})
