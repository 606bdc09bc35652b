/** Which line tells of which session. */
import { describe, expect, it } from 'vitest'
import { LogIndex } from '../../src/correlate/log-index.ts'
import type { LogEvent } from '../../src/logs/event.ts'
import type { Session } from '../../src/session/session.ts'
import { sessionsOf } from '../detect/kit.ts'
import { play, rows } from '../kit/play.ts'
import { legs, PROXY_IP } from '../rules/stories.ts'
import { appEvent, event, serverEvent } from './kit.ts'

const S = 1e9
const noProxy = (): boolean => false
const idsOf = (index: LogIndex, e: LogEvent): string[] => index.sessionsOf(e).map((s) => s.id)

const closed = (o: Parameters<typeof play>[0], id: number): ReturnType<typeof play> => {
  const p = play(o).connect().login({ connectionId: id }).query('SELECT 1 + 1', rows(1)).wait('1s')
  return p.close('server')
}

describe('joining', () => {
  // The same id and the same port come back ten minutes later, as after a restart.
  const { sessions } = sessionsOf([
    closed({ client: '10.0.0.1:41000' }, 7),
    closed({ client: '10.0.0.1:41001', at: '2026-01-01T00:00:02Z' }, 8),
    closed({ client: '10.0.0.1:41000', at: '2026-01-01T00:10:00Z', isn: { client: 5_000_000, server: 7_000_000 } }, 7),
  ])
  const [early, other, late] = sessions as [Session, Session, Session]
  const index = (...events: LogEvent[]): LogIndex => new LogIndex(events, sessions, noProxy)

  it('by address and port, told apart by time', () => {
    const a = event({ client: early.client, at: early.endAt })
    const b = event({ client: late.client, at: late.endAt })
    const i = index(a, b)
    expect(idsOf(i, a)).toEqual([early.id])
    expect(idsOf(i, b)).toEqual([late.id])
    expect(i.of(late)).toEqual([b])
    expect(i.joinedOf('haproxy.log')).toEqual({ about: 2, joined: 2 })
  })

  it('by connection id, told apart by time', () => {
    const a = serverEvent({ connectionId: 7, at: Math.floor(early.endAt / S) * S })
    const b = serverEvent({ connectionId: 7, at: Math.floor(late.endAt / S) * S })
    const i = index(a, b)
    expect(idsOf(i, a)).toEqual([early.id])
    expect(idsOf(i, b)).toEqual([late.id])
  })

  it('an application may find it dead long after, until the number is used again', () => {
    const found = appEvent({ client: early.client, at: early.endAt + 400 * S })
    const again = appEvent({ client: early.client, at: late.startAt + S / 2 })
    const i = index(found, again)
    expect(idsOf(i, found)).toEqual([early.id])
    expect(idsOf(i, again)).toEqual([late.id])
  })

  it('a host name: the port and the id', () => {
    const e = appEvent({ client: 'app-3.internal:41001', connectionId: 8, at: other.endAt })
    expect(idsOf(index(e), e)).toEqual([other.id])
    const wrong = appEvent({ client: 'app-3.internal:41001', connectionId: 9, at: other.endAt })
    expect(idsOf(index(wrong), wrong)).toEqual([])
  })

  it('a server address that is another one', () => {
    const e = event({ client: other.client, server: '10.0.0.99:3306', at: other.endAt })
    expect(idsOf(index(e), e)).toEqual([])
    const named = event({ client: other.client, server: 'db1.internal:3306', at: other.endAt })
    expect(idsOf(index(named), named)).toEqual([other.id])
  })

  it('what an earlier line said of the same pooled connection', () => {
    const opened = appEvent({
      role: 'pool',
      what: 'connected',
      poolConnection: 'Conn@1',
      connectionId: 8,
      at: other.startAt,
    })
    const dead = appEvent({ role: 'pool', what: 'validation-failed', poolConnection: 'Conn@1', at: other.endAt + S })
    const i = index(opened, dead)
    expect(idsOf(i, dead)).toEqual([other.id])
    expect(i.joinedOf('app.log')).toEqual({ about: 2, joined: 2 })
  })

  it('lines that name nobody are not counted; those that find nobody are', () => {
    const nobody = serverEvent({ what: 'started', at: 0 })
    const stranger = serverEvent({ connectionId: 999, at: 0 })
    expect(index(nobody, stranger).joinedOf('mysqld.log')).toEqual({ about: 1, joined: 0 })
  })

  it('without a time only what is the only one', () => {
    const seven = serverEvent({ connectionId: 7, at: null })
    const eight = serverEvent({ connectionId: 8, at: null })
    const i = index(seven, eight)
    expect(idsOf(i, seven)).toEqual([])
    expect(idsOf(i, eight)).toEqual([other.id])
  })

  it('between two moments', () => {
    const events = [event({ at: 3 * S }), event({ at: S }), event({ at: null }), event({ at: 2 * S })]
    expect(
      index(...events)
        .between(S, 2 * S)
        .map((e) => e.at),
    ).toEqual([S, 2 * S])
  })
})

describe('legs of a proxy that passes the greeting on', () => {
  const { front, back } = legs({ id: 77 })
  front.wait('1s').server.fin()
  back.wait('1s').client.fin()
  const { sessions } = sessionsOf([front, back])
  const [first, second] = sessions as [Session, Session]
  const index = (e: LogEvent): LogIndex => new LogIndex([e], sessions, (ip) => ip === PROXY_IP)

  it('the server knows the one that ends at it, the application its own', () => {
    const server = serverEvent({ connectionId: 77, at: second.endAt })
    expect(idsOf(index(server), server)).toEqual([second.id])
    const app = appEvent({ connectionId: 77, at: first.endAt })
    expect(idsOf(index(app), app)).toEqual([first.id])
  })
})

describe('two servers that count from 1', () => {
  const { sessions } = sessionsOf([
    closed({ client: '10.0.0.1:41000', server: '10.0.0.2:3306' }, 7),
    closed({ client: '10.0.0.1:41001', server: '10.0.0.3:3306' }, 7),
    closed({ client: '10.0.0.1:41002', server: '10.0.0.3:3306' }, 8),
  ])

  it('the log belongs to the one that most of its ids fit', () => {
    const seven = serverEvent({ connectionId: 7, at: Math.floor(sessions[0]!.endAt / S) * S })
    const eight = serverEvent({ connectionId: 8, at: Math.floor(sessions[2]!.endAt / S) * S })
    const index = new LogIndex([seven, eight], sessions, noProxy)
    expect(idsOf(index, seven)).toEqual([sessions[1]!.id])
  })
})
