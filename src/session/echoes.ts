/**
 * Statements of sessions that carry state, while they wait for their answers: another connection of the same capture that
 * sends the same text meanwhile may be the leg on which a proxy passed it on. Tells which server connection ran what, where
 * a proxy shares server connections and greets by itself. Empty most of the time.
 */
import type { Instant } from '../core/time.ts'
import type { StateStep } from '../state/step.ts'

/** Statements that wait at once; further ones are not looked for. */
const WAITING_MOST = 4096
/** Connections noted per statement: a proxy may try again. */
const HEARD_MOST = 4

export class Echoes {
  private readonly waiting = new Map<number, { step: StateStep; stream: number }[]>()
  /** How many statements wait. */
  open = 0

  offer(step: StateStep, stream: number): void {
    if (step.hash === 0 || this.open >= WAITING_MOST) return
    const list = this.waiting.get(step.hash)
    if (list === undefined) this.waiting.set(step.hash, [{ step, stream }])
    else list.push({ step, stream })
    this.open++
  }

  withdraw(step: StateStep): void {
    const list = this.waiting.get(step.hash)
    const i = list?.findIndex((w) => w.step === step) ?? -1
    if (i < 0) return
    list!.splice(i, 1)
    if (list!.length === 0) this.waiting.delete(step.hash)
    this.open--
  }

  /** Another connection sends a statement. */
  heard(hash: number, stream: number, at: Instant, frame: number): void {
    for (const w of this.waiting.get(hash) ?? []) {
      if (w.stream === stream || w.step.carried.length >= HEARD_MOST) continue
      w.step.carried = [...w.step.carried, { stream, at, frame }]
    }
  }
}
