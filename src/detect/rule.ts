/** What a rule is. Rules see finished sessions only: no bytes, no files, no clocks, no other rules. */
import type { Instant } from '../core/time.ts'
import type { LogEvent } from '../logs/event.ts'
import type { Confidence, CulpritRole, Outcome, Severity } from '../report/model.ts'
import type { Session } from '../session/session.ts'
import type { Fleet } from './fleet.ts'

export type RuleFamily = 'cut' | 'idle' | 'tls' | 'state' | 'handshake' | 'network' | 'protocol'

export interface RuleMeta {
  /** Stable id of the report contract. */
  id: string
  family: RuleFamily
  title: string
  /** The gravest severity that it reports with. */
  severity: Severity
  /** What it sees, why it matters, what it cannot tell: sentences for `rules show` and docs/rules.md. */
  what: string
  why: string
  cannotTell: string
  /** What to change. `config` is the setting itself, '' when there is none. */
  fix: { text: string; config: string }[]
  /** What must be visible for it to speak. */
  needs: ('tcp' | 'mysql')[]
  /** Look-alikes that must stay quiet, in words; each has a test. */
  quiet: string[]
  references: { title: string; url: string }[]
  /** What `detail` of its findings holds, key by key. */
  detail: Record<string, string>
  /** Folder under samples/ that shows it. */
  sample: string
}

/** Evidence as rules write it; the engine adds input names, display filters and times. `of`: another session's frames. */
export type RuleEvidence = { of?: Session } & (
  | { kind: 'frames'; frames: number[]; says: string }
  | { kind: 'log'; event: LogEvent; says: string }
  | { kind: 'silence'; from: Instant; to: Instant; says: string }
  | { kind: 'measure'; name: string; value: number; unit: string; compared?: string }
)

export interface Culprit {
  role: CulpritRole
  address: string | null
  product: string | null
}

export interface Verdict {
  session: Session
  at: Instant
  /** What makes the cause one: verdicts of one rule with the same cause become one finding. Nothing that only this capture has (ports of clients, frames, times). */
  cause: string
  severity: Severity
  confidence: Confidence
  culprit: Culprit
  /** Title of the finding made of `all` verdicts with this cause. */
  title(all: readonly Verdict[]): string
  detail: Record<string, unknown>
  /** The command concerned, its statement, and whether it may have run. */
  command: string | null
  statement: string | null
  outcome: Outcome
  evidence: RuleEvidence[]
  excluded: string[]
  remedy: { text: string; config: string }[]
}

export interface RuleContext {
  report(verdict: Verdict): void
  /** Whether an earlier, more specific rule has already said why this session broke. */
  explained(s: Session): boolean
  /** Takes a session as explained without an occurrence of its own: it met the cause of a finding and lost nothing by it. */
  settle(s: Session): void
  /** The capture's own time as Unix time, seconds: for what is dated, such as certificates. */
  unixTime(at: Instant): number
  /** All sessions of the run, with indexes over them. */
  readonly fleet: Fleet
}

export interface Rule {
  meta: RuleMeta
  /** Called once per session, in order of input and stream. */
  session(s: Session, ctx: RuleContext): void
}

export const defineRule = (rule: Rule): Rule => rule
