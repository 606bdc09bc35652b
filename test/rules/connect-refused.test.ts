/** connect-refused: RST to SYN, ICMP, accepted without a greeting, a proxy without a server. */
import { describe, expect, it } from 'vitest'
import { incident, innocent } from './incidents.ts'
import { expectQuiet, judge, type Play, play, rows, SERVER_IP, says, working } from './kit.ts'
import { PROXY_IP, together } from './stories.ts'

const RULE = 'connect-refused'
const refused = (n = 0, o: Parameters<typeof play>[0] = {}): Play =>
  play({ client: `10.0.0.1:4100${n}`, ...o }).refuse()

describe('nobody listens', () => {
  it('RST answers the SYN; every attempt is an occurrence', () => {
    const j = judge([refused(1), refused(2), refused(3)])
    const f = j.only(RULE)
    expect(j.accusations).toEqual([f])
    expect(f).toMatchObject({
      severity: 'error',
      confidence: 'certain',
      culprit: { role: 'server', address: SERVER_IP },
      detail: { how: 'reset', answeredBy: 'server', endpoint: `${SERVER_IP}:3306` },
    })
    expect(f.occurrences).toHaveLength(3)
    expect(f.title).toContain('3 connection attempts')
  })

  it('the frames are named', () => {
    const p = play()
    p.as('syn').client.syn()
    p.as('rst').server.rst()
    const j = judge(p)
    expect(says(j, j.only(RULE).occurrences[0]!, 'syn')).toContain('answered by RST')
    expect(says(j, j.only(RULE).occurrences[0]!, 'rst')).toContain('answered by RST')
  })

  it('another time to live than the host’s: a filter answered in its name', () => {
    const before = working().query('SELECT 1', rows(1)).quit()
    const p = play({ client: '10.0.0.1:41009', at: '2026-01-01T00:00:05Z' })
    p.client.syn()
    p.server.rst({ ttl: 61 })
    expect(judge([before, p]).only(RULE)).toMatchObject({
      confidence: 'likely',
      culprit: { role: 'middlebox', address: null },
    })
  })
})

describe('accepted and closed without a greeting', () => {
  it('alone it is a proxy’s word, and only possible', () => {
    const p = play().connect().wait('3s').as('fin').close('server')
    const j = judge(p)
    const f = j.only(RULE)
    expect(f).toMatchObject({
      severity: 'error',
      confidence: 'possible',
      culprit: { role: 'proxy', address: SERVER_IP },
      detail: { how: 'closed-without-greeting' },
    })
    expect(says(j, f.occurrences[0]!, 'fin')).toContain('FIN')
  })

  it('at once, with RST', () => {
    const p = play().connect()
    p.server.rst()
    expect(judge(p).only(RULE).detail).toMatchObject({ how: 'closed-without-greeting' })
  })

  it('its attempts behind were refused: front and back are one finding, and the server is named', () => {
    const front = play({ server: `${PROXY_IP}:3306` }).connect()
    const tries = [1, 2, 3].map((n) => {
      front.wait('1s')
      const back = play({ client: `${PROXY_IP}:5000${n}` })
      together(front, back)
      return back.refuse()
    })
    front.wait('10ms').close('server')
    const f = judge([front, ...tries]).only(RULE)
    expect(f.occurrences).toHaveLength(4)
    expect(f.culprit).toMatchObject({ role: 'server', address: SERVER_IP })
    expect(f.title).toContain('a client was turned away')
  })

  it('the client did not wait for that: still the same cause', () => {
    const front = play({ server: `${PROXY_IP}:3306` })
      .connect()
      .wait('1s')
    const back = play({ client: `${PROXY_IP}:50001` })
    together(front, back)
    back.refuse()
    const f = judge([front.wait('4s').close('client'), back]).only(RULE)
    expect(f.occurrences).toHaveLength(2)
  })

  it('a router says 2003 in place of a greeting', () => {
    const p = play()
      .connect()
      .greetError(2003, "Can't connect to remote MySQL server for client connected to '10.0.0.2:6446'")
      .close('server')
    expect(judge(p).only(RULE)).toMatchObject({
      confidence: 'certain',
      culprit: { role: 'proxy', address: SERVER_IP },
      detail: { how: 'no-server-behind' },
    })
  })
})

describe('stays quiet', () => {
  it('a port scan: an address that knocks at many endpoints and logs in nowhere', () => {
    const scan = [3306, 3307, 3308, 22, 80].map((port, i) =>
      play({ client: `10.0.0.66:4200${i}`, server: `10.0.0.2:${port}` }).refuse(),
    )
    expectQuiet(judge([...scan, working().quit()]), RULE)
  })

  it('a sweep over many hosts', () => {
    const sweep = [2, 3, 4, 5, 6].map((n) =>
      play({ client: `10.0.0.66:4200${n}`, server: `10.0.0.${n}:3306` }).refuse(),
    )
    expectQuiet(judge(sweep), RULE)
  })

  it('SYN and RST both from the client (a health check)', () => {
    const p = play()
    p.client.syn()
    p.server.synAck()
    p.client.rst()
    expectQuiet(judge([p, working().quit()]), RULE)
  })

  it('a connection closed by the client', () =>
    expectQuiet(judge([play({ client: '10.0.0.1:41001' }).connect().close('client'), working().quit()]), RULE))

  it('a RST that does not acknowledge the SYN', () => {
    const p = play()
    p.client.syn()
    p.server.rst({ ackOffset: 5000 })
    expect(judge([p, working().quit()]).of(RULE)).toEqual([])
  })

  it('a greeting came', () => expect(judge(play().connect().greet().close('server')).of(RULE)).toEqual([]))
})

incident('haproxy-backend-down-refused', RULE)
innocent('port-scan-connect', RULE)
innocent('healthcheck-noise-haproxy-mariadb', RULE)
