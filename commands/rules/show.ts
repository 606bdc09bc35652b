/** One rule, or what an error number, state or text means (contract.md section 1). */
import { Args, Flags } from '@oclif/core'
import { BaseCommand } from '../../src/cli/base-command.ts'
import { nearest } from '../../src/cli/suggest.ts'
import { MysqlconnError, RULES } from '../../src/index.ts'
import { lookUp } from '../../src/report/knowledge.ts'
import { questionsFor } from '../../src/report/questions.ts'
import { renderQuestions } from '../../src/report/questions-text.ts'
import { renderKnowledge, renderRule } from '../../src/report/rules-text.ts'

export default class RulesShow extends BaseCommand {
  static override summary = 'Explain a rule, an error number, a HAProxy termination state or an error message.'
  static override description =
    'For a rule: what it sees, why it matters, how to fix it, what it cannot tell. For anything else: what it says of the connection, and what to look at.'
  static override aliases = ['explain']
  static override examples = [
    '<%= config.bin %> explain rst-after-query',
    '<%= config.bin %> explain 4031',
    '<%= config.bin %> explain HAProxy:sD',
    '<%= config.bin %> explain "server has gone away"',
    '<%= config.bin %> explain "TLS/SSL error: Success (0)"',
  ]
  static override args = {
    id: Args.string({
      description: 'rule id, error number, HAProxy:XY, an error message, or a question of docs/questions.md',
      required: true,
      multiple: true,
      ignoreStdin: true,
    }),
  }
  static override flags = {
    format: Flags.string({
      summary: 'What to print.',
      options: ['text', 'json'],
      default: 'text',
      helpValue: 'text|json',
    }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(RulesShow)
    const asked = args.id.join(' ')
    const style = this.styleOf(flags.color)
    // A finding's id (rule:fingerprint) is what people copy from a report.
    const rule = RULES.find((r) => r.id === asked || asked.startsWith(`${r.id}:`))
    const questions = rule === undefined ? questionsFor(asked) : []
    const known = rule === undefined && !questions.some((q) => q.id === asked) ? lookUp(asked) : []
    if (rule === undefined && known.length === 0 && questions.length === 0) throw unknown(asked)
    if (flags.format === 'json') {
      const found = rule ?? [...known, ...questions.map(({ match: _, ...q }) => q)]
      await this.print([JSON.stringify(found, null, 2)])
    } else if (rule !== undefined) await this.printPaged(renderRule(rule, style))
    else {
      // The question that fits best in full; the others are named.
      const others = [...renderQuestions(questions.slice(1), RULES, style, false)]
      await this.printPaged([
        ...renderKnowledge(known, RULES, style),
        ...renderQuestions(questions.slice(0, 1), RULES, style, true),
        ...(others.length > 0 ? ['', ...others] : []),
      ])
    }
  }
}

function unknown(asked: string): MysqlconnError {
  const near = nearest(
    asked,
    RULES.map((r) => r.id),
  )
  const hint = near.length > 0 ? `did you mean ${near.join(', ')}?` : 'rules: mysqlconn rules list'
  return new MysqlconnError('E_NO_SUCH_RULE', `nothing is known of '${asked}'`, hint)
}
