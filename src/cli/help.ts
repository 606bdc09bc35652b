/** Help with the examples first: they answer most questions. Used by oclif through package.json (oclif.helpClass). */
import { CommandHelp, Help, type Interfaces } from '@oclif/core'

class ExamplesFirst extends CommandHelp {
  protected override sections(): ReturnType<CommandHelp['sections']> {
    const sections = super.sections()
    const first = sections.filter((s) => s.header === 'EXAMPLES')
    return [...first, ...sections.filter((s) => s.header !== 'EXAMPLES')]
  }
}

export default class MysqlconnHelp extends Help {
  protected override CommandHelpClass: typeof CommandHelp = ExamplesFirst

  constructor(config: Interfaces.Config, options: Partial<Interfaces.HelpOptions> = {}) {
    // Flags stay in the order in which they are written: what to read, what to print, the exit code.
    super(config, { ...options, flagSortOrder: 'none', hideCommandSummaryInDescription: true })
  }
}
