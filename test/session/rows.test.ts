/** What lives in a session's row: the queue of commands in flight, the last statement, the timeline ring. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CLIENT, SERVER } from '../../src/core/direction.ts'
import { LIMITS } from '../../src/core/limits.ts'
import { clearCommands, popCommand, pushCommand, replyBegins } from '../../src/session/commands-in-flight.ts'
import {
  AT,
  END_OFFSET,
  FRAME,
  IN_FLIGHT,
  NUMBERS,
  OP,
  PUSHED,
  REPLY_FRAME,
  SessionRows,
} from '../../src/session/hot.ts'
import { rememberText, StatementStore } from '../../src/session/statement-store.ts'
import { addEvent, EventKind, eventsOf } from '../../src/session/timeline.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

describe('commands in flight', () => {
  const fresh = () => {
    const rows = new SessionRows()
    const row = rows.allocate()
    const cell = (at: number): number => rows.numbers[row * NUMBERS + at]!
    return { rows, row, cell }
  }

  it('shows the oldest command, in order of sending', () => {
    const { rows, row, cell } = fresh()
    pushCommand(rows, row, 3, 100, 7, 50)
    pushCommand(rows, row, 14, 200, 8, 55)
    expect([cell(IN_FLIGHT), cell(OP), cell(AT), cell(FRAME), cell(END_OFFSET)]).toEqual([2, 3, 100, 7, 50])
    popCommand(rows, row)
    expect([cell(IN_FLIGHT), cell(OP), cell(AT), cell(FRAME), cell(END_OFFSET)]).toEqual([1, 14, 200, 8, 55])
    popCommand(rows, row)
    popCommand(rows, row)
    expect([cell(IN_FLIGHT), cell(PUSHED)]).toEqual([0, 2])
  })

  it('keeps the first frame of an answer, and forgets it with the command', () => {
    const { rows, row, cell } = fresh()
    replyBegins(rows, row, 1, 1)
    expect(cell(REPLY_FRAME)).toBe(0)
    pushCommand(rows, row, 3, 100, 7, 50)
    replyBegins(rows, row, 110, 9)
    replyBegins(rows, row, 120, 10)
    expect(cell(REPLY_FRAME)).toBe(9)
    popCommand(rows, row)
    pushCommand(rows, row, 3, 130, 11, 60)
    expect(cell(REPLY_FRAME)).toBe(0)
  })

  it('counts what is deeper than it remembers, and forgets it all on demand', () => {
    const { rows, row, cell } = fresh()
    for (let i = 0; i < 1000; i++) pushCommand(rows, row, 3, i, i + 1, i)
    expect(cell(IN_FLIGHT)).toBe(1000)
    expect(rows.queues.get(row)!.length).toBeLessThanOrEqual(256)
    for (let i = 0; i < 300; i++) popCommand(rows, row)
    expect([cell(IN_FLIGHT), cell(OP)]).toEqual([700, -1])
    clearCommands(rows, row)
    expect([cell(IN_FLIGHT), rows.queues.size]).toEqual([0, 0])
  })

  it('is a queue, whatever the order of pushes and pops', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 200 }), (steps) => {
        const { rows, row, cell } = fresh()
        const model: number[] = []
        let frame = 0
        for (const push of steps) {
          if (push) {
            pushCommand(rows, row, 3, frame, ++frame, frame)
            model.push(frame)
          } else {
            popCommand(rows, row)
            model.shift()
          }
          expect(cell(IN_FLIGHT)).toBe(model.length)
          if (model.length > 0) expect(cell(FRAME)).toBe(model[0])
        }
      }),
      { numRuns: 50 },
    )
  })
})

describe('statement text', () => {
  const fresh = (limit = LIMITS.sqlPreviewBytes, prepared = 3) => {
    const rows = new SessionRows()
    const row = rows.allocate()
    const store = new StatementStore(rows, row, limit, prepared)
    const say = (text: string, total = text.length): void => {
      const b = bytes(text)
      if (!rememberText(rows, row, b, 0, b.length, total)) store.rememberLong(b, 0, b.length)
    }
    return { rows, row, store, say }
  }

  it('is the last one, whole', () => {
    const { store, say } = fresh()
    expect(store.text()).toBeNull()
    say('SELECT 1')
    expect(store.text()).toBe('SELECT 1')
    say('SELECT ä')
    expect(store.text()).toContain('SELECT ä')
  })

  it('of any length up to the limit is the same text, beyond it ends in …', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3000 }), (n) => {
        const { store, say } = fresh()
        const text = 'x'.repeat(n)
        say('an earlier, longer statement '.repeat(60))
        say(text)
        expect(store.text()).toBe(n <= LIMITS.sqlPreviewBytes ? text : `${'x'.repeat(LIMITS.sqlPreviewBytes)}…`)
      }),
      { numRuns: 60 },
    )
  })

  it('of which only a part was captured ends in …', () => {
    const { store, say } = fresh()
    say('INSERT INTO t', 5000)
    expect(store.text()).toBe('INSERT INTO t…')
  })

  it('of prepared statements is kept by id, the oldest forgotten first', () => {
    const { store, say } = fresh()
    for (const id of [1, 2, 3, 4]) {
      say(`SELECT ${id}`)
      store.beginPrepare()
      store.namePrepared(id)
    }
    expect([1, 2, 3, 4].map((id) => store.textOf(id))).toEqual([null, 'SELECT 2', 'SELECT 3', 'SELECT 4'])
    // MariaDB's id of the statement prepared last.
    expect(store.textOf(0xffffffff)).toBe('SELECT 4')
    store.close(3)
    expect(store.textOf(3)).toBeNull()
    store.reset()
    expect(store.textOf(4)).toBeNull()
  })

  it('an answer to a COM_STMT_PREPARE that was never seen names nothing', () => {
    const { store } = fresh()
    store.namePrepared(9)
    expect(store.textOf(9)).toBeNull()
  })
})

describe('timeline', () => {
  const MOST = LIMITS.timelineHead + LIMITS.timelineTail

  for (const count of [0, 1, LIMITS.timelineHead, MOST, MOST + 1, MOST * 3 + 5]) {
    it(`of ${count} events keeps the first and the last, in order`, () => {
      const rows = new SessionRows()
      const row = rows.allocate()
      for (let i = 0; i < count; i++)
        addEvent(rows, row, EventKind.command, i % 2 === 0 ? CLIENT : SERVER, i * 10, i + 1, i)
      const events = eventsOf(rows, row)
      const all = Array.from({ length: count }, (_, i) => i)
      const kept = count <= MOST ? all : [...all.slice(0, LIMITS.timelineHead), ...all.slice(-LIMITS.timelineTail)]
      expect(events.map((e) => e.value)).toEqual(kept)
      for (const e of events)
        expect(e).toMatchObject({ at: e.value * 10, frame: e.value + 1, dir: e.value % 2, kind: EventKind.command })
    })
  }
})

describe('rows', () => {
  it('are clean when they are used again, and more are made as needed', () => {
    const rows = new SessionRows()
    const taken = Array.from({ length: 500 }, () => rows.allocate())
    expect(new Set(taken).size).toBe(500)
    for (const row of taken) {
      pushCommand(rows, row, 3, 1, row + 1, 1)
      addEvent(rows, row, EventKind.fin, CLIENT, 1, 1, 1)
      const b = bytes('SELECT 1')
      rememberText(rows, row, b, 0, b.length, b.length)
    }
    for (const row of taken) expect(rows.numbers[row * NUMBERS + FRAME]).toBe(row + 1)
    rows.release(taken[7]!)
    const again = rows.allocate()
    expect(again).toBe(taken[7])
    expect(rows.numbers[again * NUMBERS + IN_FLIGHT]).toBe(0)
    expect(eventsOf(rows, again)).toEqual([])
    expect(new StatementStore(rows, again, 100, 1).text()).toBeNull()
  })
})
