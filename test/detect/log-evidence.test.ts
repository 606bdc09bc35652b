/** What logs add to verdicts of packets: certainty, names, contradictions, and causes that packets cannot name. */
import { describe, expect, it } from 'vitest'
import { citedLines, judgeLogged } from '../kit/logged.ts'
import { play, rows } from '../kit/play.ts'
import { proxyCloses, usedAgain } from '../rules/idle-stories.ts'
import { legs, PROXY_IP, sealedCommand, tlsSession, together } from '../rules/stories.ts'

/** HAProxy's line for a session accepted at the stories' beginning, so many milliseconds long. */
const tcplog = (millis: number, state: string, port = 40000): string =>
  `haproxy[731]: 10.0.0.1:${port} [01/Jan/2026:00:00:00.000] mysql_front mysql_back/db1 1/0/${millis} 171 ${state} 1/1/0/0/0 0/0`
const aborted = (second: string, id: number, reason: string): string =>
  `2026-01-01 00:00:${second} ${id} [Warning] Aborted connection ${id} to db: 'shop' user: 'app' host: '10.0.0.5' (${reason})`
const ready = '2025-12-31 23:59:00 0 [Note] mariadbd: ready for connections.'

describe('a proxy’s timer', () => {
  const story = () => {
    const { front, back } = proxyCloses('10s')
    usedAgain(front, '3s')
    return [front, back]
  }

  it('HAProxy’s own line makes it certain, names it, and is cited with its place', async () => {
    const j = await judgeLogged(story(), { 'haproxy.log': [tcplog(10_003, 'cD')] })
    const f = j.only('idle-timeout-proxy')
    expect(f).toMatchObject({
      confidence: 'certain',
      culprit: { role: 'proxy', address: PROXY_IP, product: 'HAProxy' },
    })
    expect(f.title).toMatch(/^HAProxy 10\.0\.0\.5 /)
    const front = f.occurrences.find((o) => o.client === '10.0.0.1:40000')
    expect(citedLines(front)).toEqual(['haproxy.log:1 HAProxy says cD: timeout client ran out'])
    expect(j.report.inputs.find((i) => i.name === 'haproxy.log')).toMatchObject({
      about: 1,
      joined: 1,
      clockOffsetSeconds: 0,
    })
  })

  it('a log eight hours off is brought to the capture’s clock', async () => {
    const late = tcplog(10_003, 'cD').replace('01/Jan/2026:00', '01/Jan/2026:08')
    const j = await judgeLogged(story(), { 'haproxy.log': [late, late.replace('40000', '40000')] })
    expect(j.report.inputs.find((i) => i.name === 'haproxy.log')?.clockOffsetSeconds).toBe(28_800)
    expect(j.only('idle-timeout-proxy').confidence).toBe('certain')
  })

  it('captured at the server alone: the proxy’s line finds its leg by its times, and says who closed it', async () => {
    const leg = () => {
      const p = play({ client: '10.0.0.5:50000', server: '10.0.0.2:3306' }).connect().login()
      p.query('SELECT 1 + 1', rows(1)).wait('9.99s').as('fin').client.fin()
      return p
    }
    expect((await judgeLogged([leg()], {})).accusations).toEqual([])
    const j = await judgeLogged([leg()], { 'haproxy.log': [tcplog(9_993, 'cD')] })
    const f = j.only('idle-timeout-proxy')
    expect(f).toMatchObject({
      severity: 'warning',
      culprit: { role: 'proxy', address: '10.0.0.5', product: 'HAProxy' },
    })
    expect(f.occurrences.map((o) => o.client)).toEqual(['10.0.0.5:50000'])
    // Two that fit: nothing is joined.
    const twin = play({ client: '10.0.0.5:50001', server: '10.0.0.2:3306' }).connect().login()
    twin.query('SELECT 1 + 1', rows(1)).wait('9.99s').client.fin()
    expect((await judgeLogged([leg(), twin], { 'haproxy.log': [tcplog(9_993, 'cD')] })).accusations).toEqual([])
  })

  it('a termination state that names nobody adds nothing', async () => {
    const j = await judgeLogged(story(), { 'haproxy.log': [tcplog(10_003, '--')] })
    expect(j.only('idle-timeout-proxy')).toMatchObject({ confidence: 'likely', culprit: { product: null } })
  })

  it('Connector/J’s wait_timeout sentence is told to be arithmetic', async () => {
    const app = [
      "2026-01-01 00:00:13.010 ERROR [main] app - com.mysql.jdbc.exceptions.jdbc4.CommunicationsException: The last packet successfully received from the server was 13,002 milliseconds ago.  The last packet sent successfully to the server was 13,002 milliseconds ago. is longer than the server configured value of 'wait_timeout'. local=10.0.0.1:40000",
    ]
    const j = await judgeLogged(story(), { 'haproxy.log': [tcplog(10_003, 'cD')], 'app.log': app })
    const f = j.only('idle-timeout-proxy')
    expect(f.culprit.role).toBe('proxy')
    expect(j.of('idle-timeout-server')).toEqual([])
    const blames = f.excluded.filter((x) => x.includes('arithmetic'))
    const joined = j.report.inputs.find((i) => i.name === 'app.log')?.joined ?? 0
    expect(blames).toHaveLength(joined > 0 ? 1 : 0)
    expect(joined).toBe(1)
  })

  it('the timer while a statement ran: HAProxy heard nothing from the server for the whole of it', async () => {
    const { front, back } = legs()
    front.query('SELECT SLEEP(60)')
    together(front, back)
    back.query('SELECT SLEEP(60)')
    back.wait('20s').as('back fin').client.fin()
    front.wait('20s').as('front fin').server.fin()
    const alone = await judgeLogged([front, back], {})
    expect(alone.accusations.map((f) => f.rule)).not.toContain('idle-timeout-proxy')
    const { front: f2, back: b2 } = legs()
    f2.query('SELECT SLEEP(60)')
    together(f2, b2)
    b2.query('SELECT SLEEP(60)')
    b2.wait('20s').as('back fin').client.fin()
    f2.wait('20s').as('front fin').server.fin()
    const j = await judgeLogged([f2, b2], { 'haproxy.log': [tcplog(20_002, 'sD')] })
    const f = j.only('idle-timeout-proxy')
    expect(j.accusations).toEqual([f])
    expect(f).toMatchObject({ severity: 'error', confidence: 'certain', culprit: { role: 'proxy', address: PROXY_IP } })
    expect(f.title).toContain('while a statement ran longer than it lets the server be silent')
    expect(f.title).toContain('timeout server')
    expect(f.occurrences.map((o) => o.client).sort()).toEqual(['10.0.0.1:40000', '10.0.0.5:50000'])
    expect(f.occurrences.find((o) => o.client === '10.0.0.1:40000')?.outcome).toBe('delivered-unknown')
  })
})

