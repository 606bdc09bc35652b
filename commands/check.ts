/** The CI gate (contract.md section 1): a policy over captured traffic, exit code 1 when it is broken. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Flags } from '@oclif/core'
import { AnalysisCommand } from '../src/cli/analysis-command.ts'
import { ANALYSIS_FLAGS, INPUTS } from '../src/cli/flags.ts'
import { writeFileAtomically } from '../src/cli/output.ts'
import { nearest } from '../src/cli/suggest.ts'
import { analyze, EXIT, MysqlconnError, type Report, RULES, type Severity } from '../src/index.ts'
import { parseBaseline, updateBaseline } from '../src/policy/baseline.ts'
import { type Baseline, breaking, judge } from '../src/policy/judge.ts'
import { DEFAULT_POLICY } from '../src/policy/policy.ts'
import { findPolicy, readPolicy, readText } from '../src/policy/read.ts'
import { renderCheck } from '../src/report/check-text.ts'

const BASELINE = 'mysqlconn-baseline.yml'

// A finding that is left out could not break the policy: what counts is fail-on.
const { 'min-severity': _, ...CHECK_FLAGS } = ANALYSIS_FLAGS

export default class Check extends AnalysisCommand {
  static override summary = 'Hold captured traffic against a policy: exit code 1 when it is broken. For CI.'
  static override description =
    'The policy is mysqlconn.yml, found upward from the working directory: which rules at which severity, budgets, scope, what must have been seen ' +
    '(docs/policy.md, mysqlconn schema policy). Without one, findings of severity error break it. An empty, unreadable or incomplete capture fails, it never passes. ' +
    'Exit code: 0 the policy holds, 1 it is broken, 2 wrong usage or policy, 3 an input cannot be read, 70 a bug of ours, 130 interrupted.'
  static override examples = [
    '<%= config.bin %> check capture.pcap',
    '<%= config.bin %> check captures/ --policy ci/mysqlconn.yml -o junit.xml -o report.html',
    '<%= config.bin %> check capture.pcap --format github -o summary.md -o results.sarif',
    `<%= config.bin %> check capture.pcap --update-baseline --reason 'ticket 123' --owner dba --expires 2027-01-31`,
  ]
  static override args = { input: INPUTS }
  static override flags = {
    policy: Flags.string({
      summary: 'Policy file instead of the mysqlconn.yml found upward from the working directory.',
      helpValue: 'FILE',
      helpGroup: 'POLICY',
    }),
    baseline: Flags.string({
      summary: 'File of accepted findings; wins over the one that the policy names.',
      helpValue: 'FILE',
      helpGroup: 'POLICY',
    }),
    'update-baseline': Flags.boolean({
      summary: 'Write the findings that break the policy into the baseline, drop entries that nothing met.',
      helpGroup: 'POLICY',
    }),
    reason: Flags.string({ summary: 'Why the new entries are accepted.', helpValue: 'TEXT', helpGroup: 'POLICY' }),
    owner: Flags.string({ summary: 'Who answers for them.', helpValue: 'NAME', helpGroup: 'POLICY' }),
    expires: Flags.string({
      summary: 'Last day on which they are accepted, by the time of the capture.',
      helpValue: 'YYYY-MM-DD',
      helpGroup: 'POLICY',
    }),
    ...CHECK_FLAGS,
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Check)
    const found = flags.policy ?? findPolicy(process.cwd())
    const options = { ruleIds: RULES.map((r) => r.id), nearest }
    const policy = found === null ? { ...DEFAULT_POLICY } : readPolicy(found, options)
    if (flags['fail-on'] !== undefined) policy.failOn = flags['fail-on'] as Severity
    const folder = found === null ? '.' : dirname(found)
    const named = flags.baseline ?? (policy.baseline === null ? null : join(folder, policy.baseline))
    const path = named ?? (flags['update-baseline'] ? join(folder, BASELINE) : null)
    const text = path === null || (flags['update-baseline'] && !existsSync(path)) ? '' : readText(path)
    const baseline: Baseline | null =
      path === null ? null : { path: flags.baseline ?? policy.baseline ?? BASELINE, entries: parseBaseline(path, text) }

    const asked = rulesAsked(flags.rule)
    const since = flags.since ?? policy.scope.since
    const until = flags.until ?? policy.scope.until
    await this.analyseAndPrint(
      analyze,
      args.input,
      // What breaks the policy decides, not a severity alone.
      {
        ...flags,
        'fail-on': undefined,
        rule: undefined,
        ...(since === undefined ? {} : { since }),
        ...(until === undefined ? {} : { until }),
      },
      {
        narrow: (report) => judge(report, policy, baseline, asked),
        text: (report, style) => renderCheck(report, style, { explain: flags.explain === true }),
        verdict: async (report) => {
          if (!flags['update-baseline']) {
            return report.check!.passed ? null : { code: EXIT.findings, why: why(report) }
          }
          const keep = report.findings.filter((f) => f.suppressed !== undefined)
          const expired = new Set(report.check!.baseline.expired.map((e) => e.id))
          const wanted = [...keep, ...breaking(report.findings, policy)]
          // An expired entry is answered for anew: it loses its old reason and day.
          const updated = updateBaseline(
            expired.size === 0
              ? text
              : updateBaseline(
                  text,
                  wanted.filter((f) => !expired.has(f.id)),
                  NOTHING,
                ),
            wanted,
            { reason: flags.reason, owner: flags.owner, expires: flags.expires },
          )
          await writeFileAtomically(path!, [updated.replace(/\n$/, '')])
          this.say(`${path}: ${wanted.length} accepted`)
          return null
        },
      },
    )
  }
}

const NOTHING = { reason: undefined, owner: undefined, expires: undefined }

/** All rules run, so that each explains what is its own; --rule says whose answer counts. */
function rulesAsked(list: string | undefined): string[] {
  const known = RULES.map((r) => r.id)
  if (list === undefined) return known
  const ids = list.split(',').map((w) => w.trim())
  const unknown = ids.find((id) => !known.includes(id))
  if (unknown !== undefined)
    throw new MysqlconnError('E_NO_SUCH_RULE', `there is no rule '${unknown}'`, 'mysqlconn rules list')
  return ids
}

function why(report: Report): string {
  const failed = report.check!.cases.filter((c) => !c.passed)
  const names = failed.slice(0, 4).map((c) => (c.kind === c.name ? c.name : `${c.kind} ${c.name}`))
  return `the policy is broken: ${names.join(', ')}${failed.length > 4 ? ` and ${failed.length - 4} more` : ''}`
}
