/** rst-after-query: every way it fires, every look-alike that must stay quiet. */
import { describe, expect, it } from 'vitest'
import {
  CLIENT_IP,
  err,
  expectQuiet,
  judgeCuts as judge,
  measured,
  ok,
  outcomeOf,
  play,
  rows,
  SERVER_IP,
  says,
  several,
  working,
} from './kit.ts'
import { doubled, legs, PROXY_IP, SEALED_QUIT, sealedCommand, tlsSession, together } from './stories.ts'

const RULE = 'rst-after-query'

describe('cut while a command is outstanding', () => {
  it('RST by the server after it acknowledged the query: it may have run', () => {
    const p = working().wait('1s').as('query').query("UPDATE t SET a = 'x'").wait('2s').as('reset')
    p.server.rst()
    const j = judge(p)
    const f = j.only(RULE)
    expect(j.accusations).toEqual([f])
    expect(f).toMatchObject({
      severity: 'error',
      confidence: 'likely',
      culprit: { role: 'server', address: SERVER_IP, product: 'MySQL' },
      detail: { how: 'outstanding', close: 'rst', serverError: null },
    })
    const o = f.occurrences[0]!
    expect(o).toMatchObject({ command: 'COM_QUERY', statement: "UPDATE t SET a = 'x'", outcome: 'delivered-unknown' })
    expect(says(j, o, 'query')).toContain('COM_QUERY sent')
    expect(says(j, o, 'reset')).toContain('RST from 10.0.0.2:3306')
    expect(measured(o, 'from the command to the close')).toBeCloseTo(2, 1)
    expect(f.title).toContain('UPDATE lost')
  })

  it('a bare RST and no close before: the host no longer knows the connection, no process closed it', () => {
    const p = working().as('before').query('SELECT 1', rows(1)).wait('0.2s').mute('server')
    p.as('query').query('SELECT 2').as('reset').server.rst({ flags: 4 })
    const j = judge(p)
    const f = j.only(RULE)
    expect(f).toMatchObject({ severity: 'error', detail: { how: 'unknown', close: 'rst' } })
    expect(f.title).toContain(`${SERVER_IP} no longer knew a connection`)
    expect(f.excluded.join()).toContain('a bare RST comes from a host that has no such socket')
    expect(outcomeOf(f)).toBe('not-delivered')
  })

  it('FIN by the server with no answer', () => {
    const p = working().as('query').query('SELECT SLEEP(9)').wait('3s').as('fin')
    p.server.fin()
    p.client.fin()
    const j = judge(p)
    const f = j.only(RULE)
    expect(f.detail).toMatchObject({ how: 'outstanding', close: 'fin' })
    expect(says(j, f.occurrences[0]!, 'fin')).toContain('FIN from 10.0.0.2:3306')
    expect(outcomeOf(f)).toBe('delivered-unknown')
  })

  it('RST in the middle of a result set: the statement ran, at least in part', () => {
    const p = working().query('SELECT * FROM t', rows(1))
    p.query('SELECT big')
    const half = rows(40, { cell: () => 'x'.repeat(200) })({ deprecateEof: true, binary: false }, false)
    p.answer(() => half.slice(0, 30))
      .as('reset')
      .server.rst()
    const f = judge(p).only(RULE)
    expect(outcomeOf(f)).toBe('response-begun')
    expect(f.occurrences[0]!.statement).toBe('SELECT big')
  })

  it('FIN between two results of one command', () => {
    const first = several(ok(), ok())({ deprecateEof: true, binary: false }, false)[0]!
    const p = working()
      .as('call')
      .query('CALL p()')
      .answer(() => [first])
    p.wait('1s').server.fin()
    p.client.fin()
    const j = judge(p)
    const f = j.only(RULE)
    expect(outcomeOf(f)).toBe('response-begun')
    expect(says(j, f.occurrences[0]!, 'call')).toContain('COM_QUERY')
  })

  it('a retransmitted command whose answer never comes', () => {
    const p = working().wait('1s').mute('server')
    p.as('query').query('INSERT INTO t VALUES (1)').retransmit('client', { times: 2 }).as('reset').server.rst()
    const j = judge(p)
    const f = j.only(RULE)
    expect(says(j, f.occurrences[0]!, 'query')).toContain('COM_QUERY')
    expect(f.occurrences[0]!.statement).toBe('INSERT INTO t VALUES (1)')
  })

  it('an executed prepared statement is named by its text', () => {
    const p = working().prepare('INSERT INTO t VALUES (?)', 7).execute(7, ok()).execute(7).wait('1s').as('reset')
    p.server.rst()
    const o = judge(p).only(RULE).occurrences[0]!
    expect(o).toMatchObject({ command: 'COM_STMT_EXECUTE', statement: 'INSERT INTO t VALUES (?)' })
  })

  it('pipelined commands: the oldest without an answer is the lost one', () => {
    const p = working()
      .as('first')
      .query('SELECT 1')
      .as('second')
      .query('SELECT 2')
      .answer(rows(1))
      .wait('1s')
      .as('reset')
    p.server.rst()
    const j = judge(p)
    const o = j.only(RULE).occurrences[0]!
    expect(o).toMatchObject({ command: 'COM_QUERY', statement: 'SELECT 2' })
    expect(says(j, o, 'second')).toContain('COM_QUERY sent')
  })

  it('pipelined commands, none answered: no other command’s text is put in the first one’s place', () => {
    const p = working().as('first').query('UPDATE a SET x = 1').query('SELECT 2').wait('1s')
    p.server.rst()
    const j = judge(p)
    const o = j.only(RULE).occurrences[0]!
    expect(says(j, o, 'first')).toContain('COM_QUERY sent')
    expect(o.statement).toBeNull()
  })

  it('COM_PING in flight loses nothing: a warning', () => {
    const p = working().wait('5s').command(0x0e).wait('1s')
    p.server.rst()
    const f = judge(p).only(RULE)
    expect(f.severity).toBe('warning')
    expect(f.occurrences[0]!.command).toBe('COM_PING')
  })

  it('the server names its reason before it closes (1053)', () => {
    const p = working()
      .query('SELECT SLEEP(9)')
      .wait('1s')
      .as('1053')
      .unsolicited(err(1053, '08S01', 'Server shutdown in progress'))
    p.server.fin()
    p.client.fin()
    const j = judge(p)
    const f = j.only(RULE)
    expect(f.detail).toMatchObject({ how: 'outstanding', serverError: 1053 })
    expect(says(j, f.occurrences[0]!, '1053')).toContain('Server shutdown in progress')
  })

  it('a command of which only the first part was sent never ran', () => {
    const p = working().query('SELECT 1', rows(1))
    p.client.data(Uint8Array.of(0xff, 0x0f, 0, 0, 3, ...new TextEncoder().encode('INSERT INTO big VALUES (')))
    p.wait('1s').server.rst()
    const f = judge(p).only(RULE)
    expect(outcomeOf(f)).toBe('not-delivered')
    expect(f.occurrences[0]!.statement).toBeNull()
  })

  it('a session begun before the capture: less sure of the sides, still reported', () => {
    const p = play()
      .unseen((u) => u.connect().login())
      .query('SELECT 1', rows(1))
      .wait('1s')
      .as('query')
    p.query('SELECT 2').wait('1s').server.rst()
    const j = judge(p)
    const f = j.only(RULE)
    expect(f.culprit.address).toBe(SERVER_IP)
    expect(says(j, f.occurrences[0]!, 'query')).toContain('COM_QUERY')
  })
})

