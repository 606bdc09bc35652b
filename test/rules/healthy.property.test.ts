/** Whatever a healthy session does, nobody is accused: random dialogues, with the network's and the capture's usual sins. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { err, judge, judgeCuts, ok, type Play, play, prepared, rows, type Span, several } from './kit.ts'
import { doubled } from './stories.ts'

type Step = (p: Play) => unknown

const big = rows(25, { cell: () => 'x'.repeat(180) })
const span = fc.constantFrom<Span>('1ms', '30ms', '400ms', '1s', '2.5s', '10s', '61s', '8h')
const reply = fc.constantFrom(
  ok(),
  ok({ affected: 3 }),
  rows(0),
  rows(1),
  rows(7),
  big,
  several(rows(1), rows(2), ok()),
  err(1064, '42000', 'syntax'),
  err(1205, 'HY000', 'lock wait'),
)

const named = (name: string, step: Step): Step => Object.assign(step, { toString: () => name })

/** A RST of an earlier life: far outside the window. */
const STALE = named('stale RST', (p) => {
  p.server.rst({ seqOffset: -400_000_000 })
  p.wire.client.mute = false
  p.wire.server.mute = false
})

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(reply, span)
      .map(([r, after]) => named(`query ${after}`, (p) => p.query('CALL work()', r, { after }))),
  },
  fc.constant(named('prepared', (p) => p.prepare('SELECT ?', 5, 1, 2).execute(5, rows(2)).closeStatement(5))),
  fc.constant(named('prepare only', (p) => p.command(0x16, 'SELECT 1', prepared(9, 0, 1)))),
  fc.constant(named('ping', (p) => p.ping())),
  fc.constant(named('init db', (p) => p.initDb('shop'))),
  fc.constant(named('reset connection', (p) => p.resetConnection())),
  fc.constant(
    named('transaction', (p) =>
      p
        .query('BEGIN', ok({ status: 3 }))
        .query('UPDATE t', ok({ status: 3 }))
        .query('COMMIT', ok()),
    ),
  ),
  fc.constant(named('pipelined', (p) => p.query('SELECT 1').query('SELECT 2').answer(rows(1)).answer(rows(2)))),
  span.map((s) => named(`idle ${s}`, (p) => p.wait(s))),
  fc.constant(named('keep-alive', (p) => p.wait('60s').keepalive('server'))),
  fc.constant(named('slow reader', (p) => p.zeroWindow('client').wait('1s').openWindow('client'))),
  fc.constant(named('command lost', (p) => p.lose().query('SELECT 1').retransmit('client').answer(rows(1)))),
  fc.constant(named('answer lost', (p) => p.query('SELECT 1').lose().answer(rows(1)).retransmit('server'))),
  fc.constant(named('command repeated for nothing', (p) => p.query('SELECT 1').retransmit('client').answer(rows(1)))),
  fc.constant(named('answer reordered', (p) => p.query('SELECT 1').reorder(2).answer(big))),
  fc.constant(named('answer not captured', (p) => p.query('SELECT 1').miss(1).answer(rows(1)))),
  fc.constant(named('command not captured', (p) => p.miss(1).query('SELECT 1').answer(rows(1)))),
  fc.constant(named('part of an answer not captured', (p) => p.query('SELECT 1').miss(2).answer(big))),
  fc.constant(STALE),
)

const end: fc.Arbitrary<Step> = fc.constantFrom<Step>(
  named('quit', (p) => p.quit()),
  named('quit, RST by the server', (p) => {
    p.quit({ fin: false })
    p.server.rst()
  }),
  named('quit, RST by the client', (p) => {
    p.quit({ fin: false })
    p.client.rst()
  }),
  named('capture ends', () => {}),
  named('capture ends with a query running', (p) => p.query('SELECT SLEEP(9)').wait('2s')),
  named('idle, closed by the server, noticed', (p) => p.wait('10s').close('server')),
  named('idle, closed by the client', (p) => p.wait('10s').close('client')),
)

const shape = fc.record({
  steps: fc.array(step, { maxLength: 12 }),
  end,
  ipv6: fc.boolean(),
  vantage: fc.constantFrom('client' as const, 'server' as const, 'middle' as const),
  midstream: fc.boolean(),
  twice: fc.boolean(),
  wrap: fc.boolean(),
  tls: fc.constantFrom('none' as const, 'keys' as const, 'no keys' as const),
})

function tell(s: typeof shape extends fc.Arbitrary<infer T> ? T : never): Play {
  const hosts = s.ipv6 ? { client: '[2001:db8::1]:40000', server: '[2001:db8::2]:3306' } : {}
  const isn = s.wrap ? { isn: { client: 0xfffffe80, server: 0xfffffc00 } } : {}
  const p = play({ ...hosts, ...isn, vantage: s.vantage, rtt: '2ms', tls: s.tls !== 'none' })
  if (s.midstream) p.unseen((u) => u.connect().login().query('SELECT 0', rows(1)))
  else p.connect().login()
  // Begun mid-stream, there is no window yet to hold a RST against.
  for (const one of s.steps) if (one !== STALE || !s.midstream) one(p)
  s.end(p)
  p.wire.flush()
  return s.twice ? doubled(p) : p
}

describe('healthy sessions', () => {
  it('never yield a finding above info from the rules about cuts', () => {
    fc.assert(
      fc.property(shape, (s) => {
        expect(
          judgeCuts(tell(s), { withoutKeys: s.tls === 'no keys' }).accusations.map((f) => `${f.rule}: ${f.title}`),
        ).toEqual([])
      }),
      { numRuns: 400 },
    )
  })

  it('never yield an error from any rule: nothing was lost', () => {
    fc.assert(
      fc.property(shape, (s) => {
        const errors = judge(tell(s), { withoutKeys: s.tls === 'no keys' }).findings.filter(
          (f) => f.severity === 'error',
        )
        expect(errors.map((f) => `${f.rule}: ${f.title}`)).toEqual([])
      }),
      { numRuns: 400 },
    )
  })
})
