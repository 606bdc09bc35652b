/** Help with the examples first: they answer most questions. Used by oclif through package.json (oclif.helpClass). */
import { CommandHelp, Help, type Interfaces } from '@oclif/core'

class ExamplesFirst extends CommandHelp {
  protected override sections(): ReturnType<CommandHelp['sections']> {
    const sections = super.sections()
    const first = sections.filter((s) => s.header === 'EXAMPLES')
    return [...first, ...sections.filter((s) => s.header !== 'EXAMPLES')]
  }
}

const FIRST_STEPS = [
  '$ mysqlconn analyze capture.pcap                     who cut which connections, and why',
  '$ mysqlconn analyze capture.pcap -o report.html      the same to pass on',
  '$ mysqlconn explain 2013                             what an error says, and how to find its cause',
  '$ mysqlconn check capture.pcap                       the same as a gate for CI',
]

export default class MysqlconnHelp extends Help {
  protected override CommandHelpClass: typeof CommandHelp = ExamplesFirst

  constructor(config: Interfaces.Config, options: Partial<Interfaces.HelpOptions> = {}) {
    // Flags stay in the order in which they are written: what to read, what to print, the exit code.
    super(config, { ...options, flagSortOrder: 'none', hideCommandSummaryInDescription: true })
  }

  override formatRoot(): string {
    const [description, ...rest] = super.formatRoot().split('\n\n')
    const examples = `EXAMPLES\n${FIRST_STEPS.map((line) => `  ${line}`).join('\n')}`
    return [description, examples, ...rest].join('\n\n')
  }
}
