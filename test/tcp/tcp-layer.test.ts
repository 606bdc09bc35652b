import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Harness, type Segment } from './harness.ts'

describe('streams in order', () => {
  it('delivers in-order payload at once, with its offset and frame', () => {
    const h = new Harness().handshake()
    h.send(
      { from: 'c', seq: 1001, ack: 5001, data: 'abc' },
      { from: 's', seq: 5001, ack: 1004, data: 'xy' },
      { from: 'c', seq: 1004, ack: 5003, data: 'de' },
    )
    expect(h.log.events).toEqual(['C 0+abc #4', 'S 0+xy #5', 'C 3+de #6'])
  })

  it('waits for a hole and then delivers both in stream order, each with the frame it stood in', () => {
    const h = new Harness().handshake()
    h.send({ from: 'c', seq: 1004, ack: 5001, data: 'def' }, { from: 'c', seq: 1001, ack: 5001, data: 'abc' })
    expect(h.log.events).toEqual(['C 0+abc #5', 'C 3+def #4'])
  })

  it('drops what was delivered before and keeps the fresh part of an overlap', () => {
    const h = new Harness().handshake()
    h.send(
      { from: 'c', seq: 1001, ack: 5001, data: 'abcd' },
      { from: 'c', seq: 1001, ack: 5001, data: 'abcd' },
      { from: 'c', seq: 1003, ack: 5001, data: 'cdEF' },
    )
    expect(h.log.streams[0]).toBe('abcdEF')
    expect(h.log.conn.halves[0].retransmissions).toBe(2)
  })

  it('is right across the wrap of the sequence number at 2^32', () => {
    const h = new Harness().handshake(0xfffffffd, 0xffffffff)
    h.send(
      { from: 'c', seq: 0xfffffffe, ack: 0, data: 'abcd' },
      { from: 's', seq: 0, ack: 2, data: 'xy' },
      { from: 'c', seq: 2, ack: 2, data: 'e' },
    )
    expect(h.log.streams).toEqual(['abcde', 'xy'])
  })

  it('delivers payload that comes with the SYN (TCP Fast Open) and with the FIN', () => {
    const h = new Harness().send(
      { from: 'c', flags: 'S', seq: 1000, data: 'hi' },
      { from: 's', flags: 'SA', seq: 5000, ack: 1003 },
      { from: 'c', flags: 'FPA', seq: 1003, ack: 5001, data: 'bye' },
    )
    expect(h.log.events).toEqual(['C 0+hi #1', 'C 2+bye #3', 'C fin #3'])
  })
})

describe('gaps', () => {
  it('declares a hole lost in the capture once the receiver has acknowledged past it', () => {
    const h = new Harness().handshake()
    h.send({ from: 's', seq: 5011, ack: 1001, data: 'later' })
    for (let i = 0; i < 3; i++) h.send({ from: 'c', flags: 'A', seq: 1001, ack: 5016 })
    expect(h.log.events).toEqual(['S gap 10 lost-in-capture', 'S 10+later #4'])
    expect(h.log.conn.halves[1].lostBytes).toBe(10)
  })

  it('does not declare a hole that a retransmission fills, although its end was acknowledged by SACK only', () => {
    const h = new Harness().handshake()
    h.send({ from: 's', seq: 5011, ack: 1001, data: 'later' })
    for (let i = 0; i < 5; i++) h.send({ from: 'c', flags: 'A', seq: 1001, ack: 5001 })
    h.send({ from: 's', seq: 5001, ack: 1001, data: '0123456789' })
    expect(h.log.streams[1]).toBe('0123456789later')
  })

  it('tells a lost tail from an answer that never came: the client acknowledged bytes that were not captured', () => {
    const h = new Harness().handshake()
    h.send({ from: 'c', seq: 1001, ack: 5001, data: 'q' })
    for (let i = 0; i < 4; i++) h.send({ from: 'c', flags: 'A', seq: 1002, ack: 5031 })
    expect(h.log.events.at(-1)).toBe('S gap 30 lost-in-capture')
  })

  it('follows a frame cut by the snapshot length with a gap', () => {
    const h = new Harness().handshake()
    h.send({ from: 's', seq: 5001, ack: 1001, data: 'abcd', wire: 100 }, { from: 's', seq: 5101, ack: 1001, data: 'z' })
    expect(h.log.events).toEqual(['S 0+abcd #4', 'S gap 96 snaplen', 'S 100+z #5'])
  })

  it('gives up a hole when the reordering buffer is full, and says so', () => {
    const h = new Harness({ outOfOrderBytesPerHalf: 8 }).handshake()
    h.send({ from: 's', seq: 5011, ack: 1001, data: '12345' }, { from: 's', seq: 5016, ack: 1001, data: '67890' })
    expect(h.log.streams[1]).toBe('<10>1234567890')
    expect(h.anomalies.has('us.limit')).toBe(true)
  })

  it('hands over what waits behind a hole when the capture ends', () => {
    const h = new Harness().handshake()
    h.send({ from: 's', seq: 5003, ack: 1001, data: 'tail' }).end()
    expect(h.log.events).toEqual(['S gap 2 end', 'S 2+tail #4', 'close open'])
  })
})

