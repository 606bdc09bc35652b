/** Keys from anywhere, in any order: key logs among the inputs, --keylog, secrets in the capture itself, RSA keys. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { analyze } from '../../src/analyze.ts'
import {
  decryptionSecrets,
  enhancedPacket,
  interfaceDescription,
  sectionHeader,
} from '../../src/capture/pcapng-writer.ts'
import type { Report } from '../../src/report/model.ts'
import { needs } from '../kit/require.ts'
import { capture, type Play, rows, working } from '../rules/kit.ts'
import { selfSigned } from './tls-pair.ts'

let folder = ''
const path = (name: string): string => join(folder, name)
const put = (name: string, content: string | Uint8Array): string => {
  writeFileSync(path(name), content)
  return path(name)
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mysqlconn-keys-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const story = (port = 40_000): Play =>
  working({ tls: true, client: `10.0.0.1:${port}` })
    .query('SELECT 1', rows(1))
    .quit()
const decrypted = (r: Report): boolean[] => r.sessions.map((s) => s.tls!.decrypted)
const anomalies = (r: Report, input: string): string[] =>
  r.inputs.find((i) => i.name === input)!.anomalies.map((a) => a.kind)

/** The frames of the plays as pcapng, with a secrets block after so many packets. */
function pcapng(plays: Play[], keyLog: string, after: number): Uint8Array {
  const packets = capture(plays).frames.map(({ at, bytes }) =>
    enhancedPacket({ unixSeconds: Math.floor(at / 1e6), nanoseconds: (at % 1e6) * 1000, bytes }),
  )
  packets.splice(after, 0, decryptionSecrets(keyLog))
  return Buffer.concat([sectionHeader(), interfaceDescription({ linkType: 1 }), ...packets])
}

describe('key logs', () => {
  it('before or behind the capture, by --keylog, gzipped, and in pieces', async () => {
    const p = story()
    const pcap = put('a.pcap', capture(p).bytes)
    const keys = put('a.keys', p.wire.keyLog)
    const half = p.wire.keyLog.indexOf('\n', p.wire.keyLog.length / 2) + 1
    const one = put('a1.keys', p.wire.keyLog.slice(0, half))
    const two = put('a2.keys', p.wire.keyLog.slice(half))
    const packed = put('a.keys.gz', gzipSync(p.wire.keyLog))
    for (const inputs of [
      [keys, pcap],
      [pcap, keys],
      [pcap, packed],
      [two, pcap, one],
    ])
      expect(decrypted(await analyze(inputs))).toEqual([true])
    const report = await analyze([pcap], { keylogs: [keys] })
    expect(decrypted(report)).toEqual([true])
    expect(report.inputs[1]).toMatchObject({
      kind: 'keylog',
      format: 'nss-keylog',
      lines: 4,
      recognised: 4,
      anomalies: [],
    })
    expect(decrypted(await analyze([pcap]))).toEqual([false])
  })

  it('of other sessions: said with the log, and the analysis goes on', async () => {
    const p = story()
    const pcap = put('b.pcap', capture(p).bytes)
    const keys = put('b.keys', story().wire.keyLog)
    const report = await analyze([pcap, keys])
    expect(decrypted(report)).toEqual([false])
    expect(anomalies(report, 'b.keys')).toEqual(['keylog.no-match'])
    expect(anomalies(report, 'b.pcap')).toContain('capture.tls-no-keys')
  })

  it('with wrong secrets: said once with the sessions, and the analysis goes on', async () => {
    const plays = [story(40_000), story(40_001)]
    const pcap = put('c.pcap', capture(plays).bytes)
    const keys = put('c.keys', plays.map((p) => p.wire.keyLog.replace(/[0-9a-f]{4}$/gm, '0000')).join(''))
    const report = await analyze([pcap, keys])
    expect(decrypted(report)).toEqual([false, false])
    const wrong = report.inputs.find((i) => i.name === 'c.pcap')!.anomalies.find((a) => a.kind === 'tls.wrong-keys')
    expect(wrong).toMatchObject({ count: 2, places: ['c.pcap:0', 'c.pcap:1'] })
    expect(report.sessions[0]!.mysql!.limits).toContain('TLS: the keys given for this session do not open it')
  })

  it('named by --keylog but no key log: said, never an error', async () => {
    const p = story()
    const pcap = put('d.pcap', capture(p).bytes)
    for (const [name, content] of [
      ['empty.keys', ''],
      ['text.keys', 'hello\nworld\n'],
      ['binary.keys', Uint8Array.of(0, 1, 2, 0xff, 10, 0)],
      ['long.keys', 'x'.repeat(3_000_000)],
    ] as const) {
      const report = await analyze([pcap], { keylogs: [put(name, content)] })
      expect(anomalies(report, name)).toContain('keylog.no-match')
      if (name !== 'empty.keys') expect(anomalies(report, name)).toContain('keylog.damaged')
    }
  })

  it('a session begun before the capture: no key log can open it, and that is said', async () => {
    const p = working({ tls: true }).unseen((q) => q.query('SELECT 1', rows(1)))
    const begun = working({ tls: true })
    begun.wire.frames.splice(0)
    begun.query('SELECT 1', rows(1)).ping().quit()
    const pcap = put('e.pcap', capture([begun]).bytes)
    const report = await analyze([pcap, put('e.keys', begun.wire.keyLog + p.wire.keyLog)])
    expect(decrypted(report)).toEqual([false])
    expect(anomalies(report, 'e.pcap')).toContain('tls.handshake-unseen')
    // Without any keys there is nothing to expect of them.
    expect(anomalies(await analyze([pcap]), 'e.pcap')).not.toContain('tls.handshake-unseen')
  })
})

describe('secrets in the capture', () => {
  it('anywhere in the file', async () => {
    for (const after of [0, 5, 9, 20, 10_000]) {
      const p = story()
      const file = put(`f${after}.pcapng`, pcapng([p], p.wire.keyLog, after))
      const report = await analyze([file])
      expect([after, ...decrypted(report)]).toEqual([after, true])
      expect(report.summary.sessions).toBe(1)
      expect(report.inputs).toHaveLength(1)
    }
  })

  it('of one capture open sessions of another, whichever comes first', async () => {
    const p = story()
    const pcap = put('g.pcap', capture(p).bytes)
    const other = put('h.pcapng', pcapng([story(41_000)], p.wire.keyLog, 3))
    for (const inputs of [
      [pcap, other],
      [other, pcap],
    ]) {
      const report = await analyze(inputs)
      const own = report.sessions.filter((s) => s.id.startsWith('g.pcap'))
      expect(own.map((s) => s.tls!.decrypted)).toEqual([true])
      expect(report.inputs.map((i) => i.name)).toEqual(inputs.map((i) => i.slice(folder.length + 1)))
      expect(report.summary.sessions).toBe(2)
    }
  })
})

needs('openssl')('--rsa-key', () => {
  it('takes PEM, says no to what is no RSA key', async () => {
    const pcap = put('i.pcap', capture(story()).bytes)
    const good = put('rsa.pem', selfSigned().key)
    expect(decrypted(await analyze([pcap], { rsaKeys: [good] }))).toEqual([false])
    for (const bad of [put('ec.pem', selfSigned('ec').key), put('cert.pem', selfSigned().cert), put('nothing', '')])
      await expect(analyze([pcap], { rsaKeys: [bad] })).rejects.toMatchObject({ code: 'E_USAGE' })
    await expect(analyze([pcap], { rsaKeys: [path('missing.pem')] })).rejects.toMatchObject({ code: 'E_INPUT_OPEN' })
  })
})
