/** Clock offsets of logs: agreement of what names the same connections, zones, and what is no evidence. */
import { describe, expect, it } from 'vitest'
import { logClocks } from '../../src/correlate/clock.ts'
import type { LogEvent } from '../../src/logs/event.ts'
import type { Session } from '../../src/session/session.ts'
import { sessionsOf } from '../detect/kit.ts'
import { play, rows } from '../kit/play.ts'
import { appEvent, event, serverEvent } from './kit.ts'

const S = 1e9
const NONE = new Map<string, number>()

/** Connections of one second each, one after another, with ids from 100. */
function story(n = 5): Session[] {
  const plays = Array.from({ length: n }, (_, i) => {
    const p = play({ client: `10.0.0.1:${41000 + i}`, at: `2026-01-01T00:00:${String(10 + i * 3).padStart(2, '0')}Z` })
    p.connect()
      .login({ connectionId: 100 + i })
      .query('SELECT 1 + 1', rows(1))
      .wait('1s')
      .close('server')
    return p
  })
  return sessionsOf(plays).sessions
}

const clockOf = (input: string, events: LogEvent[], sessions: readonly Session[]) =>
  logClocks(new Map([[input, events]]), sessions, NONE).get(input)

/** What HAProxy would have written of these sessions with a clock so far ahead. */
const tcplog = (sessions: readonly Session[], ahead: number): LogEvent[] =>
  sessions.map((s) =>
    event({ client: s.client, startAt: s.startAt + ahead, at: s.ending.first!.at + ahead, durationMillis: 1000 }),
  )

describe('offset of a log', () => {
  const sessions = story()

  it('none: exactly 0, however the lines are rounded', () => {
    expect(clockOf('haproxy.log', tcplog(sessions, 3e6), sessions)).toEqual({ offset: 0, matched: 5 })
  })

  it('some seconds: as measured', () => {
    expect(clockOf('haproxy.log', tcplog(sessions, 1.8 * S), sessions)!.offset / S).toBeCloseTo(1.8, 1)
  })

  it.each([8, -5, 5.75])('a zone of %d h: exactly that', (hours) => {
    const clock = clockOf('haproxy.log', tcplog(sessions, hours * 3600 * S), sessions)
    expect(clock?.offset).toBe(hours * 3600 * S)
  })

  it('one stray line with a port that was used before does not move it', () => {
    const stray = event({ client: sessions[0]!.client, startAt: sessions[0]!.startAt + 500 * S, at: 600 * S })
    expect(clockOf('haproxy.log', [stray, ...tcplog(sessions, 0)], sessions)?.offset).toBe(0)
  })

  it('whole seconds and ids: 0 lies within', () => {
    const events = sessions.map((s) =>
      serverEvent({ connectionId: s.mysql!.greeting!.connectionId, at: Math.floor(s.ending.first!.at / S) * S }),
    )
    expect(clockOf('mysqld.log', events, sessions)?.offset).toBe(0)
  })

  it('a single line that is late proves no offset: servers notice late, pools later', () => {
    const [s] = sessions
    const id = s!.mysql!.greeting!.connectionId
    expect(clockOf('mysqld.log', [serverEvent({ connectionId: id, at: s!.endAt + 7 * S })], sessions)?.offset).toBe(0)
    expect(clockOf('app.log', [appEvent({ client: s!.client, at: s!.endAt + 60 * S })], sessions)?.offset).toBe(0)
  })

  it('lines that name nothing of the capture: unknown', () => {
    expect(clockOf('haproxy.log', [event({ client: '10.9.9.9:1', startAt: 0, at: 5 })], sessions)).toBeUndefined()
  })

  it('what the user gives is taken as it is', () => {
    const given = new Map([['haproxy.log', -2 * S]])
    const clock = logClocks(new Map([['haproxy.log', tcplog(sessions, 0)]]), sessions, given).get('haproxy.log')
    expect(clock).toEqual({ offset: -2 * S, matched: 0 })
  })

  it('without packets one log is the clock of the other', () => {
    const proxy = tcplog(sessions, 0)
    const app = sessions.map((s) => appEvent({ client: s.client, what: 'connected', at: s.startAt + 8 * 3600 * S }))
    const clocks = logClocks(
      new Map([
        ['haproxy.log', proxy],
        ['app.log', app],
      ]),
      [],
      NONE,
    )
    expect(clocks.get('app.log')?.offset).toBe(8 * 3600 * S)
  })
})