describe('a server’s own log', () => {
  const cut = (port: number, id: number) => {
    const p = play({ client: `10.0.0.1:${port}` })
      .connect()
      .login({ connectionId: id })
    p.query('SELECT SLEEP(5)').wait('2s').as('fin').server.fin()
    return p
  }

  it('a shutdown that the packets cannot tell from a crash', async () => {
    const log = [ready, '2026-01-01 00:00:02 0 [Note] mariadbd (initiated by: unknown): Normal shutdown']
    const j = await judgeLogged([cut(40000, 7), cut(40001, 8)], { 'mysqld.log': log })
    const f = j.only('server-shutdown')
    expect(j.accusations).toEqual([f])
    expect(f.culprit).toMatchObject({ role: 'server', address: '10.0.0.2', product: 'MariaDB' })
    expect(citedLines(f.occurrences[0])[0]).toContain('mysqld.log:2')
  })

  it('all that it closed in one burst, busy or idle, goes with it', async () => {
    const idle = play({ client: '10.0.0.1:40002' }).connect().login({ connectionId: 9 })
    idle.query('SELECT 1 + 1', rows(1)).wait('2s').server.fin()
    const plays = [cut(40000, 7), cut(40001, 8), idle]
    const refused = play({ client: '10.0.0.1:40003', at: '2026-01-01T00:00:02.5Z' })
    refused.refuse()
    const silent = await judgeLogged([...plays, refused], {})
    expect(silent.accusations.map((f) => f.rule)).toContain('server-crash')
    const again = [cut(40000, 7), cut(40001, 8)]
    const idle2 = play({ client: '10.0.0.1:40002' }).connect().login({ connectionId: 9 })
    idle2.query('SELECT 1 + 1', rows(1)).wait('2s').server.fin()
    const refused2 = play({ client: '10.0.0.1:40003', at: '2026-01-01T00:00:02.5Z' })
    refused2.refuse()
    const log = [ready, '2026-01-01 00:00:01 0 [Note] mariadbd (initiated by: unknown): Normal shutdown']
    const j = await judgeLogged([...again, idle2, refused2], { 'mysqld.log': log })
    expect(j.of('server-crash')).toEqual([])
    expect(j.only('server-shutdown').occurrences).toHaveLength(3)
  })

  it('a crash that it names', async () => {
    const log = [
      ready,
      '260101 00:00:02 [ERROR] mariadbd got signal 11 ;',
      '2026-01-01 00:00:04 0 [Note] InnoDB: Starting crash recovery from checkpoint LSN=125120',
    ]
    const j = await judgeLogged([cut(40000, 7), cut(40001, 8)], { 'mysqld.log': log })
    expect(j.only('server-crash')).toMatchObject({ confidence: 'certain', culprit: { role: 'server' } })
    expect(j.of('server-shutdown')).toEqual([])
  })

  it('KILLED: the connection that the server closed under its statement', async () => {
    const log = [ready, aborted('02', 7, 'KILLED')]
    const j = await judgeLogged([cut(40000, 7)], { 'mysqld.log': log })
    const f = j.only('connection-killed')
    expect(j.accusations).toEqual([f])
    expect(f).toMatchObject({ confidence: 'likely', culprit: { role: 'server', address: '10.0.0.2' } })
  })

  it('KILLED in the course of a shutdown is the shutdown’s', async () => {
    const stop = '2026-01-01 00:00:01 0 [Note] mariadbd (initiated by: unknown): Normal shutdown'
    const j = await judgeLogged([cut(40000, 7), cut(40001, 8)], {
      'mysqld.log': [ready, stop, aborted('02', 7, 'KILLED'), aborted('02', 8, 'KILLED')],
    })
    expect(j.accusations.map((f) => f.rule)).toEqual(['server-shutdown'])
  })

  it('a shutdown long after the break explains nothing', async () => {
    const log = [ready, '2026-01-01 00:05:00 0 [Note] mariadbd (initiated by: unknown): Normal shutdown']
    const j = await judgeLogged([cut(40000, 7)], { 'mysqld.log': log })
    expect(j.accusations.map((f) => f.rule)).toEqual(['rst-after-query'])
  })

  it('"error reading" says only that the other side left: nobody is accused for it', async () => {
    const p = play().connect().login({ connectionId: 7 }).query('SELECT 1 + 1', rows(1)).wait('1s').quit()
    const j = await judgeLogged([p], {
      'mysqld.log': [ready, aborted('01', 7, 'Got an error reading communication packets')],
    })
    expect(j.accusations).toEqual([])
  })
})

