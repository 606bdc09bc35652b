/** What the tracker says of labelled incidents, connection by connection. */
import { expect, it } from 'vitest'
import { CLIENT, SERVER } from '../../src/core/direction.ts'
import { plaintextKind } from '../../src/tls/plaintext.ts'
import { TlsTracker } from '../../src/tls/tracker.ts'
import { needs } from '../kit/require.ts'
import { capture, Recorder, streams } from './kit.ts'

/** The TLS connections of a capture: those that begin with a ClientHello or, `any`, all. */
function sessions(name: string, any = false): Recorder[] {
  const all = streams(capture(name)).map((s) => {
    const recorder = new Recorder()
    const tracker = new TlsTracker(recorder)
    for (const c of s.chunks) tracker.data(c.dir, c.bytes, 0, c.bytes.length, 0, c.frame)
    return recorder
  })
  return all.filter((r) => any || r.of('clientHello').length > 0)
}

const incident = (name: string) => `incidents/${name}/capture.pcap`
const onCapture = (name: string, says: string, test: () => void) =>
  needs('tshark', capture(name))(name, () => it(says, test))

for (const name of ['tls-control-13', 'tls-control-12-mariadb']) {
  onCapture(
    incident(name),
    'every healthy session completes its handshake and carries data, nothing is taken for plain text',
    () => {
      const healthy = sessions(incident(name))
      expect(healthy.length).toBeGreaterThanOrEqual(20)
      for (const r of healthy) {
        expect(r.of('handshakeDone')).toHaveLength(1)
        expect(new Set(r.of('data').map((d) => d.dir))).toEqual(new Set([CLIENT, SERVER]))
        expect(r.of('notTls')).toEqual([])
        expect(r.of('alert').filter((a) => !a.encrypted)).toEqual([])
      }
    },
  )
}

onCapture(incident('tls-expired-cert-tls12'), 'the expired certificate is readable', () => {
  const failed = sessions(incident('tls-expired-cert-tls12'))
  expect(failed).toHaveLength(3)
  for (const r of failed) {
    const certificate = r.of('certificate')[0]!.certificate
    expect(certificate.dir).toBe(SERVER)
    expect(certificate.notAfter).toMatch(/^202[56]-/)
    expect(certificate.subject).not.toBe('')
    expect(r.of('data')).toEqual([])
  }
})

onCapture(incident('tls-unknown-ca'), 'three handshakes never complete, the others do', () => {
  const all = sessions(incident('tls-unknown-ca'))
  const failed = all.filter((r) => r.of('handshakeDone').length === 0)
  expect(failed).toHaveLength(3)
  for (const r of failed) expect(r.of('data')).toEqual([])
  expect(all.length).toBeGreaterThan(3)
})

onCapture(incident('tls-version-mismatch'), 'protocol_version by the server, then an ERR_Packet in the clear', () => {
  const refused = sessions(incident('tls-version-mismatch')).filter((r) => r.of('alert').some((a) => !a.encrypted))
  expect(refused).toHaveLength(3)
  for (const r of refused) {
    expect(r.of('clientHello')[0]!.hello.maxVersion).toBe(0x0303)
    expect(r.of('alert')[0]).toMatchObject({ dir: SERVER, level: 2, description: 70 })
    expect(plaintextKind(r.of('notTls')[0]!.hex)).toMatchObject({
      kind: 'ERR_Packet',
      code: 1043,
      message: 'Bad handshake',
    })
    expect(r.of('handshakeDone')).toEqual([])
  }
})

onCapture(incident('tls-plaintext-after-sslrequest'), 'the login in the clear after SSLRequest', () => {
  const logins = sessions(incident('tls-plaintext-after-sslrequest'), true).filter((r) =>
    r.of('notTls').some((n) => n.dir === CLIENT && n.hex.startsWith('54000002')),
  )
  expect(logins).toHaveLength(2)
  for (const r of logins) {
    expect(r.of('notTls').map((n) => plaintextKind(n.hex).kind)).toEqual(['HandshakeResponse41', 'ERR_Packet'])
  }
})

onCapture(
  'proxysql/R-backend-tls12/capture.pcap',
  'COM_QUIT in the clear at the end of TLS backend connections',
  () => {
    const all = sessions('proxysql/R-backend-tls12/capture.pcap')
    const quits = all.filter((r) => r.of('notTls').some((n) => plaintextKind(n.hex).kind === 'COM_QUIT'))
    expect(quits.length).toBeGreaterThan(3)
    for (const r of quits) expect(r.of('handshakeDone')).toHaveLength(1)
    const unknownCa = all.filter((r) => r.of('alert').some((a) => a.dir === CLIENT && a.description === 48))
    expect(unknownCa.length).toBeGreaterThan(0)
    for (const r of unknownCa) expect(r.of('handshakeDone')).toEqual([])
  },
)
