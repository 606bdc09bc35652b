/** packet-too-large: 1153, or a large request cut off while it was being sent. */
import { describe, expect, it } from 'vitest'
import { incident, innocent } from './incidents.ts'
import { err, expectQuiet, judge, ok, outcomeOf, rows, SERVER_IP, says, working } from './kit.ts'
import { legs, sealedCommand, tlsSession, together } from './stories.ts'

const RULE = 'packet-too-large'
const TOO_LARGE = err(1153, '08S01', "Got a packet bigger than 'max_allowed_packet' bytes")
const big = (n: number): string => `INSERT INTO t VALUES ('${'x'.repeat(n)}')`
/** The head of a COM_QUERY that declares `length` bytes, and as much of it as is sent. */
function upload(length: number, sent: number): Uint8Array {
  const b = new Uint8Array(sent).fill(0x78)
  b.set([length & 255, (length >> 8) & 255, length >> 16, 0, 3])
  return b
}

describe('too large', () => {
  it('the server says 1153 and closes', () => {
    const p = working().query(big(90_000)).as('error').answer(TOO_LARGE).as('close').close('server')
    const j = judge(p)
    const f = j.only(RULE)
    expect(j.accusations).toEqual([f])
    expect(f).toMatchObject({
      severity: 'error',
      confidence: 'certain',
      culprit: { role: 'server', address: SERVER_IP },
    })
    expect(f.detail).toEqual({ bytes: 90_026, error: 1153 })
    expect(outcomeOf(f)).toBe('not-delivered')
    expect(says(j, f.occurrences[0]!, 'error')).toContain('1153')
  })

  it('the answer cannot be read: RST in the middle of the upload', () => {
    const p = working()
    p.client.data(upload(4_500_000, 60_000))
    p.as('rst').server.rst()
    const f = judge(p).only(RULE)
    expect(f).toMatchObject({ confidence: 'likely', detail: { bytes: 4_500_000, error: null } })
    expect(outcomeOf(f)).toBe('not-delivered')
  })

  it('in TLS the bytes sent without a pause speak', () => {
    const p = tlsSession()
    for (let i = 0; i < 80; i++) p.client.data(sealedCommand(16_000))
    p.server.rst()
    expect(judge(p).only(RULE)).toMatchObject({ confidence: 'possible', detail: { error: null } })
  })

  it('through a proxy both legs are one finding', () => {
    const { front, back } = legs()
    front.query(big(70_000))
    together(front, back)
    back.query(big(70_000)).answer(TOO_LARGE).close('server')
    together(front, back)
    front.answer(TOO_LARGE).close('server')
    const f = judge([front, back]).only(RULE)
    expect(f.culprit).toMatchObject({ role: 'server', address: SERVER_IP })
    expect(f.occurrences).toHaveLength(2)
  })
})

describe('stays quiet', () => {
  it('large requests that were answered', () => {
    expectQuiet(judge(working().query(big(1_200_000), ok()).query('SELECT 1', rows(1)).quit()), RULE)
  })

  it('a small request cut off', () => {
    const p = working()
    p.client.data(upload(90_000, 20_000))
    p.server.rst()
    expect(judge(p).of(RULE)).toEqual([])
  })

  it('a client that closed in the middle of its own upload', () => {
    const p = working()
    p.client.data(upload(4_500_000, 60_000))
    p.wait('1.1s').client.rst()
    expect(judge(p).of(RULE)).toEqual([])
  })

  it('a server that closed long after the upload had stopped', () => {
    const p = working()
    p.client.data(upload(4_500_000, 60_000))
    p.wait('30s').server.rst()
    expect(judge(p).of(RULE)).toEqual([])
  })
})

describe('real captures', () => {
  incident('max-allowed-packet-mariadb', RULE)
  innocent('control-offload-large-results', RULE)
  innocent('proto-load-data-local', RULE)
})
