/** What `mysqlconn check` adds to a report: the policy's questions with their answers, and which findings a baseline accepts. */
import type { Severity } from './model.ts'

/** One question of the policy: a test case for JUnit. */
export interface CheckCase {
  kind: 'rule' | 'budget' | 'require' | 'baseline'
  /** Rule id, key of the budget, requirement, or `baseline`. */
  name: string
  passed: boolean
  /** The answer in words, with its numbers. */
  says: string
  /** Ids of the findings that it is about. */
  findings: string[]
}

export interface CheckReport {
  /** Path of the policy as it was found, null when the built-in one was used. */
  policy: string | null
  passed: boolean
  /** Findings of this severity or a graver one break the policy unless a budget allows them; null: only budgets do. */
  failOn: Severity | null
  /** In the order rules, budgets, requirements, baseline. */
  cases: CheckCase[]
  baseline: {
    path: string | null
    /** Entries that no finding met: the cause is gone, or was not met this time. */
    stale: BaselineEntry[]
    /** Entries whose day has passed, by the time of the capture. */
    expired: BaselineEntry[]
  }
}

/** An accepted finding. */
export interface BaselineEntry {
  id: string
  reason: string
  owner: string
  /** Last day on which it holds, YYYY-MM-DD (UTC). */
  expires: string
}

/** On a finding that a baseline accepts. */
export interface Suppression {
  reason: string
  owner: string
  expires: string
}
