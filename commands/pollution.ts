/** One family of findings with its own table (contract.md section 1). */
import { Flags } from '@oclif/core'
import { AnalysisCommand } from '../src/cli/analysis-command.ts'
import { ANALYSIS_FLAGS, INPUTS } from '../src/cli/flags.ts'
import { analyze, MysqlconnError } from '../src/index.ts'
import { renderPollution, STATE_FAMILIES } from '../src/report/pollution-text.ts'
import { selectFindings } from '../src/report/select.ts'

export default class Pollution extends AnalysisCommand {
  static override summary =
    'Session state on shared connections: who set what, who ran with it, and what proxies did when they took connections into use again.'
  static override description =
    'The engine of analyze, with the findings about session state only. Each connection is shown with its borrowers and the state that each found and left. ' +
    'Borrowers are told apart by a pool trace, a reset, or a check at checkout; --borrow-gap takes every longer silence for another borrower as well. Exit codes as for analyze.'
  static override examples = [
    '<%= config.bin %> pollution capture.pcap',
    '<%= config.bin %> pollution capture.pcap --pool-trace pool.log',
    '<%= config.bin %> pollution capture.pcap --borrow-gap 0.5 --format json | jq .pollution.states',
  ]
  static override args = { input: INPUTS }
  static override flags = {
    ...ANALYSIS_FLAGS,
    'borrow-gap': Flags.string({
      summary: 'Take a silence of this many seconds on a connection for a change of borrower.',
      helpValue: 'SECONDS',
      helpGroup: 'STATE',
    }),
    'pool-trace': Flags.string({
      summary:
        'A log with the pool’s checkouts and checkins; the same as naming it among the inputs. May be given more than once.',
      helpValue: 'FILE',
      multiple: true,
      multipleNonGreedy: true,
      helpGroup: 'STATE',
    }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Pollution)
    const inputs = [...args.input, ...(flags['pool-trace'] ?? [])]
    await this.analyseAndPrint(analyze, inputs, flags, {
      options: { pollution: true, ...gap(flags['borrow-gap']) },
      narrow: (report) => selectFindings(report, (f) => STATE_FAMILIES.includes(f.family)),
      text: (report, style) => renderPollution(report, style, { explain: flags.explain === true }),
    })
  }
}

function gap(text: string | undefined): { borrowGap?: number } {
  if (text === undefined) return {}
  const seconds = Number(text)
  if (!Number.isFinite(seconds) || seconds <= 0) {
    throw new MysqlconnError('E_USAGE', `--borrow-gap ${text}: not a number of seconds`, 'for example --borrow-gap 0.5')
  }
  return { borrowGap: seconds }
}
