import { describe, expect, it } from 'vitest'
import { bytesOf, concat, kinds, pcapHeader, pcapRecord, readBytes } from './kit.ts'

const SECOND = 1_700_000_000
const packet = (i: number, length = 60) =>
  pcapRecord({ seconds: SECOND + i, fraction: i, data: bytesOf(length, i + 1) })

describe('classic pcap', () => {
  it('reads µs and ns files in both byte orders to the same frames, exact to the nanosecond', () => {
    for (const little of [true, false]) {
      const data = bytesOf(60, 9)
      const record = (fraction: number) => pcapRecord({ seconds: SECOND, fraction, data, little, original: 1500 })
      const micro = readBytes('pcap', concat(pcapHeader({ little }), record(123_456)))
      const nano = readBytes('pcap', concat(pcapHeader({ little, magic: 0xa1b23c4d }), record(123_456_789)))
      expect(micro.frames[0]).toEqual({
        frame: 1,
        time: '1700000000.123456000',
        linkType: 1,
        fcsBytes: 0,
        interfaceId: 0,
        originalLength: 1500,
        comment: '',
        bytes: '09'.repeat(60),
      })
      expect(nano.frames[0]).toEqual({ ...micro.frames[0], time: '1700000000.123456789' })
      expect(micro.info).toMatchObject({
        endianness: little ? 'little' : 'big',
        resolutions: ['10^-6'],
        version: '2.4',
      })
      expect(nano.info.resolutions).toEqual(['10^-9'])
      expect(kinds(micro)).toEqual(['capture.snaplen'])
    }
  })

  it('reads the modified format, whose record headers have 24 bytes', () => {
    const file = concat(
      pcapHeader({ magic: 0xa1b2cd34 }),
      pcapRecord({ seconds: SECOND, data: bytesOf(50, 1), header: 24 }),
      pcapRecord({ seconds: SECOND, data: bytesOf(51, 2), header: 24 }),
    )
    expect(readBytes('pcap', file).frames.map((f) => f.bytes.length / 2)).toEqual([50, 51])
  })

  it('takes FCS bytes from the link-type word only when its F bit says so', () => {
    const record = packet(0)
    expect(readBytes('pcap', concat(pcapHeader({ linkWord: 0x24000001 }), record)).frames[0]).toMatchObject({
      linkType: 1,
      fcsBytes: 4,
    })
    expect(readBytes('pcap', concat(pcapHeader({ linkWord: 0x20000071 }), record)).frames[0]).toMatchObject({
      linkType: 113,
      fcsBytes: 0,
    })
  })

  it('reads other versions and says so; before 2.3 the two lengths are swapped, in 2.3 they may be', () => {
    const swapped = pcapRecord({ seconds: SECOND, data: bytesOf(60, 1), captured: 90, original: 60 })
    const straight = pcapRecord({ seconds: SECOND, data: bytesOf(60, 1), captured: 60, original: 90 })
    for (const [minor, record] of [
      [2, swapped],
      [3, swapped],
      [3, straight],
      [5, straight],
    ] as const) {
      const reading = readBytes('pcap', concat(pcapHeader({ version: [2, minor] }), record, record))
      expect(reading.frames.map((f) => [f.bytes.length / 2, f.originalLength])).toEqual([
        [60, 90],
        [60, 90],
      ])
      expect(kinds(reading)).toContain('capture.version')
    }
  })

  it('takes seconds past 2038 as unsigned', () => {
    const file = concat(pcapHeader(), pcapRecord({ seconds: 0xfffffff0, data: bytesOf(60, 1) }))
    expect(readBytes('pcap', file).frames[0]!.time).toBe('4294967280.000000000')
  })

  it('keeps reading after an absurd captured length, and says where the damage was', () => {
    const bad = pcapRecord({ seconds: SECOND + 2, data: bytesOf(60, 3), captured: 0xffffffff })
    const reading = readBytes('pcap', concat(pcapHeader(), packet(0), packet(1), bad, packet(3), packet(4)))
    expect(reading.frames.map((f) => f.time.slice(0, 10))).toEqual([
      '1700000000',
      '1700000001',
      '1700000003',
      '1700000004',
    ])
    expect(reading.anomalies).toEqual([
      { kind: 'capture.damaged', count: 1, firstFrame: 2, places: ['offset 176: 76 bytes skipped after frame 2'] },
    ])
  })

  it('finds the last record after damage, and bytes that were lost from the middle of the file', () => {
    const bad = pcapRecord({ seconds: SECOND + 2, data: bytesOf(60, 3), captured: 0x7fffffff })
    expect(readBytes('pcap', concat(pcapHeader(), packet(0), bad, packet(3))).frames).toHaveLength(2)

    const whole = concat(...Array.from({ length: 200 }, (_, i) => packet(i, 400)))
    const holed = concat(pcapHeader(), whole.subarray(0, 20_000), whole.subarray(20_777))
    const reading = readBytes('pcap', holed)
    expect(reading.frames.length).toBeGreaterThan(195)
    expect(reading.frames.at(-1)!.time).toBe('1700000199.000199000')
    expect(kinds(reading)).toContain('capture.damaged')
  })

  it('treats the zeros that a crash leaves behind as damage, not as millions of empty packets', () => {
    const reading = readBytes('pcap', concat(pcapHeader(), packet(0), packet(1), new Uint8Array(100_000)))
    expect(reading.frames).toHaveLength(2)
    expect(reading.anomalies).toMatchObject([
      { kind: 'capture.damaged', places: ['offset 176: 100000 bytes skipped after frame 2'] },
    ])
  })

  it('reads oddities of careless writers: microseconds past a second, packets longer than the snapshot length', () => {
    const file = concat(
      pcapHeader({ snaplen: 96 }),
      pcapRecord({ seconds: SECOND, fraction: 1_500_000, data: bytesOf(200, 1) }),
      pcapRecord({ seconds: SECOND + 2, data: bytesOf(0, 1), original: 60 }),
    )
    const reading = readBytes('pcap', file)
    expect(reading.frames.map((f) => f.time)).toEqual(['1700000001.500000000', '1700000002.000000000'])
    expect(kinds(reading)).toEqual(['capture.snaplen'])
  })

  it('names a truncated tail with the frame before it, and a truncated file header', () => {
    const file = concat(pcapHeader(), packet(0), packet(1))
    const cut = readBytes('pcap', file.subarray(0, file.length - 1))
    expect(cut.frames).toHaveLength(1)
    expect(cut.anomalies).toMatchObject([{ kind: 'capture.truncated-tail', firstFrame: 1 }])
    expect(kinds(readBytes('pcap', file.subarray(0, 20)))).toEqual(['capture.truncated-tail'])
  })

  it('notes frames out of time order and keeps the earliest and latest time', () => {
    const reading = readBytes('pcap', concat(pcapHeader(), packet(5), packet(3), packet(9)))
    expect(reading.anomalies).toMatchObject([{ kind: 'capture.time-backwards', count: 1, firstFrame: 2 }])
    expect(reading.info.firstAt).toBe(-2e9 + 3000)
    expect(reading.info.lastAt).toBe(4e9 + 9000)
  })
})
