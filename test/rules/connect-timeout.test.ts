/** connect-timeout: no SYN-ACK, no greeting, no end of the login in time. */
import { describe, expect, it } from 'vitest'
import { incident, innocent } from './incidents.ts'
import {
  CLIENT_IP,
  err,
  expectQuiet,
  judge,
  ok,
  type Play,
  play,
  rows,
  SERVER_IP,
  type Span,
  says,
  working,
} from './kit.ts'
import { PROXY_IP } from './stories.ts'

const RULE = 'connect-timeout'
/** Others on the same server, so that the capture is known to hear it, from before until long after. */
const witness = (): Play =>
  working({ client: '10.0.0.1:40001', at: '2026-01-01T00:00:00Z' }).wait('60s').query('SELECT 1', rows(1)).quit()
const unanswered = (times: number, o: Parameters<typeof play>[0] = {}): Play => {
  const p = play({ client: '10.0.0.1:41001', at: '2026-01-01T00:00:01Z', ...o }).mute('server')
  p.as('syn').client.syn()
  return p.retransmit('client', { times, first: '1s' })
}
const bareReset = (p: Play) => p.as('rst').client.rst({ flags: 4, window: 0 })

describe('the SYN got no answer in time', () => {
  it('… in a capture that holds nothing else: its sender would not repeat it', () => {
    expect(judge(unanswered(2)).only(RULE).occurrences.length).toBe(1)
  })

  it('unanswered and repeated', () => {
    const j = judge([witness(), unanswered(3)])
    const f = j.only(RULE)
    expect(j.accusations).toEqual([f])
    expect(f).toMatchObject({
      severity: 'error',
      confidence: 'likely',
      culprit: { role: 'unknown', address: null },
      detail: { waitedFor: 'syn-ack', synRetransmissions: 3 },
    })
    expect(f.title).toContain(`${SERVER_IP}:3306 did not answer`)
    expect(says(j, f.occurrences[0]!, 'syn')).toContain('without an answer')
  })

  it('given up before the first repetition', () => {
    expect(judge([witness(), unanswered(0)]).only(RULE).detail).toMatchObject({ synRetransmissions: 0 })
  })

  it('SYN-ACK came when the client had given up: a bare RST', () => {
    const p = play({ client: '10.0.0.1:41001', at: '2026-01-01T00:00:01Z' })
    p.client.syn()
    p.wait('1.03s').as('synack').server.synAck()
    bareReset(p)
    const j = judge([witness(), p])
    const f = j.only(RULE)
    expect(f).toMatchObject({
      confidence: 'likely',
      culprit: { role: 'network', address: null },
      detail: { waitedFor: 'syn-ack' },
    })
    expect(says(j, f.occurrences[0]!, 'rst')).toContain('RST')
    expect(f.title).toContain('too late')
  })

  it('SYN-ACKs that never reach the client, which repeats its SYN', () => {
    const p = play({ client: '10.0.0.1:41001', at: '2026-01-01T00:00:01Z', vantage: 'server' }).mute('client')
    p.client.syn()
    p.server.synAck()
    p.wait('1s').client.syn({ seqOffset: -1 })
    p.server.synAck({ seqOffset: -1 })
    expect(judge([witness(), p]).only(RULE).culprit).toEqual({ role: 'network', address: null, product: null })
  })
})

describe('accepted, but the client gave up waiting', () => {
  it('no greeting', () => {
    const p = play({ client: '10.0.0.1:41001' }).connect().wait('10s').as('fin').close('client')
    const j = judge([witness(), p])
    const f = j.only(RULE)
    expect(f).toMatchObject({
      confidence: 'possible',
      culprit: { role: 'server', address: SERVER_IP, product: 'MySQL' },
      detail: { waitedFor: 'greeting' },
    })
    expect(f.title).toContain('sent no greeting in time')
  })

  it('the greeting was on its way when the client closed', () => {
    const p = play({ client: '10.0.0.1:41001', rtt: '600ms', vantage: 'server' })
      .connect()
      .greet()
      .wait('400ms')
      .close('client')
    expect(judge([witness(), p]).only(RULE).culprit.role).toBe('network')
  })

  it('no answer to the login', () => {
    const p = play({ client: '10.0.0.1:41001' })
      .connect()
      .login({ reply: () => [] })
      .wait('5s')
      .close('client')
    expect(judge([witness(), p]).only(RULE).detail).toMatchObject({ waitedFor: 'login' })
  })

  it('the first command, when the connect timer covers it', () => {
    const p = play({ client: '10.0.0.1:41001', rtt: '170ms' }).connect().login().wait('20ms').query('SET NAMES utf8mb4')
    const spent = p.wire.now - Date.parse('2026-01-01T00:00:00Z') * 1000
    p.wait(`${1_001_000 - spent}us`).close('client')
    const f = judge([witness(), p]).only(RULE)
    expect(f).toMatchObject({ culprit: { role: 'network' }, detail: { waitedFor: 'first-command' } })
    expect(f.occurrences[0]).toMatchObject({ command: 'COM_QUERY', statement: 'SET NAMES utf8mb4' })
  })
})