describe('connections', () => {
  it('a SYN with another sequence number on the same endpoints is a new connection; a repeated SYN is not', () => {
    const h = new Harness().send({ from: 'c', flags: 'S', seq: 1000 }, { from: 'c', flags: 'S', seq: 1000 })
    expect(h.tcp.connections).toBe(1)
    expect(h.log.conn.synRetransmissions).toBe(1)
    h.send({ from: 'c', flags: 'S', seq: 9000 })
    expect(h.tcp.connections).toBe(2)
    expect(h.logs.map((l) => l.conn.stream)).toEqual([0, 1])
    expect(h.log.events).toEqual(['close port-reuse'])
  })

  it('a straggler of a connection long finished opens no new one', () => {
    const h = new Harness()
    for (let i = 0; i < 2000; i++) {
      const port = 10000 + i
      h.send(
        { from: 'c', flags: 'S', seq: 1, clientPort: port },
        { from: 's', flags: 'RA', seq: 0, ack: 2, clientPort: port },
      )
    }
    expect(h.tcp.connections).toBe(2000)
    h.send({ from: 's', flags: 'RA', seq: 0, ack: 2, clientPort: 10000 })
    expect(h.tcp.connections).toBe(2000)
    expect(h.tcp.held).toBeLessThanOrEqual(1024)
  })

  it('knows the server by its port when the beginning was not captured, and can be corrected', () => {
    const h = new Harness().send({ from: 's', seq: 5001, ack: 1001, data: 'row' })
    expect(h.log.conn.roleBy).toBe('port')
    expect(h.log.streams).toEqual(['', 'row'])
    h.log.conn.flip()
    h.send({ from: 's', seq: 5004, ack: 1001, data: 'two' })
    expect(h.log.streams).toEqual(['two', 'row'])
    expect(h.log.conn.roleBy).toBe('content')
    expect(h.log.conn.history).toBe('^D')
  })

  it('writes history and state in Zeek’s letters', () => {
    const h = new Harness().handshake()
    h.send({ from: 'c', seq: 1001, ack: 5001, data: 'q' }, { from: 's', seq: 5001, ack: 1002, data: 'a' })
    expect(h.log.conn.connState).toBe('S1')
    h.send(
      { from: 'c', flags: 'FA', seq: 1002, ack: 5002 },
      { from: 's', flags: 'FA', seq: 5002, ack: 1003 },
      { from: 'c', flags: 'A', seq: 1003, ack: 5003 },
    )
    expect(h.log.conn.connState).toBe('SF')
    expect(h.log.conn.history).toBe('ShADdFf')
    expect(h.log.conn.closed).toBe(true)
  })

  it('counts copies of a frame and otherwise ignores them', () => {
    const h = new Harness().handshake()
    h.send(
      { from: 'c', seq: 1001, ack: 5001, data: 'abc' },
      { from: 'c', seq: 1001, ack: 5001, data: 'abc', duplicate: true },
    )
    expect(h.log.conn.halves[0].retransmissions).toBe(0)
    expect(h.log.conn.halves[0].duplicates).toBe(1)
  })
})

describe('resets (RFC 9293 3.10.7)', () => {
  const established = (): Harness => new Harness().handshake().send({ from: 'c', seq: 1001, ack: 5001, data: 'query' })

  it('accepts a RST at the next sequence number and reports who sent it', () => {
    const h = established().send({ from: 's', flags: 'RA', seq: 5001, ack: 1006 })
    expect(h.log.events.at(-1)).toBe('S rst #5')
    expect(h.log.conn.connState).toBe('RSTR')
  })

  it('does not believe a RST far outside the window', () => {
    const h = established().send({ from: 's', flags: 'R', seq: 5001 + 10_000_000 })
    expect(h.log.conn.killer).toBeNull()
    expect(h.log.conn.resets[0]!.accepted).toBe(false)
    expect(h.log.events).toEqual(['C 0+query #4'])
  })

  it('takes a RST after both FINs for an echo', () => {
    const h = established().send(
      { from: 'c', flags: 'FA', seq: 1006, ack: 5001 },
      { from: 's', flags: 'FA', seq: 5001, ack: 1007 },
      { from: 'c', flags: 'R', seq: 1007 },
    )
    expect(h.log.conn.killer).toBeNull()
    expect(h.log.conn.resets[0]!.late).toBe(true)
    expect(h.log.conn.connState).toBe('SF')
  })

  it('calls SYN answered by RST rejected', () => {
    const h = new Harness().send({ from: 'c', flags: 'S', seq: 1000 }, { from: 's', flags: 'RA', seq: 0, ack: 1001 })
    expect(h.log.conn.connState).toBe('REJ')
    expect(h.log.events).toEqual(['S rst #2'])
  })

  it('notes the time to live of a RST beside that of the segments before it', () => {
    const h = established().send(
      { from: 's', flags: 'A', seq: 5001, ack: 1006, ttl: 63 },
      { from: 's', flags: 'R', seq: 5001, ttl: 255 },
    )
    expect(h.log.conn.killer).toMatchObject({ ttl: 255, ttlBefore: 63 })
  })
})

