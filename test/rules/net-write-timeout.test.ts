/** net-write-timeout: the reader's window stayed shut until the server gave up. */
import { describe, expect, it } from 'vitest'
import { incident, innocent } from './incidents.ts'
import { judge, measured, outcomeOf, type Play, rows, SERVER_IP, says, working } from './kit.ts'
import { tlsSession } from './stories.ts'

const RULE = 'net-write-timeout'
/** A result set that has begun and goes on, without its end. */
function streams(p: Play): Play {
  p.query('SELECT * FROM big')
  // Column count 1, a column definition's worth of bytes would follow: the beginning is enough.
  p.server.data(Uint8Array.of(1, 0, 0, 1, 1))
  return p
}

describe('the reader stalls', () => {
  it.each(['fin', 'rst'] as const)('window 0 until the server sends %s', (how) => {
    const p = streams(working())
    p.as('zero').zeroWindow('client').wait('1s').as('probe')
    p.server.ack({ seqOffset: -1 })
    p.client.ack()
    p.wait('2s').as('close').server[how]()
    const j = judge(p)
    const f = j.only(RULE)
    expect(j.accusations).toEqual([f])
    expect(f).toMatchObject({
      severity: 'error',
      confidence: 'likely',
      culprit: { role: 'server', address: SERVER_IP },
    })
    expect(f.detail['stillRefusing']).toBe(true)
    expect(outcomeOf(f)).toBe('response-begun')
    expect(says(j, f.occurrences[0]!, 'zero')).toContain('window 0')
    expect(measured(f.occurrences[0]!, 'no data taken for')).toBeCloseTo(3, 1)
  })

  it('the FIN stood behind unsent data and came after the window had opened again: only possible', () => {
    const p = streams(working()).zeroWindow('client').wait('8s').openWindow('client')
    p.server.data(new Uint8Array(4000))
    p.server.fin()
    expect(judge(p).only(RULE)).toMatchObject({ confidence: 'possible', detail: { stillRefusing: false } })
  })

  it('in TLS, while the window is shut', () => {
    const p = tlsSession().zeroWindow('client').wait('5s')
    p.server.rst()
    expect(judge(p).only(RULE).confidence).toBe('possible')
  })
})

describe('stays quiet', () => {
  it('a closed window that opened again and the result came whole', () => {
    const p = working().query('SELECT 1').zeroWindow('client').wait('20s').openWindow('client').answer(rows(1)).quit()
    expect(judge(p).accusations).toEqual([])
  })

  it('a client that closed while its window was shut', () => {
    const p = streams(working()).zeroWindow('client').wait('5s')
    p.client.rst()
    expect(judge(p).of(RULE)).toEqual([])
  })

  it('retransmissions without an answer (the path, not the reader)', () => {
    const p = streams(working()).mute('client').retransmit('server', { times: 5 })
    p.server.rst()
    expect(judge(p).of(RULE)).toEqual([])
  })

  it('short closed windows before a close of another cause', () => {
    const p = streams(working()).zeroWindow('client').wait('50ms').openWindow('client').wait('3s')
    p.server.rst()
    expect(judge(p).of(RULE)).toEqual([])
  })
})

describe('real captures', () => {
  incident('net-write-timeout-slow-reader', RULE)
  innocent('control-offload-large-results', RULE)
  innocent('mysqld-kill9-midquery', RULE)
})
