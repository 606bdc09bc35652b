/** What happens to the proxy besides traffic: for the log, in words or as JSON. */
import { addressText } from './address.ts'
import type { Relay, Route } from './relay.ts'

export type Level = 'info' | 'warning' | 'error'

/** One event: a stable name, its facts, and how a person would put it. */
export interface ProxyEvent {
  level: Level
  event: string
  says: string
  facts: Readonly<Record<string, string | number | boolean | null>>
}

export type OnEvent = (e: ProxyEvent) => void

export const event = (level: Level, name: string, says: string, facts: ProxyEvent['facts'] = {}): ProxyEvent => ({
  level,
  event: name,
  says,
  facts,
})

export const routeText = (r: Route): string => `${addressText(r.listen)} -> ${addressText(r.upstream)}`

export const relayFacts = (r: Relay): ProxyEvent['facts'] => ({
  session: r.number,
  client: `${r.client.remoteAddress ?? 'unix'}:${r.client.remotePort ?? ''}`,
  upstream: addressText(r.route.upstream),
})

/** Lets the first few events of a kind through each second and counts the rest: a flood of clients must not become a flood of log lines. */
export class EventGate {
  private readonly seen = new Map<string, { second: number; passed: number; held: number }>()
  private readonly out: OnEvent
  private readonly perSecond: number

  constructor(out: OnEvent, perSecond = 10) {
    this.out = out
    this.perSecond = perSecond
  }

  send(e: ProxyEvent): void {
    const second = Math.floor(performance.now() / 1000)
    let s = this.seen.get(e.event)
    if (s === undefined) {
      s = { second, passed: 0, held: 0 }
      this.seen.set(e.event, s)
    }
    if (s.second !== second) {
      this.tellHeld(e.event, s)
      s.second = second
      s.passed = 0
    }
    if (s.passed >= this.perSecond) {
      s.held++
      return
    }
    s.passed++
    this.out(e)
  }

  /** Says how many were held back; called at the end too. */
  flush(): void {
    for (const [name, s] of this.seen) this.tellHeld(name, s)
  }

  private tellHeld(name: string, s: { held: number }): void {
    if (s.held === 0) return
    this.out(event('warning', name, `and ${s.held} more of the same (${name})`, { suppressed: s.held }))
    s.held = 0
  }
}
