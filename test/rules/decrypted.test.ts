/** A session that is decrypted is judged as if it had never been sealed. */
import { describe, expect, it } from 'vitest'
import { startTls } from '../kit/play-tls.ts'
import { handshake } from '../tls/kit.ts'
import { citedFrames, err, type Judged, judge, ok, type Play, play, rows, working } from './kit.ts'

type Options = NonNullable<Parameters<typeof working>[0]>
type Story = (o: Options) => Play | Play[]

const other = (o: Options): Options => ({ ...o, client: '10.0.0.1:40001' })

const STORIES: Record<string, Story> = {
  'RST after a query': (o) => {
    const p = working(o).query('SELECT 1', rows(1)).wait('3s').query('UPDATE account SET balance = 1').wait('2ms')
    p.server.rst()
    return p
  },
  'FIN in the middle of a result': (o) => {
    const p = working(o).query('SELECT * FROM big')
    p.server.data(rowsBegun())
    return p.wait('10ms').close('server')
  },
  'KILL by another session': (o) => {
    const p = working(o).query('SELECT SLEEP(100)')
    const killer = working(other(o)).wait('1s').kill(p.connectionId)
    p.wait('1001ms').close('server')
    return [p, killer]
  },
  'ERR 4031 after an idle time': (o) => {
    const p = working(o).query('SELECT 1', rows(1)).wait('60s')
    return p
      .unsolicited(err(4031, 'HY000', 'The client was disconnected by the server because of inactivity.'))
      .close('server')
  },
  'a client that gave up waiting': (o) => {
    const p = working(o).query('SELECT SLEEP(100)').wait('30s')
    return p.close('client')
  },
  'a login and nothing more': (o) =>
    working({ ...o })
      .wait('1ms')
      .quit(),
  'a packet too large': (o) => {
    const p = working(o).query(`INSERT INTO t VALUES ('${'x'.repeat(5000)}')`)
    return p.answer(err(1153, '08S01', "Got a packet bigger than 'max_allowed_packet' bytes")).close('server')
  },
  'statements cancelled': (o) =>
    working(o)
      .query('SELECT 1', err(1317, '70100', 'Query execution was interrupted'))
      .query('SELECT 2', rows(1))
      .quit(),
  'a prepared statement': (o) => {
    const p = working(o)
      .prepare('SELECT name FROM user WHERE id = ?', 3, 1, 1)
      .execute(3, rows(2))
      .execute(3)
      .wait('5ms')
    p.server.rst()
    return p
  },
  'left in a transaction without COM_QUIT': (o) => {
    const p = working(o)
      .query('BEGIN', ok({ status: 3 }))
      .query('UPDATE t SET a = 1', ok({ status: 3 }))
    p.wait('2s').client.rst()
    return p
  },
  'bytes that the capture missed': (o) => {
    const p = working(o).query('SELECT 1').miss(1).answer(rows(1)).query('SELECT 2', rows(1)).wait('1s')
    return p.query('SELECT 3').wait('1ms').close('server')
  },
}

/** The head of a result set: two columns announced, nothing more. */
const rowsBegun = (): Uint8Array => Uint8Array.of(1, 0, 0, 1, 2)

/** What is said, without frames, times and what TLS changes in sizes. */
const verdicts = (j: Judged): unknown =>
  j.findings.map((f) => ({
    ...{ rule: f.rule, severity: f.severity, confidence: f.confidence, culprit: f.culprit },
    occurrences: f.occurrences.map((o) => [o.session, o.command, o.statement, o.outcome]),
  }))

describe('decrypted sessions', () => {
  for (const [name, story] of Object.entries(STORIES)) {
    it(name, () => {
      const plain = judge(story({}))
      const sealed = judge(story({ tls: true }))
      expect(sealed.session(0).tls).toMatchObject({ decrypted: true, version: 'TLSv1.3', handshake: 'complete' })
      expect(verdicts(sealed)).toEqual(verdicts(plain))
      expect(sealed.session(0).mysql).toMatchObject({
        ...{ user: 'app', schema: 'shop', commands: plain.session(0).mysql!.commands },
      })
      expect(sealed.session(0).ending.outcome).toBe(plain.session(0).ending.outcome)
      expect(sealed.report.summary.blind).toEqual(plain.report.summary.blind)
    })
  }

  it('have the statement in the finding; without keys it is missing, and that is said', () => {
    const story = STORIES['RST after a query']!
    const open = judge(story({ tls: true })).only('rst-after-query')
    expect(open.occurrences[0]).toMatchObject({ command: 'COM_QUERY', statement: 'UPDATE account SET balance = 1' })
    const closed = judge(story({ tls: true }), { withoutKeys: true })
    expect(closed.only('rst-after-query').occurrences[0]).toMatchObject({ command: 'TLS record', statement: null })
    expect(closed.session(0).mysql!.limits).toContain('no key for this TLS session')
    expect(closed.report.summary.blind.join()).toContain('could not be read without keys')
  })

  it('show no key and no password anywhere', () => {
    const p = working({ tls: true }).query('SELECT 1', rows(1)).wait('1s').quit()
    const text = JSON.stringify(judge(p).report)
    for (const line of p.wire.keyLog.trim().split('\n')) expect(text).not.toContain(line.split(' ')[2])
    // The scrambled password that plays send is all 0x5a.
    expect(text).not.toContain('ZZZZ')
    expect(text).not.toContain('5a5a5a5a')
  })

  it('a command of which the capture has nothing is not counted', () => {
    const p = working({ tls: true }).query('SELECT 1', rows(1)).wait('1s')
    p.unseen((q) => q.lose(3).query(`INSERT INTO t VALUES ('${'x'.repeat(9000)}')`))
    p.close('client')
    const s = judge(p).session(0)
    expect(s.tls!.decrypted).toBe(true)
    expect(s.mysql!.commands['COM_QUERY']).toBe(1)
  })
})

describe('TLS from the first byte', () => {
  const direct = (): Play => {
    const p = play().connect()
    startTls(p)
    const told = p.login().query('SELECT 1', rows(1)).wait('1s').query('UPDATE t SET a = 1').wait('2ms')
    told.server.rst()
    return told
  }

  it('is MySQL inside, once it is decrypted', () => {
    const j = judge(direct())
    expect(j.session(0).mysql).toMatchObject({ user: 'app', commands: { COM_QUERY: 2 }, limits: [] })
    expect(j.only('rst-after-query').occurrences[0]).toMatchObject({ statement: 'UPDATE t SET a = 1' })
    expect(j.of('wrong-protocol')).toEqual([])
  })
})

describe('a handshake that was refused after its end', () => {
  it('TLS 1.3 without the client certificate that was asked for: the alert and the certificate are read', () => {
    const p = play().connect().greet().sslRequest()
    // Certificate: no context, no certificate (RFC 8446 4.4.2).
    const sides = startTls(p, handshake(11, Uint8Array.of(0, 0, 0, 0)))
    p.say('client', new Uint8Array(120).fill(0x5a), 2)
    p.wire.seal = null
    p.as('alert').server.data(sides.server.alert(2, 116))
    p.close('server')
    const j = judge(p)
    const f = j.only('tls-handshake-failure')
    expect(f).toMatchObject({ detail: { reason: 'client-certificate-required' }, culprit: { role: 'server' } })
    expect(citedFrames(f.occurrences[0]!)).toContain(j.capture.frame('alert'))
    expect(j.session(0).tls!.alerts).toMatchObject([
      { by: 'server', level: 'fatal', description: 'certificate_required' },
    ])
  })
})