describe('closed while idle and used again', () => {
  it('FIN by the server, a later query refused by a bare RST: safe to retry', () => {
    const p = working().query('SELECT 1', rows(1)).wait('10s').as('fin')
    p.server.fin()
    p.client.ack()
    p.mute('server').wait('3s').as('query').query('UPDATE t SET a = 1').as('refused').server.rst({ flags: 4 })
    const j = judge(p)
    const f = j.only(RULE)
    expect(f).toMatchObject({
      severity: 'error',
      detail: { how: 'reused', close: 'fin' },
      culprit: { role: 'server', address: SERVER_IP },
    })
    const o = f.occurrences[0]!
    expect(o).toMatchObject({ outcome: 'not-delivered', statement: 'UPDATE t SET a = 1' })
    expect(says(j, o, 'fin')).toContain('the first close')
    expect(says(j, o, 'refused')).toContain('RST')
    expect(o.evidence).toContainEqual(expect.objectContaining({ kind: 'silence' }))
    expect(measured(o, 'reused after the close')).toBeCloseTo(3, 1)
  })

  it('an unsolicited error before the close is cited', () => {
    const p = working().query('SELECT 1', rows(1)).wait('10s').as('4031')
    p.unsolicited(err(4031, 'HY000', 'The client was disconnected by the server because of inactivity.'))
    p.server.fin()
    p.client.ack()
    p.mute('server').wait('2s').query('SELECT 2').server.rst({ flags: 4 })
    const j = judge(p)
    const f = j.only(RULE)
    expect(f.detail['serverError']).toBe(4031)
    expect(says(j, f.occurrences[0]!, '4031')).toContain('4031')
  })

  it('a validation ping that finds the connection closed is a warning', () => {
    const p = working().query('SELECT 1', rows(1)).wait('10s')
    p.server.fin()
    p.client.ack()
    p.mute('server').wait('2s').command(0x0e).server.rst({ flags: 4 })
    expect(judge(p).only(RULE)).toMatchObject({ severity: 'warning', detail: { how: 'reused' } })
  })
})

