/** port-reuse: a SYN answered by an ACK about an older connection. */
import { describe, expect, it } from 'vitest'
import { Flag } from '../kit/wire.ts'
import { innocent } from './incidents.ts'
import { CLIENT_IP, expectQuiet, judge, measured, type Play, play, rows, SERVER_IP, says, working } from './kit.ts'

const RULE = 'port-reuse'
const old = (): Play => working({ client: `${CLIENT_IP}:45678` }).query('SELECT 1', rows(1))

/** The same ports again: an ACK about the old connection, RST, and (unless `fails`) the SYN once more. */
function again(fails = false): Play {
  const p = play({
    client: `${CLIENT_IP}:45678`,
    at: '2026-01-01T00:01:00Z',
    isn: { client: 77_000_000, server: 850_000_000 },
  })
  const w = p.wire
  p.as('syn').client.syn()
  p.as('challenge').server.ack({ ackOffset: -76_000_000, seqOffset: -841_000_000 })
  // A RST with the challenge's acknowledgment number (RFC 9293 3.10.7.3), which the play's hosts know nothing of.
  p.as('rst').client.ack({ seqOffset: -76_000_000, flags: Flag.RST, window: 0 })
  if (fails) return p.wait('3s')
  p.wait('1s').client.again()
  w.server.expected = (w.client.isn + 1) >>> 0
  p.as('syn-ack').server.synAck()
  p.client.ack()
  return p.login().query('SELECT 2', rows(1)).quit()
}

describe('a port is reused too early', () => {
  it('challenge ACK, RST, and the SYN once more', () => {
    const j = judge([old(), again()])
    const f = j.only(RULE)
    expect(j.accusations).toEqual([f])
    expect(f).toMatchObject({
      severity: 'warning',
      confidence: 'certain',
      culprit: { role: 'network', address: CLIENT_IP },
      detail: { oldConnection: 'play.pcap:0' },
    })
    expect(f.title).toContain(`${SERVER_IP}:3306`)
    expect(measured(f.occurrences[0]!, 'time to connect')).toBeCloseTo(1, 1)
    expect(says(j, f.occurrences[0]!, 'challenge')).toContain('does not acknowledge')
    expect(says(j, f.occurrences[0]!, 'rst')).toContain('RST')
    expect(says(j, f.occurrences[0]!, 'syn-ack')).toContain('SYN-ACK')
  })

  it('no connection comes about: an error', () => {
    const f = judge([old(), again(true)]).only(RULE)
    expect(f).toMatchObject({ severity: 'error', detail: { delaySeconds: null } })
  })

  it('the new connection is a session of its own, and whole', () => {
    const s = judge([old(), again()]).session(1)
    expect(s.mysql?.commands).toMatchObject({ COM_QUERY: 1, COM_QUIT: 1 })
    expect(s.ending.how).toBe('fin')
  })
})

describe('stays quiet', () => {
  it('ports reused after an orderly close (SYN answered by SYN-ACK)', () => {
    const second = working({
      client: `${CLIENT_IP}:45678`,
      at: '2026-01-01T00:01:00Z',
      isn: { client: 77_000_000 },
    }).quit()
    expectQuiet(judge([old().quit(), second]), RULE)
  })

  it('a SYN that was lost and sent again', () => {
    const p = play()
    p.client.syn()
    p.wait('1s').client.again()
    p.server.synAck()
    p.client.ack()
    expect(judge(p.login().query('SELECT 1', rows(1)).quit()).of(RULE)).toEqual([])
  })

  it('a SYN-ACK that the capture lost', () => {
    const p = play()
    p.client.syn()
    p.miss(1).server.synAck()
    p.client.ack()
    expect(judge(p.login().query('SELECT 1', rows(1)).quit()).of(RULE)).toEqual([])
  })
})

describe('a capture with holes', () => {
  it('the SYN-ACK is missing, and the server goes on to talk', () => {
    const p = play()
    p.client.syn()
    p.unseen((q) => {
      q.server.synAck()
      q.client.ack()
    })
    p.login().query('SELECT 1', rows(1)).close('client')
    p.client.rst()
    expect(judge(p).of(RULE)).toEqual([])
  })
})

describe('real captures', () => {
  innocent('host-blocked-1129-by-healthcheck', RULE)
  innocent('port-scan-connect', RULE)
  innocent('net-loss-3pct', RULE)
})
