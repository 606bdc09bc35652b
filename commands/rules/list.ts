/** Every rule (contract.md section 4). */
import { Flags } from '@oclif/core'
import { BaseCommand } from '../../src/cli/base-command.ts'
import { RULES } from '../../src/index.ts'
import { renderRulesList } from '../../src/report/rules-text.ts'

export default class RulesList extends BaseCommand {
  static override summary = 'Every rule with what it reports.'
  static override examples = ['<%= config.bin %> rules list', '<%= config.bin %> rules list --format json']
  static override flags = {
    format: Flags.string({
      summary: 'What to print.',
      options: ['text', 'json'],
      default: 'text',
      helpValue: 'text|json',
    }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(RulesList)
    if (flags.format === 'json') await this.print([JSON.stringify(RULES, null, 2)])
    else await this.printPaged(renderRulesList(RULES, this.styleOf(flags.color)))
  }
}
