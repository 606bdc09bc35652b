/** validation-wrong-connection: checks on one connection, queries on another that dies unwatched. */
import { describe, expect, it } from 'vitest'
import { idleOn, MARIADB, usedAgain } from './idle-stories.ts'
import { incident, innocent } from './incidents.ts'
import { judge, type Play, type Span, says } from './kit.ts'

const RULE = 'validation-wrong-connection'
const REPLICA = '10.0.0.3:3306'

/** The source, checked every `every`. */
function checked(every: Span, times: number, o: Parameters<typeof idleOn>[1] = {}, user?: string): Play {
  const p = idleOn('8.4.3', o)
  if (user !== undefined) expect(user).not.toBe('app')
  for (let i = 0; i < times; i++) p.wait(every).as(`ping ${i}`).ping()
  return p.quit()
}

/** The replica: idle, closed by its server after 10 s, used again at 18 s. */
function replica(o: Parameters<typeof idleOn>[1] = {}): Play {
  const p = idleOn(MARIADB, { client: '10.0.0.1:40001', server: REPLICA, ...o }).wait('10s')
  p.server.rst()
  return p
}

/** As above, but MySQL before 4031: a FIN that nobody reads, and a request that is lost. */
function lostOnReplica(o: Parameters<typeof idleOn>[1] = {}): Play {
  const p = idleOn('5.6.24', { client: '10.0.0.1:40001', server: REPLICA, ...o }).wait('10s')
  p.server.fin()
  return usedAgain(p, '8s')
}

describe('the checks go to another connection', () => {
  it('COM_PING on the source, a read lost on the replica', () => {
    const j = judge([checked('3s', 6), lostOnReplica()])
    const f = j.only(RULE)
    expect(f).toMatchObject({
      severity: 'error',
      confidence: 'likely',
      culprit: { role: 'client' },
      detail: { checked: '10.0.0.2:3306', checks: 6 },
    })
    expect(f.detail['periodSeconds']).toBeCloseTo(3, 1)
    expect(f.occurrences.map((o) => o.server)).toEqual([REPLICA])
    expect(says(j, f.occurrences[0]!, 'ping 0')).toContain('checks on')
    // The idle timer is told as well: this rule adds what would have prevented it.
    expect(j.of('idle-timeout-server').length).toBe(1)
  })

  it('SELECT 1 counts as a check', () => {
    const p = idleOn('8.4.3')
    for (let i = 0; i < 6; i++)
      p.wait('3s')
        .query('/* ping */ select 1', undefined)
        .answer((n) => [n.deprecateEof ? Uint8Array.of(0xfe, 0, 0, 2, 0, 0, 0) : Uint8Array.of(0, 0, 0, 2, 0, 0, 0)])
    expect(judge([p.quit(), lostOnReplica()]).of(RULE).length).toBe(1)
  })
})

describe('stays quiet', () => {
  it('checks that reach the victim’s server, on another connection of the client', () => {
    const other = checked('3s', 6, { client: '10.0.0.1:40002', server: REPLICA })
    expect(judge([checked('3s', 6), other, lostOnReplica()]).of(RULE)).toEqual([])
  })

  it('checks rarer than the timer', () => {
    expect(judge([checked('12s', 4), lostOnReplica()]).of(RULE)).toEqual([])
  })

  it('another client’s checks', () => {
    expect(judge([checked('3s', 6, { client: '10.0.0.9:40000' }), lostOnReplica()]).of(RULE)).toEqual([])
  })

  it('connections opened at different times', () => {
    expect(judge([checked('3s', 9, { at: '2025-12-31T23:59:50Z' }), lostOnReplica()]).of(RULE)).toEqual([])
  })

  it('nothing lost', () => {
    expect(judge([checked('3s', 6), replica()]).of(RULE)).toEqual([])
  })
})

describe('real captures', () => {
  incident('ping-wrong-target-com-ping', RULE)
  for (const name of ['haproxy-idle-kill-10s', 'haproxy-idle-kill-hikari-15s', 'wait-timeout-mysql97-4031'])
    innocent(name, RULE)
})
