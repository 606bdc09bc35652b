import { describe, expect, it } from 'vitest'
import { linkTypeName } from '../../src/capture/link-types.ts'
import { groupSeries } from '../../src/capture/series.ts'
import { sniff } from '../../src/capture/sniff.ts'

const text = (s: string) => new TextEncoder().encode(s)
const random = 'ab'.repeat(32)

describe('sniff', () => {
  it.each([
    ['a CLIENT_RANDOM line', `CLIENT_RANDOM ${random} ${'cd'.repeat(48)}\n`, 'keylog'],
    [
      'TLS 1.3 lines after comments',
      `# SSL key log\n\nSERVER_HANDSHAKE_TRAFFIC_SECRET ${random} ${'0f'.repeat(32)}\r\n`,
      'keylog',
    ],
    ['an application secret', `CLIENT_TRAFFIC_SECRET_0 ${random} ${'0f'.repeat(48)}\n`, 'keylog'],
    ['a log that mentions it', `CLIENT_RANDOM is what we log\n`, 'text'],
    ['a log with colours and latin-1', '\x1b[31m2026 Fehler: Stra\xdfe\x1b[0m\n', 'text'],
    ['JSON lines', '{"at":1}\n', 'text'],
    ['bytes', 'abc\0def', 'unknown'],
    ['nothing', '', 'empty'],
  ])('%s', (_, content, kind) => {
    expect(sniff(text(content)).kind).toBe(kind)
  })

  it('knows compressed files, and by name those to be decompressed first', () => {
    expect(sniff(Uint8Array.of(0x1f, 0x8b, 8))).toMatchObject({ kind: 'packed', compression: 'gzip' })
    expect(sniff(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd))).toMatchObject({ kind: 'packed', compression: 'zstd' })
    expect(sniff(Uint8Array.of(0x5e, 0x2a, 0x4d, 0x18))).toMatchObject({ kind: 'packed', compression: 'zstd' })
    expect(sniff(Uint8Array.of(0x04, 0x22, 0x4d, 0x18)).hint).toContain('lz4 -d')
    expect(sniff(text('BZh91AY')).hint).toContain('bzip2 -d')
    expect(sniff(text('snoop\0\0\0')).hint).toContain('editcap')
  })
})

it('link types have their tcpdump.org names, unknown ones their number', () => {
  expect([1, 113, 276, 101, 147].map(linkTypeName)).toEqual([
    'EN10MB',
    'LINUX_SLL',
    'LINUX_SLL2',
    'RAW',
    'LINKTYPE_147',
  ])
})

describe('groupSeries', () => {
  const at = (unixSeconds: number) => ({ unixSeconds, nanoseconds: 0 })
  const group = (...files: [string, number | null, number?, string?][]) =>
    groupSeries(
      files.map(([path, first, last, format]) => ({
        path,
        format: format ?? 'pcap',
        first: first === null ? null : at(first),
        last: last === undefined ? null : at(last),
      })),
    ).map((series) => series.map((f) => f.path))

  it('tcpdump -C, whose first file has no number, also compressed, in order of time and not of name', () => {
    expect(
      group(
        ['d/cap.pcap', 10],
        ['d/cap.pcap1.gz', 20, undefined, 'pcap.gz'],
        ['d/cap.pcap10', 110],
        ['d/cap.pcap2', 30],
      ),
    ).toEqual([['d/cap.pcap', 'd/cap.pcap1.gz', 'd/cap.pcap2', 'd/cap.pcap10']])
  })

  it('tcpdump -W wrapped around', () => {
    expect(group(['r.pcap0', 300], ['r.pcap1', 100], ['r.pcap2', 200])).toEqual([['r.pcap1', 'r.pcap2', 'r.pcap0']])
  })

  it('tcpdump -G with strftime or %s, and dumpcap both ways', () => {
    expect(group(['t-2026-11-20_17:10:00.pcap', 1], ['t-2026-11-20_17:20:00.pcap', 2])).toHaveLength(1)
    expect(group(['t-20261120171000.pcap', 1], ['t-20261120172000.pcap', 2])).toHaveLength(1)
    expect(group(['t-1763658600.pcap', 1], ['t-1763659200.pcap', 2])).toHaveLength(1)
    const ng = 'pcapng'
    expect(
      group(['x_00001_20261120171000.pcapng', 1, undefined, ng], ['x_00002_20261120172000.pcapng', 2, undefined, ng]),
    ).toHaveLength(1)
    expect(
      group(['x_20261120171000_00001.pcapng', 1, undefined, ng], ['x_20261120172000_00002.pcapng', 2, undefined, ng]),
    ).toHaveLength(1)
  })

  it('keeps apart recordings of different hosts, folders and formats, and files that were recorded at the same time', () => {
    expect(group(['db1_00001_20261120171000.pcap', 1], ['db2_00001_20261120171000.pcap', 1])).toHaveLength(2)
    expect(group(['a/cap.pcap1', 1], ['b/cap.pcap2', 2])).toHaveLength(2)
    expect(group(['cap.pcap1', 1], ['cap.pcap2', 2, undefined, 'pcapng'])).toHaveLength(2)
    expect(group(['cap.pcap1', 1, 100], ['cap.pcap2', 50, 150])).toHaveLength(2)
    expect(group(['cap.pcap1', null], ['cap.pcap2', 2])).toHaveLength(2)
  })

  it('takes a bare number for a series only when the times prove it', () => {
    expect(group(['db1.pcap', 1], ['db2.pcap', 5])).toHaveLength(2)
    expect(group(['db1.pcap', 1, 9], ['db2.pcap', 5, 9])).toHaveLength(2)
    expect(group(['part1.pcap', 1, 5], ['part2.pcap', 5, 9], ['other.pcap', 2, 3])).toEqual([
      ['part1.pcap', 'part2.pcap'],
      ['other.pcap'],
    ])
  })
})
