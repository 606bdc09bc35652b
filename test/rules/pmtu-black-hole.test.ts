/** pmtu-black-hole: large segments vanish, small ones pass; seen from the sender's and the receiver's end. */
import { describe, expect, it } from 'vitest'
import { incident, innocent } from './incidents.ts'
import { judge, type Play, rows, says, working } from './kit.ts'

const RULE = 'pmtu-black-hole'
const FULL = new Uint8Array(1460)

/** At the server: it repeats a full segment in vain; its peer lives. */
function atServer(p: Play = working()): Play {
  p.query('SELECT * FROM big').mute('client').as('large').server.data(FULL)
  p.as('again').retransmit('server', { times: 6 })
  return p
}

/** At the client: two full segments are missing before a smaller one, and nothing fills the hole. */
function atClient(missing: number, tail: number, p: Play = working()): Play {
  p.query('SELECT * FROM big')
  p.unseen((q) => {
    q.mute('client')
    q.lose(missing / 1460)
    q.server.data(new Uint8Array(missing))
  })
  p.as('tail').server.data(new Uint8Array(tail))
  return p.wait('7s')
}

describe('large segments vanish', () => {
  it('the sender repeats them; the receiver speaks, and small ones had passed', () => {
    const p = atServer().wait('1s').as('fin')
    p.client.fin({ ackOffset: -1460 })
    const j = judge(p)
    const f = j.only(RULE)
    expect(j.accusations).toEqual([f])
    expect(f).toMatchObject({ severity: 'error', confidence: 'likely', culprit: { role: 'network', address: null } })
    expect(f.detail).toMatchObject({ direction: 'server', lostPayload: 1460, seenAt: 'sender' })
    expect(f.detail['passedPayload']).toBeLessThan(300)
    expect(says(j, f.occurrences[0]!, 'again')).toContain('retransmissions of 1460 bytes')
  })

  it('the receiver sees a hole of full segments that is never filled', () => {
    const p = atClient(2920, 700)
    p.client.fin()
    const f = judge(p).only(RULE)
    expect(f.detail).toMatchObject({ direction: 'server', lostPayload: 2920, passedPayload: 700, seenAt: 'receiver' })
    expect(f.occurrences[0]!.command).toBe('COM_QUERY')
  })
})

describe('nothing is heard of the other end', () => {
  const upload = (idle: '1s' | '9s') => {
    const p = working().wait(idle).mute('server').query('x'.repeat(4000))
    return judge(p.retransmit('client', { times: 5 })).findings.map((f) => `${f.rule} ${f.confidence}`)
  }

  it('the first large segments of a connection at work: possible; after a long silence it was forgotten', () => {
    expect(upload('1s')).toContain('pmtu-black-hole possible')
    expect(upload('9s').join()).toContain('silent-drop')
  })
})

describe('stays quiet', () => {
  it('large segments that were lost once and came when sent again', () => {
    const p = working().query('SELECT * FROM big').lose(1)
    p.server.data(FULL)
    p.retransmit('server')
    p.wait('1s').quit()
    expect(judge(p).of(RULE)).toEqual([])
  })

  it('a path on which everything vanishes, small segments too', () => {
    const p = working().query('SELECT 1').mute('client').answer(rows(1)).retransmit('server', { times: 6 }).wait('1s')
    p.client.fin()
    expect(judge(p).of(RULE)).toEqual([])
  })

  it('a receiver that says nothing any more: nobody knows whether it lives', () => {
    expect(judge(atServer()).of(RULE)).toEqual([])
  })

  it('a size that passed on the same connection or between the same hosts', () => {
    const before = working()
    before.query('SELECT * FROM big').server.data(FULL)
    before.server.data(FULL)
    before.wait('1s')
    const same = atServer(before).wait('1s')
    same.client.fin({ ackOffset: -1460 })
    expect(judge(same).of(RULE)).toEqual([])
    const other = working({ client: '10.0.0.1:40009' }).query('SELECT * FROM big')
    other.server.data(new Uint8Array(4380))
    other.wait('1s')
    const p = atServer().wait('1s')
    p.client.fin({ ackOffset: -1460 })
    expect(judge([other, p]).of(RULE)).toEqual([])
  })

  it('a hole that is no multiple of full segments, or with larger ones beyond it', () => {
    const p = working().query('SELECT * FROM big')
    p.unseen((q) => {
      q.mute('client')
      q.lose(1)
      q.server.data(new Uint8Array(800))
    })
    p.server.data(new Uint8Array(1460))
    p.wait('7s').client.fin()
    expect(judge(p).of(RULE)).toEqual([])
  })

  it('bytes that the capture lost (they were acknowledged)', () => {
    const p = working().query('SELECT * FROM big').miss(2)
    p.server.data(new Uint8Array(2920))
    p.server.data(new Uint8Array(700))
    p.wait('7s').client.fin()
    expect(judge(p).of(RULE)).toEqual([])
  })
})

describe('real captures', () => {
  incident('mtu-black-hole-response', RULE)
  innocent('net-outage-midquery', RULE)
  innocent('net-loss-3pct', RULE)
  innocent('net-reorder-dup', RULE)
})
