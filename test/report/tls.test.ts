/** mysqlconn tls: suites, failures, alerts, the chain from a failed session to those it hit, and the section of the report. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { analyze } from '../../src/analyze.ts'
import { analyzeBuffers } from '../../src/memory.ts'
import type { Report } from '../../src/report/model.ts'
import { REPORT_JSON_SCHEMA } from '../../src/report/schema.ts'
import { renderTls } from '../../src/report/tls-text.ts'
import { schemaErrors } from '../kit/json-schema.ts'
import { capture, type Play } from '../kit/play.ts'
import { ROOT } from '../kit/require.ts'
import { rows, working } from '../rules/kit.ts'
import { alert, asked, hello, inUse } from '../rules/tls-stories.ts'
import { ascii, plain, text, wide } from './fixtures.ts'

const analysed = (plays: Play[]): Report => {
  const keyLog = Buffer.from(plays.map((p) => p.wire.keyLog).join(''))
  const keys = keyLog.length === 0 ? [] : [{ name: 'keys.txt', bytes: keyLog }]
  return analyzeBuffers([{ name: 'capture.pcap', bytes: capture(plays).bytes }, ...keys], { tls: true })
}

/** One session decrypted, one without keys, one plain, two refused for the version. */
function story(): Play[] {
  const refused = [1, 2].map((i) => {
    const p = hello(asked({ client: `10.0.0.9:4000${i}` }))
    p.server.data(alert(2, 70))
    return p.close('server')
  })
  return [
    working({ tls: true, client: '10.0.0.1:40000' }).query('SELECT 1', rows(1)).quit(),
    inUse({ client: '10.0.0.1:40001' }).wait('1s').close('client'),
    working({ client: '10.0.0.1:40002' }).quit(),
    ...refused,
  ]
}

const errorQueue = (): Promise<Report> => {
  const folder = join(ROOT, 'samples/tls-error-queue')
  const captures = readdirSync(folder).filter((f) => /\.pcap(ng)?(\.gz|\.zst)?$/.test(f))
  return analyze(
    captures.map((f) => join(folder, f)),
    { tls: true },
  )
}

describe('the tls section', () => {
  it('is there only when it was asked for', () => {
    expect(analyzeBuffers([{ name: 'x', bytes: capture(story()).bytes }]).tls).toBeUndefined()
  })

  it('counts handshakes, suites, failures, alerts and what could not be read', () => {
    const tls = analysed(story()).tls!
    expect(tls).toMatchObject({ sessions: 4, withoutTls: 1, decrypted: 1 })
    expect(tls.handshakes).toEqual({ complete: 2, failed: 2, unseen: 0, resumed: 0 })
    const servers = ['10.0.0.2:3306']
    expect(tls.suites).toEqual([
      { version: 'TLSv1.3', cipher: 'TLS_AES_128_GCM_SHA256', sessions: 1, resumed: 0, decrypted: 1, servers },
      { version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', sessions: 1, resumed: 0, decrypted: 0, servers },
    ])
    expect(tls.failures).toEqual([
      {
        ...{ reason: 'protocol-version', by: 'server', server: '10.0.0.2:3306', count: 2, clients: ['10.0.0.9'] },
        sessions: ['capture.pcap:3', 'capture.pcap:4'],
      },
    ])
    expect(tls.alerts).toEqual([
      {
        ...{ by: 'server', from: '10.0.0.2', level: 'fatal', description: 'protocol_version', number: 70, count: 2 },
        sessions: ['capture.pcap:3', 'capture.pcap:4'],
      },
    ])
    expect(tls.unread).toEqual([{ why: 'no-keys', count: 1, sessions: ['capture.pcap:1'] }])
    expect(tls.chains).toEqual([])
  })

  it('has the chain from the failure to those it hit, in order of time', async () => {
    const report = await errorQueue()
    const finding = report.findings.find((f) => f.rule === 'tls-error-queue')!
    expect(report.tls!.chains.map((c) => c.process)).toEqual([finding.detail['process']])
    const { events } = report.tls!.chains[0]!
    expect(events[0]!.kind).toBe('trigger')
    const of = (kind: string): string[] => events.filter((e) => e.kind === kind).map((e) => e.session)
    expect(of('trigger')).toEqual(finding.detail['triggers'])
    expect(of('victim')).toEqual(finding.detail['victims'])
    expect([...of('served')].sort()).toEqual([...(finding.detail['servedCut'] as string[])].sort())
    for (const e of events) expect(e.afterSeconds === null).toBe(e.kind === 'trigger')
    expect(events.map((e) => e.at)).toEqual(events.map((e) => e.at).sort())
  })

  it('is as the schema says', async () => {
    for (const report of [analysed(story()), analysed([working().quit()]), await errorQueue()])
      expect(schemaErrors(report, REPORT_JSON_SCHEMA)).toEqual([])
  })
})

describe('its text', () => {
  it('has the headline, the suites, who refused whom, the alerts and what could not be read', () => {
    const out = text(renderTls(analysed(story()), wide))
    expect(out).toContain('4 sessions with TLS, 1 without: 2 handshakes complete, 2 failed; 1 decrypted')
    expect(out).toMatch(/TLSv1\.3 {2}TLS_AES_128_GCM_SHA256 +1 +0 +1 +10\.0\.0\.2:3306/)
    expect(out).toContain('2  protocol-version, ended by the server: 10.0.0.9 ▶ 10.0.0.2:3306')
    expect(out).toContain('2  server 10.0.0.2: fatal protocol_version. No common TLS version')
    expect(out).toContain('1  no key for this TLS session (capture.pcap:1)')
    expect(out).toContain('2 handshakes failed')
  })

  it('draws the chain', async () => {
    const out = text(renderTls(await errorQueue(), wide))
    expect(out).toMatch(/▲ \d\d:\d\d:\d\d\.\d{3} \S+ ▶ \S+: its TLS handshake breaks off/)
    expect(out).toMatch(/├── \+[\d.]+ ms ╳ \S+ ▶ \S+: cut right after/)
  })

  it('says so when there is no TLS', () => {
    expect(text(renderTls(analysed([working().quit()]), plain))).toContain('No TLS, among 1 session.')
  })

  it('keeps to the width, and to ASCII where it must', async () => {
    for (const report of [analysed(story()), await errorQueue()]) {
      for (const line of renderTls(report, plain))
        if (!/tshark|mysqlconn/.test(line)) expect(line.length).toBeLessThanOrEqual(80)
      expect(text(renderTls(report, ascii))).toMatch(/^[\x20-\x7e\n]*$/)
    }
  })
})
