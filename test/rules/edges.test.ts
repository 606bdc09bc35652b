/**
 * What a capture cannot show must accuse nobody: one direction only, answers the capture lost, sides guessed without a
 * SYN, streams that have no end of answer, requests in TLS that may have none.
 */
import { describe, expect, it } from 'vitest'
import { CLIENT_IP, err, expectQuiet, judgeCuts as judge, ok, type Play, play, prepared, rows, working } from './kit.ts'
import { SEALED_QUIT, sealedCommand, tlsSession } from './stories.ts'

describe('one direction only', () => {
  const story = (end: (p: Play) => unknown) => {
    const p = working().query('SELECT 1', rows(1)).wait('1s').query('SELECT 2', rows(1)).wait('3s')
    end(p)
    return p
  }
  for (const [name, end] of [
    ['closed by the client without COM_QUIT', (p: Play) => p.close('client')],
    ['closed by the server', (p: Play) => p.close('server')],
    ['reset by the client', (p: Play) => p.client.rst()],
    ['reset by the server', (p: Play) => p.server.rst()],
    ['ended with COM_QUIT', (p: Play) => p.quit()],
  ] as const) {
    it(`client to server: ${name}`, () => expectQuiet(judge(story(end), { keep: (f) => f.from === 'client' })))
    it(`server to client: ${name}`, () => expectQuiet(judge(story(end), { keep: (f) => f.from === 'server' })))
  }
})

describe('the capture lost the answer, the client has it', () => {
  it('then the server closes an idle connection', () => {
    expectQuiet(
      judge(working().query('SELECT 1', rows(1)).query('SELECT 2').miss(1).answer(rows(1)).wait('10s').close('server')),
    )
  })

  it('then the client closes without COM_QUIT at a round time', () => {
    expectQuiet(
      judge(working().query('SELECT 1', rows(1)).query('SELECT 2').miss(1).answer(rows(1)).wait('3s').close('client')),
    )
  })

  it('in the middle of a large result', () => {
    const p = working().query('SELECT 1', rows(1)).query('SELECT big').miss(3)
    p.answer(rows(60, { cell: () => 'x'.repeat(300) }))
      .query('SELECT 2', rows(1))
      .wait('3s')
      .close('client')
    expectQuiet(judge(p))
  })

  it('cut by the snapshot length', () => {
    const p = working()
      .query('SELECT 1', rows(20, { cell: () => 'x'.repeat(300) }))
      .wait('3s')
      .query('SELECT 2', rows(3))
      .wait('2s')
      .close('server')
    expectQuiet(judge(p, { snaplen: 96 }))
  })
})

describe('a command came to light late', () => {
  it('held up behind a hole, while its answer was already there', () => {
    const p = working()
      .miss(1)
      .query('SELECT 1')
      .answer(rows(1))
      .query('SELECT 2', err(1064, '42000', 'syntax'))
    expectQuiet(judge(p.wait('10s').close('client')))
  })

  it('a pipelining client: which answer was lost is unknown', () => {
    const p = working().query('SELECT 1').query('SELECT 2').answer(rows(1)).answer(rows(1)).query('SELECT 3').miss(2)
    p.answer(rows(25, { cell: () => 'x'.repeat(180) })).query('COMMIT', ok())
    expectQuiet(judge(p.wait('10s').close('client')))
  })
})

describe('begun mid-stream', () => {
  const old = (o: Parameters<typeof play>[0] = {}) =>
    play(o).unseen((u) => u.connect().login().query('SELECT 0', rows(1)).query('SELECT 1'))

  it('between a command and its answer, closed by the server later', () => {
    expectQuiet(judge(old().answer(rows(1)).wait('10s').close('server')))
  })

  it('an answer of which nobody knows where it ends (CLIENT_DEPRECATE_EOF)', () => {
    const p = play()
      .unseen((u) => u.connect().login())
      .command(0x16, 'SELECT 1', prepared(9, 0, 1))
    expectQuiet(judge(p.wait('10s').close('server')))
  })

  it('the only answer was not captured, but acknowledged', () => {
    const p = play()
      .unseen((u) => u.connect().login())
      .query('SELECT 1')
      .miss(1)
      .answer(rows(1))
    expectQuiet(judge(p.wait('10s').close('server')))
  })

  it('closed before anything was said: nothing is known', () => {
    expectQuiet(judge(old().wait('3s').close('server')))
    expectQuiet(judge(old().wait('3s').close('client')))
  })

  it('on ports that do not tell who is who: the sides are told by content', () => {
    const p = old({ client: `${CLIENT_IP}:50000`, server: '10.0.0.2:45000' })
      .answer(rows(1))
      .query('SELECT 2', rows(2))
      .query('SELECT 3', rows(1))
    const j = judge(p.query('SELECT SLEEP(9)').wait('3s').close('client'))
    for (const f of j.accusations) expect(f.culprit).toMatchObject({ role: 'client', address: CLIENT_IP })
    expectQuiet(
      judge(
        old({ client: `${CLIENT_IP}:50000`, server: '10.0.0.2:45000' })
          .answer(rows(1))
          .query('SELECT 2', rows(2))
          .wait('3s')
          .close('server'),
      ),
    )
  })
})