describe('through a proxy', () => {
  it('the server behind closed first: it is the culprit on both legs', () => {
    const { front, back } = legs()
    front.wait('1s').query('SELECT SLEEP(9)')
    together(front, back)
    back.query('SELECT SLEEP(9)').wait('2s').as('server reset').server.rst()
    together(front, back)
    front.wait('1ms').as('proxy fin').server.fin()
    front.client.fin()
    const j = judge([front, back])
    const f = j.only(RULE)
    expect(f.culprit).toMatchObject({ role: 'server', address: SERVER_IP })
    expect(f.occurrences.length).toBe(2)
    const onFront = f.occurrences.find((o) => o.client === `${CLIENT_IP}:40000`)!
    expect(says(j, onFront, 'server reset')).toContain('10.0.0.2')
  })

  it('the proxy reset its own server leg: the proxy is the culprit, the server is cleared', () => {
    const { front, back } = legs()
    front.wait('1s').query('SELECT SLEEP(9)')
    together(front, back)
    back.query('SELECT SLEEP(9)').wait('1s').as('proxy reset').client.rst()
    together(front, back)
    front.wait('1ms').server.fin()
    front.client.fin()
    const j = judge([front, back])
    const f = j.only(RULE)
    expect(j.accusations).toEqual([f])
    expect(f.culprit).toMatchObject({ role: 'proxy', address: PROXY_IP })
    expect(f.occurrences.map((o) => o.client).sort()).toEqual(['10.0.0.1:40000', '10.0.0.5:50000'])
  })

  it('ERR 2013 can only come from a proxy: its server leg was cut', () => {
    const p = working({ server: '10.0.0.5:6033' }).query('SELECT 1').wait('20ms').as('2013')
    p.answer(err(2013, 'HY000', 'Lost connection to MySQL server during query'))
    p.server.fin()
    p.client.fin()
    const j = judge(p)
    const f = j.only(RULE)
    expect(f).toMatchObject({
      confidence: 'possible',
      culprit: { role: 'proxy', address: '10.0.0.5' },
      detail: { how: 'proxy-error' },
    })
    expect(says(j, f.occurrences[0]!, '2013')).toContain('2013')
    expect(outcomeOf(f)).toBe('delivered-unknown')
  })
})

