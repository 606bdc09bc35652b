/** host-blocked: 1129, and what led to it. */
import { describe, expect, it } from 'vitest'
import { incident, innocent } from './incidents.ts'
import { expectQuiet, judge, measured, play, SERVER_IP, says, working } from './kit.ts'
import { PROXY_IP, together } from './stories.ts'

const RULE = 'host-blocked'
const blocked = (host: string) =>
  `Host '${host}' is blocked because of many connection errors; unblock with 'mysqladmin flush-hosts'`

const knock = (n: number) => {
  const p = play({ client: `10.0.0.1:4000${n}`, at: `2026-01-01T00:00:0${n}Z` })
    .connect()
    .greet()
  p.as(`knock ${n}`).client.rst()
  return p
}

describe('the server blocks a host', () => {
  it('names it, with the handshakes broken off before', () => {
    const refused = play({ client: '10.0.0.1:40009', at: '2026-01-01T00:00:09Z' })
      .connect()
      .as('err')
      .greetError(1129, blocked('10.0.0.1'))
      .close('server')
    const j = judge([knock(1), knock(2), refused])
    const f = j.only(RULE)
    expect(j.accusations).toEqual([f])
    expect(f).toMatchObject({
      severity: 'error',
      confidence: 'certain',
      culprit: { role: 'server', address: SERVER_IP },
      detail: { host: '10.0.0.1', answeredBy: 'server', interruptedBefore: 2 },
    })
    const o = f.occurrences[0]!
    expect(says(j, o, 'err')).toContain('1129')
    expect(says(j, o, 'knock 2')).toContain('breaks off')
    expect(measured(o, 'handshakes broken off before')).toBe(2)
  })

  it('behind a proxy: both legs, the server is named', () => {
    const front = play({ server: `${PROXY_IP}:3306` }).connect()
    const back = play({ client: `${PROXY_IP}:50000` })
    together(front, back)
    back.connect().greetError(1129, blocked(PROXY_IP))
    together(front, back)
    front.greetError(1129, blocked(PROXY_IP))
    const f = judge([front.close('server'), back.close('server')]).only(RULE)
    expect(f.occurrences).toHaveLength(2)
    expect(f.culprit).toMatchObject({ role: 'server', address: SERVER_IP })
  })

  it('on the client’s leg alone, another host is named: a server behind a proxy, whose address is not known', () => {
    const f = judge(play().connect().greetError(1129, blocked('10.9.9.9')).close('server')).only(RULE)
    expect(f.culprit).toEqual({ role: 'server', address: null, product: null })
    expect(f.detail).toMatchObject({ host: '10.9.9.9' })
  })
})

describe('stays quiet', () => {
  it('a health check that breaks off its handshakes, as long as the host is not blocked', () => {
    expectQuiet(judge([knock(1), knock(2), knock(3), working().quit()]), RULE)
  })
})

incident('host-blocked-1129-by-healthcheck', RULE)
innocent('tcp-probe-greeting-close', RULE)
