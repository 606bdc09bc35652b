/** How sessions end: each outcome of the contract with the smallest story that has it (session/ending.ts). */
import { describe, expect, it } from 'vitest'
import { err, judge, ok, type Play, play, rows, working } from '../rules/kit.ts'

const ending = (p: Play) => judge(p).session(0).ending

describe('outcome of the lost command', () => {
  const stories: [string, string, () => Play][] = [
    ['none: nothing was asked', 'none', () => working().close('client')],
    ['answered: every command was', 'answered', () => working().query('SELECT 1', rows(1)).quit()],
    [
      'not-delivered: refused by a bare RST',
      'not-delivered',
      () => {
        const p = working().query('SELECT 1', rows(1)).wait('10s')
        p.server.fin()
        p.client.ack()
        p.mute('server').wait('1s').query('SELECT 2').server.rst({ flags: 4 })
        return p
      },
    ],
    [
      'not-delivered: only a part was sent',
      'not-delivered',
      () => {
        const p = working().query('SELECT 1', rows(1))
        p.client.data(Uint8Array.of(100, 0, 0, 0, 3, 65))
        p.wait('1s').server.rst()
        return p
      },
    ],
    [
      'not-delivered: never acknowledged, again and again',
      'not-delivered',
      () => {
        const p = working()
          .query('SELECT 1', rows(1))
          .mute('server')
          .query('SELECT 2')
          .retransmit('client', { times: 4 })
        p.client.rst()
        return p
      },
    ],
    [
      'delivered-unknown: acknowledged, then the server closed',
      'delivered-unknown',
      () => working().query('SELECT SLEEP(9)').wait('1s').close('server'),
    ],
    [
      'delivered-unknown: acknowledged, then RST',
      'delivered-unknown',
      () => {
        const p = working().query('SELECT SLEEP(9)').wait('1s')
        p.server.rst()
        return p
      },
    ],
    [
      'response-begun: cut in the middle of the rows',
      'response-begun',
      () => {
        const parts = rows(3)({ deprecateEof: true, binary: false }, false)
        return working()
          .query('SELECT 1')
          .answer(() => parts.slice(0, 4))
          .close('server')
      },
    ],
    [
      'committed: finished after the client had left',
      'committed',
      () => {
        const p = working().query('UPDATE t').wait('1s')
        p.client.fin()
        return p.wait('1s').answer(ok())
      },
    ],
    [
      'answered: as above, with a transaction open',
      'answered',
      () => {
        const p = working().query('UPDATE t').wait('1s')
        p.client.fin()
        return p.wait('1s').answer(ok({ status: 3 }))
      },
    ],
    [
      'answered: as above, with an error',
      'answered',
      () => {
        const p = working().query('UPDATE t').wait('1s')
        p.client.fin()
        return p.wait('1s').answer(err(1213, '40001', 'Deadlock'))
      },
    ],
  ]
  for (const [name, outcome, story] of stories) it(name, () => expect(ending(story()).outcome).toBe(outcome))
})

describe('who closed, and how', () => {
  const stories: [string, { how: string; by: string }, () => Play][] = [
    ['COM_QUIT', { how: 'fin', by: 'client' }, () => working().quit()],
    ['FIN by the server', { how: 'fin', by: 'server' }, () => working().close('server')],
    [
      'RST by the client',
      { how: 'rst', by: 'client' },
      () => {
        const p = working()
        p.client.rst()
        return p
      },
    ],
    [
      'the first close counts, not the echo',
      { how: 'fin', by: 'server' },
      () => {
        const p = working()
        p.server.fin()
        p.client.rst()
        return p
      },
    ],
    ['nothing: the capture ended', { how: 'open', by: 'unknown' }, () => working()],
    [
      'a RST outside the window is no close',
      { how: 'open', by: 'unknown' },
      () => {
        const p = working()
        p.server.rst({ seqOffset: 400_000_000 })
        return p
      },
    ],
    [
      'new SYN on the same endpoints',
      { how: 'open', by: 'unknown' },
      () => {
        const p = working()
        p.wire.client.next = 5_000_000
        p.client.syn()
        return p
      },
    ],
  ]
  for (const [name, expected, story] of stories) it(name, () => expect(ending(story())).toMatchObject(expected))

  it('silence counts from the last payload, whoever sent it', () => {
    expect(ending(working().query('SELECT 1', rows(1)).wait('10s').close('server')).silenceSeconds).toBeCloseTo(10, 2)
    // Keep-alives are no payload.
    expect(
      ending(working().query('SELECT 1', rows(1)).wait('5s').keepalive('client').wait('5s').close('server'))
        .silenceSeconds,
    ).toBeCloseTo(10, 1)
  })

  it('the command that was outstanding is named', () => {
    expect(ending(working().initDb('shop').command(0x0e).wait('1s').close('server')).command).toBe('COM_PING')
  })
})

describe('sessions', () => {
  it('count their commands and errors by the manual’s names', () => {
    const p = working()
      .ping()
      .query('SELECT 1', rows(1))
      .query('SELEC', err(1064, '42000', 'no'))
      .query('SELEC', err(1064, '42000', 'no'))
      .prepare('SELECT ?', 1, 1)
      .execute(1, rows(1))
    const { mysql } = judge(p.closeStatement(1).quit()).session(0)
    expect(mysql!.commands).toEqual({
      COM_PING: 1,
      COM_QUERY: 3,
      COM_STMT_PREPARE: 1,
      COM_STMT_EXECUTE: 1,
      COM_STMT_CLOSE: 1,
      COM_QUIT: 1,
    })
    expect(mysql!.errors).toMatchObject([{ code: 1064, count: 2 }])
    expect(mysql).toMatchObject({ user: 'app', schema: 'shop', serverVersion: '8.4.3', flavor: 'mysql' })
  })

  it('follow the schema', () => {
    expect(judge(working().initDb('archive').quit()).session(0).mysql!.schema).toBe('archive')
  })

  it('are told from connections that are not MySQL', () => {
    const http = play({ server: '10.0.0.2:8080' }).connect()
    http.client.data('GET / HTTP/1.1\r\nHost: example.org\r\n\r\n')
    http.server.data(`HTTP/1.1 200 OK\r\n\r\n${'x'.repeat(5000)}`)
    expect(judge(http.close('server')).report.sessions).toEqual([])
  })
})
