/**
 * Every TCP segment of every capture at hand, compared with tshark: same frames, addresses, ports, sequence and acknowledgment
 * numbers, flags and payload lengths. Of several nested headers the innermost counts on both sides.
 */
import { existsSync } from 'node:fs'
import { beforeAll, expect, test } from 'vitest'
import { openCapture } from '../../src/capture/source.ts'
import { IPV4, Ipv6Table, ipv4Text } from '../../src/core/address.ts'
import { AnomalyLog } from '../../src/core/anomaly.ts'
import { MysqlconnError } from '../../src/core/errors.ts'
import { LIMITS } from '../../src/core/limits.ts'
import { Epoch } from '../../src/core/time.ts'
import { PacketLayer } from '../../src/packet/packet-layer.ts'
import type { SegmentView } from '../../src/packet/segment-view.ts'
import { CAPTURES, needs } from '../kit/require.ts'
import { captureFiles, type Row, tsharkRows, tsharkRowsOfAll } from '../kit/tshark.ts'

const FOLDERS = ['corpora', 'incidents', 'proxysql'].map((f) => `${CAPTURES}/${f}`).filter((f) => existsSync(f))

const FIELDS = [
  'frame.number',
  'frame.protocols',
  'ip.src',
  'ip.dst',
  'ipv6.src',
  'ipv6.dst',
  'tcp.srcport',
  'tcp.dstport',
  'tcp.seq_raw',
  'tcp.ack_raw',
  'tcp.flags',
  'tcp.len',
]

/** Where we differ from tshark 4.0 on purpose, and why. */
const DIFFERENT: Record<string, string> = {
  'container/arkime-80211http.pcap':
    'IEEE 802.11 is not decoded: encrypted in the field, and never where a database is',
  'container/tcpdump-bigtcp-ipv6.pcap':
    'IPv6 payload length 0 above segmentation offload (BIG TCP): we take the length of the frame, as tcpdump does; tshark gives up',
}

needs(
  'tshark',
  'mergecap',
  'capinfos',
  CAPTURES,
)('every TCP segment as tshark sees it', () => {
  const files = FOLDERS.flatMap(captureFiles)
  let theirs = new Map<string, Row[]>()
  beforeAll(() => {
    theirs = tsharkRowsOfAll(files, 'tcp', FIELDS)
  }, 300_000)
  const reason = (path: string): string | undefined => DIFFERENT[path.split('/').slice(-2).join('/')]

  test.each(files.filter((f) => reason(f) !== undefined))('%s: another answer, on purpose', async (path) => {
    expect(await segments(path), reason(path)).not.toEqual(tsharkSegments(theirs.get(path)!))
  })

  test.each(files.filter((f) => reason(f) === undefined))('%s', async (path) => {
    const ours = await segments(path)
    let rows = tsharkSegments(theirs.get(path)!)
    if (rows.join('\n') !== ours.join('\n')) rows = tsharkSegments(tsharkRows(path, 'tcp', FIELDS))
    expect(ours).toEqual(rows)
  })
})

/** `frame source:port > destination:port seq ack flags length`, one line for each segment. */
async function segments(path: string): Promise<string[]> {
  const lines: string[] = []
  const addresses = new Ipv6Table()
  const segment = (s: SegmentView): void => {
    const src = s.family === IPV4 ? ipv4Text(s.srcIp) : addresses.text(s.srcIp)
    const dst = s.family === IPV4 ? ipv4Text(s.dstIp) : addresses.text(s.dstIp)
    lines.push(`${s.frame} ${src}:${s.srcPort} > ${dst}:${s.dstPort} ${s.seq} ${s.ack} ${s.flags} ${s.dataLength}`)
  }
  const anomalies = new AnomalyLog()
  const sink = new PacketLayer({ segment }, addresses, anomalies, LIMITS)
  try {
    const capture = await openCapture(path, { epoch: new Epoch(), anomalies, sink })
    await capture.run()
    capture.close()
  } catch (error) {
    // One file of the corpus is no capture at all; tshark has no rows for it either.
    if (!(error instanceof MysqlconnError) || error.code !== 'E_INPUT_UNRECOGNISED') throw error
  }
  return lines
}

function tsharkSegments(rows: Row[]): string[] {
  return rows.flatMap((row) => {
    const protocols = row[1]!
    // A segment quoted by an ICMP error is not one.
    if (/icmp(v6)?:.*tcp/.test(protocols)) return []
    // Header cut, or its length bogus: tshark shows what it can, we count the frame (packet.truncated-header, packet.malformed).
    if (row[8] === '' || row[9] === '' || row[11] === '') return []
    const last = (column: number): string => row[column]!.split(',').at(-1)!
    const isIpv6 = protocols.lastIndexOf(':ipv6') > protocols.lastIndexOf(':ip:')
    const src = last(isIpv6 ? 4 : 2)
    const dst = last(isIpv6 ? 5 : 3)
    const flags = Number(last(10)) & 0xff
    return `${row[0]} ${src}:${last(6)} > ${dst}:${last(7)} ${last(8)} ${last(9)} ${flags} ${last(11)}`
  })
}