describe('behind a proxy', () => {
  it('its SYNs are not answered: the clients it turns away are told with them', () => {
    const front = play({
      client: `${CLIENT_IP}:41000`,
      server: `${PROXY_IP}:3306`,
      at: '2026-01-01T00:00:01Z',
    }).connect()
    const back = unanswered(2, { client: `${PROXY_IP}:50001`, at: '2026-01-01T00:00:01.001Z' })
    front.wait('5s').close('server')
    const f = judge([witness(), front, back]).only(RULE)
    expect(f.occurrences.map((o) => o.server).sort()).toEqual([`${SERVER_IP}:3306`, `${PROXY_IP}:3306`])
  })
})

describe('stays quiet', () => {
  it('a SYN repeated once and then answered', () => {
    const p = play({ client: '10.0.0.1:41001' }).lose(1)
    p.client.syn()
    p.wait('1s').client.syn({ seqOffset: -1 })
    p.server.synAck()
    p.client.ack()
    expect(judge([witness(), p.login().quit()]).of(RULE)).toEqual([])
  })

  it('a SYN shortly before the capture ends', () => {
    for (const [times, at] of [
      [0, '00:00:58'],
      [1, '00:00:58'],
    ] as const) {
      expectQuiet(judge([witness(), unanswered(times, { at: `2026-01-01T${at}Z` })]), RULE)
    }
  })

  it('a capture that holds no packet of any server: a SYN, or one repetition, may have been answered', () => {
    for (const times of [0, 1])
      expectQuiet(judge([witness(), unanswered(times)], { keep: (f) => f.from === 'client' }), RULE)
  })

  it('a health check that resets right after SYN-ACK, or leaves after the greeting', () => {
    const checks = [1, 2, 3].map((n) => {
      const p = play({ client: `10.0.0.5:5000${n}`, at: `2026-01-01T00:00:0${n}Z`, rtt: '300ms' })
      p.client.syn()
      p.server.synAck()
      p.client.rst()
      return p
    })
    const slow = play({ client: '10.0.0.5:50009' }).connect().greet().wait('5s').close('client')
    expectQuiet(judge([witness(), ...checks, slow]), RULE)
  })

  it('a half-open scan: a bare RST at once', () => {
    const p = play({ client: '10.0.0.66:50001' })
    p.client.syn()
    p.server.synAck()
    bareReset(p)
    expectQuiet(judge([witness(), p]), RULE)
  })

  it('a SYN answered by a mere ACK (port-reuse)', () => {
    const p = play({ client: '10.0.0.1:41001', at: '2026-01-01T00:00:01Z' })
    p.client.syn()
    p.server.ack({ ackOffset: 77_777 })
    p.wait('1s').client.again()
    p.wait('2s').client.again()
    expect(judge([witness(), p]).of(RULE)).toEqual([])
  })

  it('a scanner', () => {
    const scan = [3306, 3307, 3308, 22].map((port, i) =>
      unanswered(1, { client: `10.0.0.66:4200${i}`, server: `10.0.0.2:${port}` }),
    )
    expectQuiet(judge([witness(), ...scan]), RULE)
  })

  it('a session that works after a slow start, and one whose login is refused', () => {
    expect(judge(working({ rtt: '400ms' }).query('SELECT 1', rows(1)).quit()).of(RULE)).toEqual([])
    const p = play({ rtt: '400ms' })
      .connect()
      .login({ plugin: 'mysql_native_password', reply: err(1045, '28000', 'Access denied') })
    expect(judge(p.close('client')).of(RULE)).toEqual([])
  })

  for (const wait of ['10ms', '1s', '3s'] as Span[]) {
    it(`client leaves ${wait} into a session in use`, () => {
      expect(
        judge(working().query('SELECT 1', ok()).query('SELECT 2', rows(1)).wait(wait).close('client')).of(RULE),
      ).toEqual([])
    })
  }
})

incident('net-delay-150ms', RULE)
incident('net-loss-3pct', RULE)
innocent('net-reorder-dup', RULE)
innocent('silent-drop-firewall', RULE)