describe('contradictions', () => {
  it('HAProxy says cD, the packets show that the server closed first: both are told, and nothing is certain', async () => {
    const { front, back } = legs()
    front.query('SELECT 1 + 1')
    together(front, back)
    back.query('SELECT 1 + 1', rows(1))
    together(front, back)
    front.answer(rows(1))
    together(front, back)
    const farewell = {
      code: 4031,
      state: 'HY000',
      message: 'The client was disconnected by the server because of inactivity.',
    }
    back.wait('10s')
    const { err } = await import('../kit/play.ts')
    back.answer(err(farewell.code, farewell.state, farewell.message))
    back.as('server fin').server.fin()
    together(front, back)
    front.wait('1ms').as('front fin').server.fin()
    usedAgain(front, '1s')
    const j = await judgeLogged([front, back], { 'haproxy.log': [tcplog(10_004, 'cD')] })
    const f = j.only('idle-timeout-server')
    expect(f.culprit.role).toBe('server')
    const said = f.occurrences.flatMap((o) => citedLines(o)).filter((line) => line.includes('contradiction'))
    expect(said.length).toBeGreaterThan(0)
    expect(f.confidence).not.toBe('certain')
  })
})

describe('checks that TLS hides', () => {
  const story = () => {
    const { front, back } = proxyCloses('10s')
    usedAgain(front, '3s')
    const source = tlsSession({ client: '10.0.0.1:39000', server: '10.0.0.9:3306' })
    for (let i = 0; i < 5; i++) {
      source.wait('3s').client.data(sealedCommand(5))
      source.server.data(sealedCommand(11))
    }
    return [front, back, source]
  }
  const pool = [
    '2026-01-01 00:00:00,003 INFO [druid.pool] master connected to 10.0.0.9:3306 thread_id=74 local=10.0.0.1:39000',
    ...['03', '06', '09', '12'].map((s) => `2026-01-01 00:00:${s},023 DEBUG [druid.pool] master ping ok 0.4ms`),
  ]

  it('unseen on the wire, told by the pool’s trace: validation-wrong-connection', async () => {
    expect((await judgeLogged(story(), {})).of('validation-wrong-connection')).toEqual([])
    const j = await judgeLogged(story(), { 'pool.log': pool })
    const f = j.only('validation-wrong-connection')
    expect(f).toMatchObject({ culprit: { role: 'client', address: '10.0.0.1' }, detail: { checks: 4 } })
    expect(citedLines(f.occurrences[0]).map((l) => l.split(' ')[0])).toEqual(['pool.log:2', 'pool.log:5'])
  })
})

describe('log injection', () => {
  it('control characters of a line never reach the terminal as they are', async () => {
    const { renderText } = await import('../../src/report/text.ts')
    const { makeStyle } = await import('../../src/report/style.ts')
    const { front, back } = proxyCloses('10s')
    usedAgain(front, '3s')
    const evil = `${tcplog(10_003, 'cD')} \u001b[2J\u001b]0;owned\u0007`
    const j = await judgeLogged([front, back], { 'haproxy.log': [evil] }, { around: 'idle-timeout-proxy' })
    const { renderAround } = await import('../../src/report/around-text.ts')
    const style = makeStyle({ color: 'never', env: { LC_ALL: 'C.UTF-8' } })
    const text = [...renderText(j.report, style), ...renderAround(j.report, style)].join('\n')
    expect(text).toContain('cD')
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/)
  })
})
