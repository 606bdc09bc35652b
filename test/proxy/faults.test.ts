/** Each fault on purpose is told by analysing its own recording: what was done, and that we did it. */
import { describe, expect, it } from 'vitest'
import type { Finding } from '../../src/report/model.ts'
import { mysqlServer, proxyTo, report, talk, until } from './kit.ts'

/** Runs one session through a proxy with this fault, and gives the findings of its recording. */
async function broken(
  fault: string,
  more: { match?: string; faultProbability?: number } = {},
  run: (port: number) => Promise<unknown> = (port) => talk(port, 1).catch(() => {}),
): Promise<{ findings: Finding[]; told: string[] }> {
  const { port, server } = await mysqlServer()
  const p = await proxyTo(port, { fault, ...more })
  await run(p.port)
  await until(() => p.proxy.totals().open === 0)
  server.close()
  const told = p.events.filter((e) => e.event === 'fault').map((e) => String(e.facts['fault']))
  return { findings: report(await p.end()).findings, told }
}

const says = (f: Finding): string =>
  f.occurrences.flatMap((o) => o.evidence.map((e) => ('says' in e ? e.says : ''))).join('\n')

describe('faults', () => {
  for (const [fault, how] of [
    ['rst-after-query', 'rst'],
    ['fin-after-query', 'fin'],
  ] as const) {
    it(`${fault}: the proxy cut it while the statement was running`, async () => {
      const { findings, told } = await broken(fault)
      expect(told).toEqual([fault])
      expect(findings.map((f) => f.rule)).toEqual(['rst-after-query'])
      const f = findings[0]!
      expect(f.culprit).toMatchObject({ role: 'proxy', product: 'mysqlconn proxy' })
      expect(f.confidence).toBe('certain')
      expect(f.detail['close']).toBe(how)
      // Both legs died of it.
      expect(f.occurrences).toHaveLength(2)
      expect(says(f)).toContain(`mysqlconn proxy closed it itself: fault-${fault}`)
    })
  }

  it('idle-timeout: the proxy closed it after that silence', async () => {
    const { findings } = await broken('idle-timeout=1s', { match: 'user=app' }, async (port) => {
      const stay = talk(port, 1, 'DO 1', 1500)
      await stay.catch(() => {})
    })
    expect(findings.map((f) => f.rule)).toEqual(['idle-timeout-proxy'])
    expect(findings[0]!.culprit).toMatchObject({ role: 'proxy', product: 'mysqlconn proxy' })
    expect(says(findings[0]!)).toContain('fault-idle-timeout')
  })

  it('truncate: the client got part of an answer that the server had given whole', async () => {
    const { findings } = await broken('truncate=5')
    expect(findings.map((f) => f.rule)).toEqual(['rst-after-query'])
    expect(findings[0]!.culprit.role).toBe('proxy')
    // The front leg lost its statement, the back leg had answered it.
    expect(findings[0]!.occurrences.map((o) => o.command)).toEqual(['COM_QUERY', null])
  })

  it('silent-drop: nothing comes back, and the client gives up', async () => {
    const { findings } = await broken('silent-drop', {}, (port) => talk(port, 1, 'DO 1', 0, 1000).catch(() => {}))
    // Whether it left by a timer is told by how round its patience was, which a busy machine blurs.
    const left = findings.find((f) => f.rule === 'client-timeout' || f.rule === 'client-vanished')
    expect(left?.culprit.role).toBe('client')
    expect(left?.occurrences.map((o) => o.outcome)).toContain('delivered-unknown')
  })

  it('delay: the answer comes late, and nothing breaks', async () => {
    const began = performance.now()
    const { findings, told } = await broken('delay=300ms')
    expect(performance.now() - began).toBeGreaterThan(295)
    expect(told).toEqual(['delay'])
    expect(findings).toEqual([])
  })

  it('hits only what it is told to hit', async () => {
    for (const match of ['user=other', 'schema=shop', 'sql=DELETE']) {
      const { findings, told } = await broken('rst-after-query', { match })
      expect(told, match).toEqual([])
      expect(findings, match).toEqual([])
    }
    for (const match of ['user=app', 'sql=do'])
      expect((await broken('rst-after-query', { match })).told).toHaveLength(1)
    const rarely = await broken('rst-after-query', { faultProbability: 1e-9 })
    expect(rarely.told).toEqual([])
  })

  it('refuses what it does not know', async () => {
    for (const [fault, more] of [
      ['explode', {}],
      ['delay', {}],
      ['rst-after-query=3', {}],
      ['rst-after-query', { match: 'colour=red' }],
      ['rst-after-query', { match: 'sql=(' }],
      ['rst-after-query', { faultProbability: 2 }],
    ] as const)
      await expect(proxyTo(3306, { fault, ...more })).rejects.toMatchObject({ code: 'E_USAGE' })
  })
})