describe('a proxy’s timer on a running statement', () => {
  const story = (wait: '4.002s' | '4.051s') => {
    const { front, back } = legs()
    front.wait('1s').query('SELECT SLEEP(9)')
    together(front, back)
    back.query('SELECT SLEEP(9)')
    back.wait(wait).close('client')
    front.wait(wait).server.fin()
    return judge([front, back]).only(RULE)
  }

  it('a tenth of a second, met to the millisecond: named, with the timers to raise', () => {
    const f = story('4.002s')
    expect(f.culprit).toMatchObject({ role: 'proxy', address: PROXY_IP })
    expect(f.detail['timerSeconds']).toBeCloseTo(4, 1)
    expect(f.title).toContain('after 4.00 s of a running statement')
    expect(f.remedy.map((r) => r.config).join()).toContain('timeout server')
  })

  it('any other moment: no timer is named', () => {
    expect(story('4.051s').detail['timerSeconds']).toBeNull()
  })
})

describe('opaque TLS', () => {
  it('FIN by the server with a request outstanding', () => {
    const p = tlsSession().wait('1s').as('request')
    p.client.data(sealedCommand(103))
    p.wait('2s').as('fin').server.fin()
    p.client.fin()
    const j = judge(p)
    const f = j.only(RULE)
    expect(f.occurrences[0]).toMatchObject({ command: 'TLS record', statement: null, outcome: 'delivered-unknown' })
    expect(says(j, f.occurrences[0]!, 'request')).toContain('TLS record sent')
  })

  it('FIN by the client after a record of the size of COM_QUIT is an orderly end', () => {
    const p = tlsSession().wait('1s')
    p.client.data(SEALED_QUIT)
    p.close('client')
    expectQuiet(judge(p), RULE, 'client-vanished', 'client-timeout')
  })
})

