import { describe, expect, it } from 'vitest'
import {
  decryptionSecrets,
  enhancedPacket,
  interfaceDescription,
  interfaceStatistics,
  sectionHeader,
} from '../../src/capture/pcapng-writer.ts'
import { bytesOf, concat, kinds, readBytes } from './kit.ts'

const SECOND = 1_700_000_000
const packet = (i: number, more: object = {}) =>
  enhancedPacket({ unixSeconds: SECOND + i, nanoseconds: 123_456_789, bytes: bytesOf(61, i + 1), ...more })
const start = concat(sectionHeader(), interfaceDescription({ linkType: 1 }))

/** A block of any type and body, in either byte order; `trailer` replaces the second length. */
function block(type: number, body: Uint8Array, little = true, trailer?: number): Uint8Array {
  const bytes = new Uint8Array(12 + ((body.length + 3) & ~3))
  const view = new DataView(bytes.buffer)
  view.setUint32(0, type, little)
  view.setUint32(4, bytes.length, little)
  bytes.set(body, 8)
  view.setUint32(bytes.length - 4, trailer ?? bytes.length, little)
  return bytes
}

function words(little: boolean, ...values: number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4)
  values.forEach((value, i) => {
    new DataView(bytes.buffer).setUint32(i * 4, value, little)
  })
  return bytes
}

/** An interface of Ethernet with the given if_tsresol, and optionally if_tsoffset. */
function interfaceWith(tsresol: number, offset?: bigint): Uint8Array {
  const options = [Uint8Array.of(9, 0, 1, 0, tsresol, 0, 0, 0)]
  if (offset !== undefined) {
    const value = new Uint8Array(12)
    value.set([14, 0, 8, 0])
    new DataView(value.buffer).setBigInt64(4, offset, true)
    options.push(value)
  }
  return block(1, concat(words(true, 1, 0), ...options))
}

function timed(ticks: bigint): Uint8Array {
  const data = bytesOf(20, 1)
  return block(6, concat(words(true, 0, Number(ticks >> 32n), Number(ticks & 0xffffffffn), 20, 20), data))
}

