/** The tls layer against tshark on real captures: records, hellos and alerts, stream by stream. */
import { expect, it } from 'vitest'
import { CLIENT, type Direction, SERVER } from '../../src/core/direction.ts'
import { isGrease } from '../../src/tls/hello.ts'
import { RecordReader, type RecordSink } from '../../src/tls/record.ts'
import { TlsTracker } from '../../src/tls/tracker.ts'
import { type CapturedStream, capture, onCapture, Recorder, streams, tshark } from './kit.ts'

/** Captures without loss, so that both sides read the same bytes; `keys` = the file holds keys and tshark decrypts. */
const CASES: { name: string; decodeAs?: string[]; keys?: boolean }[] = [
  { name: 'corpora/tls/wireshark-tls12-aes128ccm.pcap' },
  { name: 'corpora/tls/wireshark-tls12-aes256gcm.pcap' },
  { name: 'corpora/tls/wireshark-tls12-dsb.pcapng', keys: true },
  { name: 'corpora/tls/wireshark-tls13-rfc8446.pcap' },
  { name: 'corpora/tls/wireshark-dhe1.pcapng.gz' },
  { name: 'corpora/tls/scapy-tls_new-session-ticket.pcap' },
  { name: 'corpora/mysql/zeek-encrypted.pcap' },
  { name: 'corpora/mysql/zeek-tls-13-amazon-rds.pcap' },
  { name: 'corpora/mysql/ndpi-mysql.pcapng' },
  { name: 'corpora/mysql/pcapplusplus-pcapng-example.pcapng' },
  { name: 'corpora/tcp/arkime-tls-split-client-hello.pcap' },
  { name: 'corpora/tcp/ndpi-tls_alert.pcap' },
  { name: 'corpora/tcp/suricata-bug-7264-tcp-3whs-ack-data-tls-01.pcap' },
  { name: 'incidents/tls-client-cert-missing/capture.pcap' },
  { name: 'incidents/tls-close-without-quit/capture.pcap' },
  { name: 'incidents/tls-closed-mid-handshake-rst/capture.pcap' },
  { name: 'incidents/tls-control-12-mariadb/capture.pcap' },
  { name: 'incidents/tls-control-13/capture.pcap' },
  { name: 'incidents/tls-expired-cert-tls12/capture.pcap' },
  { name: 'incidents/tls-haproxy-idle-kill/capture.pcap' },
  { name: 'incidents/tls-plaintext-after-sslrequest/capture.pcap' },
  { name: 'incidents/tls-unknown-ca/capture.pcap' },
  { name: 'incidents/tls-version-mismatch/capture.pcap' },
  { name: 'incidents/wrong-protocol-tls-hello-to-mysql-port/capture.pcap', decodeAs: ['tcp.port==3306,tls'] },
]

const FIELDS = [
  ...['frame.number', 'tcp.stream', 'tls.record.length', 'tls.handshake.type', 'tls.handshake.version'],
  ...['tls.handshake.ciphersuite', 'tls.handshake.extensions.supported_version'],
  ...['tls.handshake.extensions_server_name', 'tls.alert_message.level', 'tls.alert_message.desc', 'tcp.srcport'],
]

const list = (cell: string | undefined): number[] =>
  cell === undefined || cell === '' ? [] : cell.split(',').map(Number)

/** Lengths of the records of one stream, all of them, in the order in which tshark completes them: by direction. */
function recordLengths(s: CapturedStream): [number[], number[]] {
  const lengths: [number[], number[]] = [[], []]
  const sink: RecordSink = {
    record(dir, _type, _version, length) {
      lengths[dir].push(length)
      return false
    },
    fragment() {},
    fragmentGap() {},
    recordEnd() {},
    notRecord() {},
    resynced() {},
  }
  const readers = [new RecordReader(CLIENT, sink, false), new RecordReader(SERVER, sink, false)]
  for (const c of s.chunks) readers[c.dir]!.feed(c.bytes, 0, c.bytes.length, 0, c.frame)
  // A record that the capture does not hold to its end is none to tshark.
  for (const dir of [CLIENT, SERVER]) if (readers[dir]!.missing > 5) lengths[dir].pop()
  return lengths
}

for (const { name, decodeAs, keys } of CASES) {
  onCapture(name)(`tls of ${name} as tshark reads it`, () => {
    const rows = tshark(capture(name), 'tls', FIELDS, decodeAs ?? [])
    const all = streams(capture(name))
    const heard = all.map((s) => {
      const recorder = new Recorder()
      const tracker = new TlsTracker(recorder)
      for (const c of s.chunks) tracker.data(c.dir, c.bytes, 0, c.bytes.length, 0, c.frame)
      return { ...s, recorder }
    })
    const rowsOf = (stream: number) => rows.filter((r) => Number(r[1]) === stream)

    it('record lengths', () => {
      expect(all.some((s) => recordLengths(s)[CLIENT].length + recordLengths(s)[SERVER].length > 0)).toBe(
        rows.length > 0,
      )
      for (const s of all) {
        const theirs: [number[], number[]] = [[], []]
        const dirOf = new Map<number, Direction>(s.chunks.map((c) => [c.frame, c.dir]))
        for (const r of rowsOf(s.stream)) theirs[dirOf.get(Number(r[0]))!].push(...list(r[2]))
        if (s.joined) {
          expect(recordLengths(s)[SERVER], `stream ${s.stream}`).toEqual(theirs[SERVER])
        } else expect(recordLengths(s), `stream ${s.stream}`).toEqual(theirs)
      }
    })

    it('ClientHello: version, cipher suites, supported versions, server name', () => {
      const ours = heard.flatMap((s) =>
        (s.joined ? [] : s.recorder.of('clientHello')).map(({ hello: h }) => [
          s.stream,
          h.legacyVersion,
          h.versions,
          h.ciphers,
          h.sni ?? '',
        ]),
      )
      const theirs = rows
        .filter((r) => list(r[3]).includes(1))
        .map((r) => [
          ...[Number(r[1]), list(r[4])[0]],
          ...[list(r[6]).filter((v) => !isGrease(v)), list(r[5]).filter((v) => !isGrease(v)), r[7]],
        ])
      expect(byStream(ours)).toEqual(byStream(theirs))
      for (const s of heard)
        if (s.joined) expect(s.recorder.of('clientHello').length, `stream ${s.stream}`).toBeGreaterThan(0)
    })

    it('ServerHello: version and cipher suite selected', () => {
      const ours = heard.flatMap((s) =>
        s.recorder.of('serverHello').map(({ hello: h }) => [s.stream, h.version, h.cipher]),
      )
      const theirs = rows
        .filter((r) => list(r[3]).includes(2))
        .map((r) => [Number(r[1]), list(r[6])[0] ?? list(r[4])[0], list(r[5])[0]])
      expect(byStream(ours)).toEqual(byStream(theirs))
    })

    it.skipIf(keys === true)('alerts in the clear', () => {
      const ours = heard.flatMap((s) =>
        s.recorder
          .of('alert')
          .filter((a) => !a.encrypted)
          .map((a) => [s.stream, a.level, a.description]),
      )
      const theirs = rows.flatMap((r) => list(r[9]).map((d, i) => [Number(r[1]), list(r[8])[i], d]))
      expect(byStream(ours)).toEqual(byStream(theirs))
    })
  })
}

const byStream = <T extends unknown[]>(rows: T[]): T[] => [...rows].sort((a, b) => (a[0] as number) - (b[0] as number))
