/** Properties of both readers, over generated files: chunking, truncation, mutation. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  enhancedPacket,
  interfaceDescription,
  interfaceStatistics,
  sectionHeader,
} from '../../src/capture/pcapng-writer.ts'
import { bytesOf, concat, pcapHeader, pcapRecord, readBytes } from './kit.ts'

type Format = 'pcap' | 'pcapng'

const packets = fc.array(
  fc.record({
    seconds: fc.integer({ min: 1_700_000_000, max: 1_700_000_100 }),
    micros: fc.integer({ min: 0, max: 999_999 }),
    data: fc.uint8Array({ minLength: 1, maxLength: 90 }),
    comment: fc.constantFrom('', '', 'a comment'),
  }),
  { maxLength: 12 },
)

const pcapFile = packets.map((list) =>
  concat(pcapHeader(), ...list.map((p) => pcapRecord({ seconds: p.seconds, fraction: p.micros, data: p.data }))),
)
const pcapngFile = packets.map((list) =>
  concat(
    sectionHeader({ os: 'Linux' }),
    interfaceDescription({ linkType: 1, name: 'eth0' }),
    ...list.map((p) =>
      enhancedPacket({ unixSeconds: p.seconds, nanoseconds: p.micros * 1000, bytes: p.data, comment: p.comment }),
    ),
    interfaceStatistics({ unixSeconds: 1_700_000_000, nanoseconds: 0, received: list.length, systemDrops: 1 }),
  ),
)
const files: [Format, fc.Arbitrary<Uint8Array>][] = [
  ['pcap', pcapFile],
  ['pcapng', pcapngFile],
]
/** Overwrites, removals and insertions at random places. */
const damage = fc.array(
  fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    kind: fc.constantFrom('overwrite', 'overwrite', 'remove', 'insert'),
    bytes: fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 8 }),
      fc.constant(bytesOf(4, 0xff)),
      fc.constant(bytesOf(30, 0)),
    ),
  }),
  { minLength: 1, maxLength: 5 },
)
type Damage = { at: number; kind: string; bytes: Uint8Array }

function damaged(file: Uint8Array, changes: readonly Damage[]): Uint8Array {
  let bytes = file
  for (const { at, kind, bytes: change } of changes) {
    const place = Math.floor(at * bytes.length)
    const kept = kind === 'insert' ? place : place + change.length
    bytes = concat(bytes.subarray(0, place), kind === 'remove' ? bytesOf(0, 0) : change, bytes.subarray(kept))
  }
  return bytes
}

describe.each(files)('%s', (format, file) => {
  const chunks = fc.array(fc.integer({ min: 1, max: 70 }), { minLength: 1, maxLength: 40 })

  it('gives the same frames, totals and anomalies however the file is cut into chunks', () => {
    fc.assert(
      fc.property(file, chunks, (bytes, sizes) => {
        expect(readBytes(format, bytes, sizes)).toEqual(readBytes(format, bytes))
      }),
    )
  })

  it('also when the file is damaged', () => {
    fc.assert(
      fc.property(file, damage, chunks, (bytes, changes, sizes) => {
        const bad = damaged(bytes, changes)
        expect(readBytes(format, bad, sizes)).toEqual(readBytes(format, bad))
      }),
    )
  })

  it('gives a prefix of the frames for a prefix of the file, and says that it is cut', () => {
    fc.assert(
      fc.property(file, fc.double({ min: 0, max: 1, noNaN: true }), (bytes, part) => {
        const whole = readBytes(format, bytes)
        const cut = readBytes(format, bytes.subarray(0, Math.floor(part * bytes.length)))
        expect(cut.frames).toEqual(whole.frames.slice(0, cut.frames.length))
      }),
    )
  })

  it('survives any damage, keeps the frames before it, and gives no frame that is not in the file', () => {
    fc.assert(
      fc.property(file, damage, (bytes, changes) => {
        const bad = damaged(bytes, changes)
        const reading = readBytes(format, bad)
        const total = reading.frames.reduce((sum, f) => sum + f.bytes.length / 2, 0)
        expect(total).toBeLessThanOrEqual(bad.length)
        const untouched = Math.min(...changes.map((c) => Math.floor(c.at * (bytes.length - 200)))) - 1
        const before = readBytes(format, bytes.subarray(0, Math.max(0, untouched))).frames
        expect(reading.frames.slice(0, before.length)).toEqual(before)
      }),
      { numRuns: 300 },
    )
  })

  it('survives bytes that are no capture at all', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), chunks, (bytes, sizes) => {
        const prefix = format === 'pcap' ? pcapHeader() : sectionHeader()
        readBytes(format, concat(prefix, bytes), sizes)
        readBytes(format, bytes, sizes)
      }),
    )
  })
})

describe('a damaged file', () => {
  it.each(files.map(([format]) => format))('is searched in time linear to its size (%s)', (format) => {
    const first = format === 'pcap' ? pcapHeader() : concat(sectionHeader(), interfaceDescription({ linkType: 1 }))
    // For pcapng every eight bytes look like the beginning of a block of 512 KiB, the worst that a search can meet.
    const pattern = format === 'pcap' ? [0xff] : [6, 0, 0, 0, 0, 0, 8, 0]
    const bad = concat(
      first,
      new Uint8Array(8 << 20).map((_, i) => pattern[i % pattern.length]!),
    )
    const began = performance.now()
    const reading = readBytes(format, bad, [1 << 20])
    expect(reading.frames).toHaveLength(0)
    expect(performance.now() - began).toBeLessThan(5000)
  })
})
