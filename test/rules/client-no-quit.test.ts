/** client-no-quit: bad manners, told as a note and never as a fault. */
import { describe, expect, it } from 'vitest'
import { CLIENT_IP, expectQuiet, judgeCuts as judge, measured, ok, play, rows, says, working } from './kit.ts'
import { legs, PROXY_IP, SEALED_QUIT, sealedCommand, tlsSession, together } from './stories.ts'

const RULE = 'client-no-quit'

describe('closed by an idle client without COM_QUIT', () => {
  for (const how of ['fin', 'rst'] as const) {
    it(`with ${how.toUpperCase()}`, () => {
      const p = working().query('SELECT 1', rows(1)).wait('7.7s').as('close')
      p.client[how]()
      const j = judge(p)
      expectQuiet(j)
      const f = j.only(RULE)
      expect(f).toMatchObject({
        severity: 'info',
        confidence: 'likely',
        culprit: { role: 'client', address: CLIENT_IP, product: 'libmysql' },
      })
      expect(f.occurrences[0]).toMatchObject({ command: null, statement: null, outcome: 'none' })
      expect(says(j, f.occurrences[0]!, 'close')).toContain(how.toUpperCase())
      expect(measured(f.occurrences[0]!, 'idle before the close')).toBeCloseTo(7.7, 1)
    })
  }

  it('many of one client are one finding', () => {
    const plays = [0, 1, 2, 3].map((i) =>
      working({ client: `10.0.0.1:4000${i}` })
        .query('SELECT 1', rows(1))
        .wait('1.1s')
        .close('client'),
    )
    const f = judge(plays).only(RULE)
    expect(f.occurrences.length).toBe(4)
    expect(f.title).toContain('4 idle connections')
  })

  it('a proxy that retires an idle server connection is named as the proxy', () => {
    const { front, back } = legs()
    front.query('SELECT 1')
    together(front, back)
    back.query('SELECT 1', rows(1))
    together(front, back)
    front.answer(rows(1)).quit()
    together(front, back)
    back.wait('2s').close('client')
    const j = judge([front, back])
    expectQuiet(j)
    for (const f of j.of(RULE)) expect(f.culprit).toMatchObject({ role: 'proxy', address: PROXY_IP })
  })

  it('in TLS, after a record too long for COM_QUIT that may have had no answer', () => {
    const p = tlsSession().wait('1s')
    p.client.data(sealedCommand(9))
    p.wait('1ms').close('client')
    const j = judge(p)
    expectQuiet(j)
  })
})

describe('stays quiet', () => {
  it('COM_QUIT', () => {
    expectQuiet(judge(working().query('SELECT 1', rows(1)).quit()), RULE)
  })

  it('COM_QUIT, then RST instead of FIN', () => {
    const p = working().query('SELECT 1', rows(1)).quit({ fin: false })
    p.client.rst()
    expectQuiet(judge(p), RULE)
  })

  it('COM_QUIT in TLS, told by its size', () => {
    const p = tlsSession().wait('1s')
    p.client.data(SEALED_QUIT)
    p.close('client')
    expectQuiet(judge(p), RULE)
  })

  it('a command outstanding', () => {
    expect(judge(working().query('SELECT SLEEP(9)').wait('3s').close('client')).of(RULE)).toEqual([])
  })

  it('a transaction open', () => {
    expect(
      judge(
        working()
          .query('BEGIN', ok({ status: 3 }))
          .wait('1.2s')
          .close('client'),
      ).of(RULE),
    ).toEqual([])
  })

  it('a probe that never logged in', () => {
    expectQuiet(judge(play().connect().greet().close('client')), RULE)
    expectQuiet(judge(play().connect().close('client')), RULE)
  })

  it('the server closed first', () => {
    expectQuiet(judge(working().query('SELECT 1', rows(1)).wait('5s').close('server')), RULE)
  })
})
