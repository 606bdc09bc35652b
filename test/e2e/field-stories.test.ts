/** The incidents of the field work from the files that the engineers had: packets and logs of the labelled cases, and the answers. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { analyze, type Finding, type Report } from '../../src/index.ts'
import { citedLines } from '../kit/logged.ts'
import { CAPTURES, needs } from '../kit/require.ts'

const folder = (name: string): string => join(CAPTURES, name)
const inputs = (name: string, wanted: RegExp): string[] =>
  readdirSync(folder(name))
    .filter((f) => wanted.test(f))
    .sort()
    .map((f) => join(folder(name), f))
const causes = (r: Report): Finding[] => r.findings.filter((f) => f.severity !== 'info')
const lines = (f: Finding | undefined): string[] => (f?.occurrences ?? []).flatMap((o) => citedLines(o))
const find = (r: Report, rule: string): Finding => {
  const f = r.findings.find((x) => x.rule === rule)
  expect(f, `${rule} among ${causes(r).map((x) => x.rule)}`).toBeDefined()
  return f!
}

const QUEUE = 'proxysql/A-frontend-abort-fin'
const PINGS = 'incidents/ping-wrong-target-com-ping'
const HIKARI = 'incidents/haproxy-idle-kill-hikari-15s'

needs(
  folder(QUEUE),
  folder(PINGS),
  folder(HIKARI),
)('the field stories', () => {
  it('ProxySQL cuts healthy connections: packets and log say the same, with its version', async () => {
    const r = await analyze(inputs(QUEUE, /^(?:capture\.pcap|proxysql\.log|mysqld\.log)$/))
    const f = find(r, 'tls-error-queue')
    expect(f).toMatchObject({ confidence: 'certain', culprit: { role: 'proxy', address: '10.1.0.20' } })
    expect(f.culprit.product).toMatch(/^ProxySQL 2\.5\.5/)
    expect(lines(f).filter((l) => l.includes('idleness it was not')).length).toBeGreaterThan(10)
    expect(f.remedy.map((x) => `${x.text} ${x.config}`).join()).toMatch(/2\.6\.5.*have_ssl/)
    expect(causes(r).filter((x) => !['tls-error-queue', 'tls-handshake-failure'].includes(x.rule))).toEqual([])
  })

  it('the same from the logs alone: which connections, that they were in use, that the server did not close', async () => {
    const r = await analyze(inputs(QUEUE, /^(?:proxysql|mysqld)\.log$/))
    const f = find(r, 'tls-error-queue')
    expect(causes(r)).toEqual([f])
    expect(f.confidence).toBe('likely')
    expect(f.excluded.join()).toMatch(/idleness: .*the server: it says that the other side left/)
    expect(f.remedy.some((x) => x.config.startsWith('tcpdump -i any'))).toBe(true)
  })

  it('Druid’s pings go to the source, HAProxy cuts the replica’s connection: by packets and logs', async () => {
    const r = await analyze(inputs(PINGS, /\.(?:pcap|log)$/))
    const cut = find(r, 'idle-timeout-proxy')
    expect(cut).toMatchObject({
      confidence: 'certain',
      culprit: { role: 'proxy', address: '10.20.0.20', product: 'HAProxy' },
    })
    expect(lines(cut).join()).toContain('cD: timeout client ran out')
    const pings = find(r, 'validation-wrong-connection')
    expect(pings.culprit).toMatchObject({ role: 'client', address: '10.20.0.10' })
    expect(pings.remedy[0]?.config).toContain('/* ping */ SELECT 1')
    expect(causes(r)).toHaveLength(2)
  })

  it('and by the logs alone', async () => {
    const r = await analyze(inputs(PINGS, /\.log$/))
    expect(find(r, 'idle-timeout-proxy').culprit).toMatchObject({ role: 'proxy', product: 'HAProxy' })
    expect(find(r, 'validation-wrong-connection').culprit).toMatchObject({ role: 'client', address: '10.20.0.10' })
    expect(causes(r)).toHaveLength(2)
  })

  it('HikariCP hands out a connection that HAProxy has closed: which timer, and which of its settings is too long', async () => {
    const r = await analyze(inputs(HIKARI, /\.(?:pcap|log)$/))
    const f = find(r, 'idle-timeout-proxy')
    expect(causes(r)).toEqual([f])
    expect(f).toMatchObject({ confidence: 'certain', culprit: { product: 'HAProxy' } })
    expect(f.remedy[0]?.text).toMatch(/^HikariCP \w+ .* must be below 15\.0 s/)
    expect(r.timers?.conflicts.map((c) => c.says).join()).toMatch(/HikariCP .* is not below HAProxy/)
    expect(lines(f).join()).toMatch(/HikariCP found the connection dead/)
  })

  it('the timeline of that session holds frames and lines of every log on one clock', async () => {
    const r = await analyze(inputs(HIKARI, /\.(?:pcap|log)$/), { trace: 'capture.pcap:0' })
    const events = r.trace?.events ?? []
    expect(events.map((e) => e.at)).toEqual(events.map((e) => e.at).sort())
    const sources = new Set(events.filter((e) => e.layer === 'log').map((e) => e.what.split(':')[0]))
    expect([...sources].sort()).toEqual(['app.log', 'haproxy.log', 'mysqld.log'])
    const cut = events.findIndex((e) => e.what === 'FIN')
    const said = events.findIndex((e) => e.says.includes(' cD '))
    expect(Math.abs(cut - said)).toBeLessThan(6)
  })

  it('the seconds around it, from every source', async () => {
    const r = await analyze(inputs(HIKARI, /\.(?:pcap|log)$/), { around: 'idle-timeout-proxy' })
    const kinds = new Set(r.around?.events.map((e) => e.input))
    expect([...kinds].sort()).toEqual(['app.log', 'capture.pcap', 'haproxy.log', 'mysqld.log'])
    expect(r.around?.events.every((e) => Math.abs(e.offsetSeconds) <= 5)).toBe(true)
  })
})
