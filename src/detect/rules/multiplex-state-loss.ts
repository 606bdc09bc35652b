/** Statements of one client session ran on different server connections without the state that they needed. */
import { CLIENT } from '../../core/direction.ts'
import type { Session } from '../../session/session.ts'
import { normalValue } from '../../state/effect.ts'
import { type Entry, SessionState } from '../../state/replay.ts'
import type { StateStep } from '../../state/step.ts'
import { classify, shown } from '../../state/variables.ts'
import { acceptingSide } from '../describe.ts'
import type { Fleet } from '../fleet.ts'
import { mentions, works } from '../leaks.ts'
import { defineRule, type RuleEvidence } from '../rule.ts'

const LOSSES_KEPT = 4

interface Loss {
  entry: Entry
  /** The statement that needed it. */
  step: StateStep
  setOn: { back: Session; frame: number }
  ranOn: { back: Session; frame: number }
}

export default defineRule({
  meta: {
    id: 'multiplex-state-loss',
    family: 'state',
    title: 'A proxy ran a session’s statements on server connections without its state',
    severity: 'error',
    what: 'A client session behind a proxy set state (a user variable, a temporary table, a lock, a transaction, a variable) on one server connection; a later statement that needs it was sent on another one, on which it had never been set.',
    why: 'The statement fails (1146, 1243), answers wrongly (a user variable is NULL), or commits outside its transaction, depending on which server connection was free.',
    cannotTell:
      'Anything where one of the legs is encrypted or not captured; state set by stored code; connections that were open before the capture began.',
    fix: [
      {
        text: 'Keep such sessions on one server connection',
        config:
          'ProxySQL: mysql_query_rules.multiplex=0 for the statement, mysql-keep_multiplexing_variables; MySQL Router: do not hide changes from the session trackers',
      },
    ],
    needs: ['mysql'],
    quiet: [
      'a proxy that sets the state again on the other connection',
      'one server connection per client session',
      'statements that do not need the state',
      'the same statement of another client at the same time',
    ],
    references: [{ title: 'ProxySQL: multiplexing', url: 'https://proxysql.com/documentation/multiplexing/' }],
    detail: {
      state: 'what was lost, as in session-pollution',
      name: 'the variable, table or lock itself',
      value: 'its value as set, null when not known',
      setOn: 'server connection on which it was set: client endpoint of the proxy, frame',
      ranOn: 'server connection on which the statement ran without it, likewise',
      error: 'error code that the statement got, null when it got none',
    },
    sample: 'multiplex-state-loss',
  },
  session(s, ctx) {
    if (s.mysql?.state == null || !ctx.fleet.isProxy(s.serverIp)) return
    const losses = lossesOf(s, ctx.fleet)
    const told = new Set<string>()
    for (const loss of losses) {
      if (told.has(loss.entry.key) || told.size >= LOSSES_KEPT) continue
      told.add(loss.entry.key)
      const { entry, step } = loss
      const kind = classify(entry.key)
      const proxy = acceptingSide(s, ctx.fleet)
      ctx.report({
        session: s,
        at: step.at,
        cause: `multiplex ${kind.state} ${kind.name} ${s.server}`,
        severity: 'error',
        confidence: 'likely',
        culprit: { ...proxy, role: 'proxy' },
        title: (all) =>
          `${proxy.product ?? 'The proxy'} ${s.serverIp} ran ${all.length === 1 ? 'a statement' : `statements of ${all.length} sessions`} on a server connection without ${kind.name}`,
        detail: {
          state: kind.state,
          name: kind.name,
          value: entry.value === '' ? null : shown(entry.key, entry.value),
          setOn: { connection: loss.setOn.back.client, frame: loss.setOn.frame },
          ranOn: { connection: loss.ranOn.back.client, frame: loss.ranOn.frame },
          error: step.code === 0 ? null : step.code,
        },
        command: 'COM_QUERY',
        statement: step.text,
        outcome: 'answered',
        evidence: evidence(loss, kind.name),
        excluded: [
          'the state set again by the proxy: it was not, on that connection, before the statement',
          'another client’s statement: this one was waiting for its answer',
        ],
        remedy: this.meta.fix,
      })
    }
  },
})

function evidence({ entry, step, setOn, ranOn }: Loss, name: string): RuleEvidence[] {
  return [
    { kind: 'frames', frames: [entry.by.frame], says: `the client set ${name}` },
    {
      kind: 'frames',
      frames: [setOn.frame],
      says: `it was set on server connection ${setOn.back.client}`,
      of: setOn.back,
    },
    {
      kind: 'frames',
      frames: [step.frame, step.replyFrame],
      says: 'the client’s statement that needs it, and its answer',
    },
    {
      kind: 'frames',
      frames: [ranOn.frame],
      says: `the statement went out on server connection ${ranOn.back.client}, where it had not been set`,
      of: ranOn.back,
    },
  ]
}

function lossesOf(s: Session, fleet: Fleet): Loss[] {
  const facts = s.mysql!.state!
  const state = new SessionState(s.mysql?.login?.schema ?? '', facts.status)
  const out: Loss[] = []
  for (const step of facts.steps) {
    const on = carrier(s, step, fleet)
    if (on !== null) {
      for (const entry of state.entries.values()) {
        const setOn = carrier(s, entry.by, fleet)
        if (setOn === null || setOn.back === on.back || !needs(entry, step)) continue
        // The statement that took the state along may be among what the capture lacks.
        if ([s, setOn.back, on.back].some(hasHoles)) continue
        if (!has(on.back, entry, step)) out.push({ entry, step, setOn, ranOn: on })
      }
    }
    state.apply(step, false)
  }
  return out
}

const hasHoles = (s: Session): boolean => s.sides.some((side) => side.lostBytes > 0) || s.sides[CLIENT].snaplenBytes > 0

/** The one server connection of this proxy on which a statement went out; null when it is not certain. */
function carrier(front: Session, step: StateStep, fleet: Fleet): { back: Session; frame: number } | null {
  const backs = step.carried.flatMap((c) => {
    const back = fleet.session(front.input, c.stream)
    return back !== null && back.clientIp === front.serverIp && back !== front ? [{ back, frame: c.frame }] : []
  })
  return backs.length === 1 ? backs[0]! : null
}

/** Whether a statement cannot do without it. */
function needs(entry: Entry, step: StateStep): boolean {
  if (!works(step)) return false
  const { key } = entry
  // What drivers say at login proxies know, and have in words of their own.
  if (entry.by.initial && (key === 'schema' || key.startsWith('var:'))) return false
  const text = step.text ?? ''
  if (key.startsWith('user:')) return mentions(text, `@${key.slice(5)}`)
  if (key.startsWith('temp:')) return mentions(text, key.slice(5))
  if (key.startsWith('userlock:')) return /release_lock/i.test(text)
  return (
    key === 'schema' ||
    key === 'transaction' ||
    key === 'lock:tables' ||
    (key.startsWith('var:') && classify(key).harm !== 'info')
  )
}

/** Whether the server connection had the state when the statement came, as far as its own traffic shows. */
function has(back: Session, entry: Entry, step: StateStep): boolean {
  // Begun before the capture: nobody knows what it carries.
  if (back.mysql?.login == null) return true
  const state = new SessionState(back.mysql.login.schema, back.mysql.state?.status ?? -1)
  for (const x of back.mysql.state?.steps ?? [])
    if (x.at < step.answeredAt || step.answeredAt < 0) state.apply(x, false)
  const value = state.value(entry.key)
  if (value === null) return false
  return entry.value === '' || value === '' || normalValue(value) === normalValue(entry.value)
}
