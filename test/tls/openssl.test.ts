/** Decryption of what only the openssl programs do: KeyUpdate, 0-RTT, resumption by session id, renegotiation. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { CLIENT, type Direction, SERVER } from '../../src/core/direction.ts'
import { KeyStore } from '../../src/tls/key-store.ts'
import { RecordBuffers } from '../../src/tls/record-buffers.ts'
import { TlsTracker } from '../../src/tls/tracker.ts'
import { needs } from '../kit/require.ts'
import { Recorder } from './kit.ts'
import { OpensslServer, type Recorded } from './openssl.ts'

const CONNECTED = 'Verify return code'

function read(recorded: Recorded, keyLog: string, keys = new KeyStore(100)): Recorder {
  keys.addText(keys.begin(), keyLog)
  const recorder = new Recorder()
  const tracker = new TlsTracker(recorder, false, { keys, buffers: new RecordBuffers() })
  for (const [i, c] of recorded.chunks.entries()) tracker.data(c.dir, c.bytes, 0, c.bytes.length, i, i)
  return recorder
}

const heard = (r: Recorder, dir: Direction): string =>
  Buffer.concat(
    r
      .of('plaintext')
      .filter((e) => e.dir === dir)
      .map((e) => e.bytes),
  ).toString()

let server: OpensslServer | null = null
const started = async (...options: string[]): Promise<OpensslServer> => {
  server = new OpensslServer()
  await server.start(options)
  return server
}

afterEach(() => {
  server?.stop()
  server = null
})

needs('openssl')('openssl s_client and s_server', () => {
  it('KeyUpdate: of the client alone, and asked of the server', async () => {
    const s = await started('-rev', '-tls1_3')
    // K: update and ask the peer to do so too; k: update only.
    const lines = ['abc', 'k', 'def', 'K', 'ghi', 'jkl']
    const answers = [CONNECTED, 'cba', 'KEYUPDATE', 'fed', 'KEYUPDATE', 'ihg', 'lkj']
    const recorded = await s.client(['-tls1_3'], lines, answers)
    const r = read(recorded, recorded.keyLog)
    expect(r.of('unreadable')).toEqual([])
    expect(r.of('rekeyed').map((e) => [e.what, e.dir])).toEqual([
      ['KeyUpdate', CLIENT],
      ['KeyUpdate', CLIENT],
      ['KeyUpdate', SERVER],
    ])
    expect(heard(r, CLIENT)).toBe('abc\ndef\nghi\njkl\n')
    expect(heard(r, SERVER)).toBe('cba\nfed\nihg\nlkj\n')
  }, 30_000)

  it('a KeyUpdate that lies in a hole is found', async () => {
    const s = await started('-rev', '-tls1_3')
    const answers = [CONNECTED, 'cba', 'KEYUPDATE', 'fed', 'ihg']
    const recorded = await s.client(['-tls1_3'], ['abc', 'k', 'def', 'ghi'], answers)
    const whole = read(recorded, recorded.keyLog)
    const at = whole.of('rekeyed')[0]!.frame
    const keys = new KeyStore(10)
    keys.addText(keys.begin(), recorded.keyLog)
    const r = new Recorder()
    const tracker = new TlsTracker(r, false, { keys, buffers: new RecordBuffers() })
    recorded.chunks.forEach((c, i) => {
      if (i === at) tracker.gap(c.dir, c.bytes.length, i, i)
      else tracker.data(c.dir, c.bytes, 0, c.bytes.length, i, i)
    })
    expect(r.of('unreadable')).toEqual([])
    expect(heard(r, CLIENT)).toMatch(/^abc\n(def\n)?ghi\n$/)
  }, 30_000)

  it('0-RTT data is read with the early secret', async () => {
    const s = await started('-tls1_3', '-early_data')
    await s.client(['-tls1_3', '-sess_out', 'session.pem'], ['abc'], [CONNECTED, ''])
    writeFileSync(join(s.folder, 'early.txt'), 'early words\n')
    const options = ['-tls1_3', '-sess_in', 'session.pem', '-early_data', 'early.txt']
    const recorded = await s.client(options, ['xyz'], [CONNECTED, ''])
    expect(recorded.clientOutput).toContain('Early data was accepted')
    const r = read(recorded, recorded.keyLog)
    expect(r.of('clientHello')[0]?.hello.earlyDataOffered).toBe(true)
    expect(r.of('unreadable')).toEqual([])
    expect(heard(r, CLIENT)).toBe('early words\nxyz\n')
    expect(r.of('handshakeDone')).toHaveLength(1)
  }, 30_000)

  it('0-RTT data that the server refuses', async () => {
    const s = await started('-tls1_3', '-early_data')
    await s.client(['-tls1_3', '-sess_out', 'session.pem'], ['abc'], [CONNECTED, ''])
    writeFileSync(join(s.folder, 'early.txt'), 'early words\n')
    const options = ['-tls1_3', '-sess_in', 'session.pem', '-early_data', 'early.txt']
    await s.client(options, ['xyz'], [CONNECTED, ''])
    // A ticket is taken for early data once (RFC 8446 8.1).
    const recorded = await s.client(options, ['xyz'], [CONNECTED, ''])
    expect(recorded.clientOutput).toContain('Early data was rejected')
    const r = read(recorded, recorded.keyLog)
    expect(r.of('unreadable')).toEqual([])
    // The server has not made the early secret, so its key log does not have it.
    expect(heard(r, CLIENT)).toBe('xyz\n')
  }, 30_000)

  it('resumption by session id in TLS 1.2, with the secret of the first session only', async () => {
    const s = await started('-rev', '-tls1_2', '-no_ticket')
    const first = await s.client(['-tls1_2', '-no_ticket', '-sess_out', 'session.pem'], ['abc'], [CONNECTED, 'cba'])
    const again = await s.client(['-tls1_2', '-no_ticket', '-sess_in', 'session.pem'], ['xyz'], [CONNECTED, 'zyx'])
    const keys = new KeyStore(10)
    expect(heard(read(first, first.keyLog, keys), CLIENT)).toBe('abc\n')
    const r = read(again, '', keys)
    expect(r.of('serverHello')[0]?.hello.resumed).toBe(true)
    expect(r.of('unreadable')).toEqual([])
    expect([heard(r, CLIENT), heard(r, SERVER)]).toEqual(['xyz\n', 'zyx\n'])
  }, 30_000)

  it('HelloRetryRequest', async () => {
    const s = await started('-rev', '-tls1_3', '-groups', 'P-384')
    const recorded = await s.client(['-tls1_3', '-groups', 'X25519:P-384'], ['abc'], [CONNECTED, 'cba'])
    const r = read(recorded, recorded.keyLog)
    expect(r.of('serverHello').map((e) => e.hello.retryRequest)).toEqual([true, false])
    expect([heard(r, CLIENT), heard(r, SERVER)]).toEqual(['abc\n', 'cba\n'])
  }, 30_000)

  it('a client certificate inside TLS 1.3', async () => {
    const s = await started('-rev', '-tls1_3', '-verify', '1')
    const options = ['-tls1_3', '-cert', 'cert.pem', '-key', 'key.pem']
    const recorded = await s.client(options, ['abc'], [CONNECTED, 'cba'])
    const r = read(recorded, recorded.keyLog)
    expect(r.of('certificate').map((e) => [e.certificate.dir, e.certificate.subject])).toEqual([
      [SERVER, 'db.test'],
      [CLIENT, 'db.test'],
    ])
    expect(heard(r, CLIENT)).toBe('abc\n')
  }, 30_000)
})
