/** probe-without-handshake: health checks and scanners, worth knowing and no more. */
import { describe, expect, it } from 'vitest'
import { innocent } from './incidents.ts'
import { expectQuiet, judge, type Play, play, SERVER_IP, working } from './kit.ts'

const RULE = 'probe-without-handshake'
const PROBER = '10.0.0.5'
const at = (n: number): Parameters<typeof play>[0] => ({ client: `${PROBER}:5000${n}`, at: `2026-01-01T00:00:0${n}Z` })

const KNOCKS: readonly (readonly [string, string, (p: Play) => unknown])[] = [
  ['SYN, SYN-ACK, RST', 'connect', (p) => [p.client.syn(), p.server.synAck(), p.client.rst()]],
  ['connect, FIN', 'connect', (p) => p.connect().close('client')],
  ['greeting, FIN', 'greeting', (p) => p.connect().greet().wait('1ms').close('client')],
  ['greeting, RST', 'greeting', (p) => [p.connect().greet().wait('1ms'), p.client.rst()]],
  ['greeting, a person who looks at it, FIN', 'greeting', (p) => p.connect().greet().wait('20s').close('client')],
]

describe('a knock', () => {
  for (const [name, kind, story] of KNOCKS) {
    it(name, () => {
      const plays = [1, 2, 3, 4].map((n) => {
        const p = play(at(n))
        story(p)
        return p
      })
      const j = judge([working().quit(), ...plays])
      expectQuiet(j)
      const f = j.only(RULE)
      expect(f).toMatchObject({
        severity: 'info',
        culprit: { role: 'client', address: PROBER },
        detail: { kind, everySeconds: 1 },
      })
      expect(f.occurrences).toHaveLength(4)
      expect(f.title).toBe(`${PROBER} probed ${SERVER_IP}:3306 4 times without logging in, every 1.00 s`)
    })
  }

  it('a scanner is refused and says nothing', () => {
    const scan = [3306, 3307, 3308, 22, 80].map((port, i) =>
      play({ client: `10.0.0.66:4200${i}`, server: `${SERVER_IP}:${port}` }).refuse(),
    )
    const f = judge([working().quit(), ...scan]).only(RULE)
    expect(f.detail).toMatchObject({ kind: 'scan' })
    expect(f.title).toContain('a scanner')
  })
})

describe('stays quiet', () => {
  it('a client that waited for a greeting in vain', () => {
    expect(judge([working().quit(), play(at(1)).connect().wait('5s').close('client')]).of(RULE)).toEqual([])
  })

  it('a client that said anything', () => {
    const p = play(at(1)).connect().greet()
    p.client.data('GET / HTTP/1.1\r\n\r\n')
    expect(judge([working().quit(), p.close('client')]).of(RULE)).toEqual([])
    expect(judge(working().close('client')).of(RULE)).toEqual([])
  })

  it('the server closed first', () => expect(judge(play(at(1)).connect().greet().close('server')).of(RULE)).toEqual([]))

  it('a FIN of a connection begun before the capture', () => {
    const p = working()
      .unseen((q) => q.connect())
      .close('client')
    expect(judge([p]).of(RULE)).toEqual([])
  })
})

for (const name of [
  'healthcheck-noise-haproxy-mariadb',
  'port-scan-connect',
  'tcp-probe-greeting-close',
  'host-blocked-1129-by-healthcheck',
  'midcapture-haproxy-idle-kill',
])
  innocent(name, RULE)