describe('stays quiet', () => {
  it('COM_QUIT in a TLS whose version the snapshot length cut off, answered by FIN of the server', () => {
    const p = tlsSession().wait('1s')
    p.client.data(SEALED_QUIT)
    expectQuiet(judge(p.close('server'), { snaplen: 96 }), RULE)
  })

  it('TLS begun before the capture, whose first record has the length of a command byte', () => {
    const p = tlsSession()
    const begin = p.wire.now
    // 17 03 03 00 1e: read as MySQL, COM_BINLOG_DUMP_GTID of 197,399 bytes.
    p.wait('1s').client.data(sealedCommand(13))
    p.server.data(sealedCommand(60))
    p.wait('5s').client.data(SEALED_QUIT)
    const j = judge(p.close('server'), { keep: (f) => f.at > begin })
    expectQuiet(j, RULE)
    expect(j.session(0).tls).not.toBeNull()
  })

  it('RST after COM_QUIT', () => {
    const p = working().query('SELECT 1', rows(1)).quit({ fin: false }).as('reset')
    p.server.rst()
    expectQuiet(judge(p), RULE)
  })

  it('FIN after COM_QUIT, begun by the server', () => {
    const p = working().quit({ fin: false }).close('server')
    expectQuiet(judge(p), RULE)
  })

  it('RST after both FINs', () => {
    const p = working().query('SELECT 1', rows(1)).quit().wait('1ms')
    p.server.rst()
    p.client.rst()
    expectQuiet(judge(p), RULE)
  })

  it('RST by the server after the client closed', () => {
    const p = working().query('SELECT 1', rows(1)).wait('1s')
    p.client.fin()
    p.server.rst()
    expectQuiet(judge(p), RULE)
  })

  it('a close while idle that the client noticed before it sent anything', () => {
    const p = working().query('SELECT 1', rows(1)).wait('10s').close('server')
    expectQuiet(judge(p), RULE)
  })

  it('RST while idle that nobody ran into', () => {
    const p = working().query('SELECT 1', rows(1)).wait('10s')
    p.server.rst()
    expectQuiet(judge(p), RULE)
  })

  it('the client noticed the close only as it said COM_QUIT', () => {
    const p = working().query('SELECT 1', rows(1)).wait('10s')
    p.server.fin()
    p.client.ack()
    p.mute('server').wait('1s').command(0x01)
    p.server.rst({ flags: 4 })
    expectQuiet(judge(p), RULE)
  })

  it('the capture ends with a query outstanding', () => {
    expectQuiet(judge(working().query('SELECT 1', rows(1)).query('SELECT SLEEP(9)').wait('5s')), RULE)
  })

  it('the capture begins between a query and its answer', () => {
    const p = play()
      .unseen((u) => u.connect().login().query('SELECT 1'))
      .answer(rows(1))
    p.query('SELECT 2', rows(1)).quit()
    expectQuiet(judge(p), RULE)
  })

  it('the capture stops before the answer and sees no close', () => {
    const p = working()
      .query('SELECT 1')
      .unseen((u) => u.answer(rows(1)).quit())
    expectQuiet(judge(p), RULE)
  })

  it('a RST far outside the window, after which the session goes on', () => {
    const p = working().query('SELECT 1').wait('1ms')
    p.server.rst({ seqOffset: 500_000_000 })
    p.wire.client.mute = false
    p.wire.server.mute = false
    p.answer(rows(1)).query('SELECT 2', rows(1)).quit()
    expectQuiet(judge(p), RULE)
  })

  it('copies of every frame (any interface, SPAN port)', () => {
    const p = working().query('SELECT 1', rows(1)).query('INSERT', ok()).quit()
    const j = judge(p)
    const twice = judge(doubled(p))
    expectQuiet(j, RULE)
    expectQuiet(twice, RULE)
    expect(twice.session(0).mysql!.commands).toEqual(j.session(0).mysql!.commands)
  })

  it('a lost command is sent again and answered', () => {
    const p = working().lose().query('SELECT 1').retransmit('client').answer(rows(1)).quit()
    expectQuiet(judge(p), RULE)
  })

  it('a lost answer is sent again', () => {
    const p = working().query('SELECT 1').lose().answer(rows(1)).retransmit('server', { times: 2 }).quit()
    expectQuiet(judge(p), RULE)
  })

  it('an answer that the capture missed', () => {
    const p = working()
      .query('SELECT 1')
      .miss(2)
      .answer(rows(1))
      .query('SELECT 2', rows(1))
      .query('SELECT 3', rows(2))
      .quit()
    expectQuiet(judge(p), RULE)
  })

  it('COM_STMT_CLOSE outstanding, which has no answer', () => {
    const p = working().prepare('SELECT 1', 1, 0, 1).execute(1, rows(1)).closeStatement(1).wait('1s')
    p.server.fin()
    p.client.fin()
    expectQuiet(judge(p), RULE)
  })

  it('COM_STMT_SEND_LONG_DATA outstanding, which has no answer', () => {
    const p = working()
      .prepare('INSERT INTO t VALUES (?)', 1, 1)
      .command(0x18, Uint8Array.of(1, 0, 0, 0, 0, 0, 65, 66))
      .wait('1s')
    p.server.fin()
    p.client.fin()
    expectQuiet(judge(p), RULE)
  })

  it('several results, all of them whole, then an orderly end', () => {
    expectQuiet(
      judge(
        working()
          .query('CALL p()', several(rows(1), rows(2), ok()))
          .quit(),
      ),
      RULE,
    )
  })

  it('pipelined commands that are all answered', () => {
    const p = working()
      .query('SELECT 1')
      .query('SELECT 2')
      .query('SELECT 3')
      .answer(rows(1))
      .answer(rows(1))
      .answer(rows(1))
      .quit()
    expectQuiet(judge(p), RULE)
  })

  it('ordinary SQL errors', () => {
    expectQuiet(
      judge(
        working()
          .query('SELEC', err(1064, '42000', 'syntax'))
          .query('SELECT 1', rows(1))
          .quit(),
      ),
      RULE,
    )
  })

  it('the client closed first with a command outstanding: another rule’s matter', () => {
    const p = working().query('SELECT SLEEP(9)').wait('3s').close('client')
    const j = judge(p)
    expect(j.of(RULE)).toEqual([])
    expect(j.accusations.map((f) => f.culprit.role)).toEqual(['client'])
  })
})
