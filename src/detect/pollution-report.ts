/**
 * The `pollution` section of the report (mysqlconn pollution): the borrowers of each connection with the state that each found
 * and left, what each state change cost whom, and what proxies did when they took connections into use again.
 */
import { type Epoch, toSeconds } from '../core/time.ts'
import type { PollutedConnection, PollutedState, PollutionReport, SharedConnection } from '../report/model.ts'
import type { Session } from '../session/session.ts'
import { classify, shown } from '../state/variables.ts'
import type { Borrow } from './borrows.ts'
import type { Fleet } from './fleet.ts'
import type { StateStory } from './leaks.ts'
import { reusesOf } from './sharing.ts'

/** Names of who set a state that are listed. */
const NAMES_KEPT = 8

export function pollutionReport(fleet: Fleet, epoch: Epoch): PollutionReport {
  const connections: PollutedConnection[] = []
  const shared: SharedConnection[] = []
  const states = new Map<string, PollutedState & { by: Set<string>; on: Set<string> }>()
  for (const s of fleet.sessions) {
    const story = fleet.stateStory(s)
    if (story === null) continue
    // A proxy that joins legs one to one shows everything twice: the leg towards the client tells it.
    const front = fleet.frontLeg(s)
    const twice = front !== null && fleet.stateStory(front) !== null
    if (!twice) count(story, s, states)
    const strip = borrowers(story, epoch)
    if (strip.some((b) => Object.keys(b.left).length > 0)) {
      connections.push({
        session: s.id,
        client: s.client,
        server: s.server,
        borrowers: strip,
        leaks: story.leaks.length,
      })
    }
    const reuses = fleet.isProxy(s.clientIp) ? reusesOf(s) : []
    if (reuses.length > 0) {
      shared.push({
        session: s.id,
        client: s.client,
        server: s.server,
        onlyFront: fleet.onlyFront(s)?.id ?? null,
        reuses: reuses.map((r) => ({
          at: epoch.rfc3339(r.at),
          frame: s.files.locate(r.frame).frame,
          how: r.how,
          idleSeconds: toSeconds(r.idle),
          roundTrips: r.roundTrips,
          restored: [...r.restored].map((k) => classify(k).name),
        })),
      })
    }
  }
  connections.sort((a, b) => b.leaks - a.leaks)
  // Transactions that were ended are everybody's daily work.
  const told = [...states.values()].filter((r) => r.leaks > 0 || r.state !== 'open_transaction')
  const list = told.map(({ by, on, ...row }) => ({
    ...row,
    setBy: [...by].slice(0, NAMES_KEPT),
    connections: on.size,
  }))
  list.sort((a, b) => b.leaks - a.leaks || b.sets - a.sets || (a.name < b.name ? -1 : 1))
  return { connections, states: list, shared }
}

/** Segments that may be one borrower's own pauses are told as one. */
function borrowers(story: StateStory, epoch: Epoch): PollutedConnection['borrowers'] {
  const out: PollutedConnection['borrowers'] = []
  for (const b of story.borrows) {
    const left = Object.fromEntries(story.left[b.index]!)
    const last = out.at(-1)
    if (b.sure === null && last !== undefined) {
      last.left = words(left)
      last.statements += b.steps.length
      continue
    }
    out.push({
      at: epoch.rfc3339(b.at),
      mark: b.mark,
      confidence: b.sure,
      who: b.who,
      statements: b.steps.length,
      found: words(Object.fromEntries(story.found[b.index]!)),
      left: words(left),
    })
  }
  return out
}

/** Keys by the names that people know. */
const words = (state: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(state).map(([key, value]) => [classify(key).name, shown(key, value)]))

function count(
  story: StateStory,
  s: Session,
  states: Map<string, PollutedState & { by: Set<string>; on: Set<string> }>,
): void {
  const row = (key: string) => {
    const kind = classify(key)
    let r = states.get(key)
    if (r === undefined) {
      r = {
        state: kind.state,
        name: kind.name,
        harm: kind.harm,
        why: kind.why,
        sets: 0,
        leaks: 0,
        ranWith: 0,
        damage: 0,
        connections: 0,
        setBy: [],
        by: new Set(),
        on: new Set(),
      }
      states.set(key, r)
    }
    return r
  }
  for (const { key, borrow } of story.sets) {
    const r = row(key)
    r.sets++
    r.on.add(s.id)
    r.by.add(nameOf(borrow, s))
  }
  for (const leak of story.leaks) {
    if (
      !leak.victims.some((v) =>
        story.borrows.slice(leak.setIn.index + 1, v.borrow.index + 1).some((b) => b.sure !== null),
      ) &&
      leak.damage?.tells !== true
    )
      continue
    const r = row(leak.entries[0]!.key)
    r.leaks++
    r.ranWith += leak.victims.length
    if (leak.damage !== null) r.damage++
  }
}

const nameOf = (b: Borrow, s: Session): string =>
  b.who ?? s.mysql?.login?.attributes['program_name'] ?? s.mysql?.login?.user ?? s.clientIp
