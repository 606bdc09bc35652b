/** Completion for the shell, as a script on stdout. */
import { Args } from '@oclif/core'
import { BaseCommand } from '../src/cli/base-command.ts'
import { type CompletedCommand, completion, SHELLS, type Shell } from '../src/cli/completion.ts'
import { RULES } from '../src/index.ts'
import { QUESTIONS } from '../src/report/questions.ts'

export default class Completion extends BaseCommand {
  static override summary = 'Print a completion script for bash, zsh or fish.'
  static override examples = [
    'source <(<%= config.bin %> completion bash)',
    '<%= config.bin %> completion zsh > ~/.zfunc/_mysqlconn',
    '<%= config.bin %> completion fish > ~/.config/fish/completions/mysqlconn.fish',
  ]
  static override args = {
    shell: Args.string({ description: 'the shell', options: [...SHELLS], required: true, ignoreStdin: true }),
  }

  async run(): Promise<void> {
    const { args } = await this.parse(Completion)
    await this.print([completion(args.shell as Shell, this.completed()).replace(/\n$/, '')])
  }

  private completed(): CompletedCommand[] {
    const rules = RULES.map((r) => r.id)
    const out: CompletedCommand[] = []
    for (const c of this.config.commands) {
      if (c.hidden) continue
      const flags = Object.values(c.flags).flatMap((f) => {
        const one = {
          name: f.name,
          char: f.char ?? null,
          summary: f.summary ?? f.description ?? '',
          takesValue: f.type === 'option',
          options: f.name === 'rule' ? rules : f.type === 'option' ? (f.options ?? []) : [],
        }
        const no = f.type === 'boolean' && f.allowNo ? [{ ...one, name: `no-${f.name}`, char: null }] : []
        return [one, ...no]
      })
      const asksRule = c.id === 'rules:show' || c.aliases.includes('explain')
      const words = asksRule ? [...rules, ...QUESTIONS.map((q) => q.id)] : (Object.values(c.args)[0]?.options ?? [])
      const names = c.aliases.includes(c.id) ? [c.id] : [c.id, ...c.aliases]
      for (const id of names) {
        const name = id.replaceAll(':', ' ')
        if (!out.some((o) => o.name === name)) out.push({ name, summary: c.summary ?? '', flags, words })
      }
    }
    return out
  }
}
