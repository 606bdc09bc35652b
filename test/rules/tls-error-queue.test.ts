/** tls-error-queue: a failed TLS session, then healthy ones of the same process cut right after their requests. */
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { analyze } from '../../src/analyze.ts'
import { sealed } from '../tls/kit.ts'
import { innocent } from './incidents.ts'
import { CLIENT_IP, err, expectQuiet, judge, type Play, play, rows, SERVER_IP, says, working } from './kit.ts'
import { legs, PROXY_IP, SEALED_QUIT, together } from './stories.ts'
import { asked, flight13, hello, inUse, PLAIN_QUIT, SEALED_ALERT } from './tls-stories.ts'

const RULE = 'tls-error-queue'
const FRONT = `${PROXY_IP}:6033`

interface Scene {
  /** The application's session with the proxy. */
  front: Play
  /** Healthy TLS connections of the proxy to its server. */
  backs: Play[]
  /** A client whose handshake with the proxy does not finish. */
  bad: Play
  /** Another client, which goes on working. */
  other: Play
  all: Play[]
}

/** An application, a proxy with two TLS connections to a server, and somebody who will break off a handshake. */
function scene(): Scene {
  const front = working({ client: `${CLIENT_IP}:40000`, server: FRONT })
  const other = working({ client: `${CLIENT_IP}:40001`, server: FRONT })
  const backs = [0, 1].map((n) => inUse({ client: `${PROXY_IP}:5000${n}`, server: `${SERVER_IP}:3306` }))
  const bad = asked({ client: '10.0.0.66:40000', server: FRONT })
  const all = [front, other, ...backs, bad]
  together(...all)
  return { front, other, backs, bad, all }
}

/** The handshake breaks off. */
function breaksOff(s: Scene, o: { finished?: boolean } = {}): void {
  flight13(hello(s.bad))
  if (o.finished !== true) s.bad.wait('20ms').as('trigger').close('client')
  together(...s.all)
}

/** A request on a back leg, closed by the proxy itself 80 µs later; the answer comes all the same. */
function dies(p: Play, label = 'victim'): void {
  p.as(`${label} request`).client.data(sealed(124))
  p.wait('80us').as(`${label} close`).client.fin()
  p.wait('600us').as(`${label} answer`).server.data(sealed(200))
  p.client.rst()
}

/** The whole story: query, two back legs, client. */
function hit(s: Scene): void {
  s.front.as('query').query('SELECT 1')
  together(s.front, s.backs[0]!)
  s.backs[0]!.as('first request').client.data(sealed(124))
  s.backs[0]!.wait('80us').as('first close').client.fin()
  together(...s.backs)
  s.backs[1]!.as('retry request').client.data(sealed(124))
  s.backs[1]!.wait('70us').as('retry close').client.fin()
  together(s.backs[1]!, s.front)
  s.front.as('front close').server.fin()
  together(...s.all)
  for (const [i, b] of s.backs.entries()) {
    b.wait('500us').as(`answer ${i}`).server.data(sealed(200))
    b.client.rst()
  }
  s.other.wait('100ms').query('SELECT 2', rows(1)).wait('1ms').quit()
}

