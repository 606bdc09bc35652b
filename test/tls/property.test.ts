/** Properties: segmentation changes nothing, any bytes are survived, memory stays bounded, application data is skipped fast. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CLIENT, type Direction, SERVER } from '../../src/core/direction.ts'
import { plaintextKind } from '../../src/tls/plaintext.ts'
import { TlsTracker } from '../../src/tls/tracker.ts'
import { bytes, clientHello, handshake, Recorder, record, sealed, serverHello, type TlsEvent } from './kit.ts'

const ccs = record(20, bytes(1))
const finished12 = record(22, new Uint8Array(40).fill(0x5a))

/** Turns of a conversation: every stream here is TLS to its end, or to the plain text that ends it. */
const conversation = fc
  .record({
    tls13: fc.boolean(),
    padding: fc.integer({ min: 0, max: 3000 }),
    sizes: fc.array(fc.tuple(fc.constantFrom(CLIENT, SERVER), fc.integer({ min: 0, max: 18432 })), { maxLength: 8 }),
    alert: fc.boolean(),
    quit: fc.boolean(),
  })
  .map(({ tls13, padding, sizes, alert, quit }) => {
    const turns: { dir: Direction; wire: Uint8Array }[] = []
    const say = (dir: Direction, ...parts: Uint8Array[]) => turns.push({ dir, wire: bytes(...parts) })
    const hello = clientHello({ versions: tls13 ? [0x0304, 0x0303] : [0x0303], sni: 'db', padding })
    say(CLIENT, record(22, hello.subarray(0, 50)), record(22, hello.subarray(50)))
    if (tls13) {
      say(SERVER, record(22, serverHello()), ccs, sealed(23), sealed(900), sealed(69))
      say(CLIENT, ccs, sealed(69))
    } else {
      say(
        SERVER,
        record(22, bytes(serverHello({ version: 0x0303 }), handshake(11, bytes(0, 0, 0)), handshake(14, bytes()))),
      )
      say(CLIENT, record(22, handshake(16, new Uint8Array(65))), ccs, finished12)
      say(SERVER, ccs, finished12)
    }
    for (const [dir, size] of sizes) say(dir, sealed(size))
    if (alert) say(SERVER, record(21, bytes(1, 0)))
    if (quit) say(CLIENT, Uint8Array.from([1, 0, 0, 0, 1]))
    return turns
  })

/** Events without what depends on segmentation: frames, and the bytes that happen to follow in a segment of plain text. */
function outcome(turns: { dir: Direction; wire: Uint8Array }[], cut: (length: number) => number): unknown[] {
  const recorder = new Recorder()
  const tracker = new TlsTracker(recorder)
  for (const { dir, wire } of turns) {
    for (let p = 0; p < wire.length; ) {
      const end = Math.min(wire.length, p + Math.max(1, cut(wire.length - p)))
      // As in a capture buffer: the segment stands in the middle of other bytes.
      const buf = bytes(0x17, 3, 3, wire.subarray(p, end), 0x17, 3, 3)
      tracker.data(dir, buf, 3, buf.length - 3, 0, 0)
      p = end
    }
  }
  return recorder.events.map((e: TlsEvent) => (e.type === 'notTls' ? { ...e, hex: e.hex.slice(0, 2) } : e))
}

describe('properties', () => {
  it('any segmentation gives the same events', () => {
    fc.assert(
      fc.property(conversation, fc.infiniteStream(fc.integer({ min: 1, max: 2000 })), (turns, cuts) => {
        const whole = outcome(turns, (n) => n)
        expect(whole.length).toBeGreaterThan(2)
        expect(outcome(turns, () => cuts.next().value as number)).toEqual(whole)
        expect(outcome(turns, () => 1)).toEqual(whole)
      }),
      { numRuns: 30 },
    )
  })

  it('any bytes and gaps in any order are survived', () => {
    const headers = fc
      .tuple(fc.integer({ min: 19, max: 25 }), fc.constantFrom(0, 1, 3, 4, 5), fc.integer({ min: 0, max: 300 }))
      .map(([type, minor, length]) => Uint8Array.from([type, 3, minor, length >> 8, length & 255]))
    const body = fc.uint8Array({ maxLength: 200 })
    const message = fc.tuple(fc.constantFrom(1, 2, 11, 16), body).map(([type, b]) => record(22, handshake(type, b)))
    const mutated = fc
      .tuple(
        fc.constantFrom(clientHello({ versions: [0x0304], sni: 'x' }), serverHello()),
        fc.nat(),
        fc.integer({ min: 0, max: 255 }),
      )
      .map(([hello, at, value]) => {
        const wire = record(22, hello)
        wire[at % wire.length] = value
        return wire
      })
    const step = fc.record({
      dir: fc.constantFrom(CLIENT, SERVER),
      segment: fc.oneof(
        headers,
        body,
        message,
        mutated,
        fc.tuple(headers, body).map(([h, b]) => bytes(h, b)),
      ),
      gap: fc.option(fc.integer({ min: 0, max: 70_000 })),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.boolean(), (steps, midstream) => {
        const recorder = new Recorder()
        const tracker = new TlsTracker(recorder, midstream)
        let fed = 0
        for (const { dir, segment, gap } of steps) {
          if (gap !== null) tracker.gap(dir, gap, 0, 1)
          tracker.data(dir, segment, 0, segment.length, 0, 1)
          fed += segment.length
          expect(tracker.missing(dir)).toBeGreaterThanOrEqual(0)
        }
        tracker.end(CLIENT, 0, 1)
        tracker.end(SERVER, 0, 1)
        expect(recorder.of('handshakeDone').length).toBeLessThanOrEqual(1)
        // Every event costs the sender at least one byte.
        expect(recorder.events.length).toBeLessThanOrEqual(fed + 2 * steps.length + 2)
        for (const e of recorder.of('notTls')) expect(plaintextKind(e.hex).kind).toBeTypeOf('string')
      }),
      { numRuns: 400 },
    )
  })

  it('a message that never ends keeps 64 KiB at most', () => {
    const tracker = new TlsTracker(new Recorder())
    const begin = record(22, bytes(11, 0x0f, 0xff, 0xff))
    tracker.data(SERVER, begin, 0, begin.length, 0, 1)
    const more = record(22, new Uint8Array(16384))
    const before = process.memoryUsage().arrayBuffers
    for (let i = 0; i < 60; i++) tracker.data(SERVER, more, 0, more.length, 0, 1)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 << 20)
  })

  it('application data is skipped, not read', () => {
    let seen = 0
    const recorder = new Recorder()
    recorder.applicationData = () => {
      seen++
    }
    const tracker = new TlsTracker(recorder, true)
    // Four full records fill the 64 KiB segments again and again, each time cut elsewhere.
    const wire = bytes(sealed(16401), sealed(16401), sealed(16401), sealed(16401))
    const segment = 65_160
    const stream = bytes(wire, wire)
    let at = 0
    let fed = 0
    const t0 = performance.now()
    for (let i = 0; i < 200_000; i++) {
      tracker.data(SERVER, stream, at, at + segment, 0, 1)
      at = (at + segment) % wire.length
      fed += segment
    }
    const seconds = (performance.now() - t0) / 1000
    expect(seen).toBeGreaterThan((fed / 16406) * 0.999)
    expect(fed / 1e9 / seconds, 'GB/s').toBeGreaterThan(5)
  })
})
