/** packet-out-of-order: sequence ids and commands that do not follow, with nothing missing. */
import { describe, expect, it } from 'vitest'
import { innocent } from './incidents.ts'
import { CLIENT_IP, err, expectQuiet, judge, type Play, play, rows, SERVER_IP, says, working } from './kit.ts'

const RULE = 'packet-out-of-order'

/** Two threads send on one connection; the driver gives up when an answer surprises it. */
function shared(driver: string): Play {
  const p = play()
    .connect()
    .login({ attributes: { _client_name: driver } })
  p.as('first').query('SELECT SLEEP(1)').wait('20ms').as('second').query('SELECT 2')
  return p.wait('1s').answer(rows(1)).wait('3ms')
}

describe('out of order', () => {
  it('a second command before the answer, by a driver that does not pipeline; then it breaks', () => {
    const p = shared('pymysql').as('close').close('client')
    const j = judge(p)
    const f = j.only(RULE)
    expect(j.accusations).toEqual([f])
    expect(f).toMatchObject({ severity: 'error', confidence: 'possible', detail: { kind: 'shared', expected: null } })
    expect(f.culprit).toEqual({ role: 'client', address: CLIENT_IP, product: 'pymysql' })
    expect(says(j, f.occurrences[0]!, 'first')).toContain('not yet answered')
    expect(says(j, f.occurrences[0]!, 'second')).toContain('another command')
  })

  it('… answered at once, but over and over: no capture swaps so many frames', () => {
    const talk = (n: number) => {
      const p = play({ rtt: '0.04ms' })
        .connect()
        .login({ attributes: { _client_name: 'pymysql' } })
      for (let i = 0; i < n; i++) p.query('SELECT 1').query('SELECT 2').answer(rows(1)).answer(rows(1))
      return judge(p.close('client'))
    }
    expect(talk(4).only(RULE)).toMatchObject({ confidence: 'possible', detail: { kind: 'shared' } })
    expect(talk(1).of(RULE)).toEqual([])
  })

  it('the server says 1156', () => {
    const p = working()
      .query('SELECT 1')
      .as('error')
      .unsolicited(err(1156, '08S01', 'Got packets out of order'))
      .close('server')
    const f = judge(p).only(RULE)
    expect(f).toMatchObject({ confidence: 'certain', detail: { kind: 'server-said' } })
  })

  it('sequence ids of the server that do not follow, and the client gives up', () => {
    const p = working().query('SELECT 1').as('answer').answer(rows(1), 4).wait('2ms')
    p.client.rst()
    const j = judge(p)
    const f = j.only(RULE)
    expect(f).toMatchObject({
      confidence: 'likely',
      culprit: { role: 'server', address: SERVER_IP },
      detail: { kind: 'sequence', expected: 1, got: 4 },
    })
    expect(says(j, f.occurrences[0]!, 'answer')).toContain('expected 1')
  })
})

describe('stays quiet', () => {
  it('capture loss, snaplen or a begin in mid-stream', () => {
    const p = working().query('SELECT 1').miss(1).answer(rows(1)).query('SELECT 2').answer(rows(1), 5).close('client')
    expect(judge(p).of(RULE)).toEqual([])
    expect(judge(shared('pymysql').close('client'), { snaplen: 70 }).of(RULE)).toEqual([])
    const late = play().unseen((q) => q.connect().login())
    late.query('SELECT SLEEP(1)').wait('20ms').query('SELECT 2').wait('1s').answer(rows(1)).close('client')
    expect(judge(late).of(RULE)).toEqual([])
  })

  it('an unsolicited error such as 4031 with an old sequence id', () => {
    const p = working().query('SELECT 1', rows(1)).wait('8s')
    p.answer(err(4031, 'HY000', 'The client was disconnected by the server because of inactivity.'), 6).close('server')
    expect(judge(p).of(RULE)).toEqual([])
  })

  it('drivers that pipeline', () => {
    expect(judge(shared('mariadb-connector-node').close('client')).of(RULE)).toEqual([])
    const unnamed = play().connect().login({ attributes: {} }).query('SELECT 1').wait('5ms').query('SELECT 2')
    expect(judge(unnamed.answer(rows(1)).wait('3ms').close('client')).of(RULE)).toEqual([])
  })

  it('overlapping commands on a connection that lives on', () => {
    const p = shared('pymysql').answer(rows(1)).query('SELECT 3', rows(1)).quit()
    expectQuiet(judge(p), RULE)
  })

  it('COM_QUIT right after a command', () => {
    expect(judge(working().query('SELECT SLEEP(1)').wait('5ms').quit()).of(RULE)).toEqual([])
  })
})

describe('real captures', () => {
  innocent('router-server-wait-timeout', RULE)
  innocent('proto-mariadb-bulk', RULE)
  innocent('proto-prepared-multi-mysql97', RULE)
  innocent('net-reorder-dup', RULE)
  innocent('derived-snaplen-128', RULE)
  innocent('T-three-vantages', RULE)
})