describe('a broken handshake, then healthy connections', () => {
  it('are cut twice in a row, and the client with them', () => {
    const s = scene()
    breaksOff(s)
    for (const p of s.all) p.wait('30ms')
    hit(s)
    const j = judge(s.all)
    const f = j.only(RULE)
    expect(f).toMatchObject({ family: 'tls', severity: 'error', confidence: 'likely' })
    expect(f.culprit).toMatchObject({ role: 'proxy', address: PROXY_IP })
    expect(f.detail).toMatchObject({ process: PROXY_IP, trigger: 'handshake', retries: 1 })
    const id = (label: string) => j.report.sessions.find((x) => x.client === label)!.id
    expect(f.detail['triggers']).toEqual([id('10.0.0.66:40000')])
    expect(f.detail['victims']).toEqual([id(`${PROXY_IP}:50000`), id(`${PROXY_IP}:50001`)])
    expect(f.detail['servedCut']).toEqual([id(`${CLIENT_IP}:40000`)])
    expect(f.detail['gapSeconds']).toBeGreaterThan(0.03)
    expect(f.detail['gapSeconds']).toBeLessThan(0.04)
    const [a, b, c] = ['50000', '50001', '40000'].map((port) => f.occurrences.find((o) => o.client.endsWith(port))!)
    expect(says(j, a!, 'first close')).toContain('FIN')
    expect(says(j, a!, 'answer 0')).toContain('answers all the same')
    expect(says(j, b!, 'first close')).toContain('died the same way')
    expect(says(j, c!, 'query')).toContain('COM_QUERY')
    expect(c).toMatchObject({ command: 'COM_QUERY', statement: 'SELECT 1' })
    expect(f.excluded.join()).toContain('idle timeout')
    // The other findings are about the broken handshake itself.
    expect(j.accusations.map((x) => x.rule).sort()).toEqual([RULE, 'tls-handshake-failure'])
  })

  it('one connection alone, soon after', () => {
    const s = scene()
    breaksOff(s)
    dies(s.backs[0]!)
    s.other.wait('100ms').query('SELECT 2', rows(1)).wait('1ms').quit()
    const f = judge(s.all).only(RULE)
    expect(f).toMatchObject({ confidence: 'likely', detail: { retries: 0, servedCut: [] } })
    expect(f.occurrences).toHaveLength(1)
  })

  it('long after: only possible', () => {
    const s = scene()
    breaksOff(s)
    for (const p of s.all) p.wait('8s')
    dies(s.backs[0]!)
    s.other.wait('1s').query('SELECT 2', rows(1)).wait('1ms').quit()
    expect(judge(s.all).only(RULE).confidence).toBe('possible')
  })

  it('a ping is no loss', () => {
    const s = scene()
    breaksOff(s)
    const p = s.backs[0]!
    p.client.data(SEALED_QUIT)
    p.wait('80us').client.fin()
    p.wait('600us').server.data(sealed(33))
    s.other.wait('100ms').query('SELECT 2', rows(1)).wait('1ms').quit()
    expect(judge(s.all).only(RULE)).toMatchObject({ severity: 'warning' })
  })

  it('set off on the server’s side: a server that went away under a request', () => {
    const s = scene()
    const killed = inUse({ client: `${PROXY_IP}:50009`, server: `${SERVER_IP}:3306` })
    together(...s.all, killed)
    killed.client.data(sealed(100))
    killed.wait('500ms').server.fin()
    killed.client.data(SEALED_ALERT)
    killed.client.fin()
    together(...s.all, killed)
    hit(s)
    const f = judge([...s.all, killed]).only(RULE)
    expect(f.detail).toMatchObject({ trigger: 'server-close', retries: 1 })
  })

  it('only the clients in the capture: possible, from two handshakes on', () => {
    const all: Play[] = []
    for (const n of [0, 1]) {
      const bad = asked({ client: `10.0.0.66:4000${n}`, server: FRONT })
      const front = working({ client: `${CLIENT_IP}:4000${n}`, server: FRONT })
      all.push(bad, front)
      together(...all)
      flight13(hello(bad)).wait('20ms').close('client')
      together(...all)
      front.query('SELECT 1').wait('400us').server.fin()
      for (const p of all) p.wait('1s')
    }
    const other = working({ client: `${CLIENT_IP}:40009`, server: FRONT })
    together(...all, other)
    const f = judge([...all, other.query('SELECT 2', rows(1))]).only(RULE)
    expect(f).toMatchObject({ confidence: 'possible', detail: { victims: [], trigger: 'handshake' } })
    expect(f.occurrences).toHaveLength(2)
  })

  it('only the server’s side in the capture: possible, from the repetition', () => {
    const s = scene()
    hit(s)
    const f = judge([...s.backs, inUse({ client: `${PROXY_IP}:50009` })]).only(RULE)
    expect(f).toMatchObject({ confidence: 'possible', detail: { trigger: 'unseen', triggers: [], gapSeconds: null } })
  })
})