describe('keep-alives and windows', () => {
  it('counts a probe one byte below the next sequence number as keep-alive, not as retransmission', () => {
    const h = new Harness().handshake()
    h.send({ from: 'c', seq: 1001, ack: 5001, data: 'q' }, { from: 's', flags: 'A', seq: 5001, ack: 1002 })
    h.send({ from: 'c', flags: 'A', seq: 1001, ack: 5001 }, { from: 'c', flags: 'A', seq: 1001, ack: 5001, data: 'q' })
    expect(h.log.conn.halves[0].keepAlives).toBe(2)
    expect(h.log.conn.halves[0].retransmissions).toBe(0)
  })

  it('measures how long a side refused data', () => {
    const h = new Harness().handshake()
    h.send(
      { from: 'c', flags: 'A', seq: 1001, ack: 5001, window: 0, at: 10e9 },
      { from: 'c', flags: 'A', seq: 1001, ack: 5001, window: 0, at: 12e9 },
    )
    h.send({ from: 'c', flags: 'A', seq: 1001, ack: 5001, window: 500, at: 15e9 })
    expect(h.log.conn.halves[0]).toMatchObject({ zeroWindows: 1, longestZeroWindow: 5e9, zeroWindowSince: -1 })
  })

  it('counts retransmissions since the last acknowledgment', () => {
    const h = new Harness().handshake()
    const q: Segment = { from: 'c', seq: 1001, ack: 5001, data: 'q' }
    h.send(q, q, q)
    expect(h.log.conn.halves[0].retransmissionsUnanswered).toBe(2)
    h.send({ from: 's', flags: 'A', seq: 5001, ack: 1002 })
    expect(h.log.conn.halves[0].retransmissionsUnanswered).toBe(0)
  })
})

describe('properties', () => {
  const text = 'abcdefghijklmnopqrstuvwxyz0123456789'
  /** The text cut into segments at random places, shuffled, some of them repeated. */
  const shuffled = fc
    .tuple(
      fc.uniqueArray(fc.integer({ min: 1, max: text.length - 1 }), { maxLength: 10 }),
      fc.array(fc.nat(), { maxLength: 24 }),
      fc.integer({ min: 0, max: 0xffffffff }),
    )
    .map(([cuts, order, isn]) => {
      const edges = [0, ...cuts.sort((a, b) => a - b), text.length]
      const pieces = edges.slice(0, -1).map((from, i) => ({ from, to: edges[i + 1]! }))
      const queue = [...pieces, ...order.map((n) => pieces[n % pieces.length]!)]
      for (let i = 0; i < order.length; i++) {
        const a = order[i]! % queue.length
        const b = (order[i]! >>> 5) % queue.length
        ;[queue[a], queue[b]] = [queue[b]!, queue[a]!]
      }
      return { queue, isn }
    })

  it('any order and repetition of the segments gives the same stream, wherever the sequence number starts', () => {
    fc.assert(
      fc.property(shuffled, ({ queue, isn }) => {
        const h = new Harness().handshake(isn, 5000)
        for (const p of queue)
          h.send({ from: 'c', seq: (isn + 1 + p.from) >>> 0, ack: 5001, data: text.slice(p.from, p.to) })
        h.end()
        expect(h.log.streams[0]).toBe(text)
      }),
    )
  })

  it('arbitrary segments never throw, and every opened connection is closed exactly once', () => {
    const segment = fc.record({
      from: fc.constantFrom('c' as const, 's' as const),
      flags: fc.constantFrom('S', 'SA', 'A', 'PA', 'FA', 'R', 'RA', 'SR', 'SF', ''),
      seq: fc.oneof(fc.integer({ min: 995, max: 1040 }), fc.integer({ min: 0, max: 0xffffffff })),
      ack: fc.oneof(fc.integer({ min: 995, max: 1040 }), fc.integer({ min: 0, max: 0xffffffff })),
      data: fc.string({ maxLength: 12 }),
      window: fc.constantFrom(0, 1, 65535),
      clientPort: fc.constantFrom(40000, 40001),
      duplicate: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 60 }), (segments) => {
        const h = new Harness({ outOfOrderBytesPerHalf: 16, outOfOrderBytesTotal: 24 }).send(...segments).end()
        for (const log of h.logs) expect(log.events.filter((e) => e.startsWith('close')).length).toBe(1)
        expect(h.tcp.held).toBe(0)
      }),
      { numRuns: 500 },
    )
  })
})
