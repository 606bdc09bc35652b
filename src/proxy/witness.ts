/**
 * Completes the recording by what no read or write of a socket shows. Now and then it looks at connections that have fallen silent:
 * bytes that the proxy has read are acknowledged; bytes that it has sent are told as acknowledged when the kernel says so, or as
 * retransmitted when it had to; a receiver that takes nothing for a second is told as a closed window. Where the kernel does not
 * tell (no /proc/net/tcp) what was sent is taken as delivered, which is what a socket without an error means.
 */
import { type Direction, otherSide } from '../core/direction.ts'
import type { Flow } from './flow.ts'
import type { Leg } from './leg.ts'
import { note } from './notes.ts'
import type { Recorder } from './recorder.ts'
import type { Relay } from './relay.ts'
import { readTcpTable, type SocketState, socketKey } from './tcp-table.ts'

const EVERY_MS = 250
/** Silence after which acknowledgments are no longer expected to come with an answer. */
const SILENT_NS = 200e6
/** A write that waits this long has met a full window. */
const STALLED_NS = 1e9

interface Question {
  leg: Leg
  dir: Direction
  flow: Flow
  relay: Relay
}

export class Witness {
  private readonly recorder: Recorder
  private readonly relays: ReadonlySet<Relay>
  private readonly timer: NodeJS.Timeout
  private asking = false

  constructor(recorder: Recorder, relays: ReadonlySet<Relay>) {
    this.recorder = recorder
    this.relays = relays
    this.timer = setInterval(() => void this.look(), EVERY_MS)
    this.timer.unref()
  }

  stop(): void {
    clearInterval(this.timer)
  }

  private async look(): Promise<void> {
    if (this.asking || !this.recorder.accepting) return
    const now = this.recorder.clock.now()
    const questions: Question[] = []
    for (const relay of this.relays) {
      if (!relay.connected) continue
      for (const flow of [relay.up, relay.down]) {
        this.stalled(relay, flow, now)
        if (now - flow.lastAt < SILENT_NS) continue
        if (!settled(flow.inLeg, flow.dir)) this.recorder.ack(flow.inLeg, otherSide(flow.dir), now)
        if (!settled(flow.outLeg, flow.dir)) questions.push({ leg: flow.outLeg, dir: flow.dir, flow, relay })
      }
    }
    if (questions.length === 0) return
    this.asking = true
    const table = await readTcpTable()
    this.asking = false
    if (this.recorder.accepting) for (const q of questions) this.answer(q, table)
  }

  private answer(q: Question, table: Map<string, SocketState> | null): void {
    const { leg, dir, flow } = q
    if (settled(leg, dir)) return
    const now = this.recorder.clock.now()
    const half = leg.addresses[dir]
    const size = half.length / 2
    const key = socketKey(leg.ports[dir], leg.ports[otherSide(dir)], half.subarray(0, size), half.subarray(size))
    const state = table?.get(key)
    // Sent again since the question was asked: it waits for the next look.
    if (now - flow.lastAt < SILENT_NS) return
    if (state === undefined || state.unacknowledged === 0) {
      // A socket that is gone was closed: its FIN or RST says more than an acknowledgment.
      if (state !== undefined || table === null) this.recorder.ack(leg, otherSide(dir), now)
      return
    }
    flow.keepLast()
    if (state.retransmissions <= flow.retransmissions) return
    flow.retransmissions = state.retransmissions
    const comment = note({
      session: q.relay.number,
      leg: leg === q.relay.up.outLeg ? 'back' : 'front',
      event: 'retransmitted',
      times: state.retransmissions,
      unacknowledged: state.unacknowledged,
    })
    this.recorder.retransmission(leg, dir, state.unacknowledged, flow.last, now, comment)
  }

  /** The receiver's window is not visible; that it is closed is, by a write that does not end. */
  private stalled(relay: Relay, flow: Flow, now: number): void {
    if (flow.blocked === flow.toldStalled) return
    if (flow.blocked && now - flow.lastAt < STALLED_NS) return
    flow.toldStalled = flow.blocked
    const window = flow.blocked ? 0 : 0xffff
    const leg = (l: Leg): string => (l === relay.up.outLeg ? 'back' : 'front')
    const event = flow.blocked ? 'stalled' : 'flowing'
    for (const [l, by] of [
      [flow.outLeg, 'receiver'],
      [flow.inLeg, 'proxy'],
    ] as const)
      this.recorder.ack(l, otherSide(flow.dir), now, window, note({ session: relay.number, leg: leg(l), event, by }))
  }
}

/** All that `dir` has sent on this leg is acknowledged in the recording. */
const settled = (leg: Leg, dir: Direction): boolean =>
  leg.acked[otherSide(dir)] === leg.next[dir] || (leg.closed[0] && leg.closed[1])