describe('stays quiet', () => {
  /** After a broken handshake one back leg goes its way, and the proxy lives on. */
  const afterwards = (way: (p: Play, s: Scene) => void): void => {
    const s = scene()
    breaksOff(s)
    way(s.backs[0]!, s)
    s.other.wait('100ms').query('SELECT 2', rows(1)).wait('1ms').quit()
    expect(judge(s.all).of(RULE)).toEqual([])
  }

  it('a failed handshake that harmed nobody', () => afterwards((p) => p.client.data(sealed(100))))

  it('COM_QUIT in TLS, or in plain text', () => {
    afterwards((p) => {
      p.client.data(SEALED_QUIT)
      p.client.fin()
      p.server.fin()
    })
    afterwards((p) => {
      p.client.data(PLAIN_QUIT)
      p.client.fin()
      p.server.data(SEALED_ALERT)
      p.client.rst()
    })
  })

  it('a server that closed first, or answered before the close', () => {
    afterwards((p) => {
      p.client.data(sealed(100))
      p.server.fin()
      p.client.fin()
    })
    afterwards((p) => {
      p.client.data(sealed(100))
      p.server.data(sealed(100))
      p.client.fin()
    })
  })

  it('an alert of the process before it closed', () =>
    afterwards((p) => {
      p.client.data(sealed(100))
      p.client.data(SEALED_ALERT)
      p.client.fin()
    }))

  it('a client that waited for its answer and gave up', () =>
    afterwards((p) => {
      p.client.data(sealed(100))
      p.wait('2s').client.fin()
    }))

  it('a process that ended and took all its connections along', () => {
    const s = scene()
    breaksOff(s)
    for (const p of s.backs) p.client.data(sealed(100))
    for (const p of s.backs) p.client.fin()
    for (const p of [s.front, s.other]) p.server.fin()
    expect(judge(s.all).of(RULE)).toEqual([])
  })

  it('one connection of a host that serves nobody, near a failed handshake of its own', () => {
    const victim = inUse({ client: `${CLIENT_IP}:40000`, server: `${SERVER_IP}:3306` })
    const other = inUse({ client: `${CLIENT_IP}:40002`, server: `${SERVER_IP}:3306` })
    const bad = asked({ client: `${CLIENT_IP}:40001`, server: `${SERVER_IP}:3306` })
    together(victim, other, bad)
    flight13(hello(bad))
    bad.wait('20ms').close('client')
    together(victim, other, bad)
    victim.wait('100ms')
    dies(victim)
    together(victim, other)
    other.wait('1s').client.data(sealed(124))
    other.server.data(sealed(200))
    expect(judge([victim, other, bad]).of(RULE)).toEqual([])
  })

  it('connections to the server without TLS', () => {
    const s = scene()
    breaksOff(s)
    const plain = working({ client: `${PROXY_IP}:50005`, server: `${SERVER_IP}:3306` })
    together(...s.all, plain)
    plain.query('SELECT 1').wait('80us').client.fin()
    s.other.wait('100ms').query('SELECT 2', rows(1)).wait('1ms').quit()
    expect(judge([...s.all, plain]).of(RULE)).toEqual([])
  })

  it('a client that left first, through a proxy that passes TLS on', () => {
    const bad = asked({ client: '10.0.0.66:40000', server: FRONT })
    flight13(hello(bad)).wait('20ms').close('client')
    const front = play({ client: `${CLIENT_IP}:40000`, server: FRONT }).connect()
    const back = play({ client: `${PROXY_IP}:50000`, server: `${SERVER_IP}:3306` })
    together(bad, front, back)
    back.connect().greet({ connectionId: 5 }).sslRequest()
    front.greet({ connectionId: 5 }).sslRequest()
    for (const p of [front, back]) {
      flight13(hello(p, { random: 7 }))
      p.client.data(sealed(69))
      p.client.data(sealed(200))
      p.server.data(sealed(40))
    }
    together(front, back)
    front.client.data(sealed(100))
    front.client.rst()
    together(front, back)
    back.client.data(sealed(100))
    back.client.fin()
    const other = working({ client: `${CLIENT_IP}:40001`, server: FRONT })
    together(front, back, other)
    expect(judge([bad, front, back, other.query('SELECT 2', rows(1))]).of(RULE)).toEqual([])
  })

  it('a query answered by an error before the session was closed', () => {
    const bad = asked({ client: '10.0.0.66:40000', server: FRONT })
    flight13(hello(bad)).wait('20ms').close('client')
    const front = working({ client: `${CLIENT_IP}:40000`, server: FRONT })
    together(bad, front)
    front.query('SELECT 1', err(1317, '70100', 'Query execution was interrupted')).close('server')
    expect(judge([bad, front]).of(RULE)).toEqual([])
  })

  it('sessions without TLS, on one leg or two', () => {
    const { front, back } = legs()
    expectQuiet(judge([front.quit(), back.quit()]), RULE)
  })
})

/** A real capture of the bug: every victim and every trigger that its truth names, and nobody else. */
function real(name: string): void {
  const dir = resolve(import.meta.dirname, '../../../shared/captures/proxysql', name)
  const absent = !existsSync(join(dir, 'truth.json'))
  describe.skipIf(absent)(`${name}${absent ? ' (captures are not present)' : ''}`, () => {
    it(RULE, async () => {
      const truth = JSON.parse(readFileSync(join(dir, 'truth.json'), 'utf8'))
      const inputs: string[] = truth.inputs.filter((f: string) => f.endsWith('.pcap'))
      const report = await analyze(inputs.map((f) => join(dir, f)))
      const found = report.findings.filter((f) => f.rule === RULE)
      expect(found).toHaveLength(1)
      const named = new Set(found[0]!.occurrences.map((o) => o.client))
      const [owed, others] = truth.expect.map((e: { sessions: { client: string }[] }) =>
        e.sessions.map((x) => x.client),
      )
      expect([...named]).toEqual(expect.arrayContaining(owed))
      expect([...named].filter((c) => !owed.includes(c) && !others.includes(c))).toEqual([])
      const client = (id: string) => report.sessions.find((x) => x.id === id)!.client
      const triggers = (found[0]!.detail['triggers'] as string[]).map(client)
      const known = truth.triggers.map((t: { client: string }) => t.client)
      expect(triggers.length).toBeGreaterThan(0)
      expect(triggers.filter((t) => !known.includes(t))).toEqual([])
    })
  })
}

for (const name of [
  ...['A-frontend-abort-fin', 'B-frontend-unknown-ca', 'D-frontend-handshake-kinds', 'F-frontend-abort-threads4'],
  ...['G-idle-pool-pings', 'L-mysql2-reconnect', 'R-backend-tls12', 'S-backend-kill', 'T-three-vantages'],
])
  real(name)
for (const name of [
  ...['H-healthy', 'I-backend-plaintext', 'J-patched', 'K1-kill-connection', 'K2-backend-wait-timeout'],
  ...['K3-frontend-wait-timeout', 'K5-query-timeout', 'K6-multiplex-set', 'K8-client-dies', 'K10-backend-crash'],
  ...['tls-haproxy-idle-kill', 'tls-close-without-quit', 'haproxy-killed-midquery'],
])
  innocent(name, RULE)
