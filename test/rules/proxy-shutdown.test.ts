/** proxy-shutdown: the proxy closes both legs of its sessions by itself. */
import { describe, expect, it } from 'vitest'
import { incident, innocent } from './incidents.ts'
import { judge, type Play, play, rows, SERVER_IP, says } from './kit.ts'
import { type Legs, legs, PROXY_IP, together } from './stories.ts'

const RULE = 'proxy-shutdown'
const stamp = (us: number): string => new Date(us / 1000).toISOString()
const all = (l: readonly Legs[]): Play[] => l.flatMap((x) => [x.front, x.back])

function ask(l: Legs, answered: boolean): void {
  l.front.query('SELECT 1')
  together(l.front, l.back)
  l.back.query('SELECT 1')
  if (!answered) return
  l.back.answer(rows(1))
  together(l.front, l.back)
  l.front.answer(rows(1))
}

/** Two sessions through the proxy, one idle for longer, one busy; then the proxy closes every leg. */
function dropped(): Legs[] {
  const [idle, busy] = [legs({ id: 900, port: 40001 }), legs({ id: 901, port: 40002 })]
  ask(idle, true)
  busy.front.wait('3s')
  together(busy.front, busy.back)
  ask(busy, false)
  together(...all([idle, busy]))
  for (const l of [idle, busy]) {
    l.back.as(`back ${l.back.wire.client.endpoint.port}`).client.fin()
    l.front.as(`front ${l.front.wire.client.endpoint.port}`).server.fin()
  }
  return [idle, busy]
}

describe('the proxy cuts its own sessions', () => {
  it('told to drop them: states that no timer explains; both legs are occurrences', () => {
    const j = judge(all(dropped()))
    const f = j.only(RULE)
    expect(f).toMatchObject({
      severity: 'error',
      confidence: 'possible',
      culprit: { role: 'proxy', address: PROXY_IP },
      detail: { how: 'dropped', sessions: 2, refused: 0 },
    })
    expect(f.occurrences).toHaveLength(4)
    const busy = f.occurrences.find((o) => o.client.endsWith(':40002'))!
    expect(says(j, busy, 'front 40002')).toContain('FIN')
    expect(says(j, busy, 'back 50002')).toContain('FIN')
    expect(j.of('rst-after-query')).toEqual([])
  })

  it('gone: nobody listens any more', () => {
    const l = dropped()
    const refused = play({
      client: '10.0.0.1:43000',
      server: `${PROXY_IP}:3306`,
      at: stamp(l[0]!.front.wire.now + 400_000),
    }).refuse()
    expect(judge([...all(l), refused]).only(RULE)).toMatchObject({
      confidence: 'likely',
      detail: { how: 'gone', refused: 1 },
    })
  })
})

describe('legs that nothing but the moment joins', () => {
  it('greetings cut by the snapshot length', () => {
    const f = judge(all(dropped()), { snaplen: 96 }).only(RULE)
    expect(f).toMatchObject({ confidence: 'possible', detail: { how: 'dropped', sessions: 2 } })
    expect(f.occurrences.length).toBe(4)
  })
})

describe('stays quiet', () => {
  it('the server behind it closed first', () => {
    const l = [legs({ id: 900, port: 40001 }), legs({ id: 901, port: 40002 })]
    for (const x of l) ask(x, false)
    together(...all(l))
    for (const x of l) {
      x.back.server.fin()
      together(x.front, x.back)
      x.front.server.fin()
    }
    expect(judge(all(l)).of(RULE)).toEqual([])
  })

  it('idle timers that end several sessions in the same moment', () => {
    const l = [legs({ id: 900, port: 40001 }), legs({ id: 901, port: 40002 })]
    for (const x of l) ask(x, true)
    together(...all(l))
    for (const x of l) {
      x.back.wait('10s').client.fin()
      x.front.wait('10s').server.fin()
    }
    expect(judge(all(l)).of(RULE)).toEqual([])
  })

  it('clients that closed first', () => {
    const l = dropped()
    const j = judge(
      l.flatMap((x) => [x.back, x.front]),
      { keep: (f) => f.label === undefined || !f.label.startsWith('front') },
    )
    expect(j.of(RULE)).toEqual([])
  })

  it('one session alone, with the proxy living on (rst-after-query)', () => {
    const l = legs()
    ask(l, false)
    l.back.wait('1.3s').client.fin()
    together(l.front, l.back)
    l.front.server.fin()
    const j = judge(all([l]))
    expect(j.of(RULE)).toEqual([])
    expect(j.only('rst-after-query').culprit.address).toBe(PROXY_IP)
  })

  it('COM_QUIT', () => {
    const l = legs()
    l.front.quit()
    together(l.front, l.back)
    l.back.quit()
    expect(judge(all([l])).of(RULE)).toEqual([])
  })

  it('a direct connection to a server', () => {
    const p = play({ server: `${SERVER_IP}:3306` })
      .connect()
      .login()
      .query('SELECT SLEEP(9)')
      .wait('1.1s')
      .close('server')
    expect(judge(p).of(RULE)).toEqual([])
  })
})

describe('real captures', () => {
  innocent('control-haproxy', RULE)
  innocent('haproxy-fin-race-mysql2', RULE)
  innocent('haproxy-idle-kill-10s', RULE)
  innocent('I-backend-plaintext', RULE)
  incident('proxy-rst-backend-on-query', 'rst-after-query')
})
