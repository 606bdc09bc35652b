/** What was asked and how it came out, as test cases: the policy's questions, or, without a policy, one per rule. */
import type { CheckCase, Finding, Report } from './model.ts'
import { RULE_BOOK } from './rule-book.ts'
import { count } from './words.ts'

/** Cases of a report. Without a policy a rule fails on findings that are more than notes. */
export function casesOf(report: Report): CheckCase[] {
  if (report.check !== undefined) return report.check.cases
  return RULE_BOOK.map((rule): CheckCase => {
    const own = report.findings.filter((f) => f.rule === rule.id)
    const grave = own.filter((f) => f.severity !== 'info')
    const says =
      own.length === 0
        ? 'nothing found'
        : own.map((f) => `${f.title} (${count(f.occurrences.length, 'connection')})`).join('; ')
    return { kind: 'rule', name: rule.id, passed: grave.length === 0, says, findings: own.map((f) => f.id) }
  })
}

/** The findings by id. */
export const findingIndex = (report: Report): Map<string, Finding> => new Map(report.findings.map((f) => [f.id, f]))