describe('segments out of order', () => {
  it('the answer and the FIN behind it', () => {
    const p = working().query('SELECT 1').reorder(2).answer(rows(1))
    p.server.fin()
    p.client.fin()
    expectQuiet(judge(p))
  })

  it('the answer and the RST behind it', () => {
    const p = working().query('SELECT 1').reorder(2).answer(rows(1))
    p.server.rst()
    expectQuiet(judge(p))
  })

  it('COM_QUIT and the FIN behind it', () => {
    const p = working().query('SELECT 1', rows(1)).reorder(2).command(0x01)
    p.client.fin()
    p.server.fin()
    expectQuiet(judge(p), 'client-no-quit')
  })
})

describe('commands of their own kind', () => {
  it('a replica that stops reading the binary log is no application that gave up', () => {
    const p = working().command(0x12, Uint8Array.of(4, 0, 0, 0, 0, 0, 2, 0, 0, 0, ...Buffer.from('binlog.000001')))
    for (let i = 0; i < 3; i++) p.wait('1s').say('server', Uint8Array.of(0, ...new Uint8Array(40).fill(i)), 1 + i)
    expectQuiet(judge(p.wait('3s').close('client')))
  })

  it('COM_CHANGE_USER refused, then closed by the server', () => {
    const p = working()
      .command(
        0x11,
        Uint8Array.of(...Buffer.from('bob\0'), 0, ...Buffer.from('shop\0')),
        err(1045, '28000', 'Access denied'),
      )
      .close('server')
    expectQuiet(judge(p))
  })

  it('COM_CHANGE_USER accepted, then an idle close', () => {
    const p = working()
      .command(0x11, Uint8Array.of(...Buffer.from('bob\0'), 0, ...Buffer.from('shop\0')), ok())
      .wait('9s')
      .close('server')
    expectQuiet(judge(p))
  })

  it('SHUTDOWN answered, then closed by the server', () => {
    expectQuiet(judge(working().query('SHUTDOWN', ok()).close('server')))
  })

  it('COM_QUIT right behind a query in flight', () => {
    expectQuiet(judge(working().query('SELECT 1').command(0x01).wait('1ms').close('server')))
  })
})

describe('TLS without keys', () => {
  it('COM_STMT_CLOSE has no answer: an idle close by the server after it lost nothing', () => {
    const p = tlsSession().wait('1s')
    p.client.data(sealedCommand(9))
    expectQuiet(judge(p.wait('60s').close('server')))
  })

  it('COM_STMT_CLOSE, then an idle client that leaves at a round time', () => {
    const p = tlsSession().wait('1s')
    p.client.data(sealedCommand(9))
    expectQuiet(judge(p.wait('3s').close('client')))
  })

  it('pings are as long as COM_QUIT: one that was answered ends nothing', () => {
    const p = tlsSession().wait('1s')
    p.client.data(SEALED_QUIT)
    p.server.data(sealedCommand(11))
    p.wait('1s').client.data(sealedCommand(100))
    const j = judge(p.wait('2s').close('server'))
    expect(j.only('rst-after-query').occurrences[0]!.command).toBe('TLS record')
  })

  it('COM_QUIT or COM_PING sent into a connection that the server had closed loses nothing', () => {
    const p = tlsSession().wait('10s')
    p.server.fin()
    p.client.ack()
    p.mute('server').wait('1s').client.data(SEALED_QUIT)
    p.server.rst({ flags: 4 })
    expectQuiet(judge(p))
  })

  it('an idle close by the server', () => {
    expectQuiet(judge(tlsSession().wait('60s').close('server')))
  })
})

describe('two connections on one pair of endpoints', () => {
  it('the second begins while the first still waited', () => {
    const a = working().query('SELECT SLEEP(9)').wait('3s')
    const b = play({ at: '2026-01-01T00:00:10Z', isn: { client: 77, server: 99 } })
      .connect()
      .login()
      .query('SELECT 1', rows(1))
      .quit()
    expectQuiet(judge([a, b]))
  })
})