describe('pcapng', () => {
  it('reads back what the writer wrote: interfaces, comments, cut lengths, secrets, counters', () => {
    const file = concat(
      sectionHeader({ hardware: 'x86', os: 'Linux 6.1', application: 'mysqlconn' }),
      interfaceDescription({ linkType: 1, name: 'eth0', snaplen: 128, filter: 'tcp port 3306' }),
      interfaceDescription({ linkType: 113, name: 'any', resolution: 6 }),
      decryptionSecrets('CLIENT_RANDOM aa bb\n'),
      packet(0, { comment: 'first — ünïcode', originalLength: 1500 }),
      enhancedPacket({ interfaceId: 1, unixSeconds: SECOND, nanoseconds: 999_999_000, bytes: bytesOf(3, 7) }, 6),
      interfaceStatistics({ unixSeconds: SECOND, nanoseconds: 0, received: 1000, interfaceDrops: 7, systemDrops: 5 }),
    )
    const reading = readBytes('pcapng', file)
    expect(reading.frames).toMatchObject([
      {
        frame: 1,
        time: '1700000000.123456789',
        linkType: 1,
        interfaceId: 0,
        originalLength: 1500,
        comment: 'first — ünïcode',
        bytes: '01'.repeat(61),
      },
      {
        frame: 2,
        time: '1700000000.999999000',
        linkType: 113,
        interfaceId: 1,
        originalLength: 3,
        comment: '',
        bytes: '070707',
      },
    ])
    expect(reading.secrets).toEqual(['CLIENT_RANDOM aa bb\n'])
    expect(reading.info).toMatchObject({
      endianness: 'little',
      version: '1.0',
      hardware: 'x86',
      os: 'Linux 6.1',
      application: 'mysqlconn',
      resolutions: ['10^-9', '10^-6'],
      linkTypeNames: ['EN10MB', 'LINUX_SLL'],
      snaplen: 0,
      comments: 1,
      secrets: 1,
      packets: 2,
      cutPackets: 1,
    })
    expect(reading.info.interfaces[0]).toMatchObject({
      name: 'eth0',
      filter: 'tcp port 3306',
      snaplen: 128,
      received: 1000,
      dropped: 12,
    })
    expect(reading.anomalies).toMatchObject([
      { kind: 'capture.snaplen', firstFrame: 1 },
      { kind: 'capture.kernel-drops', places: ['interface 0 (eth0): 12 of 1000 packets dropped'] },
    ])
  })

  it('divides timestamps exactly in every resolution', () => {
    const second = BigInt(SECOND)
    const cases: [number, bigint, string][] = [
      [0, second, '1700000000.000000000'],
      [3, second * 1000n + 999n, '1700000000.999000000'],
      [6, second * 1_000_000n + 999_999n, '1700000000.999999000'],
      [9, second * 1_000_000_000n + 999_999_999n, '1700000000.999999999'],
      [9, 0xffffffffffffffffn, '18446744073.709551615'],
      [6, 0x1fffffffffffffn, '9007199254.740991000'],
      [12, 17_000_000n * 1_000_000_000_000n + 123_456_789_012n, '17000000.123456789'],
      [0x80 | 20, (second << 20n) + (1n << 19n), '1700000000.500000000'],
      [0x80 | 30, (second << 30n) + 1n, '1700000000.000000000'],
      [0x80 | 32, (second << 32n) + 0xffffffffn, '1700000000.999999999'],
      [0xff, 5n, '0.000000000'],
    ]
    for (const [tsresol, ticks, time] of cases) {
      expect(readBytes('pcapng', concat(sectionHeader(), interfaceWith(tsresol), timed(ticks))).frames[0]!.time).toBe(
        time,
      )
    }
  })

  it('adds if_tsoffset, also a negative one', () => {
    const file = concat(sectionHeader(), interfaceWith(6, -3600n), timed(BigInt(SECOND) * 1_000_000n))
    expect(readBytes('pcapng', file).frames[0]!.time).toBe('1699996400.000000000')
  })

  it('reads sections of different byte order, each with interfaces of its own', () => {
    const big = concat(
      block(0x0a0d0d0a, concat(words(false, 0x1a2b3c4d, 0x00010000), bytesOf(8, 0xff)), false),
      block(1, concat(Uint8Array.of(0, 101, 0, 0), words(false, 0)), false),
      block(6, concat(words(false, 0, 0, 5_000_000, 4, 4), bytesOf(4, 8)), false),
    )
    const reading = readBytes('pcapng', concat(start, packet(0), big))
    expect(reading.frames.map((f) => [f.frame, f.interfaceId, f.linkType, f.time])).toEqual([
      [1, 0, 1, '1700000000.123456789'],
      [2, 1, 101, '5.000000000'],
    ])
    expect(reading.info).toMatchObject({ sections: 2, endianness: 'mixed', interfaceCount: 2 })
  })

  it('reads simple and obsolete packet blocks', () => {
    const file = concat(
      sectionHeader(),
      interfaceDescription({ linkType: 1, snaplen: 10, resolution: 6 }),
      block(2, concat(Uint8Array.of(0, 0, 3, 0), words(true, 0, 7_000_000, 5, 9), bytesOf(5, 1))),
      block(3, concat(words(true, 60), bytesOf(10, 2))),
      block(3, concat(words(true, 8), bytesOf(8, 3))),
    )
    const reading = readBytes('pcapng', file)
    expect(reading.frames.map((f) => [f.bytes.length / 2, f.originalLength, f.time])).toEqual([
      [5, 9, '7.000000000'],
      [10, 60, '7.000000000'],
      [8, 8, '7.000000000'],
    ])
    expect(reading.anomalies.map((a) => [a.kind, a.places[0]])).toContainEqual([
      'capture.kernel-drops',
      'interface 0: 3 packets dropped',
    ])
  })

  it('numbers custom and journal blocks as frames, as Wireshark does, but hands no packet on', () => {
    const custom = block(0x0bad, words(true, 32473, 1))
    const reading = readBytes('pcapng', concat(start, packet(0), custom, block(9, bytesOf(8, 65)), packet(1)))
    expect(reading.frames.map((f) => f.frame)).toEqual([1, 4])
    expect(reading.info).toMatchObject({ packets: 2, frames: 4 })
    expect(kinds(reading)).toEqual([])
  })

  it('takes the FCS length of a packet from epb_flags and of an interface from if_fcslen', () => {
    const withFcs = block(1, concat(words(true, 1, 0), Uint8Array.of(13, 0, 1, 0, 4, 0, 0, 0)))
    const flags = concat(words(true, 0, 0, 0, 4, 4), bytesOf(4, 1), words(true, 0x00040002, 2 << 5))
    const plain = concat(words(true, 0, 0, 0, 4, 4), bytesOf(4, 1))
    const reading = readBytes('pcapng', concat(sectionHeader(), withFcs, block(6, plain), block(6, flags)))
    expect(reading.frames.map((f) => f.fcsBytes)).toEqual([4, 2])
  })

  it('counts packets of undescribed interfaces and names blocks that it does not know', () => {
    const reading = readBytes(
      'pcapng',
      concat(start, packet(0, { interfaceId: 4 }), block(0x7777, bytesOf(4, 0)), packet(1)),
    )
    expect(reading.frames.map((f) => f.frame)).toEqual([2])
    expect(reading.info.packets).toBe(2)
    expect(reading.anomalies).toMatchObject([
      { kind: 'capture.unknown-interface', firstFrame: 1 },
      { kind: 'capture.unknown-block', places: [expect.stringContaining('0x00007777')] },
    ])
  })

  it('reads a block whose second length is wrong when another block follows', () => {
    const wrong = packet(1)
    wrong[wrong.length - 4] = 0xee
    const reading = readBytes('pcapng', concat(start, packet(0), wrong, packet(2)))
    expect(reading.frames).toHaveLength(3)
    expect(reading.anomalies).toMatchObject([{ kind: 'capture.block-length', firstFrame: 1, count: 1 }])
  })

  it('goes on at the next block after a bad length, and at the next section after a hole', () => {
    for (const length of [0, 8, 1000, 0x00ffffff, 0xffffffff]) {
      const bad = packet(1)
      new DataView(bad.buffer).setUint32(4, length, true)
      const reading = readBytes('pcapng', concat(start, packet(0), bad, packet(2), start, packet(3)))
      expect(reading.frames.map((f) => f.time.slice(0, 10))).toEqual(['1700000000', '1700000002', '1700000003'])
      expect(kinds(reading)).toEqual(['capture.damaged'])
    }
  })

  it('keeps the packet when an option runs past its block', () => {
    const options = words(true, 0x00ff0001, 0x41414141)
    const bad = block(6, concat(words(true, 0, 0, 1, 4, 4), bytesOf(4, 1), options))
    const reading = readBytes('pcapng', concat(start, bad))
    expect(reading.frames).toHaveLength(1)
    expect(kinds(reading)).toEqual(['capture.bad-option'])
  })

  it('names a truncated tail with the frame before it', () => {
    const file = concat(start, packet(0), packet(1))
    const reading = readBytes('pcapng', file.subarray(0, file.length - 3))
    expect(reading.frames).toHaveLength(1)
    expect(reading.anomalies).toMatchObject([{ kind: 'capture.truncated-tail', firstFrame: 1 }])
  })
})
